/**
 * What the tests of `driver: afpacket` share: daemons with hooks written in the test, their reports, traffic to send.
 *
 * Rule: nothing here asserts a promise of its own but one, that the ledger adds up; every test ends with it.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import type { StatsReport, StatusReport } from '../../../src/supervisor/reports.ts';
import { type Daemon, startDaemon } from '../../support/daemon.ts';
import { type Namespace, type RunningProcess, waitFor } from '../../support/netns.ts';

/** A shared machine may be slow to start processes; a test never waits for less. */
export const PATIENCE_MS = 45_000;
/** Octets of an untagged Ethernet header. */
export const ETHERNET_HEADER = 14;
/** Octets that the HTTP server of {@link startHttp} sends: several super-frames. */
export const BODY: string = 'All work and no play makes Jack a dull boy.\n'.repeat(25_000);

/** Logs once when a packet is longer than any frame: super-frames come whole. */
export const LOG_SUPER = `
  import { defineHook, FORWARD } from 'firehook';
  let runtime = null;
  let isSaid = false;
  export default defineHook({
    name: 'log-super',
    setup(_options, given) { runtime = given; },
    onPacket(packet) {
      if (packet.length > 1500 && !isSaid) {
        isSaid = true;
        runtime.log('info', 'saw a super-frame');
      }
      return FORWARD;
    },
  });`;

const HTTP_SERVER = `
  const body = ${JSON.stringify(BODY.slice(0, 44))}.repeat(25000);
  const hash = require('node:crypto').createHash;
  require('node:http').createServer((request, response) => {
    if (request.method === 'GET') return response.end(body);
    const digest = hash('sha256');
    request.on('data', (part) => digest.update(part)).on('end', () => response.end(digest.digest('hex')));
  }).listen(8080, '::', () => console.log('ready'));`;

/**
 * Starts a daemon with `driver: afpacket`.
 *
 * @param given - the hooks, each by its source or by its entry in the config; the first runs first
 */
export function startAfpacket(
  ns: Namespace,
  attach: object,
  given: readonly (string | object)[] = [],
  config: Readonly<Record<string, unknown>> = {},
): Promise<Daemon> {
  const files: Record<string, string> = {};
  const hooks = given.map((hook, i) => {
    if (typeof hook !== 'string') return hook;
    files[`hook${i}.ts`] = hook;
    return { module: `./hook${i}.ts` };
  });
  return startDaemon(ns, { attach: [attach], driver: 'afpacket', hooks, ...config }, { files, timeoutMs: PATIENCE_MS });
}

/** A config entry for a stock hook. */
export function stockHook(name: string, options?: Readonly<Record<string, unknown>>): object {
  const module = fileURLToPath(new URL(`../../../hooks/${name}.ts`, import.meta.url));
  return options === undefined ? { module } : { module, options };
}

/** What `firehook stats` says now. */
export async function readStats(daemon: Daemon): Promise<StatsReport> {
  return (await daemon.stats()) as unknown as StatsReport;
}

/** What `firehook status` says now. */
export async function readStatus(daemon: Daemon): Promise<StatusReport> {
  return (await daemon.status()) as unknown as StatusReport;
}

/** Waits until the reported numbers are as wanted: an idle lane writes them down twenty times a second. */
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

/** Fails unless the ledger accounts for every packet. */
export async function assertAddsUp(daemon: Daemon): Promise<StatsReport> {
  const stats = await statsWhen(daemon, 'a ledger that adds up', ({ addsUp }) => addsUp);
  assert.deepEqual(stats.problems, []);
  return stats;
}

/** Waits until the daemon runs with its lease held and `count` lanes, none of which is `gone`; returns their pids. */
export function lanesOf(daemon: Daemon, count = 1, gone = -1): Promise<readonly number[]> {
  return waitFor(
    async () => {
      const { state, lease, lane } = await readStatus(daemon);
      return state === 'running' && lease !== 'lapsed' && lane.pids.length === count && !lane.pids.includes(gone)
        ? lane.pids
        : null;
    },
    { what: `${count} lanes`, timeoutMs: PATIENCE_MS },
  );
}

/** Fails unless each of three pings is answered exactly once. */
export async function assertPings(ns: Namespace, ...addresses: string[]): Promise<void> {
  for (const address of addresses) {
    const { stdout } = await ns.run('ping', ['-n', '-c', '3', '-i', '0.1', '-W', '5', address]);
    assert.match(stdout, /3 packets transmitted, 3 received, 0% packet loss/, stdout);
  }
}

/** Waits until a ping is answered, for traffic that has to come back. */
export async function pingsAgain(ns: Namespace, address: string): Promise<void> {
  await waitFor(async () => await isReached(ns, address), { what: `an answer of ${address}`, timeoutMs: PATIENCE_MS });
}

/** Whether one ping is answered. */
export async function isReached(ns: Namespace, address: string): Promise<boolean> {
  return (await ns.run('ping', ['-n', '-c', '1', '-W', '1', address])).code === 0;
}

/** Starts a server for {@link curl}. */
export async function startHttp(ns: Namespace): Promise<void> {
  await ready(ns.node(['-e', HTTP_SERVER]), 'ready');
}

/** What the server of {@link startHttp} answers; `upload` is sent to it and comes back as its SHA-256. */
export function curl(ns: Namespace, host: string, upload?: string): Promise<string> {
  const data = upload === undefined ? [] : ['--data-binary', '@-'];
  const input = upload === undefined ? {} : { input: upload };
  return ns.output('curl', ['-sS', '-m', '30', ...data, `http://${host}:8080/`], input);
}

/** Starts a server for {@link iperf}. */
export async function startIperf(ns: Namespace): Promise<void> {
  await ready(ns.spawn('iperf3', ['-s', '--forceflush']), 'Server listening');
}

/** Octets that the receiver of an iperf3 run of 50 MB counted. */
export async function iperf(ns: Namespace, address: string, ...options: string[]): Promise<number> {
  const report = await ns.output('iperf3', ['-c', address, '-n', '50M', '-J', ...options], { timeoutMs: 60_000 });
  return (JSON.parse(report) as { end: { sum_received: { bytes: number } } }).end.sum_received.bytes;
}

/** Waits until a program has printed a word. */
export async function ready(running: RunningProcess, word: string): Promise<void> {
  await waitFor(() => running.stdout.includes(word) || running.stderr.includes(word), {
    what: `${running.title.slice(0, 60)} to be ready`,
    timeoutMs: PATIENCE_MS,
  });
}

/** Frames as text that a failing comparison shows well. */
export function hex(frames: readonly Uint8Array[]): string[] {
  return frames.map((frame) => Buffer.from(frame).toString('hex'));
}
