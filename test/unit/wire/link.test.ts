/**
 * What kind of frame it is, and where its IP header starts, for each linktype.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { CUT, MALFORMED, NO_ETHERTYPE, NOT_IP, unreadable } from '../../../src/wire/frame-kind.ts';
import * as link from '../../../src/wire/link.ts';
import { ethernet, ipv4, ipv6, tcp } from '../../support/packet-builder.ts';

const MACS = '020000000002020000000001';
const SLL_ADDRESS = '00010006020000000001' + '0000';
const SLL2_REST = '000000000002000100060200000000010000';
const LINKTYPES = [0, 1, 12, 14, 101, 108, 113, 127, 228, 229, 276];
/** The least of a datagram that a session looks at: 20 octets of IPv4, 40 of IPv6. */
const IPV4 = '45000014000000004000b8e6c0000201c6336402';
const IPV6 = `6000000000003b40${'20010db8000000000000000000000001'.repeat(2)}`;

interface Sample {
  readonly name: string;
  readonly linktype: number;
  /** The link header alone. */
  readonly header: string;
  /** Version of the datagram behind it. */
  readonly version: 4 | 6;
}

const WITH_IP: readonly Sample[] = [
  { name: 'Ethernet, IPv4', linktype: 1, header: `${MACS}0800`, version: 4 },
  { name: 'Ethernet, IPv6', linktype: 1, header: `${MACS}86dd`, version: 6 },
  { name: 'Ethernet, one tag, priority and vid 0', linktype: 1, header: `${MACS}8100e0000800`, version: 4 },
  { name: 'Ethernet, QinQ', linktype: 1, header: `${MACS}88a800648100000786dd`, version: 6 },
  { name: 'Ethernet, old QinQ, 9100', linktype: 1, header: `${MACS}91000064810000070800`, version: 4 },
  { name: 'Ethernet, old QinQ, 9200 and 9300', linktype: 1, header: `${MACS}92000064930000070800`, version: 4 },
  { name: 'Ethernet, four tags', linktype: 1, header: `${MACS}${'81000007'.repeat(4)}0800`, version: 4 },
  { name: 'PPPoE, IPv4', linktype: 1, header: `${MACS}88641100000100160021`, version: 4 },
  { name: 'PPPoE, IPv6', linktype: 1, header: `${MACS}886411000001002a0057`, version: 6 },
  { name: 'PPPoE, IPv4 announced by one octet', linktype: 1, header: `${MACS}886411000001001521`, version: 4 },
  { name: 'PPPoE, IPv6 announced by one octet', linktype: 1, header: `${MACS}886411000001002957`, version: 6 },
  {
    name: 'PPPoE behind two tags',
    linktype: 1,
    header: `${MACS}88a8000181000002886411000001001${'6'}0021`,
    version: 4,
  },
  { name: 'MPLS, one label', linktype: 1, header: `${MACS}8847000101ff`, version: 4 },
  { name: 'MPLS, three labels, IPv6', linktype: 1, header: `${MACS}8847000100ff000200ff000301ff`, version: 6 },
  {
    name: 'MPLS given out by the receiver, behind a tag',
    linktype: 1,
    header: `${MACS}810000078848000101ff`,
    version: 4,
  },
  { name: 'MPLS, sixteen labels', linktype: 1, header: `${MACS}8847${'000100ff'.repeat(15)}000101ff`, version: 4 },
  { name: 'cooked, IPv4', linktype: 113, header: `0000${SLL_ADDRESS}0800`, version: 4 },
  { name: 'cooked, IPv6', linktype: 113, header: `0004${SLL_ADDRESS}86dd`, version: 6 },
  { name: 'cooked, tagged IPv4', linktype: 113, header: `0000${SLL_ADDRESS}810000070800`, version: 4 },
  { name: 'cooked, PPPoE', linktype: 113, header: `0000${SLL_ADDRESS}88641100000100160021`, version: 4 },
  { name: 'cooked 2, IPv4', linktype: 276, header: `0800${SLL2_REST}`, version: 4 },
  { name: 'cooked 2, IPv6', linktype: 276, header: `86dd${SLL2_REST}`, version: 6 },
  { name: 'cooked 2, tagged IPv6', linktype: 276, header: `8100${SLL2_REST}000786dd`, version: 6 },
  { name: 'cooked 2, MPLS', linktype: 276, header: `8847${SLL2_REST}000101ff`, version: 4 },
  { name: 'cooked 2, tagged PPPoE', linktype: 276, header: `8100${SLL2_REST}000788641100000100160021`, version: 4 },
  { name: 'loopback, little endian IPv4', linktype: 0, header: '02000000', version: 4 },
  { name: 'loopback, big endian IPv4', linktype: 0, header: '00000002', version: 4 },
  { name: 'loopback, Linux IPv6', linktype: 0, header: '0a000000', version: 6 },
  { name: 'loopback, OpenBSD IPv6', linktype: 108, header: '00000018', version: 6 },
  { name: 'loopback, FreeBSD IPv6', linktype: 0, header: '1c000000', version: 6 },
  { name: 'loopback, Darwin IPv6', linktype: 0, header: '1e000000', version: 6 },
  { name: 'raw IPv4', linktype: 228, header: '', version: 4 },
  { name: 'raw IPv6', linktype: 229, header: '', version: 6 },
  { name: 'raw, IPv4', linktype: 101, header: '', version: 4 },
  { name: 'raw, IPv6', linktype: 12, header: '', version: 6 },
  { name: 'raw, IPv6, as OpenBSD numbers it', linktype: 14, header: '', version: 6 },
];

