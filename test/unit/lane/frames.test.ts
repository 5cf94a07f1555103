/**
 * What a lane makes of each kind of frame, and what becomes of a link header that says a length.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FRAME_SUPER } from '../../../src/drivers/frame.ts';
import { DROP, FORWARD, ICMP_ON_DROP } from '../../../src/firewall/constants.ts';
import { OTHER_TYPES, UNREADABLE_TYPES, unreadableLine } from '../../../src/lane/unreadable-types.ts';
import { WAY_COUNTERS } from '../../../src/telemetry/counters.ts';
import { llc, mpls, pppoe, probe } from '../../support/links.ts';
import { ethernet, extension, fragment, icmpv6, ipv4, ipv6, octets, tcp, udp } from '../../support/packet-builder.ts';
import { checkIpv4, checkIpv6, destination, icmp, source } from '../../support/packet-checker.ts';
import { bridgeWay, chainOf, ethernetPort, hook, layRig, type Rig, type RigOptions } from './lane-rig.ts';

const DATA = Buffer.from(Array.from({ length: 3000 }, (_, index) => index % 251));
const DATAGRAM = ipv4({}, udp({}, Buffer.from('data')));
const DATAGRAM_V6 = ipv6({}, udp({}, Buffer.from('data')));
const TAGS = [{ type: 0x88a8, id: 0 }, { id: 0 }];
const SWAPPED = '020000000001020000000002';
const SESSION = 14;
const LENGTH_OFFSET = 4;

const drop = () => hook('drop', () => DROP);
const pass = () => hook('pass', () => FORWARD);

function booked({ row }: Rig): Record<string, number> {
  const counters = row();
  const seen = WAY_COUNTERS.filter(({ name }) => counters[name] !== 0 && !name.endsWith('Octets'));
  return Object.fromEntries(seen.map(({ name }) => [name, counters[name]]));
}

/** A rig whose only hook puts `datagram` in the packet's place. */
function replacing(datagram: Buffer): RigOptions {
  return {
    hooks: (pool) => [
      hook('replace', (packet) => {
        packet.replace(chainOf(pool, datagram.subarray(0, 30), datagram.subarray(30)));
        return FORWARD;
      }),
    ],
  };
}

describe('a frame with IP', () => {
  const frames = {
    'in a PPPoE session': pppoe({}, DATAGRAM),
    'in a PPPoE session, IPv6, padded': pppoe({ padTo: 100 }, DATAGRAM_V6),
    'in a PPPoE session with a protocol of one octet': pppoe({ isShort: true }, DATAGRAM),
    'in a PPPoE session behind tags': pppoe({ tags: TAGS }, DATAGRAM),
    'behind a label': mpls(1, DATAGRAM),
    'behind labels and tags, IPv6': mpls(4, DATAGRAM_V6, TAGS),
    'behind tags of VLAN 0': ethernet({ tags: [{ id: 0 }, { id: 0 }, { id: 0 }, { id: 0 }] }, DATAGRAM),
    'behind old tags': ethernet(
      {
        tags: [
          { type: 0x9200, id: 0 },
          { type: 0x9300, id: 5 },
        ],
      },
      DATAGRAM,
    ),
  };
  for (const [name, frame] of Object.entries(frames)) {
    test(`meets the hooks, and goes on octet for octet: ${name}`, async (t) => {
      const dropping = layRig(t, { hooks: () => [drop()], nonIp: 'forward', unreadable: 'forward' });
      await dropping.pass(frame);
      assert.deepEqual(booked(dropping), { received: 1, dropped: 1, droppedByHook: 1 });
      const passing = layRig(t, { hooks: () => [pass()], nonIp: 'drop' });
      await passing.pass(frame);
      assert.deepEqual(passing.sent(), [frame]);
    });
  }

  test('shows a hook the datagram of a session, and its ports', async (t) => {
    const seen: unknown[] = [];
    const look = hook('look', (packet) => {
      seen.push([packet.version, packet.length, packet.destinationPort, packet.payload.text()]);
      return FORWARD;
    });
    const rig = layRig(t, { hooks: () => [look] });
    await rig.pass(pppoe({ padTo: 90 }, DATAGRAM), mpls(2, DATAGRAM_V6));
    assert.deepEqual(seen, [
      [4, DATAGRAM.length, 53, 'data'],
      [6, DATAGRAM_V6.length, 53, 'data'],
    ]);
  });

  test('shows the protocol that the kernel would see behind mobility, HIP and shim6 headers', async (t) => {
    const seen: number[][] = [];
    const look = hook('look', (packet) => {
      seen.push([packet.protocol, packet.destinationPort]);
      return FORWARD;
    });
    const rig = layRig(t, { hooks: () => [look] });
    const behind = (type: number) =>
      ethernet({}, ipv6({ extensions: [extension(type)] }, tcp({ destinationPort: 443 })));
    await rig.pass(behind(135), behind(139), behind(140), behind(60));
    assert.deepEqual(seen, [
      [135, -1],
      [139, -1],
      [140, -1],
      [6, 443],
    ]);
  });
});

