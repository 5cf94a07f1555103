/**
 * The layers of a packet and their setters.
 *
 * The property: whatever a setter writes, wherever the packet stands, the sum of what each checksum covers stays what it was, and no
 * other octet changes. A checksum that was right stays right, and one that was wrong stays wrong by as much.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { IPR_FLAG_CHECKSUM_OFFLOAD } from '../../../src/firewall/constants.ts';
import { IPRcvBuf } from '../../../src/firewall/ip-rcv-buf.ts';
import { Pool } from '../../../src/firewall/pool.ts';
import type { Address, Packet } from '../../../src/hook/packet/packet-contract.ts';
import { PacketState } from '../../../src/hook/packet/packet-state.ts';
import { PacketView } from '../../../src/hook/packet/packet-view.ts';
import { parseAddress } from '../../../src/wire/address.ts';
import { pseudoHeaderSumIpv4, pseudoHeaderSumIpv6, sum } from '../../../src/wire/checksum.ts';
import { IpLayout, parseIpLayout } from '../../../src/wire/ip-layout.ts';
import * as sctp from '../../../src/wire/sctp.ts';
import {
  ethernet,
  extension,
  fragment,
  icmpv4,
  icmpv6,
  ipv4,
  ipv6,
  octets,
  tcp,
  udp,
} from '../../support/packet-builder.ts';

const SLACK = 64;
const SLACK_OCTET = 0xee;
const PARTIAL = IPR_FLAG_CHECKSUM_OFFLOAD;
const DATA = Buffer.from('the payload of a packet');

/** Where the packet stands that setters write into. */
type Standing = 'the driver' | 'a copy' | 'a replacement';

interface Loaded {
  readonly view: PacketView;
  readonly state: PacketState;
  readonly lent: IPRcvBuf;
  readonly layout: IpLayout;
}

function load(datagram: Buffer, standing: Standing = 'the driver', flags = 0): Loaded {
  const state = new PacketState(new Pool(1 << 20));
  const bytes = Buffer.concat([datagram, Buffer.alloc(SLACK, SLACK_OCTET)]);
  const layout = new IpLayout();
  assert.ok(parseIpLayout(bytes, 0, datagram.length, datagram.length, layout));
  const lent = new IPRcvBuf();
  lent.ipr_flags = flags;
  state.begin(lent, bytes, layout);
  if (standing === 'a copy') state.open();
  if (standing === 'a replacement') {
    const chain = state.allocate(datagram.length) as IPRcvBuf;
    chain.ipr_flags = flags;
    datagram.copy(chain.ipr_buffer as Buffer);
    state.load(chain, chain.ipr_buffer as Buffer, layout);
  }
  return { view: new PacketView(state), state, lent, layout };
}

/** The datagram as it stands now. */
function standing({ state }: Loaded): Buffer {
  return Buffer.from(state.bytes.subarray(0, state.layout.length));
}

/** A quoted datagram of which less is there than it says. */
function quote(datagram: Buffer, kept: number): Buffer {
  return Buffer.concat([Buffer.alloc(0), datagram.subarray(0, kept)]);
}

const dccp = (coverage: number) => {
  const header = Buffer.from('c001003503000000123400000000000000000000', 'hex');
  header[4] = 5;
  header[5] = coverage;
  return { protocol: 33, build: (pseudo: (length: number) => number) => checked(header, 6, coverage, pseudo) };
};

function checked(header: Buffer, field: number, coverage: number, pseudo: (length: number) => number): Buffer {
  const bytes = Buffer.concat([header, DATA]);
  const covered = coverage === 0 ? bytes.length : 20 + 4 * (coverage - 1);
  bytes.writeUInt16BE(~sum(bytes, 0, covered, pseudo(bytes.length)) & 0xffff, field);
  return bytes;
}

const udplite = (coverage: number) => ({
  protocol: 136,
  build: (pseudo: (length: number) => number) => {
    const bytes = Buffer.concat([Buffer.from('c001003500000000', 'hex'), DATA]);
    bytes.writeUInt16BE(coverage, 4);
    bytes.writeUInt16BE(~sum(bytes, 0, coverage === 0 ? bytes.length : coverage, pseudo(bytes.length)) & 0xffff, 6);
    return bytes;
  },
});

