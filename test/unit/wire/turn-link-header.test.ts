/**
 * Link headers for frames in the other direction, and of the other IP version.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { classifyFrame } from '../../../src/wire/link.ts';
import { announceVersion, turnLinkHeader } from '../../../src/wire/turn-link-header.ts';
import { ipv4, ipv6, udp } from '../../support/packet-builder.ts';

const V4 = ipv4({}, udp({}, Buffer.from('data')));
const V6 = ipv6({}, udp({}, Buffer.from('data')));

function turned(hex: string, linktype: number): string {
  const header = Buffer.from(hex, 'hex');
  turnLinkHeader(header, linktype);
  return header.toString('hex');
}

describe('turnLinkHeader', () => {
  test('swaps the addresses of Ethernet and leaves tags', () => {
    assert.equal(turned('0200000000aa0200000000bb8100002a0800', 1), '0200000000bb0200000000aa8100002a0800');
  });

  test('has nobody send instead of a group', () => {
    assert.equal(turned('ffffffffffff0200000000bb0800', 1), '0200000000bb0200000000000800');
  });

  test('makes "sent to us" "sent by us" in cooked captures, and takes the address off, which is not known', () => {
    assert.equal(turned('0000000100060200000000aa00000800', 113), '00040001000000000000000000000800');
    assert.equal(turned('0004000100060200000000aa00000800', 113), '00000001000000000000000000000800');
    const sll2 = (type: string, length: string, address: string) => `080000000000000700010${type}${length}${address}`;
    assert.equal(turned(sll2('0', '06', '0200000000aa0000'), 276), sll2('4', '00', '0000000000000000'));
  });

  test('leaves what has no direction as it is', () => {
    assert.equal(turned('02000000', 0), '02000000');
    assert.equal(turned('', 101), '');
  });
});

describe('announceVersion', () => {
  for (const [what, linktype, ip4, ip6] of [
    ['Ethernet', 1, '0200000000aa0200000000bb0800', '0200000000aa0200000000bb86dd'],
    ['a tag', 1, '0200000000aa0200000000bb8100002a0800', '0200000000aa0200000000bb8100002a86dd'],
    ['cooked, version 1', 113, '0000000100060200000000aa00000800', '0000000100060200000000aa000086dd'],
    ['cooked, version 2', 276, '08000000000000070001000602000000000a0000', '86dd0000000000070001000602000000000a0000'],
    ['BSD loopback, little-endian', 0, '02000000', '1e000000'],
    ['BSD loopback, big-endian', 0, '00000002', '0000001e'],
    ['OpenBSD loopback', 108, '00000002', '00000018'],
    ['raw IP', 101, '', ''],
  ] as const) {
    test(`makes a header of one version that of the other, and back: ${what}`, () => {
      const header = Buffer.from(ip4, 'hex');
      for (const [version, hex, datagram] of [
        [6, ip6, V6],
        [4, ip4, V4],
      ] as const) {
        assert.ok(announceVersion(header, header.length, linktype, version));
        assert.equal(header.toString('hex'), hex);
        const frame = Buffer.concat([header, datagram]);
        assert.equal(classifyFrame(frame, frame.length, frame.length, linktype), header.length);
      }
    });
  }

  test('makes a PPPoE session that of the other version', () => {
    const header = Buffer.from('0200000000aa0200000000bb8864110000010000' + '0021', 'hex');
    assert.ok(announceVersion(header, header.length, 1, 6));
    assert.equal(header.toString('hex').slice(-4), '0057');
  });

  test('cannot behind MPLS labels, and where the link type is of one version', () => {
    const labelled = Buffer.from('0200000000aa0200000000bb884700010140', 'hex');
    assert.equal(announceVersion(labelled, labelled.length, 1, 6), false);
    assert.equal(announceVersion(Buffer.alloc(0), 0, 228, 6), false);
    assert.equal(announceVersion(Buffer.alloc(0), 0, 229, 6), true);
  });
});
