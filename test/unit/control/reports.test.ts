/**
 * The reports, over whatever a lane may have written: every number in them is one that can be.
 *
 * The octets are a lane's, so the reader that the supervisor uses reads them from a real file.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';

import { type Config, defaultSettings } from '../../../src/config/schema.ts';
import type { DaemonView } from '../../../src/control/daemon-view.ts';
import { Reports } from '../../../src/control/reports.ts';
import { emptyRow } from '../../../src/lane/ledger.ts';
import type { HookInfo } from '../../../src/lane/messages.ts';
import { ProgressReader, progressOctets } from '../../../src/lane/progress.ts';
import { Totals } from '../../../src/supervisor/totals.ts';
import { bridgeWay } from '../lane/lane-rig.ts';

const WAYS = [
  bridgeWay({ recvInterfaceIndex: 3, sendInterfaceIndex: 4 }),
  bridgeWay({ name: 'eth0 out', recvInterfaceIndex: 0, sendInterfaceIndex: 3 }),
];
const HOOKS: HookInfo[] = [{ name: 'block', path: '/block.ts', priority: 0, kind: 'defined', isShadow: false }];
const SHAPE = { ways: WAYS.length, hooks: HOOKS.length };
const DOUBLES = progressOctets(SHAPE) / 8;
/** Of a lane whose hooks count nothing themselves. */
const NOTHING_ELSE = {
  events: 0,
  eventsLost: 0,
  eventsSuppressed: 0,
  flows: null,
  metrics: [],
  reasons: [],
  times: [],
};
/** "FHP7", as `src/lane/progress.ts` has it. */
const MAGIC = 0x46485037;
const MOST = 2 ** 53;
const FROM_KERNEL = { stolen: 7, offered: 9, whileDown: 2, unhooked: 1, kept: 0 };

const double = fc.oneof(
  fc.constantFrom(0, 1, -1, 0.5, MOST, MOST * 2, Number.MAX_VALUE, Number.NaN, Infinity, -Infinity, 2 ** 32),
  fc.nat(20),
  fc.double(),
);
const snapshot = fc.array(double, { minLength: DOUBLES, maxLength: DOUBLES });

/** A daemon that has had a lane which ended, and has two that run. */
function daemonOf(reader: ProgressReader, totals: Totals): DaemonView {
  const lane = {
    place: 0,
    isReady: true,
    stalled: null,
    ask: () => Promise.reject(new Error('none')),
    pid: 1,
    cpu: null,
    cgroup: null,
    rings: [],
    kernelFilter: null,
    trace: () => undefined,
    readTraces: () => ({ records: [], lost: 0 }),
    read: () => reader.read(),
  };
  return {
    config: {
      attach: [{ host: 'eth0' }],
      driver: 'afpacket',
      policy: { onDown: 'drop', unreadable: 'forward' },
      faults: defaultSettings().faults,
      pool: { limitMiB: 1 },
    } as unknown as Config,
    startedAtMs: performance.now(),
    state: 'running',
    user: null,
    attaches: [],
    lanes: [lane, { ...lane, place: 1, pid: 2 }],
    laneRestarts: 1,
    lanesDead: 2,
    lanesHung: 1,
    reloadsFailed: 0,
    setBreaker: () => 2,
    lastLaneError: null,
    lastError: { text: 'Hook block: threw: Error: no.', atMs: performance.now() },
    isLeaseHeld: true,
    lease: { lapses: 0, renewals: 0, refusals: 0, longestGapMs: 0, lastError: null } as DaemonView['lease'],
    ways: WAYS,
    rings: [],
    hooks: HOOKS,
    generation: 1,
    lastReload: null,
    reload: () => Promise.reject(new Error('none')),
    upgrade: () => Promise.reject(new Error('none')),
    trial: null,
    keptSession: null,
    lastTrial: null,
    apply: () => Promise.reject(new Error('none')),
    confirm: () => Promise.reject(new Error('none')),
    cancelApply: () => Promise.reject(new Error('none')),
    tables: [],
    events: null,
    totals,
    warnings: [],
    logLinesLost: 0,
    counters: () =>
      Promise.resolve(
        new Map([
          ['3 in', FROM_KERNEL],
          ['3 out', FROM_KERNEL],
        ]),
      ),
  };
}

function assertBounded(value: unknown, where: string): void {
  if (typeof value === 'number') assert.ok(value >= -1 && value <= MOST, `${where}: ${value}`);
  else if (typeof value === 'object' && value !== null) {
    for (const [name, inner] of Object.entries(value)) assertBounded(inner, `${where}.${name}`);
  }
}

