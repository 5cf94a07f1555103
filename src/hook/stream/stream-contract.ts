/**
 * Streams as hooks see them: what a definition asks for, what `onStream` is handed, and what it returns.
 *
 * ```
 *   segments of a connection ─> put in order ─> onStream(stream) ─ MORE ─> what came goes on, the next octets bring another call
 *                                                              ├─ FORWARD, ACCEPT ─> the connection goes on and costs nothing more
 *                                                              └─ DROP, RESET ─> the connection has ended
 * ```
 * Rule: the segment in hand is judged before it goes on, and it holds an octet that the receiver does not have. So the receiver never has all
 * octets of what is being judged before the verdict is there; docs/hook-streams.md has the argument and its conditions.
 *
 * @module
 */

import type { DROP, FORWARD } from '../../firewall/constants.ts';
import type { ACCEPT, RESET, ReasonedVerdict } from '../contract.ts';
import type { Flow } from '../packet/packet-contract.ts';

/** Answer of `onStream`: more octets are needed. What came goes on. It is no verdict on a packet. */
export const MORE: -1 = -1;

/** What `onStream` may say without a reason. */
export type PlainStreamVerdict = typeof MORE | typeof FORWARD | typeof DROP | typeof ACCEPT | typeof RESET;

/** What `onStream` returns: MORE -1, FORWARD 0, DROP 1, ACCEPT 3 or RESET 4, or one of the last four for a reason. Anything else is a hook fault. */
export type StreamVerdict = PlainStreamVerdict | ReasonedVerdict;

/** What becomes of a connection: it goes on unread, its packets are dropped from now on, or both ends are reset and its packets dropped. */
export type StreamPolicy = 'forward' | 'drop' | 'reset';

/** Which streams a hook reads, how far, and what becomes of those that it cannot read. */
export interface StreamOptions {
  /** Ports of the servers: 1 to 1,024 of them. */
  readonly ports: readonly number[];
  /** Whose octets are read: of the end that opened the connection, or of the other one. @defaultValue 'client' */
  readonly from?: 'client' | 'server';
  /** Octets that are read at most, from the start of the stream: 1 to 2^24. */
  readonly most: number;
  /**
   * No octet goes on that was not read and may be part of what is judged: {@link StreamOptions.onFull} and {@link StreamOptions.onUnread} are
   * `reset` where they are not given, and a segment that a receiver might take and that cannot be read is dropped.
   *
   * @defaultValue false
   */
  readonly gate?: boolean;
  /**
   * What two segments do that have other octets for the same place, or another end: both ends are reset, or each segment that contradicts an
   * earlier one is dropped.
   *
   * @defaultValue 'reset'
   */
  readonly onOverlap?: 'reset' | 'first';
  /** What becomes of a connection when the hook says MORE and `most` is reached. @defaultValue 'forward', with `gate` 'reset' */
  readonly onFull?: StreamPolicy;
  /**
   * What becomes of octets that cannot be read: they were missed, came in fragments or as urgent data, nothing new came for `idleMs` and then
   * something did, the reading had to give up its room. @defaultValue 'forward', with `gate` 'reset'
   */
  readonly onUnread?: StreamPolicy;
  /**
   * What becomes of a connection whose start is not known: it is older than the lane, its flow was forgotten, or the flow table is full. It
   * shows when octets come.
   *
   * @defaultValue 'forward', with `gate` too: with another value a lane that starts ends the connections that are there
   */
  readonly onUnseen?: StreamPolicy;
  /** A reading ends when nothing new came for so many milliseconds. @defaultValue 120,000 */
  readonly idleMs?: number;
  /** Streams that are read at a time, in each lane. @defaultValue 4,096 */
  readonly streams?: number;
  /** Memory for their octets, in each lane; a stream takes it in pieces of 2,048 octets. @defaultValue 8 */
  readonly memoryMiB?: number;
}

/**
 * The octets of one direction of a connection that are in order, from its first one on. Reading consumes nothing: the next call shows the same
 * octets with more behind them. Borrowed: after the call it shows nothing.
 */
export interface Stream {
  /** The connection. */
  readonly flow: Flow;
  /** Octets that are there. */
  readonly length: number;
  /** True for what the end sends that opened the connection. */
  readonly isClient: boolean;
  /** No more octets come: the sender has finished. */
  readonly isEnded: boolean;
  /** `most` octets are there: it is judged for the last time, and MORE means `onFull`. */
  readonly isFull: boolean;
  /** Urgent data came, which a receiver may take out of the stream (RFC 6093). Only with `onUnread: 'forward'`. */
  readonly hasUrgent: boolean;
  /** One octet; -1 beyond the end. */
  u8(at: number): number;
  /** Two octets in network order; -1 beyond the end. */
  u16(at: number): number;
  /** Four octets in network order; -1 beyond the end. */
  u32(at: number): number;
  /** Where these octets stand for the first time, not before `from`; -1 where they do not. Cost: O(length). */
  indexOf(needle: Uint8Array, from?: number): number;
  /** True when it starts with these octets. Cost: O(length of the needle). */
  startsWith(needle: Uint8Array): boolean;
  /** Copies octets from `at` on; how many there were and had room. Cost: O(octets). */
  copyTo(target: Uint8Array, at?: number): number;
  /** As text, one character an octet (latin1). Makes a string. */
  text(from?: number, to?: number): string;
}

/** The same with everything filled in. */
export type StreamSettings = Required<StreamOptions>;

/** Numbers of a hook with streams. All but `open` and `octetsHeld` only grow. */
export interface StreamNumbers {
  /** Streams that are being read. */
  readonly open: number;
  /** Octets of memory that they hold. */
  readonly octetsHeld: number;
  /** Streams of which octets came. */
  readonly opened: number;
  /** Octets put in order. */
  readonly octets: number;
  /** Connections that the hook let go on. */
  readonly passed: number;
  /** Connections that were cut: by the hook, by a contradiction, or because a policy says so. */
  readonly cut: number;
  /** Connections with octets that could not be read. */
  readonly unread: number;
  /** Connections whose start is not known. */
  readonly unseen: number;
  /** Segments that were dropped because they could not be read, beside those of a connection that was cut. */
  readonly droppedSegments: number;
  /** Of them, those with a wrong checksum. */
  readonly wrongChecksums: number;
  /** Segments behind a gap. */
  readonly waited: number;
  /** Segments beyond the bounds of their stream. */
  readonly tooFar: number;
  /** Segments for which there was no memory. */
  readonly noRoom: number;
  /** Streams for which there was no place. */
  readonly unopened: number;
  /** Segments that contradict an earlier one. */
  readonly contradictions: number;
  /** Streams of which octets were missed. */
  readonly missed: number;
  /** Readings that nothing new came to for too long. */
  readonly expired: number;
  /** Readings that gave up their room. */
  readonly evicted: number;
}
