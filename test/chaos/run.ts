/**
 * The chaos run: one disturbance after the other, at times two at once, each until all is well again.
 *
 * ```
 *   all is well ─> disturb ─> (what others have to undo is undone) ─> all is well again? ─> the next
 *                                                                      no, after a minute: written down, start over
 * ```
 * Rule: the order comes from the seed. Every disturbance that is possible comes once before one comes again. Nothing that
 * goes wrong ends the run before its time; it is written down.
 *
 * @module
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicMs } from '../support/traffic.ts';
import type { Disturbance } from './disturbances/contract.ts';
import { DISTURBANCES } from './disturbances/index.ts';
import { longestOutageMs } from './outages.ts';
import { Random } from './random.ts';
import { untilWell } from './recovery.ts';
import { Stage, type StageOptions } from './stage.ts';

/** Once in so many steps there are two disturbances at a time. */
const PAIR_ONCE_IN = 4;
const WELL_AGAIN_MS = 60_000;
/** What a disturbance brings about is felt within this time: a lease that nobody renews ends after one second. */
const FELT_WITHIN_MS = 1_200;
const LOOK_EVERY_MS = 50;
const PAUSE_LEAST_MS = 200;
const PAUSE_SPREAD_MS = 600;
const SEEDS = 0x7fffffff;
/** The last of what was sent is still on its way. */
const ON_THE_WAY_MS = 100;

/** How to run. */
export interface RunOptions extends StageOptions {
  readonly seed: number;
  readonly seconds: number;
  /** Only disturbances whose name contains one of these. By default all. */
  readonly only?: readonly string[];
  /** Whether a step after which all is not well ends the run, instead of a new start. @defaultValue false */
  readonly endsWhenNotWell?: boolean;
  /** How long it may take until all is well again, before that is a fault. @defaultValue 60000 */
  readonly wellAgainMs?: number;
  /** Hears of each step when it is over. */
  readonly onStep?: (step: Step) => void;
}

/** One disturbance, or two at a time, and what came of it. Times are of CLOCK_MONOTONIC, in milliseconds. */
export interface Step {
  readonly names: readonly string[];
  readonly fromMs: number;
  /** Longest time that traffic was away, counted from when the disturbance allows it to flow. */
  readonly recoveryMs: number;
  /** Why all was not well again in time; null when it was. */
  readonly ailment: string | null;
  /** How everything stood then: status, links, rules, the end of the log. Null when all was well. */
  readonly stood: string | null;
  /** Packets passed unhooked for a while, and the status said that the hooks were in force. */
  readonly isStatusWrong: boolean;
  /** Packets that met no hook, up to now. */
  unhooked: number;
  /** Packets that came twice, up to now. */
  duplicates: number;
  /** Streams that packets passed unhooked on. */
  unhookedOn: readonly string[];
}

/** What a run found. */
export interface Run {
  readonly options: StageOptions & { readonly seed: number; readonly seconds: number };
  readonly steps: readonly Step[];
  /** Daemons that ended without being asked to. */
  readonly ownEnds: readonly { readonly during: string; readonly how: string; readonly log: string }[];
  /** What the end of the run found wrong. */
  readonly atTheEnd: readonly string[];
  /** Datagrams that were sent in all. */
  readonly sent: number;
}

/**
 * Runs for the given time.
 *
 * @throws Error when it cannot begin, or when not even a new start makes all well
 */
export async function runChaos(given: RunOptions): Promise<Run> {
  const { seed, seconds, only, onStep, endsWhenNotWell = false, wellAgainMs = WELL_AGAIN_MS, ...options } = given;
  const random = new Random(seed);
  const steps: Step[] = [];
  const stage = await Stage.open(options);
  try {
    const { ailment } = await untilWell(stage, [], 0, WELL_AGAIN_MS);
    if (ailment !== null) throw new Error(`not well before the first disturbance: ${ailment}`);
    steps.push(undisturbed());
    const untilMs = performance.now() + seconds * 1000;
    let bag: Disturbance[] = [];
    while (performance.now() < untilMs) {
      if (bag.length === 0) bag = random.shuffle(DISTURBANCES.filter(({ name }) => isWanted(name, only)));
      const chosen = await choose(stage, bag, random);
      if (chosen.length === 0) {
        await sleep(LOOK_EVERY_MS);
        continue;
      }
      const step = await disturb(stage, chosen, random, wellAgainMs);
      steps.push(step);
      count(stage, steps);
      onStep?.(step);
      if (step.ailment !== null && endsWhenNotWell) break;
      if (step.ailment !== null) await startOver(stage);
      await sleep(PAUSE_LEAST_MS + random.below(PAUSE_SPREAD_MS));
    }
    const atTheEnd = await stage.finish();
    await stage.traffic.stop();
    count(stage, steps);
    const { ownEnds } = stage.daemon;
    return {
      options: { ...options, seed, seconds },
      steps,
      ownEnds: ownEnds.map(({ atMs, how, log }) => ({
        during: stepAt(steps, atMs)?.names.join(' + ') ?? '',
        how,
        log,
      })),
      atTheEnd,
      sent: stage.traffic.flows.reduce((sum, { sentAtMs }) => sum + sentAtMs.length, 0),
    };
  } finally {
    await stage.close();
  }
}

