/**
 * The text for Prometheus: legal in both formats, complete, bounded, and no counter of it ever goes back.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ownFamilies } from '../../../src/control/own-families.ts';
import { Reports } from '../../../src/control/reports.ts';
import { emptyRow } from '../../../src/lane/ledger.ts';
import type { LaneProgress } from '../../../src/lane/progress.ts';
import { Totals } from '../../../src/supervisor/totals.ts';
import { counterFamilies, metricOf } from '../../../src/telemetry/counter-families.ts';
import { type Counter, FLOW_COUNTERS, HOOK_COLUMNS, WAY_COUNTERS } from '../../../src/telemetry/counters.ts';
import { expose } from '../../../src/telemetry/exposition.ts';
import { NO_TIMES, TIME_BUCKETS } from '../../../src/telemetry/hook-times.ts';
import type { MetricValue } from '../../../src/telemetry/metrics.ts';
import { lintExposition, type ReadFamily, readExposition } from '../../support/exposition.ts';
import { WHOLE_HOOKS, WHOLE_WAYS, wholeDaemon, wholeLane, wholeProgress } from '../../support/whole-daemon.ts';

const OPEN_METRICS = 'application/openmetrics-text; version=1.0.0';

async function read(reports: Reports, accept?: string): Promise<ReadFamily[]> {
  const { text } = await reports.metrics(accept);
  return readExposition(text, accept === undefined ? 'text' : 'openmetrics');
}

function numberOf(
  families: readonly ReadFamily[],
  name: string,
  labels: Record<string, string> = {},
): number | undefined {
  const samples = families.flatMap((family) => family.samples);
  return samples.find((sample) => {
    if (sample.name !== name) return false;
    return Object.entries(labels).every(([label, value]) => sample.labels.get(label) === value);
  })?.value;
}

describe('the text of a daemon', () => {
  test('is legal in both formats, passes the rules of promtool, and says the same in both', async () => {
    const reports = new Reports(wholeDaemon());
    const text = await read(reports);
    const openMetrics = await read(reports, OPEN_METRICS);
    assert.deepEqual(lintExposition(text), []);
    const numbers = (families: readonly ReadFamily[]): [string, number][] =>
      families.flatMap(({ samples }) =>
        samples.map(({ name, labels, value }): [string, number] => [`${name}${JSON.stringify([...labels])}`, value]),
      );
    const isOfProcess = ([name]: readonly [string, number]): boolean => name.startsWith('process_');
    assert.deepEqual(
      numbers(text).filter((one) => !isOfProcess(one)),
      numbers(openMetrics).filter((one) => !isOfProcess(one)),
    );
    assert.deepEqual(
      openMetrics.filter(({ name, unit }) => /_(bytes|seconds)$/.test(name) !== (unit !== '')).map(({ name }) => name),
      [],
    );
  });

  test('has every counter of every table', async () => {
    const families = await read(new Reports(wholeDaemon()));
    for (const [table, scope] of [
      [WAY_COUNTERS, 'way'],
      [HOOK_COLUMNS, 'hook'],
      [FLOW_COUNTERS, 'flow'],
    ] as const) {
      for (const counter of table as readonly Counter[]) {
        const metric = metricOf(counter, scope);
        // In a chain that does not track changes they are not counted.
        if (metric === null || counter.name === 'changed') continue;
        const full = `firehook_${metric.name}${metric.kind === 'counter' ? '_total' : ''}`;
        assert.notEqual(numberOf(families, full, metric.labels), undefined, full);
      }
    }
  });

  test('says of ways, hooks and the daemon what is known', async () => {
    const families = await read(new Reports(wholeDaemon()));
    const [way, strange] = WHOLE_WAYS.map(({ name }) => name) as [string, string];
    const expected: [string, Record<string, string>, number][] = [
      ['firehook_packets_total', { way, outcome: 'forwarded' }, 30],
      ['firehook_packets_total', { way: strange, outcome: 'forwarded' }, 0],
      ['firehook_received_bytes_total', { way }, 1800],
      ['firehook_held_packets', { way }, 0],
      ['firehook_kernel_packets_total', { way, state: 'stolen' }, 7],
      ['firehook_kernel_packets_total', { way, state: 'down' }, 2],
      ['firehook_hook_packets_total', { hook: 'block', verdict: 'forwarded' }, 30],
      ['firehook_hook_packets_total', { hook: 'nat#2', verdict: 'forwarded' }, 30],
      ['firehook_hook_queries_total', { hook: 'block' }, 30],
      ['firehook_hook_open', { hook: 'nat' }, -5],
      ['firehook_hook_duration_seconds_bucket', { hook: 'block', le: '1e-06' }, 30],
      ['firehook_hook_duration_seconds_bucket', { hook: 'block', le: '0.1' }, 90],
      ['firehook_hook_duration_seconds_count', { hook: 'block' }, 90],
      ['firehook_hook_duration_seconds_count', { hook: 'nat' }, 0],
      ['firehook_flows', {}, 6],
      ['firehook_lease_held', {}, 1],
      ['firehook_lease_longest_gap_seconds', {}, 0.25],
      ['firehook_port_protected', { interface: 'wan0' }, 1],
      ['firehook_lane_restarts_total', {}, 1],
      ['firehook_lanes', {}, 2],
      ['firehook_pool_bytes', {}, 200],
      ['firehook_kernel_dropped_frames_total', {}, 2],
      ['firehook_table_prefixes', { table: 'blocked' }, 7],
      ['firehook_events_total', {}, 10],
      ['firehook_build_info', { driver: 'afpacket' }, 1],
    ];
    for (const [name, labels, value] of expected) assert.equal(numberOf(families, name, labels), value, name);
    for (const process of ['supervisor', 'lane 0', 'lane 1'])
      assert.ok((numberOf(families, 'process_resident_memory_bytes', { process }) ?? 0) > 0, process);
    // A start that is not in the future and not before this machine was built.
    const start = numberOf(families, 'process_start_time_seconds', { process: 'supervisor' }) ?? 0;
    assert.ok(start > 1_600_000_000 && start <= Date.now() / 1000 + 1);
  });

  test('says 0 of a ledger that does not add up and of a port that is not protected', async () => {
    const daemon = wholeDaemon();
    const broken = wholeProgress(10, { ways: [{ ...emptyRow(), received: 3 }, emptyRow()] });
    const [attach] = daemon.attaches;
    assert.ok(attach !== undefined);
    const families = await read(
      new Reports({
        ...daemon,
        isLeaseHeld: false,
        attaches: [{ ...attach, inForce: 'none' }],
        lanes: [wholeLane(0, process.pid, () => broken)],
      }),
    );
    for (const name of [
      'firehook_ledger_adds_up',
      'firehook_lease_held',
      'firehook_port_protected',
      'firehook_port_hooked',
    ])
      assert.equal(numberOf(families, name), 0, name);
  });

  test('of a tap alone says nothing of a lease, and counts changes', async () => {
    const daemon = wholeDaemon();
    const families = await read(new Reports({ ...daemon, config: { ...daemon.config, attach: [{ tap: 'lan0' }] } }));
    assert.equal(numberOf(families, 'firehook_lease_held'), undefined);
    assert.equal(numberOf(families, 'firehook_hook_changed_packets_total', { hook: 'block' }), 0);
  });

  test('has labels from the configuration and a few words only', async () => {
    const families = await read(new Reports(wholeDaemon()));
    const values = new Map<string, Set<string>>();
    for (const { labels } of families.flatMap(({ samples }) => samples))
      for (const [name, value] of labels) values.set(name, (values.get(name) ?? new Set()).add(value));
    assert.deepEqual([...values.keys()].sort(), [
      'driver',
      'hook',
      'interface',
      'kind',
      'le',
      'node',
      'outcome',
      'process',
      'reason',
      'state',
      'table',
      'verdict',
      'version',
      'way',
    ]);
    assert.deepEqual([...(values.get('hook') ?? [])], ['block', 'nat', 'nat#2']);
    assert.equal(values.get('le')?.size, TIME_BUCKETS.length + 1);
  });

  test('is legal whatever names and help a hook gives its numbers', () => {
    const word = fc.stringMatching(/^[a-z][a-z0-9_]{0,12}$/);
    const name = fc.oneof(
      word,
      fc.constantFrom(
        'packets',
        'packets_total',
        'x',
        'x_total',
        'x_count',
        'x_bucket',
        'x_info',
        'total',
        'duration_seconds',
      ),
    );
    const metric: fc.Arbitrary<MetricValue> = fc.record({
      hook: fc.nat(3),
      kind: fc.constantFrom('counter', 'gauge'),
      name,
      help: fc.stringMatching(/^[ -~]{0,120}$/),
      value: fc.double({ noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(metric, { maxLength: 30 }), (metrics) => {
        const ours = counterFamilies(HOOK_COLUMNS, 'hook', []);
        const taken = new Set(ours.map((family) => family.name));
        const families = ownFamilies(metrics, ['a', 'b', 'c'], taken);
        for (const family of families) assert.ok(!taken.has(family.name));
        readExposition(expose(families, 'text'), 'text');
        readExposition(expose(families, 'openmetrics'), 'openmetrics');
      }),
      { seed: 12, numRuns: 500 },
    );
  });
});

describe('a counter', () => {
  test('that is new in a table has a name made of its own', () => {
    const counter: Counter = { name: 'brandNewOctets', label: null, depth: 0, isAlways: false, help: 'New.' };
    const [family] = counterFamilies([counter], 'way', [{ labels: { way: 'w' }, row: { brandNewOctets: 7 } }]);
    assert.deepEqual(family, {
      name: 'firehook_way_brand_new_bytes',
      kind: 'counter',
      help: 'New.',
      unit: 'bytes',
      samples: [{ labels: { way: 'w' }, value: 7 }],
    });
  });

  test('never goes back, while lanes come, end, are torn, and lie', async () => {
    const totals = new Totals();
    let progress: LaneProgress | null = null;
    const view = { ...wholeDaemon(), totals, lanes: [wholeLane(0, process.pid, () => progress)] };
    // Without the time that an answer stands: each step asks anew.
    const clock = performance.now.bind(performance);
    let shiftMs = 0;
    performance.now = () => clock() + shiftMs;
    try {
      const reports = new Reports(view);
      const told = new Map<string, number>();
      const step = async (now: LaneProgress | null): Promise<void> => {
        progress = now;
        shiftMs += 1_000;
        for (const { type, samples } of await read(reports)) {
          if (type !== 'counter' && type !== 'histogram') continue;
          for (const { name, labels, value } of samples) {
            const key = `${name}${JSON.stringify([...labels])}`;
            assert.ok(value >= (told.get(key) ?? 0), key);
            told.set(key, value);
          }
        }
      };
      await step(wholeProgress(100));
      await step(null);
      await step(wholeProgress(150));
      totals.add(WHOLE_WAYS, WHOLE_HOOKS, wholeProgress(150));
      await step(null);
      await step(wholeProgress(5, { times: WHOLE_HOOKS.map(() => NO_TIMES) }));
      await step(wholeProgress(1));
      const families = await read(reports);
      assert.equal(numberOf(families, 'firehook_received_packets_total', { way: 'lan0 > wan0' }), 155);
      assert.equal(numberOf(families, 'firehook_hook_duration_seconds_count', { hook: 'block' }), 453);
    } finally {
      performance.now = clock;
    }
  });
});
