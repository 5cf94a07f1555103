/**
 * The parts of an IP datagram, and every way in which one can be malformed.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { IpLayout, parseIpLayout } from '../../../src/wire/ip-layout.ts';
import { MAX_EXTENSION_HEADERS } from '../../../src/wire/ipv6.ts';
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

/** The layout, or null when malformed. What follows the captured octets would be wrong in every length field. */
function parse(datagram: Buffer, captured = datagram.length): IpLayout | null {
  const layout = new IpLayout();
  const bytes = Buffer.concat([datagram.subarray(0, captured), Buffer.alloc(64, 0x07)]);
  return parseIpLayout(bytes, 0, captured, datagram.length, layout) ? layout : null;
}

function layoutOf(datagram: Buffer, captured?: number): IpLayout {
  const layout = parse(datagram, captured);
  assert.ok(layout, `malformed: ${datagram.toString('hex')}`);
  return layout;
}

function withOctet(datagram: Buffer, offset: number, value: number): Buffer {
  const changed = Buffer.from(datagram);
  changed[offset] = value;
  return changed;
}

describe('a well-formed datagram', () => {
  test('is taken apart: IPv4 with options', () => {
    const datagram = ipv4({ options: Buffer.from('94040000', 'hex') }, udp({}, Buffer.from('abc')));
    const expected = {
      version: 4,
      headerLength: 24,
      length: 35,
      declaredLength: 35,
      protocol: 17,
      transportOffset: 24,
      isFragment: false,
      fragmentOffset: 0,
      moreFragments: false,
      hasPorts: true,
      truncated: false,
    };
    assert.deepEqual({ ...layoutOf(datagram) }, expected);
  });

  test('is taken apart: IPv6 with every extension header that can be stepped over', () => {
    const types = [0, 43, 51, 60];
    const extensions = types.map((type) => extension(type, 16));
    const layout = layoutOf(ipv6({ extensions }, tcp()));
    assert.equal(layout.version, 6);
    assert.equal(layout.headerLength, 40);
    assert.equal(layout.protocol, 6);
    assert.equal(layout.transportOffset, 40 + 16 * types.length);
    assert.equal(layout.hasPorts, true);
    assert.equal(layout.isFragment, false);
  });

  test('may start anywhere in the buffer, with link padding behind it', () => {
    const datagram = ipv4({}, udp());
    const frame = ethernet({ padTo: 60 }, datagram);
    const layout = new IpLayout();
    assert.ok(parseIpLayout(frame, 14, frame.length - 14, frame.length - 14, layout));
    assert.equal(layout.length, datagram.length);
    assert.equal(layout.truncated, false);
  });

  test('leaves nothing of the packet before it in the layout', () => {
    const layout = new IpLayout();
    const first = ipv6({ extensions: [fragment(8, true)] }, octets(6, Buffer.alloc(16)));
    const second = ipv4({}, octets(47, Buffer.alloc(4)));
    assert.ok(parseIpLayout(first, 0, first.length, first.length, layout));
    assert.ok(parseIpLayout(second, 0, second.length, second.length, layout));
    assert.deepEqual({ ...layout }, { ...layoutOf(second) });
  });

  test('has ports for TCP, UDP, DCCP, SCTP and UDP-Lite only', () => {
    const withPorts = Array.from({ length: 256 }, (_, protocol) => protocol).filter(
      (protocol) =>
        parse(ipv4({}, octets(protocol, Buffer.from(`${'0'.repeat(24)}5000${'0'.repeat(12)}`, 'hex'))))?.hasPorts,
    );
    assert.deepEqual(withPorts, [6, 17, 33, 132, 136]);
    assert.equal(layoutOf(ipv4({}, octets(132, Buffer.alloc(3)))).hasPorts, false);
  });

  test('ends the walk at mobility, HIP and shim6, so that what they hold cannot pose as ports', () => {
    for (const type of [135, 139, 140]) {
      const layout = layoutOf(ipv6({ extensions: [extension(type)] }, tcp({ sourcePort: 1000, destinationPort: 443 })));
      assert.deepEqual([layout.protocol, layout.transportOffset, layout.hasPorts], [type, 40, false]);
      const behind = layoutOf(ipv6({ extensions: [extension(0), extension(60), extension(type)] }, tcp()));
      assert.deepEqual([behind.protocol, behind.transportOffset, behind.hasPorts], [type, 56, false]);
    }
  });

  test('ends the walk at ESP and at "no next header"', () => {
    const esp = layoutOf(ipv6({}, octets(50, Buffer.alloc(8))));
    assert.deepEqual([esp.protocol, esp.transportOffset, esp.hasPorts], [50, 40, false]);
    const none = layoutOf(ipv6({ extensions: [extension(60)] }, octets(59, Buffer.alloc(0))));
    assert.deepEqual([none.protocol, none.transportOffset, none.length], [59, 48, 48]);
  });
});

