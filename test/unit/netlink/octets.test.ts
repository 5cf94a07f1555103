/**
 * Netlink attributes and messages: known octets, and what is shorter or longer than it says.
 *
 * @module
 */

import assert from 'node:assert/strict';
import os from 'node:os';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { isInterrupted, NLM_F_ACK, readMessages, readRefusal, writeRequests } from '../../../src/netlink/message.ts';
import {
  attribute,
  be32,
  hex,
  join,
  nested,
  readAttributeList,
  readAttributes,
  readBe64,
  readI32,
  readText,
  readU32,
  text,
  u16,
  u32,
} from '../../../src/netlink/octets.ts';

/** Known octets are those of this machine's order. */
const skip = os.endianness() === 'LE' ? false : 'the octets are written down for little-endian machines';
const toHex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

describe('attributes', () => {
  test('an attribute is its length, its type, its value and what fills it up', { skip }, () => {
    assert.equal(toHex(attribute(3, text('lo'))), '070003006c6f0000');
    assert.equal(toHex(nested(4, attribute(1, be32(5)))), '0c0004800800010000000005');
  });

  test('what was written is read again, whatever it is', () => {
    const one = fc.tuple(fc.integer({ min: 1, max: 0x3fff }), fc.uint8Array({ maxLength: 40 }));
    fc.assert(
      fc.property(fc.array(one, { maxLength: 10 }), (list) => {
        const bytes = join(list.map(([type, value]) => attribute(type, value)));
        assert.deepEqual(
          readAttributeList(bytes).map(([type, value]) => [type, [...value]]),
          list.map(([type, value]) => [type, [...value]]),
        );
      }),
    );
  });

  test('any octets are read without an error, and nothing beyond their end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        for (const [, value] of readAttributeList(bytes)) assert.ok(value.length <= bytes.length);
        for (const { body } of readMessages(bytes)) assert.ok(body.length <= bytes.length);
      }),
    );
  });

  test('a number that is not all there is 0, a text that is not there is empty', () => {
    assert.equal(readU32(hex('0102')), 0);
    assert.equal(readU32(undefined), 0);
    assert.equal(readBe64(hex('00000000000000ff')), 255);
    assert.equal(readText(undefined), '');
    assert.equal(readText(hex('6c6f')), 'lo');
    assert.equal(readI32(u32(-19)), -19);
  });
});

describe('messages', () => {
  test('requests are numbered one after the other, and padded', { skip }, () => {
    const bytes = writeRequests(
      [
        { type: 18, flags: NLM_F_ACK, body: hex('ff') },
        { type: 19, flags: 0, body: hex('') },
      ],
      7,
    );
    assert.equal(toHex(bytes), '1100000012000500070000000000000' + '0ff000000' + '10000000130001000800000000000000');
  });

  test('a refusal gives its number and the words of the kernel', () => {
    const header = join([u32(20), u16(18), u16(5), u32(7), u32(0)]);
    const body = join([u32(-22), header, attribute(1, text('Unknown device'))]);
    // NLM_F_CAPPED and NLM_F_ACK_TLVS: only the header of the request is repeated.
    const message = { type: 2, flags: 0x300, sequence: 7, portId: 1, body };
    assert.deepEqual(readRefusal(message), { errno: 22, words: 'Unknown device', sequence: 7 });
    assert.equal(readRefusal({ ...message, body: join([u32(0), header]) }), null, 'an acknowledgement');
    assert.equal(readRefusal({ ...message, type: 16 }), null, 'another message');
  });

  test('an answer that changed while it was put together says so', () => {
    const message = { type: 16, sequence: 1, portId: 1, body: new Uint8Array(0) };
    assert.equal(isInterrupted({ ...message, flags: 0x12 }), true);
    assert.equal(isInterrupted({ ...message, flags: 0x02 }), false);
  });

  test('the last attribute of a type counts', () => {
    const attributes = readAttributes(join([attribute(1, u32(1)), attribute(1, u32(2))]));
    assert.equal(readU32(attributes.get(1)), 2);
  });
});
