/**
 * The watch over what lanes take: against a model of rings in random traffic, and against lanes that lie.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DrainVerdict, DrainWatch, type LaneLook } from '../../../src/supervisor/drain-watch.ts';

const LOOK_MS = 200;

/** A small generator of numbers from 0 to 1 (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A lane of the model: what has come for it, and what it has taken. */
class ModelLane {
  waiting = 0;
  stolen = 0;
  lost = 0;
  /** Whoever reads its numbers reads half of two snapshots. */
  isTorn = false;

  take(most = Number.POSITIVE_INFINITY): void {
    const taken = Math.min(this.waiting, most);
    this.waiting -= taken;
    this.stolen += taken;
  }

  get taken(): LaneLook['before'] {
    return this.isTorn ? null : { stolen: this.stolen, all: this.stolen + this.lost };
  }
}

/** Lanes, the counters of the kernel, and the watch over both. */
class Model {
  readonly watch = new DrainWatch();
  lanes: ModelLane[] = [new ModelLane()];
  nowMs = 0;
  offered = 0;

  offer(frames: number, lane: ModelLane = this.lanes[0] as ModelLane): void {
    this.offered += frames;
    lane.waiting += frames;
  }

  /** One look, during which `meanwhile` happens: the numbers are not read at one moment. */
  look(meanwhile: () => void = () => undefined, passedMs = LOOK_MS): DrainVerdict {
    this.nowMs += passedMs;
    const before = this.lanes.map((lane) => lane.taken);
    meanwhile();
    const { offered } = this;
    meanwhile();
    const looks = this.lanes.map(
      (lane, place): LaneLook => ({ lane, before: before[place] ?? null, after: lane.taken }),
    );
    return this.watch.look(this.nowMs, offered, looks);
  }
}

test('lanes that take what comes are never called undrained or forgers, however traffic comes and lanes go', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = randomOf(seed);
    const model = new Model();
    for (let turn = 0; turn < 200; turn++) {
      if (random() < 0.05) model.lanes = [new ModelLane(), ...model.lanes].slice(0, 1 + Math.floor(random() * 3));
      const burst = random() < 0.3 ? 0 : Math.floor(random() ** 4 * 100_000);
      const lane = model.lanes[Math.floor(random() * model.lanes.length)] as ModelLane;
      model.offer(burst, lane);
      const happens = (): void => {
        model.offer(Math.floor(random() * 1000), lane);
        for (const one of model.lanes) one.take();
      };
      const verdict = model.look(happens, random() < 0.1 ? 5_000 : LOOK_MS);
      assert.deepEqual(verdict, { waitedMs: 0, isUndrained: false, forger: null }, `seed ${seed}, turn ${turn}`);
    }
  }
});

test('an honest lane whose numbers are torn for a look, and that has taken much before, is no forger afterwards', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = randomOf(seed);
    const model = new Model();
    model.lanes = [new ModelLane(), new ModelLane()];
    for (let turn = 0; turn < 200; turn++) {
      const lane = model.lanes[turn % 2] as ModelLane;
      model.offer(Math.floor(random() * 50_000), lane);
      for (const one of model.lanes) one.isTorn = random() < 0.2;
      const happens = (): void => {
        model.offer(Math.floor(random() * 500), lane);
        for (const one of model.lanes) one.take();
      };
      assert.equal(model.look(happens).forger, null, `seed ${seed}, turn ${turn}`);
    }
  }
});

test('nor is one whose numbers are torn while more frames come than all rings hold', () => {
  const model = new Model();
  const lane = model.lanes[0] as ModelLane;
  for (let turn = 0; turn < 20; turn++) {
    model.offer(500_000);
    lane.take();
    lane.isTorn = turn < 10;
    assert.equal(model.look().forger, null, `turn ${turn}`);
  }
});

test('nor one that takes two million frames between two looks of a supervisor that stood still', () => {
  const model = new Model();
  for (let turn = 0; turn < 5; turn++) {
    model.offer(2_000_000);
    model.lanes[0]?.take();
    assert.equal(model.look(undefined, 10_000).forger, null, `turn ${turn}`);
  }
});