describe('a frame that no hook sees', () => {
  const notIp = {
    ARP: ethernet({ etherType: 0x0806 }, Buffer.alloc(46)),
    'tagged LLDP': ethernet({ etherType: 0x88cc, tags: TAGS }, Buffer.alloc(46)),
    'spanning tree': llc('424203', Buffer.alloc(35)),
    'CDP behind a tag': llc('aaaa0300000c2000', Buffer.alloc(30), [{ id: 7 }]),
    'PPPoE discovery': ethernet({ etherType: 0x8863 }, Buffer.from('110900000004010100000000', 'hex')),
    'LCP in a session': pppoe({ protocol: 0xc021 }, Buffer.from('0101000a05061a2b3c4d', 'hex')),
    'IPCP in a session': pppoe({ protocol: 0x8021 }, Buffer.from('0101000a0306c0000201', 'hex')),
  };
  for (const [name, frame] of Object.entries(notIp)) {
    test(`is not IP, by policy.nonIp: ${name}`, async (t) => {
      const forwards = layRig(t, { hooks: () => [drop()], nonIp: 'forward', unreadable: 'drop' });
      await forwards.pass(frame);
      assert.deepEqual(forwards.sent(), [frame]);
      assert.deepEqual(booked(forwards), { received: 1, forwarded: 1, nonIp: 1, sent: 1 });
      const drops = layRig(t, { nonIp: 'drop', unreadable: 'forward' });
      await drops.pass(frame);
      assert.deepEqual(booked(drops), { received: 1, dropped: 1, droppedNonIp: 1, nonIp: 1 });
    });
  }

  const unreadable = {
    MACsec: [ethernet({ etherType: 0x88e5 }, DATAGRAM), 0x88e5],
    'an unknown type behind tags': [ethernet({ etherType: 0x7a05, tags: TAGS }, DATAGRAM), 0x7a05],
    'bridged Ethernet': [ethernet({ etherType: 0x6558 }, DATAGRAM), 0x6558],
    'IP in SNAP': [llc('aaaa030000000800', DATAGRAM), 0],
    'IP over 802.2': [llc('060603', DATAGRAM), 0],
    'multilink in a session': [pppoe({ protocol: 0x003d }, DATAGRAM), 0x8864],
    'compression in a session': [pppoe({ protocol: 0x00fd }, DATAGRAM), 0x8864],
    'a pseudowire': [mpls(1, Buffer.concat([Buffer.alloc(4), DATAGRAM])), 0x8847],
    'more labels than are read': [mpls(17, DATAGRAM), 0x8847],
    'a probe on a way that is no detour': [probe(), 0x88b6],
  } as const;
  for (const [name, [frame, type]] of Object.entries(unreadable)) {
    test(`is unreadable, by policy.unreadable: ${name}`, async (t) => {
      const drops = layRig(t, { hooks: () => [drop()], nonIp: 'forward', unreadable: 'drop' });
      await drops.pass(frame);
      assert.deepEqual(booked(drops), { received: 1, dropped: 1, unreadable: 1, droppedUnreadable: 1 });
      assert.deepEqual([...drops.lane.unreadableTypes.subarray(0, 4)], [type, 1, 0, 0]);
      const forwards = layRig(t, { hooks: () => [drop()], nonIp: 'drop', unreadable: 'forward' });
      await forwards.pass(frame);
      assert.deepEqual(forwards.sent(), [frame]);
      assert.deepEqual(booked(forwards), { received: 1, forwarded: 1, unreadable: 1, sent: 1 });
    });
  }

  const malformed = {
    'five tags': ethernet({ tags: Array.from({ length: 5 }, () => ({ id: 0 })) }, DATAGRAM),
    'six tags': ethernet({ tags: Array.from({ length: 6 }, () => ({ id: 0 })) }, DATAGRAM),
    'five tags in front of ARP': ethernet(
      { etherType: 0x0806, tags: Array.from({ length: 5 }, () => ({ id: 0 })) },
      DATA,
    ),
    'thirteen octets': ethernet({}, DATAGRAM).subarray(0, 13),
    'a tag that ends in itself': ethernet({ tags: [{ id: 7 }] }, DATAGRAM).subarray(0, 17),
    'IPv6 behind the type of IPv4': ethernet({ etherType: 0x0800 }, DATAGRAM_V6),
    'IPv4 behind the type of IPv6': ethernet({ etherType: 0x86dd }, ipv4({}, udp({}, DATA.subarray(0, 100)))),
    'IPv6 behind the PPP protocol of IPv4': pppoe({ protocol: 0x0021 }, DATAGRAM_V6),
    'a session that says more than there is': pppoe({ length: DATAGRAM.length + 3 }, DATAGRAM),
    'a session that says less than its datagram': pppoe({ length: DATAGRAM.length + 1 }, DATAGRAM),
    'a type that is none': ethernet({ etherType: 1501 }, DATA.subarray(0, 1501)),
    'a length that is too long': ethernet({ etherType: 47 }, Buffer.from(`424203${'00'.repeat(43)}`, 'hex')),
    'hop-by-hop options behind a routing header': ethernet(
      {},
      ipv6({ extensions: [extension(43), extension(0)] }, tcp()),
    ),
  };
  for (const [name, frame] of Object.entries(malformed)) {
    test(`is malformed, and dropped whatever the policies say: ${name}`, async (t) => {
      const rig = layRig(t, { hooks: () => [pass()], nonIp: 'forward', unreadable: 'forward' });
      await rig.pass(frame);
      assert.deepEqual(booked(rig), { received: 1, dropped: 1, droppedMalformed: 1 });
    });
  }
});

