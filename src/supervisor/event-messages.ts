/**
 * What the supervisor and the process that writes events down tell each other: one JSON text a line, and descriptors by a socket of their own.
 *
 * ```
 *   supervisor ── outlet (its descriptor was sent before) ──> writer
 *              ── ring (likewise) ── ended (its lane has) ── told (an event of the supervisor's own) ──>
 *              <── report: what was written since the last one, what is gone, and which rings are empty for good ──
 *              closes standard input                          the writer reads every ring once more, and ends
 * ```
 * Rule: the writer reads what lanes write, so what it says is checked as well.
 *
 * @module
 */

import * as z from 'zod';
import { MOST_COUNTED } from '../telemetry/counters.ts';

/** Where lines can go. */
export const SINKS = ['file', 'socket', 'stdout'] as const;
/** Where lines go. */
export type SinkKind = (typeof SINKS)[number];

/** From supervisor to writer. */
export type ToWriter =
  | { readonly type: 'sinks'; readonly sinks: readonly SinkKind[] }
  | { readonly type: 'outlet'; readonly id: number; readonly sink: SinkKind }
  | {
      readonly type: 'ring';
      readonly id: number;
      /** Number of the lane, from 0. */
      readonly lane: number;
      /** Names of its hooks in the order of the configuration. */
      readonly hooks: readonly string[];
      /** Names of interfaces by their indexes. */
      readonly interfaces: readonly (readonly [index: number, name: string])[];
      /** Names of its ways, by their places. */
      readonly ways: readonly string[];
    }
  | { readonly type: 'ended'; readonly id: number }
  | { readonly type: 'told'; readonly event: object };

/** Octets of the longest line of the writer. */
export const MAX_WRITER_LINE = 16 * 1024;

const count = z.number().int().min(0).max(MOST_COUNTED);

const sink = z.strictObject({
  sink: z.enum(SINKS),
  /** Lines that are there. */
  written: count,
  /** Lines that will not be. */
  lost: count,
  /** The other end is gone: it needs another one. */
  isGone: z.boolean(),
  /** What the system said of it last; '' when all went well. */
  problem: z.string().max(256),
});

const report = z.strictObject({
  sinks: z.array(sink).max(SINKS.length).readonly(),
  /** Slots of rings that held no event. */
  invalid: count,
  /** Rings of lanes that have ended, and that are empty. */
  emptied: z.array(z.int().min(0)).max(1024).readonly(),
});

/** From writer to supervisor: all numbers since the last one. */
export type WriterReport = z.output<typeof report>;

/** Of one sink. */
export type SinkReport = z.output<typeof sink>;

/** Reads a line of the writer. @returns null where it is none */
export function parseWriterReport(line: string): WriterReport | null {
  try {
    return report.safeParse(JSON.parse(line)).data ?? null;
  } catch {
    return null;
  }
}
