/**
 * What the supervisor and the process that writes events down tell each other: one JSON text a line, and descriptors by a socket of their own.
 *
 * ```
 *   supervisor ── file (its descriptor was sent before) ──> writer
 *              ── ring (likewise) ── ended (its lane has) ──>
 *              <── report: what was written since the last one, and which rings are empty for good ──
 *              closes standard input                          the writer reads every ring once more, and ends
 * ```
 * Rule: the writer reads what lanes write, so what it says is checked as well.
 *
 * @module
 */

import * as z from 'zod';
import { MOST_COUNTED } from '../telemetry/counters.ts';

/** From supervisor to writer. */
export type ToWriter =
  | { readonly type: 'file'; readonly id: number }
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
  | { readonly type: 'ended'; readonly id: number };

/** Octets of the longest line of the writer. */
export const MAX_WRITER_LINE = 16 * 1024;

const count = z.number().int().min(0).max(MOST_COUNTED);

const report = z.strictObject({
  /** Lines that are in the file. */
  written: count,
  /** Lines that the file did not take. */
  lost: count,
  /** Slots of rings that held no event. */
  invalid: count,
  /** Rings of lanes that have ended, and that are empty. */
  emptied: z.array(z.int().min(0)).max(1024).readonly(),
  /** What the system said of the file last; '' when all went well. */
  error: z.string().max(256),
});

/** From writer to supervisor: all numbers since the last one. */
export type WriterReport = z.output<typeof report>;

/** Reads a line of the writer. @returns null where it is none */
export function parseWriterReport(line: string): WriterReport | null {
  try {
    return report.safeParse(JSON.parse(line)).data ?? null;
  } catch {
    return null;
  }
}