const crc = {
  protocol: 132,
  build: () => {
    const bytes = Buffer.concat([Buffer.from('c00100351234567800000000', 'hex'), DATA]);
    sctp.fillChecksum(bytes, 0, bytes.length);
    return bytes;
  },
};

const segment = tcp({ flags: 2, options: Buffer.from('0101020405b40000', 'hex'), sequence: 0xfffffff0 }, DATA);
const routing = (left: number) => {
  const header = extension(43, 24);
  header.octets[2] = 0;
  header.octets[3] = left;
  return header;
};
const answered = ipv4({ source: '198.51.100.2', destination: '192.0.2.1' }, udp({}, DATA));
const answered6 = ipv6({ source: '2001:db8::2', destination: '2001:db8::1' }, tcp({}, DATA));

/** One of each kind of packet. */
const PACKETS: Readonly<Record<string, Buffer>> = {
  'TCP over IPv4': ipv4({}, segment),
  'TCP over IPv4 with options': ipv4({ options: Buffer.from('01010101', 'hex') }, segment),
  'TCP with a wrong checksum': ipv4({}, tcp({ checksum: 0x1234 }, DATA)),
  'IPv4 with a wrong header checksum': ipv4({ checksum: 0x4321 }, segment),
  'TCP over IPv6': ipv6({}, segment),
  'TCP behind extension headers': ipv6({ extensions: [extension(0), extension(60, 16)] }, segment),
  'UDP over IPv4': ipv4({}, udp({}, DATA)),
  'UDP of odd length': ipv4({}, udp({}, DATA.subarray(0, 7))),
  'UDP without a checksum': ipv4({}, udp({ checksum: 0 }, DATA)),
  'UDP over IPv6': ipv6({}, udp({}, DATA)),
  'UDP over IPv6, on its way by a routing header': ipv6({ extensions: [routing(1)] }, udp({}, DATA)),
  'UDP over IPv6, at the end of a routing header': ipv6({ extensions: [routing(0)] }, udp({}, DATA)),
  'UDP with octets behind its length': ipv4(
    {},
    {
      protocol: 17,
      build: (pseudo) => Buffer.concat([udp({}, DATA).build(pseudo), Buffer.from('behind')]),
    },
  ),
  'a first fragment of UDP': ipv4({ moreFragments: true }, udp({ length: 2000 }, DATA.subarray(0, 16))),
  'a later fragment': ipv6({ extensions: [fragment(1480, true)] }, octets(17, DATA.subarray(0, 16))),
  'ICMP echo': ipv4({}, icmpv4({ rest: 0x12340001 }, DATA)),
  'ICMPv6 echo': ipv6({}, icmpv6({ rest: 0x12340001 }, DATA)),
  'SCTP over IPv4': ipv4({}, crc),
  'DCCP over IPv4': ipv4({}, dccp(0)),
  'DCCP that covers its header': ipv6({}, dccp(1)),
  'DCCP that covers four octets more': ipv4({}, dccp(2)),
  'UDP-Lite that covers all': ipv4({}, udplite(0)),
  'UDP-Lite that covers its header': ipv6({}, udplite(8)),
  'UDP-Lite that covers a part': ipv4({}, udplite(12)),
  'another protocol': ipv4({}, octets(47, DATA)),
  'an ICMP error about UDP': ipv4({}, icmpv4({ type: 3, code: 3 }, answered)),
  'an ICMP error that quotes eight octets': ipv4({}, icmpv4({ type: 11 }, quote(answered, 28))),
  'an ICMP error about UDP without a checksum': ipv4(
    {},
    icmpv4(
      { type: 3, code: 3 },
      ipv4({ source: '198.51.100.2', destination: '192.0.2.1' }, udp({ checksum: 0 }, DATA)),
    ),
  ),
  'an ICMPv6 error about TCP': ipv6({}, icmpv6({ type: 1, code: 4 }, answered6)),
  'an ICMPv6 error that quotes eight octets': ipv6({}, icmpv6({ type: 3 }, quote(answered6, 48))),
};

