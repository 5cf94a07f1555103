/**
 * What the daemon needs of the machine, and no longer finds: tools, room, descriptors, somebody who reads its log.
 *
 * Rule: while it lacks something, something else happens too, a lane that dies or a port that changes, so that the lack is
 * felt.
 *
 * @see prlimit(1), tmpfs(5), pipe(7)
 * @module
 */

import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { finish, startProcess } from '../../support/processes.ts';
import { MTU } from '../ports.ts';
import type { Random } from '../random.ts';
import type { Stage } from '../stage.ts';
import type { ToolsMode } from '../tools.ts';
import type { Disturbance } from './contract.ts';
import { signalLane } from './processes.ts';

const LACKS_MS = 2_500;
const PRLIMIT_MS = 5_000;

/** Disturbances of what the daemon relies on. */
export const SURROUNDINGS: readonly Disturbance[] = [
  withTools('missing'),
  withTools('failing'),
  withTools('slow'),
  lacking(
    '/run and /dev/shm full, and a lane killed',
    async (stage, random) => {
      stage.daemon.log.read();
      stage.cell.fill();
      signalLane(stage, random, 'SIGKILL');
      await sleep(LACKS_MS);
    },
    (stage) => Promise.resolve(stage.cell.empty()),
  ),
  noDescriptors(),
  lacking(
    'a reader of the log that stands still',
    async (stage, random) => {
      stage.daemon.log.stand();
      await makeItSpeak(stage, random);
      await sleep(LACKS_MS);
    },
    async (stage) => {
      stage.daemon.log.read();
      await stage.restore();
    },
  ),
  lacking(
    'a reader of the log that goes away',
    async (stage, random) => {
      stage.daemon.log.leave();
      await makeItSpeak(stage, random);
      await sleep(LACKS_MS);
    },
    async (stage) => {
      stage.daemon.log.read();
      await stage.restore();
    },
  ),
];

function withTools(mode: Exclude<ToolsMode, 'working'>): Disturbance {
  return lacking(
    `nft, ip and tc ${mode} while an MTU changes`,
    async (stage, random) => {
      stage.daemon.tools.set(mode);
      await changeMtu(stage, random);
      await sleep(LACKS_MS);
    },
    async (stage) => {
      stage.daemon.tools.set('working');
      await stage.restore();
    },
  );
}

function lacking(
  name: string,
  apply: (stage: Stage, random: Random) => Promise<void>,
  undo: (stage: Stage) => Promise<void>,
): Disturbance {
  return {
    name,
    group: 'surroundings',
    clock: 'start',
    async apply(stage, random) {
      try {
        await apply(stage, random);
      } finally {
        await undo(stage);
      }
    },
  };
}

/** The limit becomes what is open: not one more. */
function noDescriptors(): Disturbance {
  return {
    name: 'no more descriptors, and a lane killed',
    group: 'surroundings',
    clock: 'start',
    isPossible: (stage) => Promise.resolve(stage.daemon.pid !== null),
    async apply(stage, random) {
      const { pid } = stage.daemon;
      if (pid === null) return;
      const before = readLimit(pid);
      await prlimit(pid, `${readdirSync(`/proc/${pid}/fd`).length}:${before.hard}`);
      try {
        signalLane(stage, random, 'SIGKILL');
        await sleep(LACKS_MS);
      } finally {
        // Only that very process: the daemon may be another by now.
        if (stage.daemon.pid === pid) await prlimit(pid, `${before.soft}:${before.hard}`);
      }
    },
  };
}

/** A change of a port and the end of a lane are worth a line each. */
async function makeItSpeak(stage: Stage, random: Random): Promise<void> {
  signalLane(stage, random, 'SIGKILL');
  await changeMtu(stage, random);
}

async function changeMtu(stage: Stage, random: Random): Promise<void> {
  await stage.command('ip', ['link', 'set', random.pick(stage.ports).own.name, 'mtu', `${MTU - 50}`]);
}

function readLimit(pid: number): { readonly soft: string; readonly hard: string } {
  const line = readFileSync(`/proc/${pid}/limits`, 'utf8').match(/^Max open files\s+(\S+)\s+(\S+)/m);
  return { soft: line?.[1] ?? '1024', hard: line?.[2] ?? '4096' };
}

async function prlimit(pid: number, nofile: string): Promise<void> {
  await finish(startProcess('prlimit', ['--pid', String(pid), `--nofile=${nofile}`]), PRLIMIT_MS);
}
