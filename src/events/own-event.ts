/**
 * What is known of a packet that did not go on, and of a flow that ended, as an event has it.
 *
 * Floor 1. Rule: types alone, of plain data: what reads them out of memory is in own-records.ts.
 *
 * @module
 */

import type { DROP_VERDICTS, DropReason } from './event-layout.ts';

/** A packet that did not go on. */
export interface DropRecord {
  readonly reason: DropReason;
  /** '' where no hook gave one. */
  readonly verdict: (typeof DROP_VERDICTS)[number];
  /** Place of the way, which need not be one. */
  readonly way: number;
  /** Octets of the datagram, or of the frame where there is none. */
  readonly length: number;
  /** Index and generation of the flow; null without one. */
  readonly flow: FlowNumber | null;
  /** Left out before it. */
  readonly suppressed: number;
  /** Where the octets begin: at an IP header that was found well formed, at a header of Ethernet, elsewhere. */
  readonly start: 'ip' | 'ethernet' | 'other';
  /** 4 or 6 where it starts with an IP header, else 0. */
  readonly version: 0 | 4 | 6;
  readonly protocol: number;
  /** Octet where the transport header starts; -1 where there is none. */
  readonly transport: number;
  /** Its first octets as it came. */
  readonly octets: Uint8Array;
  /** What the hook gave as its reason; '' where it gave none. */
  readonly note: string;
}

/** What tells a flow from others of its lane. */
export interface FlowNumber {
  readonly index: number;
  readonly generation: number;
}

/** A flow that ended. */
export interface FlowEndRecord {
  /** See `EndReason`. */
  readonly reason: number;
  /** See `FlowState`. */
  readonly state: number;
  readonly isAnswered: boolean;
  /** Flags of TCP: of the direction of the first packet, of the other one, and of which it is not known. */
  readonly flags: readonly [number, number, number];
  readonly flow: FlowNumber;
  readonly suppressed: number;
  /** Milliseconds since 1970. */
  readonly firstMs: number;
  /** The same. */
  readonly lastMs: number;
  /** Of the direction of the first packet, and of the other one. */
  readonly packets: readonly [number, number];
  readonly octets: readonly [number, number];
}
