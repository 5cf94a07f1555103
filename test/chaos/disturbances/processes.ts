/**
 * Processes that are killed, stopped, or started again.
 *
 * Rule: signals go to the supervisor under test and to its own lanes, by pid.
 *
 * @see signal(7)
 * @module
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../random.ts';
import type { Stage } from '../stage.ts';
import type { Disturbance } from './contract.ts';

/** Longer than a lane may stand before it is killed. */
const TOO_LONG_MS = 5_000;
const SHORT_MS = 600;
const SUPERVISOR_STANDS_MS = 2_000;

/** Disturbances of lanes and supervisor. */
export const PROCESSES: readonly Disturbance[] = [
  {
    name: 'kill -9 of a lane',
    group: 'lane',
    clock: 'start',
    isPossible: hasLane,
    apply: (stage, random) => Promise.resolve(signalLane(stage, random, 'SIGKILL')).then(() => undefined),
  },
  {
    name: 'a lane stopped for 0.6 s',
    group: 'lane',
    clock: 'start',
    isPossible: hasLane,
    apply: (stage, random) => standStill(stage, random, SHORT_MS),
  },
  {
    name: 'a lane stopped until it is killed',
    group: 'lane',
    clock: 'start',
    isPossible: hasLane,
    apply: (stage, random) => standStill(stage, random, TOO_LONG_MS),
  },
  {
    name: 'kill -9 of the supervisor, started again',
    group: 'daemon',
    clock: 'start',
    async apply(stage, random) {
      await stage.daemon.kill9();
      await sleep(random.below(2500));
      await startAgain(stage);
    },
  },
  {
    name: 'kill -9 of the supervisor, --undo, started again',
    group: 'daemon',
    clock: 'end',
    async apply(stage, random) {
      await stage.daemon.kill9();
      await sleep(random.below(1500));
      await stage.daemon.undo();
      await startAgain(stage);
    },
  },
  {
    name: 'the supervisor stopped for 2 s',
    group: 'daemon',
    clock: 'start',
    async apply(stage) {
      stage.daemon.signal('SIGSTOP');
      try {
        await sleep(SUPERVISOR_STANDS_MS);
      } finally {
        stage.daemon.signal('SIGCONT');
      }
    },
  },
];

/** Sends a signal to one of the lanes; returns its pid, or null when there is none. */
export function signalLane(stage: Stage, random: Random, signal: NodeJS.Signals): number | null {
  const lanes = stage.daemon.lanes();
  if (lanes.length === 0) return null;
  const pid = random.pick(lanes);
  return send(pid, signal) ? pid : null;
}

/** Starts the daemon after a kill. A start that fails is tried again by whoever looks after the daemon. */
export async function startAgain(stage: Stage): Promise<void> {
  stage.daemon.start();
  await stage.daemon.untilRunning().catch(() => undefined);
}

async function standStill(stage: Stage, random: Random, forMs: number): Promise<void> {
  const pid = signalLane(stage, random, 'SIGSTOP');
  if (pid === null) return;
  const until = performance.now() + forMs;
  while (performance.now() < until && stage.daemon.lanes().includes(pid)) await sleep(50);
  // Still that lane: a pid that the daemon has reaped is no longer among its children.
  if (stage.daemon.lanes().includes(pid)) send(pid, 'SIGCONT');
}

function hasLane(stage: Stage): Promise<boolean> {
  return Promise.resolve(stage.daemon.lanes().length > 0);
}

function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}
