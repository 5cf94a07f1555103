/**
 * Addresses and prefixes as text.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  formatAddress,
  formatIpv4,
  formatIpv6,
  parseAddress,
  parseCidr,
  parseIpv4,
  parseIpv6,
} from '../../../src/wire/address.ts';

test('parses and formats IPv4 addresses', () => {
  assert.deepEqual(parseIpv4('192.0.2.255'), Uint8Array.from([192, 0, 2, 255]));
  assert.equal(formatIpv4(Buffer.from('ffc00002ff', 'hex'), 1), '192.0.2.255');
});

test('formats IPv6 addresses as RFC 5952 asks', () => {
  const texts = {
    '20010db8000000000000000000000001': '2001:db8::1',
    '20010db8000000010001000100010001': '2001:db8:0:1:1:1:1:1',
    '20010db8000000000001000000000001': '2001:db8::1:0:0:1',
    '20010000000000010000000000000001': '2001:0:0:1::1',
    '20010db800000000000100000000abcd': '2001:db8::1:0:0:abcd',
    '00000000000000000000000000000000': '::',
    '00000000000000000000000000000001': '::1',
    fe800000000000000000000000000000: 'fe80::',
    '00000000000000000000ffffc0000201': '::ffff:192.0.2.1',
  };
  for (const [hex, text] of Object.entries(texts)) {
    assert.equal(formatIpv6(Buffer.from(hex, 'hex')), text);
    assert.equal(Buffer.from(parseIpv6(text) ?? []).toString('hex'), hex);
  }
});

test('parses every spelling of an IPv6 address', () => {
  const expected = parseIpv6('2001:db8::c000:201');
  for (const text of [
    '2001:DB8::C000:0201',
    '2001:db8:0:0:0:0:192.0.2.1',
    '2001:db8::192.0.2.1',
    '2001:0db8:0::0:c000:201',
  ]) {
    assert.deepEqual(parseIpv6(text), expected, text);
  }
});

test('refuses malformed addresses', () => {
  const texts = [
    '',
    ' ',
    '1',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.256',
    '01.2.3.4',
    '1.2.3.4 ',
    '1.2.3.-4',
    '1.2.3.0x4',
    '1e1.2.3.4',
    '1..2.3',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7::8',
    ':1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:',
    '12345::',
    'g::',
    '::1%eth0',
    '::1.2.3',
    '1.2.3.4::',
    '::1.2.3.4:5',
    '1:2:3:4:5:6:7:1.2.3.4',
    '[::1]',
  ];
  for (const text of texts) assert.equal(parseAddress(text), null, JSON.stringify(text));
});

test('agrees with Node on what is an address', () => {
  const piece = fc.constantFrom('0', '1', 'ff', '1234', '255', '256', '01', ':', '::', '.', '1.2.3.4', 'x', '%');
  const text = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.array(piece, { maxLength: 16 }).map((pieces) => pieces.join('')),
  );
  fc.assert(
    fc.property(text, (text) => {
      const expected = text.includes('%') ? 0 : isIP(text);
      assert.equal(parseAddress(text)?.length, { 0: undefined, 4: 4, 6: 16 }[expected]);
    }),
    { numRuns: 2000 },
  );
});

test('reads back every address it formats', () => {
  const groups = fc.array(fc.constantFrom(0, 0, 0, 1, 0xffff), { minLength: 8, maxLength: 8 });
  const sparse = groups.map((groups) => Uint8Array.from(groups.flatMap((group) => [group >>> 8, group & 0xff])));
  const any = fc.oneof(
    sparse,
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
  );
  fc.assert(
    fc.property(any, (bytes) => {
      assert.deepEqual(parseAddress(formatAddress(bytes)), Uint8Array.from(bytes));
    }),
  );
});

test('formats as the URL standard does, but for mapped addresses', () => {
  const groups = fc.array(fc.constantFrom(0, 0, 1, 0xabc), { minLength: 8, maxLength: 8 });
  fc.assert(
    fc.property(groups, (groups) => {
      const bytes = Uint8Array.from(groups.flatMap((group) => [group >>> 8, group & 0xff]));
      const text = formatIpv6(bytes);
      assert.equal(new URL(`http://[${text}]/`).hostname, `[${text}]`);
    }),
  );
});

test('parses prefixes', () => {
  assert.deepEqual(parseCidr('192.0.2.0/24'), { bytes: Uint8Array.from([192, 0, 2, 0]), prefixLength: 24 });
  assert.deepEqual(parseCidr('192.0.2.128/25')?.prefixLength, 25);
  assert.deepEqual(parseCidr('0.0.0.0/0')?.prefixLength, 0);
  assert.deepEqual(parseCidr('2001:db8::/32'), { bytes: parseIpv6('2001:db8::'), prefixLength: 32 });
  assert.deepEqual(parseCidr('::1/128')?.prefixLength, 128);
});

test('takes an address alone for itself', () => {
  assert.equal(parseCidr('192.0.2.1')?.prefixLength, 32);
  assert.equal(parseCidr('2001:db8::1')?.prefixLength, 128);
});

test('refuses malformed prefixes and host bits', () => {
  const texts = [
    '',
    '/',
    '/24',
    '192.0.2.0/',
    '192.0.2.0/33',
    '192.0.2.0/024',
    '192.0.2.0/+4',
    '192.0.2.0/24/24',
    '192.0.2/24',
    '192.0.2.0/2 4',
    '::/129',
    '::/-1',
    '192.0.2.1/24',
    '192.0.2.128/24',
    '2001:db8::1/64',
    '128.0.0.0/0',
  ];
  for (const text of texts) assert.equal(parseCidr(text), null, JSON.stringify(text));
});