const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex');

function kindOf(hex: string, linktype = 1, originalLength = hex.length / 2): number {
  return link.classifyFrame(bytes(hex), hex.length / 2, originalLength, linktype);
}

test('the samples leave no linktype, type, family or PPP protocol out that says which version follows', () => {
  const linktypes = Array.from({ length: 400 }, (_, linktype) => linktype).filter(link.isKnownLinktype);
  assert.deepEqual(
    linktypes.filter((linktype) => !WITH_IP.some((sample) => sample.linktype === linktype)),
    [],
  );
  for (const said of [/0800$/, /86dd$/, /0021$/, /0057$/, /6\d{2}1[56]21$|1521$/, /2957$/, /^02000000$/, /^1e000000$/])
    assert.ok(
      WITH_IP.some(({ header }) => said.test(header)),
      String(said),
    );
});

describe('a frame with IP', () => {
  for (const { name, linktype, header, version } of WITH_IP) {
    const hex = header + (version === 4 ? IPV4 : IPV6);
    const headerLength = header.length / 2;
    test(`is recognised: ${name}`, () => {
      assert.equal(kindOf(hex, linktype), headerLength);
      assert.equal(kindOf(`${hex}${'00'.repeat(30)}`, linktype), headerLength, 'with padding');
      assert.equal(link.networkOffset(bytes(hex), hex.length / 2, linktype), headerLength);
    });
    test(`is malformed when it ends in its link header: ${name}`, () => {
      const frame = bytes(hex);
      for (let length = 0; length <= headerLength; length++) {
        const cut = Buffer.from(frame.subarray(0, length));
        assert.equal(link.classifyFrame(cut, length, length, linktype), MALFORMED, `${length} octets`);
        // What is behind `length` in a reused buffer belongs to another frame.
        assert.equal(link.classifyFrame(frame, length, length, linktype), MALFORMED, `${length} octets of more`);
        assert.equal(link.networkOffset(frame, length, linktype), -1);
      }
    });
    test(`is cut when the capture ends in its link header: ${name}`, () => {
      const frame = bytes(hex);
      for (let length = 0; length <= headerLength; length++) {
        assert.equal(link.classifyFrame(frame, length, frame.length, linktype), CUT, `${length} octets`);
      }
    });
    test(`is malformed when the datagram is of another version than the link header says: ${name}`, () => {
      const isFree = [12, 14, 101].includes(linktype) || /884[78]/.test(header);
      const other = bytes(header + (version === 4 ? IPV6 : IPV4).padEnd(80, '0'));
      const kind = link.classifyFrame(other, other.length, other.length, linktype);
      assert.equal(kind, isFree ? headerLength : MALFORMED);
      const none = bytes(header + (version === 4 ? IPV4 : IPV6));
      none[headerLength] = 0x50;
      const isLabelled = /884[78]/.test(header);
      assert.equal(link.classifyFrame(none, none.length, none.length, linktype) < 0, true);
      if (!isLabelled) assert.equal(link.classifyFrame(none, none.length, none.length, linktype), MALFORMED);
    });
  }
});

