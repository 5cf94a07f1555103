/**
 * The kernel filter of an interest: whatever belongs to the interest passes, and simple packets that do not are left.
 *
 * The reference is the lane's own way to look at a frame (link, layout); the filter is run by an interpreter of its own.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { compileInterests, MAX_INSTRUCTIONS } from '../../../src/drivers/interest-filter.ts';
import { type Interest, PORT_PROTOCOLS, versionsOf } from '../../../src/wire/interest.ts';
import { IpLayout, parseIpLayout } from '../../../src/wire/ip-layout.ts';
import * as ipv6Codec from '../../../src/wire/ipv6.ts';
import { hasLabels, networkOffset, sessionHeader } from '../../../src/wire/link.ts';
import { checkProgram, runProgram } from '../../support/bpf.ts';
import { mpls, pppoe } from '../../support/links.ts';
import {
  type Extension,
  ethernet,
  extension,
  fragment,
  icmpv6,
  ipv4,
  ipv6,
  octets,
  type Transport,
  tcp,
  udp,
} from '../../support/packet-builder.ts';

const ETHERNET = 1;
const RUNS = 2000;

/** Small domains, so that packets and interests meet. */
const PORT = fc.constantFrom(0, 22, 53, 54, 55, 65_535);
const PROTOCOL = fc.constantFrom(0, 1, 6, 17, 44, 50, 58, 132, 255);
const VERSION = fc.constantFrom<4 | 6>(4, 6);

const anInterest: fc.Arbitrary<Interest> = fc.oneof(
  fc.record(
    {
      versions: fc.uniqueArray(VERSION, { minLength: 1 }),
      protocols: fc.uniqueArray(PROTOCOL, { minLength: 1 }),
    },
    { requiredKeys: [] },
  ),
  fc.record(
    {
      versions: fc.uniqueArray(VERSION, { minLength: 1 }),
      protocols: fc.uniqueArray(fc.constantFrom(...PORT_PROTOCOLS), { minLength: 1 }),
      ports: fc.uniqueArray(PORT, { minLength: 1 }),
    },
    { requiredKeys: ['protocols', 'ports'] },
  ),
);

const aTransport: fc.Arbitrary<Transport> = fc
  .tuple(PROTOCOL, PORT, PORT)
  .map(([protocol, sourcePort, destinationPort]) => {
    const ports = { sourcePort, destinationPort };
    if (protocol === 6) return tcp(ports, Buffer.from('data'));
    if (protocol === 17) return udp(ports, Buffer.from('data'));
    const bytes = Buffer.alloc(16);
    bytes.writeUInt16BE(sourcePort, 0);
    bytes.writeUInt16BE(destinationPort, 2);
    return octets(protocol, bytes);
  });

const anExtension: fc.Arbitrary<Extension> = fc.oneof(
  fc.constantFrom(0, 43, 51, 60).map((type) => extension(type, 16)),
  fc.constantFrom(fragment(0, true), fragment(0, false), fragment(64, true), fragment(128, false)),
);

const aDatagram: fc.Arbitrary<Buffer> = fc.oneof(
  fc
    .record({
      transport: aTransport,
      words: fc.nat(10),
      offset: fc.constantFrom(0, 64, 1024, 32_768),
      more: fc.boolean(),
    })
    .map(({ transport, words, offset, more }) =>
      ipv4({ options: Buffer.alloc(4 * words, 1), fragmentOffset: offset, moreFragments: more }, transport),
    ),
  fc
    .record({ transport: aTransport, extensions: fc.array(anExtension, { maxLength: 3 }) })
    .map(({ transport, extensions }) => ipv6({ extensions }, transport)),
);

const aFrame: fc.Arbitrary<Buffer> = fc
  .record({
    datagram: aDatagram,
    tags: fc.array(fc.constantFrom(0x8100, 0x88a8, 0x9100, 0x9200, 0x9300), { maxLength: 5 }),
    carrier: fc.constantFrom(...Array.from({ length: 10 }, () => 'plain'), 'pppoe', 'mpls'),
    padTo: fc.constantFrom(0, 60),
  })
  .map(({ datagram, tags, carrier, padTo }) => {
    const stack = tags.map((type, index) => ({ type, id: index + 1 }));
    if (carrier === 'pppoe') return pppoe({ tags: stack, padTo }, datagram);
    return carrier === 'mpls' ? mpls(1 + tags.length, datagram, stack) : ethernet({ tags: stack, padTo }, datagram);
  });