describe('a frame that was captured in part', () => {
  const cooked = (type: string) => Buffer.from(`00000001000602000000000100${'00'}${type}`, 'hex');
  const options = Buffer.alloc(12, 1);
  const frames: Record<string, readonly [linktype: number, frame: Buffer]> = {
    'IPv4 with options': [
      1,
      ethernet({}, ipv4({ options }, tcp({ options: Buffer.alloc(8, 1) }, DATA.subarray(0, 40)))),
    ],
    'IPv6 with extension headers': [
      1,
      ethernet(
        {},
        ipv6({ extensions: [extension(0, 16), extension(43), fragment(0, true), extension(60, 24)] }, tcp()),
      ),
    ],
    'a later fragment': [1, ethernet({}, ipv4({ fragmentOffset: 64 }, octets(17, DATA.subarray(0, 40))))],
    'tags, IPv6': [1, ethernet({ tags: [...TAGS, ...TAGS] }, DATAGRAM_V6)],
    'a session': [1, pppoe({ tags: TAGS, padTo: 100 }, DATAGRAM)],
    'a session with a protocol of one octet, IPv6': [1, pppoe({ isShort: true }, DATAGRAM_V6)],
    labels: [1, mpls(4, DATAGRAM, TAGS)],
    'UDP-Lite': [1, ethernet({}, ipv4({}, octets(136, DATA.subarray(0, 40))))],
    ICMPv6: [1, ethernet({}, ipv6({}, icmpv6()))],
    'a cooked capture': [113, Buffer.concat([cooked('0800'), DATAGRAM])],
    'a cooked capture of version 2': [276, Buffer.concat([Buffer.from(`86dd${'00'.repeat(18)}`, 'hex'), DATAGRAM_V6])],
    loopback: [0, Buffer.concat([Buffer.from('02000000', 'hex'), DATAGRAM])],
    'raw IPv4': [228, DATAGRAM],
    'raw IPv6': [229, DATAGRAM_V6],
    'raw IP': [101, DATAGRAM_V6],
    'spanning tree': [1, llc('424203', Buffer.alloc(35))],
    'IS-IS': [1, llc('fefe03', Buffer.alloc(35, 0x83))],
    CDP: [1, llc('aaaa0300000c2000', Buffer.alloc(30))],
    ARP: [1, ethernet({ etherType: 0x0806 }, Buffer.alloc(46))],
  };
  for (const [name, [linktype, frame]] of Object.entries(frames)) {
    test(`goes on as it is wherever a file cut it, and is lost wherever a live capture did: ${name}`, async (t) => {
      const cuts = Array.from({ length: frame.length }, (_, length) => ({
        port: 0,
        bytes: frame.subarray(0, length),
        originalLength: frame.length,
      }));
      const ports = [0, 1].map((id) => ({ id, linktype, maxFrameLength: 2000 }));
      const file = layRig(t, { ports, hooks: () => [pass()], nonIp: 'forward', unreadable: 'drop' });
      await file.pass(...cuts);
      assert.deepEqual(
        file.sent(),
        cuts.map(({ bytes }) => bytes),
      );
      const row = file.row();
      assert.deepEqual([row.forwarded, row.dropped], [cuts.length, 0]);
      assert.equal(
        file.hook(0).seen,
        cuts.length - row.passedTruncated - row.nonIp,
        'each was seen, or counted as not',
      );
      assert.ok(row.passedTruncated > 0);
      const live = layRig(t, { ports, isLive: true, hooks: () => [pass()], nonIp: 'forward' });
      await live.pass(...cuts);
      assert.deepEqual(booked(live), { received: cuts.length, lost: cuts.length, lostTruncated: cuts.length });
    });
  }

  test('is malformed where what is there of it is wrong', async (t) => {
    const rig = layRig(t, { hooks: () => [pass()], nonIp: 'forward', unreadable: 'forward' });
    const wrong: readonly [bytes: Buffer, originalLength: number][] = [
      [ethernet({ etherType: 0x0800 }, DATAGRAM_V6).subarray(0, 20), 200],
      [ethernet({ tags: Array.from({ length: 5 }, () => ({ id: 0 })) }, DATAGRAM).subarray(0, 34), 200],
      [ethernet({}, ipv4({ totalLength: 300 }, udp())).subarray(0, 20), 200],
      [ethernet({}, DATAGRAM).subarray(0, 14), 33],
      [pppoe({ length: 400 }, DATAGRAM).subarray(0, 20), 200],
      [llc('aaaa03', Buffer.alloc(2)).subarray(0, 17), 200],
    ];
    await rig.pass(...wrong.map(([bytes, originalLength]) => ({ port: 0, bytes, originalLength })));
    assert.deepEqual(booked(rig), { received: wrong.length, dropped: wrong.length, droppedMalformed: wrong.length });
  });
});

