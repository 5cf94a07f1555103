/**
 * TCP streams that are read on their way: segments go in as they come, the octets of a direction come out in order.
 *
 * ```
 *   find(flow, generation, direction) ─ -1 ─> nobody reads: one look into an array, no more
 *     └─ feed(segment) ─ place of its octets ─ contradicts what is there? ─> DISAGREES, or the first ones stay
 *                         ├─ known already ─────────────> SAME
 *                         ├─ behind a gap ──────────────> WAITS, or TOO_FAR, NO_ROOM: not kept
 *                         └─ in order, pieces join ─────> GREW, FULL, ENDED ─> show(): the hook reads ─> close()
 *   memory, idle timeout, who gives up: stream-store.ts        what a hook sees: stream-view.ts
 * ```
 * Floor 1. Nothing is allocated for a segment and nothing is thrown, whatever its octets are. The caller has asked the
 * flow table: segments that cannot belong to the connection are not fed. Their checksums should have been looked at.
 *
 * Rules:
 * - The stream is kept from its start up to its bound. So every octet that comes again is compared with the one that was
 *   read: two readings of a stream are an attack (Ptacek and Newsham), and the caller is told instead of given a guess.
 *   An octet that a receiver would cut off, beyond its window, is no exception: when another one comes, they disagree.
 * - A FIN is octets too: one at another place, and octets behind it or behind a reset, contradict it.
 * - A segment is taken whole or not at all. Who is told TOO_FAR or NO_ROOM drops it, and it will be sent again; or ends
 *   the reading. Passed on, it would be octets that the receiver has and nobody compares.
 * - Reading starts at the SYN and nowhere else, or where the caller says.
 * - What is fed is not changed and not kept. Where it lies is said in {@link StreamTable.at}, so that a caller can hold
 *   a segment until it has been judged, and knows those that come again.
 *
 * A window of 0 needs no care: a probe brings the octet that is next, once more until it is taken. The octet of a
 * keep-alive may be any (RFC 9293 section 3.8.4): it is not looked at when it lies just below what the other end has
 * acknowledged, for which {@link StreamTable.acknowledge} has to be told.
 *
 * @see RFC 9293 section 3.10.7.4; RFC 7413 for data in a SYN; T. Ptacek and T. Newsham, "Insertion, Evasion, and Denial
 *   of Service: Eluding Network Intrusion Detection" (1998)
 * @module
 */

import type { CloseReason, StreamResult } from './stream-counters.ts';
import { CLOSED_DROPPED, CLOSED_READ, COUNT_RESULT, STREAM_UNREAD } from './stream-counters.ts';
import { CHUNK_OCTETS, MOST_OCTETS, memoryOctetsFor, StreamOctets } from './stream-octets.ts';
import { pieceOctetsFor, StreamPieces } from './stream-pieces.ts';
import { StreamReader } from './stream-reader.ts';
import { KEEPS_FIRST, MOST_FLOWS, MOST_STREAMS, recordOctetsFor, StreamRecords } from './stream-records.ts';
import type { OnClose } from './stream-store.ts';
import { StreamStore } from './stream-store.ts';
import { StreamView } from './stream-view.ts';

export type { OnClose } from './stream-store.ts';

/**
 * What becomes of a stream when a segment contradicts it: it is over, or it goes on with its first octets. What a receiver
 * keeps of two octets is its own choice: Linux often takes the later ones where they come behind a gap.
 */
export type OverlapRule = 'reset' | 'first';

/** How a table is made. */
export interface StreamTableOptions {
  /** Flows of the flow table: their indexes are 0 to `flows - 1`. At most 2^24. */
  readonly flows: number;
  /** Most streams at a time, at most 2^20. A connection that is read both ways has two. */
  readonly streams: number;
  /** Octets of all streams together, in chunks of 2,048: at least one chunk, at most 2^30. */
  readonly octets: number;
  /** Octets of a stream, from its start, that can be read: 1 to 2^24. */
  readonly most: number;
  /** Octets up to which a segment may reach beyond what is in order, when there is a gap. @defaultValue `most` */
  readonly ahead?: number;
  /** Pieces of a stream that can wait behind gaps: 1 to 255. Segments that touch are one piece. @defaultValue 16 */
  readonly pieces?: number;
  /** A reading is closed when nothing new has come for so long. @defaultValue 30,000 */
  readonly idleMs?: number;
  /** When memory is short, a stream gives up to which nothing new has come for so long. @defaultValue 2,000 */
  readonly evictIdleMs?: number;
  /** Called when a reading closes that the caller did not close. It must not call the table. */
  readonly onClose?: OnClose;
}

