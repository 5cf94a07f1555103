/**
 * A succession of lanes in which each step goes wrong once, in each lane: whatever it is, exactly one set of lanes has the packets afterwards.
 *
 * The lanes are models that do what the protocol says of them; the set of lanes and the succession are the real ones.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { test } from 'node:test';
import { isFirehookError } from '../../../src/errors.ts';
import type { HandoverStep } from '../../../src/lane/messages.ts';
import type { LaneHanded } from '../../../src/lane/read-message.ts';
import type { TraceBatch } from '../../../src/lane/trace-ring.ts';
import type { LaneEvents, LaneHandle, LanePlan, LaneRecord } from '../../../src/supervisor/lane-set.ts';
import { LaneSet } from '../../../src/supervisor/lane-set.ts';
import { succeed } from '../../../src/supervisor/succession.ts';
import { createLogger } from '../../../src/telemetry/logger.ts';
import { SimulatedClock } from './simulated-world.ts';

const LANES = 2;
const PLACE = { rings: [{ port: 0, next: 5, unread: 1, epoch: 3, stale: 0 }] };

type Step = HandoverStep['step'];
/** How a step goes wrong. */
type Fault = 'refuses' | 'dies' | 'never answers';

/** A lane that keeps book of what it has. */
class ModelLane implements LaneHandle {
  readonly cpu = null;
  readonly cgroup = null;
  readonly running = '';
  readonly steps: Step[] = [];
  /** It reads the packets that come. */
  reads: boolean;
  isAlive = true;
  isRetired = false;
  readonly pid: number;
  readonly progressFd: number;
  readonly #events: LaneEvents;
  readonly #fault: { readonly step: Step; readonly fault: Fault } | null;

  constructor(
    pid: number,
    events: LaneEvents,
    isSuccessor: boolean,
    fault: { readonly step: Step; readonly fault: Fault } | null,
  ) {
    this.pid = pid;
    this.progressFd = pid;
    this.reads = !isSuccessor;
    this.#events = events;
    this.#fault = fault;
    queueMicrotask(() => {
      if (!this.isAlive) return;
      events.opened();
      const report = { hooks: [], metrics: [], reasons: [], rings: [], kernelFilter: null, tables: [] };
      events.ready({ type: 'ready', ...report });
    });
  }

