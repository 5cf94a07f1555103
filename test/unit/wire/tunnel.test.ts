/** Super-frames of tunnels: what they are cut into, and what is not cut. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as tcpCodec from '../../../src/wire/tcp.ts';
import { MAX_SEGMENTS, TunnelSegments } from '../../../src/wire/tunnel.ts';
import { extension, fragment, ipv4, ipv6, tcp, udp } from '../../support/packet-builder.ts';
import { checkIpv4, checkIpv6, flags, tcp as isTcp, udp as isUdp } from '../../support/packet-checker.ts';
import { CARRIERS, type Carrier, tunnel, unwrap } from '../../support/tunnels.ts';

const { ACK, CWR, FIN, PSH } = tcpCodec;
const NETWORK = 14;
const TCP_OPTIONS = Buffer.from('0101080a0000000100000002', 'hex');

function octets(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, index) => index % 251));
}

/** Octet where the transport header stands in a frame that ends with it and what follows. */
function startOf(frame: Buffer, transportLength: number): number {
  return frame.length - transportLength;
}

function cut(frame: Buffer, transportOffset: number, size: number, network = NETWORK): Buffer[] | null {
  const segments = new TunnelSegments();
  if (!segments.open(frame, frame.length, network, transportOffset, size)) {
    assert.equal(segments.count, 0);
    return null;
  }
  return Array.from({ length: segments.count }, (_, index) => {
    const out = Buffer.alloc(segments.maxLength, 0xee);
    return out.subarray(0, segments.write(index, out));
  });
}

const tcpOf = (payload: Buffer, of = ACK | PSH | FIN | CWR) =>
  tcp({ sequence: 0xffff_fff0, flags: of, options: TCP_OPTIONS }, payload);

describe('a super-frame of a tunnel', () => {
  for (const carrier of CARRIERS) {
    for (const outer of [4, 6] as const) {
      for (const inner of [4, 6] as const) {
        test(`TCP over IPv${inner} in ${carrier} over IPv${outer}`, () => segmentsOfTcp(carrier, outer, inner));
        test(`UDP over IPv${inner} in ${carrier} over IPv${outer}`, () => segmentsOfUdp(carrier, outer, inner));
      }
    }
  }

  test('keeps its VLAN tags', () => {
    const datagram = ipv4({}, udp({}, octets(50)));
    const frame = tunnel('vxlan', { outer: 4, tags: [{ type: 0x88a8, id: 1 }, { id: 2 }] }, datagram);
    const segments = cut(frame, startOf(frame, 58), 20, NETWORK + 8) ?? [];
    assert.equal(segments.length, 3);
    for (const segment of segments) {
      assert.deepEqual(segment.subarray(0, 22), frame.subarray(0, 22));
      checkIpv4(unwrap('vxlan', segment.subarray(22)), isUdp());
    }
  });

  test('finds the inner header behind extension headers and before options', () => {
    const payload = octets(90);
    const extended = ipv6({ extensions: [extension(0), extension(60, 24)] }, tcpOf(payload));
    const withOptions = ipv4({ options: Buffer.alloc(12, 1) }, tcpOf(payload));
    for (const datagram of [extended, withOptions]) {
      const frame = tunnel('gre', { outer: 6 }, datagram);
      const segments = cut(frame, startOf(frame, 32 + 90), 40) ?? [];
      assert.equal(segments.length, 3);
      for (const segment of segments) {
        const got = unwrap('gre', segment.subarray(NETWORK));
        if (datagram === extended) checkIpv6(got, isTcp());
        else checkIpv4(got, isTcp());
      }
    }
  });

  test('one that is short enough is one segment', () => {
    const frame = tunnel('ip', { outer: 4 }, ipv4({ identification: 7 }, tcpOf(octets(10))));
    assert.deepEqual(cut(frame, startOf(frame, 42), 10), [frame]);
  });

  test('identifications go on behind the largest', () => {
    const frame = tunnel(
      'ip',
      { outer: 4, identification: 0xffff },
      ipv4({ identification: 0xfffe }, udp({}, octets(9))),
    );
    const segments = cut(frame, startOf(frame, 17), 3) ?? [];
    assert.deepEqual(
      segments.map((segment) => [segment.readUInt16BE(NETWORK + 4), segment.readUInt16BE(NETWORK + 24)]),
      [
        [0xffff, 0xfffe],
        [0, 0xffff],
        [1, 0],
      ],
    );
  });
});

