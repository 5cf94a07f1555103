/**
 * The ways through a `bridge`: from each port to the other.
 *
 * @module
 */

import type { LivePortOptions } from '../../drivers/live-port.ts';
import { DEST_REMOTE, IP_RECEIVE } from '../../firewall/constants.ts';
import type { Way } from '../../lane/way.ts';
import type { Link } from '../link.ts';
import { detourNames } from '../names.ts';
import type { Attachment } from './attachment.ts';
import { captureLength, ETHERNET_HEADER } from './detours.ts';
import { device } from './device.ts';
import type { LaidOut } from './lay-out.ts';

/** Every frame that arrives at one port goes to the other. */
export function layOutBridge(
  { links: [a, b], takesAt, isEnforced = true }: Attachment & { kind: 'bridge' },
  first: number,
  links: ReadonlyMap<string, Link>,
): LaidOut {
  const isAtPort = takesAt === 'port';
  const port = (id: number, link: Link): LivePortOptions => ({
    id,
    capture: device(isAtPort ? link.name : detourNames(link.ifindex, 'in').far, links),
    direction: isAtPort ? 'inbound' : 'any',
    isFenced: isAtPort,
    send: device(link.name, links),
    maxFrameLength: link.mtu + ETHERNET_HEADER,
    captureLength: captureLength(link),
  });
  const way = (from: Link, to: Link, inPort: number, outPort: number): Way => ({
    name: `${from.name} > ${to.name}`,
    from: from.name,
    to: to.name,
    side: from === a ? 'out' : 'in',
    zone: first,
    inPort,
    outPort,
    otherPort: inPort,
    direction: IP_RECEIVE,
    recvInterfaceIndex: from.ifindex,
    sendInterfaceIndex: to.ifindex,
    otherIndex: from.ifindex,
    unicastType: DEST_REMOTE,
    reject: 'link',
    rejectPort: inPort,
    // A port is the world's: what looks like a probe there is a frame like any other.
    carriesProbes: !isAtPort,
  });
  const ways = [way(a, b, first, first + 1), way(b, a, first + 1, first)];
  return {
    ports: [port(first, a), port(first + 1, b)],
    ways: isEnforced ? ways : ways.flatMap(shown),
  };
}

/** A way that is not enforced is two: what would be, as in a tap, and what is. */
function shown(way: Way): Way[] {
  return [
    { ...way, outPort: -1, otherPort: -1, reject: 'count', rejectPort: -1 },
    { ...way, name: `${way.name}, as it came`, passes: true },
  ];
}