describe('a frame that is known to carry no IP', () => {
  const types = ['0806', '8035', '88cc', '8809', '888e', '8863', '88f7', '8902', '9000', '88e1', '8892', '893a'];
  for (const type of types) {
    test(`is not IP: EtherType ${type}, tagged or not, cooked or not`, () => {
      assert.equal(kindOf(`${MACS}${type}`), NOT_IP);
      assert.equal(kindOf(`${MACS}88a8000181000002${type}0000`), NOT_IP);
      assert.equal(kindOf(`0001${SLL_ADDRESS}${type}`, 113), NOT_IP);
      assert.equal(kindOf(`${type}${SLL2_REST}`, 276), NOT_IP);
      assert.equal(kindOf(`8100${SLL2_REST}0007${type}`, 276), NOT_IP);
    });
  }

  const llc: Record<string, string> = {
    'a spanning tree BPDU': `0007424203${'00'.repeat(4)}`,
    'XID to the null SAP, as an access point sends it': '00060001af810100',
    'ARP over 802.2': '00089898030000000000',
    'IS-IS': '0006fefe03830000',
    'ES-IS': '0006fefe03820000',
    'Cisco CDP': '0008aaaa0300000c2000',
    'Cisco PVST+': '0008aaaa0300000c010b',
    'ARP in SNAP': '0008aaaa030000000806',
    'LLDP in bridged SNAP': '0008aaaa030000f888cc',
  };
  for (const [name, hex] of Object.entries(llc)) {
    test(`is not IP: ${name}`, () => {
      assert.equal(kindOf(`${MACS}${hex}`), NOT_IP);
      assert.equal(kindOf(`${MACS}${hex}${'00'.repeat(30)}`), NOT_IP, 'with padding');
      assert.equal(kindOf(`${MACS}81000000${hex}`), NOT_IP, 'tagged');
      assert.equal(kindOf(`0000${SLL_ADDRESS}0004${hex.slice(4)}`, 113), NOT_IP, 'cooked');
      assert.equal(kindOf(`0004${SLL2_REST}${hex.slice(4)}`, 276), NOT_IP, 'cooked 2');
    });
  }

  test('is not IP: control protocols of PPP in a session', () => {
    for (const protocol of ['c021', 'c023', 'c223', '8021', '8057', '80fd', 'c025']) {
      assert.equal(kindOf(`${MACS}8864110000010006${protocol}01010004`), NOT_IP, protocol);
      assert.equal(kindOf(`${MACS}810000078864110000010006${protocol}01010004`), NOT_IP, protocol);
    }
  });
});