describe('a header that cannot be right', () => {
  test('is refused: hop-by-hop options anywhere but directly behind the IPv6 header', () => {
    for (const first of [0, 43, 51, 60]) {
      const extensions = [extension(first, 16), extension(0)];
      assert.equal(parse(ipv6({ extensions }, tcp())), null, `behind ${first}`);
    }
    assert.equal(parse(ipv6({ extensions: [fragment(0, true), extension(0)] }, udp({}, Buffer.alloc(16)))), null);
    assert.notEqual(parse(ipv6({ extensions: [extension(0), extension(60)] }, tcp())), null);
  });

  const v4 = ipv4({}, udp());
  const v6 = ipv6({}, udp());

  test('is refused at every length that cuts it', () => {
    for (let length = 0; length < 20; length++) assert.equal(parse(v4, length), null, `IPv4, ${length} octets`);
    for (let length = 0; length < 40; length++) assert.equal(parse(v6, length), null, `IPv6, ${length} octets`);
    const withOptions = ipv4({ options: Buffer.alloc(8, 1) }, udp());
    for (let length = 20; length < 28; length++) assert.equal(parse(withOptions, length), null, `options, ${length}`);
  });

  test('is refused when its version is neither 4 nor 6', () => {
    for (let version = 0; version < 16; version++) {
      const isIp = version === 4 || version === 6;
      if (!isIp) assert.equal(parse(withOctet(v4, 0, (version << 4) | 5)), null, `version ${version}`);
    }
  });

  test('is refused when the IPv4 header length is below five words or above the datagram', () => {
    for (let words = 0; words < 5; words++) assert.equal(parse(withOctet(v4, 0, 0x40 | words)), null, `${words} words`);
    assert.equal(parse(withOctet(v4, 0, 0x48)), null, 'longer than the datagram');
  });

  test('is refused when the total length is below the header or above what was on the wire', () => {
    assert.equal(parse(ipv4({ totalLength: 19 }, udp())), null);
    assert.equal(parse(ipv4({ totalLength: v4.length + 1 }, udp())), null);
    assert.equal(parse(ipv6({ payloadLength: 9 }, udp())), null);
    assert.ok(parse(ipv4({}, octets(47, Buffer.alloc(0)))), 'a header alone is a datagram');
  });
});

describe('a length of zero', () => {
  test('means the rest of the frame in IPv4 and IPv6', () => {
    const body = Buffer.alloc(70_000);
    const v4 = layoutOf(ipv4({ totalLength: 0 }, tcp({}, body)));
    assert.deepEqual([v4.length, v4.declaredLength], [70_040, 70_040]);
    const v6 = layoutOf(ipv6({ payloadLength: 0 }, tcp({}, body)));
    assert.deepEqual([v6.length, v6.declaredLength], [70_060, 70_060]);
  });

  test('is the truth in IPv6 when nothing follows', () => {
    const bare = layoutOf(Buffer.concat([ipv6({}, octets(59, Buffer.alloc(0))), Buffer.alloc(6)]));
    assert.deepEqual([bare.length, bare.declaredLength], [40, 40]);
    assert.equal(parse(ipv6({}, octets(17, Buffer.alloc(0)))), null, 'UDP without a header');
  });

  test('in the UDP header goes with a super-frame', () => {
    assert.ok(parse(ipv4({}, udp({ length: 0 }, Buffer.alloc(100)))));
  });
});

