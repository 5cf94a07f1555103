/**
 * Lanes with real hooks that take the place of one another, step by step: what hooks and their timers are afterwards, also where it comes to nothing.
 *
 * Memory and driver are the test's own: no process, and no packets.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { serialize } from 'node:v8';
import fc from 'fast-check';
import type { InputPlace } from '../../../src/drivers/contract.ts';
import { MemoryDriver, type MemoryFrame } from '../../../src/drivers/memory.ts';
import { bundleHooks } from '../../../src/hook/bundle-hook.ts';
import { HOOK_MODULE_NAMES } from '../../../src/hook-modules.ts';
import { LaneHandover } from '../../../src/lane/handover.ts';
import { FileClock } from '../../../src/lane/hook-clock.ts';
import { Lane } from '../../../src/lane/lane.ts';
import { loadChain } from '../../../src/lane/load-chain.ts';
import { type EstateSize, type HandoverStep, type HookSource, NO_GRANT } from '../../../src/lane/messages.ts';
import { codeBlocks, ROOT } from '../../support/documents.ts';
import { icmpSettings } from '../../support/icmp-settings.ts';
import { ethernet, ipv4, udp } from '../../support/packet-builder.ts';
import { bridgeWay, ethernetPort } from './lane-rig.ts';

const PLACE: InputPlace = { rings: [{ port: 0, next: 0, unread: 0, epoch: 0, stale: 0 }] };
const FRAME = ethernet({}, ipv4({ source: '192.0.2.1' }, udp()));
const OCTETS = 64 * 1024;

/** A hook that counts its turns, one in a thousand seconds, and says how many; what it wanted to do later is gone with a reload. */
const TURNS = `import { defineHook, FORWARD } from 'firehook';
export default defineHook({
  name: 'turns',
  setup(options, runtime) {
    let turns = 0;
    runtime.every(1_000_000, () => runtime.log('info', 'turn ' + ++turns));
    if (options?.once !== undefined) runtime.after(options.once, () => runtime.log('info', 'once'));
    return {
      onPacket: () => FORWARD,
      onLeave: () => ({ turns }),
      adopt(state) { turns = state.turns; if (options?.fault) throw new Error(options.fault); },
    };
  },
});
`;

/** A driver that can leave, and can fail to go on. */
class LeavingDriver extends MemoryDriver {
  goesOn = true;

  leave(): InputPlace {
    return PLACE;
  }

  goOn(): boolean {
    return this.goesOn;
  }
}

interface TestLane {
  readonly driver: LeavingDriver;
  /** What the hooks have said since. */
  said(): string[];
  take(step: HandoverStep): ReturnType<LaneHandover['take']>;
  /** Has a packet of this moment go through. */
  receive(): Promise<void>;
  /** Seconds go by. */
  pass(seconds: number): string[];
}

/** Lanes of one bundle, which share a memory. */
async function makeLanes(
  t: TestContext,
  memory: ArrayBuffer,
  text: string = TURNS,
): Promise<(options?: object) => Promise<TestLane>> {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-handover-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(path.join(folder, 'turns.ts'), text);
  const [bundle] = await bundleHooks(path.join(folder, 'turns.ts'), HOOK_MODULE_NAMES);
  assert.ok(bundle !== undefined);
  return async (options) => {
    const sources: HookSource[] = [{ bundle, priority: undefined, allow: NO_GRANT, options }];
    const clock = new FileClock();
    let seconds = 1000;
    clock.advance(seconds, 0);
    const lines: string[] = [];
    const loaded = await loadChain({
      hooks: sources,
      folder,
      clock,
      onHookError: 'forward',
      poolLimitMiB: 1,
      trackChanges: false,
      log: (_, __, message) => lines.push(typeof message === 'string' ? message : message()),
      send: () => false,
    });
    t.after(() => loaded.teardown());
    const frames: MemoryFrame[] = [];
    const driver = new LeavingDriver({ ports: [ethernetPort(0), ethernetPort(1)], frames });
    const { chain, timers, blameFor } = loaded;
    const lane = new Lane({
      driver,
      ways: [bridgeWay()],
      chain,
      nonIp: 'drop',
      unreadable: 'drop',
      icmp: icmpSettings(1),
      sender: null,
      now: () => 0,
    });
    const handover = new LaneHandover({
      driver,
      lane,
      native: { receiveDescriptor: () => [1, -1], mapMemory: () => memory },
      socket: -1,
      estate: { chain, timers, sources, now: () => 0, onFault: blameFor },
      begin: () => null,
    });
    const said = (): string[] => lines.splice(0);
    return {
      driver,
      said,
      take: (step) => handover.take(step),
      receive: () => {
        frames.splice(0, frames.length, { port: 0, bytes: FRAME, seconds: Math.floor(Date.now() / 1000) });
        return driver.start(lane);
      },
      pass(more) {
        seconds += more;
        clock.advance(seconds, 0);
        return said();
      },
    };
  };
}

const leave = { step: 'leave', memory: { id: 1, octets: OCTETS } } as const;
const adopt = (size: EstateSize | undefined) => {
  assert.ok(size !== undefined);
  return { step: 'adopt', place: PLACE, memory: { id: 1, octets: OCTETS }, size } as const;
};

