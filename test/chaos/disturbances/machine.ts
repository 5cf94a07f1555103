/**
 * Others on the same machine: containers that come and go, big sets, users who ask too much, a stranger in the way.
 *
 * Rule: nothing here touches anything of firehook. What was made is removed again.
 *
 * @see unix(7), veth(4), nft(8)
 * @module
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startProcess } from '../../support/processes.ts';
import { waitFor } from '../../support/wait-for.ts';
import { ask } from '../ask.ts';
import type { Stage } from '../stage.ts';
import type { Disturbance } from './contract.ts';
import { startAgain } from './processes.ts';

const STORM_PAIRS = 400;
const SET_ELEMENTS = 200_000;
const SET_STAYS_MS = 3_000;
const CLIENTS = 8;
const CLIENTS_ASK_MS = 2_500;
const ASK_MS = 2_000;
const SQUATTER = fileURLToPath(new URL('../squat.py', import.meta.url));
const SQUATS_MS = 3_000;
/** Numbers that the next devices of the namespace will have. */
const NEXT_IFINDEXES = 8;

/** Disturbances by others on the machine. */
export const MACHINE: readonly Disturbance[] = [
  {
    name: `${STORM_PAIRS} veth pairs made and removed`,
    group: 'machine',
    clock: 'start',
    async apply(stage) {
      const pairs = Array.from({ length: STORM_PAIRS }, (_, i) => i);
      const make = pairs.map((i) => `link add storm${i} type veth peer name mrots${i}`);
      const remove = pairs.map((i) => `link delete storm${i}`);
      try {
        await stage.command('ip', ['-batch', '-'], make.join('\n'));
      } finally {
        await stage.command('ip', ['-force', '-batch', '-'], remove.join('\n'));
      }
    },
  },
  {
    name: `a set of ${SET_ELEMENTS} addresses of another`,
    group: 'machine',
    clock: 'start',
    async apply(stage) {
      try {
        await stage.command('nft', ['-f', '-'], bigSet());
        await sleep(SET_STAYS_MS);
      } finally {
        await stage.command('nft', ['delete', 'table', 'inet', 'stranger']);
      }
    },
  },
  {
    name: `${CLIENTS} clients that ask for stats all the time`,
    group: 'machine',
    clock: 'start',
    async apply(stage) {
      const until = performance.now() + CLIENTS_ASK_MS;
      const client = async () => {
        while (performance.now() < until) {
          // A socket that is not there answers at once.
          if ((await ask(stage.daemon.socket, 'stats', ASK_MS)) === null) await sleep(20);
        }
      };
      await Promise.all(Array.from({ length: CLIENTS }, client));
    },
  },
  {
    name: 'a stranger with the name of the lock, and a kill -9',
    group: 'daemon',
    clock: 'start',
    apply: squat,
  },
];

async function squat(stage: Stage): Promise<void> {
  const ifindexes = await stage.ifindexes();
  const first = Math.min(...ifindexes);
  const last = Math.max(...ifindexes) + NEXT_IFINDEXES;
  const args = ['python3', SQUATTER, String(first), String(last), String(SQUATS_MS)];
  const stranger = startProcess('ip', ['netns', 'exec', stage.fw.name, ...args]);
  try {
    await waitFor(() => stranger.stdout.includes('ready'), { what: 'a stranger' });
    await stage.daemon.kill9();
    await waitFor(() => !stranger.isRunning || stranger.stdout.includes('taken'), {
      what: 'the stranger to take a name',
    });
    stage.daemon.start();
    await waitFor(() => !stranger.isRunning, { what: 'the end of the stranger', timeoutMs: 2 * SQUATS_MS });
  } finally {
    stranger.killGroup();
    await startAgain(stage);
  }
}

function bigSet(): string {
  const elements = Array.from(
    { length: SET_ELEMENTS },
    // From 11.0.0.0 on, every second one, so that nothing is merged.
    (_, i) => `11.${(i >> 15) & 255}.${(i >> 7) & 255}.${(i << 1) & 255}`,
  );
  return `table inet stranger {\n set addresses {\n type ipv4_addr\n elements = { ${elements.join(', ')} }\n }\n}\n`;
}
