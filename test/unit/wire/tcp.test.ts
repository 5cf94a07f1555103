/**
 * The TCP header and its options.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { fold } from '../../../src/wire/checksum.ts';
import * as tcp from '../../../src/wire/tcp.ts';

/** SYN+ACK with MSS 1460, NOP, NOP, SACK permitted and three octets of data; checksum computed by another program. */
const SEGMENT = Buffer.from(
  'c0000050' + '00000001' + '0000000a' + '7012ffff' + '12170000' + '020405b4' + '01010402' + '616263',
  'hex',
);
/** 192.0.2.1 to 198.51.100.2, protocol 6, 31 octets. */
const PSEUDO_SUM = fold(0xc000 + 0x0201 + 0xc633 + 0x6402 + 6 + 31);
const FIELDS = {
  sourcePort: 49152,
  destinationPort: 80,
  sequence: 1,
  acknowledgement: 10,
  flags: tcp.SYN | tcp.ACK,
  window: 65535,
  options: Buffer.from('020405b401010402', 'hex'),
};

test('deconstructs a known segment', () => {
  assert.equal(tcp.sourcePort(SEGMENT, 0), 49152);
  assert.equal(tcp.destinationPort(SEGMENT, 0), 80);
  assert.equal(tcp.sequence(SEGMENT, 0), 1);
  assert.equal(tcp.acknowledgement(SEGMENT, 0), 10);
  assert.equal(tcp.headerLength(SEGMENT, 0), 28);
  assert.equal(tcp.flags(SEGMENT, 0), tcp.SYN | tcp.ACK);
  assert.equal(tcp.window(SEGMENT, 0), 65535);
  assert.equal(tcp.checksum(SEGMENT, 0), 0x1217);
  assert.equal(tcp.urgentPointer(SEGMENT, 0), 0);
});

test('constructs the same octets', () => {
  const bytes = Buffer.alloc(SEGMENT.length + 2, 0xee);
  assert.equal(tcp.emit(bytes, 1, FIELDS), 28);
  bytes.write('abc', 29);
  tcp.fillChecksum(bytes, 1, SEGMENT.length, PSEUDO_SUM);
  assert.equal(bytes.toString('hex'), `ee${SEGMENT.toString('hex')}ee`);
});

test('rejects every shorter length, and a header length below five words', () => {
  assert.equal(tcp.checkLength(SEGMENT, 0, 28), true);
  for (let length = 0; length < 28; length++) {
    assert.equal(tcp.checkLength(SEGMENT, 0, length), false, `${length} octets`);
  }
  assert.equal(tcp.checkLength(SEGMENT, 1, SEGMENT.length), false, 'past the buffer');
  const short = Buffer.from(SEGMENT);
  tcp.setHeaderLength(short, 0, 16);
  assert.equal(tcp.checkLength(short, 0, short.length), false);
});

test('tells a wrong and a zero checksum from the right one', () => {
  const bytes = Buffer.from(SEGMENT);
  assert.equal(tcp.verifyChecksum(bytes, 0, bytes.length, PSEUDO_SUM), true);
  assert.equal(tcp.verifyChecksum(bytes, 0, bytes.length, PSEUDO_SUM + 1), false);
  tcp.setChecksum(bytes, 0, 0);
  assert.equal(tcp.verifyChecksum(bytes, 0, bytes.length, PSEUDO_SUM), false);
});

test('replaces each field alone', () => {
  const bytes = Buffer.alloc(20);
  tcp.setSourcePort(bytes, 0, 0x0102);
  tcp.setDestinationPort(bytes, 0, 0x0304);
  tcp.setSequence(bytes, 0, 0xf5060708);
  tcp.setAcknowledgement(bytes, 0, 0x090a0b0c);
  tcp.setHeaderLength(bytes, 0, 20);
  tcp.setFlags(bytes, 0, tcp.FIN | tcp.URG);
  tcp.setWindow(bytes, 0, 0x0d0e);
  tcp.setChecksum(bytes, 0, 0x0f10);
  tcp.setUrgentPointer(bytes, 0, 0x1112);
  assert.equal(bytes.toString('hex'), '01020304f5060708090a0b0c50210d0e0f101112');
});