test('a timer goes on in the next lane where it stood, with what the hook has handed on', async (t) => {
  const make = await makeLanes(t, new ArrayBuffer(OCTETS));
  let lane = await make();
  const said: string[] = [];
  for (let turn = 0; turn < 8; turn++) {
    // Twice in three lanes, more often than once in a thousand seconds.
    said.push(...lane.pass(700));
    const { size, notes } = lane.take(leave);
    assert.deepEqual(notes, []);
    assert.deepEqual(lane.pass(2000), []);
    const next = await make();
    assert.deepEqual(next.take(adopt(size)).notes, []);
    lane = next;
  }
  // What time the test itself takes counts as well, and is far less than what is between two of these.
  assert.deepEqual(said, ['turn 1', 'turn 2', 'turn 3', 'turn 4', 'turn 5']);
});

test('what was to be called once is told in the answer', async (t) => {
  const make = await makeLanes(t, new ArrayBuffer(OCTETS));
  const before = await make({ once: 60_000 });
  const { size } = before.take(leave);
  assert.deepEqual((await make()).take(adopt(size)).notes, [
    'turns has lost 1 one-shot timer; its onLeave and adopt can hand on what they were for',
  ]);
});

test('a hook that hands on what it wanted to do later does it in the next lane, and is not named: the sample of docs/reload.md', async (t) => {
  const page = readFileSync(path.join(ROOT, 'docs/reload.md'), 'utf8');
  const sample = codeBlocks(page, 'typescript').find((text) => text.includes('a-minute-later'));
  const make = await makeLanes(t, new ArrayBuffer(OCTETS), sample);
  const before = await make();
  await before.receive();
  const next = await make();
  assert.deepEqual(next.take(adopt(before.take(leave).size)).notes, []);
  assert.deepEqual(next.pass(1), []);
  assert.deepEqual(next.pass(60), ['192.0.2.1 was there']);
  assert.deepEqual(next.pass(600), []);
});

test('where the next lane does not go on, the timers of the lane before do, and nothing was called meanwhile', async (t) => {
  const make = await makeLanes(t, new ArrayBuffer(OCTETS));
  const before = await make({ once: 400_000 });
  assert.deepEqual(before.pass(300), []);
  const { size } = before.take(leave);
  const next = await make();
  next.driver.goesOn = false;
  assert.throws(() => next.take(adopt(size)), /cannot go on/);
  assert.deepEqual(before.pass(200), []);
  before.take({ step: 'goOn', place: PLACE });
  assert.deepEqual(before.pass(0), ['once']);
  assert.deepEqual(before.pass(499), []);
  assert.deepEqual(before.pass(1), ['turn 1']);
  // The next attempt finds them as they are.
  assert.deepEqual(before.pass(400), []);
  const again = await make();
  assert.deepEqual(again.take(adopt(before.take(leave).size)).notes, []);
  assert.deepEqual(again.pass(700), ['turn 2']);
});

test('a lane that has no memory to write into goes on with its timers', async (t) => {
  const make = await makeLanes(t, new ArrayBuffer(16));
  const lane = await make();
  const { notes, size } = lane.take(leave);
  assert.deepEqual(size, { hooks: 0, flows: 0 });
  assert.match(notes?.join() ?? '', /no memory/);
  assert.deepEqual(lane.pass(1000), []);
  lane.take({ step: 'goOn', place: PLACE });
  assert.deepEqual(lane.pass(0), ['turn 1']);
});

test('an estate that is rubbish costs the next lane what it would have got, and nothing else', async (t) => {
  const memory = new ArrayBuffer(OCTETS);
  const make = await makeLanes(t, memory);
  const lane = await make();
  const flows = { flows: 0, columns: [], deciders: [], clockMs: 0, tableMs: 0 };
  const endless: unknown[] = [];
  endless.length = 2 ** 32 - 1;
  const heads = [
    { version: 1, hooks: endless, flows: null },
    { version: 1, hooks: [], flows: { ...flows, columns: endless } },
    { version: 1, hooks: [], flows: { ...flows, deciders: endless } },
    { version: 1, hooks: [], flows: null, timers: { clockMs: 0, hooks: endless } },
    {
      version: 1,
      hooks: [],
      flows: null,
      timers: { clockMs: 0, hooks: [{ name: 'turns', once: 0, phases: endless }] },
    },
    { version: 1, hooks: [], flows: null },
    { version: 1, hooks: [], flows: null, timers: 'none' },
  ];
  const octets = new Uint8Array(memory);
  const read = (head: Uint8Array): void => {
    octets.set(head.subarray(0, OCTETS));
    const { notes } = lane.take(adopt({ hooks: head.length, flows: head.length }));
    assert.ok((notes?.length ?? 0) <= 64);
  };
  for (const head of heads) read(serialize(head));
  const valid = serialize({ ...heads[5], timers: { clockMs: 0, hooks: [{ name: 'turns', once: 7, phases: [] }] } });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }),
      (changes) => {
        const head = Uint8Array.from(valid);
        for (const [at, value] of changes) head[at] = value;
        read(head);
      },
    ),
    { seed: 12, numRuns: 500 },
  );
  lane.said();
  assert.deepEqual(lane.pass(1000), ['turn 1']);
});
