/**
 * Lists of prefixes: what a line may say, what is refused and with which words, and that pieces of any size give the same table.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import type { PrefixEntry } from '../../../src/prefix/build-table.ts';
import { ListReader, type ListResult, type ListRule } from '../../../src/prefix/list-reader.ts';
import { PrefixTable } from '../../../src/prefix/prefix-table.ts';
import { readList } from '../../../src/prefix/read-list.ts';
import { isOrdered, splitRange } from '../../../src/prefix/split-range.ts';
import { parseAddress } from '../../../src/wire/address.ts';
import { addressOf, chance, edges, modelLookup } from './prefix-rig.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'firehook-list-'));
after(() => rmSync(folder, { recursive: true }));

function read(text: string | Uint8Array, values: ListRule['values'] = null): ListResult {
  const reader = new ListReader({ file: 'list', values });
  reader.take(Buffer.from(text));
  return reader.end();
}

function valuesIn({ table }: ListResult, ...addresses: string[]): number[] {
  const prefixes = new PrefixTable(table);
  return addresses.map((address) => prefixes.lookup(addressOf(parseAddress(address) as Uint8Array)));
}

function refusal(text: string | Uint8Array, values: ListRule['values'] = null): string {
  try {
    read(text, values);
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'FIREHOOK_TABLE_INVALID');
    return (error as Error).message.replace('the list of a table is not valid: ', '');
  }
  assert.fail('it was taken');
}

describe('a list', () => {
  test('has prefixes, addresses and ranges, with comments, white space and empty lines', () => {
    const list = read(
      [
        '# a comment',
        '',
        '192.0.2.0/24          # documentation',
        '  2001:db8::/32 ; SBL0000',
        '\t198.51.100.7\t;',
        '203.0.113.5-203.0.113.9',
        '203.0.113.20 - 203.0.113.20',
        '2001:db9::5-2001:db9::6',
        ';',
      ].join('\n'),
    );
    assert.equal(list.entries, 6);
    assert.deepEqual(
      valuesIn(list, '192.0.2.255', '192.0.3.0', '2001:db8:ffff::', '198.51.100.7', '198.51.100.8'),
      [1, 0, 1, 1, 0],
    );
    assert.deepEqual(
      valuesIn(list, '203.0.113.4', '203.0.113.5', '203.0.113.9', '203.0.113.10', '203.0.113.20', '203.0.113.21'),
      [0, 1, 1, 0, 1, 0],
    );
    assert.deepEqual(valuesIn(list, '2001:db9::4', '2001:db9::5', '2001:db9::6', '2001:db9::7'), [0, 1, 1, 0]);
  });

  test('may have a number behind each prefix, after white space or a comma', () => {
    const list = read('10.0.0.0/8 5\n10.1.0.0/16,0\n10.2.0.0/16 ,\t1073741823\n10.3.0.0/16\n');
    assert.deepEqual(valuesIn(list, '10.0.0.1', '10.1.0.1', '10.2.0.1', '10.3.0.1'), [5, 0, 1_073_741_823, 1]);
  });

  test('may have words behind them, which the configuration turns into numbers', () => {
    const list = read('5.0.0.0/8,DE\n5.1.0.0/16,FR\n5.2.0.0/16,RU\n5.3.0.0/16\n5.4.0.0/16,64496\n', {
      DE: 1,
      FR: 2,
      XX: 3,
    });
    assert.deepEqual(valuesIn(list, '5.0.0.1', '5.1.0.1', '5.2.0.1', '5.3.0.1', '5.4.0.1'), [1, 2, 0, 1, 0]);
    assert.deepEqual(list.unused, ['XX']);
  });

  test('takes words that an object has by itself for words', () => {
    assert.deepEqual(
      valuesIn(read('5.0.0.0/8 toString\n6.0.0.0/8 __proto__', { DE: 1 }), '5.0.0.1', '6.0.0.1'),
      [0, 0],
    );
  });

  test('ends its lines as it likes, the last one not at all, and may start with a byte order mark', () => {
    for (const text of [
      '\u{feff}10.0.0.0/8\r\n192.0.2.1\r\n',
      '10.0.0.0/8\n192.0.2.1',
      '10.0.0.0/8\r\n\r\n192.0.2.1\r',
    ])
      assert.deepEqual(valuesIn(read(text), '10.0.0.1', '192.0.2.1', '192.0.2.2'), [1, 1, 0]);
  });

  test('may be empty', () => {
    assert.deepEqual([read('').entries, read('# nothing\n').entries], [0, 0]);
  });

  test('says of a prefix that stands twice what the later line says', () => {
    assert.deepEqual(valuesIn(read('10.0.0.0/8 1\n10.0.0.0/8 2\n'), '10.0.0.1'), [2]);
  });
});

describe('a line that is not understood is named with its number', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['10.0.0.1/24', 'list:2: "10.0.0.1/24" has bits set after the prefix length'],
    ['10.0.0.0/33', 'list:2: "10.0.0.0/33" has no prefix length from 0 to 32'],
    ['10.0.0.0/', 'list:2: "10.0.0.0/" has no prefix length from 0 to 32'],
    ['10.0.0', 'list:2: "10.0.0" is not an IPv4 or IPv6 address or prefix'],
    ['010.0.0.1', 'list:2: "010.0.0.1" is not an IPv4 or IPv6 address or prefix'],
    ['fe80::1%eth0', 'list:2: "fe80::1%eth0" is not an IPv4 or IPv6 address or prefix'],
    ['DE', 'list:2: "DE" is not an IPv4 or IPv6 address or prefix'],
    ['10.0.0.0/8 1 2', 'list:2: "10.0.0.0/8 1 2" is not an address, a prefix or a range, with one value behind it'],
    ['10.0.0.0/8,', 'list:2: "10.0.0.0/8," is not an address, a prefix or a range, with one value behind it'],
    [',10.0.0.0/8', 'list:2: ",10.0.0.0/8" is not an address, a prefix or a range, with one value behind it'],
    ['10.0.0.9-10.0.0.1', 'list:2: "10.0.0.9-10.0.0.1" ends before it starts'],
    ['10.0.0.9-::1', 'list:2: "10.0.0.9-::1" is IPv4 at one end and IPv6 at the other'],
    ['10.0.0.0/8-11.0.0.0', 'list:2: "10.0.0.0/8-11.0.0.0" is not a range of two addresses'],
    ['10.0.0.1-', 'list:2: "10.0.0.1-" is not an address, a prefix or a range, with one value behind it'],
    ['10.0.0.0/8 DE', 'list:2: "DE" is no value; expected a number from 0 to 1073741823, or words that values: knows'],
    [
      '10.0.0.0/8 1073741824',
      'list:2: "1073741824" is no value; expected a number from 0 to 1073741823, or words that values: knows',
    ],
    ['10.0.0.0/8 01', 'list:2: "01" is no value; expected a number from 0 to 1073741823, or words that values: knows'],
    ['10.0.0.0/8,-1', 'list:2: "-1" is no value; expected a number from 0 to 1073741823, or words that values: knows'],
  ];
  for (const [line, message] of cases) {
    test(JSON.stringify(line), () => assert.equal(refusal(`192.0.2.1\n${line}\n10.1.0.0/16`), message));
  }

  test('a line without an end, whatever it is', () => {
    assert.equal(refusal(`\n${'x'.repeat(100_000)}`), 'list:2: the line has more than 1024 octets');
    assert.equal(refusal(Buffer.alloc(100_000)), 'list:1: the line has more than 1024 octets');
    assert.match(refusal(`10.0.0.0/8 ${'x'.repeat(200)}`), /^list:1: "x{60}\.\.\." is no value/);
  });

  test('octets that are no text', () => {
    assert.match(refusal(Buffer.of(0x31, 0xff, 0x00, 0x0a)), /^list:1: "1\u{fffd}\\u0000" is not an IPv4/u);
  });

  test('more prefixes than a table has', () => {
    // 62 prefixes a line.
    const line = '0.0.0.1-255.255.255.254\n';
    assert.equal(refusal(line.repeat(64_517)), 'list:64517: the list has more than 4000000 prefixes');
  });
});

test('pieces of any size give the same table', () => {
  const text = Buffer.from('10.0.0.0/8 3\r\n# hällo\n2001:db8::/32,9\n\n192.0.2.5-192.0.2.77 4');
  const whole = Buffer.from(read(text).table);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: text.length })), (cuts) => {
      const reader = new ListReader({ file: 'list', values: null });
      let from = 0;
      for (const cut of [...cuts.sort((a, b) => a - b), text.length]) {
        // What was lent is written over, as a buffer of a stream may be.
        const piece = Buffer.from(text.subarray(from, cut));
        reader.take(piece);
        piece.fill(0x2f);
        from = cut;
      }
      assert.ok(Buffer.from(reader.end().table).equals(whole));
    }),
  );
});

test('a range is the fewest prefixes that have each address of it, and no other', () => {
  const next = chance(7);
  for (let round = 0; round < 300; round++) {
    const octets = round % 2 === 0 ? 4 : 16;
    const [a, b] = [0, 0].map(() =>
      Uint8Array.from({ length: octets }, (_, index) => (index < octets - 2 ? 1 : next(256))),
    );
    assert.ok(a !== undefined && b !== undefined);
    const [first, last] = isOrdered(a, b) ? [a, b] : [b, a];
    const entries: PrefixEntry[] = [...splitRange(first, last)].map((prefix) => ({ ...prefix, value: 1 }));
    assert.ok(entries.length <= 30, `${entries.length}`);
    for (const address of edges(next, entries))
      assert.equal(modelLookup(entries, address), isOrdered(first, address) && isOrdered(address, last) ? 1 : 0);
  }
  const all = [...splitRange(new Uint8Array(16), new Uint8Array(16).fill(255))];
  assert.deepEqual(all, [{ bytes: new Uint8Array(16), prefixLength: 0 }]);
  const most = [
    ...splitRange(parseAddress('::1') as Uint8Array, parseAddress(`ffff${':ffff'.repeat(6)}:fffe`) as Uint8Array),
  ];
  assert.equal(most.length, 254);
});

describe('a file', () => {
  test('is read whole', () => {
    const file = path.join(folder, 'long');
    const lines = Array.from({ length: 60_000 }, (_, index) => `10.${(index >> 8) % 256}.${index % 256}.0/24 ${index}`);
    writeFileSync(file, lines.join('\n'));
    const list = readList(file, { file: 'long', values: null });
    assert.equal(list.entries, 60_000);
    assert.deepEqual(valuesIn(list, '10.0.255.1', '10.10.0.1', '10.234.95.1'), [255, 2_560, 59_999]);
  });

  test('that cannot be read is named, and nothing is waited for', () => {
    const pipe = path.join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    for (const [file, reason] of [
      [path.join(folder, 'missing'), /cannot read the list of a table: list: ENOENT/],
      [folder, /list: not a regular file/],
      ['/dev/null', /list: not a regular file/],
      [pipe, /list: not a regular file/],
    ] as const) {
      assert.throws(
        () => readList(file, { file: 'list', values: null }),
        (error: Error & { code?: string }) => {
          assert.equal(error.code, 'FIREHOOK_TABLE_UNREADABLE');
          assert.match(error.message, reason);
          return true;
        },
      );
    }
  });
});
