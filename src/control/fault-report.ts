/**
 * The table of faults as it is in force, with what was counted: `faults` in `firehook status`.
 *
 * Rule: every row of `FAULT_ROWS` is there, in its order, also while nothing was counted.
 *
 * @module
 */

import { FAULT_ROWS, type FaultCounter, inForceOf } from '../config/faults.ts';
import type { LedgerRow } from '../lane/ledger.ts';
import type { HookProgress, LaneProgress } from '../lane/progress.ts';
import type { DaemonView } from './daemon-view.ts';

/** One row. */
export interface FaultReport {
  readonly fault: string;
  /** What declares it; null where there is one outcome only. */
  readonly key: string | null;
  /** What becomes of the traffic. */
  readonly inForce: string;
  readonly counter: FaultCounter;
  readonly count: number;
}

/** What the numbers are taken from. */
export interface FaultNumbers {
  readonly daemon: DaemonView;
  /** All ways in sum. */
  readonly ways: LedgerRow;
  readonly progress: LaneProgress | null;
}

/** Every row. */
export function faultReport(numbers: FaultNumbers): FaultReport[] {
  const { faults, policy } = numbers.daemon.config;
  return FAULT_ROWS.map((row) => ({
    fault: row.fault,
    key: row.key,
    inForce: inForceOf(row, faults, policy),
    counter: row.counter,
    count: countOf(row.counter, numbers),
  }));
}

function countOf(counter: FaultCounter, { daemon, ways, progress }: FaultNumbers): number {
  const [group, name = ''] = counter.split('.');
  if (group === 'ways') return ways[name as keyof LedgerRow];
  if (group === 'flows') return daemon.totals.flows(progress)?.refused ?? 0;
  if (group === 'hooks') {
    const hooks = daemon.totals.hooks(daemon.hooks, progress);
    return hooks.reduce((sum, { counters }) => sum + counters[name as keyof HookProgress], 0);
  }
  switch (counter) {
    case 'daemon.kernelDropped':
      return daemon.totals.kernelDropped(progress);
    case 'daemon.lanesDead':
      return daemon.lanesDead;
    case 'daemon.lanesHung':
      return daemon.lanesHung;
    case 'daemon.unprotected':
      return daemon.attaches.filter(({ inForce }) => inForce === 'none').length;
    default:
      return daemon.reloadsFailed;
  }
}
