/**
 * ICMP errors: when one may be sent at all, and what it holds.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { buildTooBig, buildUnreachable, MAX_ICMP_ERROR, mayAnswer } from '../../../src/lane/icmp-error.ts';
import { IpLayout, parseIpLayout } from '../../../src/wire/ip-layout.ts';
import { extension, fragment, icmpv4, icmpv6, ipv4, ipv6, octets, tcp, udp } from '../../support/packet-builder.ts';
import { checkIpv4, checkIpv6, destination, icmp, source, ttl } from '../../support/packet-checker.ts';

function layoutOf(datagram: Buffer, captured = datagram.length): IpLayout {
  const layout = new IpLayout();
  assert.ok(parseIpLayout(datagram, 0, captured, datagram.length, layout));
  return layout;
}

const answered = (datagram: Buffer, isUnicastLink = true) => mayAnswer(datagram, layoutOf(datagram), isUnicastLink);

describe('an answer is given', () => {
  const cases: Record<string, Buffer> = {
    'to TCP': ipv4({}, tcp()),
    'to a protocol nobody knows': ipv4({}, octets(253, Buffer.alloc(4))),
    'to a first fragment': ipv4({ moreFragments: true }, udp({}, Buffer.alloc(16))),
    'to UDP over IPv6': ipv6({}, udp()),
    'behind extension headers': ipv6({ extensions: [extension(0), extension(60)] }, tcp()),
    'to a first IPv6 fragment': ipv6({ extensions: [fragment(0, true)] }, udp({}, Buffer.alloc(16))),
    'to an ICMPv6 echo request': ipv6({}, icmpv6()),
    'to ::2': ipv6({ destination: '::2' }, udp()),
    'from the address 1:0:0:0:0:0:0:1': ipv6({ source: '1::1' }, udp()),
    'from an IPv4-embedded address of NAT64': ipv6({ source: '64:ff9b::192.0.2.1' }, udp()),
  };
  for (const type of [0, 8, 9, 10, 13, 14, 15, 16, 17, 18]) cases[`to ICMP type ${type}`] = ipv4({}, icmpv4({ type }));
  for (const [what, datagram] of Object.entries(cases)) {
    test(what, () => assert.equal(answered(datagram), true));
  }
});

describe('no answer is given', () => {
  const cases: Record<string, Buffer> = {
    'to a later fragment': ipv4({ fragmentOffset: 64 }, octets(17, Buffer.alloc(16))),
    'to a later IPv6 fragment': ipv6({ extensions: [fragment(64, false)] }, octets(17, Buffer.alloc(16))),
    'from "this network"': ipv4({ source: '0.0.0.0' }, udp()),
    'from an address in 0/8': ipv4({ source: '0.1.2.3' }, udp()),
    'from loopback': ipv4({ source: '127.0.0.1' }, udp()),
    'from a multicast address': ipv4({ source: '224.0.0.1' }, udp()),
    'from class E': ipv4({ source: '240.0.0.1' }, udp()),
    'from the limited broadcast': ipv4({ source: '255.255.255.255' }, udp()),
    'to a multicast group': ipv4({ destination: '239.1.2.3' }, udp()),
    'to the limited broadcast': ipv4({ destination: '255.255.255.255' }, udp()),
    'from the unspecified address': ipv6({ source: '::' }, udp()),
    'from an IPv6 group': ipv6({ source: 'ff02::1' }, udp()),
    'to an IPv6 group': ipv6({ destination: 'ff02::1' }, udp()),
    'to 0.0.0.0, the old broadcast': ipv4({ destination: '0.0.0.0' }, udp()),
    'to loopback': ipv4({ destination: '127.0.0.1' }, udp()),
    'to class E': ipv4({ destination: '250.1.2.3' }, udp()),
    'from IPv6 loopback': ipv6({ source: '::1' }, udp()),
    'to IPv6 loopback': ipv6({ destination: '::1' }, udp()),
    'to the unspecified address': ipv6({ destination: '::' }, udp()),
    'from an IPv4-mapped address': ipv6({ source: '::ffff:192.0.2.1' }, udp()),
    'to an ICMPv6 redirect': ipv6({}, icmpv6({ type: 137 })),
  };
  for (const type of [3, 4, 5, 11, 12, 1, 19, 40]) cases[`to ICMP type ${type}`] = ipv4({}, icmpv4({ type }));
  for (const type of [1, 2, 3, 4, 100, 127]) cases[`to ICMPv6 type ${type}`] = ipv6({}, icmpv6({ type }));
  cases['to an ICMPv6 error behind extension headers'] = ipv6({ extensions: [extension(60)] }, icmpv6({ type: 1 }));
  for (const [what, datagram] of Object.entries(cases)) {
    test(what, () => assert.equal(answered(datagram), false));
  }

  test('to a link broadcast or multicast', () => {
    assert.equal(answered(ipv4({}, udp()), false), false);
    assert.equal(answered(ipv6({}, udp()), false), false);
  });

  test('to ICMP whose type the capture cut off', () => {
    for (const [datagram, captured] of [
      [ipv4({}, icmpv4()), 20],
      [ipv6({}, icmpv6()), 40],
    ] as const) {
      assert.equal(mayAnswer(datagram, layoutOf(datagram, captured), true), false);
    }
  });
});

describe('what is sent', () => {
  const AT = 64;
  const target = Buffer.alloc(AT + MAX_ICMP_ERROR, 0xee);
  const made = (length: number) => Buffer.from(target.subarray(AT, AT + length));

  test('comes from the destination and quotes the whole of a short packet', () => {
    const datagram = ipv4({ options: Buffer.alloc(8, 1) }, udp({}, Buffer.from('data')));
    const answer = made(buildUnreachable(datagram, layoutOf(datagram), 10, target, AT, MAX_ICMP_ERROR));
    checkIpv4(answer, source('198.51.100.2'), destination('192.0.2.1'), icmp(3, 10), ttl(64));
    assert.equal(answer.readUInt32BE(24), 0);
    assert.deepEqual(answer.subarray(28), datagram);
    const v6 = ipv6({}, tcp());
    const answer6 = made(buildUnreachable(v6, layoutOf(v6), 10, target, AT, MAX_ICMP_ERROR));
    checkIpv6(answer6, source('2001:db8::2'), destination('2001:db8::1'), icmp(1, 1), ttl(64));
    assert.deepEqual(answer6.subarray(48), v6);
  });

  test('is 576 octets at most for IPv4, 1,280 for IPv6, and leaves link padding out', () => {
    const long = ipv4({}, udp({}, Buffer.alloc(1400, 7)));
    assert.equal(buildUnreachable(long, layoutOf(long), 13, target, AT, MAX_ICMP_ERROR), 576);
    const long6 = ipv6({}, udp({}, Buffer.alloc(1400, 7)));
    assert.equal(buildUnreachable(long6, layoutOf(long6), 13, target, AT, MAX_ICMP_ERROR), 1280);
    const padded = Buffer.concat([ipv4({}, udp()), Buffer.alloc(18)]);
    assert.equal(buildUnreachable(padded, layoutOf(padded), 13, target, AT, MAX_ICMP_ERROR), 56);
  });

  test('names the MTU where that is the reason', () => {
    const datagram = ipv4({}, udp());
    const answer = made(buildTooBig(datagram, layoutOf(datagram), 1400, target, AT, MAX_ICMP_ERROR));
    checkIpv4(answer, icmp(3, 4));
    assert.equal(answer.readUInt32BE(24), 1400);
    const v6 = ipv6({}, udp());
    const answer6 = made(buildTooBig(v6, layoutOf(v6), 100_000, target, AT, MAX_ICMP_ERROR));
    checkIpv6(answer6, icmp(2, 0));
    assert.equal(answer6.readUInt32BE(44), 100_000);
  });
});

describe('however long a packet is', () => {
  const header4 = fc.constantFrom(0, 4, 12, 40).map((size) => Buffer.alloc(size, 1));
  const packet4 = fc.tuple(header4, fc.nat(2500)).map(([options, size]) => ipv4({ options }, udp({}, pattern(size))));
  const chain = fc.array(fc.constantFrom(extension(60), extension(60, 40), extension(43, 24)), { maxLength: 3 });
  const packet6 = fc
    .tuple(chain, fc.nat(2500))
    .map(([extensions, size]) => ipv6({ extensions }, udp({}, pattern(size))));
  const given = fc.record({
    datagram: fc.oneof(packet4, packet6),
    padding: fc.nat(64),
    /** Octets that the way back takes; shorter than any link of its family may be, too. */
    room: fc.oneof(fc.constant(MAX_ICMP_ERROR), fc.integer({ min: 120, max: 1500 })),
    isTooBig: fc.boolean(),
    /** Share of the datagram that a capture kept. */
    kept: fc.double({ min: 0, max: 1, noNaN: true }),
  });
  const AT = 128;

  test('the answer adds its own headers and nothing else, and is no longer than the standard or the way back allows', () => {
    fc.assert(
      fc.property(given, ({ datagram, padding, room, isTooBig, kept }) => {
        const isIpv4 = (datagram[0] as number) >>> 4 === 4;
        const frame = Buffer.concat([datagram, Buffer.alloc(padding, 0xdd)]);
        const captured = Math.max(Math.floor(frame.length * kept), isIpv4 ? 60 : 40);
        const layout = new IpLayout();
        if (!parseIpLayout(frame, 0, Math.min(captured, frame.length), frame.length, layout)) return;
        // What stands behind the packet in the memory of the driver is not the packet's.
        const memory = Buffer.concat([frame.subarray(0, layout.length), Buffer.alloc(3000, 0x5a)]);
        const target = Buffer.alloc(AT + MAX_ICMP_ERROR + 1, 0xee);
        const size = isTooBig
          ? buildTooBig(memory, layout, 1280, target, AT, room)
          : buildUnreachable(memory, layout, 13, target, AT, room);
        const [headers, most] = isIpv4 ? [28, 576] : [48, 1280];
        assert.ok(size <= most, `${size} octets`);
        assert.ok(size <= room, `${size} octets for ${room}`);
        assert.ok(size <= headers + layout.length, `${size} octets in answer to ${layout.length}`);
        // As much as fits (RFC 1812 4.3.2.3, RFC 4443 2.4 c).
        assert.equal(size, Math.min(most, room, headers + layout.length));
        const answer = Buffer.from(target.subarray(AT, AT + size));
        assert.deepEqual(answer.subarray(headers), datagram.subarray(0, size - headers));
        if (isIpv4) checkIpv4(answer, icmp(3, isTooBig ? 4 : 13));
        else checkIpv6(answer, icmp(isTooBig ? 2 : 1, isTooBig ? 0 : 1));
        assert.ok(
          target.subarray(0, AT).every((octet) => octet === 0xee),
          'nothing is written in front of it',
        );
        assert.ok(
          target.subarray(AT + size).every((octet) => octet === 0xee),
          'nor behind it',
        );
      }),
      { numRuns: 500 },
    );
  });
});

/** Octets of which no two near each other are the same. */
function pattern(size: number): Buffer {
  return Buffer.from(Array.from({ length: size }, (_, index) => index % 251));
}