describe('a length of 0 in an IP header', () => {
  const open = [
    ethernet({}, ipv4({ totalLength: 0 }, tcp({}, DATA))),
    ethernet({}, ipv6({ payloadLength: 0 }, tcp({}, DATA))),
  ];
  for (const [name, isLive, flags, isTaken] of [
    ['a live frame', true, 0, false],
    ['a live super-frame', true, FRAME_SUPER, true],
    ['a frame of a file, which has no mark for super-frames', false, 0, true],
  ] as const) {
    test(`is ${isTaken ? 'the rest' : 'malformed'}: ${name}`, async (t) => {
      const ports = [ethernetPort(0), ethernetPort(1, 5000)];
      const rig = layRig(t, { isLive, ports, hooks: () => [pass()] });
      await rig.pass(...open.map((bytes) => ({ port: 0, bytes, flags })));
      const { forwarded, droppedMalformed } = rig.row();
      assert.deepEqual([forwarded, droppedMalformed], isTaken ? [2, 0] : [0, 2]);
      assert.equal(rig.hook(0).seen, isTaken ? 2 : 0);
    });
  }
});

describe('the types of unreadable frames', () => {
  test('are counted each in a row of its own, those that come too late together, and each is told once', async (t) => {
    const told: number[] = [];
    const rig = layRig(t, { onUnreadable: (etherType) => told.push(etherType) });
    const types = Array.from({ length: UNREADABLE_TYPES + 3 }, (_, index) => 0x7a00 + index);
    const frames = types.map((etherType) => ethernet({ etherType }, DATAGRAM));
    await rig.pass(...frames, ...frames, llc('e0e003', DATAGRAM));
    const own = types.slice(0, UNREADABLE_TYPES - 1);
    assert.deepEqual(
      [...rig.lane.unreadableTypes],
      [...own.flatMap((type) => [type, 2]), OTHER_TYPES, 2 * (types.length - own.length) + 1],
    );
    assert.deepEqual(told, [...own, OTHER_TYPES]);
    assert.equal(rig.row().unreadable, 2 * types.length + 1);
  });

  test('are named in the log with what becomes of them', () => {
    assert.match(unreadableLine(0x88e5, 'drop'), /^Frames of EtherType 0x88e5 are dropped: .*policy\.unreadable/);
    assert.match(unreadableLine(0, 'forward'), /^Frames of IEEE 802\.2 .* are forwarded past the hooks: /);
    assert.match(unreadableLine(0x0600, 'drop'), /0x0600/);
    assert.match(unreadableLine(OTHER_TYPES, 'drop'), /^More than 16 EtherTypes .* are dropped/);
  });
});

