/**
 * The counters of a whole run, over lanes that ended and the one that runs.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deserialize, serialize } from 'node:v8';
import type { FlowRow } from '../../../src/lane/flow-row.ts';
import { emptyRow, type LedgerRow } from '../../../src/lane/ledger.ts';
import type { HookInfo } from '../../../src/lane/messages.ts';
import type { HookProgress, LaneProgress } from '../../../src/lane/progress.ts';
import type { Way } from '../../../src/lane/way.ts';
import { sumProgress, Totals } from '../../../src/supervisor/totals.ts';
import { emptyRowOf, FLOW_COUNTERS, HOOK_COLUMNS } from '../../../src/telemetry/counters.ts';
import type { MetricValue } from '../../../src/telemetry/metrics.ts';
import { bridgeWay } from '../lane/lane-rig.ts';

const AB = bridgeWay();
const BA = bridgeWay({ name: 'b > a', inPort: 1, outPort: 0 });
const TAP = bridgeWay({ name: 'tap', inPort: 2, outPort: -1 });

const hookInfo = (name: string): HookInfo => ({
  name,
  path: `/${name}.ts`,
  priority: 0,
  kind: 'defined',
  isShadow: false,
});
const row = (received: number): LedgerRow => ({ ...emptyRow(), received, forwarded: received, sent: received });
const counters = (seen: number, outstanding = 0): HookProgress => ({
  ...emptyRowOf(HOOK_COLUMNS),
  seen,
  forwarded: seen,
  outstanding,
  outstandingBytes: 64 * outstanding,
});

function progress(ways: LedgerRow[], hooks: HookProgress[], kernelDropped = 0): LaneProgress {
  return {
    sequence: 1,
    packets: 0,
    ways,
    hooks,
    tags: [],
    poolBytes: 0,
    poolLimit: 0,
    poolFaults: 0,
    kernelDropped,
    fenced: kernelDropped * 2,
    epoch: 1,
    events: 0,
    eventsLost: 0,
    eventsSuppressed: 0,
    flows: null,
    metrics: [],
    reasons: [],
    times: [],
  };
}

function received(totals: Totals, ways: readonly Way[], now: LaneProgress | null): Record<string, number> {
  return Object.fromEntries(totals.ways(ways, now).map((way) => [way.name, way.row.received]));
}

test('a lane that runs shows its own numbers, one that has written none shows zeros', () => {
  const totals = new Totals();
  assert.deepEqual(received(totals, [AB, BA], null), { 'a > b': 0, 'b > a': 0 });
  assert.deepEqual(received(totals, [AB, BA], progress([row(3), row(4)], [])), { 'a > b': 3, 'b > a': 4 });
  assert.deepEqual(received(totals, [AB, BA], null), { 'a > b': 0, 'b > a': 0 }, 'looking adds nothing up');
});

test('what ended lanes did is added once, by the names of ways and hooks', () => {
  const totals = new Totals();
  const [first, second] = [hookInfo('first'), hookInfo('second')];
  totals.add([AB, BA], [first, second], progress([row(1), row(2)], [counters(10), counters(20)], 5));
  totals.add([BA, AB], [second, first], progress([row(30), row(40)], [counters(300), counters(400)], 6));
  const now = progress([row(100)], [counters(1000)], 7);
  assert.deepEqual(received(totals, [AB], now), { 'a > b': 141, 'b > a': 32 });
  assert.deepEqual(received(totals, [AB], now), { 'a > b': 141, 'b > a': 32 }, 'however often it is asked');
  const hooks = totals.hooks([second, first], progress([], [counters(1000), counters(2000)]));
  assert.deepEqual(
    hooks.map(({ name, counters }) => [name, counters.seen, counters.forwarded]),
    [
      ['second', 1320, 1320],
      ['first', 2410, 2410],
    ],
  );
  assert.deepEqual([totals.kernelDropped(null), totals.kernelDropped(now)], [11, 18]);
  assert.deepEqual([totals.fenced(null), totals.fenced(now)], [22, 36]);
});

test('what an ended lane held in its pool went with it', () => {
  const totals = new Totals();
  const leaky = hookInfo('leaky');
  totals.add([AB], [leaky], progress([row(1)], [counters(1, 9)]));
  const [total] = totals.hooks([leaky], progress([row(1)], [counters(1, 2)]));
  assert.deepEqual([total?.counters.outstanding, total?.counters.outstandingBytes], [2, 128]);
});

test('a way of tap is known to send nothing, also after its lane ended', () => {
  const totals = new Totals();
  totals.add([AB, TAP], [], progress([row(1), row(1)], []));
  assert.deepEqual(
    totals.ways([], null).map(({ name, sends }) => [name, sends]),
    [
      ['a > b', true],
      ['tap', false],
    ],
  );
});

const metric = (hook: number, name: string, value: number, kind: MetricValue['kind'] = 'counter'): MetricValue => ({
  hook,
  name,
  kind,
  value,
  help: '',
});

test('counters of hooks outlive their lanes, gauges do not, and both are known by the name of the hook', () => {
  const totals = new Totals();
  const [first, second] = [hookInfo('first'), hookInfo('second')];
  const said = (now: MetricValue[] | null): [string, string, number][] => {
    const lane = now === null ? null : { ...progress([], []), metrics: now };
    // The running lane has them in another order.
    return totals
      .metrics([second, first], lane)
      .map(({ hook, name, value }) => [['second', 'first'][hook] ?? '', name, value]);
  };
  assert.deepEqual(said(null), []);
  const ended = {
    ...progress([], []),
    metrics: [metric(0, 'queries', 5), metric(1, 'queries', 7), metric(0, 'level', 3, 'gauge')],
  };
  totals.add([], [first, second], ended);
  assert.deepEqual(said(null), [
    ['second', 'queries', 7],
    ['first', 'queries', 5],
  ]);
  assert.deepEqual(said([metric(1, 'queries', 100), metric(1, 'level', 4, 'gauge'), metric(0, 'other', 1)]), [
    ['second', 'queries', 7],
    ['second', 'other', 1],
    ['first', 'queries', 105],
    ['first', 'level', 4],
  ]);
  totals.add([], [second, first], { ...progress([], []), metrics: [metric(1, 'queries', 100)] });
  assert.deepEqual(said([metric(1, 'queries', 1)]), [
    ['second', 'queries', 7],
    ['first', 'queries', 106],
  ]);
});

test('reasons of hooks outlive their lanes, and are known by the name of the hook', () => {
  const totals = new Totals();
  const [first, second] = [hookInfo('first'), hookInfo('second')];
  const lane = (...reasons: [hook: number, text: string, count: number][]): LaneProgress => ({
    ...progress([], []),
    reasons: reasons.map(([hook, text, count]) => ({ hook, text, count })),
  });
  totals.add([], [first, second], lane([0, 'telnet', 5], [1, 'telnet', 7], [1, 'shell', 1]));
  // The running lane has them in another order.
  assert.deepEqual(totals.reasons([second, first], lane([1, 'telnet', 100], [0, 'other', 3])), [
    { hook: 0, text: 'telnet', count: 7 },
    { hook: 0, text: 'shell', count: 1 },
    { hook: 0, text: 'other', count: 3 },
    { hook: 1, text: 'telnet', count: 105 },
  ]);
  const sum = sumProgress([lane([0, 'telnet', 5]), lane([0, 'telnet', 6], [1, 'telnet', 1])]);
  assert.deepEqual(
    sum?.reasons.map(({ count }) => count),
    [11, 1],
  );
});

test('lanes that declare others each time leave no more names than a hook may have', () => {
  const totals = new Totals();
  for (let lane = 0; lane < 50; lane++) {
    const metrics = Array.from({ length: 64 }, (_, index) => metric(0, `c${lane}_${index}`, 1));
    totals.add([], [hookInfo('first')], { ...progress([], []), metrics });
  }
  assert.equal(totals.metrics([hookInfo('first')], null).length, 64);
});

test('flows of all lanes are added up; those of a lane that ended are counted and gone', () => {
  const totals = new Totals();
  const flows = (now: number, made: number): FlowRow => ({ ...emptyRowOf(FLOW_COUNTERS), now, made, most: 10 });
  const one = { ...progress([], []), flows: flows(3, 5) };
  assert.equal(totals.flows(progress([], [])), null, 'no hook asks for them');
  const both = sumProgress([one, { ...one, flows: flows(4, 6) }, progress([], [])]);
  assert.deepEqual([both?.flows?.now, both?.flows?.most, both?.flows?.made], [7, 20, 11]);
  totals.add([], [], one);
  assert.deepEqual([totals.flows(null)?.now, totals.flows(null)?.most, totals.flows(null)?.made], [0, 0, 5]);
  assert.deepEqual([totals.flows(one)?.now, totals.flows(one)?.most, totals.flows(one)?.made], [3, 10, 10]);
});

test('events are added up, of lanes that run and of those that have ended', () => {
  const totals = new Totals();
  const lane = { ...progress([], []), events: 10, eventsLost: 3, eventsSuppressed: 1 };
  totals.add([], [], lane);
  assert.deepEqual(totals.events(sumProgress([lane, lane])), { made: 30, lost: 9, suppressed: 3 });
});

test('what another process has counted is added as if it had been counted here, wherever a hook stood there', () => {
  const [first, second] = [hookInfo('first'), hookInfo('second')];
  const metric = (hook: number, value: number): MetricValue => ({
    hook,
    kind: 'counter',
    name: 'things',
    help: '',
    value,
  });
  const here = { ...progress([row(1)], [counters(10), counters(20)], 5), metrics: [metric(0, 1), metric(1, 2)] };
  const there = {
    ...progress([row(30), row(40)], [counters(300), counters(400)], 6),
    metrics: [metric(0, 30), metric(1, 40)],
    reasons: [{ hook: 1, text: 'why', count: 7 }],
    events: 9,
  };
  const both = new Totals();
  both.add([AB], [first, second], here);
  both.add([AB, BA], [second, first], there);
  const other = new Totals();
  other.add([AB, BA], [second, first], there);
  const absorbed = new Totals();
  absorbed.add([AB], [first, second], here);
  absorbed.absorb(deserialize(serialize(other.plain)) as typeof other.plain);
  const shown = (totals: Totals): unknown => {
    const hooks = [first, second];
    return [
      totals.ways([AB, BA], null),
      totals.hooks(hooks, null),
      totals.metrics(hooks, null),
      totals.reasons(hooks, null),
      totals.times(hooks, null),
      totals.events(null),
      totals.kernelDropped(null),
      totals.fenced(null),
    ];
  };
  assert.deepEqual(shown(absorbed), shown(both));
  // And once more, into nothing.
  const anew = new Totals();
  anew.absorb(both.plain);
  assert.deepEqual(shown(anew), shown(both));
});
