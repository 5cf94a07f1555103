/**
 * Counters and gauges of hooks: what may be declared, what is counted, and what it costs.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import fc from 'fast-check';
import { type Counter, type DefinedHook, defineHook, FORWARD, type HookRuntime } from '../../../src/index.ts';
import { addMetrics, boundedMetric, type MetricValue, MOST_OF_HOOK } from '../../../src/telemetry/metrics.ts';
import { allocationPerPacket, ipv4, type Lab, openLab, udp } from '../../../src/testing/index.ts';

const PACKET = ipv4({}, udp({}, 'data'));
let lab: Lab | null = null;
afterEach(async () => {
  await lab?.close();
  lab = null;
});

/** A hook that declares something. */
function declaring(declare: (runtime: HookRuntime) => void, name = 'hook'): DefinedHook {
  return defineHook({
    name,
    setup(_options, runtime) {
      declare(runtime);
      return { onPacket: () => FORWARD };
    },
  });
}

const refusals: readonly (readonly [what: string, declare: (runtime: HookRuntime) => void, reason: RegExp])[] = [
  ['a capital letter', (runtime) => runtime.counter('Seen'), /counter "Seen": expected 1 to 48 small letters/],
  ['a digit first', (runtime) => runtime.counter('1st'), /expected 1 to 48 small letters/],
  ['nothing', (runtime) => runtime.counter(''), /expected 1 to 48 small letters/],
  ['49 characters', (runtime) => runtime.counter('x'.repeat(49)), /expected 1 to 48 small letters/],
  ['the end of a line', (runtime) => runtime.counter('a\n'), /expected 1 to 48 small letters/],
  ['no text', (runtime) => runtime.counter(7 as never), /counter 7: expected/],
  ['_total', (runtime) => runtime.counter('seen_total'), /leave out _total/],
  ['a name twice', (runtime) => [runtime.counter('a'), runtime.gauge('a', () => 1)], /gauge "a": is declared already/],
  ['help of two lines', (runtime) => runtime.counter('a', 'one\ntwo'), /its help has to be at most 120 printable/],
  ['long help', (runtime) => runtime.counter('a', 'x'.repeat(121)), /its help has to be at most 120 printable/],
  ['a gauge without a function', (runtime) => runtime.gauge('a', 5 as never), /has to be a function/],
  [
    'a 65th',
    (runtime) => Array.from({ length: 65 }, (_, index) => runtime.counter(`c${index}`)),
    /counter "c64": a hook has at most 64 counters and gauges/,
  ],
];

describe('what a hook declares', () => {
  for (const [what, declare, reason] of refusals) {
    test(`is refused in setup by the name of the hook: ${what}`, async () => {
      await assert.rejects(openLab(declaring(declare)), (error: Error) => {
        assert.match(error.message, reason);
        assert.match(error.message, /hook/);
        return true;
      });
    });
  }

  test('is refused beyond 512 of all hooks together', async () => {
    const hooks = Array.from({ length: 9 }, (_, index) =>
      declaring((runtime) => {
        for (let counter = 0; counter < 60; counter++) runtime.counter(`c${counter}`);
      }, `hook-${index}`),
    );
    await assert.rejects(openLab(hooks), /hook-8.*all hooks together have at most 512/);
  });

  test('is a fault of the hook after setup', async () => {
    lab = await openLab(
      defineHook({
        name: 'late',
        setup: (_options, runtime) => ({
          onPacket() {
            runtime.counter('seen');
            return FORWARD;
          },
        }),
      }),
    );
    await lab.send(PACKET);
    lab.expectFaults(/counter "seen": counters and gauges are declared in setup/);
    assert.deepEqual(lab.metrics('late'), {});
  });
});