describe('a fragment', () => {
  test('is known as the first, a middle and the last one in IPv4', () => {
    const first = layoutOf(ipv4({ moreFragments: true }, udp({ length: 3000 }, Buffer.alloc(8))));
    assert.deepEqual([first.isFragment, first.fragmentOffset, first.moreFragments], [true, 0, true]);
    assert.equal(first.hasPorts, true);
    const middle = layoutOf(ipv4({ moreFragments: true, fragmentOffset: 16 }, octets(17, Buffer.alloc(8))));
    assert.deepEqual([middle.isFragment, middle.fragmentOffset, middle.moreFragments], [true, 16, true]);
    assert.equal(middle.hasPorts, false);
    const last = layoutOf(ipv4({ fragmentOffset: 16 }, octets(17, Buffer.alloc(3))));
    assert.deepEqual([last.isFragment, last.fragmentOffset, last.moreFragments], [true, 16, false]);
  });

  test('is known in IPv6, and nothing behind a later fragment header is looked at', () => {
    const first = layoutOf(ipv6({ extensions: [extension(0), fragment(0, true), extension(60)] }, tcp()));
    assert.deepEqual([first.isFragment, first.transportOffset, first.hasPorts], [true, 64, true]);
    const later = layoutOf(ipv6({ extensions: [fragment(64, false)] }, octets(60, Buffer.alloc(4, 0xff))));
    assert.deepEqual([later.protocol, later.transportOffset, later.fragmentOffset], [60, 48, 64]);
    assert.equal(later.hasPorts, false);
  });

  test('is none when it is whole (RFC 6946), and is then judged as a whole datagram', () => {
    assert.equal(layoutOf(ipv6({ extensions: [fragment(0, false)] }, tcp())).isFragment, false);
    assert.equal(parse(ipv6({ extensions: [fragment(0, false)] }, udp({ length: 9 }))), null);
    const superFrame = ipv6({ payloadLength: 0, extensions: [fragment(0, false)] }, tcp({}, Buffer.alloc(70_000)));
    assert.equal(layoutOf(superFrame).isFragment, false, 'nothing is put together, so no length is too long');
  });

  test('is malformed when it reaches past 65535', () => {
    // 65535 octets at most: 20 of header, 65512 of offset, 3 of data.
    assert.ok(parse(ipv4({ fragmentOffset: 65_512 }, octets(17, Buffer.alloc(3)))));
    assert.equal(parse(ipv4({ fragmentOffset: 65_512 }, octets(17, Buffer.alloc(4)))), null);
    assert.ok(parse(ipv6({ extensions: [fragment(65_528, false)] }, octets(17, Buffer.alloc(7)))));
    assert.equal(parse(ipv6({ extensions: [fragment(65_528, false)] }, octets(17, Buffer.alloc(8)))), null);
    assert.equal(
      parse(ipv6({ extensions: [extension(0), fragment(65_528, false)] }, octets(17, Buffer.alloc(7)))),
      null,
    );
  });

  test('of TCP at offset 8 could overwrite the flags, and is malformed', () => {
    assert.equal(parse(ipv4({ fragmentOffset: 8 }, octets(6, Buffer.alloc(16)))), null);
    assert.ok(parse(ipv4({ fragmentOffset: 16 }, octets(6, Buffer.alloc(16)))));
    assert.ok(parse(ipv4({ fragmentOffset: 8 }, octets(17, Buffer.alloc(16)))));
  });

  test('that is the first must hold the whole chain of headers', () => {
    assert.equal(parse(ipv4({ moreFragments: true }, octets(6, Buffer.alloc(16, 0x50)))), null, 'TCP cut');
    assert.equal(parse(ipv6({ extensions: [fragment(0, true)] }, octets(60, Buffer.alloc(7)))), null, 'chain cut');
    assert.equal(parse(ipv6({ extensions: [fragment(0, true)] }, octets(6, Buffer.alloc(16, 0x50)))), null, 'TCP cut');
  });

  test('of a fragment is malformed', () => {
    assert.equal(parse(ipv6({ extensions: [fragment(0, true), fragment(0, true)] }, tcp())), null);
  });
});

