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
 * State of the flow that a packet belongs to, by its number in `STATES`; 0 for none. As for nftables a connection is established by its first answer,
 * the SYN-ACK itself, and still is while it closes: the flow table says `new` until the handshake is complete, and a rule for established connections
 * would stop it. A fragment whose first one was not seen can be of no flow.
 *
 * @see resolve_normal_ct in Linux' net/netfilter/nf_conntrack_core.c: established from the first reply on
 */
export function stateOf(packet: Packet): number {
  switch (packet.flowState) {
    case 'new':
      return packet.flow?.isAnswered === true ? ESTABLISHED : NEW;
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