describe('a counter', () => {
  /** A hook that adds the next of these to its counter with each packet. */
  const adding = (values: readonly (number | undefined)[]): DefinedHook =>
    defineHook({
      name: 'adds',
      setup(_options, runtime) {
        const counter: Counter = runtime.counter('sum');
        let index = 0;
        return {
          onPacket() {
            counter.add(values[index++ % values.length]);
            return FORWARD;
          },
        };
      },
    });

  test('adds up whole numbers and fractions, and 1 where nothing is said', async () => {
    lab = await openLab(adding([undefined, 2, 0.25, 0]));
    for (let packet = 0; packet < 4; packet++) await lab.send(PACKET);
    assert.deepEqual(lab.metrics('adds'), { sum: 3.25 });
  });

  test('does not go beyond what a double counts exactly', async () => {
    lab = await openLab(adding([2 ** 53, Number.POSITIVE_INFINITY]));
    for (let packet = 0; packet < 3; packet++) await lab.send(PACKET);
    assert.deepEqual(lab.metrics('adds'), { sum: 2 ** 53 });
  });

  for (const value of [-1, Number.NaN, '5', null])
    test(`takes no ${JSON.stringify(value)}`, async () => {
      lab = await openLab(adding([value as number]));
      await lab.send(PACKET);
      lab.expectFaults(/a counter only grows/);
      assert.deepEqual(lab.metrics('adds'), { sum: 0 });
    });

  test('allocates nothing, also beyond what a small integer holds', async () => {
    lab = await openLab(adding([0.5, 2 ** 33, undefined]));
    assert.ok(allocationPerPacket(lab, [PACKET]) < 4);
    assert.ok((lab.metrics('adds')['sum'] ?? 0) > 2 ** 40);
  });

  test('cannot be changed by a hook, nor reach another one', async () => {
    lab = await openLab(
      declaring((runtime) => {
        const counter = runtime.counter('a');
        assert.throws(() => Object.assign(counter, { add: () => undefined }), TypeError);
        assert.throws(
          () => Object.assign(Object.getPrototypeOf(counter) as object, { add: () => undefined }),
          TypeError,
        );
      }),
    );
  });
});

describe('a gauge', () => {
  test('is asked when somebody looks, and may be below 0', async () => {
    let level = -2.5;
    lab = await openLab(declaring((runtime) => runtime.gauge('level', () => level)));
    assert.deepEqual(lab.metrics('hook'), { level: -2.5 });
    level = 7;
    assert.deepEqual(lab.metrics('hook'), { level: 7 });
  });

  for (const [what, read] of [
    [
      'throws',
      () => {
        throw new Error('no');
      },
    ],
    ['returns no number', () => 'five' as never],
    ['returns an infinite one', () => Number.POSITIVE_INFINITY],
    ['returns a promise', () => Promise.resolve(1) as never],
  ] as readonly (readonly [string, () => number])[])
    test(`that ${what} is a fault once, and is asked no more`, async () => {
      let calls = 0;
      lab = await openLab(
        declaring((runtime) =>
          runtime.gauge('level', () => {
            calls += 1;
            return calls === 1 ? 5 : read();
          }),
        ),
      );
      for (let look = 0; look < 4; look++) assert.deepEqual(lab.metrics('hook'), { level: 5 });
      assert.equal(calls, 2);
      lab.expectFaults(/threw in a gauge/);
    });
});

test('metrics of lanes are added by hook and name, within bounds, whatever the lanes say', () => {
  const metric = fc
    .record({
      hook: fc.nat(2),
      kind: fc.constantFrom('counter' as const, 'gauge' as const),
      name: fc.constantFrom(...Array.from({ length: 70 }, (_, index) => `c${index}`)),
      help: fc.constant(''),
      value: fc.oneof(fc.nat(100), fc.constantFrom(2 ** 53, -(2 ** 53))),
    })
    .map((one) => ({ ...one, value: boundedMetric(one.kind, one.value) }));
  const lane = fc.uniqueArray(metric, { maxLength: 64, selector: ({ hook, name }) => `${hook} ${name}` });
  fc.assert(
    fc.property(fc.array(lane, { minLength: 2, maxLength: 5 }), (lanes) => {
      const sum = lanes.reduce<MetricValue[]>((before, one) => addMetrics(before, one), []);
      const keys = sum.map(({ hook, name }) => `${hook} ${name}`);
      assert.equal(new Set(keys).size, keys.length);
      for (const hook of [0, 1, 2]) assert.ok(sum.filter((one) => one.hook === hook).length <= MOST_OF_HOOK);
      for (const { hook, name, kind, value } of sum) {
        assert.ok(Math.abs(value) <= 2 ** 53 && (kind === 'gauge' || value >= 0));
        const own = lanes.flat().filter((one) => one.hook === hook && one.name === name && one.kind === kind);
        const isPlain = own.every((one) => one.value >= 0 && one.value <= 100);
        const isMixed = lanes.flat().some((one) => one.hook === hook && one.name === name && one.kind !== kind);
        const wasFull = lanes.flat().filter((one) => one.hook === hook).length > MOST_OF_HOOK;
        if (isPlain && !isMixed && !wasFull)
          assert.equal(
            value,
            own.reduce((all, one) => all + one.value, 0),
          );
      }
    }),
    { numRuns: 1000, seed: 11 },
  );
});
