/**
 * From a hash to the flow: an open-addressed array of words, probed in a row.
 *
 * ```
 *   slot   0 for empty, or | tag: high bits of the hash | index of the flow and one |
 *   home = hash & mask;  found at home, home + 1, home + 2 ... up to the first empty slot
 * ```
 * Floor 1. At least twice as many slots as flows, so a row is short: one or two slots, in one cache line. The tag says
 * of nearly every other flow that it is not the one without a look at its record.
 *
 * Rule: nothing marks a removed slot. The slots behind it move up, so a table that has seen any number of flows come
 * and go probes no further than a fresh one.
 *
 * @see Knuth, The Art of Computer Programming, volume 3, section 6.4, algorithm R (deletion with linear probing)
 * @module
 */

import { KEY_HIGHER, KEY_LOWER, KEY_LOWER_REST, KEY_PORTS, KEY_PROTOCOL, KEY_ZONE } from './flow-key.ts';
import { HASH, RECORD_WORDS } from './flow-records.ts';

/** Slots that an index for `most` flows has. */
export function slotsFor(most: number): number {
  let slots = 16;
  while (slots < most * 2) slots *= 2;
  return slots;
}

/** Finds flows by key. */
export class FlowIndex {
  readonly #slots: Int32Array;
  readonly #mask: number;
  readonly #records: Int32Array;
  /** Mask of the index within a slot; the rest is the tag. */
  readonly #indexMask: number;

  /** @param records - words of the flows' records, from which keys and hashes are read */
  constructor(most: number, records: Int32Array) {
    const slots = slotsFor(most);
    this.#slots = new Int32Array(slots);
    this.#mask = slots - 1;
    this.#records = records;
    // One more than the largest index fits, because slots is at least twice that.
    this.#indexMask = slots - 1;
  }

  /**
   * Looks for a flow. Cost: one or two cache lines beside the record; no allocation.
   *
   * @param isLong - whether the words of IPv6 count
   * @returns index of the flow, -1 when there is none
   */
  find(hash: number, key: Int32Array, isLong: boolean): number {
    const slots = this.#slots;
    const mask = this.#mask;
    const indexMask = this.#indexMask;
    const tagMask = ~indexMask;
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const slot = slots[at] as number;
      if (slot === 0) return -1;
      if (((slot ^ hash) & tagMask) !== 0) continue;
      const index = (slot & indexMask) - 1;
      if (this.#isKeyOf(index, key, isLong)) return index;
    }
  }

  /** Adds a flow whose record has its hash. */
  add(index: number): void {
    const slots = this.#slots;
    const mask = this.#mask;
    const hash = this.#hashOf(index);
    let at = hash & mask;
    while (slots[at] !== 0) at = (at + 1) & mask;
    slots[at] = (hash & ~this.#indexMask) | (index + 1);
  }

  /** Removes a flow whose record still has its hash, and closes the gap. */
  remove(index: number): void {
    const slots = this.#slots;
    const mask = this.#mask;
    const indexMask = this.#indexMask;
    let gap = this.#hashOf(index) & mask;
    while (((slots[gap] as number) & indexMask) !== index + 1) gap = (gap + 1) & mask;
    for (let at = (gap + 1) & mask; ; at = (at + 1) & mask) {
      const slot = slots[at] as number;
      if (slot === 0) break;
      const home = this.#hashOf((slot & indexMask) - 1) & mask;
      // It may move into the gap unless its home lies behind the gap.
      if (((at - home) & mask) < ((at - gap) & mask)) continue;
      slots[gap] = slot;
      gap = at;
    }
    slots[gap] = 0;
  }

  /** Longest row of occupied slots, for tests. Cost: O(slots). @internal */
  longestRow(): number {
    let longest = 0;
    let row = 0;
    // Twice round, for a row that goes over the end.
    for (let at = 0; at < this.#slots.length * 2; at++) {
      row = this.#slots[at & this.#mask] === 0 ? 0 : row + 1;
      if (row > longest) longest = row;
    }
    return longest;
  }

  #hashOf(index: number): number {
    return this.#records[index * RECORD_WORDS + HASH] as number;
  }

  #isKeyOf(index: number, key: Int32Array, isLong: boolean): boolean {
    const records = this.#records;
    const base = index * RECORD_WORDS;
    if (records[base + KEY_PORTS] !== key[KEY_PORTS]) return false;
    if (records[base + KEY_LOWER] !== key[KEY_LOWER] || records[base + KEY_HIGHER] !== key[KEY_HIGHER]) return false;
    // The version is part of the first of these words.
    if (records[base + KEY_PROTOCOL] !== key[KEY_PROTOCOL] || records[base + KEY_ZONE] !== key[KEY_ZONE]) return false;
    if (!isLong) return true;
    for (let word = KEY_LOWER_REST; word < KEY_PROTOCOL; word++) {
      if (records[base + word] !== key[word]) return false;
    }
    return true;
  }
}
