/** What is done to a frame in the place of a network card, and what is left to the device that sends it. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FRAME_CHECKSUM_PARTIAL, FRAME_SUPER } from '../../../src/drivers/frame.ts';
import { AS_IT_IS, COMPLETED, CUT, MissingCard } from '../../../src/drivers/missing-card.ts';
import { frameOf } from '../../support/frame-of.ts';
import { pppoe } from '../../support/links.ts';
import { pseudoSum } from '../../support/offloads.ts';
import { ethernet, extension, fragment, ipv4, ipv6, octets, tcp, udp } from '../../support/packet-builder.ts';
import { tunnel } from '../../support/tunnels.ts';

const DATA = Buffer.from('data of some length');
const TCP_FIELD = 16;
const UDP_FIELD = 6;
const SCTP_FIELD = 8;

/** `field` of what starts at `start` gets `word`, and the card is asked. */
function ask(frame: Buffer, start: number, field: number, segment = 0, length = frame.length): number {
  const flags = segment > 0 ? FRAME_CHECKSUM_PARTIAL | FRAME_SUPER : FRAME_CHECKSUM_PARTIAL;
  return new MissingCard().stepIn(frameOf(frame, { length, flags, checksumStart: start, segmentSize: segment }), field);
}

describe('as it is', () => {
  const TAGS = { tags: [{ type: 0x88a8, id: 1 }, { id: 2 }] };
  const options = Buffer.alloc(8, 1);
  const left: Record<string, () => [frame: Buffer, start: number, field: number, segment?: number]> = {
    'TCP over IPv4': () => [ethernet({}, ipv4({}, tcp({}, DATA))), 34, TCP_FIELD],
    'UDP over IPv6': () => [ethernet({}, ipv6({}, udp({}, DATA))), 54, UDP_FIELD],
    'a super-frame of TCP': () => [ethernet({}, ipv4({}, tcp({}, DATA))), 34, TCP_FIELD, 10],
    'behind tags': () => [ethernet(TAGS, ipv4({}, tcp({}, DATA))), 42, TCP_FIELD],
    'behind options': () => [ethernet({}, ipv4({ options }, udp({}, DATA))), 42, UDP_FIELD],
    'behind extension headers': () => [
      ethernet({}, ipv6({ extensions: [extension(0)] }, tcp({}, DATA))),
      62,
      TCP_FIELD,
    ],
    'where nothing is to be summed': () => [ethernet({}, ipv4({}, tcp({}, DATA))), -1, 0],
    'not IP': () => [ethernet({ etherType: 0x88e5 }, ipv4({}, tcp({}, DATA))), 38, TCP_FIELD],
    'a super-frame of a tunnel in a PPPoE session': () => [
      pppoe({}, tunnel('ip', { outer: 4 }, ipv4({}, tcp({}, DATA))).subarray(14)),
      62,
      TCP_FIELD,
      5,
    ],
    malformed: () => [ethernet({}, ipv4({ totalLength: 9999 }, octets(4, DATA))), 40, TCP_FIELD],
    'a fragment': () => [ethernet({}, ipv6({ extensions: [fragment(0, true)] }, udp({}, DATA))), 70, UDP_FIELD],
    'summed from before the transport header': () => [ethernet({}, ipv4({}, octets(47, DATA))), 30, TCP_FIELD],
    'a field behind the datagram': () => [tunnel('ip', { outer: 4 }, ipv4({}, octets(99, DATA))), 70, TCP_FIELD],
    'SCTP that ends in its header': () => [ethernet({}, ipv4({}, octets(132, Buffer.alloc(11)))), 34, SCTP_FIELD],
    'a super-frame of an unknown tunnel': () => [
      ethernet({}, ipv4({}, octets(99, ipv4({}, tcp({}, DATA))))),
      54,
      TCP_FIELD,
      5,
    ],
  };
  for (const [what, make] of Object.entries(left)) {
    test(what, () => {
      const [frame, start, field, segment] = make();
      const before = Buffer.from(frame);
      assert.equal(ask(frame, start, field, segment), AS_IT_IS);
      assert.deepEqual(frame, before);
    });
  }
});

describe('completed', () => {
  test('TCP in a tunnel, padding left out of it', () => {
    const inner = ipv4({}, tcp({}, DATA));
    const finished = tunnel('vxlan summed', { outer: 6 }, inner);
    const frame = Buffer.concat([finished, Buffer.alloc(7, 0xee)]);
    const start = finished.length - 20 - DATA.length;
    frame.writeUInt16BE(pseudoSum(inner), start + TCP_FIELD);
    assert.equal(ask(frame, start, TCP_FIELD), COMPLETED);
    assert.deepEqual(frame.subarray(0, finished.length), finished);
    assert.deepEqual(frame.subarray(finished.length), Buffer.alloc(7, 0xee));
  });

  test('UDP in a tunnel whose checksum comes out as zero', () => {
    const probe = ipv4({}, udp({}, Buffer.alloc(2)));
    const inner = ipv4({}, udp({}, probe.subarray(26, 28)));
    const finished = tunnel('gre', { outer: 4 }, inner);
    const start = finished.length - 10;
    assert.equal(finished.readUInt16BE(start + UDP_FIELD), 0xffff);
    const frame = Buffer.from(finished);
    frame.writeUInt16BE(pseudoSum(inner), start + UDP_FIELD);
    assert.equal(ask(frame, start, UDP_FIELD), COMPLETED);
    assert.deepEqual(frame, finished);
  });
});

describe('cut', () => {
  test('a super-frame of a tunnel', () => {
    const frame = tunnel('vxlan', { outer: 4 }, ipv4({}, tcp({}, DATA)));
    const card = new MissingCard();
    const start = frame.length - 20 - DATA.length;
    const flags = FRAME_CHECKSUM_PARTIAL | FRAME_SUPER;
    assert.equal(card.stepIn(frameOf(frame, { flags, checksumStart: start, segmentSize: 5 }), TCP_FIELD), CUT);
    assert.equal(card.segments.count, 4);
    assert.equal(card.segments.write(3, card.segment), start + 20 + 4);
  });

  test('one that is in no segment longer than any frame', () => {
    const frame = tunnel('ip', { outer: 4 }, ipv4({}, udp({}, Buffer.alloc(65_000))));
    assert.equal(ask(frame, frame.length - 65_008, UDP_FIELD, 65_000), CUT);
  });
});