test('whatever a lane wrote, each number of each report is a counter', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-reports-'));
  const fd = openSync(path.join(folder, 'progress'), 'w+');
  t.after(() => {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  });
  ftruncateSync(fd, progressOctets(SHAPE));
  const reader = new ProgressReader(fd, SHAPE);
  reader.metrics = Array.from({ length: 64 }, (_, index) => ({
    hook: 0,
    kind: 'counter',
    name: `c${index}`,
    help: '',
  }));
  await fc.assert(
    fc.asyncProperty(snapshot, snapshot, async (ended, running) => {
      const totals = new Totals();
      const reports = new Reports(daemonOf(reader, totals));
      for (const numbers of [ended, running]) {
        numbers[0] = MAGIC;
        numbers[1] = 1;
        numbers[DOUBLES - 1] = 1;
        writeSync(fd, new Uint8Array(new Float64Array(numbers).buffer), 0, DOUBLES * 8, 0);
        const progress = reader.read();
        assert.ok(progress !== null);
        if (numbers === ended) totals.add(WAYS, HOOKS, progress);
      }
      const stats = await reports.stats();
      assertBounded(reports.statusNow(), 'status');
      assertBounded(stats, 'stats');
      assertBounded(reports.hooks(), 'hooks');
      assertBounded(reports.pool(), 'pool');
      for (const { port } of stats.ways) {
        // What the kernel counted, no lane can raise.
        assert.ok(port !== null && port.offered <= FROM_KERNEL.offered && port.neverHanded <= FROM_KERNEL.offered);
      }
    }),
    // Arrays this long take minutes to shrink, and what was written last says enough.
    { numRuns: 300, endOnFailure: true },
  );
});

test('status says of a daemon how it does, over all its lanes and those that have ended', (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-health-'));
  const fd = openSync(path.join(folder, 'progress'), 'w+');
  t.after(() => {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  });
  ftruncateSync(fd, progressOctets(SHAPE));
  const totals = new Totals();
  const daemon = daemonOf(new ProgressReader(fd, SHAPE), totals);
  const fresh = new Reports({ ...daemon, laneRestarts: 0, lastError: null }).statusNow();
  assert.equal(fresh.health.ok, true);
  assert.deepEqual(fresh.health.problems, []);

  const table = {
    name: 'blocked',
    file: '/lists/blocked',
    version: 3,
    prefixes: 7,
    octets: 96,
    sinceMs: performance.now(),
  };
  const error = { text: 'line 5 is wrong', atMs: performance.now() };
  const quiet = { ...daemon, laneRestarts: 0, lastError: null };
  const stale = new Reports({
    ...quiet,
    tables: [
      { ...table, error },
      { ...table, name: 'other', error: null },
    ],
  }).statusNow();
  assert.deepEqual([stale.health.ok, stale.health.problems], [false, ['lists of tables were not taken: blocked']]);
  const { sinceMs: _, ...shown } = table;
  assert.deepEqual(stale.tables, [
    { ...shown, secondsInForce: 0, lastError: { text: 'line 5 is wrong', secondsAgo: 0 } },
    { ...shown, name: 'other', secondsInForce: 0, lastError: null },
  ]);
  assert.equal(new Reports({ ...quiet, tables: [{ ...table, error: null }] }).statusNow().health.ok, true);

  const row = { ...emptyRow(), received: 9, dropped: 4, droppedByFault: 4, rejected: 1, lost: 2, lostTooLong: 2 };
  const counters = {
    seen: 9,
    filtered: 0,
    accepted: 0,
    forwarded: 0,
    dropped: 4,
    rejected: 1,
    replaced: 0,
    changed: 0,
    settled: 0,
    replied: 0,
    reset: 0,
    held: 0,
    heldTooLong: 0,
    holdsRefused: 0,
    threw: 0,
    noVerdict: 0,
    misused: 0,
    tooLate: 0,
    breakerTrips: 0,
    breakerOpen: 0,
    breakerHalfOpen: 0,
    bypassed: 0,
    differs: 0,
    stricter: 0,
    milder: 0,
    unsent: 0,
    faults: 4,
  };
  const hook = { ...counters, outstanding: 0, outstandingBytes: 0, poolFaults: 0 };
  const numbers = {
    packets: 9,
    tags: [],
    poolBytes: 0,
    poolLimit: 0,
    poolFaults: 0,
    fenced: 0,
    epoch: 0,
    ...NOTHING_ELSE,
  };
  totals.add(WAYS, HOOKS, { ...numbers, sequence: 1, ways: [row, row], hooks: [hook], kernelDropped: 5 });
  const { health } = new Reports(daemon).statusNow();
  assert.deepEqual(health, {
    ok: false,
    problems: ['hooks were at fault: block 4', 'packets were lost: 9', 'lanes were replaced: 1'],
    received: 18,
    dropped: 8,
    rejected: 2,
    lost: 9,
    hookFaults: 4,
    faultsByHook: [{ hook: 'block', faults: 4 }],
    laneRestarts: 1,
    lastError: { text: 'Hook block: threw: Error: no.', secondsAgo: 0 },
  });
});
