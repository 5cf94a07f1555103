/**
 * What the supervisor tells of: a daemon that changes, look by look, and its numbers.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Config } from '../../../src/config/schema.ts';
import type { AttachView, DaemonView, LaneView } from '../../../src/control/daemon-view.ts';
import { eveLine } from '../../../src/events/eve.ts';
import type { Clock } from '../../../src/supervisor/clock.ts';
import { EngineEvents } from '../../../src/supervisor/engine-events.ts';
import { Totals } from '../../../src/supervisor/totals.ts';
import { assertEve } from '../../support/eve-schema.ts';

interface Told {
  readonly event_type: string;
  readonly log_level?: string;
  readonly engine?: { readonly message: string };
  readonly stats?: { readonly uptime: number };
  readonly firehook: Record<string, unknown>;
}

/** The clock is what the test makes of it. */
class HandClock implements Clock {
  ms = 0;
  #due: { at: number; run: () => void } | null = null;

  now(): number {
    return this.ms;
  }

  setTimer(run: () => void, ms: number): { cancel: () => void } {
    this.#due = { at: this.ms + ms, run };
    return { cancel: () => (this.#due = null) };
  }

  pass(ms: number): void {
    const end = this.ms + ms;
    while (this.#due !== null && this.#due.at <= end) {
      const { at, run } = this.#due;
      this.#due = null;
      this.ms = at;
      run();
    }
    this.ms = end;
  }
}

function lane(pid: number, isReady = true): LaneView {
  return {
    place: 0,
    pid,
    isReady,
    stalled: null,
    trace: () => undefined,
    readTraces: () => ({ records: [], lost: 0 }),
    ask: () => Promise.reject(new Error('none')),
    cpu: null,
    cgroup: null,
    rings: [],
    kernelFilter: null,
    read: () => null,
  };
}

const ATTACH: AttachView = {
  kind: 'bridge',
  interfaces: ['lan0', 'wan0'],
  ifindexes: [2, 3],
  isAttached: true,
  inForce: 'hooks',
  damages: [],
  proof: null,
  takers: [],
  tolerated: [],
};

type Changing = { -readonly [Key in keyof DaemonView]: DaemonView[Key] };

function lay({
  statsSeconds = null,
  tellsEngine = true,
}: {
  statsSeconds?: number | null;
  tellsEngine?: boolean;
} = {}) {
  const daemon: Changing = {
    config: {} as Config,
    startedAtMs: performance.now(),
    state: 'running',
    user: null,
    attaches: [ATTACH],
    lanes: [lane(7)],
    laneRestarts: 0,
    lanesDead: 0,
    lanesHung: 0,
    reloadsFailed: 0,
    setBreaker: () => 0,
    lastLaneError: null,
    lastError: null,
    isLeaseHeld: true,
    lease: { lapses: 0 } as DaemonView['lease'],
    ways: [],
    rings: [],
    hooks: [],
    tables: [],
    totals: new Totals(),
    events: null,
    warnings: [],
    logLinesLost: 0,
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
    counters: () => Promise.resolve(new Map()),
  };
  const clock = new HandClock();
  let events: Told[] = [];
  const engine = new EngineEvents({
    daemon,
    version: '1.2.3',
    statsSeconds,
    tellsEngine,
    clock,
    dateMs: () => 1_795_603_100_000 + clock.ms,
    tell: (event) => {
      assertEve(eveLine(event));
      events.push(event as Told);
    },
  });
  const told = (): Told[] => {
    const taken = events;
    events = [];
    return taken;
  };
  const kinds = (): unknown[] => told().map(({ firehook }) => firehook['event']);
  return { daemon, clock, engine, told, kinds };
}

test('start, stop, and nothing in between while nothing changes', () => {
  const { clock, engine, kinds } = lay();
  engine.start();
  clock.pass(60_000);
  engine.stop();
  engine.stop();
  clock.pass(60_000);
  assert.deepEqual(kinds(), ['start', 'stop']);
});

test('a lane that died: who, why, that the lease was lost, that another is ready and the lease is held again', () => {
  const { daemon, clock, engine, told, kinds } = lay();
  engine.start();
  kinds();
  Object.assign(daemon, {
    lanes: [],
    isLeaseHeld: false,
    state: 'lane-down',
    laneRestarts: 1,
    lastLaneError: 'hung\n\u001b[2J',
  });
  daemon.lease = { lapses: 1 } as DaemonView['lease'];
  clock.pass(250);
  const events = told();
  assert.deepEqual(
    events.map(({ firehook, log_level }) => [firehook['event'], log_level]),
    [
      ['lane_ended', 'Error'],
      ['lane_replaced', 'Warning'],
      ['lease_lost', 'Error'],
      ['state', 'Error'],
    ],
  );
  assert.deepEqual(events[0]?.firehook, { event: 'lane_ended', pid: 7, reason: 'hung\\x0a\\x1b[2J' });
  Object.assign(daemon, { lanes: [lane(8)], isLeaseHeld: true, state: 'running' });
  clock.pass(250);
  assert.deepEqual(kinds(), ['lane_ready', 'lease_held', 'state']);
});

test('what lasted less than a look shows by its count', () => {
  const { daemon, clock, engine, kinds } = lay();
  engine.start();
  kinds();
  daemon.lease = { lapses: 2 } as DaemonView['lease'];
  clock.pass(250);
  assert.deepEqual(kinds(), ['lease_lost', 'lease_held']);
});

test('an interface that goes and comes, a table that is exchanged, and what others say', () => {
  const { daemon, clock, engine, told, kinds } = lay();
  engine.start();
  kinds();
  daemon.attaches = [{ ...ATTACH, isAttached: false, inForce: 'drop' }];
  daemon.tables = [{ name: 'blocked', version: 2 } as DaemonView['tables'][number]];
  clock.pass(250);
  assert.deepEqual(
    told().map(({ engine: said }) => said?.message),
    ['No longer attached to lan0 and wan0', 'Table blocked has another version'],
  );
  daemon.attaches = [ATTACH];
  clock.pass(250);
  assert.deepEqual(kinds(), ['attach_up']);
  engine.tell('reload', 'Info', 'Reloaded', { generation: 2 });
  assert.deepEqual(told()[0]?.firehook, { event: 'reload', generation: 2 });
});

test('a reload, and one that was refused', () => {
  const { daemon, clock, engine, told, kinds } = lay();
  engine.start();
  kinds();
  Object.assign(daemon, { generation: 2, lastReload: { atMs: 1, error: null } });
  clock.pass(250);
  assert.deepEqual(told()[0]?.firehook, { event: 'reload', generation: 2 });
  daemon.lastReload = { atMs: 2, error: 'no such hook' };
  clock.pass(500);
  assert.deepEqual(
    told().map(({ firehook }) => firehook),
    [{ event: 'reload_failed', generation: 2, reason: 'no such hook' }],
  );
});

test('numbers come every so many seconds and at the end, whether a lane answers or not, and alone where only they are wanted', () => {
  const { daemon, clock, engine, told } = lay({ statsSeconds: 10, tellsEngine: false });
  engine.start();
  daemon.lanes = [];
  clock.pass(35_000);
  engine.stop();
  const events = told();
  assert.deepEqual(
    events.map(({ event_type }) => event_type),
    ['stats', 'stats', 'stats', 'stats'],
  );
  assert.deepEqual(events[0]?.firehook['events'], { made: 0, lost: 0, suppressed: 0 });
});