describe('an extension header chain', () => {
  test('is malformed when it runs past the datagram', () => {
    const long = extension(60, 8);
    long.octets[1] = 4;
    assert.equal(parse(ipv6({ extensions: [long] }, tcp())), null);
    for (let length = 0; length < 8; length++) {
      const cut = Buffer.alloc(length);
      assert.equal(parse(ipv6({}, octets(60, cut))), null, `${length} octets of destination options`);
    }
  });

  test('is malformed when it is longer than the bound', () => {
    const chainOf = (count: number) => ipv6({ extensions: Array.from({ length: count }, () => extension(60)) }, tcp());
    assert.ok(parse(chainOf(MAX_EXTENSION_HEADERS)));
    assert.equal(parse(chainOf(MAX_EXTENSION_HEADERS + 1)), null);
  });

  test('that the capture cut is not malformed: the protocol is where the walk had to stop', () => {
    const datagram = ipv6({ extensions: [extension(0), extension(60, 24)] }, tcp());
    for (let captured = 40; captured < datagram.length; captured++) {
      const layout = layoutOf(datagram, captured);
      const protocol = captured < 48 ? 0 : captured < 56 ? 60 : 6;
      assert.equal(layout.protocol, protocol, `${captured} octets`);
      assert.equal(layout.truncated, true);
      assert.equal(layout.hasPorts, captured >= 76);
      assert.ok(layout.transportOffset <= layout.length);
    }
  });
});

describe('a transport header', () => {
  test('that is too short is malformed in IPv4 and IPv6', () => {
    const least = [
      [6, 20],
      [17, 8],
    ] as const;
    for (const [protocol, headerLength] of least) {
      for (let length = 0; length < headerLength; length++) {
        const body = octets(protocol, Buffer.alloc(length, 0x50));
        assert.equal(parse(ipv4({}, body)), null, `IPv4, protocol ${protocol}, ${length} octets`);
        assert.equal(parse(ipv6({}, body)), null, `IPv6, protocol ${protocol}, ${length} octets`);
      }
    }
    for (let length = 0; length < 8; length++) {
      assert.equal(parse(ipv4({}, octets(1, Buffer.alloc(length)))), null, `ICMP, ${length} octets`);
      assert.equal(parse(ipv6({}, octets(58, Buffer.alloc(length)))) !== null, length >= 4, `ICMPv6, ${length} octets`);
    }
    assert.ok(parse(ipv4({}, icmpv4())));
    assert.ok(parse(ipv6({}, icmpv6())));
  });

  test('of TCP is malformed when its data offset is below five words or above what a whole datagram holds', () => {
    for (let words = 0; words < 16; words++) {
      const whole = withOctet(ipv4({}, tcp({}, Buffer.alloc(8))), 32, words << 4);
      assert.equal(parse(whole) !== null, words >= 5 && words <= 7, `${words} words`);
      const first = withOctet(ipv4({ moreFragments: true }, tcp()), 32, words << 4);
      assert.equal(parse(first) !== null, words >= 5, `${words} words in a first fragment`);
    }
  });

  test('of UDP is malformed when its length is below 8 or above what a whole datagram holds', () => {
    for (let length = 0; length < 20; length++) {
      const isSound = length === 0 || (length >= 8 && length <= 12);
      assert.equal(parse(ipv4({}, udp({ length }, Buffer.alloc(4)))) !== null, isSound, `${length} octets`);
    }
    assert.equal(parse(ipv4({ moreFragments: true }, udp({ length: 7 }, Buffer.alloc(8)))), null);
    assert.ok(parse(ipv4({ moreFragments: true }, udp({ length: 3000 }, Buffer.alloc(8)))));
  });

  test('that the capture cut is judged by what is declared', () => {
    const tcpDatagram = ipv4({}, tcp({}, Buffer.alloc(100)));
    const udpDatagram = ipv4({}, udp({}, Buffer.alloc(100)));
    for (const datagram of [tcpDatagram, udpDatagram]) {
      for (let captured = 20; captured < datagram.length; captured++) {
        const layout = layoutOf(datagram, captured);
        assert.equal(layout.hasPorts, captured >= 24, `${captured} octets`);
        assert.deepEqual([layout.truncated, layout.length, layout.declaredLength], [true, captured, datagram.length]);
      }
    }
    assert.equal(parse(withOctet(tcpDatagram, 32, 0x40), 33), null, 'the data offset is there and wrong');
    assert.equal(parse(ipv4({}, udp({ length: 109 }, Buffer.alloc(100))), 26), null, 'the length is there and wrong');
  });
});