/** What may be written, with how many octets it may change beside checksums. A value is a whole number of 32 bits. */
const SETTERS: Readonly<Record<string, (packet: Packet, value: number) => void>> = {
  ttl: ({ ip }, value) => {
    ip.ttl = value;
  },
  dscp: ({ ip }, value) => {
    ip.dscp = value;
  },
  ecn: ({ ip }, value) => {
    ip.ecn = value;
  },
  id: ({ ip }, value) => {
    ip.id = value;
  },
  dontFragment: ({ ip }, value) => {
    ip.dontFragment = (value & 1) === 1;
  },
  source: ({ ip, version }, value) => ip.source.set(addressOf(version, value)),
  destination: ({ ip, version }, value) => ip.destination.set(addressOf(version, value)),
  'word of the source': ({ ip }, value) => ip.source.setWord(0, value),
  'word of the destination': ({ ip, version }, value) => ip.destination.setWord(version === 4 ? 0 : 3, value),
  swap: ({ ip }) => ip.swap(),
  'TCP source port': ({ tcp: layer }, value) => {
    if (layer !== null) layer.sourcePort = value;
  },
  'TCP destination port': ({ tcp: layer }, value) => {
    if (layer !== null) layer.destinationPort = value;
  },
  'sequence number': ({ tcp: layer }, value) => {
    if (layer !== null) layer.seq = value;
  },
  'acknowledgement number': ({ tcp: layer }, value) => {
    if (layer !== null) layer.ack = value;
  },
  window: ({ tcp: layer }, value) => {
    if (layer !== null) layer.window = value;
  },
  flags: ({ tcp: layer }, value) => {
    if (layer !== null) layer.flags = value;
  },
  MSS: ({ tcp: layer }, value) => {
    if (layer !== null) layer.mss = value;
  },
  'UDP source port': ({ udp: layer }, value) => {
    if (layer !== null) layer.sourcePort = value;
  },
  'UDP destination port': ({ udp: layer }, value) => {
    if (layer !== null) layer.destinationPort = value;
  },
  'ICMP code': ({ icmp }, value) => {
    if (icmp !== null) icmp.code = value;
  },
  'echo identifier': ({ icmp }, value) => {
    if (icmp !== null) icmp.id = value;
  },
  'an octet of the payload': ({ payload }, value) => payload.setU8(value % 9, value >>> 8),
  'two octets of the payload': ({ payload }, value) => payload.setU16(value % 9, value >>> 8),
  'the last octet of the payload': ({ payload }, value) => payload.setU8(payload.length - 1, value),
  'quoted source': ({ icmp, version }, value) => icmp?.quoted?.ip.source.set(addressOf(version, value)),
  'quoted destination': ({ icmp, version }, value) => icmp?.quoted?.ip.destination.set(addressOf(version, value)),
  'quoted addresses': ({ icmp }) => icmp?.quoted?.ip.swap(),
  'quoted TTL': ({ icmp }, value) => {
    const q = icmp?.quoted;
    if (q) q.ip.ttl = value;
  },
  'quoted source port': ({ icmp }, value) => {
    const q = icmp?.quoted;
    if (q) q.sourcePort = value;
  },
  'quoted destination port': ({ icmp }, value) => {
    const q = icmp?.quoted;
    if (q) q.destinationPort = value;
  },
};

function addressOf(version: 4 | 6, value: number): Uint8Array {
  const bytes = Buffer.alloc(version === 4 ? 4 : 16, value & 0xff);
  bytes.writeUInt32BE(value, 0);
  return bytes;
}

/** What each checksum covers, folded: 0 stands for 0xffff as well. One that is not there, or not final, is null. */
function sums(datagram: Buffer, isPartial: boolean): (number | null)[] {
  const layout = new IpLayout();
  assert.ok(parseIpLayout(datagram, 0, datagram.length, datagram.length, layout, false) || layout.version === 4);
  const result = sumsOf(datagram, 0, datagram.length, isPartial);
  const isError =
    layout.version === 4
      ? [3, 11].includes(datagram[layout.transportOffset] ?? 0)
      : (datagram[layout.transportOffset] ?? 255) < 5;
  if ((layout.protocol === 1 || layout.protocol === 58) && isError)
    result.push(...sumsOf(datagram, layout.transportOffset + 8, datagram.length, false));
  return result;
}

function sumsOf(datagram: Buffer, start: number, end: number, isPartial: boolean): (number | null)[] {
  const layout = new IpLayout();
  parseIpLayout(datagram, start, end - start, 0x7fffffff, layout);
  const header = layout.version === 4 ? sum(datagram, start, layout.headerLength) % 0xffff : null;
  return [header, isPartial ? null : transportSum(datagram, start, layout)];
}