/** Whether what the kernel cannot look into stands before the datagram. */
const isCarried = (frame: Buffer, start: number): boolean =>
  sessionHeader(frame, start, ETHERNET) !== -1 || hasLabels(frame, start, ETHERNET);

const layout = new IpLayout();

/** What the lane finds in a frame; null for what no hook would see. */
function look(frame: Buffer): { readonly start: number; readonly ports: readonly number[] } | null {
  const start = networkOffset(frame, frame.length, ETHERNET);
  if (start < 0) return null;
  if (!parseIpLayout(frame, start, frame.length - start, frame.length - start, layout)) return null;
  const at = start + layout.transportOffset;
  return { start, ports: layout.hasPorts ? [frame.readUInt16BE(at), frame.readUInt16BE(at + 2)] : [] };
}

function belongs(seen: { readonly ports: readonly number[] }, interests: readonly Interest[]): boolean {
  return interests.some(
    (interest) =>
      versionsOf(interest).some((version) => version === layout.version) &&
      (interest.protocols?.includes(layout.protocol) ?? true) &&
      (interest.ports === undefined ||
        layout.fragmentOffset !== 0 ||
        seen.ports.some((port) => interest.ports?.includes(port))),
  );
}

function compiled(interests: readonly Interest[]) {
  const program = compileInterests(interests);
  assert.ok(program !== null);
  checkProgram(program);
  return program;
}

function passes(interest: Interest, frame: Buffer): boolean {
  return runProgram(compiled([interest]), frame) !== 0;
}

