/**
 * What the tests of attacks share: a bridge or a host with a hostile hook in its lanes, and a way to tell one lane what to do.
 *
 * ```
 *   test ── datagram to port 6666, "null" ──> one lane ── hostile hook ──> channel, progress file, output ──> supervisor
 * ```
 * Rule: the daemon is a real one and the hook attacks from inside its lane, as the lane's user.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Daemon } from '../../support/daemon.ts';
import { PATIENCE_MS, readStatus } from '../../support/live.ts';
import { type Namespace, waitFor } from '../../support/netns.ts';

/** Where the hostile hook hears. */
const PORT = 6666;
const GRACE_MS = 15_000;

/** The program, for tests that start it in their own way. */
export const FIREHOOKD: string = fileURLToPath(new URL('../../../bin/firehookd', import.meta.url));

/** A config entry for the hostile hook. */
export const HOSTILE: object = {
  module: fileURLToPath(new URL('../../fixtures/hooks/hostile/hostile.ts', import.meta.url)),
};

/** Tells the lane that this datagram comes to what to do. */
export async function order(from: Namespace, address: string, attack: string): Promise<void> {
  await from.output('bash', ['-c', `printf %s "$1" >/dev/udp/${address}/${PORT}`, 'order', attack]);
}

/** Waits for so many lanes with the lease held, `gone` not among them; returns their pids. */
export function lanesOf(daemon: Daemon, count: number, gone = -1): Promise<readonly number[]> {
  return waitFor(
    async () => {
      const { state, lease, lane } = await readStatus(daemon);
      const isWhole = state === 'running' && lease === 'held' && lane.pids.length === count;
      return isWhole && !lane.pids.includes(gone) ? lane.pids : null;
    },
    { what: `${count} lanes, ${gone} gone`, timeoutMs: PATIENCE_MS },
  );
}

/** The lines of the log, each an object. */
export function linesOf(log: string): Record<string, unknown>[] {
  const lines = log.split('\n').filter((line) => line.startsWith('{'));
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** What a process has in memory, in KiB. */
export function memoryOf(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

/** Fails where a text could do something to a terminal. */
export function assertHarmless(text: string): void {
  assert.doesNotMatch(text, /[\p{Cc}\u202a-\u202e\u2066-\u2069]/u, JSON.stringify(text.slice(0, 200)));
}

/** A config in a folder of its own. */
export interface Written {
  readonly folder: string;
  readonly file: string;
  readonly socket: string;
}

/** A hook that fills every log: forty lines a second, each of which needs six times its length in JSON. */
export const NOISY: string = `
  import { defineHook, FORWARD } from 'firehook';
  export default defineHook({
    name: 'noisy',
    setup() { setInterval(() => console.log('\\u0001'.repeat(4000)), 25).unref(); },
    onPacket: () => FORWARD,
  });`;

/** A hook that says nothing. */
export const QUIET: string = `
  import { defineHook, FORWARD } from 'firehook';
  export default defineHook({ name: 'quiet', onPacket: () => FORWARD });`;

/** Waits until the log's reader has cost lines. */
export async function loseLines(daemon: Daemon): Promise<void> {
  await waitFor(async () => (await readStatus(daemon)).logLinesLost > 0, {
    what: 'lines that are lost',
    timeoutMs: PATIENCE_MS,
  });
}

/** Writes a config, and a hook `./hook.ts` beside it; both are removed with the lab. */
export async function writeConfig(
  ns: Namespace,
  config: Readonly<Record<string, unknown>>,
  hook: string = QUIET,
): Promise<Written> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'firehook-attack-'));
  ns.defer(() => rm(folder, { recursive: true, force: true }));
  await chmod(folder, 0o755);
  const file = path.join(folder, 'firehook.yaml');
  const socket = path.join(folder, 'firehook.sock');
  await writeFile(path.join(folder, 'hook.ts'), hook);
  await writeFile(file, JSON.stringify({ ...config, control: { socket } }));
  return { folder, file, socket };
}

/**
 * Starts a daemon by a shell line in which `$1` is the program and `$2` the config; waits until it runs.
 *
 * @param shell - ends with `exec`, so that the process is the daemon
 */
export async function startBy(ns: Namespace, { folder, file, socket }: Written, shell: string): Promise<Daemon> {
  const running = ns.spawn('sh', ['-c', shell, 'start', FIREHOOKD, file]);
  ns.defer(async () => {
    await running.stop(GRACE_MS);
  });
  const daemon = new Daemon(ns, running, folder, file, socket);
  await daemon.waitUntilRunning(PATIENCE_MS);
  return daemon;
}
