/**
 * What a chaos run means: which promise was broken, and the table.
 *
 * Rule: pure; the figures are those of the steps. A step of two disturbances counts in the row of each and once in the sum.
 *
 * @module
 */

import { median } from '../bench/measure.ts';
import type { Run, Step } from './run.ts';

/** How soon traffic has to be back with `onDown: forward`. */
export const PROMISED_MS = 1_500;
const NONE = '(none yet)';

/** A line of the table. */
export interface Row {
  readonly disturbance: string;
  readonly times: number;
  readonly unhooked: number;
  readonly duplicates: number;
  readonly medianMs: number;
  readonly maxMs: number;
  /** How often all was not well again in time. */
  readonly notWell: number;
}

/** A row for each disturbance, by name, and the sum at the end. */
export function rowsOf({ steps }: Run): Row[] {
  const names = [...new Set(steps.flatMap((step) => step.names))].toSorted();
  const rows = names.map((name) =>
    rowOf(
      name,
      steps.filter((step) => step.names.includes(name)),
    ),
  );
  return [
    ...rows,
    rowOf(
      'all',
      steps.filter((step) => !step.names.includes(NONE)),
    ),
  ];
}

/** Each promise that was broken, one sentence each; empty when all were kept. */
export function brokenPromises(run: Run): string[] {
  const { onDown } = run.options;
  const broken: string[] = [];
  for (const { names, unhooked, unhookedOn, duplicates, recoveryMs, ailment, isStatusWrong } of run.steps) {
    const what = names.join(' + ');
    if (onDown === 'drop' && unhooked > 0) {
      broken.push(`${what}: ${unhooked} packets unhooked (${unhookedOn.join('; ')})`);
    }
    if (duplicates > 0) broken.push(`${what}: ${duplicates} packets twice`);
    if (onDown === 'forward' && recoveryMs > PROMISED_MS) {
      broken.push(`${what}: traffic away for ${recoveryMs.toFixed(0)} ms`);
    }
    if (isStatusWrong) broken.push(`${what}: packets pass unhooked, and the status says that the hooks are in force`);
    if (ailment !== null) broken.push(`${what}: not well again in time: ${ailment}`);
  }
  for (const { during, how } of run.ownEnds) broken.push(`${during}: the daemon ended by itself: ${how}`);
  return [...broken, ...run.atTheEnd];
}

/** The table for a terminal. */
export function table(run: Run): string {
  const head = ['disturbance', 'times', 'unhooked', 'twice', 'median ms', 'max ms', 'not well'];
  const lines = rowsOf(run).map((row) => [
    row.disturbance,
    ...[row.times, row.unhooked, row.duplicates, row.medianMs, row.maxMs, row.notWell].map((value) => value.toFixed(0)),
  ]);
  const widths = head.map((title, column) =>
    Math.max(...[head, ...lines].map((line) => line[column]?.length ?? 0), title.length),
  );
  const show = (cells: readonly string[]) =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ');
  return [head, ...lines].map(show).join('\n');
}

/** One line about a step. */
export function describeStep({ names, unhooked, duplicates, recoveryMs, ailment }: Step): string {
  const figures = `unhooked ${unhooked}, twice ${duplicates}, traffic away ${recoveryMs.toFixed(0)} ms`;
  return `${names.join(' + ')}: ${figures}${ailment === null ? '' : `; NOT WELL: ${ailment}`}`;
}

function rowOf(disturbance: string, steps: readonly Step[]): Row {
  const recoveries = steps.map(({ recoveryMs }) => recoveryMs);
  const sum = (of: (step: Step) => number) => steps.reduce((total, step) => total + of(step), 0);
  return {
    disturbance,
    times: steps.length,
    unhooked: sum(({ unhooked }) => unhooked),
    duplicates: sum(({ duplicates }) => duplicates),
    medianMs: recoveries.length === 0 ? 0 : median(recoveries),
    maxMs: Math.max(0, ...recoveries),
    notWell: sum(({ ailment }) => (ailment === null ? 0 : 1)),
  };
}
