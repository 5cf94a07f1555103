/**
 * What this hook asks of a packet beyond its plain fields, each in one function: the places where it meets the runtime.
 *
 * Rule: nothing here allocates for a packet, and a function that cannot answer yet says so before the first packet.
 *
 * @module
 */

import type { Packet } from 'firehook';

/** Why a rule with `state` is refused; '' once {@link stateOf} can answer. */
export const NO_STATES = 'this version of firehook does not tell hooks the state of a flow yet';

/** Why a rule with the name of an interface is refused where {@link interfaceIndex} has no answer. */
export const NO_INTERFACE = 'this version of firehook does not tell hooks the names of interfaces yet';

/** State of the flow that a packet belongs to, by its number in `STATES`; 0 for none. */
export function stateOf(_packet: Packet): number {
  return 0;
}

/** Index of an interface, as the context of a packet has it; -1 where it is not known. Called at set-up only. */
export function interfaceIndex(_name: string): number {
  return -1;
}

/**
 * Type and code of an ICMP message, `type * 256 + code`; -1 where they are not there. Whether it is one the caller knows.
 *
 * Cost: `bytes` is a copy, so only rule files that ask for a type call this, and only for messages of ICMP.
 */
export function icmpTypeAndCode(packet: Packet): number {
  const at = packet.transportOffset;
  if (packet.fragmentOffset !== 0 || at + 2 > packet.length) return -1;
  const { bytes } = packet;
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}
