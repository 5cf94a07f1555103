/**
 * Waits until all is well again after a disturbance, and notes when the status says otherwise than the wire.
 *
 * Rule: a look costs little, so that it can be taken often: the wire first, then the status, then what was to be mended.
 *
 * @module
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Disturbance } from './disturbances/contract.ts';
import type { Stage } from './stage.ts';

const LOOK_EVERY_MS = 50;
/** A status may be so much behind the wire. */
const STATUS_BEHIND_MS = 1_000;

/** How it went. */
export interface Recovery {
  /** What was not well when the time was up; null when all was. */
  readonly ailment: string | null;
  /** Packets passed unhooked all the while for more than a second, and the status said that the hooks were in force. */
  readonly isStatusWrong: boolean;
}

/**
 * Waits until all is well.
 *
 * @param chosen - what was done: some of it firehook has to have mended
 * @param sinceMs - what was sent before that time does not count
 * @param patienceMs - how long to wait
 */
export async function untilWell(
  stage: Stage,
  chosen: readonly Disturbance[],
  sinceMs: number,
  patienceMs: number,
): Promise<Recovery> {
  const deadline = performance.now() + patienceMs;
  let wrongSince = Number.POSITIVE_INFINITY;
  let isStatusWrong = false;
  for (;;) {
    const ailment = (await stage.ailment(sinceMs)) ?? (await findUnmended(stage, chosen));
    const now = performance.now();
    wrongSince = (await stage.contradicts()) ? Math.min(wrongSince, now) : Number.POSITIVE_INFINITY;
    isStatusWrong ||= now - wrongSince > STATUS_BEHIND_MS;
    if (ailment === null || now > deadline) return { ailment, isStatusWrong };
    await sleep(LOOK_EVERY_MS);
  }
}

async function findUnmended(stage: Stage, chosen: readonly Disturbance[]): Promise<string | null> {
  for (const { name, isMended } of chosen) {
    if (isMended !== undefined && !(await isMended(stage))) return `not mended: ${name}`;
  }
  return null;
}
