/**
 * What a lab writes down: faults, lines of the log, events, what left.
 *
 * Rule: only ever longer. A fault counts as expected when a test has named it.
 *
 * @module
 */

import type { EveEvent } from '../events/eve.ts';
import { failWith } from './fail.ts';
import type { Departure, LabFault, LabLine } from './lab-contract.ts';

/** The records of a lab. */
export class LabRecords {
  readonly faults: LabFault[] = [];
  readonly log: LabLine[] = [];
  readonly departures: Departure[] = [];
  readonly events: EveEvent[] = [];
  #expected = 0;

  /** Faults that no test has named. */
  get unexpected(): readonly LabFault[] {
    return this.faults.slice(this.#expected);
  }

  /** See `Lab.expectFaults`. */
  expectFaults(patterns: readonly (string | RegExp)[]): void {
    const came = this.unexpected.map(lineOf);
    const isRight = ({ length }: typeof came): boolean =>
      length === patterns.length && came.every((line, index) => matches(line, patterns[index] as string | RegExp));
    this.#expected = this.faults.length;
    if (isRight(came)) return;
    const wanted = patterns.map((pattern) => `  ${String(pattern)}`).join('\n') || '  none';
    const got = came.map((line) => `  ${line}`).join('\n') || '  none';
    failWith(
      `other faults of hooks came than were expected\nexpected:\n${wanted}\ncame:\n${got}`,
      LabRecords.prototype.expectFaults,
    );
  }
}

/** `hook: text`. */
export function lineOf({ hook, text }: LabFault): string {
  return `${hook}: ${text}`;
}

function matches(line: string, pattern: string | RegExp): boolean {
  return typeof pattern === 'string' ? line.includes(pattern) : pattern.test(line);
}
