/**
 * A daemon as the reports see it, with something of everything: two attaches and a tap, hooks, flows, tables, events, two lanes.
 *
 * Rule: the numbers are a lane's, made by hand; what is made of them is the code under test.
 *
 * @module
 */

import { type Config, defaultSettings } from '../../src/config/schema.ts';
import type { DaemonView, LaneView } from '../../src/control/daemon-view.ts';
import { emptyRow } from '../../src/lane/ledger.ts';
import type { HookInfo } from '../../src/lane/messages.ts';
import type { LaneProgress } from '../../src/lane/progress.ts';
import { Totals } from '../../src/supervisor/totals.ts';
import { emptyRowOf, FLOW_COUNTERS, HOOK_COLUMNS } from '../../src/telemetry/counters.ts';
import { NO_TIMES } from '../../src/telemetry/hook-times.ts';
import { bridgeWay } from '../unit/lane/lane-rig.ts';

/** Ways of {@link wholeDaemon}; the name of the second has all that has to be escaped. */
export const WHOLE_WAYS = [
  bridgeWay({ name: 'lan0 > wan0', recvInterfaceIndex: 3, sendInterfaceIndex: 4 }),
  bridgeWay({ name: 'a "b" \\ c\nd', inPort: 1, outPort: 0, recvInterfaceIndex: 4, sendInterfaceIndex: 3 }),
];
/** Hooks of {@link wholeDaemon}; two have one name, as a lane may say. */
export const WHOLE_HOOKS: readonly HookInfo[] = ['block', 'nat', 'nat'].map((name) => ({
  name,
  path: `/${name}.ts`,
  priority: 0,
  kind: 'defined',
  isShadow: false,
}));

/** What a lane had done after so many packets on the first way. */
export function wholeProgress(packets: number, changes: Partial<LaneProgress> = {}): LaneProgress {
  const row = { ...emptyRow(), received: packets, forwarded: packets, sent: packets, receivedOctets: 60 * packets };
  return {
    sequence: 1,
    packets,
    ways: [row, emptyRow()],
    hooks: WHOLE_HOOKS.map(() => ({ ...emptyRowOf(HOOK_COLUMNS), seen: packets, forwarded: packets })),
    tags: [],
    poolBytes: 100,
    poolLimit: 1000,
    poolFaults: 0,
    kernelDropped: 1,
    fenced: 2,
    epoch: 1,
    events: 5,
    eventsLost: 1,
    eventsSuppressed: 2,
    flows: { ...emptyRowOf(FLOW_COUNTERS), now: 3, most: 100, made: 4 },
    metrics: [
      { hook: 0, kind: 'counter', name: 'queries', help: 'Queries.', value: packets },
      { hook: 1, kind: 'gauge', name: 'open', help: '', value: -2.5 },
    ],
    reasons: [{ hook: 0, text: 'telnet "old"', count: packets }],
    times: WHOLE_HOOKS.map((_, hook) =>
      hook === 0 ? NO_TIMES.map((_zero, column) => (column < 3 ? packets : 0)) : NO_TIMES,
    ),
    ...changes,
  };
}

/** A lane that has done this; `pid` has to be of a process that is there. */
export function wholeLane(place: number, pid: number, read: () => LaneProgress | null): LaneView {
  return {
    place,
    isReady: true,
    stalled: null,
    trace: () => undefined,
    readTraces: () => ({ records: [], lost: 0 }),
    ask: () => Promise.reject(new Error('none')),
    pid,
    cpu: null,
    cgroup: null,
    rings: [],
    kernelFilter: null,
    read,
  };
}

/** The daemon. */
export function wholeDaemon(changes: Partial<DaemonView> = {}): DaemonView {
  const attach = {
    kind: 'bridge' as const,
    interfaces: ['lan0', 'wan0'],
    ifindexes: [3, 4],
    isAttached: true,
    inForce: 'hooks' as const,
    damages: [],
    proof: null,
    takers: [],
    tolerated: [],
  };
  const table = {
    name: 'blocked',
    file: '/lists/blocked',
    version: 3,
    prefixes: 7,
    octets: 96,
    sinceMs: 0,
    error: null,
  };
  const kernel = { stolen: 7, offered: 9, whileDown: 2, unhooked: 1, kept: 0 };
  return {
    config: {
      attach: [{ bridge: ['lan0', 'wan0'] }],
      driver: 'afpacket',
      lanes: 2,
      policy: {},
      faults: defaultSettings().faults,
      pool: { limitMiB: 1 },
    } as unknown as Config,
    startedAtMs: 0,
    state: 'running',
    user: null,
    attaches: [attach],
    lanes: [wholeLane(0, process.pid, () => wholeProgress(10)), wholeLane(1, process.ppid, () => wholeProgress(20))],
    laneRestarts: 1,
    lanesDead: 1,
    lanesHung: 0,
    reloadsFailed: 0,
    setBreaker: () => 0,
    lastLaneError: null,
    lastError: null,
    isLeaseHeld: true,
    lease: { lapses: 1, renewals: 2, refusals: 3, longestGapMs: 250, lastError: null } as DaemonView['lease'],
    ways: WHOLE_WAYS,
    rings: [],
    hooks: WHOLE_HOOKS,
    generation: 3,
    lastReload: null,
    reload: () => Promise.reject(new Error('none')),
    upgrade: () => Promise.reject(new Error('none')),
    trial: null,
    keptSession: null,
    lastTrial: null,
    apply: () => Promise.reject(new Error('none')),
    confirm: () => Promise.reject(new Error('none')),
    cancelApply: () => Promise.reject(new Error('none')),
    tables: [table],
    events: { sinks: [], written: 3, failed: 1, invalid: 0, problem: null },
    totals: new Totals(),
    warnings: [],
    logLinesLost: 0,
    counters: () =>
      Promise.resolve(
        new Map([
          ['3 in', kernel],
          ['4 in', kernel],
        ]),
      ),
    ...changes,
  };
}
