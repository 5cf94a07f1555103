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
import { ProgressReader, ProgressWriter } from '../../../src/lane/progress.ts';
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

function reported(t: TestContext, options: RigOptions = {}): Rig & { file: File; writer: ProgressWriter } {
  const rig = layRig(t, options);
  const file = temporaryFile(t);
  const { chain, pool } = rig;
  const writer = new ProgressWriter(file.fd, {
    ledger: rig.lane.ledger,
    chain,
    pool,
    driverStats: () => ({ droppedByKernel: 17, fenced: 18, epoch: 19 }),
  });
  return { ...rig, file, writer };
}

describe('a snapshot', () => {
  test('carries ledger, hooks, pool and kernel drops to the reader', async (t) => {
    const { writer, file, lane, row, pass, pool } = reported(t, {
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
    const progress = new ProgressReader(file.fd).read();
    assert.ok(progress !== null);
    assert.deepEqual([progress.sequence, progress.packets], [1, 3]);
    assert.deepEqual(progress.ways, [row(0), row(1)]);
    const [replace, leak] = progress.hooks;
    assert.deepEqual(replace, {
      seen: 3,
      forwarded: 3,
      dropped: 0,
      rejected: 0,
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
    const { writer, file, lane, pass } = reported(t);
    writer.writeAll(0);
    await pass(FRAME);
    writer.write(lane.packets);
    const progress = new ProgressReader(file.fd).read();
    assert.deepEqual([progress?.sequence, progress?.packets, progress?.kernelDropped], [2, 1, 17]);
    assert.equal(progress?.ways[0]?.forwarded, 1);
  });

  test('is written by the lane every 64 packets, if the last one is a while ago', async (t) => {
    const clock = { ms: 0 };
    const { writer, file, lane, pass } = reported(t, { now: () => clock.ms });
    lane.reportTo(writer);
    const reader = new ProgressReader(file.fd);
    await pass(...Array<Buffer>(63).fill(FRAME));
    assert.equal(reader.read(), null);
    await pass(...Array<Buffer>(66).fill(FRAME));
    assert.deepEqual([reader.read()?.sequence, reader.read()?.packets], [1, 64]);
    clock.ms += 5;
    await pass(...Array<Buffer>(64).fill(FRAME));
    assert.deepEqual([reader.read()?.sequence, reader.read()?.packets], [2, 192]);
  });

  test('moves its sequence number even when nothing happened', (t) => {
    const { writer, file } = reported(t);
    const reader = new ProgressReader(file.fd);
    const seen = [0, 0, 0].map(() => {
      writer.writeAll(0);
      return reader.read()?.sequence;
    });
    assert.deepEqual(seen, [1, 2, 3]);
  });

  test('has as many octets with many tags as with few, and shows at most 32', (t) => {
    const { writer, file, pool } = reported(t);
    writer.writeAll(0);
    const { size } = fstatSync(file.fd);
    for (let index = 0; index < 40; index++) {
      const block = pool.allocate(index % 2 === 0 ? NonPagedPool : PagedPool, 8, `t${index}`);
      if (block !== null) pool.free(block);
    }
    writer.writeAll(0);
    assert.equal(fstatSync(file.fd).size, size);
    const tags = new ProgressReader(file.fd).read()?.tags ?? [];
    assert.equal(tags.length, 32);
    const known = new Map(pool.usage().map((row) => [`${row.tag} ${row.type}`, row.allocs]));
    for (const { tag, type, allocs } of tags) assert.equal(known.get(`${tag} ${type}`), allocs);
  });

  test('of many ways and hooks is read whole', (t) => {
    const ways = Array.from({ length: 60 }, (_, index) => bridgeWay({ name: `${index}`, inPort: index }));
    const { writer, file } = reported(t, { ways, hooks: () => [...'abcdefgh'].map((name) => hook(name, () => DROP)) });
    writer.writeAll(5);
    const progress = new ProgressReader(file.fd).read();
    assert.deepEqual([progress?.ways.length, progress?.hooks.length, progress?.packets], [60, 8, 5]);
  });
});

describe('the reader', () => {
  test('finds nothing in an empty file, a short one, and one that is no progress file', (t) => {
    const { fd } = temporaryFile(t);
    const reader = new ProgressReader(fd);
    assert.equal(reader.read(), null);
    writeSync(fd, Buffer.alloc(50), 0, 50, 0);
    assert.equal(reader.read(), null);
    writeSync(fd, Buffer.alloc(4096, 0x20), 0, 4096, 0);
    assert.equal(reader.read(), null);
  });

  test('does not take a torn snapshot for a whole one, and reads the next whole one', (t) => {
    const { writer, file } = reported(t);
    const reader = new ProgressReader(file.fd);
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
});