/** Modulo 0xffff over what is there: what is not there does not change. */
function transportSum(datagram: Buffer, start: number, layout: IpLayout): number | null {
  const at = start + layout.transportOffset;
  const length = layout.length - layout.transportOffset;
  if (layout.fragmentOffset !== 0) return null;
  const { protocol, version } = layout;
  const field = ({ 6: 16, 17: 6, 33: 6, 136: 6 } as Record<number, number>)[protocol] ?? 2;
  if (length < field + 2) return null;
  if (protocol === 132) {
    const filled = Buffer.from(datagram);
    sctp.fillChecksum(filled, at, length);
    return filled.equals(datagram) ? 0 : 1;
  }
  if (protocol === 17 && datagram.readUInt16BE(at + 6) === 0) return null;
  if (![1, 6, 17, 33, 58, 136].includes(protocol)) return null;
  let covered = length;
  if (protocol === 17 && !layout.isFragment) covered = Math.min(length, datagram.readUInt16BE(at + 4));
  if (protocol === 136) covered = datagram.readUInt16BE(at + 4) || length;
  if (protocol === 33) {
    const coverage = (datagram[at + 5] as number) & 15;
    if (coverage !== 0) covered = 4 * (datagram[at + 4] as number) + 4 * (coverage - 1);
  }
  // The destination that the pseudo header names is the last one of a routing header, which no setter writes.
  const pseudoed = Buffer.from(datagram);
  const isOnItsWay = version === 6 && datagram[start + 6] === 43 && datagram[start + 43] !== 0;
  if (isOnItsWay) pseudoed.fill(0, start + 24, start + 40);
  const pseudo =
    protocol === 1
      ? 0
      : version === 4
        ? pseudoHeaderSumIpv4(pseudoed, start, protocol, length)
        : pseudoHeaderSumIpv6(pseudoed, start, protocol, length);
  return sum(datagram, at, covered, pseudo) % 0xffff;
}

function isAddressEqual(address: Address, text: string): boolean {
  return address.equals(parseAddress(text) as Uint8Array);
}

