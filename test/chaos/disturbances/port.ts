/**
 * What happens to a port, and to the cable in it.
 *
 * Rule: the far end keeps up with it, as a neighbour does that hears of a change: what is measured is firehook.
 *
 * @see ip-link(8)
 * @module
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { finish, startProcess } from '../../support/processes.ts';
import { MTU, OTHER_NAME, type Port } from '../ports.ts';
import type { Random } from '../random.ts';
import type { Stage } from '../stage.ts';
import type { Disturbance } from './contract.ts';

const OTHER_MTU = MTU - 100;
const OTHER_MAC = '02:00:00:00:0d:0d';
const COMMAND_MS = 15_000;

/** Disturbances of a port. */
export const PORT: readonly Disturbance[] = [
  onPort('port renamed and back', 'end', async ({ own }, stage, pause) => {
    await link(stage, own.name, 'name', OTHER_NAME);
    await pause();
  }),
  onPort('port MTU changed and back', 'start', async ({ own }, stage, pause) => {
    await link(stage, own.name, 'mtu', String(OTHER_MTU));
    await pause();
  }),
  onPort('port MAC changed and back', 'start', async ({ own, far }, stage, pause) => {
    await link(stage, own.name, 'address', OTHER_MAC);
    // The kernel forgets all neighbours of a device with another address.
    const known = own.neighbours.map(([address, mac]) => [own, address, mac] as const);
    const heard = far.neighbours.flatMap(([address, mac]) =>
      mac === own.mac ? [[far, address, OTHER_MAC] as const] : [],
    );
    await Promise.all(
      [...known, ...heard].map(([end, address, mac]) =>
        run(['-n', end.ns.name, 'neighbour', 'replace', address, 'lladdr', mac, 'dev', end.name, 'nud', 'permanent']),
      ),
    );
    await pause();
  }),
  onPort('port down and up', 'end', async ({ own }, stage, pause) => {
    await link(stage, own.name, 'down');
    await pause();
  }),
  onPort('cable out and in', 'end', async ({ far }, _stage, pause) => {
    await run(['-n', far.ns.name, 'link', 'set', far.name, 'down']);
    await pause();
  }),
  onPort('port deleted and made again', 'end', async ({ own }, stage, pause) => {
    await stage.command('ip', ['link', 'delete', own.name]);
    await pause();
  }),
  onPort('port deleted and made again at once', 'end', async ({ own }, stage) => {
    await stage.command('ip', ['link', 'delete', own.name]);
  }),
  {
    name: 'promiscuity of a port taken away',
    group: 'port',
    clock: 'start',
    isPossible: (stage) => Promise.resolve(stage.options.attach === 'bridge'),
    async apply(stage, random) {
      await link(stage, random.pick(stage.ports).own.name, 'promisc', 'off');
    },
    isMended: async (stage) =>
      (await Promise.all(stage.ports.map(({ own }) => isPromiscuous(stage, own.name)))).every(Boolean),
  },
];

/** Does something to a port, and puts the ports right afterwards. */
function onPort(
  name: string,
  clock: Disturbance['clock'],
  disturb: (port: Port, stage: Stage, pause: () => Promise<void>) => Promise<void>,
): Disturbance {
  return {
    name,
    group: 'port',
    clock,
    async apply(stage: Stage, random: Random) {
      const port = random.pick(stage.ports);
      const pauseMs = 300 + random.below(1500);
      try {
        await disturb(port, stage, () => sleep(pauseMs));
      } finally {
        await stage.restore();
      }
    },
  };
}

async function link(stage: Stage, name: string, ...change: string[]): Promise<void> {
  await stage.command('ip', ['link', 'set', name, ...change]);
}

async function run(args: readonly string[]): Promise<void> {
  await finish(startProcess('ip', args), COMMAND_MS);
}

async function isPromiscuous(stage: Stage, name: string): Promise<boolean> {
  return /promiscuity [1-9]/.test((await stage.command('ip', ['-d', 'link', 'show', name])).stdout);
}
