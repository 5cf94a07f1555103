/**
 * The Ethernet header with its VLAN tags.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readU16 } from '../../../src/wire/bytes.ts';
import * as ethernet from '../../../src/wire/ethernet.ts';

/** 02:00:00:00:00:02 from 02:00:00:00:00:01, service tag 100 with priority 5, VLAN 7, IPv4. */
const FRAME = Buffer.from('020000000002020000000001' + '88a8a064' + '81000007' + '0800', 'hex');
const FIELDS = {
  destination: Buffer.from('020000000002', 'hex'),
  source: Buffer.from('020000000001', 'hex'),
  etherType: 0x0800,
  tags: [{ type: 0x88a8, id: 100, priority: 5 }, { id: 7 }],
};

test('deconstructs a known header with two tags', () => {
  assert.equal(ethernet.etherType(FRAME, 0), 0x88a8);
  assert.equal(ethernet.headerLength(FRAME, 0, FRAME.length), 22);
  assert.equal(ethernet.vlanId(FRAME, 14), 100);
  assert.equal(ethernet.vlanPriority(FRAME, 14), 5);
  assert.equal(ethernet.vlanId(FRAME, 18), 7);
  assert.equal(ethernet.formatMac(FRAME), '02:00:00:00:00:02');
  assert.equal(ethernet.formatMac(FRAME, ethernet.SOURCE_OFFSET), '02:00:00:00:00:01');
});

test('constructs the same octets', () => {
  const bytes = Buffer.alloc(24, 0xee);
  assert.equal(ethernet.emit(bytes, 1, FIELDS), 22);
  assert.equal(bytes.toString('hex'), `ee${FRAME.toString('hex')}ee`);
});

test('rejects every shorter length', () => {
  assert.equal(ethernet.checkLength(FRAME, 0, FRAME.length), true);
  for (let length = 0; length < FRAME.length; length++) {
    assert.equal(ethernet.checkLength(FRAME, 0, length), false, `${length} octets`);
  }
  assert.equal(ethernet.checkLength(FRAME, 1, FRAME.length), false, 'past the buffer');
});

test('follows four tags and refuses a fifth', () => {
  const tags = Array.from({ length: 5 }, (_, id) => ({ id }));
  const bytes = Buffer.alloc(34);
  ethernet.emit(bytes, 0, { ...FIELDS, tags: tags.slice(1) });
  assert.equal(ethernet.headerLength(bytes, 0, bytes.length), 30);
  ethernet.emit(bytes, 0, { ...FIELDS, tags });
  assert.equal(ethernet.headerLength(bytes, 0, bytes.length), -1);
});

test('tells broadcast, multicast and unicast apart', () => {
  const kinds = [
    ['ff:ff:ff:ff:ff:ff', true, false],
    ['01:00:5e:00:00:01', false, true],
    ['33:33:00:00:00:01', false, true],
    ['ff:ff:ff:ff:ff:fe', false, true],
    ['02:00:00:00:00:01', false, false],
  ] as const;
  for (const [text, isBroadcast, isMulticast] of kinds) {
    const address = ethernet.parseMac(text);
    assert.ok(address);
    assert.equal(ethernet.isBroadcast(address, 0), isBroadcast, text);
    assert.equal(ethernet.isMulticast(address, 0), isMulticast, text);
  }
});

test('names the types that announce a tag', () => {
  assert.deepEqual([0x8100, 0x88a8, 0x9100].map(ethernet.isVlanType), [true, true, true]);
  assert.deepEqual([0x0800, 0x86dd, 0x0806].map(ethernet.isVlanType), [false, false, false]);
  assert.deepEqual([0x0800, 0x86dd, 0x0806].map(ethernet.isIpType), [true, true, false]);
});

test('replaces each field alone', () => {
  const bytes = Buffer.alloc(14);
  ethernet.setEtherType(bytes, 0, 0x86dd);
  ethernet.setSource(bytes, 0, Buffer.from('0a0b0c0d0e0f', 'hex'));
  ethernet.setDestination(bytes, 0, Buffer.from('010203040506', 'hex'));
  assert.equal(bytes.toString('hex'), '0102030405060a0b0c0d0e0f86dd');
});

test('refuses malformed MAC addresses', () => {
  for (const text of [
    '',
    '02:00:00:00:00',
    '02:00:00:00:00:001',
    '02:00:00:00:00:0g',
    '02:00-00:00:00:00',
    '020000000000',
  ]) {
    assert.equal(ethernet.parseMac(text), null, text);
  }
  assert.deepEqual(ethernet.parseMac('02-00-5E-10-00-01'), Uint8Array.from([2, 0, 0x5e, 0x10, 0, 1]));
});

test('reads back what was emitted', () => {
  const mac = fc.uint8Array({ minLength: 6, maxLength: 6 });
  const tag = fc.record({ id: fc.nat(4095), priority: fc.nat(7), type: fc.constantFrom(0x8100, 0x88a8, 0x9100) });
  const fields = fc.record({
    destination: mac,
    source: mac,
    etherType: fc.nat(0xffff).filter((type) => !ethernet.isVlanType(type)),
    tags: fc.array(tag, { maxLength: 4 }),
  });
  fc.assert(
    fc.property(fields, (fields) => {
      const bytes = Buffer.alloc(30);
      const length = ethernet.emit(bytes, 0, fields);
      assert.equal(ethernet.headerLength(bytes, 0, length), length);
      assert.equal(readU16(bytes, length - 2), fields.etherType);
      assert.deepEqual(ethernet.parseMac(ethernet.formatMac(bytes)), Uint8Array.from(fields.destination));
      fields.tags.forEach(({ id, priority }, index) => {
        assert.equal(ethernet.vlanId(bytes, 14 + 4 * index), id);
        assert.equal(ethernet.vlanPriority(bytes, 14 + 4 * index), priority);
      });
    }),
  );
});
