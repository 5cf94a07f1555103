/**
 * The reasons of a rule file: which rule it was that stopped a packet.
 *
 * ```
 *   line 3: drop tcp from 192.0.2.0/24 to any port 22,2222     the text of the rule, as far as there is room
 * ```
 * Rule: a hook has room for few reasons, and a file for many rules. Each of the first rules that stop packets has its own; those behind
 * them share one.
 *
 * @module
 */

import { ACCEPT, type FinalVerdict, FORWARD, type Reason, type Verdict } from 'firehook';
import type { RuleFile } from './rule.ts';

/** Reasons of one hook. */
const MOST_REASONS = 64;
/** Characters of a reason. */
const MOST_CHARACTERS = 64;

/**
 * The verdict of each rule, for its reason where it stops packets; the last one is what `default` says.
 *
 * @param text - of the file
 * @param declare - of the runtime
 */
export function verdictsFor(file: RuleFile, text: string, declare: (text: string) => Reason): Verdict[] {
  const lines = text.split('\n');
  const otherwise: Verdict = stops(file.otherwise) ? declare('default').with(file.otherwise) : file.otherwise;
  const room = MOST_REASONS - 1 - (stops(file.otherwise) ? 1 : 0);
  const stopping = file.rules.filter(({ verdict }) => stops(verdict));
  const shared = stopping.length > room ? declare('a rule behind those that have reasons') : null;
  // Two rules never begin in one line, so that no reason is declared twice.
  const own = new Map(stopping.slice(0, room).map((rule) => [rule, declare(reasonAt(lines, rule.line))]));
  const verdicts = file.rules.map((rule): Verdict => {
    const reason = own.get(rule) ?? shared;
    return reason !== null && stops(rule.verdict) ? reason.with(rule.verdict) : rule.verdict;
  });
  return [...verdicts, otherwise];
}

function stops(verdict: Verdict): verdict is FinalVerdict {
  return verdict !== FORWARD && verdict !== ACCEPT;
}

function reasonAt(lines: readonly string[], line: number): string {
  const rule = (lines[line - 1] ?? '')
    .replace(/#.*/, '')
    .replaceAll(/[^!-~]+/g, ' ')
    .trim();
  return `line ${line}: ${rule}`.slice(0, MOST_CHARACTERS).trim();
}
