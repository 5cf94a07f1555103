/**
 * The ways of a `tap`: it only listens.
 *
 * @module
 */

import type { LivePortOptions } from '../../drivers/live-port.ts';
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
import { LONGEST_FRAME } from './detours.ts';
import type { LaidOut } from './lay-out.ts';

/** Copies of what arrives and of what leaves; nothing is sent. */
export function layOutTap(link: Link, first: number): LaidOut {
  const port = (id: number, direction: 'inbound' | 'outbound'): LivePortOptions => ({
    id,
    capture: { name: link.name, ifindex: link.ifindex },
    direction,
    send: null,
    maxFrameLength: 0,
    // A tap sees super-frames whole.
    captureLength: LONGEST_FRAME,
  });
  const way = { outPort: -1, otherPort: -1, reject: 'count', rejectPort: -1 } as const;
  return {
    ports: [port(first, 'inbound'), port(first + 1, 'outbound')],
    ways: [
      {
        ...way,
        name: `${link.name} in`,
        from: link.name,
        to: LOCAL_NAME,
        side: 'in',
        zone: first,
        inPort: first,
        direction: IP_RECEIVE,
        recvInterfaceIndex: link.ifindex,
        sendInterfaceIndex: INVALID_IF_INDEX,
        otherIndex: INVALID_IF_INDEX,
        unicastType: DEST_LOCAL,
      },
      {
        ...way,
        name: `${link.name} out`,
        from: LOCAL_NAME,
        to: link.name,
        side: 'out',
        zone: first,
        inPort: first + 1,
        direction: IP_TRANSMIT,
        recvInterfaceIndex: LOCAL_IF_INDEX,
        sendInterfaceIndex: link.ifindex,
        otherIndex: link.ifindex,
        unicastType: DEST_REMOTE,
      },
    ],
  };
}
