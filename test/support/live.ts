/**
 * What live tests ask of a daemon and of the network: its numbers when they have come, a ledger that adds up, pings.
 *
 * ```
 *   readStats ─> statsWhen ─> assertAddsUp: every test with a daemon ends with it
 *   isReached ─> pingsAgain: for traffic that has to come back ─> assertPings: nothing is lost and nothing comes twice
 * ```
 * Rule: what is here holds for every attach and every driver; what only one of them has lies beside its tests. Only what
 * begins with `assert` makes a promise, the rest reads, or waits and says what did not come.
 *
 * @see ping(8)
 * @module
 */

import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import type { StatsReport, StatusReport } from '../../src/control/reports.ts';
import type { Daemon } from './daemon.ts';
import type { Namespace } from './lab.ts';
import { waitFor } from './wait-for.ts';

/** How long a test waits for what other processes do: a shared machine may be slow to start them. */
export const PATIENCE_MS = 45_000;
/** Octets of an untagged Ethernet header. */
export const ETHERNET_HEADER = 14;

/** A config entry for a stock hook. Spread it where an entry says more, for example a priority. */
export function stockHook(name: string, options?: Readonly<Record<string, unknown>>): object {
  const module = fileURLToPath(new URL(`../../hooks/${name}.ts`, import.meta.url));
  return options === undefined ? { module } : { module, options };
}

/** What `firehook stats` says now. */
export async function readStats(daemon: Daemon): Promise<StatsReport> {
  return (await daemon.stats()) as unknown as StatsReport;
}

/** Frames that met a port while no lane answered: those of the start, which the kernel may send by itself, with them. */
export function whileDown({ ways }: Pick<StatsReport, 'ways'>): number {
  return ways.reduce((sum, { port }) => sum + (port?.whileDown ?? 0), 0);
}

/** What `firehook status` says now. */
export async function readStatus(daemon: Daemon): Promise<StatusReport> {
  return (await daemon.status()) as unknown as StatusReport;
}

/**
 * Waits until the reported numbers are as wanted: an idle lane writes them down twenty times a second.
 *
 * @throws Error with what was reported last, and the log, when they do not get there
 */
export async function statsWhen(
  daemon: Daemon,
  what: string,
  isAsWanted: (stats: StatsReport) => boolean,
): Promise<StatsReport> {
  let last: StatsReport | undefined;
  try {
    return await waitFor(
      async () => {
        last = await readStats(daemon);
        return isAsWanted(last) && last;
      },
      { what, timeoutMs: PATIENCE_MS },
    );
  } catch (error) {
    throw new Error(`${what}: last seen ${JSON.stringify(last)}\n${daemon.log}`, { cause: error });
  }
}

/** Fails unless the ledger accounts for every packet, once its numbers have come; returns it. */
export async function assertAddsUp(daemon: Daemon): Promise<StatsReport> {
  const stats = await statsWhen(daemon, 'a ledger that adds up', ({ addsUp }) => addsUp);
  assert.deepEqual(stats.problems, []);
  return stats;
}

/** The number that the kernel has for an interface. */
export async function ifindexOf(ns: Namespace, name: string): Promise<number> {
  return Number(await ns.output('cat', [`/sys/class/net/${name}/ifindex`]));
}

/** Whether one ping is answered. */
export async function isReached(ns: Namespace, address: string): Promise<boolean> {
  return (await ns.run('ping', ['-n', '-c', '1', '-W', '1', address])).code === 0;
}

/** Waits until a ping is answered, for traffic that has to come back. */
export async function pingsAgain(ns: Namespace, address: string): Promise<void> {
  await waitFor(() => isReached(ns, address), { what: `an answer of ${address}`, timeoutMs: PATIENCE_MS });
}

/** Fails unless each of three pings of every address is answered exactly once. */
export async function assertPings(ns: Namespace, ...addresses: string[]): Promise<void> {
  await assertPingCount(ns, 3, ...addresses);
}

/** {@link assertPings} with so many pings of every address, for a test that counts the packets. */
export async function assertPingCount(ns: Namespace, count: number, ...addresses: string[]): Promise<void> {
  // With a duplicate ping says "3 received, +1 duplicates, 0% packet loss".
  const expected = new RegExp(`^${count} packets transmitted, ${count} received, 0% packet loss`, 'm');
  for (const address of addresses) {
    const { stdout, stderr } = await ns.run('ping', ['-n', '-c', `${count}`, '-i', '0.1', '-W', '5', address]);
    assert.match(stdout, expected, `ping ${address}: ${stdout}${stderr}`);
  }
}
