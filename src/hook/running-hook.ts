/**
 * Which hook runs at this moment, in two numbers of shared memory: what a hook that does not return is named by.
 *
 * ```
 *   lane: a hook is called ─> its number is written ─ the hook does not return ─> supervisor: no progress ─> reads the number ─> name
 * ```
 * ```
 *   0  of a packet: owner + 1                            written by the pool, which knows the owner anyway; 0 for nobody
 *   4  beside packets: owner + 1, activity << 16         set-up, timers, promises, teardown; 0 for nobody
 * ```
 * Rule: a note costs a store and no system call. Hooks share the process with the writer, so the reader believes no number that names
 * no hook.
 *
 * @module
 */

import type { Pool } from '../firewall/pool.ts';

/** Octets of the two numbers. */
export const RUNNING_OCTETS = 8;

/** What a hook can be doing, by its number in memory. */
const ACTIVITIES = [
  'onPacket',
  'its module',
  'setup',
  'a timer or a promise',
  'teardown',
  'its device',
  'a gauge',
  'onLeave',
  'adopt',
] as const;

/** What a hook can be doing, as it stands in a sentence. */
export type Activity = (typeof ACTIVITIES)[number];

/** A hook at work. */
export interface RunningHook {
  /** Its place in the configuration, from 0. */
  readonly owner: number;
  readonly activity: Activity;
}

const ACTIVITY_SHIFT = 16;
const OWNER_MASK = 0xffff;

let beside = new Int32Array(1);

/** Writes both numbers into this memory from now on. */
export function shareRunning(memory: ArrayBuffer, offset: number, pool: Pool): void {
  pool.shareOwner(new Int32Array(memory, offset, 1));
  beside = new Int32Array(memory, offset + Int32Array.BYTES_PER_ELEMENT, 1);
}

/**
 * Notes what a hook does beside packets.
 *
 * @param owner - undefined for nobody
 * @returns what was noted before, for {@link restoreRunning}
 */
export function noteRunning(owner: number | undefined, activity: Activity): number {
  const before = beside[0] as number;
  beside[0] = owner === undefined ? 0 : (owner + 1) | (ACTIVITIES.indexOf(activity) << ACTIVITY_SHIFT);
  return before;
}

/** Notes again what was noted before. */
export function restoreRunning(before: number): void {
  beside[0] = before;
}

/**
 * Reads both numbers, in another process.
 *
 * @param octets - {@link RUNNING_OCTETS} of them
 * @param hooks - how many there are
 * @returns null where no hook runs, or what stands there names none
 */
export function readRunning(octets: Buffer, hooks: number): RunningHook | null {
  if (octets.length < RUNNING_OCTETS) return null;
  const ofPacket = octets.readInt32LE(0);
  const note = ofPacket === 0 ? octets.readInt32LE(Int32Array.BYTES_PER_ELEMENT) : ofPacket;
  const owner = (note & OWNER_MASK) - 1;
  const activity = ACTIVITIES[note >>> ACTIVITY_SHIFT];
  return activity === undefined || owner < 0 || owner >= hooks ? null : { owner, activity };
}