/** Takes the next possible one out of the bag, at times with another of a different group. */
async function choose(stage: Stage, bag: Disturbance[], random: Random): Promise<Disturbance[]> {
  const first = await takePossible(stage, bag, []);
  if (first === null) return [];
  const second = random.once(PAIR_ONCE_IN) ? await takePossible(stage, bag, [first.group, ...notBeside(first)]) : null;
  return second === null ? [first] : [first, second];
}

/** Tables of a killed daemon belong to nobody: whoever is root may change them then, and firehook does not promise otherwise. */
function notBeside({ group }: Disturbance): Disturbance['group'][] {
  if (group === 'daemon') return ['rules'];
  return group === 'rules' ? ['daemon'] : [];
}

async function takePossible(
  stage: Stage,
  bag: Disturbance[],
  groups: readonly Disturbance['group'][],
): Promise<Disturbance | null> {
  for (const candidate of bag) {
    if (groups.includes(candidate.group)) continue;
    const isPossible = (await candidate.isPossible?.(stage)) ?? true;
    if (!isPossible && groups.length > 0) continue;
    bag.splice(bag.indexOf(candidate), 1);
    if (isPossible) return candidate;
    return await takePossible(stage, bag, groups);
  }
  return null;
}

async function disturb(
  stage: Stage,
  chosen: readonly Disturbance[],
  random: Random,
  wellAgainMs: number,
): Promise<Step> {
  const fromMs = monotonicMs();
  // Each has choices of its own: which of two draws first is a matter of time.
  const own = chosen.map(() => new Random(random.below(SEEDS)));
  const ends = await Promise.allSettled(chosen.map((one, i) => one.apply(stage, own[i] ?? random)));
  const failed = ends.find((end) => end.status === 'rejected');
  const isFromStart = chosen.every(({ clock }) => clock === 'start');
  const clockMs = isFromStart ? fromMs : monotonicMs();
  const { ailment, isStatusWrong } = await untilWell(stage, chosen, monotonicMs() + FELT_WITHIN_MS, wellAgainMs);
  return {
    names: chosen.map(({ name }) => name),
    fromMs,
    recoveryMs: longestOutageMs(stage.forwarded, clockMs, monotonicMs() - ON_THE_WAY_MS),
    ailment: failed === undefined ? ailment : `the disturbance failed: ${failed.reason}`,
    stood: ailment === null ? null : await stage.describe(),
    isStatusWrong,
    unhooked: 0,
    duplicates: 0,
    unhookedOn: [],
  };
}

async function startOver(stage: Stage): Promise<void> {
  await stage.repair();
  const { ailment } = await untilWell(stage, [], 0, WELL_AGAIN_MS);
  if (ailment !== null) throw new Error(`not well after a new start: ${ailment}`);
}

/** Gives every packet that should not have come to the step that was under way. */
function count(stage: Stage, steps: readonly Step[]): void {
  for (const step of steps) {
    step.unhooked = 0;
    step.duplicates = 0;
    step.unhookedOn = [];
  }
  for (const flow of stage.dropped) {
    for (const { atMs } of flow.arrivals) {
      const step = stage.daemon.isGuarded(atMs) ? stepAt(steps, atMs) : undefined;
      if (step === undefined) continue;
      step.unhooked += 1;
      const { name } = flow.spec;
      if (!step.unhookedOn.includes(name)) step.unhookedOn = [...step.unhookedOn, name];
    }
  }
  for (const { duplicates } of stage.traffic.flows) {
    for (const { atMs } of duplicates) {
      const step = stepAt(steps, atMs);
      if (step !== undefined) step.duplicates += 1;
    }
  }
}

function stepAt(steps: readonly Step[], atMs: number): Step | undefined {
  return steps.findLast(({ fromMs }) => fromMs <= atMs);
}

/** Stands for the time from the first "Attached" to the first disturbance. */
function undisturbed(): Step {
  return {
    names: ['(none yet)'],
    fromMs: 0,
    recoveryMs: 0,
    ailment: null,
    stood: null,
    isStatusWrong: false,
    unhooked: 0,
    duplicates: 0,
    unhookedOn: [],
  };
}

function isWanted(name: string, only: readonly string[] | undefined): boolean {
  return only === undefined || only.some((part) => name.includes(part));
}