describe('a frame in which IP may be', () => {
  const types = ['88e5', '22f3', '892f', 'f1c1', '88e7', '893f', '8926', '894f', '6558', '88b5', '88b6', '8915'];
  for (const type of [...types, '88a4', '8906', '0600', '4305', 'ffff']) {
    test(`is unreadable, and counted by its type: ${type}`, () => {
      const kind = unreadable(Number.parseInt(type, 16));
      assert.equal(kindOf(`${MACS}${type}${IPV4}`), kind);
      assert.equal(kindOf(`${MACS}88a8000181000002${type}${IPV4}`), kind);
      assert.equal(kindOf(`0000${SLL_ADDRESS}${type}${IPV4}`, 113), kind);
      assert.equal(kindOf(`${type}${SLL2_REST}${IPV4}`, 276), kind);
      assert.equal(link.networkOffset(bytes(`${MACS}${type}${IPV4}`), 34, 1), -1);
    });
  }

  const llc: Record<string, string> = {
    'IPv4 in SNAP': `001caaaa030000000800${IPV4}`,
    'IPv4 in bridged SNAP': `001caaaa030000f80800${IPV4}`,
    'a tag in SNAP': `0020aaaa0300000081000007${'0800'}${IPV4}`,
    'IP over 802.2': `0017060603${IPV4}`,
    CLNP: `0017fefe03${IPV4}`.replace('0345', '0381'),
    'a SAP that nobody knows': `0017e0e003${IPV4}`,
    'SNAP of an organization that nobody knows': `001caaaa030080c20007${IPV4}`,
    'a Cisco protocol that nobody knows': `001caaaa0300000c2007${IPV4}`,
    'spanning tree with another control field': `0007424213${'00'.repeat(4)}`,
    'spanning tree from another SAP': `0007420603${'00'.repeat(4)}`,
    'ISO without a protocol': '0003fefe03',
  };
  for (const [name, hex] of Object.entries(llc)) {
    test(`is unreadable: ${name}`, () => {
      assert.equal(kindOf(`${MACS}${hex}`), unreadable(NO_ETHERTYPE));
      assert.equal(kindOf(`0000${SLL_ADDRESS}0004${hex.slice(4)}`, 113), unreadable(NO_ETHERTYPE));
    });
  }

  test('is unreadable: network protocols of PPP other than IP, multilink and compression among them', () => {
    for (const protocol of ['00fd', '003d', '0053', '002d', '002f', '0281', '0031', '8020', 'fd45', '3d45'])
      assert.equal(kindOf(`${MACS}8864110000010016${protocol}${IPV4}`), unreadable(0x8864), protocol);
  });

  test('is unreadable: labels with something else than IP behind them, or too many', () => {
    assert.equal(kindOf(`${MACS}8847000101ff00000000${IPV4}`), unreadable(0x8847), 'a pseudowire');
    assert.equal(kindOf(`${MACS}8848000101ff10000021${IPV4}`), unreadable(0x8848), 'an associated channel');
    assert.equal(kindOf(`${MACS}8847${'000100ff'.repeat(16)}000101ff${IPV4}`), unreadable(0x8847), 'seventeen');
  });

  test('is unreadable: protocol families other than IP, cooked numbers, linktypes that nobody knows', () => {
    for (const header of ['10000000', '02000002', '00000007', '00000000'])
      assert.equal(kindOf(header + IPV4, 0), unreadable(NO_ETHERTYPE), header);
    for (const number of ['0001', '0003', '000c'])
      assert.equal(kindOf(`0000${SLL_ADDRESS}${number}${IPV4}`, 113), unreadable(NO_ETHERTYPE), number);
    assert.equal(kindOf(IPV4, 127), unreadable(NO_ETHERTYPE));
  });
});

