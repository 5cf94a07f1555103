/**
 * The ways through a `host`: in to the host, and out of it.
 *
 * @module
 */

import {
  DEST_LOCAL,
  DEST_REMOTE,
  INVALID_IF_INDEX,
  IP_RECEIVE,
  IP_TRANSMIT,
  LOCAL_IF_INDEX,
} from '../../firewall/constants.ts';
import { LOCAL_NAME } from '../../lane/way.ts';
import type { Link } from '../link.ts';
import { STOLEN_MARK } from '../marks.ts';
import { detourNames } from '../names.ts';
import type { Attachment } from './attachment.ts';
import { captureLength, ETHERNET_HEADER } from './detours.ts';
import { device } from './device.ts';
import type { LaidOut } from './lay-out.ts';

/** What arrives at the port goes on to this host, what leaves goes on to the wire. */
export function layOutHost(
  { links: [link], knownBy, deliveredMark }: Extract<Attachment, { kind: 'host' }>,
  first: number,
  links: ReadonlyMap<string, Link>,
): LaidOut {
  const inbound = device(detourNames(link.ifindex, 'in').far, links);
  const outbound = device(detourNames(link.ifindex, 'out').far, links);
  const port = {
    direction: 'any' as const,
    maxFrameLength: link.mtu + ETHERNET_HEADER,
    captureLength: captureLength(link),
    ...(knownBy === 'mark' ? { captureMark: STOLEN_MARK } : {}),
  };
  return {
    ports: [
      {
        ...port,
        id: first,
        capture: inbound,
        send: inbound,
        ...(knownBy === 'mark' ? { sendMark: deliveredMark } : {}),
      },
      { ...port, id: first + 1, capture: outbound, send: device(link.name, links) },
    ],
    ways: [
      {
        name: `${link.name} in`,
        from: link.name,
        to: LOCAL_NAME,
        side: 'in',
        zone: first,
        inPort: first,
        outPort: first,
        otherPort: -1,
        direction: IP_RECEIVE,
        recvInterfaceIndex: link.ifindex,
        sendInterfaceIndex: INVALID_IF_INDEX,
        otherIndex: INVALID_IF_INDEX,
        unicastType: DEST_LOCAL,
        reject: 'raw',
        rejectPort: -1,
        carriesProbes: true,
      },
      {
        name: `${link.name} out`,
        from: LOCAL_NAME,
        to: link.name,
        side: 'out',
        zone: first,
        inPort: first + 1,
        outPort: first + 1,
        otherPort: -1,
        direction: IP_TRANSMIT,
        recvInterfaceIndex: LOCAL_IF_INDEX,
        sendInterfaceIndex: link.ifindex,
        otherIndex: link.ifindex,
        unicastType: DEST_REMOTE,
        // Back to the host, like a packet that arrives.
        reject: 'link',
        rejectPort: first,
        carriesProbes: true,
      },
    ],
  };
}
