/**
 * The list of packets that wait against a model of maps and arrays, over long random runs.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DROP, FORWARD, ICMP_ON_DROP } from '../../../src/firewall/constants.ts';
import type { FinalVerdict, HoldRule } from '../../../src/hook/contract.ts';
import { HoldList, NO_PLACE, roomFor } from '../../../src/hook/hold-list.ts';

const KIB = 1024;
const RULES: readonly (HoldRule | null)[] = [
  { packets: 7, mib: 1, timeoutMs: 100 },
  null,
  { packets: 40, mib: 64 / KIB, timeoutMs: 37.5, onTimeout: FORWARD },
  { packets: 1, mib: 1, timeoutMs: 3000, onTimeout: ICMP_ON_DROP },
];
const VERDICTS: readonly FinalVerdict[] = [0, 1, 2, 3, 4, 5];
const SIZES = [1, 60, 2048, 2049, 9000, 16_384, 16_385, 66_560, 66_561];
const STEPS = 60_000;

interface Waiting {
  readonly owner: number;
  readonly octets: number;
  readonly token: number;
  readonly dueMs: number;
  readonly verdict: FinalVerdict;
  readonly isTimeout: boolean;
  readonly order: number;
}

/** Marsaglia's xorshift, so that a run can be repeated. */
function randomFrom(seed: number): (below: number) => number {
  let x = seed;
  return (below) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % below;
  };
}

for (const seed of [1, 77, 4711]) {
  test(`does what a plain model does, seed ${seed}`, () => {
    const random = randomFrom(seed);
    const list = new HoldList(RULES);
    const waiting = new Map<number, Waiting>();
    const ready: { readonly one: Waiting; readonly verdict: FinalVerdict }[] = [];
    const tokens: number[] = [];
    let nowMs = 1_000_000;
    let order = 0;
    let notified = 0;
    list.onReady = () => {
      notified += 1;
    };
    const heldBy = (owner: number) =>
      [...waiting.values(), ...ready.map(({ one }) => one)].filter((one) => one.owner === owner);
    const mayHold = (owner: number, octets: number): boolean => {
      const rule = RULES[owner] ?? null;
      const room = roomFor(octets);
      if (rule === null || room === 0) return false;
      const held = heldBy(owner);
      const taken = held.reduce((sum, one) => sum + roomFor(one.octets), 0);
      return held.length < rule.packets && taken + room <= rule.mib * KIB * KIB;
    };

    for (let step = 0; step < STEPS; step++) {
      const kind = random(10);
      if (kind < 4) {
        const owner = random(5);
        const octets = SIZES[random(SIZES.length)] as number;
        const delay = [-1, 0, 10, 50, 1e6][random(5)] as number;
        const expected = mayHold(owner, octets);
        assert.equal(list.reserve(owner, octets, delay), expected);
        assert.equal(list.isRefused, !expected);
        list.isRefused = false;
        if (!expected) assert.equal(list.token, 0);
        else if (random(4) === 0) {
          tokens.push(list.token);
          list.undo();
        } else {
          const { token } = list;
          const rule = RULES[owner] as HoldRule;
          const isTimed = delay >= 0 && delay <= rule.timeoutMs;
          list.wait(nowMs);
          order += 1;
          waiting.set(token, {
            owner,
            octets,
            token,
            order,
            dueMs: nowMs + (isTimed ? delay : rule.timeoutMs),
            verdict: isTimed ? FORWARD : (rule.onTimeout ?? DROP),
            isTimeout: !isTimed,
          });
          assert.ok(!tokens.includes(token), 'a token is used once');
          tokens.push(token);
        }
      } else if (kind < 7 && tokens.length > 0) {
        const token = tokens[Math.max(0, tokens.length - 1 - random(60))] as number;
        const one = waiting.get(token);
        const owner = random(3) === 0 ? random(4) : (one?.owner ?? 0);
        const verdict = VERDICTS[random(6)] as FinalVerdict;
        const isRight = one !== undefined && one.owner === owner;
        const before = notified;
        assert.equal(list.release(owner, token, verdict), isRight);
        assert.equal(notified - before, isRight ? 1 : 0);
        if (isRight) {
          waiting.delete(token);
          ready.push({ one: one as Waiting, verdict });
        }
      } else if (kind < 8) nowMs += random(30);
      else {
        for (let count = random(6); count > 0; count--) {
          const first = ready.shift();
          const due = [...waiting.values()].sort((a, b) => a.dueMs - b.dueMs || a.order - b.order)[0];
          const expected = first?.one ?? (due !== undefined && due.dueMs <= nowMs ? due : undefined);
          const place = list.take(nowMs);
          assert.equal(place !== NO_PLACE, expected !== undefined);
          if (expected === undefined) break;
          assert.equal(place, expected.token % 65_536);
          assert.equal(list.verdict, first?.verdict ?? expected.verdict);
          assert.equal(list.isTimedOut, first === undefined && expected.isTimeout);
          waiting.delete(expected.token);
          list.free(place);
        }
      }
      const all = [...waiting.values(), ...ready.map(({ one }) => one)];
      assert.equal(list.waiting, all.length);
      assert.equal(
        list.octets,
        all.reduce((sum, one) => sum + roomFor(one.octets), 0),
      );
      assert.equal(
        list.nextMs,
        Math.min(Number.POSITIVE_INFINITY, ...Array.from(waiting.values(), ({ dueMs }) => dueMs)),
      );
      // What was used long ago is released no more: the list of tokens need not grow.
      if (tokens.length > 400) tokens.splice(0, 200);
    }
    list.releaseAll();
    for (let place = list.take(nowMs); place !== NO_PLACE; place = list.take(nowMs)) list.free(place);
    assert.deepEqual([list.waiting, list.octets, list.nextMs], [0, 0, Number.POSITIVE_INFINITY]);
  });
}
