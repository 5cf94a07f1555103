/**
 * The table of faults in `firehook status`, and the breaker by command.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FAULT_ROWS } from '../../../src/config/faults.ts';
import { parseConfig } from '../../../src/config/load-config.ts';
import { setBreaker } from '../../../src/control/breaker-control.ts';
import type { DaemonView } from '../../../src/control/daemon-view.ts';
import { faultReport } from '../../../src/control/fault-report.ts';
import { emptyRow } from '../../../src/lane/ledger.ts';
import type { LaneProgress } from '../../../src/lane/progress.ts';
import { Totals } from '../../../src/supervisor/totals.ts';
import { emptyRowOf, FLOW_COUNTERS, HOOK_COLUMNS } from '../../../src/telemetry/counters.ts';

const TEXT = `attach: [{ bridge: [lan0, wan0] }]
policy: { onDown: forward }
faults: { default: drop, noVerdict: forward, breaker: { faults: 3 } }`;

/** A number of its own for each counter. */
const PROGRESS = {
  ways: [],
  hooks: [{ ...emptyRowOf(HOOK_COLUMNS), threw: 1, noVerdict: 2, misused: 3, tooLate: 4, bypassed: 5, heldTooLong: 6 }],
  flows: { ...emptyRowOf(FLOW_COUNTERS), refused: 7 },
  kernelDropped: 8,
} as unknown as LaneProgress;

function daemonOf(text = TEXT): DaemonView & { readonly told: unknown[] } {
  const told: unknown[] = [];
  return {
    told,
    config: parseConfig(text, '/etc', 'test.yaml').config,
    hooks: [{ name: 'a', path: '/a.ts', priority: 0, kind: 'defined', isShadow: false }],
    totals: new Totals(),
    attaches: [{ inForce: 'none' }, { inForce: 'hooks' }, { inForce: 'none' }],
    lanesDead: 12,
    lanesHung: 13,
    reloadsFailed: 14,
    setBreaker: (hook: string, isOpen: boolean) => told.push([hook, isOpen]),
  } as unknown as DaemonView & { readonly told: unknown[] };
}

test('each fault has what is in force and its own counter', () => {
  const ways = { ...emptyRow(), lostPool: 9, lostSendError: 10, unreadable: 11 };
  const report = faultReport({ daemon: daemonOf(), ways, progress: PROGRESS });
  assert.deepEqual(
    report.map(({ fault, inForce, count }) => [fault, inForce, count]),
    [
      ['a hook throws', 'drop', 1],
      ['a hook returns no verdict', 'forward', 2],
      ['a hook misuses what it was handed', 'drop', 3],
      ['a hook takes longer than its budget', 'drop', 4],
      ['the breaker of a hook is open', 'drop', 5],
      ['a packet is held too long', 'hook', 6],
      ['a hook takes more memory than the lane has', 'the lane ends', 12],
      ['the pool is empty', 'lost', 9],
      ['the ring is full', 'lost', 8],
      ['the flow table is full', 'no flow', 7],
      ['a frame cannot be sent', 'lost', 10],
      ['a frame is unreadable', 'drop', 11],
      ['a lane is dead', 'forward', 12],
      ['a lane hangs', 'forward', 13],
      ['a reload fails', 'nothing changes', 14],
      ['a port is unprotected', 'forward', 2],
    ],
  );
  assert.equal(report.length, FAULT_ROWS.length);
});

test('a breaker is set by name, where there are breakers', () => {
  const daemon = daemonOf();
  assert.deepEqual(setBreaker(daemon, '{"hook":"a","isOpen":false}'), [200, { hook: 'a', isOpen: false, lanes: 1 }]);
  assert.deepEqual(daemon.told, [['a', false]]);
  assert.equal(setBreaker(daemon, '{"hook":"b","isOpen":false}')[0], 404);
  for (const body of ['', '{}', '{"hook":"a"}', '{"hook":1,"isOpen":true}', '{"hook":"a","isOpen":true,"x":1}'])
    assert.equal(setBreaker(daemon, body)[0], 400, body);
  assert.equal(setBreaker(daemonOf('attach: [{ tap: eth0 }]'), '{"hook":"a","isOpen":true}')[0], 409);
  assert.equal(daemon.told.length, 1);
});