  async handOver(step: HandoverStep): Promise<LaneHanded> {
    if (!this.isAlive) throw new Error('it has ended');
    this.steps.push(step.step);
    if (this.#fault?.step === step.step) {
      if (this.#fault.fault === 'dies') this.die();
      throw new Error(this.#fault.fault);
    }
    switch (step.step) {
      case 'leave':
        this.reads = false;
        return { type: 'handed', id: 1, error: null, place: PLACE, size: { hooks: 0, flows: 0 } };
      case 'adopt':
        assert.deepEqual(step.place, PLACE);
        this.reads = true;
        break;
      case 'goOn':
        this.reads = true;
        break;
      default:
        break;
    }
    return { type: 'handed', id: 1, error: null, notes: [`${step.step} ${this.pid}`] };
  }

  die(): void {
    if (!this.isAlive) return;
    this.isAlive = false;
    this.reads = false;
    this.#events.exited();
    queueMicrotask(() => this.#events.ended({ error: null, progress: null }));
  }

  kill(): void {
    this.die();
  }

  retire(): void {
    this.isRetired = true;
    queueMicrotask(() => this.die());
  }

  stop(): void {
    this.die();
  }

  read(): null {
    return null;
  }

  setLocals(): void {}
  setTable(): void {}
  trace(): void {}
  setBreaker(): void {}

  readTraces(): TraceBatch {
    return { records: [], lost: 0 };
  }

  ask(): Promise<never> {
    return Promise.reject(new Error('none'));
  }
}

interface World {
  readonly lanes: LaneSet;
  readonly models: ModelLane[];
  readonly clock: SimulatedClock;
  /** What goes wrong in lanes that are started from now on. */
  fault: { readonly step: Step; readonly fault: Fault; readonly place: number } | null;
}

async function lay(fault: World['fault'] = null): Promise<World> {
  const clock = new SimulatedClock();
  const models: ModelLane[] = [];
  let pid = 100;
  const world: World = {
    clock,
    models,
    fault,
    lanes: new LaneSet({
      clock,
      log: createLogger({ level: 'silent' }),
      wanted: LANES,
      start: (_plan, place, _isFirst, events, predecessor) => {
        pid += 1;
        const own = world.fault !== null && world.fault.place === place ? world.fault : null;
        const lane = new ModelLane(pid, events, predecessor !== null, own);
        models.push(lane);
        return lane;
      },
      changed: () => undefined,
      ended: () => undefined,
      failed: () => undefined,
    }),
  };
  world.lanes.setPlan(planOf(1));
  await clock.advance(100);
  assert.equal(world.lanes.ready.length, LANES);
  return world;
}

function planOf(generation: number): LanePlan & { readonly generation: number } {
  return { fingerprint: 'the same ports', ways: [], isFenced: false, generation };
}

async function reload({ lanes, clock }: World): Promise<{ notes: readonly string[] }> {
  const waits = succeed({
    lanes,
    plan: planOf(2),
    makeMemory: () => openSync('/dev/null', 'r'),
    estateOctets: () => 10,
    between: () => {
      assert.ok(
        lanes.records.every(({ handle }) => !(handle as ModelLane).reads),
        'nobody reads between',
      );
      return [];
    },
    sleep: (ms) => clock.advance(ms),
  });
  waits.catch(() => undefined);
  await clock.advance(1_000);
  return waits;
}

/** As the loop of the supervisor does when something is due. */
async function settle({ lanes, clock }: World): Promise<void> {
  for (let round = 0; round < 20; round++) {
    lanes.step();
    await clock.advance(200);
  }
}

const generationOf = ({ plan }: LaneRecord): number => (plan as ReturnType<typeof planOf>).generation;

test('the others serve, and those before retire and end', async () => {
  const world = await lay();
  const before = [...world.models];
  const { notes } = await reload(world);
  await world.clock.advance(100);
  assert.deepEqual(world.lanes.ready.map(generationOf), [2, 2]);
  assert.ok(before.every(({ isRetired, isAlive }) => isRetired && !isAlive));
  assert.equal(world.lanes.records.length, LANES);
  assert.equal(world.lanes.replacements, 0);
  assert.deepEqual(before[0]?.steps, ['keep', 'leave']);
  assert.deepEqual(world.models[LANES]?.steps, ['take', 'adopt']);
  assert.equal(notes.length, 2 * LANES - LANES);
  // And once more.
  await reload(world);
  assert.equal(world.lanes.ready.length, LANES);
});

const FAULTS: readonly Fault[] = ['refuses', 'dies', 'never answers'];
const OF_BEFORE: readonly Step[] = ['keep', 'leave', 'goOn'];
const OF_OTHERS: readonly Step[] = ['take', 'adopt', 'giveBack'];

for (const fault of FAULTS) {
  for (const step of [...OF_BEFORE, ...OF_OTHERS]) {
    for (let place = 0; place < LANES; place++) {
      test(`lane ${place} ${fault} at ${step}: one set of lanes has the packets`, async () => {
        const isBefore = OF_BEFORE.includes(step);
        // `goOn` and `giveBack` come only where something else has gone wrong.
        const isSecond = step === 'goOn' || step === 'giveBack';
        const world = await lay(isBefore ? { step, fault, place } : null);
        const before = [...world.models];
        if (isSecond && isBefore) world.fault = { step: 'adopt', fault: 'refuses', place };
        if (!isBefore) world.fault = { step, fault, place };
        const outcome = await reload(world).then(
          () => null,
          (error: unknown) => error,
        );
        world.fault = null;
        await settle(world);
        const { ready } = world.lanes;
        assert.equal(ready.length, LANES);
        assert.ok(world.lanes.isComplete);
        assert.ok(ready.every(({ handle }) => (handle as ModelLane).reads));
        assert.equal(world.models.filter(({ isAlive, reads }) => isAlive && reads).length, LANES);
        assert.equal(world.models.filter(({ isAlive }) => isAlive).length, LANES);
        if (step === 'giveBack') {
          // Nothing else went wrong: it was never asked for.
          assert.equal(outcome, null);
          assert.deepEqual(ready.map(generationOf), [2, 2]);
          return;
        }
        assert.ok(isFirehookError(outcome) && outcome.code === 'FIREHOOK_RELOAD_FAILED');
        assert.deepEqual(ready.map(generationOf), [1, 1]);
        // Those that did nothing wrong are the same lanes as before.
        const others = before.filter((_, index) => index !== place || !isBefore || (!isSecond && fault !== 'dies'));
        assert.ok(others.every(({ isAlive, reads }) => isAlive && reads));
      });
    }
  }
}

test('the descriptors of the memory are closed, whatever comes of it', async () => {
  const world = await lay({ step: 'leave', fault: 'refuses', place: 1 });
  const first = openSync('/dev/null', 'r');
  closeSync(first);
  await assert.rejects(reload(world));
  const next = openSync('/dev/null', 'r');
  closeSync(next);
  assert.equal(next, first);
});

test('another plan for other ports ends the standby lanes', async () => {
  const world = await lay();
  const successions = world.lanes.startStandby(planOf(2), () => ({}));
  assert.equal(successions.length, LANES);
  world.lanes.setPlan({ ...planOf(1), fingerprint: 'other ports' });
  await settle(world);
  assert.ok(successions.every(({ successor }) => !(successor.handle as ModelLane).isAlive));
  assert.equal(world.lanes.ready.length, LANES);
});
