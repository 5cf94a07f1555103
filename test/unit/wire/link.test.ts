/**
 * Where the IP header starts, for each linktype.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as link from '../../../src/wire/link.ts';

const MACS = '020000000002020000000001';
const SLL_ADDRESS = '00010006020000000001' + '0000';

interface Sample {
  readonly name: string;
  readonly linktype: number;
  /** The link header alone. */
  readonly header: string;
  readonly isIp: boolean;
}

const SAMPLES: readonly Sample[] = [
  { name: 'Ethernet, IPv4', linktype: 1, header: `${MACS}0800`, isIp: true },
  { name: 'Ethernet, IPv6', linktype: 1, header: `${MACS}86dd`, isIp: true },
  { name: 'Ethernet, ARP', linktype: 1, header: `${MACS}0806`, isIp: false },
  { name: 'Ethernet, 802.3 length', linktype: 1, header: `${MACS}0026`, isIp: false },
  { name: 'Ethernet, one tag, priority and vid 0', linktype: 1, header: `${MACS}8100e0000800`, isIp: true },
  { name: 'Ethernet, one tag, ARP', linktype: 1, header: `${MACS}810000070806`, isIp: false },
  { name: 'Ethernet, QinQ', linktype: 1, header: `${MACS}88a800648100000786dd`, isIp: true },
  { name: 'Ethernet, old QinQ', linktype: 1, header: `${MACS}91000064810000070800`, isIp: true },
  { name: 'Ethernet, four tags', linktype: 1, header: `${MACS}${'81000007'.repeat(4)}0800`, isIp: true },
  { name: 'Ethernet, five tags', linktype: 1, header: `${MACS}${'81000007'.repeat(5)}0800`, isIp: false },
  { name: 'cooked, IPv4', linktype: 113, header: `0000${SLL_ADDRESS}0800`, isIp: true },
  { name: 'cooked, IPv6', linktype: 113, header: `0004${SLL_ADDRESS}86dd`, isIp: true },
  { name: 'cooked, tagged IPv4', linktype: 113, header: `0000${SLL_ADDRESS}810000070800`, isIp: true },
  { name: 'cooked, ARP', linktype: 113, header: `0001${SLL_ADDRESS}0806`, isIp: false },
  { name: 'cooked 2, IPv4', linktype: 276, header: '0800000000000002000100060200000000010000', isIp: true },
  { name: 'cooked 2, IPv6', linktype: 276, header: '86dd000000000002000100060200000000010000', isIp: true },
  {
    name: 'cooked 2, tagged IPv6',
    linktype: 276,
    header: '8100000000000002000100060200000000010000' + '000786dd',
    isIp: true,
  },
  {
    name: 'cooked 2, five tags',
    linktype: 276,
    header: `8100000000000002000100060200000000010000${'00078100'.repeat(4)}00070800`,
    isIp: false,
  },
  { name: 'cooked 2, ARP', linktype: 276, header: '0806000000000002000100060200000000010000', isIp: false },
  { name: 'loopback, little endian IPv4', linktype: 0, header: '02000000', isIp: true },
  { name: 'loopback, big endian IPv4', linktype: 0, header: '00000002', isIp: true },
  { name: 'loopback, Linux IPv6', linktype: 0, header: '0a000000', isIp: true },
  { name: 'loopback, OpenBSD IPv6', linktype: 108, header: '00000018', isIp: true },
  { name: 'loopback, FreeBSD IPv6', linktype: 0, header: '1c000000', isIp: true },
  { name: 'loopback, Darwin IPv6', linktype: 0, header: '1e000000', isIp: true },
  { name: 'loopback, AppleTalk', linktype: 0, header: '10000000', isIp: false },
  { name: 'loopback, no family', linktype: 0, header: '02000002', isIp: false },
  { name: 'an unknown linktype', linktype: 127, header: '', isIp: false },
];

describe('networkOffset', () => {
  for (const { name, linktype, header, isIp } of SAMPLES) {
    const frame = Buffer.from(`${header}4500`, 'hex');
    const headerLength = header.length / 2;
    test(`${isIp ? 'finds the IP header' : 'finds no IP header'}: ${name}`, () => {
      assert.equal(link.networkOffset(frame, frame.length, linktype), isIp ? headerLength : -1);
    });
    test(`rejects every shorter link header: ${name}`, () => {
      for (let length = 0; length < headerLength; length++) {
        const cut = Buffer.from(frame.subarray(0, length));
        assert.equal(link.networkOffset(cut, length, linktype), -1, `${length} octets`);
        // What is behind `length` in a reused buffer belongs to another frame.
        assert.equal(link.networkOffset(frame, length, linktype), -1, `${length} octets of more`);
      }
    });
  }

  test('takes raw frames for IP whatever is in them', () => {
    for (const linktype of [12, 14, 101, 228, 229]) {
      assert.equal(link.networkOffset(Buffer.from('4500', 'hex'), 2, linktype), 0);
      assert.equal(link.networkOffset(Buffer.from('ff', 'hex'), 1, linktype), 0);
    }
  });

  test('does not call a frame "not IP" whose type says IP and whose version does not, or that has no octet more', () => {
    const frame = Buffer.from(`${MACS}0800ff`, 'hex');
    assert.equal(link.networkOffset(frame, 15, 1), 14);
    assert.equal(link.networkOffset(frame, 14, 1), 14);
  });
});

test('knows the linktypes it can read and no other', () => {
  const known = Array.from({ length: 400 }, (_, linktype) => linktype).filter(link.isKnownLinktype);
  assert.deepEqual(known, [0, 1, 12, 14, 101, 108, 113, 228, 229, 276]);
});

test('tells frames to everybody, to a group and to one apart', () => {
  const kinds = [
    ['ffffffffffff0200000000010800', 1, true, false],
    ['01005e0000010200000000010800', 1, false, true],
    [`${MACS}0800`, 1, false, false],
    [`0001${SLL_ADDRESS}0800`, 113, true, false],
    [`0002${SLL_ADDRESS}0800`, 113, false, true],
    [`0004${SLL_ADDRESS}0800`, 113, false, false],
    ['0800000000000002000101060200000000010000', 276, true, false],
    ['0800000000000002000102060200000000010000', 276, false, true],
    ['0800000000000002000100060200000000010000', 276, false, false],
    ['ffffffffffff0200000000010800', 101, false, false],
  ] as const;
  for (const [hex, linktype, isBroadcast, isMulticast] of kinds) {
    const frame = Buffer.from(hex, 'hex');
    assert.equal(link.isLinkBroadcast(frame, frame.length, linktype), isBroadcast, hex);
    assert.equal(link.isLinkMulticast(frame, frame.length, linktype), isMulticast, hex);
    assert.equal(link.isLinkBroadcast(frame, frame.length - 1, linktype), false, 'too short');
    assert.equal(link.isLinkMulticast(frame, frame.length - 1, linktype), false, 'too short');
  }
});
