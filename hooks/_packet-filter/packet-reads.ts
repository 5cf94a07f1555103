/**
 * What this hook asks of a packet beyond its plain fields, each in one function: the places where it meets the runtime.
 *
 * Rule: nothing here allocates for a packet.
 *
 * @module
 */

import type { Packet } from 'firehook';
import { STATES } from './names.ts';

const [NEW, ESTABLISHED, RELATED, INVALID] = ['new', 'established', 'related', 'invalid'].map((name) =>
  STATES.indexOf(name),
) as [number, number, number, number];

/**
 * State of the flow that a packet belongs to, by its number in `STATES`; 0 for none. A connection that closes is still established, as for nftables;
 * a fragment whose first one was not seen can be of no flow.
 */
export function stateOf({ flowState }: Packet): number {
  switch (flowState) {
    case 'new':
      return NEW;
    case 'established':
    case 'closing':
    case 'closed':
      return ESTABLISHED;
    case 'related':
      return RELATED;
    case 'invalid':
    case 'fragment':
      return INVALID;
    default:
      return 0;
  }
}

/** Type and code of an ICMP message, `type * 256 + code`; -1 where they are not there. */
export function icmpTypeAndCode({ icmp }: Packet): number {
  return icmp === null ? -1 : (icmp.type << 8) | icmp.code;
}
