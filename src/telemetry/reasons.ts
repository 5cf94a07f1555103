/**
 * Reasons of hooks: what one may say, how many there are, and how those of several lanes are added up.
 *
 * ```
 *   hook: runtime.reason(text) ─> number in the snapshot of its lane ─┐
 *                                 └ text in `ready` ──────────────────┴─> counts ─> sum over lanes ─> reports
 * ```
 * Floor 1. Rule: texts come from a lane, which is not believed: their length and their number have bounds that a reader checks.
 *
 * @module
 */

import { MOST_COUNTED } from './counters.ts';

/** A reason that a hook has declared. */
export interface ReasonDefinition {
  /** Place of its hook in running order. */
  readonly hook: number;
  readonly text: string;
}

/** The same with how many verdicts were given for it. */
export interface ReasonCount extends ReasonDefinition {
  readonly count: number;
}

/** Most that one hook declares. */
export const MOST_REASONS_OF_HOOK = 64;
/** Most that all hooks of a lane declare together. */
export const MOST_REASONS = 512;
/** Characters of a text. */
export const MAX_REASON = 64;
/** Printable ASCII without a space at either end: harmless for a terminal, and of bounded length in octets. */
export const REASON_TEXT: RegExp = /^[!-~](?:[ -~]{0,62}[!-~])?$/;

/** How many numbers a progress file has for the reasons of so many hooks. */
export function mostReasons(hooks: number): number {
  return Math.min(MOST_REASONS, hooks * MOST_REASONS_OF_HOOK);
}

/**
 * The reasons of two lanes as if they were one: the counts of one hook and text are added. A hook has no more than
 * {@link MOST_REASONS_OF_HOOK}, whatever lanes say.
 */
export function addReasons(a: readonly ReasonCount[], b: readonly ReasonCount[]): ReasonCount[] {
  const sums = new Map(a.map((reason) => [keyOf(reason), reason]));
  const countOf = new Map<number, number>();
  for (const { hook } of a) countOf.set(hook, (countOf.get(hook) ?? 0) + 1);
  for (const reason of b) {
    const key = keyOf(reason);
    const sum = sums.get(key);
    if (sum === undefined) {
      const own = countOf.get(reason.hook) ?? 0;
      if (own >= MOST_REASONS_OF_HOOK) continue;
      countOf.set(reason.hook, own + 1);
      sums.set(key, reason);
    } else sums.set(key, { ...sum, count: Math.min(sum.count + reason.count, MOST_COUNTED) });
  }
  return [...sums.values()];
}

function keyOf({ hook, text }: ReasonDefinition): string {
  return `${hook} ${text}`;
}
