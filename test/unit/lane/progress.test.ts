/**
 * The progress file: what a lane writes is what another reader finds, whole or not at all.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { closeSync, fstatSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { DROP, FORWARD, NonPagedPool, PagedPool } from '../../../src/firewall/constants.ts';
import { FlowTable } from '../../../src/flow/flow-table.ts';
import { HookMetrics } from '../../../src/hook/hook-metrics.ts';
import { HookReasons } from '../../../src/hook/hook-reasons.ts';
import { flowRowOf } from '../../../src/lane/flow-row.ts';
import { LEDGER_WIDTH } from '../../../src/lane/ledger.ts';
import { ProgressReader, ProgressWriter, progressOctets } from '../../../src/lane/progress.ts';
import { ethernet, ipv4, udp } from '../../support/packet-builder.ts';
import { bridgeWay, chainOf, hook, layRig, type Rig, type RigOptions } from './lane-rig.ts';

const FRAME = ethernet({}, ipv4({}, udp()));

interface File {
  readonly path: string;
  readonly fd: number;
}

function temporaryFile(t: TestContext): File {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-progress-'));
  const file = path.join(folder, 'progress');
  const fd = openSync(file, 'wx+');
  t.after(() => {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  });
  return { path: file, fd };
}

function reported(
  t: TestContext,
  options: RigOptions = {},
): Rig & { file: File; writer: ProgressWriter; reader: ProgressReader } {
  const rig = layRig(t, options);
  const file = temporaryFile(t);
  const { chain, pool } = rig;
  const writer = new ProgressWriter(file.fd, {
    ledger: rig.lane.ledger,
    chain,
    pool,
    driverStats: () => ({ droppedByKernel: 17, fenced: 18, epoch: 19 }),
  });
  const reader = new ProgressReader(file.fd, {
    ways: rig.lane.ledger.length / LEDGER_WIDTH,
    hooks: chain.hooks.length,
  });
  return { ...rig, file, writer, reader };
}

describe('a snapshot', () => {
  test('is taken apart once, however often it is read, and anew when the lane or its hooks have said something else', async (t) => {
    const { writer, reader, pass } = reported(t, { hooks: () => [hook('a', () => FORWARD)] });
    writer.writeAll(0);
    const first = reader.read();
    assert.ok(first !== null);
    assert.equal(reader.read(), first);
    await pass(FRAME);
    assert.equal(reader.read(), first);
    writer.writeAll(1);
    const second = reader.read();
    assert.equal(second?.packets, 1);
    assert.equal(second.ways[0]?.received, 1);
    assert.equal(first.packets, 0);
    reader.metrics = [{ hook: 0, kind: 'counter', name: 'queries', help: '' }];
    assert.equal(reader.read()?.metrics[0]?.name, 'queries');
  });

  test('carries ledger, hooks, pool and kernel drops to the reader', async (t) => {
    const { writer, reader, lane, row, pass, pool } = reported(t, {
      ways: [bridgeWay(), bridgeWay({ name: 'b > a', inPort: 1, outPort: 0 })],
      leaks: 64 + 100,
      hooks: (from) => [
        hook('replace', (packet) => {
          packet.replace(chainOf(from, ipv4({}, udp())));
          return FORWARD;
        }),
        hook('leak', () => {
          if (from.ownerUsage(1).outstanding === 0) chainOf(from, Buffer.alloc(100));
          return DROP;
        }),
      ],
    });
    await pass(FRAME, { port: 1, bytes: FRAME }, FRAME);
    writer.writeAll(lane.packets);
    const progress = reader.read();
    assert.ok(progress !== null);
    assert.deepEqual([progress.sequence, progress.packets], [1, 3]);
    assert.deepEqual(progress.ways, [row(0), row(1)]);
    const [replace, leak] = progress.hooks;
    assert.deepEqual(replace, {
      seen: 3,
      filtered: 0,
      settled: 0,
      held: 0,
      heldTooLong: 0,
      holdsRefused: 0,
      threw: 0,
      noVerdict: 0,
      misused: 0,
      tooLate: 0,
      breakerTrips: 0,
      breakerOpen: 0,
      breakerHalfOpen: 0,
      bypassed: 0,
      differs: 0,
      stricter: 0,
      milder: 0,
      unsent: 0,
      accepted: 0,
      forwarded: 3,
      dropped: 0,
      rejected: 0,
      replied: 0,
      reset: 0,
      replaced: 3,
      changed: 0,
      faults: 0,
      outstanding: 0,
      outstandingBytes: 0,
      poolFaults: 0,
    });
    assert.deepEqual([leak?.dropped, leak?.outstanding, leak?.outstandingBytes], [3, 2, 164]);
    assert.deepEqual(
      progress.tags,
      pool.usage().map(({ tag, type, allocs, frees, bytes }) => ({ tag, type, allocs, frees, bytes })),
    );
    assert.deepEqual([progress.poolBytes, progress.poolLimit], [164, pool.limitBytes]);
    assert.deepEqual([progress.poolFaults, progress.kernelDropped, progress.fenced, progress.epoch], [0, 17, 18, 19]);
  });

  test('of the packet path alone keeps what was last said of pool and kernel', async (t) => {
    const { writer, reader, lane, pass } = reported(t);
    writer.writeAll(0);
    await pass(FRAME);
    writer.write(lane.packets);
    const progress = reader.read();
    assert.deepEqual([progress?.sequence, progress?.packets, progress?.kernelDropped], [2, 1, 17]);
    assert.equal(progress?.ways[0]?.forwarded, 1);
  });

  test('is written by the lane every 64 packets, if the last one is a while ago', async (t) => {
    const clock = { ms: 0 };
    const { writer, reader, lane, pass } = reported(t, { now: () => clock.ms });
    lane.reportTo(writer);
    await pass(...Array<Buffer>(63).fill(FRAME));
    assert.equal(reader.read(), null);
    await pass(...Array<Buffer>(66).fill(FRAME));
    assert.deepEqual([reader.read()?.sequence, reader.read()?.packets], [1, 64]);
    clock.ms += 5;
    await pass(...Array<Buffer>(64).fill(FRAME));
    assert.deepEqual([reader.read()?.sequence, reader.read()?.packets], [2, 192]);
  });

  test('moves its sequence number even when nothing happened', (t) => {
    const { writer, reader } = reported(t);
    const seen = [0, 0, 0].map(() => {
      writer.writeAll(0);
      return reader.read()?.sequence;
    });
    assert.deepEqual(seen, [1, 2, 3]);
  });

  test('has as many octets with many tags as with few, and shows at most 32', (t) => {
    const { writer, reader, file, pool } = reported(t);
    writer.writeAll(0);
    const { size } = fstatSync(file.fd);
    for (let index = 0; index < 40; index++) {
      const block = pool.allocate(index % 2 === 0 ? NonPagedPool : PagedPool, 8, `t${index}`);
      if (block !== null) pool.free(block);
    }
    writer.writeAll(0);
    assert.equal(fstatSync(file.fd).size, size);
    const tags = reader.read()?.tags ?? [];
    assert.equal(tags.length, 32);
    const known = new Map(pool.usage().map((row) => [`${row.tag} ${row.type}`, row.allocs]));
    for (const { tag, type, allocs } of tags) assert.equal(known.get(`${tag} ${type}`), allocs);
  });

  test('of many ways and hooks is read whole', (t) => {
    const ways = Array.from({ length: 60 }, (_, index) => bridgeWay({ name: `${index}`, inPort: index }));
    const { writer, reader } = reported(t, {
      ways,
      hooks: () => [...'abcdefgh'].map((name) => hook(name, () => DROP)),
    });
    writer.writeAll(5);
    const progress = reader.read();
    assert.deepEqual([progress?.ways.length, progress?.hooks.length, progress?.packets], [60, 8, 5]);
  });
});

describe('the time of hooks', () => {
  test('is read as it was written, and within bounds', (t) => {
    const rig = reported(t, { hooks: () => [hook('one', () => DROP), hook('two', () => DROP)] });
    const { numbers } = rig.chain.times;
    for (let index = 0; index < numbers.length; index++) numbers[index] = index + 0.5;
    rig.writer.write(0);
    const times = rig.reader.read()?.times ?? [];
    const width = numbers.length / 2;
    assert.deepEqual(
      times,
      [0, 1].map((one) => Array.from({ length: width }, (_, column) => one * width + column)),
    );
    numbers.set([Number.NaN, -1, Number.POSITIVE_INFINITY, 2 ** 60]);
    rig.writer.write(0);
    assert.deepEqual(rig.reader.read()?.times[0]?.slice(0, 4), [0, 0, 2 ** 53, 2 ** 53]);
  });
});

describe('what hooks count themselves', () => {
  test('is read by those who know what it is, with signs and fractions, and within bounds', (t) => {
    const rig = layRig(t, { hooks: () => [hook('one', () => DROP), hook('two', () => DROP)] });
    const file = temporaryFile(t);
    const metrics = new HookMetrics();
    metrics.counter(1, 'queries', 'Queries.').add(2.5);
    metrics.gauge(0, 'level', () => -7.25, undefined);
    const flows = new FlowTable({ most: 100 });
    const { chain, pool, lane } = rig;
    const source = { ledger: lane.ledger, chain, pool, metrics, flows, events: { made: 9, lost: 2, suppressed: 5 } };
    const writer = new ProgressWriter(file.fd, { ...source, driverStats: () => ({ droppedByKernel: 0 }) });
    const reader = new ProgressReader(file.fd, { ways: lane.ledger.length / LEDGER_WIDTH, hooks: 2 });
    metrics.readGauges(() => assert.fail());
    writer.writeAll(0);
    assert.deepEqual(reader.read()?.metrics, [], 'nobody has said what they are');
    reader.metrics = metrics.definitions([0, 1]);
    const progress = reader.read();
    assert.deepEqual(progress?.metrics, [
      { hook: 1, kind: 'counter', name: 'queries', help: 'Queries.', value: 2.5 },
      { hook: 0, kind: 'gauge', name: 'level', help: '', value: -7.25 },
    ]);
    assert.deepEqual([progress?.events, progress?.eventsLost, progress?.eventsSuppressed], [9, 2, 5]);
    assert.deepEqual([progress?.flows?.now, progress?.flows?.most], [0, 100]);
    for (const [written, counter, gauge] of [
      [Number.NaN, 0, 0],
      [Number.POSITIVE_INFINITY, 2 ** 53, 2 ** 53],
      [Number.NEGATIVE_INFINITY, 0, -(2 ** 53)],
      [-5, 0, -5],
    ] as const) {
      metrics.values.fill(written);
      writer.write(0);
      assert.deepEqual(
        reader.read()?.metrics.map(({ value }) => value),
        [counter, gauge],
      );
    }
    // A lane may say that it has more of them than its file has room for.
    reader.metrics = Array.from({ length: 512 }, () => ({ hook: 0, kind: 'counter', name: 'a', help: '' }) as const);
    assert.equal(reader.read()?.metrics.length, 128);
  });

  test('reasons are read by those who know what they are, as counters', (t) => {
    const rig = layRig(t, { hooks: () => [hook('one', () => DROP)] });
    const file = temporaryFile(t);
    const reasons = new HookReasons();
    const { drop } = reasons.declare(0, 'telnet');
    reasons.declare(0, 'shell');
    const { chain, pool, lane } = rig;
    const source = { ledger: lane.ledger, chain, pool, reasons, driverStats: () => ({ droppedByKernel: 0 }) };
    const writer = new ProgressWriter(file.fd, source);
    const reader = new ProgressReader(file.fd, { ways: lane.ledger.length / LEDGER_WIDTH, hooks: 1 });
    assert.equal(reasons.take(0, drop), DROP);
    writer.writeAll(0);
    assert.deepEqual(reader.read()?.reasons, [], 'nobody has said what they are');
    reader.reasons = reasons.definitions([0]);
    assert.deepEqual(reader.read()?.reasons, [
      { hook: 0, text: 'telnet', count: 1 },
      { hook: 0, text: 'shell', count: 0 },
    ]);
    for (const [written, read] of [
      [Number.NaN, 0],
      [Number.POSITIVE_INFINITY, 2 ** 53],
      [-5, 0],
      [2.5, 2],
    ] as const) {
      reasons.counts.fill(written);
      writer.write(0);
      assert.deepEqual(
        reader.read()?.reasons.map(({ count }) => count),
        [read, read],
      );
    }
    reader.reasons = Array.from({ length: 512 }, () => ({ hook: 0, text: 'a' }));
    assert.equal(reader.read()?.reasons.length, 64, 'a file has no more room than its hooks can need');
  });

  test('a row of flows has each counter of the table in its place, and their sums', () => {
    const flows = new FlowTable({ most: 100 });
    for (let place = 0; place < flows.counters.length; place++) flows.counters[place] = 1000 + place;
    const { now, most, invalid, ...row } = flowRowOf(flows);
    assert.deepEqual([now, most], [0, 100]);
    const { invalidFlags, invalidState, invalidSequence, invalidAck, invalidReset, invalidHeader, invalidQuote } = row;
    const parts = [invalidFlags, invalidState, invalidSequence, invalidAck, invalidReset, invalidHeader, invalidQuote];
    assert.equal(
      invalid,
      parts.reduce((sum, part) => sum + part, 0),
    );
    const values = Object.values(row);
    assert.equal(new Set(values).size, values.length, 'no place stands in two columns');
    for (const value of values) assert.ok(value >= 1000);
  });
});

describe('the reader', () => {
  test('finds nothing in an empty file, a short one, and one that is no progress file', (t) => {
    const { fd } = temporaryFile(t);
    const reader = new ProgressReader(fd, { ways: 1, hooks: 0 });
    assert.equal(reader.read(), null);
    writeSync(fd, Buffer.alloc(50), 0, 50, 0);
    assert.equal(reader.read(), null);
    writeSync(fd, Buffer.alloc(4096, 0x20), 0, 4096, 0);
    assert.equal(reader.read(), null);
  });

  test('does not take a torn snapshot for a whole one, and reads the next whole one', (t) => {
    const { writer, reader, file } = reported(t);
    writer.writeAll(1);
    const first = readFileSync(file.path);
    writer.writeAll(2);
    const second = readFileSync(file.path);
    for (const half of [8, 16, 64, 512, first.length - 8]) {
      writeSync(file.fd, Buffer.concat([second.subarray(0, half), first.subarray(half)]), 0, first.length, 0);
      assert.equal(reader.read()?.packets, half <= 8 ? 1 : undefined, `torn at ${half}`);
    }
    writeSync(file.fd, first, 0, first.length, 0);
    ftruncateSync(file.fd, first.length - 8);
    assert.equal(reader.read(), null, 'cut');
    writer.writeAll(3);
    assert.equal(reader.read()?.packets, 3);
  });

  test('believes no count, no size and no number out of range that a hook wrote', (t) => {
    const { writer, reader, file, lane } = reported(t, { hooks: () => [hook('one', () => DROP)] });
    writer.writeAll(lane.packets);
    const honest = new Float64Array(new Uint8Array(readFileSync(file.path)).buffer);
    assert.equal(honest.byteLength, progressOctets({ ways: 1, hooks: 1 }));
    const forged = honest.map(
      (_value, index) => [Number.NaN, Number.POSITIVE_INFINITY, -1, 1e300, 0.5][index % 5] ?? 0,
    );
    forged[0] = honest[0] ?? 0;
    forged[1] = 7;
    forged[forged.length - 1] = 7;
    // Ways, hooks and tags beyond all bounds.
    for (const place of [3, 4, 5]) forged[place] = 1e15;
    writeSync(file.fd, new Uint8Array(forged.buffer), 0, forged.byteLength, 0);
    const progress = reader.read();
    assert.ok(progress !== null);
    assert.deepEqual([progress.ways.length, progress.hooks.length, progress.tags.length], [1, 1, 32]);
    const numbers = [progress, ...progress.ways, ...progress.hooks, ...progress.tags].flatMap((one) =>
      Object.values(one).filter((value) => typeof value === 'number'),
    );
    assert.ok(numbers.length > 100);
    for (const value of numbers) assert.ok(Number.isInteger(value) && value >= 0 && value <= 2 ** 53, String(value));
    for (const { tag, allocs, frees } of progress.tags) {
      assert.match(tag, /^[ -~]*$/);
      assert.ok(frees <= allocs);
    }
    ftruncateSync(file.fd, 2 ** 30);
    assert.ok(reader.read() !== null, 'a file that was made larger is read as far as it is known');
  });
});