const PIECES = 16;
const MOST_PIECES = 255;
const MOST_LENGTH = 1 << 24;
const IDLE_MS = 30_000;
const EVICT_IDLE_MS = 2_000;
const NONE = -1;

/**
 * Octets that a table takes: all of them when it is made, none later. The system hands out the memory of a chunk when a
 * stream first uses it.
 */
export function streamOctetsFor(options: StreamTableOptions): number {
  const { flows, streams, octets, most, pieces = PIECES } = options;
  const ofView = most * 4;
  return (
    recordOctetsFor(flows, streams) + pieceOctetsFor(streams, pieces) + memoryOctetsFor(streams, most, octets) + ofView
  );
}

/** A table of streams. */
export class StreamTable {
  /** What happened, by the places of stream-counters.ts. */
  readonly counters: Float64Array;
  readonly #records: StreamRecords;
  readonly #octets: StreamOctets;
  readonly #store: StreamStore;
  readonly #reader: StreamReader;
  readonly #view: StreamView;
  readonly #most: number;

  /** @throws RangeError when an option is out of range, or the memory is not to be had */
  constructor(options: StreamTableOptions) {
    const { flows, streams, octets, most } = options;
    const { ahead = most, pieces = PIECES, idleMs = IDLE_MS, evictIdleMs = EVICT_IDLE_MS } = options;
    check('flows', flows, 1, MOST_FLOWS);
    check('streams', streams, 1, MOST_STREAMS);
    check('octets', octets, CHUNK_OCTETS, MOST_OCTETS);
    check('most', most, 1, MOST_LENGTH);
    check('ahead', ahead, 0, MOST_LENGTH);
    check('pieces', pieces, 1, MOST_PIECES);
    this.#most = most;
    this.#records = new StreamRecords(flows, streams);
    const { words } = this.#records;
    this.#octets = new StreamOctets(words, streams, most, octets);
    this.#view = new StreamView(this.#records, this.#octets, most);
    this.#store = new StreamStore({
      records: this.#records,
      octets: this.#octets,
      idleMs,
      evictIdleMs,
      onClose: options.onClose ?? (() => undefined),
      onGone: (stream) => this.#view.forget(stream),
    });
    const waiting = new StreamPieces(words, streams, pieces);
    this.#reader = new StreamReader(words, this.#octets, waiting, this.#store, ahead);
    this.counters = this.#store.counters;
  }

  /** Streams that are being read. */
  get size(): number {
    return this.#store.size;
  }

  /** Octets of the chunks that streams hold. */
  get octetsHeld(): number {
    return (this.#octets.chunks - this.#octets.free) * CHUNK_OCTETS;
  }

  /**
   * Of the segment fed last: place of its first octet in the stream. It is below 0 for one from before the start, and 0
   * where the start is not known; beyond 2^30 either way it says 2^30.
   */
  get at(): number {
    return this.#reader.at;
  }

  /** Of the segment fed last: octets that are in order by it. */
  get grew(): number {
    return this.#reader.grew;
  }

  /** Of the segment fed last: how many of {@link StreamTable.grew} lie behind it and had waited for it. */
  get released(): number {
    return this.#reader.released;
  }

  /** Of the segment fed last: 1 when it contradicts what was there, also where the stream keeps its first octets. */
  get isContradiction(): 0 | 1 {
    return this.#reader.isContradiction;
  }

  /**
   * Begins to read a direction of a flow. A stream that is there already is found and stays as it is; one of an earlier
   * flow with the index is closed. Others may have to give up their place. Cost: O(1), no allocation.
   *
   * @param generation - of the flow, from its record
   * @param direction - 0 as the first packet of the flow went, 1 back
   * @param most - octets to read, at most those of the table
   * @param onOverlap - what a contradiction does
   * @param nowMs - milliseconds on the caller's clock
   * @returns the stream, which holds until it is closed; -1 when there is no place
   */
  open(
    flowIndex: number,
    generation: number,
    direction: number,
    most: number,
    onOverlap: OverlapRule,
    nowMs: number,
  ): number {
    this.#store.clock.set(nowMs);
    const octets = most >= 1 ? Math.min(Math.trunc(most), this.#most) : 1;
    return this.#store.open(flowIndex, generation, direction, octets, onOverlap === 'first' ? KEEPS_FIRST : 0);
  }

  /**
   * Looks for the stream of a direction. Cost: O(1), no allocation; one read of memory where nobody reads.
   *
   * @returns the stream, which holds until the next call of `open`, `feed`, `expire` or `drop`; -1 for none
   */
  find(flowIndex: number, generation: number, direction: number): number {
    return this.#records.find(flowIndex, generation, direction);
  }

  /**
   * Says where a stream starts, for a caller that knows it from elsewhere: from the flow table's record, when the SYN was
   * not fed. Cost: O(1).
   *
   * @param sequence - number of the first octet, one behind that of the SYN; 32 bits, with a sign or without
   * @returns false when octets of it are there already, or it is over
   */
  startAt(stream: number, sequence: number): boolean {
    return this.#records.isInUse(stream) && this.#reader.startAt(stream, sequence);
  }

  /**
   * Reads a segment. It has to be a valid one of that direction, whole: a fragment does not say where its stream ends.
   * Cost: O(octets), no allocation.
   *
   * @param stream - from `find` or `open`
   * @param bytes - what holds the segment, lent for the call
   * @param offset - of the first octet of data in it
   * @param length - octets of data as the headers say; those that `bytes` does not have are missing in the stream
   * @param sequence - sequence number of the segment; 32 bits, with a sign or without
   * @param flags - the flags octet of the header
   * @param nowMs - milliseconds on the caller's clock. A caller that reads it once a batch makes one number a batch
   */
  feed(
    stream: number,
    bytes: Uint8Array,
    offset: number,
    length: number,
    sequence: number,
    flags: number,
    nowMs: number,
  ): StreamResult {
    this.#store.clock.set(nowMs);
    this.#reader.clear();
    if (!this.#isLive(stream)) return STREAM_UNREAD;
    const result = this.#reader.read(stream, bytes, offset | 0, length | 0, sequence, flags);
    this.counters[COUNT_RESULT + result] = (this.counters[COUNT_RESULT + result] as number) + 1;
    return result;
  }

  /**
   * Takes note of what the other end has acknowledged, from a valid segment of the other direction with ACK. It finds out
   * that octets were missed here which the receiver has, and which octet is one of a keep-alive. Cost: O(1).
   *
   * @param acknowledgement - 32 bits, with a sign or without
   * @returns STREAM_MISSED when octets are missing, STREAM_SAME otherwise, or the result that is final for the stream
   */
  acknowledge(stream: number, acknowledgement: number): StreamResult {
    if (!this.#records.isInUse(stream)) return STREAM_UNREAD;
    return this.#reader.acknowledge(stream, acknowledgement);
  }

  /**
   * Reads no further than what is in order. From then on the stream takes no memory, is full, and compares what comes again.
   * Cost: O(1).
   */
  narrow(stream: number): void {
    if (this.#records.isInUse(stream)) this.#reader.narrow(stream);
  }

  /** True when the other end has acknowledged all that is in order: the receiver has it, and takes no other octets there. */
  isAcknowledged(stream: number): boolean {
    return this.#records.isInUse(stream) && this.#reader.isAcknowledged(stream);
  }

  /** Shows what is in order. The same object for every stream, which shows nothing when the stream is closed. */
  show(stream: number): StreamView {
    return this.#view.show(stream);
  }

  /** Ends the reading: the stream takes no memory and no time from then on. Cost: O(chunks). @returns false for none */
  close(stream: number): boolean {
    return this.#close(stream, CLOSED_READ);
  }

  /** Ends the readings of a flow that has ended. Cost: O(chunks). @returns readings that were open */
  drop(flowIndex: number, generation: number): number {
    let dropped = 0;
    for (let direction = 0; direction < 2; direction++) {
      if (this.#close(this.find(flowIndex, generation, direction), CLOSED_DROPPED)) dropped += 1;
    }
    return dropped;
  }

  /**
   * Closes readings to which nothing new has come for the idle timeout; to be called now and then. A segment never meets
   * such a stream, whether it was closed or not. Cost: O(closed), no allocation.
   *
   * @param atMost - readings that may close in this call
   * @returns readings that closed; less than `atMost` when no other is due
   */
  expire(nowMs: number, atMost: number): number {
    return this.#store.expire(nowMs, atMost);
  }

  #isLive(stream: number): boolean {
    if (!this.#records.isInUse(stream)) return false;
    if (!this.#store.isExpired(stream)) return true;
    this.#store.expireOne(stream);
    return false;
  }

  #close(stream: number, reason: CloseReason): boolean {
    if (stream === NONE || !this.#records.isInUse(stream)) return false;
    this.#store.close(stream, reason);
    return true;
  }
}

function check(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new RangeError(`${name}: ${value}: expected a whole number from ${least} to ${most}`);
}
