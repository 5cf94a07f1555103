/**
 * Breakers: a hook that is at fault too often is taken out, tried again, and is back.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { BreakerRule } from '../../../src/config/faults.ts';
import { type BreakerState, Breakers, CLOSED, HALF_OPEN, OPEN } from '../../../src/hook/breaker.ts';
import { type DefinedHook, defineHook, FORWARD } from '../../../src/index.ts';
import { ipv4, type Lab, openLab, udp } from '../../../src/testing/index.ts';

const PACKET = ipv4({}, udp({ destinationPort: 53 }, 'question'));
const RULE: BreakerRule = { faults: 3, windowSeconds: 10, retrySeconds: 30, trialPackets: 5 };

/** A hook that throws while it is told to. */
function fragile(name = 'fragile'): { hook: DefinedHook; isBroken: boolean; calls: number } {
  const held = { isBroken: true, calls: 0, hook: null as unknown as DefinedHook };
  held.hook = defineHook({
    name,
    priority: 9,
    onPacket() {
      held.calls += 1;
      if (held.isBroken) throw new Error('broken');
      return FORWARD;
    },
  }) as DefinedHook;
  return held;
}

async function times(lab: Lab, count: number): Promise<string[]> {
  const verdicts: string[] = [];
  for (let at = 0; at < count; at++) verdicts.push((await lab.send(PACKET)).verdict);
  return verdicts;
}

async function close(lab: Lab): Promise<void> {
  lab.expectFaults(...lab.faults.map(() => /broken|a timer/));
  await lab.close();
}

describe('A hook whose breaker opens', () => {
  for (const breakerOpen of ['drop', 'forward'] as const) {
    test(`is called no more, and packets get what is declared: ${breakerOpen}; later it is tried and is back`, async () => {
      const one = fragile();
      const behind = defineHook({ name: 'behind', priority: 0, onPacket: () => FORWARD }) as DefinedHook;
      const lab = await openLab([one.hook, behind], { faults: { breaker: RULE, breakerOpen } });
      assert.deepEqual(await times(lab, 3), ['dropped', 'dropped', 'dropped']);
      const fate = breakerOpen === 'drop' ? 'dropped' : 'forwarded';
      assert.deepEqual(await times(lab, 4), [fate, fate, fate, fate]);
      assert.equal(one.calls, 3);
      const { bypassed, breakerOpen: open, breakerTrips, faults, dropped } = lab.counters('fragile');
      assert.deepEqual({ bypassed, open, breakerTrips, faults }, { bypassed: 4, open: 1, breakerTrips: 1, faults: 3 });
      assert.equal(dropped, breakerOpen === 'drop' ? 7 : 3);
      assert.equal(lab.counters('behind').seen, breakerOpen === 'drop' ? 0 : 4);
      assert.ok(lab.log.some(({ level, message }) => level === 'error' && message.startsWith('breaker open: ')));
      one.isBroken = false;
      await lab.tick(31_000);
      // The first packet finds that the time is over and goes the old way; the next ones are the trial.
      assert.equal((await lab.send(PACKET)).verdict, fate);
      assert.equal(lab.counters('fragile').breakerHalfOpen, 1);
      assert.deepEqual(await times(lab, 6), Array(6).fill('forwarded'));
      const after = lab.counters('fragile');
      assert.deepEqual([after.breakerOpen, after.breakerHalfOpen, one.calls], [0, 0, 9]);
      await close(lab);
    });
  }

  test('is out again at the first fault while it is tried, with one packet', async () => {
    const one = fragile();
    const lab = await openLab(one.hook, { faults: { breaker: RULE, breakerOpen: 'forward' } });
    await times(lab, 3);
    await lab.tick(31_000);
    assert.deepEqual(await times(lab, 4), ['forwarded', 'dropped', 'forwarded', 'forwarded']);
    const { breakerOpen, breakerTrips } = lab.counters('fragile');
    assert.deepEqual([one.calls, breakerOpen, breakerTrips], [4, 1, 2]);
    await close(lab);
  });

  test('stays in where the faults lie further apart than the window', async () => {
    const one = fragile();
    const lab = await openLab(one.hook, { faults: { breaker: RULE } });
    for (let count = 0; count < 8; count++) {
      await times(lab, 1);
      await lab.tick(6000);
    }
    assert.deepEqual([one.calls, lab.counters('fragile').breakerOpen], [8, 0]);
    await close(lab);
  });

  test('takes faults of its timers into account', async () => {
    let calls = 0;
    const hook = defineHook({
      name: 'fragile',
      setup(_options, runtime) {
        runtime.every(100, () => {
          throw new Error('a timer');
        });
        return {
          onPacket: () => {
            calls += 1;
            return FORWARD;
          },
        };
      },
    }) as DefinedHook;
    const lab = await openLab(hook, { faults: { breaker: RULE, breakerOpen: 'forward' } });
    await times(lab, 1);
    await lab.tick(1000);
    await times(lab, 2);
    assert.deepEqual([calls, lab.counters('fragile').bypassed], [1, 2]);
    await close(lab);
  });

  test('costs the other hooks nothing: theirs are closed', async () => {
    const [one, other] = [fragile(), fragile('sound')];
    other.isBroken = false;
    const lab = await openLab([one.hook, other.hook], {
      faults: { breaker: RULE, breakerOpen: 'forward', hookThrows: 'forward' },
    });
    await times(lab, 10);
    assert.deepEqual([one.calls, other.calls, lab.counters('sound').breakerOpen], [3, 10, 0]);
    await close(lab);
  });

  test('is counted and not done in shadow', async () => {
    const one = fragile();
    const lab = await openLab([{ hook: one.hook, mode: 'shadow' }], { faults: { breaker: RULE, breakerOpen: 'drop' } });
    assert.deepEqual(await times(lab, 6), Array(6).fill('forwarded'));
    const { bypassed, breakerOpen, dropped } = lab.counters('fragile');
    assert.deepEqual([one.calls, bypassed, breakerOpen, dropped], [3, 3, 1, 6]);
    await close(lab);
  });

  test('lets packets that it held go on to the hooks behind it', async () => {
    let seen = 0;
    let isBroken = false;
    const hook = defineHook({
      name: 'fragile',
      priority: 9,
      hold: { packets: 4, mib: 1, timeoutMs: 100, onTimeout: FORWARD },
      onPacket(packet) {
        if (isBroken) throw new Error('broken');
        return packet.hold();
      },
    }) as DefinedHook;
    const behind = defineHook({
      name: 'behind',
      priority: 0,
      onPacket: () => {
        seen += 1;
        return FORWARD;
      },
    }) as DefinedHook;
    const lab = await openLab([hook, behind], { faults: { breaker: { ...RULE, faults: 1 }, breakerOpen: 'drop' } });
    await lab.send(PACKET);
    isBroken = true;
    await lab.send(PACKET);
    const { departures } = await lab.tick(200);
    assert.deepEqual([departures.length, seen], [1, 1]);
    await close(lab);
  });
});

