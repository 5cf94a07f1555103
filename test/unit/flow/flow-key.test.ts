/**
 * The key of a flow: the same in both directions, another one for everything else.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FlowKey, KEY_WORDS, KEYED, QUOTES, UNKEYED, UNTRACKED } from '../../../src/flow/flow-key.ts';
import { IpLayout, parseIpLayout } from '../../../src/wire/ip-layout.ts';
import type { Transport } from '../../support/packet-builder.ts';
import { extension, icmpv4, icmpv6, ipv4, ipv6, octets, tcp, udp } from '../../support/packet-builder.ts';
import { randomNumbers } from './flow-rig.ts';

const A = '192.0.2.1';
const B = '198.51.100.2';
const A6 = '2001:db8::1';
const B6 = '2001:db8::2';

interface Loaded {
  readonly code: number;
  readonly words: string;
  readonly swapped: number;
  readonly mayOpen: number;
  readonly hash: number;
}

function load(datagram: Uint8Array, zone = 0, original = datagram.length): Loaded {
  const layout = new IpLayout();
  assert.ok(parseIpLayout(datagram, 0, datagram.length, original, layout));
  const key = new FlowKey(1, 2);
  const code = key.load(datagram, 0, layout, zone);
  const words = Array.from(key.words, (word, index) => (!key.isLong && index >= 3 && index < 9 ? 0 : word));
  return { code, words: words.join(' '), swapped: key.swapped, mayOpen: key.mayOpen, hash: key.hash() };
}

const v4 = (source: string, destination: string, transport: Transport): Buffer =>
  ipv4({ source, destination }, transport);
const v6 = (source: string, destination: string, transport: Transport): Buffer =>
  ipv6({ source, destination }, transport);
const ports = (sourcePort: number, destinationPort: number) => ({ sourcePort, destinationPort });
const query = (type: number, id = 7) => ({ type, rest: id << 16 });

test('both directions have one key, and the direction tells them apart', () => {
  const pairs = [
    [v4(A, B, tcp(ports(1024, 80))), v4(B, A, tcp(ports(80, 1024)))],
    [v4(A, B, udp(ports(1024, 80))), v4(B, A, udp(ports(80, 1024)))],
    [v4(A, A, udp(ports(1024, 80))), v4(A, A, udp(ports(80, 1024)))],
    [v4(A, B, octets(47, Buffer.alloc(8))), v4(B, A, octets(47, Buffer.alloc(8)))],
    [v4(A, B, icmpv4(query(8))), v4(B, A, icmpv4(query(0)))],
    [v4(A, A, icmpv4(query(8))), v4(A, A, icmpv4(query(0)))],
    [v4(A, B, icmpv4(query(13))), v4(B, A, icmpv4(query(14)))],
    [v4(A, B, icmpv4(query(15))), v4(B, A, icmpv4(query(16)))],
    [v4(A, B, icmpv4(query(17))), v4(B, A, icmpv4(query(18)))],
    [v6(A6, B6, tcp(ports(1024, 80))), v6(B6, A6, tcp(ports(80, 1024)))],
    [v6(A6, A6, tcp(ports(1024, 80))), v6(A6, A6, tcp(ports(80, 1024)))],
    [v6(A6, B6, icmpv6(query(128))), v6(B6, A6, icmpv6(query(129)))],
    [v6(A6, A6, icmpv6(query(128))), v6(A6, A6, icmpv6(query(129)))],
    [v6(A6, B6, icmpv6(query(139))), v6(B6, A6, icmpv6(query(140)))],
    [ipv6({ extensions: [extension(0), extension(60)] }, udp()), v6(B6, A6, udp(ports(53, 49152)))],
  ] as const;
  for (const [there, back] of pairs) {
    const [one, other] = [load(there), load(back)];
    assert.equal(one.code, KEYED);
    assert.equal(one.words, other.words);
    assert.equal(one.hash, other.hash);
    assert.notEqual(one.swapped, other.swapped);
  }
});

test('ends, ports, protocol, version, zone, identifier, kind and asker of a query make another key', () => {
  const loaded = [
    load(v4(A, B, udp(ports(1, 2)))),
    load(v4(A, B, udp(ports(2, 1)))),
    load(v4(A, B, udp(ports(1, 3)))),
    load(v4(A, B, tcp(ports(1, 2)))),
    load(v4(A, '198.51.100.3', udp(ports(1, 2)))),
    load(v4(A, B, udp(ports(1, 2))), 1),
    load(v4(A, B, udp(ports(1, 2))), 1 << 15),
    load(v4(A, B, udp(ports(1, 2))), 1 << 30),
    load(v6(A6, B6, udp(ports(1, 2)))),
    load(v6(A6, '2001:db8::1:2', udp(ports(1, 2)))),
    load(v6(A6, '2001:db8:1::2', udp(ports(1, 2)))),
    load(v6('2001:db8:0:1::1', B6, udp(ports(1, 2)))),
    load(v4(A, B, icmpv4(query(8, 7)))),
    load(v4(A, B, icmpv4(query(8, 8)))),
    load(v4(A, B, icmpv4(query(13, 7)))),
    load(v4(B, A, icmpv4(query(8, 7)))),
    load(v4(A, B, octets(58, Buffer.alloc(8)))),
    load(v4(A, B, octets(47, Buffer.alloc(8)))),
  ];
  assert.equal(new Set(loaded.map(({ words }) => words)).size, loaded.length);
  assert.equal(new Set(loaded.map(({ hash }) => hash)).size, loaded.length);
});

test('a reply to a query opens no flow, a query does', () => {
  assert.equal(load(v4(A, B, icmpv4(query(8)))).mayOpen, 1);
  assert.equal(load(v4(A, B, icmpv4(query(0)))).mayOpen, 0);
  assert.equal(load(v6(A6, B6, icmpv6(query(128)))).mayOpen, 1);
  assert.equal(load(v6(A6, B6, icmpv6(query(129)))).mayOpen, 0);
});

test('errors are told from queries, and what only a link says from both: every type of ICMP', () => {
  const codes = (build: (type: number) => Buffer) => {
    const byCode = new Map<number, number[]>();
    for (let type = 0; type < 256; type++) {
      const { code } = load(build(type));
      byCode.set(code, [...(byCode.get(code) ?? []), type]);
    }
    return byCode;
  };
  const four = codes((type) => v4(A, B, icmpv4({ type })));
  assert.deepEqual(four.get(KEYED), [0, 8, 13, 14, 15, 16, 17, 18]);
  assert.deepEqual(four.get(QUOTES), [3, 4, 5, 11, 12]);
  assert.deepEqual(four.get(UNTRACKED), [9, 10]);
  assert.equal(four.get(UNKEYED)?.length, 256 - 15);
  const six = codes((type) => v6(A6, B6, icmpv6({ type })));
  assert.deepEqual(six.get(KEYED), [128, 129, 139, 140]);
  assert.deepEqual(
    six.get(QUOTES),
    Array.from({ length: 128 }, (_, type) => type),
  );
  assert.deepEqual(six.get(UNTRACKED), [130, 131, 132, 133, 134, 135, 136, 137, 143]);
  assert.equal(six.get(UNKEYED)?.length, 256 - 4 - 128 - 9);
});

test('what the capture cut before the ports or the identifier has no key', () => {
  for (const whole of [v4(A, B, tcp()), v4(A, B, udp()), v4(A, B, icmpv4()), v6(A6, B6, icmpv6()), v6(A6, B6, udp())]) {
    const header = whole[0] === 0x45 ? 20 : 40;
    assert.equal(load(whole.subarray(0, header + 3), 0, whole.length).code, UNKEYED);
  }
});

test('keys that collide in an unseeded hash spread evenly in the seeded one', () => {
  // Sum of the words, as an unseeded table could have it: ports and addresses that make it the same are easy to find.
  const unseeded = (words: Int32Array): number => {
    let sum = 0;
    for (const word of words) sum = (Math.imul(sum, 31) + word) | 0;
    return sum & 1_023;
  };
  const datagram = v4(A, B, udp(ports(1, 80)));
  const layout = new IpLayout();
  assert.ok(parseIpLayout(datagram, 0, datagram.length, datagram.length, layout));
  const next = randomNumbers(7);
  for (const seed of [next(2 ** 32), next(2 ** 32), next(2 ** 32)]) {
    const key = new FlowKey(seed, next(2 ** 32));
    const buckets = new Int32Array(1_024);
    let found = 0;
    for (let attempt = 0; found < 8_192; attempt++) {
      datagram.writeUInt32BE(0x0a00_0000 + attempt, 12);
      datagram.writeUInt16BE(attempt & 0xffff, 20);
      key.load(datagram, 0, layout, 0);
      if (unseeded(key.words.subarray(0, KEY_WORDS)) > 15) continue;
      found += 1;
      const bucket = key.hash() & 1_023;
      buckets[bucket] = (buckets[bucket] as number) + 1;
    }
    // 8 in each on average; with a fair hash a bucket of 30 comes once in a million runs.
    assert.ok(Math.max(...buckets) < 30, `${Math.max(...buckets)} in one bucket`);
    assert.ok(buckets.filter((count) => count === 0).length < 20);
  }
});