test('nor one that is away for some looks and comes back, as in a reload that fails', () => {
  const model = new Model();
  const lane = model.lanes[0] as ModelLane;
  model.offer(100_000);
  lane.take();
  assert.equal(model.look().forger, null);
  model.lanes = [];
  for (let turn = 0; turn < 3; turn++) model.look();
  model.lanes = [lane];
  model.offer(10);
  lane.take();
  assert.deepEqual(model.look(), { waitedMs: 0, isUndrained: false, forger: null });
});

test('a lane whose numbers stay torn takes nothing, as far as anybody can tell', () => {
  const model = new Model();
  const lane = model.lanes[0] as ModelLane;
  model.offer(10);
  lane.take();
  model.look();
  lane.isTorn = true;
  model.offer(10);
  const waited = Array.from({ length: 4 }, () => model.look().isUndrained);
  assert.deepEqual(waited, [false, false, true, true]);
});

test('a lane that takes one packet between two looks is slow, and not undrained', () => {
  const model = new Model();
  model.offer(100_000);
  for (let turn = 0; turn < 100; turn++) {
    model.lanes[0]?.take(1);
    assert.equal(model.look().isUndrained, false, `turn ${turn}`);
  }
});

test('a lane that loses frames in an overload is not undrained', () => {
  const model = new Model();
  for (let turn = 0; turn < 100; turn++) {
    model.offered += 1_000_000;
    (model.lanes[0] as ModelLane).lost += 10;
    assert.deepEqual(model.look(), { waitedMs: 0, isUndrained: false, forger: null });
  }
});

test('packets that nobody takes are noticed after 400 ms of looks, however often progress is forged', () => {
  const model = new Model();
  model.offer(10);
  model.lanes[0]?.take();
  assert.equal(model.look().isUndrained, false);
  model.offer(1);
  const verdicts = Array.from({ length: 4 }, () => model.look());
  assert.deepEqual(
    verdicts.map(({ isUndrained, waitedMs }) => [isUndrained, waitedMs]),
    [
      [false, 0],
      [false, 200],
      [true, 400],
      [true, 600],
    ],
  );
  model.lanes[0]?.take();
  assert.equal(model.look().isUndrained, false, 'taken again');
});

test('an idle lane is not undrained, and a look that comes late counts for 250 ms at the most', () => {
  const model = new Model();
  for (let turn = 0; turn < 100; turn++) assert.equal(model.look().waitedMs, 0);
  model.offer(1);
  model.look();
  assert.equal(model.look(undefined, 60_000).waitedMs, 250);
  assert.equal(model.look(undefined, 60_000).waitedMs, 500);
});

test('other lanes begin with a clean sheet', () => {
  const model = new Model();
  model.offer(1);
  for (let turn = 0; turn < 5; turn++) model.look();
  model.lanes = [new ModelLane()];
  assert.equal(model.look().isUndrained, false);
});

test('a lane that runs ahead of the kernel, or back, is a forger, and it is named among others', () => {
  const honest = new ModelLane();
  const liar = new ModelLane();
  const model = new Model();
  model.lanes = [honest, liar];
  model.offer(500, honest);
  honest.take();
  assert.equal(model.look().forger, null);
  liar.stolen += 1_000;
  assert.equal(model.look().forger, null, 'what the kernel may not have counted');
  liar.stolen += 100;
  assert.equal(model.look().forger, liar);
  liar.stolen -= 1;
  assert.equal(model.look().forger, liar, 'less than it had told before');
  assert.equal(model.look().forger, null);
  liar.stolen = 2 ** 53;
  assert.equal(model.look().forger, liar);
});

test('what was lost long ago is no excuse for more than two rings of a forger', () => {
  const model = new Model();
  model.offered = 1e12;
  model.look();
  const lane = model.lanes[0] as ModelLane;
  lane.stolen = 1 << 20;
  assert.equal(model.look().forger, null);
  lane.stolen += 2_000;
  assert.equal(model.look().forger, lane);
});
