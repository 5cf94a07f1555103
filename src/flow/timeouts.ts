/**
 * How long a flow stays without a packet, and in which order flows leave a full table.
 *
 * ```
 *   kind    new              established          closing           closed
 *   TCP     tcpNewMs         tcpEstablishedMs     tcpClosingMs      tcpClosedMs
 *   UDP     udpNewMs         udpEstablishedMs
 *   ICMP    icmpMs           icmpMs
 *   others  otherMs          otherMs
 * ```
 * Floor 1. Every cell is a class with a list of its own. All flows of a class have the same timeout, so the list in
 * order of last use is also the list in order of expiry.
 *
 * Rule: a timeout counts from the last packet that was valid and changed something; nothing else keeps a flow alive.
 *
 * The values are those of Linux but for one: an established TCP connection stays 2 hours and 4 minutes, the least that
 * RFC 5382 allows (REQ-5), not 5 days. The table is bounded: connections whose ends are long gone would fill it.
 *
 * @see RFC 5382 (TCP), RFC 4787 (UDP, 2 minutes at least)
 * @module
 */

import { PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_UDPLITE } from '../wire/ipv4.ts';
import { NEXT_ICMPV6 } from '../wire/ipv6.ts';

/** A flow without an answer; TCP: whose handshake is not complete. */
export const STATE_NEW = 0;
/** Both ends have spoken. */
export const STATE_ESTABLISHED = 1;
/** TCP: one end has finished, or both have and an acknowledgement is missing. */
export const STATE_CLOSING = 2;
/** TCP: reset, or finished by both ends. */
export const STATE_CLOSED = 3;

/** State of a flow by number. */
export type FlowState = 0 | 1 | 2 | 3;

/** Kind of protocol: TCP. */
export const KIND_TCP = 0;
/** Kind of protocol: UDP and UDP-Lite. */
export const KIND_UDP = 1;
/** Kind of protocol: queries of ICMP. */
export const KIND_ICMP = 2;
/** Kind of protocol: everything else. */
export const KIND_OTHER = 3;

/** Classes a flow can be in: a state of a kind, `kind * 4 + state`. */
export const CLASSES = 16;

/** Timeouts in milliseconds. */
export interface FlowTimeouts {
  /** @defaultValue 120,000 */
  readonly tcpNewMs: number;
  /** @defaultValue 7,440,000 */
  readonly tcpEstablishedMs: number;
  /** @defaultValue 120,000 */
  readonly tcpClosingMs: number;
  /** @defaultValue 10,000 */
  readonly tcpClosedMs: number;
  /** @defaultValue 30,000 */
  readonly udpNewMs: number;
  /** @defaultValue 120,000 */
  readonly udpEstablishedMs: number;
  /** @defaultValue 30,000 */
  readonly icmpMs: number;
  /** @defaultValue 600,000 */
  readonly otherMs: number;
}

/** What holds where a table is told nothing else. */
export const DEFAULT_TIMEOUTS: FlowTimeouts = {
  tcpNewMs: 120_000,
  tcpEstablishedMs: 7_440_000,
  tcpClosingMs: 120_000,
  tcpClosedMs: 10_000,
  udpNewMs: 30_000,
  udpEstablishedMs: 120_000,
  icmpMs: 30_000,
  otherMs: 600_000,
};

/** Timeout of each class; of those that do not occur, that of an established flow of the kind. */
export function timeoutsByClass(timeouts: FlowTimeouts): Float64Array {
  const { tcpNewMs, tcpEstablishedMs, tcpClosingMs, tcpClosedMs } = timeouts;
  const { udpNewMs, udpEstablishedMs, icmpMs, otherMs } = timeouts;
  return Float64Array.of(
    ...[tcpNewMs, tcpEstablishedMs, tcpClosingMs, tcpClosedMs],
    ...[udpNewMs, udpEstablishedMs, udpEstablishedMs, udpEstablishedMs],
    ...[icmpMs, icmpMs, icmpMs, icmpMs],
    ...[otherMs, otherMs, otherMs, otherMs],
  );
}

/** Kind of a protocol; ICMP counts as such within its own version of IP. */
export function kindOf(version: number, protocol: number): number {
  switch (protocol) {
    case PROTOCOL_TCP:
      return KIND_TCP;
    case PROTOCOL_UDP:
    case PROTOCOL_UDPLITE:
      return KIND_UDP;
    case PROTOCOL_ICMP:
      return version === 4 ? KIND_ICMP : KIND_OTHER;
    case NEXT_ICMPV6:
      return version === 6 ? KIND_ICMP : KIND_OTHER;
    default:
      return KIND_OTHER;
  }
}
