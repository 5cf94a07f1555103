/**
 * What only the tests of `driver: afpacket` share: daemons with hooks written in the test, their lanes, traffic to send.
 *
 * Rule: nothing here decides whether a test passes; it starts, sends and waits. What is asked of a daemon of any driver is
 * in `test/support/live.ts`.
 *
 * @module
 */

import { hasKernel, KERNEL_WITH_UDP_SUPER } from '../../../src/plumbing/kernel.ts';
import { type Daemon, startDaemon } from '../../support/daemon.ts';
import { PATIENCE_MS, readStatus } from '../../support/live.ts';
import { type Namespace, type RunningProcess, waitFor } from '../../support/netns.ts';

/** An older kernel's packet sockets drop UDP super-datagrams: firehook has a host's cut, and no capture sees one whole. */
export const KNOWS_UDP_SUPER = hasKernel(KERNEL_WITH_UDP_SUPER);
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

/** Waits until the daemon runs with its lease held and `count` lanes, none of which is `gone`; returns their pids. */
export function lanesOf(daemon: Daemon, count = 1, gone = -1): Promise<readonly number[]> {
  return waitFor(
    async () => {
      const { state, lease, lane, lanes } = await readStatus(daemon);
      // The lease is held as soon as one of them is ready; another may not take packets yet. It has no rings then.
      const isWhole = lanes.length === count && lanes.every(({ rings }) => rings.length > 0);
      return state === 'running' && lease !== 'lapsed' && isWhole && !lane.pids.includes(gone) ? lane.pids : null;
    },
    { what: `${count} lanes`, timeoutMs: PATIENCE_MS },
  );
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