describe('probe frames', () => {
  const ways = [bridgeWay({ carriesProbes: true })];

  test('go through a detour unchanged whatever the policies say, and are in no sum', async (t) => {
    const told: number[] = [];
    const rig = layRig(t, { ways, hooks: () => [drop()], nonIp: 'drop', onUnreadable: (type) => told.push(type) });
    const frames = [probe(1), probe(2)];
    await rig.pass(...frames);
    assert.deepEqual(
      rig.driver.sent.splice(0),
      frames.map((bytes) => ({ port: 1, bytes })),
    );
    assert.deepEqual(booked(rig), { probes: 2 });
    assert.deepEqual([rig.row().receivedOctets, rig.row().sentOctets], [0, 0]);
    assert.deepEqual(told, []);
    rig.lane.onSendFailed(0, 3, frames[0]?.length ?? 0);
    assert.deepEqual(booked(rig), { probes: 2 }, 'one that could not be sent is not booked either');
  });

  test('are ten a second; more are unreadable frames like any other', async (t) => {
    let nowMs = 0;
    const rig = layRig(t, { ways, now: () => nowMs });
    await rig.pass(...Array.from({ length: 25 }, (_, index) => probe(index)));
    assert.deepEqual(booked(rig), { received: 15, dropped: 15, unreadable: 15, droppedUnreadable: 15, probes: 10 });
    nowMs = 1000;
    await rig.pass(...Array.from({ length: 11 }, (_, index) => probe(index)));
    assert.equal(rig.row().probes, 20);
    assert.equal(rig.driver.sent.splice(0).length, 20);
  });

  test('are nothing else that only looks like them', async (t) => {
    const rig = layRig(t, { ways });
    const otherCookie = probe();
    otherCookie[14 + 15] = 1;
    await rig.pass(
      otherCookie,
      probe(1, [{ id: 0 }]),
      probe().subarray(0, 29),
      ethernet({ etherType: 0x88b5 }, probe()),
    );
    assert.deepEqual(booked(rig), { received: 4, dropped: 4, unreadable: 4, droppedUnreadable: 4 });
  });
});

