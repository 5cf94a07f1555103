/**
 * What only the tests of `host` and `tap` share: the hooks and sockets they use, a way of the ledger and the state of the
 * kernel as they compare them.
 *
 * Rule: nothing here decides whether a test passes; it only starts or reads. What is asked of a daemon of any attach is in
 * `test/support/live.ts`.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import type { StatsReport, WayReport } from '../../../src/control/reports.ts';
import { sendFrames, startCapture } from '../../support/frames.ts';
import type { Namespace, RunningProcess } from '../../support/netns.ts';
import { waitFor } from '../../support/netns.ts';

/** Ends a capture: a type for local experiments (IEEE 802), which no attach takes for IP. */
const MARKER_TYPE = 0x88b6;
const MOST_FRAMES = 64;

const SOCKETS = fileURLToPath(new URL('sockets.py', import.meta.url));

/** A config entry for a hook of `test/fixtures/hooks/live-host/`. */
export function fixtureHook(name: string, options?: Readonly<Record<string, unknown>>): object {
  const module = fileURLToPath(new URL(`../../fixtures/hooks/live-host/${name}.ts`, import.meta.url));
  return options === undefined ? { module } : { module, options };
}

/** The way of that name, for example `eth0 in`. */
export function wayOf(stats: StatsReport, name: string): WayReport {
  const way = stats.ways.find((candidate) => candidate.name === name);
  assert.ok(way !== undefined, `no way "${name}" among ${stats.ways.map((candidate) => candidate.name).join(', ')}`);
  return way;
}

/**
 * Everything of a namespace that an attach may change, as text: the rules, the links, the queueing, the offloads of `eth0`.
 * Waits until `eth0` has settled: the kernel takes up to a second to say that a link is up and has its own address.
 */
export async function kernelState(ns: Namespace): Promise<string> {
  const commands = ['ip -d link show', 'ip address show', 'nft list ruleset', 'tc qdisc show'];
  const ofEth0 = ['tc filter show dev eth0 ingress', 'ethtool -k eth0'];
  return await waitFor(
    async () => {
      const state = await ns.output('sh', ['-c', [...commands, ...ofEth0].join('; echo ----; ')]);
      return /eth0@.* state UP /.test(state) && /inet6 fe80:\S+ scope link(?! tentative)/.test(state) && state;
    },
    { what: 'eth0 to be up' },
  );
}

/** Starts a listener of `sockets.py`; it is ready when this returns. What it prints is its standard output. */
export async function listen(ns: Namespace, ...args: readonly string[]): Promise<RunningProcess> {
  const running = ns.spawn('python3', [SOCKETS, ...args]);
  await waitFor(() => running.stderr.includes('ready') || !running.isRunning, { what: args.join(' ') });
  assert.ok(running.isRunning, running.stderr);
  return running;
}

/** Runs another command of `sockets.py` to its end and returns what it printed, without the last newline. */
export async function socket(ns: Namespace, ...args: readonly string[]): Promise<string> {
  return (await ns.output('python3', [SOCKETS, ...args])).trimEnd();
}

/** Starts a command of `sockets.py` that takes its time. */
export function startSocket(ns: Namespace, ...args: readonly string[]): RunningProcess {
  return ns.spawn('python3', [SOCKETS, ...args]);
}

/**
 * Captures IP frames that arrive at `eth0`, of any tag, until asked for them: then `sender` fills the capture up with
 * markers, so that nobody has to guess how many frames there will be or how long they take.
 */
export async function watch(ns: Namespace, sender: Namespace): Promise<{ frames(): Promise<Buffer[]> }> {
  const capture = await startCapture(ns, 'eth0', {
    count: MOST_FRAMES,
    timeoutMs: 60_000,
    etherTypes: [0x0800, 0x86dd, 0x8100, 0x88a8, MARKER_TYPE],
  });
  return {
    async frames() {
      const marker = Buffer.alloc(60);
      marker.set([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0, 0, 0, 0, 0x77]);
      marker.writeUInt16BE(MARKER_TYPE, 12);
      await sendFrames(
        sender,
        'eth0',
        Array.from({ length: MOST_FRAMES }, () => marker),
      );
      const frames = await capture.frames();
      return frames.filter((frame) => frame.readUInt16BE(12) !== MARKER_TYPE);
    },
  };
}
