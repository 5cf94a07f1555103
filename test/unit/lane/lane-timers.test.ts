/**
 * Timers that one lane leaves to another: when they are called afterwards, what is said of those that have gone, and what memory that means harm
 * does.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { deserialize, serialize } from 'node:v8';
import fc from 'fast-check';
import { FileClock } from '../../../src/lane/hook-clock.ts';
import { HookTimers } from '../../../src/lane/hook-timers.ts';
import { LaneTimers, MOST_PHASES, readTimerEstate } from '../../../src/lane/lane-timers.ts';

/** A lane at second 1000 of a clock of its own. */
class LaneModel {
  readonly timers: LaneTimers;
  readonly ran: string[] = [];
  /** Packets of each hook that wait. */
  readonly waiting: Record<string, number> = {};
  readonly #clock = new FileClock();
  readonly #of: Record<string, HookTimers> = {};
  #ms = 1_000_000;

  constructor(...names: string[]) {
    this.#clock.advance(1000, 0);
    this.timers = new LaneTimers(
      names.map((name) => {
        const timers = new HookTimers({ clock: this.#clock, owner: 0, onFault: (error) => assert.fail(String(error)) });
        this.#of[name] = timers;
        return { name, timers, waiting: () => this.waiting[name] ?? 0 };
      }),
    );
  }

  of(name: string): HookTimers {
    const timers = this.#of[name];
    assert.ok(timers !== undefined);
    return timers;
  }

  /** Starts a timer that says when it is called. */
  every(name: string, ms: number, what = `${name} ${ms}`): number {
    return this.of(name).every(ms, () => void this.ran.push(what));
  }

  after(name: string, ms: number): number {
    return this.of(name).after(ms, () => void this.ran.push(`${name} once`));
  }

  /** So many milliseconds go by. @returns what was called */
  pass(ms: number): string[] {
    this.ran.length = 0;
    this.#ms += ms;
    this.#clock.advance(Math.floor(this.#ms / 1000), Math.round((this.#ms % 1000) * 1e6));
    return [...this.ran];
  }
}

/** One lane takes the place of another, `ms` milliseconds after it has left. */
function succeed(before: LaneModel, after: LaneModel, ms = 0, adopt: () => void = () => undefined): string[] {
  before.timers.stand();
  const estate: unknown = deserialize(serialize(before.timers.leave(77)));
  const notes = after.timers.follow(estate, 77 + ms, adopt);
  after.timers.goOn();
  return notes;
}

describe('a timer that repeats', () => {
  test('is called in the next lane when the one before would have been, and then at its interval', () => {
    const before = new LaneModel('a', 'b');
    before.every('a', 10_000);
    before.pass(4000);
    before.every('b', 10_000);
    before.pass(3000);
    const after = new LaneModel('b', 'a');
    after.timers.stand();
    after.every('a', 10_000);
    after.every('b', 10_000);
    assert.deepEqual(succeed(before, after, 500), []);
    assert.deepEqual(after.pass(2499), []);
    assert.deepEqual(after.pass(1), ['a 10000']);
    assert.deepEqual(after.pass(4000), ['b 10000']);
    assert.deepEqual(after.pass(5999), []);
    assert.deepEqual(after.pass(1), ['a 10000']);
  });

  test('happens in the end where lanes take turns more often than its interval', () => {
    let lane = new LaneModel('a');
    lane.every('a', 2000);
    const ran: string[] = [];
    for (let turn = 0; turn < 20; turn++) {
      ran.push(...lane.pass(700));
      const next = new LaneModel('a');
      next.every('a', 2000);
      assert.deepEqual(succeed(lane, next), []);
      lane = next;
    }
    assert.equal(ran.length, 7);
  });

  test('is known by its interval and its place among those that run; others start as ever, and what has gone is said', () => {
    const before = new LaneModel('a');
    const first = before.every('a', 1000);
    before.pass(100);
    before.every('a', 1000);
    before.pass(100);
    before.every('a', 3000);
    before.of('a').cancel(first);
    before.pass(200);
    const after = new LaneModel('a');
    after.every('a', 1000, 'first');
    after.every('a', 1000, 'second');
    after.every('a', 2000, 'third');
    assert.deepEqual(succeed(before, after), ['a has lost 1 repeating timer: it starts none of the same interval']);
    assert.deepEqual(after.pass(699), []);
    assert.deepEqual(after.pass(1), ['second']);
    assert.deepEqual(after.pass(300), ['first']);
    assert.deepEqual(after.pass(1000), ['second', 'third', 'first']);
  });

  test('that a hook cancels and starts anew keeps its place', () => {
    const before = new LaneModel('a');
    for (let turn = 0; turn < 5; turn++) {
      const timer = before.every('a', 1000);
      before.pass(100);
      if (turn < 4) before.of('a').cancel(timer);
    }
    const after = new LaneModel('a');
    after.every('a', 1000);
    assert.deepEqual(succeed(before, after), []);
    assert.deepEqual(after.pass(900), ['a 1000']);
  });

  test('goes on also where adopt starts it, and not where a packet does', () => {
    const before = new LaneModel('a', 'b');
    before.every('a', 1000);
    before.every('b', 1000);
    before.pass(600);
    const after = new LaneModel('a', 'b');
    assert.deepEqual(
      succeed(before, after, 0, () => after.every('a', 1000)),
      ['b has lost 1 repeating timer: it starts none of the same interval'],
    );
    after.every('b', 1000);
    assert.deepEqual(after.pass(400), ['a 1000']);
    assert.deepEqual(after.pass(600), ['b 1000']);
  });

  test('that was due while nobody had the packets is called once, in the lane that goes on', () => {
    const before = new LaneModel('a');
    before.every('a', 100);
    before.pass(50);
    const after = new LaneModel('a');
    after.timers.stand();
    after.every('a', 100);
    assert.deepEqual(after.pass(350), []);
    assert.deepEqual(succeed(before, after, 350), []);
    assert.deepEqual(after.pass(0), ['a 100']);
    assert.deepEqual(after.pass(99), []);
    assert.deepEqual(after.pass(1), ['a 100']);
    before.timers.retire();
    assert.deepEqual(before.pass(1000), []);
  });
});

describe('where the reload fails', () => {
  test('timers of the lane before go on in their phase; what was due meanwhile is called once', () => {
    const lane = new LaneModel('a');
    lane.every('a', 1000);
    const once = lane.after('a', 200);
    lane.after('a', 200);
    lane.after('a', 5000);
    lane.pass(100);
    lane.timers.stand();
    const estate = lane.timers.leave(0);
    assert.deepEqual(lane.pass(700), []);
    lane.of('a').cancel(once);
    lane.timers.goOn();
    assert.deepEqual(lane.pass(0), ['a once']);
    assert.deepEqual(lane.pass(200), ['a 1000']);
    assert.deepEqual(lane.pass(4000), ['a 1000', 'a 1000', 'a 1000', 'a once', 'a 1000']);
    assert.deepEqual(estate.hooks, [{ name: 'a', once: 3, phases: [{ everyMs: 1000, place: 0, leftMs: 900 }] }]);
  });
});

describe('a timer that is called once', () => {
  test('is counted when it goes, unless adopt starts one in its place', () => {
    const lanes = (): [LaneModel, LaneModel] => {
      const before = new LaneModel('a', 'b');
      for (const ms of [5000, 6000, 7000]) before.after('a', ms);
      before.after('b', 1);
      before.pass(10);
      const after = new LaneModel('a');
      after.after('a', 5000);
      return [before, after];
    };
    const lost = (what: string): string => `a has lost ${what}; its onLeave and adopt can hand on what they were for`;
    assert.deepEqual(succeed(...lanes()), [lost('3 one-shot timers')]);
    const [before, after] = lanes();
    const adopt = (): void => void [1, 2].map((ms) => after.after('a', ms));
    assert.deepEqual(succeed(before, after, 0, adopt), [lost('1 one-shot timer')]);
    const [first, second] = lanes();
    const all = (): void => void [1, 2, 3, 4].map((ms) => second.after('a', ms));
    assert.deepEqual(succeed(first, second, 0, all), []);
    before.timers.retire();
    assert.deepEqual(before.pass(10_000), []);
  });

  test('of a hook that is no longer there is counted; one that repeats is not', () => {
    const before = new LaneModel('a', 'b');
    before.every('a', 10);
    before.after('b', 10);
    before.every('b', 10);
    assert.deepEqual(succeed(before, new LaneModel('c')), ['b is no longer there; lost with it: 1 one-shot timer']);
  });

  test('stays with the packets that wait: they may be what it releases', () => {
    const before = new LaneModel('a', 'b');
    before.waiting['a'] = 2;
    for (const ms of [100, 200, 300]) before.after('a', ms);
    before.after('b', 100);
    assert.deepEqual(succeed(before, new LaneModel('a', 'b')), [
      'a has lost 1 one-shot timer; its onLeave and adopt can hand on what they were for',
      'b has lost 1 one-shot timer; its onLeave and adopt can hand on what they were for',
    ]);
    before.timers.retire();
    // A packet that went on from one hook can be held by the next, which starts a timer for it.
    before.after('b', 150);
    assert.deepEqual(before.pass(250), ['a once', 'b once', 'a once']);
    before.timers.stop();
    assert.deepEqual(before.pass(250), []);
  });
});

test('more timers than an estate has room for start anew', () => {
  const before = new LaneModel('a', 'b');
  for (let count = 0; count < MOST_PHASES - 1; count++) before.every('a', 1000);
  before.every('b', 1000);
  before.every('b', 1000);
  before.pass(500);
  const after = new LaneModel('a', 'b');
  after.every('b', 1000, 'first');
  after.every('b', 1000, 'second');
  assert.equal(succeed(before, after).length, 1);
  assert.deepEqual(after.pass(500), ['first']);
  assert.deepEqual(after.pass(500), ['second']);
});

/** Numbers, as one who means harm would write them. */
const anyNumber = fc.oneof(
  fc.constantFrom(0, -0, 1, 0.5, 1000, 2000, 9_999, 10_001, 2 ** 31, 2 ** 53, 1e300, -1e300, NaN, Infinity, -Infinity),
  fc.integer({ min: -5, max: 5 }),
  fc.double(),
);
const anyEstate = fc.oneof(
  fc.anything(),
  fc.record({
    clockMs: fc.oneof(anyNumber, fc.anything()),
    hooks: fc.oneof(
      fc.anything(),
      fc.array(
        fc.record({
          name: fc.oneof(fc.constantFrom('a', 'b', '__proto__', 'gone'), fc.string(), fc.anything()),
          once: fc.oneof(anyNumber, fc.anything()),
          phases: fc.oneof(
            fc.anything(),
            fc.array(
              fc.record({
                everyMs: fc.oneof(fc.constantFrom(1000, 2000), anyNumber),
                place: anyNumber,
                leftMs: fc.oneof(anyNumber, fc.anything()),
              }),
            ),
          ),
        }),
      ),
    ),
  }),
);

test('whatever was written, the next lane calls its own timers and no others, none later than by its interval', () => {
  fc.assert(
    fc.property(anyEstate, fc.integer({ min: 0, max: 1_000_000 }), (written, clockMs) => {
      const lane = new LaneModel('a', 'b');
      lane.timers.stand();
      lane.every('a', 1000);
      lane.every('a', 1000);
      lane.every('b', 2000);
      lane.after('b', 1500);
      const notes = lane.timers.follow(written, clockMs, () => void lane.every('b', 2000));
      assert.ok(notes.every((note) => / \d+ (repeating|one-shot) timers?/.test(note)));
      lane.timers.goOn();
      assert.deepEqual(
        lane.pass(0).filter((what) => what.endsWith('once')),
        [],
      );
      assert.ok(lane.of('a').phases.every(({ leftMs, everyMs }) => leftMs > 0 && leftMs <= everyMs));
      const ran = [...lane.pass(1000), ...lane.pass(1000)];
      // As often as their intervals say, whenever they were called first.
      const count = (what: string): number => ran.filter((one) => one === what).length;
      assert.equal(count('a 1000'), 4);
      assert.equal(count('b 2000'), 2);
      assert.equal(count('b once'), 1);
    }),
    { seed: 12, numRuns: 2_000 },
  );
});

test('what is read of it has bounds, whatever its lists say of themselves', () => {
  fc.assert(
    fc.property(anyEstate, fc.integer({ min: 0, max: 1_000_000 }), (written, clockMs) => {
      let phases = 0;
      for (const hook of readTimerEstate(written, clockMs).values()) {
        assert.ok(Number.isInteger(hook.once) && hook.once >= 0 && hook.once <= 10_000);
        for (const { everyMs, leftMs } of hook.phases) assert.ok(leftMs >= 0 && leftMs <= everyMs && everyMs >= 1);
        phases += hook.phases.length;
      }
      assert.ok(phases <= MOST_PHASES);
    }),
    { seed: 12, numRuns: 2_000 },
  );
  const endless: unknown[] = [];
  endless.length = 2 ** 32 - 1;
  const phase = { everyMs: 1000, place: 0, leftMs: 1 };
  assert.equal(readTimerEstate({ clockMs: 0, hooks: endless }, 0).size, 0);
  assert.deepEqual(readTimerEstate({ clockMs: 0, hooks: [{ name: 'a', phases: endless }] }, 0).get('a')?.phases, []);
  const half = { name: 'a', once: 0, phases: Array.from({ length: MOST_PHASES / 2 + 1 }, () => phase) };
  const hooks = ['a', 'b', 'c'].map((name) => ({ ...half, name }));
  const read = [...readTimerEstate({ clockMs: 0, hooks }, 0).values()];
  assert.deepEqual(
    read.map((one) => one.phases.length),
    [MOST_PHASES / 2 + 1, 0, 0],
  );
});
