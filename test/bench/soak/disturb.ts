/**
 * What happens to a restless cell, one thing after the other, and to a steady one now and then.
 *
 * ```
 *   reload ─ list ─ fault ─ refused reload ─ lane killed ─ trace ─ writer killed ─ lane stopped ─> from the beginning
 * ```
 * Rule: each is over before the next begins: the daemon says again that it runs and holds the lease.
 *
 * @module
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { StatusReport } from '../../../src/control/reports.ts';
import { waitFor } from '../../support/netns.ts';
import { askDaemon } from './ask-daemon.ts';
import { processesOf } from './numbers-of.ts';
import { type SoakCell, soakConfig } from './soak-cell.ts';

/** Something that is done to a cell. @throws Error where what was to come of it did not */
export type Disturbance = (cell: SoakCell) => Promise<void>;

const PATIENCE_MS = 45_000;
const SETTLE_MS = 1000;

/** By name, in their order. */
export const DISTURBANCES: Readonly<Record<string, Disturbance>> = {
  async reload(cell) {
    cell.version += 1;
    await cell.daemon.writeConfig(soakConfig(cell.driver, cell.version));
    const { code, stderr } = await cell.daemon.cli('reload');
    if (code !== 0) throw new Error(`a reload was refused: ${stderr.trim()}`);
  },
  list: (cell) => cell.exchangeTable(),
  fault: (cell) => cell.fault(),
  async 'refused reload'(cell) {
    const good = soakConfig(cell.driver, cell.version);
    await cell.daemon.writeConfig({ ...good, hooks: [{ module: './missing.ts' }] });
    const { code } = await cell.daemon.cli('reload');
    await cell.daemon.writeConfig(good);
    if (code === 0) throw new Error('a reload without its hook was not refused');
  },
  'lane killed': (cell) => replaceLane(cell, 'SIGKILL'),
  async trace(cell) {
    const { code, stderr } = await cell.daemon.cli('trace', '-n', '5');
    if (code !== 0) throw new Error(`no trace: ${stderr.trim()}`);
  },
  async 'writer killed'(cell) {
    const writer = processesOf(cell.daemon.pid, []).find(({ role }) => role === 'writer');
    if (writer === undefined) throw new Error('there is no writer of events');
    process.kill(writer.pid, 'SIGKILL');
  },
  'lane stopped': (cell) => replaceLane(cell, 'SIGSTOP'),
};

/** Waits until the daemon says that the hooks decide. */
export async function untilWell(cell: SoakCell): Promise<void> {
  await waitFor(
    async () => {
      const { state, lease } = await statusOf(cell);
      return state === 'running' && lease === 'held';
    },
    { what: 'a daemon that holds the lease', timeoutMs: PATIENCE_MS, intervalMs: 100 },
  );
}

async function replaceLane(cell: SoakCell, signal: 'SIGKILL' | 'SIGSTOP'): Promise<void> {
  const { pid } = (await statusOf(cell)).lane;
  if (pid === null) throw new Error('there is no lane');
  process.kill(pid, signal);
  await waitFor(
    async () => {
      const { lane } = await statusOf(cell);
      return lane.pid !== null && lane.pid !== pid;
    },
    { what: 'another lane', timeoutMs: PATIENCE_MS, intervalMs: 100 },
  );
  await untilWell(cell);
  await sleep(SETTLE_MS);
}

async function statusOf({ daemon }: SoakCell): Promise<StatusReport> {
  return JSON.parse(await askDaemon(daemon.socket, '/status')) as StatusReport;
}
