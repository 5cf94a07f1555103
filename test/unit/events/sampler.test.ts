/**
 * Samples against a model that counts one by one.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Sampler } from '../../../src/events/sampler.ts';

/** What one kind has, kept the long way. */
interface Model {
  seen: number;
  left: number;
  second: number;
  spent: number;
}

test('the first of a kind is told, then one in N within the budget; what is left out is said, once, whatever has no room', () => {
  const step = fc.record({ key: fc.nat(2), later: fc.nat(2), hasRoom: fc.boolean() });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 6 }),
      fc.nat(4),
      fc.array(step, { maxLength: 200 }),
      (oneIn, perSecond, steps) => {
        const sampler = new Sampler(3, { oneIn, perSecond });
        const models = Array.from({ length: 3 }, (): Model => ({ seen: 0, left: 0, second: -1, spent: 0 }));
        let second = 1_795_000_000;
        let total = 0;
        for (const { key, later, hasRoom } of steps) {
          second += later === 2 ? 1 : 0;
          const model = models[key] as Model;
          if (model.second !== second) Object.assign(model, { second, spent: 0 });
          const isDue = model.seen % oneIn === 0;
          const isTold = isDue && (perSecond === 0 || model.spent < perSecond);
          model.seen += 1;
          assert.equal(sampler.takes(key, second), isTold);
          if (!isTold) {
            model.left += 1;
            total += 1;
          } else {
            model.spent += 1;
            if (hasRoom) {
              assert.equal(sampler.left(key), model.left);
              model.left = 0;
            } else sampler.keep(key);
          }
          assert.equal(sampler.total, total);
        }
      },
    ),
    { numRuns: 500, seed: 12 },
  );
});

test('a clock that was set back has a budget again', () => {
  const sampler = new Sampler(1, { oneIn: 1, perSecond: 1 });
  assert.deepEqual(
    [100, 100, 99, 50, 50].map((second) => {
      const isTold = sampler.takes(0, second);
      if (isTold) sampler.left(0);
      return isTold;
    }),
    [true, false, false, true, false],
  );
});