describe('a compiled interest', () => {
  test('takes every packet of interest, and leaves every other that has no extension headers', () => {
    let taken = 0;
    let left = 0;
    fc.assert(
      fc.property(fc.array(anInterest, { minLength: 1, maxLength: 4 }), aFrame, (interests, frame) => {
        const isTaken = runProgram(compiled(interests), frame) !== 0;
        const seen = look(frame);
        if (seen === null) return;
        const isWanted = belongs(seen, interests);
        taken += isWanted ? 1 : 0;
        left += isTaken ? 0 : 1;
        if (isWanted) assert.ok(isTaken, 'a packet of interest was left');
        const next = frame[seen.start + 6] as number;
        if (isCarried(frame, seen.start)) assert.ok(isTaken);
        else if (layout.version === 4 || !ipv6Codec.isExtensionHeader(next)) assert.equal(isTaken, isWanted);
      }),
      { numRuns: RUNS },
    );
    assert.ok(taken > RUNS / 10 && left > RUNS / 10, `${taken} of interest, ${left} left`);
  });

  test('takes what is of interest whatever octets were overwritten or cut off', () => {
    const anEdit = fc.tuple(fc.nat(120), fc.nat(255));
    fc.assert(
      fc.property(
        fc.array(anInterest, { minLength: 1, maxLength: 3 }),
        aFrame,
        fc.array(anEdit, { maxLength: 4 }),
        fc.nat(40),
        (interests, whole, edits, cut) => {
          const frame = whole.subarray(0, Math.max(14, whole.length - cut));
          for (const [at, octet] of edits) if (at < frame.length) frame[at] = octet;
          const seen = look(frame);
          const isTaken = runProgram(compiled(interests), frame) !== 0;
          if (seen !== null && belongs(seen, interests)) assert.ok(isTaken);
        },
      ),
      { numRuns: RUNS },
    );
  });

  test('finds ports behind IPv4 options', () => {
    const interest: Interest = { versions: [4], protocols: [17], ports: [53] };
    for (let words = 0; words <= 10; words++) {
      const options = Buffer.alloc(4 * words, 1);
      assert.equal(passes(interest, ethernet({}, ipv4({ options }, udp({ destinationPort: 53 })))), true);
      assert.equal(passes(interest, ethernet({}, ipv4({ options }, udp({ destinationPort: 54 })))), false);
      assert.equal(
        passes(interest, ethernet({}, ipv4({ options }, udp({ sourcePort: 53, destinationPort: 1 })))),
        true,
      );
    }
  });

  test('lets later fragments through where the protocol is of interest, and the first by its ports', () => {
    const interest: Interest = { protocols: [17], ports: [53] };
    const later = ipv4({ fragmentOffset: 1480 }, octets(17, Buffer.alloc(64)));
    assert.equal(passes(interest, ethernet({}, later)), true);
    assert.equal(passes(interest, ethernet({}, ipv4({ fragmentOffset: 1480 }, octets(6, Buffer.alloc(64))))), false);
    assert.equal(passes(interest, ethernet({}, ipv4({ moreFragments: true }, udp({ destinationPort: 53 })))), true);
    assert.equal(passes(interest, ethernet({}, ipv4({ moreFragments: true }, udp({ destinationPort: 9 })))), false);
  });

  test('lets through what has an IPv6 extension header, and no other that is not of interest', () => {
    const interest: Interest = { versions: [6], protocols: [6] };
    for (const header of [extension(0), extension(43), extension(60), fragment(0, true), fragment(64, false)])
      assert.equal(passes(interest, ethernet({}, ipv6({ extensions: [header] }, udp({})))), true);
    assert.equal(passes(interest, ethernet({}, ipv6({}, icmpv6({})))), false);
    assert.equal(passes({ versions: [4] }, ethernet({}, ipv6({ extensions: [extension(0)] }, udp({})))), false);
  });

  test('steps over as many tags as the lane does', () => {
    const interest: Interest = { protocols: [17], ports: [53] };
    for (let count = 0; count <= 5; count++) {
      const tags = Array.from({ length: count }, () => ({ type: 0x88a8, id: 7 }));
      const frame = (destinationPort: number) => ethernet({ tags }, ipv4({}, udp({ destinationPort })));
      assert.equal(passes(interest, frame(53)), count <= 4, `${count} tags`);
      assert.equal(passes(interest, frame(54)), false);
    }
  });

  test('takes every PPPoE session and every label stack, tagged or not', () => {
    const interest: Interest = { protocols: [17], ports: [53] };
    for (const tags of [[], [{ id: 7 }], [{ type: 0x9200, id: 1 }, { type: 0x88a8, id: 2 }, { id: 3 }, { id: 4 }]]) {
      assert.equal(passes(interest, pppoe({ tags }, ipv4({}, udp({ destinationPort: 54 })))), true);
      assert.equal(passes(interest, mpls(3, ipv6({}, tcp({})), tags)), true);
    }
  });

  test('leaves what is not IP', () => {
    assert.equal(passes({}, ethernet({ etherType: 0x0806 }, Buffer.alloc(46))), false);
    assert.equal(passes({}, Buffer.alloc(14)), false);
  });

  test('puts ports that follow one another together, at both ends', () => {
    const interest: Interest = { protocols: [6], ports: [103, 100, 102, 101, 0, 65_535] };
    const taken = [0, 1, 99, 100, 101, 102, 103, 104, 65_534, 65_535].filter((destinationPort) =>
      passes(interest, ethernet({}, ipv4({}, tcp({ sourcePort: 7, destinationPort })))),
    );
    assert.deepEqual(taken, [0, 100, 101, 102, 103, 65_535]);
    const range = compiled([{ protocols: [6], ports: Array.from({ length: 60_000 }, (_, port) => port + 1) }]);
    assert.ok(range.length < 128, `${range.length} instructions`);
  });

  test('is not made where it would be too long, and keeps its far jumps right just below that', () => {
    const every = (count: number): Interest => ({
      protocols: [6],
      ports: Array.from({ length: count }, (_, index) => 2 * index + 1),
    });
    assert.equal(compileInterests([every(500)]), null);
    const long = compiled([every(45), { protocols: [17] }, { versions: [6], protocols: [58] }]);
    assert.ok(long.length > 256 && long.length <= MAX_INSTRUCTIONS, `${long.length} instructions`);
    const isTaken = (datagram: Buffer) => runProgram(long, ethernet({}, datagram)) !== 0;
    for (const version of [ipv4, ipv6]) {
      assert.equal(isTaken(version({}, tcp({ sourcePort: 2, destinationPort: 89 }))), true);
      assert.equal(isTaken(version({}, tcp({ sourcePort: 2, destinationPort: 90 }))), false);
      assert.equal(isTaken(version({}, udp({}))), true);
    }
    assert.equal(isTaken(ipv6({}, icmpv6({}))), true);
    assert.equal(isTaken(ipv4({}, octets(58, Buffer.alloc(8)))), false);
  });
});
