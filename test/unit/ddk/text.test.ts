/**
 * Promises of counted strings, of DbgPrint and its formats, and of the parameters.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { formatPrint } from '../../../src/ddk/print-format.ts';
import { STATUS_BUFFER_TOO_SMALL } from '../../../src/ddk/status.ts';
import * as unicode from '../../../src/ddk/unicode.ts';
import { STATUS_SUCCESS } from '../../../src/firewall/constants.ts';
import { assertBugCheck, freshDoor } from './support.ts';

function counted(text: string, room = text.length * 2): unicode.UNICODE_STRING {
  return Object.assign(new unicode.UNICODE_STRING(), { Buffer: text, Length: text.length * 2, MaximumLength: room });
}

describe('a UNICODE_STRING', () => {
  test('is initialised with its length in octets and room for the null', () => {
    const string = new unicode.UNICODE_STRING();
    unicode.RtlInitUnicodeString(string, 'abc');
    assert.deepEqual({ ...string }, { Length: 6, MaximumLength: 8, Buffer: 'abc' });
    unicode.RtlInitUnicodeString(string, 'ab\0c');
    assert.equal(string.Length, 4);
    unicode.RtlInitUnicodeString(string, null);
    assert.deepEqual({ ...string }, { Length: 0, MaximumLength: 0, Buffer: '' });
    unicode.RtlInitUnicodeString(string, 'x'.repeat(40_000));
    assert.deepEqual([string.Length, string.MaximumLength], [65_532, 65_534]);
  });

  test('is copied as far as there is room', () => {
    const target = counted('old', 5);
    unicode.RtlCopyUnicodeString(target, 'newer');
    assert.deepEqual({ ...target }, { Length: 4, MaximumLength: 5, Buffer: 'ne' });
    unicode.RtlCopyUnicodeString(target, null);
    assert.equal(target.Length, 0);
  });

  test('is appended to when there is room, and else left as it is', () => {
    const target = counted('ab', 8);
    assert.equal(unicode.RtlAppendUnicodeToString(target, 'c'), STATUS_SUCCESS);
    assert.equal(unicode.RtlAppendUnicodeStringToString(target, counted('dX').Length ? 'd' : ''), STATUS_SUCCESS);
    assert.equal(unicode.RtlAppendUnicodeToString(target, 'e'), STATUS_BUFFER_TOO_SMALL);
    assert.equal(unicode.RtlAppendUnicodeToString(target, null), STATUS_SUCCESS);
    assert.deepEqual({ ...target }, { Length: 8, MaximumLength: 8, Buffer: 'abcd' });
  });

  test('is compared as far as its Length says, with case or without', () => {
    const { ddk } = freshDoor();
    const part = counted('abcX');
    part.Length -= 2;
    assert.equal(ddk.RtlEqualUnicodeString(part, 'abc', false), true);
    assert.equal(ddk.RtlEqualUnicodeString(part, 'ABC', false), false);
    assert.equal(ddk.RtlEqualUnicodeString(part, 'ABC', true), true);
    assert.ok(ddk.RtlCompareUnicodeString('abc', 'abd', false) < 0);
    assert.ok(ddk.RtlCompareUnicodeString('abcd', 'abc', false) > 0);
    assert.equal(ddk.RtlCompareUnicodeString('ABC', part, true), 0);
    assert.equal(ddk.RtlEqualUnicodeString('ß', 'ß', true), true);
  });

  test('is compared at PASSIVE_LEVEL only', () => {
    const { ddk, door } = freshDoor();
    door.enterCallback();
    const name = 'IRQL_NOT_LESS_OR_EQUAL (0xA)';
    assertBugCheck(() => ddk.RtlEqualUnicodeString('a', 'b', false), name, 'RtlEqualUnicodeString');
    assertBugCheck(() => ddk.RtlCompareUnicodeString('a', 'b', false), name, 'RtlCompareUnicodeString');
  });
});

describe('the formats of DbgPrint', () => {
  const cases: readonly (readonly [string, readonly unknown[], string])[] = [
    ['%d %i %u', [-1, 7, 7], '-1 7 7'],
    ['%u %x %X %o', [-1, 255, 255, 8], '4294967295 ff FF 10'],
    ['%d', [0xc0000001], '-1073741823'],
    ['%08x', [0xc000000d], 'c000000d'],
    ['0x%08lX', [0xd], '0x0000000D'],
    ['%ld %lu %lx %hd %hx', [-2, 2, 10, 70_000, 0x12345], '-2 2 a 4464 2345'],
    ['%I64d %I64u %I64x', [-1n, -1n, 1n << 40n], '-1 18446744073709551615 10000000000'],
    ['%d', [1n << 40n], '0'],
    ['[%5d|%-5d|%05d|%+d|% d]', [42, 42, -42, 42, 42], '[   42|42   |-0042|+42| 42]'],
    ['[%.3d|%5.3d|%#x|%#o|%.0d]', [7, 7, 255, 8, 0], '[007|  007|0xff|010|]'],
    ['[%*d|%-*d|%.*s]', [4, 7, -4, 7, 2, 'abc'], '[   7|7   |ab]'],
    ['%c%c %C', [65, 'BCD', 0x20ac], 'AB €'],
    ['%s|%S|%ws|%ls|%5s|%-5s|%.2s', ['a', 'b', 'c', 'd', 'e', 'f', 'ghi'], 'a|b|c|d|    e|f    |gh'],
    ['%s', [Buffer.from('from octets\0more')], 'from octets'],
    ['%s', ['to the null\0more'], 'to the null'],
    ['%wZ %Z', [counted('counted'), 'plain'], 'counted plain'],
    ['%s %wZ', [null, undefined], '(null) (null)'],
    ['%p', [0x1234], '0000000000001234'],
    ['%p', [null], '0000000000000000'],
    ['100%% %d', [1], '100% 1'],
    ['%d %d', [1], '1 %d'],
    ['%q %f %', [1], '%q %f %'],
    ['%d', [true], '1'],
    ['%d', ['no number'], '0'],
    ['%.5', [], '%.5'],
  ];

  for (const [format, args, expected] of cases) {
    test(`print ${format} as ${expected}`, () => assert.equal(formatPrint(format, args), expected));
  }

  test('never throw, whatever is printed', () => {
    const hostile = [
      new Proxy({}, { get: () => assert.fail() }),
      Object.create(null),
      Symbol('s'),
      Number.NaN,
      Infinity,
      [],
      () => 1,
    ];
    for (const argument of hostile) {
      for (const type of ['d', 'u', 'x', 's', 'c', 'p', 'wZ', 'Z', 'S', 'I64d']) formatPrint(`%${type}`, [argument]);
    }
    const width = fc.constantFrom('', '5', '*', '-9', '.3', '.*', '999999999', '0+ #');
    const type = fc.constantFrom('d', 'i', 'u', 'x', 'X', 'p', 'c', 's', 'S', 'wZ', 'ld', 'I64x', '%', 'q', '');
    fc.assert(
      fc.property(fc.array(fc.tuple(width, type)), fc.array(fc.anything()), (parts, args) => {
        formatPrint(parts.map((part) => `%${part.join('')}`).join(' '), args);
      }),
    );
  });
});

describe('DbgPrint', () => {
  test('writes a line of level info without its newline, KdPrint one of level debug', () => {
    const { ddk, host } = freshDoor();
    assert.equal(ddk.DbgPrint('drop %u\n', 3), STATUS_SUCCESS);
    ddk.KdPrint(['kd %s\n', 'x']);
    ddk.DbgPrint('one\r\ntwo\n');
    ddk.DbgPrint('\n');
    assert.deepEqual(host.lines, ['info: drop 3', 'debug: kd x', 'info: one', 'info: two']);
  });

  test('takes its level from DbgPrintEx', () => {
    const { ddk, host } = freshDoor();
    for (const level of [0, 1, 2, 3, 9]) ddk.DbgPrintEx(80, level, '%d', level);
    ddk.KdPrintEx([101, 0, 'ex']);
    assert.deepEqual(host.lines, ['error: 0', 'warn: 1', 'debug: 2', 'info: 3', 'debug: 9', 'error: ex']);
  });

  test('shows 512 characters of a call', () => {
    const { ddk, host } = freshDoor();
    ddk.DbgPrint('%s', 'x'.repeat(600));
    assert.equal(host.lines[0], `info: ${'x'.repeat(512)}`);
  });

  test('of a Unicode format above PASSIVE_LEVEL prints, and says once what Windows would do', () => {
    const { ddk, host, door } = freshDoor();
    ddk.DbgPrint('%ws', 'passive');
    door.enterCallback();
    ddk.DbgPrint('%s', 'octets');
    ddk.DbgPrint('%wZ', 'unicode');
    ddk.DbgPrint('%S', 'again');
    door.leaveCallback();
    assert.deepEqual(
      host.lines.map((line) => line.split(' ')[0]),
      ['info:', 'info:', 'warn:', 'info:', 'info:'],
    );
  });
});

describe('FhQueryParameter', () => {
  test('reads the options without regard to case, in the kinds that the registry has', () => {
    const { ddk, host } = freshDoor({ Number: 7, text: 'x', yes: true, no: false, list: ['a', 'b'], object: {} });
    const read = (name: string) => ddk.FhQueryParameter('\\Registry', name);
    assert.equal(read('NUMBER'), 7);
    assert.equal(read('Text'), 'x');
    assert.deepEqual([read('yes'), read('no')], [1, 0]);
    assert.deepEqual(read('list'), ['a', 'b']);
    assert.equal(read('none'), null);
    assert.equal(read('object'), null);
    assert.equal(host.lines.length, 1);
  });

  test('reads nothing where there are no options', () => {
    for (const parameters of [null, undefined, 7]) {
      assert.equal(freshDoor(parameters).ddk.FhQueryParameter('\\Registry', 'x'), null);
    }
  });
});
