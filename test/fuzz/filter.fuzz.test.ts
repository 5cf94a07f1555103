/**
 * Random, mutated and hostile texts through the filter compiler, and random octets through what it makes: only its own
 * error is thrown, at a column of the text, and every text is dealt with.
 *
 * The seed is printed; `FUZZ_SEED=n` repeats a run.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FilterError } from '../../src/filter/filter-error.ts';
import { interestOf } from '../../src/filter/interest.ts';
import { parseFilter } from '../../src/filter/parse.ts';
import { MAX_TEXT } from '../../src/filter/scan.ts';
import { printFilter } from '../../src/filter/syntax.ts';
import { compileFilter, type Predicate } from '../../src/filter/to-js.ts';
import { Random } from '../chaos/random.ts';
import { grownExpression, wordSoup } from '../conformance/filter-expressions.ts';
import { REFUSED_BY_BOTH } from '../conformance/filter-refused.ts';
import { ETHERNET_EXPRESSIONS, LAYERED_EXPRESSIONS, PLAIN_EXPRESSIONS } from '../conformance/filter-written.ts';

const { FUZZ_SEED } = process.env;
const SEED = Number(FUZZ_SEED ?? Date.now() % 0x7fffffff);
const TEXTS = 30_000;
const PACKETS = 20;
const LINKS = ['raw', 'ethernet', 'frame'] as const;
const CORPUS = [...PLAIN_EXPRESSIONS, ...ETHERNET_EXPRESSIONS, ...LAYERED_EXPRESSIONS, ...REFUSED_BY_BOTH];

/** Compiles a text for every link; the predicates of those that take it. */
function compileAll(text: string): Predicate[] {
  return LINKS.flatMap((link) => {
    try {
      return [compileFilter(text, { link })];
    } catch (error) {
      assert.ok(error instanceof FilterError, `${JSON.stringify(text)}: ${error}`);
      assert.ok(error.column >= 1 && error.column <= text.length + 1, text);
      assert.match(error.message, /^[\x20-\x7e]{1,800}$/, text);
      return [];
    }
  });
}

function aText(random: Random): string {
  switch (random.below(5)) {
    case 0:
      return wordSoup(random);
    case 1:
      return mutated(random, grownExpression(random, true));
    case 2:
      return mutated(random, random.pick(CORPUS));
    case 3:
      return grownExpression(random, true, 4);
    default:
      return Array.from({ length: random.below(40) }, () =>
        String.fromCharCode(random.once(20) ? random.below(0x10000) : 32 + random.below(95)),
      ).join('');
  }
}

/** A few characters are taken out, put in, or doubled. */
function mutated(random: Random, text: string): string {
  let result = text;
  for (let count = 1 + random.below(3); count > 0; count--) {
    const at = random.below(result.length + 1);
    const cut = random.below(4);
    const put = random.pick([
      '',
      '(',
      ')',
      ' not ',
      '[',
      ']',
      ' and ',
      '0',
      ':',
      '.',
      '-',
      '\\',
      '/',
      '\0',
      result.slice(at, at + 8),
    ]);
    result = result.slice(0, at) + put + result.slice(at + cut);
  }
  return result;
}

test('throws nothing but its error, whatever the text and the packet', (t) => {
  t.diagnostic(`FUZZ_SEED=${SEED}`);
  const random = new Random(SEED);
  const bytes = new Uint8Array(128);
  const link = new Uint8Array(32);
  let compiled = 0;
  for (let count = 0; count < TEXTS; count++) {
    const text = aText(random);
    for (const predicate of compileAll(text)) {
      compiled++;
      for (let packet = 0; packet < PACKETS; packet++) {
        const length = random.below(bytes.length + 1);
        for (let at = 0; at < length; at++) bytes[at] = random.below(256);
        bytes[0] = random.pick([0x45, 0x46, 0x60, bytes[0] ?? 0]);
        bytes[9] = random.pick([6, 17, 51]);
        assert.equal(typeof predicate(bytes, length, link, random.pick([0, 14, 18]), length), 'boolean', text);
      }
    }
  }
  assert.ok(compiled > TEXTS / 10);
});

test('reads what it prints, and derives an interest, for every text that it takes', (t) => {
  t.diagnostic(`FUZZ_SEED=${SEED}`);
  const random = new Random(SEED);
  let taken = 0;
  for (let count = 0; count < TEXTS; count++) {
    const text = aText(random);
    let printed: string;
    try {
      const filter = parseFilter(text);
      interestOf(filter);
      printed = printFilter(filter);
    } catch (error) {
      assert.ok(error instanceof FilterError, text);
      continue;
    }
    taken++;
    assert.equal(printFilter(parseFilter(printed)), printed, text);
  }
  assert.ok(taken > TEXTS / 10);
});

test('deals with texts that are as long and as deep as they may be', () => {
  const filled = (part: string, end = ''): string =>
    `${part.repeat(Math.floor((MAX_TEXT - end.length) / part.length))}${end}`;
  const texts = [
    filled('tcp or ', 'udp'),
    filled('tcp and udp or ', 'ip'),
    filled('ip and ip6 or not ', 'ip'),
    filled('ip&&ip6||', 'ip'),
    filled('ip||ip6&&', 'ip'),
    filled('len>1&&len>2||', 'ip'),
    filled('tcp&&port 1||', 'ip'),
    filled('port 1&&2||', 'ip'),
    filled('host 1.2.3.4&&1.1||', 'ip'),
    filled('port 80 or '),
    filled('1+', '1=1'),
    filled('1%', '1=1'),
    filled('1^2*', '1=1'),
    filled('-', '1=1'),
    filled('- ', '1=1'),
    filled('ip[0]+', '1=1'),
    filled('ip[ip[0]]*', '1=1'),
    filled('ip[1:4]%', '1=1'),
    filled('ip['),
    filled('('),
    filled('not '),
    filled('!'),
    filled('vlan and ', 'tcp'),
    filled('vlan or ', 'tcp'),
    filled('mpls and ', 'tcp'),
    filled('pppoes or ', 'tcp'),
    filled('a'),
    filled('a-'),
    filled('1'),
    filled('1.'),
    filled(':'),
    filled('1:'),
    filled('::1 or '),
    `host ${filled('::')}`.slice(0, MAX_TEXT),
    `host 10.1.2.3 or ${filled('10.1.2.3 or ')}`.slice(0, MAX_TEXT),
    filled('0'),
    filled('0x'),
    filled('\\'),
    filled('&&'),
    filled('tcp port 1 or 2 and (3) or ', '4'),
    filled('ip6 protochain 6 or ', 'tcp'),
    filled('net ::/0 and ', 'tcp'),
    filled(' '),
    filled('\u2028'),
  ];
  for (const text of texts) {
    for (const predicate of compileAll(text)) predicate(new Uint8Array(64).fill(0x45), 64, new Uint8Array(14), 14, 64);
  }
});
