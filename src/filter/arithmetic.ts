/**
 * Reads arithmetic: numbers, `len`, octets of the packet, and what is computed of them.
 *
 * Operators are stacked and joined by precedence. `%` and `^` have none in libpcap's grammar: what stands to the right of
 * them, or of the operator before them, is joined first. That is kept, because a filter has to mean the same in both.
 *
 * Floor 1.
 *
 * @module
 */

import { PROTOCOL_WORDS, type Word } from './scan.ts';
import type { Arithmetic, Comparison, Operator } from './syntax.ts';
import type { Words } from './words.ts';

const NEGATIVE = 'negative';
const PRECEDENCE: ReadonlyMap<string, number> = new Map([
  ['|', 1],
  ['&', 2],
  ['<<', 3],
  ['>>', 3],
  ['+', 4],
  ['-', 4],
  ['*', 5],
  ['/', 5],
  [NEGATIVE, 6],
]);
const OPERATORS: readonly string[] = ['+', '-', '*', '/', '%', '&', '|', '^', '<<', '>>'];
const COMPARISONS: readonly string[] = ['>', '>=', '=', '<=', '<', '!='];
/** Protocols whose octets can be read. */
const INDEXED: ReadonlySet<string> = new Set(
  'link ip arp rarp atalk decnet sca lat moprc mopdl ip6 sctp tcp udp icmp igmp igrp pim vrrp carp icmp6'.split(' '),
);
const VALUE = 'a number, len, or octets such as ip[0]';

/** True when the next word is an operator of arithmetic. */
export function isOperator({ word }: Words): boolean {
  return word.kind === 'keyword' && OPERATORS.includes(word.text);
}

/** True when the next word is a comparison. */
export function isComparison({ word }: Words): boolean {
  return word.kind === 'keyword' && COMPARISONS.includes(word.text);
}

/** Steps over a comparison. */
export function takeComparison(words: Words): Comparison {
  return words.take().text as Comparison;
}

/** Reads an expression. With `first`, its first operand has been read already. */
export function readArithmetic(words: Words, first?: Arithmetic): Arithmetic {
  const values: Arithmetic[] = [];
  const operators: { readonly text: string; readonly column: number }[] = [];
  const join = (): void => {
    const operator = operators.pop();
    const right = values.pop();
    if (operator === undefined || right === undefined) return;
    if (operator.text === NEGATIVE) {
      values.push({ kind: 'negative', of: right });
      return;
    }
    const left = values.pop();
    if (left !== undefined) values.push(operation(words, operator, left, right));
  };
  values.push(first ?? readOperand(words, operators));
  while (isOperator(words)) {
    const { text, column } = words.take();
    while (joinsBefore(operators.at(-1)?.text, text)) join();
    operators.push({ text, column });
    values.push(readOperand(words, operators));
  }
  while (operators.length > 0) join();
  return values[0] ?? { kind: 'number', value: 0 };
}

/** Reads `[index]` or `[index:size]` behind a protocol. */
export function readOctets(words: Words, { text: protocol, column }: Word): Arithmetic {
  if (!INDEXED.has(protocol)) words.failAt(column, `octets of ${protocol} cannot be read`);
  words.expect('[');
  const index = words.nested(column, () => readArithmetic(words));
  let size = 1;
  if (words.skip(':')) {
    const word = words.number('the number of octets: 1, 2 or 4');
    size = word.value;
    if (size !== 1 && size !== 2 && size !== 4)
      return words.failAt(word.column, `${size} octets cannot be read at once; 1, 2 or 4 can`);
  }
  words.expect(']');
  return { kind: 'octets', protocol, index, size: size as 1 | 2 | 4, column };
}

/** Reads signs, which it stacks, and one value. */
function readOperand(words: Words, operators: { text: string; column: number }[]): Arithmetic {
  while (words.is('-')) operators.push({ text: NEGATIVE, column: words.take().column });
  const { kind, text, value, column } = words.word;
  if (kind === 'number') {
    words.take();
    return { kind: 'number', value };
  }
  if (words.skip('len')) return { kind: 'length' };
  if (words.skip('(')) {
    const inner = words.nested(column, () => readArithmetic(words));
    words.expect(')');
    return inner;
  }
  if (kind === 'keyword' && PROTOCOL_WORDS.has(text)) return readOctets(words, words.take());
  return words.fail(VALUE);
}

/** True when the operator on the stack takes its operands before the one that follows does. */
function joinsBefore(stacked: string | undefined, following: string): boolean {
  const one = PRECEDENCE.get(stacked ?? '');
  const other = PRECEDENCE.get(following);
  return one !== undefined && other !== undefined && one >= other;
}

function operation(
  words: Words,
  { text, column }: { readonly text: string; readonly column: number },
  left: Arithmetic,
  right: Arithmetic,
): Arithmetic {
  if (right.kind === 'number') {
    if ((text === '/' || text === '%') && right.value === 0) words.failAt(column, 'division by zero');
    if ((text === '<<' || text === '>>') && right.value > 31)
      words.failAt(column, 'a number of 32 bits is shifted by 31 bits at most');
  }
  return { kind: 'operation', operator: text as Operator, left, right };
}
