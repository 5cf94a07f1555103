/** CRC32c against the vectors that its standards print. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CHECKSUM_OFFSET, crc32c, fillChecksum } from '../../../src/wire/sctp.ts';

// RFC 3720, appendix B.4.
const VECTORS = [
  ['32 octets of zeros', Buffer.alloc(32), 0x8a9136aa],
  ['32 octets of ones', Buffer.alloc(32, 0xff), 0x62a8ab43],
  ['32 octets counting up', Buffer.from(Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e],
  ['32 octets counting down', Buffer.from(Array.from({ length: 32 }, (_, i) => 31 - i)), 0x113fdb5c],
  // The check value that catalogues of CRCs give.
  ['123456789', Buffer.from('123456789'), 0xe3069283],
] as const;

for (const [what, octets, expected] of VECTORS) {
  test(what, () => {
    assert.equal(crc32c(octets, 0, octets.length), expected);
    const around = Buffer.concat([Buffer.alloc(3, 7), octets, Buffer.alloc(3, 7)]);
    assert.equal(crc32c(around, 3, octets.length), expected);
  });
}

test('the field counts as zero, and its least significant octet stands first', () => {
  const packet = Buffer.alloc(16, 0);
  packet.fill(0xee, CHECKSUM_OFFSET, CHECKSUM_OFFSET + 4);
  fillChecksum(packet, 0, 16);
  const expected = crc32c(Buffer.alloc(16), 0, 16);
  assert.equal(packet.readUInt32LE(CHECKSUM_OFFSET), expected);
  assert.equal(packet.readUInt32BE(0), 0);
  assert.equal(packet.readUInt32BE(12), 0);
});
