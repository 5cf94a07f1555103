/**
 * All lanes of a daemon leave their packets to other ones, which run other hooks or another configuration: between two packets, whole or not at all.
 *
 * ```
 *   keep ─> start the others, until each is ready ─> take ─> leave ─> (tables) ─> adopt ─> the others serve; those before retire
 *                                                     └─ anything fails: giveBack, goOn, end the others ─> those before serve
 * ```
 * Between `take` and `adopt` packets wait in the kernel. Everything that takes long has been done before.
 *
 * Rule: each step has a bound, and a lane that does not answer is no reason to wait longer. What a lane says is passed on to its successor
 * unread but for its form, which has been checked.
 *
 * @module
 */

import { closeSync } from 'node:fs';
import type { InputPlace } from '../drivers/contract.ts';
import { FirehookError } from '../errors.ts';
import type { EstateSize } from '../lane/messages.ts';
import type { LaneEnd, LanePlan, LaneRecord, LaneSet, Succession } from './lane-set.ts';

/** What {@link succeed} takes. */
export interface SuccessionOptions<Plan extends LanePlan> {
  readonly lanes: LaneSet<Plan>;
  /** With the fingerprint of the plan in force. */
  readonly plan: Plan;
  /** Makes memory for what a lane leaves. @returns its descriptor, which is closed here */
  readonly makeMemory: (octets: number) => number;
  /** How much a lane may leave. */
  readonly estateOctets: (before: LaneRecord<Plan>) => number;
  /** Called when no lane reads any packets. @returns what is left behind */
  readonly between: () => readonly string[] | Promise<readonly string[]>;
  readonly sleep: (ms: number) => Promise<void>;
}

/** What came of it. */
export interface Succeeded {
  /** What was left behind, a sentence each. */
  readonly notes: readonly string[];
  /** How long packets waited. */
  readonly pauseMs: number;
}

interface Left {
  readonly place: InputPlace;
  readonly size: EstateSize;
}

/**
 * How long a lane may take for a step that is a system call, and for one in which hooks have their say. Packets wait meanwhile, and the lane that has
 * left is taken for one that hangs after 3 s.
 */
const STEP_MS = 2_000;
const HOOKS_MS = 1_500;
/** A lane that hangs does not answer, and is killed. */
const GIVE_BACK_MS = 200;
/** How long lanes of an earlier succession may still be there. */
const RETIRED_MS = 3_000;
const LOOK_MS = 10;
/** Far from the numbers of tables. */
const FIRST_MEMORY_ID = 0x4000_0000;

let memories = 0;

/**
 * Has the lanes of `plan` take the place of those that serve.
 *
 * @throws {@link FirehookError} FIREHOOK_RELOAD_FAILED why they did not, or what their hooks were refused for: those before go on then
 */
export async function succeed<Plan extends LanePlan>(options: SuccessionOptions<Plan>): Promise<Succeeded> {
  const { lanes, plan, between } = options;
  await waitForRetired(options);
  if (!lanes.isComplete) throw failed('not every lane runs');
  await keepPackets(lanes);
  const successions = await startAll(lanes, plan);
  const left = new Map<LaneRecord<Plan>, Left>();
  const taken: LaneRecord<Plan>[] = [];
  const memoryOf = new Map<LaneRecord<Plan>, { readonly id: number; readonly fd: number; readonly octets: number }>();
  try {
    for (const { before } of successions) {
      const octets = options.estateOctets(before);
      memories += 1;
      memoryOf.set(before, { id: FIRST_MEMORY_ID + memories, fd: options.makeMemory(octets), octets });
    }
    const startMs = performance.now();
    const notes: string[] = [];
    for (const { successor } of successions) {
      taken.push(successor);
      await step('take', successor.handle.handOver({ step: 'take' }, null, STEP_MS));
    }
    // All at once: what one lane takes is no time of the others.
    await all(successions, async ({ before }) => {
      const { id, octets, fd } = memoryOf.get(before) as { id: number; octets: number; fd: number };
      const answer = await step(
        'leave',
        before.handle.handOver({ step: 'leave', memory: { id, octets } }, { id, fd }, HOOKS_MS),
      );
      const { place, size } = answer;
      if (place === undefined || size === undefined || size.hooks > octets || size.flows > octets)
        throw failed('a lane does not say where it stands');
      left.set(before, { place, size });
      notes.push(...(answer.notes ?? []));
    });
    notes.push(...(await between()));
    await all(successions, async ({ before, successor }) => {
      const { id, octets, fd } = memoryOf.get(before) as { id: number; octets: number; fd: number };
      const { place, size } = left.get(before) as Left;
      const order = { step: 'adopt', place, size, memory: { id, octets } } as const;
      const answer = await step('adopt', successor.handle.handOver(order, { id, fd }, HOOKS_MS));
      if (successor.report !== null)
        successor.report = { ...successor.report, kernelFilter: answer.kernelFilter ?? null };
      notes.push(...(answer.notes ?? []));
    });
    lanes.succeed(plan, successions);
    return { notes, pauseMs: performance.now() - startMs };
  } catch (error) {
    await goBack(lanes, left, taken, error);
    throw error;
  } finally {
    for (const { fd } of memoryOf.values()) closeSync(fd);
  }
}