describe('Breakers and a model of them', () => {
  test('agree through random faults, packets, times and commands', () => {
    const random = randomFrom(91);
    for (let round = 0; round < 300; round++) {
      const rule = {
        faults: 1 + random(4),
        windowSeconds: 1 + random(5),
        retrySeconds: random(4) === 0 ? 0 : 1 + random(6),
        trialPackets: 1 + random(5),
      };
      compare(rule, random, round);
    }
  });
});

type Random = (below: number) => number;

/** Marsaglia's xorshift. */
function randomFrom(seed: number): Random {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** The same in the plainest words: a list of times. */
class Model {
  state: BreakerState = CLOSED;
  faults: number[] = [];
  dueMs = 0;
  tried = 0;
  readonly #rule: BreakerRule;

  constructor(rule: BreakerRule) {
    this.#rule = rule;
  }

  fault(nowMs: number): void {
    if (this.state === OPEN) return;
    this.faults.push(nowMs);
    const recent = this.faults.slice(-this.#rule.faults);
    const isTooMany =
      recent.length === this.#rule.faults && nowMs - (recent[0] ?? 0) <= this.#rule.windowSeconds * 1000;
    if (this.state === HALF_OPEN || isTooMany) this.open(nowMs);
  }

  open(nowMs: number): void {
    this.state = OPEN;
    this.dueMs = nowMs + this.#rule.retrySeconds * 1000;
  }

  close(): void {
    this.state = CLOSED;
    this.faults = [];
  }

  packet(nowMs: number): void {
    if (this.state === HALF_OPEN) this.tried += 1;
    else if (this.state === OPEN && this.#rule.retrySeconds > 0 && nowMs >= this.dueMs) {
      this.state = HALF_OPEN;
      this.tried = 0;
    }
  }

  batch(): void {
    if (this.state === HALF_OPEN && this.tried >= this.#rule.trialPackets) this.close();
  }
}

function compare(rule: BreakerRule, random: Random, round: number): void {
  let seen = 0;
  const changes: number[] = [];
  const breakers = new Breakers(rule, 2, {
    changed: (hook, state) => changes.push(hook * 10 + state),
    seen: () => seen,
  });
  const model = new Model(rule);
  let nowMs = 1000;
  for (let step = 0; step < 120; step++) {
    nowMs += random(3) === 0 ? random(3000) : random(200);
    const state = breakers.stateOf(1);
    switch (random(8)) {
      case 0:
        breakers.open(1, nowMs);
        model.open(nowMs);
        break;
      case 1:
        if (random(3) === 0) {
          breakers.close(1);
          model.close();
        }
        break;
      case 2:
      case 3:
      case 4:
        breakers.fault(1, nowMs);
        model.fault(nowMs);
        break;
      default:
        model.packet(nowMs);
        if (state === OPEN) breakers.meet(1, nowMs);
        else seen += 1;
        if (breakers.halfOpen > 0) breakers.settle();
        model.batch();
    }
    assert.equal(breakers.stateOf(1), model.state, `round ${round}, step ${step}`);
    assert.equal(breakers.stateOf(0), CLOSED);
    assert.equal(breakers.halfOpen, model.state === HALF_OPEN ? 1 : 0);
  }
  assert.ok(changes.every((change) => change >= 10));
}