test('reads back what was emitted', () => {
  const word = fc.nat({ max: 0xffffffff });
  const short = fc.nat(0xffff);
  const fields = fc.record({
    sourcePort: short,
    destinationPort: short,
    sequence: word,
    acknowledgement: word,
    flags: fc.nat(255),
    window: short,
    urgentPointer: short,
    options: fc.nat(10).map((words) => new Uint8Array(4 * words).fill(tcp.OPTION_NOP)),
  });
  fc.assert(
    fc.property(fields, word, (fields, seed) => {
      const bytes = Buffer.alloc(60);
      const length = tcp.emit(bytes, 0, fields);
      tcp.fillChecksum(bytes, 0, length, fold(seed));
      assert.equal(tcp.checkLength(bytes, 0, length), true);
      assert.equal(tcp.verifyChecksum(bytes, 0, length, fold(seed)), true);
      const read = {
        sourcePort: tcp.sourcePort(bytes, 0),
        destinationPort: tcp.destinationPort(bytes, 0),
        sequence: tcp.sequence(bytes, 0),
        acknowledgement: tcp.acknowledgement(bytes, 0),
        flags: tcp.flags(bytes, 0),
        window: tcp.window(bytes, 0),
        urgentPointer: tcp.urgentPointer(bytes, 0),
        options: Uint8Array.from(bytes.subarray(20, tcp.headerLength(bytes, 0))),
      };
      assert.deepEqual(read, { ...fields });
    }),
  );
});

describe('findOption', () => {
  const find = (options: string, kind: number) => {
    const header = Buffer.concat([Buffer.alloc(20), Buffer.from(options, 'hex')]);
    return tcp.findOption(header, 0, header.length, kind);
  };

  test('finds an option at any place, fillers before it', () => {
    assert.equal(find('020405b401010402', tcp.OPTION_MSS), 20);
    assert.equal(find('020405b401010402', 4), 26);
    assert.equal(tcp.findOption(Buffer.concat([Buffer.alloc(7), SEGMENT]), 7, 28, tcp.OPTION_MSS), 27);
  });

  test('says -1 where the option is not', () => {
    assert.equal(find('', tcp.OPTION_MSS), -1);
    assert.equal(find('01010101', tcp.OPTION_MSS), -1);
    assert.equal(find('00000000020405b4', tcp.OPTION_MSS), -1, 'after the end of the options');
    assert.equal(find('01010000', tcp.OPTION_NOP), -1, 'a filler is not an option');
  });

  test('never finds an option that reaches past the header', () => {
    assert.equal(find('010102', tcp.OPTION_MSS), -1, 'no length octet');
    assert.equal(find('01020405', tcp.OPTION_MSS), -1, 'value cut off');
    assert.equal(tcp.findOption(SEGMENT.subarray(0, 23), 0, 28, tcp.OPTION_MSS), -1, 'buffer cut off');
  });

  test('stops at lengths that would not lead on', () => {
    assert.equal(find('0300020405b4', tcp.OPTION_MSS), -1);
    assert.equal(find('0301020405b4', tcp.OPTION_MSS), -1);
    assert.equal(find('02010000', tcp.OPTION_MSS), -1);
  });

  test('ends on any options and stays inside of them', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(255), (options, kind) => {
        const header = Buffer.concat([Buffer.alloc(20), options]);
        const at = tcp.findOption(header, 0, header.length, kind);
        if (at === -1) return;
        assert.ok(at >= 20 && at + 2 <= header.length);
        assert.equal(header[at], kind);
        assert.ok(at + header.readUInt8(at + 1) <= header.length);
      }),
    );
  });
});