describe('a PPPoE session header', () => {
  for (const isShort of [false, true]) {
    const form = isShort ? 'one octet' : 'two octets';
    const ppp = isShort ? 1 : 2;

    test(`says the length of a replacement, longer or shorter, behind a protocol of ${form}`, async (t) => {
      for (const size of [0, 1, 900]) {
        const datagram = ipv4({}, udp({}, DATA.subarray(0, size)));
        const rig = layRig(t, replacing(datagram));
        await rig.pass(pppoe({ isShort, tags: TAGS, padTo: 90 }, DATAGRAM));
        assert.deepEqual(rig.sent(), [pppoe({ isShort, tags: TAGS }, datagram)]);
        assert.equal(rig.sent()[0]?.readUInt16BE(SESSION + 8 + LENGTH_OFFSET), datagram.length + ppp);
      }
    });

    test(`says the length of each fragment, within the MTU less the session, behind ${form}`, async (t) => {
      const datagram = ipv4({}, udp({}, DATA.subarray(0, 1400)));
      const ports = [ethernetPort(0), ethernetPort(1, 600)];
      const replaced = layRig(t, { ...replacing(datagram), ports });
      await replaced.pass(pppoe({ isShort }, DATAGRAM));
      const unchanged = layRig(t, { ports });
      await unchanged.pass(pppoe({ isShort }, datagram));
      assert.deepEqual(unchanged.sent(), replaced.sent());
      const frames = unchanged.sent();
      assert.equal(frames.length, 3);
      const parts = frames.map((frame) => {
        assert.ok(frame.length <= 614);
        assert.equal(frame.readUInt16BE(SESSION + LENGTH_OFFSET), frame.length - SESSION - 6);
        assert.equal(frame.readUInt16BE(SESSION + 6 + ppp + 2), frame.length - SESSION - 6 - ppp, 'and so does IP');
        return frame.subarray(SESSION + 6 + ppp + 20);
      });
      assert.deepEqual(Buffer.concat(parts), datagram.subarray(20));
    });

    test(`is that of an ICMP error, with the same session and turned addresses, behind ${form}`, async (t) => {
      const rig = layRig(t, { hooks: () => [hook('reject', () => ICMP_ON_DROP)] });
      await rig.pass(pppoe({ isShort, sessionId: 77 }, DATAGRAM), pppoe({ isShort, sessionId: 78 }, DATAGRAM_V6));
      assert.deepEqual(booked(rig), { received: 2, rejected: 2, icmpDue: 2, icmpErrors: 2, sent: 2 });
      for (const [index, frame] of rig.sent().entries()) {
        assert.equal(frame.toString('hex', 0, 18), `${SWAPPED}88641100${index === 0 ? '004d' : '004e'}`);
        assert.equal(frame.readUInt16BE(SESSION + LENGTH_OFFSET), frame.length - SESSION - 6);
        assert.equal(frame[SESSION + 6 + ppp - 1], index === 0 ? 0x21 : 0x57);
      }
      const [v4, v6] = rig.sent().map((frame) => frame.subarray(SESSION + 6 + ppp));
      checkIpv4(v4 ?? Buffer.alloc(0), source('198.51.100.2'), destination('192.0.2.1'), icmp(3, 13));
      checkIpv6(v6 ?? Buffer.alloc(0), source('2001:db8::2'), destination('2001:db8::1'), icmp(1, 1));
    });
  }

  test('is that of the answer to what is too long, and the MTU told is that within the session', async (t) => {
    const rig = layRig(t, { ports: [ethernetPort(0), ethernetPort(1, 600)] });
    await rig.pass(pppoe({}, ipv4({ dontFragment: true }, udp({}, DATA.subarray(0, 1000)))));
    assert.deepEqual([rig.row().lostTooLong, rig.row().icmpErrors], [1, 1]);
    const answer = rig.sent()[0] ?? Buffer.alloc(0);
    assert.equal(answer.readUInt16BE(SESSION + LENGTH_OFFSET), answer.length - SESSION - 6);
    assert.equal(answer.readUInt16BE(SESSION + 8 + 26), 600 - 8);
  });

  test('says less where padding in the session is left out to fit the way out', async (t) => {
    const datagram = ipv4({ dontFragment: true }, udp({}, DATA.subarray(0, 600 - 8 - 28)));
    const rig = layRig(t, { ports: [ethernetPort(0), ethernetPort(1, 600)] });
    await rig.pass(pppoe({}, Buffer.concat([datagram, Buffer.alloc(20)])));
    assert.deepEqual(rig.sent(), [pppoe({}, datagram)]);
  });

  test('cannot say more than 65,535: a longer replacement is cut where no port would have', async (t) => {
    const datagram = ipv4({}, udp({}, Buffer.alloc(65_535 - 28)));
    const wide = [ethernetPort(0, 70_000), ethernetPort(1, 70_000)];
    const rig = layRig(t, { ...replacing(datagram), ports: wide });
    await rig.pass(pppoe({}, DATAGRAM));
    const lengths = rig.sent().map((frame) => [frame.readUInt16BE(SESSION + LENGTH_OFFSET), frame.length]);
    assert.equal(lengths.length, 2);
    for (const [said, length = 0] of lengths) assert.equal(said, length - SESSION - 6);
  });

  test('stays as it is in front of a packet that a hook changed in place', async (t) => {
    const change = hook('ttl', (packet) => {
      packet.bytes[8] = 9;
      return FORWARD;
    });
    const rig = layRig(t, { hooks: () => [change] });
    const frame = pppoe({ padTo: 90 }, DATAGRAM);
    await rig.pass(Buffer.from(frame));
    frame[SESSION + 8 + 8] = 9;
    assert.deepEqual(rig.sent(), [frame]);
  });

  test('is put right in a cooked capture as well', async (t) => {
    const cooked = (length: number) =>
      Buffer.from(`00000001000602000000000100008864${'11000001'}${length.toString(16).padStart(4, '0')}0021`, 'hex');
    const datagram = ipv4({}, udp({}, DATA.subarray(0, 50)));
    const ports = [0, 1].map((id) => ({ id, linktype: 113, maxFrameLength: 2000 }));
    const rig = layRig(t, { ...replacing(datagram), ports });
    await rig.pass(Buffer.concat([cooked(DATAGRAM.length + 2), DATAGRAM]));
    assert.deepEqual(rig.sent(), [Buffer.concat([cooked(datagram.length + 2), datagram])]);
  });
});