describe('a frame that contradicts itself', () => {
  const cases: Record<string, string> = {
    'five tags': `${MACS}${'81000007'.repeat(5)}0800${IPV4}`,
    'five tags in front of ARP': `${MACS}${'81000000'.repeat(5)}0806`,
    'six tags of VLAN 0': `${MACS}${'81000000'.repeat(6)}0800${IPV4}`,
    'a number between lengths and types': `${MACS}05dd${'00'.repeat(1600)}`,
    'the last number below the types': `${MACS}05ff${'00'.repeat(1600)}`,
    'an LLC header longer than its frame': `${MACS}0002424203`,
    'a length field that says more than there is': `${MACS}0026424203`,
    'SNAP that ends in its header': `${MACS}0007aaaa0300000008`,
    'a session of another version': `${MACS}88642100000100160021${IPV4}`,
    'a session with a code': `${MACS}8864110900010016${'0021'}${IPV4}`,
    'a session that says more than there is': `${MACS}88641100000100170021${IPV4}`,
    'a session that says less than its datagram': `${MACS}88641100000100150021${IPV4}${'00'.repeat(12)}`,
    'a session that ends before its protocol': `${MACS}88641100000100010021${IPV4}`,
    'an empty session': `${MACS}88641100000100000021${IPV4}`,
    'a datagram without a length in a session': `${MACS}88641100000100160021${IPV4.replace('0014', '0000')}`,
    'IPv6 without a length in a session': `${MACS}886411000001002a0057${IPV6.replace('3b40', '0640')}`,
  };
  for (const [name, hex] of Object.entries(cases)) {
    test(`is malformed: ${name}`, () => assert.equal(kindOf(hex), MALFORMED));
  }

  test('is not malformed where only the capture cut it', () => {
    assert.equal(kindOf(`${MACS}0026424203`, 1, 60), NOT_IP);
    assert.equal(kindOf(`${MACS}88641100000100600021${IPV4}`, 1, 118), 22);
  });

  test('is malformed behind five tags of which the cooked header has the first', () => {
    assert.equal(kindOf(`8100${SLL2_REST}${'00078100'.repeat(4)}00070800${IPV4}`, 276), MALFORMED);
    assert.equal(kindOf(`8100${SLL2_REST}${'00078100'.repeat(3)}00070800${IPV4}`, 276), 36);
  });
});

describe('what egress asks about a link header', () => {
  for (const { name, linktype, header, version } of WITH_IP) {
    test(`is answered: ${name}`, () => {
      const frame = bytes(header + (version === 4 ? IPV4 : IPV6));
      const session = link.sessionHeader(frame, header.length / 2, linktype);
      assert.equal(session, /^PPPoE|, (tagged )?PPPoE/.test(name) ? header.indexOf('110000') / 2 : -1);
      assert.equal(link.hasLabels(frame, header.length / 2, linktype), name.includes('MPLS'));
    });
  }
});

test('any octets are of one kind, the same each time, whatever stands behind them in the buffer', () => {
  const datagram = fc.constantFrom(ipv4({}, tcp()), ipv6({}, tcp()));
  const types = [0x0800, 0x86dd, 0x8100, 0x88a8, 0x8864, 0x8847, 0x0026, 0x0003, 0x05e0, 0x0806, 0x88b6];
  const made = fc
    .tuple(datagram, fc.array(fc.constantFrom(...types), { maxLength: 6 }), fc.array(fc.nat(0xff), { maxLength: 12 }))
    .map(([inner, chain, octets]) =>
      Buffer.concat([
        ethernet({ etherType: 0 }, Buffer.alloc(0)).subarray(0, 12),
        ...chain.map((type) => Buffer.of(type >>> 8, type & 0xff, octets[0] ?? 0, octets[1] ?? 0)),
        Buffer.from(octets),
        inner,
      ]),
    );
  const anyFrame = fc.oneof(fc.uint8Array({ maxLength: 80 }), made);
  fc.assert(
    fc.property(anyFrame, fc.constantFrom(...LINKTYPES), fc.nat(100), fc.uint8Array({ maxLength: 40 }), (...drawn) => {
      const [frame, linktype, cut, others] = drawn;
      const original = frame.length + cut;
      const kind = link.classifyFrame(frame, frame.length, original, linktype);
      const larger = Buffer.concat([frame, others]);
      assert.equal(link.classifyFrame(larger, frame.length, original, linktype), kind);
      assert.ok(
        Number.isInteger(kind) && kind >= -4 - 0xffff && (kind !== CUT || cut > 0) && kind < Math.max(1, frame.length),
      );
      if (kind < 0) return;
      const first = (frame[kind] as number) >>> 4;
      assert.ok(first === 4 || first === 6);
      const session = link.sessionHeader(frame, kind, linktype);
      assert.ok(session === -1 || (session > 0 && [7, 8].includes(kind - session)));
    }),
    { numRuns: 5000 },
  );
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
