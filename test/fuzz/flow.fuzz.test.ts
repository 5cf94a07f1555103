/**
 * Random and mutated datagrams through the flow table: nothing throws, nothing outside of the datagram is read, and the
 * books of the table stay right.
 *
 * A read outside shows as a difference: each datagram goes to one table in a buffer of its own size and to another one inside
 * of a larger buffer with other octets behind it; both say the same. The seed is printed; `FUZZ_SEED=n` repeats a run.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COUNT_ENDED, COUNT_INVALID, COUNT_MADE, COUNTERS } from '../../src/flow/flow-counters.ts';
import { FlowTable } from '../../src/flow/flow-table.ts';
import { IpLayout, parseIpLayout } from '../../src/wire/ip-layout.ts';
import { extension, fragment, icmpv4, icmpv6, ipv4, ipv6, octets, tcp, udp } from '../support/packet-builder.ts';
import { randomNumbers } from '../unit/flow/flow-rig.ts';

const { FUZZ_SEED } = process.env;
const SEED = Number(FUZZ_SEED ?? Date.now() % 0x7fffffff);
const DATAGRAMS = 300_000;
const GUARD = 128;
const MAX_LENGTH = 256;
const MOST = 100;
/** Numbers that hit the edges of fields more often than chance would. */
const EDGES = [0, 1, 2, 3, 4, 5, 6, 8, 11, 12, 16, 17, 18, 44, 58, 60, 0x45, 0x60, 0x7f, 0x80, 0xff];

const QUOTED = ipv4({ source: '192.0.2.1', destination: '198.51.100.2' }, udp());
const CORPUS = [
  ipv4({}, tcp({ options: Buffer.from('010303070204ffff', 'hex') }, Buffer.from('data'))),
  ipv4({}, tcp({ flags: 16, acknowledgement: 1 }, Buffer.alloc(20))),
  ipv4(
    { source: '198.51.100.2', destination: '192.0.2.1' },
    tcp({ flags: 18, sourcePort: 80, destinationPort: 49152 }),
  ),
  ipv4({ source: '198.51.100.2', destination: '192.0.2.1' }, tcp({ flags: 4, sourcePort: 80, destinationPort: 49152 })),
  ipv4({}, udp({}, Buffer.from('data'))),
  ipv4({ moreFragments: true }, udp({ length: 3_000 }, Buffer.alloc(24))),
  ipv4({ fragmentOffset: 32 }, octets(17, Buffer.alloc(24))),
  ipv4({ totalLength: 0 }, tcp({}, Buffer.alloc(64))),
  ipv4({}, icmpv4({}, Buffer.from('data'))),
  ipv4({ source: '203.0.113.1', destination: '192.0.2.1' }, icmpv4({ type: 3, code: 3 }, QUOTED)),
  ipv4({ source: '203.0.113.1', destination: '192.0.2.1' }, icmpv4({ type: 11 }, ipv4({}, tcp()))),
  ipv6({ extensions: [extension(0), extension(60)] }, tcp()),
  ipv6({ extensions: [extension(0), fragment(0, true), extension(60)] }, udp({ length: 3_000 }, Buffer.alloc(16))),
  ipv6({ extensions: [extension(0), fragment(1_232, false)] }, octets(17, Buffer.alloc(16))),
  ipv6({}, icmpv6({}, Buffer.from('data'))),
  ipv6({ source: '2001:db8::9', destination: '2001:db8::1' }, icmpv6({ type: 1 }, ipv6({}, udp()))),
  ipv6(
    { source: '2001:db8::9', destination: '2001:db8::1' },
    icmpv6({ type: 2 }, ipv6({ extensions: [extension(60)] }, tcp())),
  ),
];