describe('what is not cut', () => {
  const payload = octets(100);
  const good = tunnel('gre summed', { outer: 4 }, ipv4({}, tcpOf(payload)));
  const start = startOf(good, 132);
  const refused: Record<string, () => Buffer[] | null> = {
    'no tunnel': () => {
      const frame = tunnel('ip', { outer: 4 }, Buffer.alloc(0));
      return cut(Buffer.concat([frame.subarray(0, NETWORK), ipv4({}, tcpOf(payload))]), NETWORK + 20, 10);
    },
    'no room for a segment': () => cut(good, start, 0),
    'more segments than a datagram can have': () => {
      const frame = tunnel('ip', { outer: 4 }, ipv4({}, udp({}, octets(MAX_SEGMENTS + 1))));
      return cut(frame, startOf(frame, MAX_SEGMENTS + 9), 1);
    },
    'no payload': () => {
      const frame = tunnel('ip', { outer: 4 }, ipv4({}, tcpOf(Buffer.alloc(0))));
      return cut(frame, startOf(frame, 32), 10);
    },
    'octets behind the datagram': () => cut(Buffer.concat([good, Buffer.alloc(2)]), start, 10),
    'octets missing': () => cut(good.subarray(0, -1), start, 10),
    'another transport header than there is': () => cut(good, start + 2, 10),
    'a numbered GRE': () => {
      const frame = Buffer.from(good);
      frame.writeUInt16BE(0xb000, NETWORK + 20);
      return cut(frame, start, 10);
    },
    'a wrong inner header checksum': () => {
      const frame = Buffer.from(good);
      frame.writeUInt16BE(1, start - 10);
      return cut(frame, start, 10);
    },
    'an unknown carrier': () => {
      const frame = Buffer.from(good);
      frame[NETWORK + 9] = 50;
      return cut(frame, start, 10);
    },
    'a fragment outside': () => {
      const frame = Buffer.from(good);
      frame.writeUInt16BE(0x2000, NETWORK + 6);
      return cut(frame, start, 10);
    },
    'a fragment inside': () => {
      const inside = ipv6({ extensions: [fragment(0, true)] }, udp({}, payload));
      const frame = tunnel('ip', { outer: 4 }, inside);
      return cut(frame, startOf(frame, 108), 10);
    },
  };
  for (const [what, attempt] of Object.entries(refused)) test(what, () => assert.equal(attempt(), null));

  test('but the frame that they were made of is', () => assert.equal(cut(good, start, 10)?.length, 10));
});

/** Every checksum, length, number and flag of every segment, and all octets of the payload. */
function segmentsOfTcp(carrier: Carrier, outer: 4 | 6, inner: 4 | 6): void {
  const payload = octets(1001);
  const datagram = inner === 4 ? ipv4({ identification: 100 }, tcpOf(payload)) : ipv6({}, tcpOf(payload));
  const frame = tunnel(carrier, { outer, identification: 200 }, datagram);
  const segments = cut(frame, startOf(frame, 32 + payload.length), 300) ?? [];
  assert.equal(segments.length, 4);
  const got = segments.map((segment, index) => {
    assert.deepEqual(segment.subarray(0, NETWORK), frame.subarray(0, NETWORK));
    const isFirst = index === 0;
    const isLast = index === 3;
    const bytes = unwrap(carrier, segment.subarray(NETWORK));
    const expected = ACK | (isFirst ? CWR : 0) | (isLast ? PSH | FIN : 0);
    if (inner === 4) {
      checkIpv4(bytes, isTcp(flags(expected)));
      assert.equal(bytes.readUInt16BE(4), 100 + index);
    } else checkIpv6(bytes, isTcp(flags(expected)));
    if (outer === 4) assert.equal(segment.readUInt16BE(NETWORK + 4), 200 + index);
    const transport = inner === 4 ? 20 : 40;
    assert.equal(bytes.readUInt32BE(transport + 4), (0xffff_fff0 + index * 300) % 2 ** 32);
    assert.deepEqual(bytes.subarray(transport + 20, transport + 32), TCP_OPTIONS);
    return bytes.subarray(transport + 32);
  });
  assert.deepEqual(
    got.map(({ length }) => length),
    [300, 300, 300, 101],
  );
  assert.deepEqual(Buffer.concat(got), payload);
}

function segmentsOfUdp(carrier: Carrier, outer: 4 | 6, inner: 4 | 6): void {
  const payload = octets(500);
  const datagram = inner === 4 ? ipv4({}, udp({}, payload)) : ipv6({}, udp({}, payload));
  const frame = tunnel(carrier, { outer }, datagram);
  const segments = cut(frame, startOf(frame, 8 + payload.length), 200) ?? [];
  const got = segments.map((segment) => {
    const bytes = unwrap(carrier, segment.subarray(NETWORK));
    if (inner === 4) checkIpv4(bytes, isUdp());
    else checkIpv6(bytes, isUdp());
    const transport = inner === 4 ? 20 : 40;
    assert.equal(bytes.readUInt16BE(transport + 4), bytes.length - transport);
    return bytes.subarray(transport + 8);
  });
  assert.deepEqual(
    got.map(({ length }) => length),
    [200, 200, 100],
  );
  assert.deepEqual(Buffer.concat(got), payload);
}
