/**
 * The lists of the flows, one for each class of timeout, longest unused first.
 *
 * ```
 *   heads[class] ─> oldest <─> ... <─> newest <─ tails[class]        links: OLDER and NEWER of the records
 * ```
 * Floor 1. Every step is O(1) and allocates nothing.
 *
 * Rule: a flow is put at the end of a list at the table's own time, which never goes back. So the first of a list is
 * the one that has been there longest, and where it has not expired nothing behind it has.
 *
 * @module
 */

import { NEWER, OLDER, RECORD_WORDS } from './flow-records.ts';
import { CLASSES } from './timeouts.ts';

const NONE = -1;

/** Lists of flows in order of use. */
export class FlowLists {
  readonly #words: Int32Array;
  readonly #heads = new Int32Array(CLASSES).fill(NONE);
  readonly #tails = new Int32Array(CLASSES).fill(NONE);

  /** @param words - words of the flows' records, which hold the links */
  constructor(words: Int32Array) {
    this.#words = words;
  }

  /** The flow that has been in the class longest, -1 when there is none. */
  oldest(ofClass: number): number {
    return this.#heads[ofClass] as number;
  }

  /** Puts a flow that is in no list at the end. */
  append(index: number, ofClass: number): void {
    const words = this.#words;
    const last = this.#tails[ofClass] as number;
    words[index * RECORD_WORDS + OLDER] = last;
    words[index * RECORD_WORDS + NEWER] = NONE;
    if (last === NONE) this.#heads[ofClass] = index;
    else words[last * RECORD_WORDS + NEWER] = index;
    this.#tails[ofClass] = index;
  }

  /** Takes a flow out of the list of its class. */
  remove(index: number, ofClass: number): void {
    const words = this.#words;
    const older = words[index * RECORD_WORDS + OLDER] as number;
    const newer = words[index * RECORD_WORDS + NEWER] as number;
    if (older === NONE) this.#heads[ofClass] = newer;
    else words[older * RECORD_WORDS + NEWER] = newer;
    if (newer === NONE) this.#tails[ofClass] = older;
    else words[newer * RECORD_WORDS + OLDER] = older;
  }

  /** Moves a flow from its class to the end of a class, which may be the same one. */
  move(index: number, from: number, to: number): void {
    if (from === to && this.#tails[to] === index) return;
    this.remove(index, from);
    this.append(index, to);
  }
}