describe('setters', () => {
  for (const [name, datagram] of Object.entries(PACKETS)) {
    test(`of ${name} keep every checksum as right as it was`, () => {
      let random = 0x2545f491;
      const next = (): number => {
        random ^= random << 13;
        random ^= random >>> 17;
        random ^= random << 5;
        return random >>> 0;
      };
      const places: Standing[] = ['the driver', 'a copy', 'a replacement'];
      for (const place of places) {
        for (const flags of [0, PARTIAL]) {
          const loaded = load(datagram, place, flags);
          const isPartial = flags !== 0;
          const before = sums(standing(loaded), isPartial);
          for (const [setter, write] of Object.entries(SETTERS)) {
            // The payload of an error is what it quotes: whoever writes there writes into headers.
            if (name.includes('error') && setter.includes('payload')) continue;
            for (let round = 0; round < 12; round++) {
              const value = round === 0 ? 0 : round === 1 ? 0xffffffff : next();
              const earlier = standing(loaded);
              write(loaded.view, value);
              const now = standing(loaded);
              assert.deepEqual(sums(now, isPartial), before, `${setter} ${value}, in ${place}`);
              const changed = now.filter((octet, index) => octet !== earlier[index]).length;
              assert.ok(changed <= 38, `${setter} changed ${changed} octets`);
              assert.ok(
                loaded.state.bytes
                  .subarray(datagram.length, datagram.length + 8)
                  .every((octet) => octet === SLACK_OCTET || place !== 'the driver'),
              );
            }
          }
        }
      }
    });
  }

  test('write what getters then read, in the packet and in what an error quotes', () => {
    const { view } = load(ipv4({}, segment));
    const { ip, tcp: header } = view;
    assert.ok(header !== null);
    ip.ttl = 7;
    ip.dscp = 46;
    ip.ecn = 2;
    ip.id = 0xbeef;
    ip.dontFragment = true;
    ip.source.set(parseAddress('203.0.113.5') as Uint8Array);
    ip.destination.set(ip.source);
    header.sourcePort = 1;
    header.destinationPort = 65535;
    header.seq = 0xfedcba98;
    header.ack = 5;
    header.window = 99;
    header.flags = 0x12;
    header.mss = 1200;
    assert.deepEqual([ip.ttl, ip.dscp, ip.ecn, ip.id, ip.dontFragment], [7, 46, 2, 0xbeef, true]);
    assert.ok(isAddressEqual(view.source, '203.0.113.5') && view.destination.equals(view.source));
    assert.deepEqual([header.sourcePort, header.destinationPort, header.seq, header.ack], [1, 65535, 0xfedcba98, 5]);
    assert.deepEqual(
      [header.window, header.flags, header.mss, header.has(0x10), header.has(0x14)],
      [99, 0x12, 1200, true, false],
    );
    const error = load(PACKETS['an ICMPv6 error about TCP'] as Buffer).view.icmp;
    assert.ok(error?.isError && error.quoted !== null);
    error.quoted.sourcePort = 7;
    error.quoted.ip.destination.setWord(3, 9);
    error.quoted.ip.dscp = 1;
    assert.deepEqual([error.quoted.sourcePort, error.quoted.destinationPort, error.quoted.protocol], [7, 80, 6]);
    assert.ok(isAddressEqual(error.quoted.ip.destination, '2001:db8::9'));
    assert.equal(error.quoted.ip.dscp, 1);
  });

  test('of layers that are not there cannot be reached', () => {
    const late = load(PACKETS['a later fragment'] as Buffer).view;
    assert.deepEqual([late.tcp, late.udp, late.icmp], [null, null, null]);
    late.payload.setU8(0, 1);
    assert.equal(late.payload.u8(0), DATA[0], 'its checksum stands in the first fragment');
    assert.equal(load(ipv4({}, octets(58, DATA))).view.icmp, null, 'ICMPv6 is none in IPv4');
    assert.equal(load(ipv4({}, icmpv4({}, answered))).view.icmp?.quoted, null, 'an echo quotes nothing');
    assert.equal(load(ipv6({}, icmpv6({ type: 1 }, answered))).view.icmp?.quoted, null, 'of another family');
    assert.equal(load(ipv4({}, icmpv4({ type: 3 }, answered.subarray(0, 12)))).view.icmp?.quoted, null, 'too little');
    assert.equal(load(ipv6({}, icmpv6({ type: 137 }, answered6))).view.icmp?.quoted, null, 'a redirect');
  });

  test('refuse what is no address of the packet', () => {
    const { source } = load(ipv4({}, segment)).view;
    assert.throws(() => source.set(Buffer.alloc(16)), RangeError);
    assert.throws(() => source.setWord(1, 0), RangeError);
    assert.throws(() => source.setWord(-1, 0), RangeError);
  });
});