test('random and mutated datagrams do no harm to a flow table', (t) => {
  t.diagnostic(`FUZZ_SEED=${SEED}`);
  const next = randomNumbers(SEED);
  const options = { most: MOST, fragments: 16, seed: Int32Array.of(next(2 ** 32), next(2 ** 32)) };
  const [exact, guarded] = [new FlowTable(options), new FlowTable(options)];
  const layout = new IpLayout();
  const padded = Buffer.alloc(MAX_LENGTH + GUARD);
  let nowMs = 0;
  let tracked = 0;
  let related = 0;
  for (let count = 0; count < DATAGRAMS; count++) {
    const datagram = next(8) === 0 ? randomOctets(next) : mutated(CORPUS[next(CORPUS.length)] as Buffer, next);
    const original = next(4) === 0 ? datagram.length + next(3_000) : datagram.length;
    if (next(50) === 0) nowMs += next(100_000) - 20_000;
    padded.fill(next(256));
    datagram.copy(padded);
    const isOpen = next(2) === 0;
    if (!parseIpLayout(datagram, 0, datagram.length, original, layout, isOpen)) continue;
    const zone = next(20) === 0 ? next(2 ** 32) | 0 : 0;
    exact.tick(nowMs);
    const index = exact.track(datagram, layout, layout.declaredLength, zone);
    guarded.tick(nowMs);
    const other = guarded.track(padded, layout, layout.declaredLength, zone);
    if (index !== other || said(exact) !== said(guarded)) {
      assert.fail(
        `seed ${SEED}, datagram ${count}: ${index} ${said(exact)}, among other octets ${other} ${said(guarded)}`,
      );
    }
    if (index >= 0) {
      tracked += 1;
      if (!exact.records.isInUse(index)) assert.fail(`seed ${SEED}, datagram ${count}: flow ${index} is not there`);
    }
    if (exact.isRelated === 1) related += 1;
    if (count % 100 === 0) {
      exact.expire(nowMs, 3);
      guarded.expire(nowMs, 3);
    }
    if (count % 10_000 === 0) checkBooks(exact);
  }
  checkBooks(exact);
  assert.deepEqual([...exact.counters], [...guarded.counters]);
  // The mutations are mild enough that most of the code is reached.
  assert.ok(tracked > DATAGRAMS / 4, `${tracked} tracked`);
  assert.ok(related > DATAGRAMS / 1_000, `${related} related`);
  for (let counter = COUNT_INVALID + 1; counter < COUNTERS; counter++) {
    assert.ok((exact.counters[counter] ?? 0) > 0, `no datagram was invalid for reason ${counter - COUNT_INVALID}`);
  }
  const { size } = exact;
  assert.equal(exact.expire(Number.MAX_SAFE_INTEGER, MOST + 1), size);
  assert.equal(exact.size, 0);
});

/** Every flow that was made has ended or is there, and its record says so. */
function checkBooks(table: FlowTable): void {
  let ended = 0;
  for (let reason = 0; reason < 5; reason++) ended += table.counters[COUNT_ENDED + reason] ?? 0;
  assert.equal(table.counters[COUNT_MADE], ended + table.size);
  let inUse = 0;
  for (let index = 0; index < MOST; index++) if (table.records.isInUse(index)) inUse += 1;
  assert.equal(inUse, table.size);
}

function said(table: FlowTable): string {
  return `${table.direction}${table.isNew}${table.isRelated}${table.isInvalid}${table.invalidReason}`;
}

function randomOctets(next: (below: number) => number): Buffer {
  const octetsOf = Buffer.from(Array.from({ length: 20 + next(100) }, () => next(256)));
  octetsOf[0] = next(2) === 0 ? 0x45 : 0x60;
  octetsOf.writeUInt16BE(
    octetsOf[0] === 0x45 ? octetsOf.length : Math.max(0, octetsOf.length - 40),
    octetsOf[0] === 0x45 ? 2 : 4,
  );
  return octetsOf;
}

function mutated(from: Buffer, next: (below: number) => number): Buffer {
  const copy = Buffer.from(from);
  for (let count = next(3); count > 0; count--) {
    copy[next(copy.length)] = next(2) === 0 ? (EDGES[next(EDGES.length)] ?? 0) : next(256);
  }
  return next(10) === 0 ? copy.subarray(0, 20 + next(copy.length - 19)) : copy;
}
