/**
 * The ports and ways of a lab, laid out as the supervisor lays out those of an attach.
 *
 * ```
 *   bridge   a (port 0, interface 2) <──> b (port 1, interface 3)
 *   host     host (port 0) <── in ── network ;  host ── out ──> network (port 1, interface 2)
 * ```
 * @module
 */

import {
  DEST_LOCAL,
  DEST_REMOTE,
  INVALID_IF_INDEX,
  IP_RECEIVE,
  IP_TRANSMIT,
  LOCAL_IF_INDEX,
} from '../firewall/constants.ts';
import { LOCAL_NAME, type Way } from '../lane/way.ts';
import type { From, LabOptions, To } from './lab-contract.ts';

/** How a lab is attached. */
export interface Attachment {
  readonly ways: readonly Way[];
  /** The side that the packets of each way come from. */
  readonly from: readonly From[];
  /** What stands behind each port. */
  readonly to: readonly To[];
}

const FIRST = 2;
const SECOND = 3;

const BRIDGE: Attachment = {
  ways: [bridgeWay('a', 'b', 0), bridgeWay('b', 'a', 1)],
  from: ['a', 'b'],
  to: ['a', 'b'],
};

const HOST: Attachment = {
  ways: [
    {
      name: 'in',
      from: 'network',
      to: LOCAL_NAME,
      side: 'in',
      zone: 0,
      inPort: 0,
      outPort: 0,
      otherPort: -1,
      direction: IP_RECEIVE,
      recvInterfaceIndex: FIRST,
      sendInterfaceIndex: INVALID_IF_INDEX,
      otherIndex: INVALID_IF_INDEX,
      unicastType: DEST_LOCAL,
      reject: 'raw',
      rejectPort: -1,
    },
    {
      name: 'out',
      from: LOCAL_NAME,
      to: 'network',
      side: 'out',
      zone: 0,
      inPort: 1,
      outPort: 1,
      otherPort: -1,
      direction: IP_TRANSMIT,
      recvInterfaceIndex: LOCAL_IF_INDEX,
      sendInterfaceIndex: FIRST,
      otherIndex: FIRST,
      unicastType: DEST_REMOTE,
      reject: 'link',
      rejectPort: 0,
    },
  ],
  from: ['in', 'out'],
  to: ['host', 'network'],
};

/** The ways of a kind of attach. */
export function attachmentOf(kind: NonNullable<LabOptions['attach']>): Attachment {
  return kind === 'bridge' ? BRIDGE : HOST;
}

function bridgeWay(from: string, to: string, inPort: 0 | 1): Way {
  const [own, other] = inPort === 0 ? [FIRST, SECOND] : [SECOND, FIRST];
  return {
    name: `${from} > ${to}`,
    from,
    to,
    // The first port is the inside.
    side: inPort === 0 ? 'out' : 'in',
    zone: 0,
    inPort,
    outPort: 1 - inPort,
    otherPort: inPort,
    direction: IP_RECEIVE,
    recvInterfaceIndex: own,
    sendInterfaceIndex: other,
    otherIndex: own,
    unicastType: DEST_REMOTE,
    reject: 'link',
    rejectPort: inPort,
  };
}
