/**
 * What the builders of `firehook/testing` build, the reader reads: fields, checksums, fragments, frames.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  ACK,
  ethernet,
  extension,
  fragmentHeader,
  fragments,
  icmpv4,
  icmpv6,
  ipv4,
  ipv6,
  readFrame,
  readPacket,
  SYN,
  showPacket,
  tcp,
  transport,
  udp,
} from '../../../src/testing/index.ts';

const SEED = 20_260_101;
const port = fc.nat(0xffff);
const word = fc.nat(0xffff_ffff);
const octets = fc.uint8Array({ maxLength: 100 });
const ip = fc.record({ ttl: fc.nat(255), dscp: fc.nat(63), ecn: fc.nat(3) });

function check<T>(arbitrary: fc.Arbitrary<T>, property: (value: T) => void): void {
  fc.assert(fc.property(arbitrary, property), { seed: SEED });
}

function read(datagram: Uint8Array): NonNullable<ReturnType<typeof readPacket>> {
  const packet = readPacket(datagram);
  assert.ok(packet !== null, showPacket(datagram));
  return packet;
}

describe('what was built is read', () => {
  test('with the fields of TCP, in both versions', () => {
    const fields = fc.record({
      sourcePort: port,
      destinationPort: port,
      seq: word,
      ack: word,
      flags: fc.nat(255),
      window: port,
      urgentPointer: port,
      mss: port,
    });
    check(fc.tuple(fields, ip, octets, fc.boolean()), ([own, way, payload, is6]) => {
      const packet = read(is6 ? ipv6(way, tcp(own, payload)) : ipv4(way, tcp(own, payload)));
      const { sourcePort, destinationPort, ...rest } = own;
      assert.deepEqual(
        { ...packet.tcp, options: undefined },
        { ...rest, headerLength: 24, options: undefined },
        'the header',
      );
      assert.deepEqual([packet.sourcePort, packet.destinationPort, packet.protocol], [sourcePort, destinationPort, 6]);
      assert.deepEqual([packet.ip.ttl, packet.ip.dscp, packet.ip.ecn], [way.ttl, way.dscp, way.ecn]);
      assert.deepEqual(Uint8Array.from(packet.payload), payload);
      assert.ok(packet.checksumsRight);
    });
  });

  test('with those of UDP and of ICMP', () => {
    check(fc.tuple(port, port, octets), ([sourcePort, destinationPort, payload]) => {
      const packet = read(ipv6({}, udp({ sourcePort, destinationPort }, payload)));
      assert.deepEqual(packet.udp, { length: 8 + payload.length });
      assert.ok(packet.checksumsRight);
      const echo = read(ipv4({}, icmpv4({ id: sourcePort, seq: destinationPort }, payload)));
      assert.deepEqual(echo.icmp, {
        type: 8,
        code: 0,
        rest: sourcePort * 0x1_0000 + destinationPort,
        isError: false,
        quoted: null,
      });
      assert.ok(echo.checksumsRight);
    });
  });

  test('with what only one version has', () => {
    const four = read(
      ipv4({ id: 7, dontFragment: true, options: Buffer.of(1, 1, 1, 0) }, transport(253, 'text of it')),
    );
    assert.deepEqual([four.ip.id, four.ip.dontFragment, four.ip.flowLabel], [7, true, -1]);
    assert.equal(four.ip.options.toString('hex'), '01010100');
    assert.deepEqual([four.protocol, four.text, four.tcp, four.udp, four.icmp], [253, 'text of it', null, null, null]);
    const six = read(ipv6({ flowLabel: 0x12345, extensions: [extension(60), extension(43, 16)] }, udp()));
    assert.deepEqual([six.ip.id, six.ip.flowLabel, six.ip.options.length, six.protocol], [-1, 0x12345, 24, 17]);
    assert.ok(six.checksumsRight);
  });

  test('an ICMP error with the datagram that it quotes, however much of it there is', () => {
    const quoted = ipv6({ source: '2001:db8::9' }, tcp({ sourcePort: 1, destinationPort: 2 }));
    const whole = read(ipv6({}, icmpv6({ type: 1, code: 1 }, quoted)));
    assert.deepEqual(whole.icmp?.quoted, {
      protocol: 6,
      source: '2001:db8::9',
      destination: '2001:db8::2',
      sourcePort: 1,
      destinationPort: 2,
    });
    const cut = read(ipv4({}, icmpv4({ type: 3, code: 4, rest: 1400 }, ipv4({}, udp()).subarray(0, 20))));
    assert.deepEqual([cut.icmp?.rest, cut.icmp?.quoted?.sourcePort, cut.icmp?.isError], [1400, -1, true]);
    assert.equal(read(ipv4({}, icmpv4({ type: 3, code: 1 }, 'nothing of it'))).icmp?.quoted, null);
  });

  test('a frame with its tags and what it carries', () => {
    const tags = [
      { type: 0x88a8, id: 100 },
      { id: 7, priority: 5 },
    ];
    const frame = readFrame(ethernet({ tags, source: '02-00-00-00-00-09', padTo: 100 }, ipv6({}, udp({}, 'x'))));
    assert.ok(frame !== null);
    assert.deepEqual(
      [frame.source, frame.destination, frame.etherType],
      ['02:00:00:00:00:09', '02:00:00:00:00:02', 0x86dd],
    );
    assert.deepEqual(frame.tags, [
      { type: 0x88a8, id: 100, priority: 0 },
      { type: 0x8100, id: 7, priority: 5 },
    ]);
    assert.equal(frame.packet?.text, 'x');
    assert.equal(readFrame(ethernet({ etherType: 0x0806 }, Buffer.alloc(28)))?.packet, null);
    assert.equal(readFrame(Buffer.alloc(13)), null);
    assert.throws(() => ethernet({ source: '02:00' }, Buffer.alloc(0)), /not a MAC address: 02:00/);
  });
});

test('a checksum that is wrong is found, wherever it is', () => {
  const wrong = [
    ipv4({ checksum: 1 }, udp()),
    ipv4({}, udp({ checksum: 1 })),
    ipv4({}, tcp({ checksum: 1 })),
    ipv4({}, icmpv4({ checksum: 1 })),
    ipv6({}, icmpv6({ checksum: 1 })),
    ipv6({}, udp({ checksum: 0 })),
    ipv4({}, transport(132, Buffer.alloc(12, 1))),
  ];
  for (const datagram of wrong) assert.equal(read(datagram).checksumsRight, false, showPacket(datagram));
  assert.ok(read(ipv4({}, udp({ checksum: 0 }))).checksumsRight, 'IPv4 knows UDP without one');
  check(fc.tuple(fc.nat(59), fc.integer({ min: 1, max: 255 })), ([at, bits]) => {
    const datagram = ipv4({ id: 5 }, tcp({ flags: SYN | ACK }, 'twenty octets of data'));
    datagram[at] = (datagram[at] ?? 0) ^ bits;
    // What is no datagram any more has no checksums; one of another protocol has one less.
    const packet = readPacket(datagram);
    assert.ok(packet === null || !packet.checksumsRight);
  });
});

describe('fragments', () => {
  test('carry the whole payload, once, each no longer than the MTU', () => {
    const size = fc.record({ length: fc.integer({ min: 1, max: 5000 }), mtu: fc.integer({ min: 100, max: 2000 }) });
    check(fc.tuple(size, fc.boolean()), ([{ length, mtu }, is6]) => {
      const payload = Uint8Array.from({ length }, (_, index) => index & 0xff);
      const datagram = is6
        ? ipv6({ extensions: [extension(0), extension(60)] }, udp({}, payload))
        : ipv4({ options: Buffer.of(1, 1, 1, 1) }, udp({}, payload));
      const parts = fragments(datagram, mtu, 77);
      const whole = Buffer.alloc(datagram.length);
      let end = 0;
      for (const [index, part] of parts.entries()) {
        assert.ok(part.length <= mtu, `${part.length} octets`);
        const fields = read(part);
        assert.ok(fields.checksumsRight);
        if (parts.length > 1) assert.equal(fields.fragment?.more, index < parts.length - 1);
        const body = bodyOf(part, is6);
        assert.equal(fields.fragment?.offset ?? 0, end);
        body.copy(whole, end);
        end += body.length;
      }
      assert.deepEqual(whole.subarray(0, end), Buffer.from(bodyOf(datagram, is6)));
    });
  });

  test('are refused where they cannot be', () => {
    assert.throws(
      () => fragments(ipv4({}, udp({}, 'data')), 27),
      /an MTU of 27 leaves no room behind 20 octets of headers/,
    );
    assert.throws(() => fragments(ipv4({ moreFragments: true }, udp()), 100), /a fragment already/);
    assert.throws(() => fragments(Buffer.alloc(3), 100), /not a well-formed datagram/);
  });

  test('are what a fragment header makes of IPv6', () => {
    const part = read(ipv6({ extensions: [fragmentHeader(16, true, 5)] }, transport(17, 'data')));
    assert.deepEqual(part.fragment, { id: 5, offset: 16, more: true });
    assert.deepEqual([part.sourcePort, part.udp, part.text], [-1, null, 'data']);
  });
});

/** What stands behind what each fragment carries: hop-by-hop options, and the fragment header. */
function bodyOf(datagram: Uint8Array, is6: boolean): Buffer {
  const bytes = Buffer.from(datagram);
  if (!is6) return bytes.subarray(((bytes[0] ?? 0) & 15) * 4);
  const isFragment = bytes[40] === 44;
  return bytes.subarray(isFragment ? 56 : 48);
}

test('a packet is shown in one line and in hexadecimal', () => {
  assert.equal(
    showPacket(ipv6({ ttl: 3 }, tcp({ flags: SYN | ACK, checksum: 0 }))).split('\n')[0],
    '[2001:db8::1]:49152 > [2001:db8::2]:80 TCP, SYN+ACK, 60 octets, ttl 3, a checksum is wrong',
  );
  const [head, first] = showPacket(ipv4({ moreFragments: true }, icmpv4())).split('\n');
  assert.equal(head, '192.0.2.1 > 198.51.100.2 ICMP, type 8 code 0, fragment at 0, more follow, 28 octets, ttl 64');
  assert.match(first ?? '', /^0000 {2}45 00 00 1c /);
  assert.match(showPacket(Buffer.of(0x45)), /^no well-formed datagram, 1 octets\n0000 {2}45$/);
});