describe('payload', () => {
  test('ends where UDP says that it ends', () => {
    const { payload } = load(PACKETS['UDP with octets behind its length'] as Buffer).view;
    assert.equal(payload.length, DATA.length);
    assert.equal(payload.text(), DATA.toString());
    assert.equal(payload.indexOf(Buffer.from('behind')), -1);
    assert.equal(payload.indexOf(Buffer.from('etb')), -1, 'neither half inside');
    assert.equal(payload.u8(DATA.length), -1);
    assert.equal(payload.u16(DATA.length - 1), -1);
    payload.setU16(DATA.length - 1, 0);
    assert.equal(payload.text(), DATA.toString());
  });

  test('is read as numbers, searched, compared and copied', () => {
    const { payload } = load(ipv4({}, udp({}, DATA))).view;
    assert.deepEqual(
      [payload.u8(0), payload.u16(0), payload.u32(0)],
      [DATA[0], DATA.readUInt16BE(0), DATA.readUInt32BE(0)],
    );
    for (let at = 0; at < DATA.length; at++) {
      assert.equal(payload.indexOf(DATA.subarray(at, at + 5)), DATA.indexOf(DATA.subarray(at, at + 5)), `${at}`);
      assert.equal(payload.indexOf(Buffer.from(' '), at), DATA.indexOf(' ', at));
    }
    assert.ok(payload.startsWith(DATA) && payload.startsWith(Buffer.alloc(0)) && !payload.startsWith(DATA.subarray(1)));
    assert.equal(payload.text(4, 11), 'payload');
    const copy = Buffer.alloc(7);
    assert.equal(payload.copyTo(copy, 4), 7);
    assert.equal(copy.toString(), 'payload');
    assert.deepEqual(Buffer.from(payload.toBytes(4, 11)), copy);
    for (const at of [-1, 1.5, NaN, 1e9])
      assert.deepEqual([payload.u8(at), payload.text(at), payload.copyTo(copy, at)], [-1, '', 0]);
  });

  test('is searched to its end in a buffer that is much longer', () => {
    const state = new PacketState(new Pool(1 << 20));
    const datagram = ipv4({}, udp({}, DATA));
    const bytes = Buffer.concat([datagram, Buffer.alloc(65536, 'z')]);
    const layout = new IpLayout();
    parseIpLayout(bytes, 0, datagram.length, datagram.length, layout);
    state.begin(new IPRcvBuf(), bytes, layout);
    const { payload } = new PacketView(state);
    assert.equal(payload.indexOf(Buffer.from('zz')), -1);
    assert.equal(payload.indexOf(Buffer.from('packet')), DATA.indexOf('packet'));
  });

  for (const name of [
    'UDP over IPv4',
    'UDP over IPv6',
    'UDP without a checksum',
    'UDP of odd length',
    'UDP with octets behind its length',
  ]) {
    test(`of ${name} takes other octets`, () => {
      for (const [at, remove, insert] of [
        [0, 0, 'new '],
        [4, 3, ''],
        [0, 7, 'x'],
        [7, 0, 'y'.repeat(500)],
        [3, 2, 'ab'],
      ] as const) {
        const loaded = load(PACKETS[name] as Buffer);
        const { view } = loaded;
        const before = sums(standing(loaded), false).map((one) => one !== null);
        const old = view.payload.text();
        assert.ok(view.payload.splice(at, remove, Buffer.from(insert)));
        const expected = old.slice(0, at) + insert + old.slice(at + remove);
        assert.equal(view.payload.text(), expected);
        assert.equal(view.length, view.payloadOffset + expected.length);
        const after = sums(standing(loaded), false);
        assert.deepEqual(
          after.map((one) => one !== null),
          before,
          'has a checksum, or none',
        );
        assert.ok(
          after.every((one) => one === null || one === 0),
          'right checksums',
        );
        assert.ok(view.payload.splice(0, expected.length, Buffer.from('again')));
        assert.equal(view.payload.text(), 'again');
        assert.equal(loaded.state.abandoned.length, 1, 'the first one is freed');
      }
    });
  }

  test('of TCP, of fragments, beyond the end and too long is not spliced', () => {
    for (const name of ['TCP over IPv4', 'a first fragment of UDP', 'a later fragment', 'ICMP echo']) {
      const loaded = load(PACKETS[name] as Buffer);
      assert.equal(loaded.view.payload.splice(0, 1, DATA), false, name);
      assert.deepEqual(standing(loaded), PACKETS[name]);
    }
    const { payload } = load(ipv4({}, udp({}, DATA))).view;
    for (const [at, remove] of [
      [-1, 0],
      [0, -1],
      [0, 24],
      [24, 0],
      [0.5, 1],
      [0, 0.5],
      [NaN, 0],
    ] as const)
      assert.equal(payload.splice(at, remove, DATA), false, `${at} ${remove}`);
    assert.equal(payload.splice(0, 0, Buffer.alloc(65_535)), false);
  });
});

describe('link', () => {
  test('says what the frame says', () => {
    const { state, view } = load(ipv4({}, segment));
    assert.deepEqual([view.link.isEthernet, view.link.vlan, view.link.mac('source', 0)], [false, -1, -1]);
    const frame = ethernet({ tags: [{ id: 7 }] }, ipv4({}, segment));
    state.context.link = frame;
    state.context.linkLength = 18;
    assert.deepEqual([view.link.isEthernet, view.link.vlan], [true, 7]);
    assert.deepEqual(
      [view.link.mac('source', 5), view.link.mac('destination', 5), view.link.mac('source', 6)],
      [1, 2, -1],
    );
    assert.deepEqual(Buffer.from(view.link.toBytes()), frame.subarray(0, 18), 'with its tag');
    const turned = Buffer.concat([frame.subarray(6, 12), frame.subarray(0, 6), frame.subarray(12, 18)]);
    const bytes = view.link.toBytes(true);
    assert.deepEqual(Buffer.from(bytes), turned);
    bytes.fill(0);
    assert.equal(view.link.mac('source', 5), 1, 'it is a copy');
    state.context.linkLength = 0;
    assert.equal(view.link.toBytes(true).length, 0, 'and empty where there is none');
  });
});
