/**
 * Timed apply: thousands of orders of apply, confirm, cancel, reload, passing time and refusals, against a model that is one line a step.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Trials } from '../../../src/supervisor/trials.ts';
import { SimulatedClock } from './simulated-world.ts';

type Step =
  | { readonly do: 'apply'; readonly seconds: number; readonly isRefused: boolean }
  | { readonly do: 'confirm'; readonly isRefused: boolean }
  | { readonly do: 'cancel' }
  | { readonly do: 'reload' }
  | { readonly do: 'pass'; readonly seconds: number };

/** A daemon that has nothing but a number in force, and one on disk. */
class World {
  readonly clock = new SimulatedClock();
  inForce = 0;
  onDisk = 0;
  next = 0;
  refusesNext = false;
  /** How long a step takes. */
  slowMs = 0;
  #reloading: Promise<unknown> = Promise.resolve();
  readonly trials = new Trials<number, string>({
    clock: this.clock,
    bootSeconds: () => this.clock.now() / 1000,
    inTurn: (task) => this.inTurn(task),
    enter: async () => {
      await this.#wait();
      if (this.refusesNext) throw new Error('refused');
      const former = this.inForce;
      this.next += 1;
      this.inForce = this.next;
      return { former, text: String(this.next), done: 'applied' };
    },
    goBack: async (former) => {
      await this.#wait();
      this.inForce = former;
      return 'went back';
    },
    keep: (_former, text) => {
      if (this.refusesNext) throw new Error('refused');
      this.onDisk = Number(text);
      return 'kept';
    },
  });

  inTurn<Result>(task: () => Promise<Result>): Promise<Result> {
    const done = this.#reloading.then(task);
    this.#reloading = done.catch(() => undefined);
    return done;
  }

  reload(): Promise<void> {
    return this.inTurn(() => {
      this.trials.assertNone();
      this.inForce = this.onDisk;
      return Promise.resolve();
    });
  }

  async #wait(): Promise<void> {
    if (this.slowMs > 0) await new Promise<void>((resolve) => void this.clock.setTimer(resolve, this.slowMs));
  }
}

const STEPS: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('apply' as const), seconds: fc.integer({ min: 1, max: 5 }), isRefused: fc.boolean() }),
  fc.record({ do: fc.constant('confirm' as const), isRefused: fc.boolean() }),
  fc.record({ do: fc.constant('cancel' as const) }),
  fc.record({ do: fc.constant('reload' as const) }),
  fc.record({ do: fc.constant('pass' as const), seconds: fc.integer({ min: 1, max: 4 }) }),
);

/** Does a step, and lets it come to its end. @returns whether it was done */
async function step(world: World, one: Step): Promise<boolean> {
  world.refusesNext = 'isRefused' in one && one.isRefused;
  const done =
    one.do === 'apply'
      ? world.trials.apply('/new.yaml', one.seconds)
      : one.do === 'confirm'
        ? world.trials.confirm()
        : one.do === 'cancel'
          ? world.trials.cancel()
          : one.do === 'reload'
            ? world.reload()
            : world.clock.advance(one.seconds * 1000);
  const isDone = done.then(
    () => true,
    () => false,
  );
  await world.clock.advance(0);
  return isDone;
}

test('what is not confirmed in time is what it was, and nothing but a confirmation is ever written', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(STEPS, { maxLength: 30 }), async (steps) => {
      const world = new World();
      // The model: what is in force, and what comes back and when.
      let inForce = 0;
      let onDisk = 0;
      let back: { readonly to: number; readonly atS: number } | null = null;
      let nowS = 0;
      for (const one of steps) {
        const isDone = await step(world, one);
        if (one.do === 'pass') {
          nowS += one.seconds;
          if (back !== null && nowS >= back.atS) {
            inForce = back.to;
            back = null;
          }
          await world.clock.advance(0);
        } else if (one.do === 'apply') {
          assert.equal(isDone, back === null && !one.isRefused);
          if (isDone) {
            back = { to: inForce, atS: nowS + one.seconds };
            inForce = world.next;
          }
        } else if (one.do === 'confirm') {
          assert.equal(isDone, back !== null && !one.isRefused);
          if (isDone) {
            onDisk = inForce;
            back = null;
          }
        } else if (one.do === 'cancel') {
          assert.equal(isDone, back !== null);
          if (back !== null) inForce = back.to;
          back = null;
        } else {
          assert.equal(isDone, back === null);
          if (isDone) inForce = onDisk;
        }
        assert.deepEqual([world.inForce, world.onDisk], [inForce, onDisk]);
        assert.equal(world.trials.view?.secondsLeft ?? null, back === null ? null : back.atS - nowS);
      }
      world.trials.stop();
    }),
    { seed: 12, numRuns: 2_000 },
  );
});

test('a confirmation that has to wait until the time is up comes too late, and what was in force comes back', async () => {
  const world = new World();
  await step(world, { do: 'apply', seconds: 1, isRefused: false });
  // A reload that takes its time has its turn first.
  const busy = world.inTurn(() => new Promise<void>((resolve) => void world.clock.setTimer(resolve, 2_000)));
  const confirmed = world.trials.confirm().then(
    () => 'confirmed',
    (error: unknown) => (error as Error).message,
  );
  await world.clock.advance(3_000);
  await busy;
  assert.match(await confirmed, /the time is up/);
  assert.deepEqual([world.inForce, world.onDisk, world.trials.last?.end], [0, 0, 'expired']);
});

test('a cancellation while it goes back anyway finds nothing to do', async () => {
  const world = new World();
  await step(world, { do: 'apply', seconds: 1, isRefused: false });
  world.slowMs = 500;
  await world.clock.advance(1_100);
  const cancelled = world.trials.cancel().then(
    () => 'cancelled',
    (error: unknown) => (error as Error).message,
  );
  await world.clock.advance(1_000);
  assert.match(await cancelled, /no configuration is in force for a while only/);
  assert.deepEqual([world.inForce, world.trials.last?.end], [0, 'expired']);
});

test('after the end of the daemon nothing goes back any more', async () => {
  const world = new World();
  await step(world, { do: 'apply', seconds: 1, isRefused: false });
  assert.equal(world.trials.stop(), 0);
  await world.clock.advance(5_000);
  assert.equal(world.inForce, 1);
});
