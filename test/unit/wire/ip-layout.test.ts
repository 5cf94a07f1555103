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
  type Extension,
  ethernet,
  extension,
  fragment,
  icmpv4,
  icmpv6,
  ipv4,
  ipv6,
  octets,
  type Transport,
  tcp,
  udp,
} from '../../support/packet-builder.ts';

/** The layout, or null when malformed. What follows the captured octets would be wrong in every length field. */
function parse(datagram: Buffer, captured = datagram.length, mayBeOpen = false): IpLayout | null {
  const layout = new IpLayout();
  const bytes = Buffer.concat([datagram.subarray(0, captured), Buffer.alloc(64, 0x07)]);
  return parseIpLayout(bytes, 0, captured, datagram.length, layout, mayBeOpen) ? layout : null;
}

/** The same where a length of 0 may stand for the rest. */
function parseOpen(datagram: Buffer): IpLayout | null {
  return parse(datagram, datagram.length, true);
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
      isCut: false,
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
    const first = ipv6({ extensions: [fragment(16, true)] }, octets(6, Buffer.alloc(16)));
    const second = ipv4({}, octets(47, Buffer.alloc(4)));
    assert.ok(parseIpLayout(first, 0, first.length, first.length, layout));
    assert.ok(parseIpLayout(second, 0, second.length, second.length, layout));
    assert.deepEqual({ ...layout }, { ...layoutOf(second) });
  });

  test('has ports for TCP, UDP, DCCP, SCTP and UDP-Lite only', () => {
    const withPorts = Array.from({ length: 256 }, (_, protocol) => protocol).filter(
      (protocol) =>
        parse(
          ipv4({}, octets(protocol, Buffer.from(`${'0'.repeat(8)}0014${'0'.repeat(12)}5000${'0'.repeat(12)}`, 'hex'))),
        )?.hasPorts,
    );
    assert.deepEqual(withPorts, [6, 17, 33, 132, 136]);
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

  test('is cut, not malformed, where a capture kept too little of it', () => {
    const isCut = (datagram: Buffer, captured: number): boolean => {
      const layout = new IpLayout();
      assert.equal(parseIpLayout(datagram.subarray(0, captured), 0, captured, datagram.length, layout), false);
      return layout.isCut;
    };
    for (let length = 1; length < 20; length++) assert.equal(isCut(v4, length), true, `IPv4, ${length} octets`);
    for (let length = 1; length < 40; length++) assert.equal(isCut(v6, length), true, `IPv6, ${length} octets`);
    const withOptions = ipv4({ options: Buffer.alloc(8, 1) }, udp());
    for (let length = 1; length < 28; length++) assert.equal(isCut(withOptions, length), true, `options, ${length}`);
    const wrong: readonly [what: string, datagram: Buffer, from: number][] = [
      ['another version', withOctet(v4, 0, 0x55), 1],
      ['a header of four words', withOctet(v4, 0, 0x44), 1],
      ['a header longer than the datagram', withOctet(v4, 0, 0x4f), 1],
      ['a total length below the header', ipv4({ totalLength: 19 }, udp()), 4],
      ['a total length above the frame', ipv4({ totalLength: v4.length + 1 }, udp()), 4],
      ['a total length of 0', ipv4({ totalLength: 0 }, tcp()), 4],
      ['a payload length above the frame', ipv6({ payloadLength: 9 }, udp()), 6],
    ];
    for (const [what, datagram, from] of wrong) assert.equal(isCut(datagram, from), false, what);
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
  const body = Buffer.alloc(70_000);
  const jumbo = (length: number): Extension => {
    const options = Buffer.from('0000c20400000000', 'hex');
    options.writeUInt32BE(length, 4);
    return { type: 0, octets: options };
  };
  const open: readonly [name: string, datagram: Buffer, length: number][] = [
    ['IPv4', ipv4({ totalLength: 0 }, tcp({}, body)), 70_040],
    ['IPv4, not longer than the field could say', ipv4({ totalLength: 0 }, tcp({}, Buffer.alloc(3000))), 3040],
    ['IPv6', ipv6({ payloadLength: 0 }, tcp({}, body)), 70_060],
    ['IPv6 with a jumbo option', ipv6({ payloadLength: 0, extensions: [jumbo(70_028)] }, tcp({}, body)), 70_068],
    [
      'IPv6 with another extension header',
      ipv6({ payloadLength: 0, extensions: [extension(60)] }, tcp({}, body)),
      70_068,
    ],
    [
      'IPv6, its own only fragment',
      ipv6({ payloadLength: 0, extensions: [fragment(0, false)] }, tcp({}, body)),
      70_068,
    ],
  ];
  for (const [name, datagram, length] of open) {
    test(`stands for the rest of a super-frame, and is malformed anywhere else: ${name}`, () => {
      const layout = parseOpen(datagram);
      assert.deepEqual([layout?.length, layout?.declaredLength, layout?.isFragment], [length, length, false]);
      assert.equal(parse(datagram), null);
    });
  }

  test('is no length of a fragment, which nobody sends as a super-frame', () => {
    assert.equal(parseOpen(ipv4({ totalLength: 0, moreFragments: true }, tcp({}, Buffer.alloc(100)))), null);
    assert.equal(parseOpen(ipv4({ totalLength: 0, fragmentOffset: 64 }, octets(6, Buffer.alloc(100)))), null);
    const extensions = [fragment(0, true)];
    assert.equal(parseOpen(ipv6({ payloadLength: 0, extensions }, tcp({}, Buffer.alloc(100)))), null);
  });

  test('leaves the length of IPv6 to the jumbo option where there is one', () => {
    const of = (length: number, more = 0) =>
      parseOpen(
        Buffer.concat([ipv6({ payloadLength: 0, extensions: [jumbo(length)] }, tcp({}, body)), Buffer.alloc(more)]),
      );
    assert.equal(of(70_028, 6)?.length, 70_068, 'what follows is padding');
    assert.equal(of(70_029), null, 'more than there is');
    assert.equal(of(65_535), null, 'what the field of the header could say (RFC 2675, 3)');
  });

  test('is the truth in IPv6 when nothing follows', () => {
    const bare = layoutOf(Buffer.concat([ipv6({}, octets(59, Buffer.alloc(0))), Buffer.alloc(6)]));
    assert.deepEqual([bare.length, bare.declaredLength], [40, 40]);
    assert.equal(parse(ipv6({}, octets(17, Buffer.alloc(0)))), null, 'UDP without a header');
  });

  test('in the UDP header stands for the rest in IPv6, as in the kernel, and of a tunnel that is a super-frame', () => {
    assert.ok(parse(ipv6({}, udp({ length: 0 }, Buffer.alloc(100)))));
    assert.equal(parse(ipv4({}, udp({ length: 0 }, Buffer.alloc(100)))), null);
    assert.equal(parseOpen(ipv4({ totalLength: 0 }, udp({ length: 0 }, body)))?.length, 70_028, 'BIG TCP in VXLAN');
    assert.equal(parseOpen(ipv4({ totalLength: 0 }, udp({ length: 0 }, Buffer.alloc(100)))), null);
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

  /** A fragment of either family: the two have to agree about all that is said of fragments. */
  const families: readonly [name: string, make: (offset: number, more: boolean, body: Transport) => Buffer][] = [
    ['IPv4', (fragmentOffset, moreFragments, body) => ipv4({ fragmentOffset, moreFragments }, body)],
    ['IPv6', (offset, more, body) => ipv6({ extensions: [fragment(offset, more)] }, body)],
    ['IPv6 behind options', (offset, more, body) => ipv6({ extensions: [extension(0), fragment(offset, more)] }, body)],
  ];
  for (const [name, make] of families) {
    test(`of TCP at offset 8 could overwrite the flags, and is malformed: ${name}`, () => {
      for (const more of [false, true]) {
        assert.equal(parse(make(8, more, octets(6, Buffer.alloc(16)))), null);
        assert.ok(parse(make(16, more, octets(6, Buffer.alloc(16)))));
        assert.ok(parse(make(8, more, octets(17, Buffer.alloc(16)))));
      }
    });

    test(`that is the first is malformed where it ends within its transport header: ${name}`, () => {
      const least = [
        [6, 20],
        [17, 8],
        [33, 12],
        [132, 12],
        [136, 8],
        [name === 'IPv4' ? 1 : 58, name === 'IPv4' ? 8 : 4],
      ] as const;
      for (const [protocol, headerLength] of least) {
        // A data offset of five words where TCP has it, and a UDP length that the other fragments make true.
        const header = Buffer.alloc(24, 0x50);
        for (let length = 0; length <= 24; length++) {
          const isWhole = parse(make(0, true, octets(protocol, header.subarray(0, length)))) !== null;
          assert.equal(isWhole, length >= headerLength, `protocol ${protocol}, ${length} octets`);
        }
      }
    });
  }

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
      [33, 12],
      [132, 12],
      [136, 8],
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
      const isSound = length >= 8 && length <= 12;
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