describe('an MPLS label stack', () => {
  test('is put back in front of a replacement and of each fragment', async (t) => {
    const datagram = ipv4({}, udp({}, DATA.subarray(0, 1400)));
    const rig = layRig(t, replacing(datagram));
    await rig.pass(mpls(16, DATAGRAM, TAGS));
    assert.deepEqual(rig.sent(), [mpls(16, datagram, TAGS)]);
    const narrow = layRig(t, { ports: [ethernetPort(0), ethernetPort(1, 600)] });
    await narrow.pass(mpls(2, datagram));
    const parts = narrow.sent().map((frame) => {
      assert.deepEqual(frame.subarray(0, 22), mpls(2, datagram).subarray(0, 22));
      assert.ok(frame.length <= 614);
      return frame.subarray(42);
    });
    assert.deepEqual(Buffer.concat(parts), datagram.subarray(20));
  });

  test('is not turned round: what would be answered in its frame is counted as suppressed', async (t) => {
    const long = ipv4({ dontFragment: true }, udp({}, DATA.subarray(0, 1000)));
    for (const reject of ['link', 'count'] as const) {
      const ports = [ethernetPort(0), ethernetPort(1, 600)];
      const rig = layRig(t, {
        ways: [bridgeWay({ reject })],
        ports,
        hooks: () => [hook('reject', () => ICMP_ON_DROP)],
      });
      await rig.pass(mpls(1, DATAGRAM));
      assert.deepEqual(booked(rig), { received: 1, rejected: 1, icmpDue: 1, icmpSuppressed: 1, icmpOneWay: 1 });
      const narrow = layRig(t, { ways: [bridgeWay({ reject })], ports });
      await narrow.pass(mpls(1, long));
      assert.deepEqual(booked(narrow), {
        received: 1,
        lost: 1,
        lostTooLong: 1,
        icmpDue: 1,
        icmpSuppressed: 1,
        icmpOneWay: 1,
      });
    }
  });

  test('does not keep an answer back that goes by the routing table', async (t) => {
    const sent: number[] = [];
    const rig = layRig(t, {
      ways: [bridgeWay({ reject: 'raw', rejectPort: -1 })],
      hooks: () => [hook('reject', () => ICMP_ON_DROP)],
      sender: { send: (_datagram, length) => sent.push(length) > 0 },
    });
    await rig.pass(mpls(1, DATAGRAM));
    assert.deepEqual(booked(rig), { received: 1, rejected: 1, icmpDue: 1, icmpErrors: 1, sent: 1 });
    assert.equal(sent.length, 1);
  });
});