/** Has the lanes that serve get all packets, whatever is opened beside them from now on. */
export async function keepPackets<Plan extends LanePlan>(lanes: LaneSet<Plan>): Promise<void> {
  for (const { handle } of lanes.ready) await step('keep', handle.handOver({ step: 'keep' }, null, STEP_MS));
}

/** The lanes before go on where they stood. */
async function goBack<Plan extends LanePlan>(
  lanes: LaneSet<Plan>,
  left: ReadonlyMap<LaneRecord<Plan>, Left>,
  taken: readonly LaneRecord<Plan>[],
  error: unknown,
): Promise<void> {
  // Of one that has been killed the kernel gives the packets to those that are left.
  await Promise.allSettled(taken.map(({ handle }) => handle.handOver({ step: 'giveBack' }, null, GIVE_BACK_MS)));
  lanes.endStandby(error instanceof Error ? error.message : String(error));
  await Promise.allSettled(
    [...left].map(async ([before, { place }]) => {
      try {
        await before.handle.handOver({ step: 'goOn', place }, null, STEP_MS);
      } catch (cause) {
        // Nobody knows whether it reads its packets: another one does, after onDown.
        before.handle.kill(`it did not go on after a reload that failed: ${(cause as Error).message}`);
      }
    }),
  );
}

/** Starts the successors, and waits until all of them are ready. */
async function startAll<Plan extends LanePlan>(lanes: LaneSet<Plan>, plan: Plan): Promise<readonly Succession<Plan>[]> {
  const missing = new Set<number>();
  let resolve: () => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const whole = new Promise<void>((onDone, onFault) => {
    resolve = onDone;
    reject = onFault;
  });
  whole.catch(() => undefined);
  try {
    const successions = lanes.startStandby(plan, (record) => ({
      ready: () => {
        missing.delete(record.place);
        if (missing.size === 0) resolve();
      },
      ended: ({ error }: LaneEnd) => reject(error ?? failed('a lane ended while it started')),
    }));
    for (const { successor } of successions) missing.add(successor.place);
    await whole;
    return successions;
  } catch (error) {
    lanes.endStandby('the reload failed');
    throw error;
  }
}

/** Lanes of an earlier reload may have packets that wait: those go their way now. */
async function waitForRetired<Plan extends LanePlan>({ lanes, sleep }: SuccessionOptions<Plan>): Promise<void> {
  const isThere = (): boolean => lanes.records.some(({ role }) => role === 'retiring');
  if (isThere()) lanes.endRetiring();
  for (let waitedMs = 0; isThere(); waitedMs += LOOK_MS) {
    if (waitedMs >= RETIRED_MS) throw failed('a lane of the reload before has not ended yet');
    await sleep(LOOK_MS);
  }
}

/** Waits for all, also when one has failed: what the others did has to be known. */
async function all<One>(ones: readonly One[], task: (one: One) => Promise<void>): Promise<void> {
  const results = await Promise.allSettled(ones.map(task));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

async function step<Answer>(name: string, answer: Promise<Answer>): Promise<Answer> {
  try {
    return await answer;
  } catch (cause) {
    throw failed(`a lane did not ${name}: ${(cause as Error).message}`, cause);
  }
}

function failed(reason: string, cause?: unknown): FirehookError {
  return new FirehookError('FIREHOOK_RELOAD_FAILED', reason, { cause });
}
