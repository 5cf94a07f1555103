/**
 * What the tests that try to walk around the hooks share: the seed, the runs, and how a failure is told.
 *
 * ```
 *   frames of a seed ─> run without firehook ─> run with a hook that drops all ─> hasWalkedAround
 *                                            └> run with a hook that passes all ─> isMissing
 * ```
 * Rule: a run ends when everything has been judged, not after a time: the marker has come by, and the ledger of the daemon
 * adds up and stands still. Whoever fails prints the seed; `FIREHOOK_WALK_SEED` brings the same frames again, and
 * `FIREHOOK_WALK_ROUNDS` more of them.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import type { Arrivals, Watch } from '../../support/arrivals.ts';
import { sendAll, watchArrivals } from '../../support/arrivals.ts';
import type { Daemon } from '../../support/daemon.ts';
import { startDaemon } from '../../support/daemon.ts';
import type { GeneratedFrame, Target } from '../../support/frame-generator.ts';
import { ALLOWED_PORT, describeFrame, generateFrames } from '../../support/frame-generator.ts';
import { PATIENCE_MS, statsWhen } from '../../support/live.ts';
import type { Namespace } from '../../support/netns.ts';

/** The seed of this test process. */
export const SEED: number = Number(process.env['FIREHOOK_WALK_SEED'] ?? randomInt(2 ** 31));
const ROUNDS = Number(process.env['FIREHOOK_WALK_ROUNDS'] ?? 1);
/** Frames that a failing test shows whole, and kinds of frames that it counts. */
const SHOWN = 12;

/** Hooks as they are written into the folder of a daemon. */
export const HOOKS = {
  'drop.js': hookSource('drop', '1'),
  'pass.js': hookSource('pass', '0'),
  // What an operator writes who wants one service and nothing else.
  'select.js': hookSource('select', `packet.protocol === 17 && packet.destinationPort === ${ALLOWED_PORT} ? 0 : 1`),
} as const;

/** Which hook a daemon of {@link startWalk} runs. */
export type HookName = keyof typeof HOOKS;

/** Where frames go in and where they are looked for. */
export interface Course {
  readonly sender: Namespace;
  readonly receiver: Namespace;
  readonly kind: 'sockets' | 'wire';
  /** Where in the receiver's namespace. @defaultValue eth0 */
  readonly at?: string;
}

/** The frames of this process for a target. */
export function walkFrames(target: Target): readonly GeneratedFrame[] {
  return generateFrames(SEED, target, ROUNDS);
}

/** Starts a daemon with one of the hooks. */
export function startWalk(
  ns: Namespace,
  hook: HookName,
  attach: Readonly<Record<string, unknown>>,
  driver: 'afpacket' | 'pcap',
): Promise<Daemon> {
  const config = { attach: [attach], driver, hooks: [{ module: `./${hook}` }] };
  return startDaemon(ns, config, { files: HOOKS, timeoutMs: PATIENCE_MS });
}

/** Sends every frame and says what arrived, with a daemon or without. */
export async function walk(
  course: Course,
  frames: readonly GeneratedFrame[],
  daemon?: Daemon,
  isDone: (watch: Watch) => Promise<void> = (watch) => watch.marked(),
): Promise<Arrivals> {
  const watch = await watchArrivals(course.receiver, course.kind, course.at ?? 'eth0');
  await sendAll(course.sender, 'eth0', frames);
  await isDone(watch);
  if (daemon !== undefined) await hasJudgedAll(daemon);
  return await watch.stop();
}

/** Keeps a namespace from saying anything by itself; what its packet sockets send goes out. */
export async function silence(ns: Namespace): Promise<void> {
  const rules = 'table inet silence { chain out { type filter hook output priority 0; policy drop; }; }';
  await ns.output('nft', ['-f', '-'], { input: `${rules}\n` });
}

/** Link-local address of an interface. */
export async function linkLocalOf(ns: Namespace, name: string): Promise<string> {
  const text = await ns.output('ip', ['-6', '-o', 'address', 'show', 'dev', name, 'scope', 'link']);
  const address = /inet6 (fe80:[0-9a-f:]+)/.exec(text)?.[1];
  assert.ok(address !== undefined, `${name} has no link-local address: ${text}`);
  return address;
}

/** Fails when any of the frames is there, and says which kinds of frames they are. */
export function assertNone(what: string, frames: readonly GeneratedFrame[]): void {
  if (frames.length === 0) return;
  const parts = [
    count('link forms', frames, ({ link }) => link.name),
    count('destinations', frames, ({ destination }) => destination),
    count('IP forms', frames, ({ ip }) => `IPv${ip.version} ${ip.name}`),
    count('addresses', frames, ({ addresses }) => addresses.name),
  ];
  const shown = frames.slice(0, SHOWN).map(describeFrame);
  assert.fail([`${frames.length} frames ${what}; FIREHOOK_WALK_SEED=${SEED}`, ...parts, ...shown].join('\n'));
}

/** Fails unless at least so many frames of each of the names arrived: a test must not pass because nothing was sent. */
export function assertFloor(
  arrivals: Arrivals,
  frames: readonly GeneratedFrame[],
  nameOf: (frame: GeneratedFrame) => string,
  names: readonly string[],
  floor: number,
): void {
  const counts = new Map<string, number>(names.map((name) => [name, 0]));
  for (const frame of frames) {
    if (arrivals.has(frame.number)) counts.set(nameOf(frame), (counts.get(nameOf(frame)) ?? 0) + 1);
  }
  const short = names.filter((name) => (counts.get(name) ?? 0) < floor);
  assert.deepEqual(short, [], `forms of which fewer than ${floor} arrive without firehook; FIREHOOK_WALK_SEED=${SEED}`);
}

/** Waits until the ledger adds up and no packet has come between two looks at it. */
async function hasJudgedAll(daemon: Daemon): Promise<void> {
  let before = -1;
  await statsWhen(daemon, 'a ledger that adds up and stands still', ({ total, addsUp }) => {
    const isStill = addsUp && total.received === before;
    before = total.received;
    return isStill;
  });
}

function count(title: string, frames: readonly GeneratedFrame[], nameOf: (frame: GeneratedFrame) => string): string {
  const counts = new Map<string, number>();
  for (const frame of frames) counts.set(nameOf(frame), (counts.get(nameOf(frame)) ?? 0) + 1);
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  const shown = sorted.slice(0, SHOWN).map(([name, times]) => `${name}: ${times}`);
  const more = sorted.length > SHOWN ? [`and ${sorted.length - SHOWN} more`] : [];
  return `  ${title}: ${[...shown, ...more].join('; ')}`;
}

function hookSource(name: string, verdict: string): string {
  return `import { defineHook } from 'firehook';
export default defineHook({ name: '${name}', onPacket: (packet) => (${verdict}) });
`;
}
