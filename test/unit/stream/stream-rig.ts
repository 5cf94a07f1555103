/**
 * A stream table under test: segments of one flow go in by place and text, what it says of each comes out.
 *
 * ```ts
 * const rig = new StreamRig();
 * rig.syn();
 * rig.data(0, 'hello');     // -> STREAM_GREW
 * rig.text();               // -> 'hello'
 * ```
 * Rule: nothing is decided here.
 *
 * @module
 */

import type { CloseReason, StreamResult } from '../../../src/stream/stream-counters.ts';
import type { OverlapRule, StreamTableOptions } from '../../../src/stream/stream-table.ts';
import { StreamTable } from '../../../src/stream/stream-table.ts';
import { ACK, FIN, RST, SYN } from '../../../src/wire/tcp.ts';

/** Octets of headers in front of the data. */
export const HEADERS = 40;

/** A reading that closed without the caller. */
export interface Closed {
  readonly flow: number;
  readonly generation: number;
  readonly direction: 0 | 1;
  readonly reason: CloseReason;
}

/** What a rig is made with, besides the options of the table. */
export interface RigOptions extends Partial<StreamTableOptions> {
  /** Sequence number of the SYN. */
  readonly start?: number;
  readonly onOverlap?: OverlapRule;
  /** Octets to read; those of the table without. */
  readonly read?: number;
}

/** A table, its clock, and the stream of flow 1, generation 7, direction 0. */
export class StreamRig {
  readonly table: StreamTable;
  readonly closed: Closed[] = [];
  readonly start: number;
  readonly most: number;
  nowMs = 1_700_000_000_000;
  stream: number;

  constructor(options: RigOptions = {}) {
    const { start = 1_000, onOverlap = 'reset', read, ...rest } = options;
    this.start = start;
    this.table = new StreamTable({
      flows: 64,
      streams: 16,
      octets: 1 << 18,
      most: 16_384,
      onClose: (flow, generation, direction, reason) => this.closed.push({ flow, generation, direction, reason }),
      ...rest,
    });
    this.most = read ?? rest.most ?? 16_384;
    this.stream = this.open(1, 7, 0, onOverlap);
  }

  open(flow: number, generation = 0, direction: 0 | 1 = 0, onOverlap: OverlapRule = 'reset'): number {
    return this.table.open(flow, generation, direction, this.most, onOverlap, this.nowMs);
  }

  syn(data = '', flags = SYN): StreamResult {
    return this.segment(-1, data, flags);
  }

  data(at: number, data: string, flags = ACK): StreamResult {
    return this.segment(at, data, flags);
  }

  fin(at: number, data = ''): StreamResult {
    return this.segment(at, data, FIN | ACK);
  }

  reset(at: number): StreamResult {
    return this.segment(at, '', RST);
  }

  /** @param at - place in the stream of the segment's sequence number */
  segment(at: number, data: string, flags: number): StreamResult {
    const bytes = Buffer.alloc(HEADERS + data.length, 0xee);
    bytes.write(data, HEADERS, 'latin1');
    const sequence = (this.start + 1 + at) >>> 0;
    return this.table.feed(this.stream, bytes, HEADERS, data.length, sequence, flags, this.nowMs);
  }

  acknowledge(at: number): StreamResult {
    return this.table.acknowledge(this.stream, (this.start + 1 + at) >>> 0);
  }

  text(): string {
    return this.table.show(this.stream).text();
  }
}

/** Octets that say where they belong: no two places within a chunk look alike. */
export function pattern(from: number, length: number): string {
  return Buffer.from(
    Array.from({ length }, (_, index) => ((from + index) * 31 + ((from + index) >> 8)) & 0xff),
  ).toString('latin1');
}
