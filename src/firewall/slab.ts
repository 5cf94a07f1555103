/**
 * Slabs: the memory behind a pool, cut into slots of fixed sizes.
 *
 * ```
 *   size class 1536   slab: slots of up to 256 KiB together, taken from the system and given back at once
 *                     [ slot ][ slot ][ slot ] ...      each an ArrayBuffer of its own, with one view
 *   free list         oldest free ─> ... ─> freed last  (taken from the left, given back on the right)
 * ```
 * Floor 1. Rules: slots never share an ArrayBuffer, through which one hook would get at what another one keeps; a slot that
 * comes back is taken again last, so that a view somebody kept does harm as late as possible; slabs and charges together never exceed the limit.
 *
 * Sizes are powers of two from 64 to 65,536 with a step of 1.5 in between. The steps pay: over all sizes the mean waste
 * falls from 25 to 15 percent, the worst from 50 to 33, and at 1,500 octets, the size that matters, from 27 to 2.
 *
 * Idea of size-classed packet memory: gVisor's `pkg/buffer`.
 *
 * @module
 */

/** Largest slot, in octets. */
export const MAX_SLOT_OCTETS = 65_536;

const MIN_SLOT_OCTETS = 64;
const MIN_SLOT_SHIFT = 6;
const SIZE_CLASSES = 21;
const MAX_SLAB_OCTETS = 262_144;
/** Bounds the views that one new slab of small slots makes at once. */
const MAX_SLAB_SLOTS = 256;
/** A slab takes at most this share of the limit, so that a small pool can serve several size classes. */
const SLAB_SHARE_OF_LIMIT = 32;

/** Of the slots of all pools. */
const slotMemory = new WeakSet<ArrayBufferLike>();

/** True for the memory of a slot. */
export function isSlotMemory(memory: ArrayBufferLike): boolean {
  return slotMemory.has(memory);
}

interface Slab {
  readonly sizeClass: SizeClass;
  readonly octets: number;
  readonly slots: number;
  freeSlots: number;
}

interface SizeClass {
  readonly octets: number;
  oldest: Slot | null;
  newest: Slot | null;
}

/** One piece of a slab. */
export class Slot {
  /** @internal */
  readonly slab: Slab;
  /** @internal The next younger one on the free list. */
  younger: Slot | null = null;

  #view: Buffer;

  /** @internal */
  constructor(slab: Slab) {
    this.slab = slab;
    this.#view = makeView(slab.sizeClass.octets);
  }

  /** The whole slot. The same object for the life of the slab, unless a hook gave its memory away. */
  get view(): Buffer {
    return this.#view;
  }

  /** Has memory again if a hook gave it away, for instance to a worker. */
  repair(): void {
    if (this.#view.length === 0) this.#view = makeView(this.slab.sizeClass.octets);
  }
}

/** Memory with a hard limit, handed out by the slot. */
export class SlabStore {
  /**
   * Upper bound of slabs and charges together, in octets. May be lowered below what is in use: nothing is taken away,
   * nothing new is handed out. Not a number: nothing is handed out.
   */
  limitBytes: number;
  readonly #classes: readonly SizeClass[];
  readonly #slabs: Slab[] = [];
  #reservedBytes = 0;
  #chargedBytes = 0;
  #idleBytes = 0;

  /**
   * @param limitBytes - see {@link SlabStore.limitBytes}
   */
  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
    this.#classes = Array.from({ length: SIZE_CLASSES }, (_, i) => ({
      octets: (i % 2 === 0 ? MIN_SLOT_OCTETS : MIN_SLOT_OCTETS * 1.5) * 2 ** Math.floor(i / 2),
      oldest: null,
      newest: null,
    }));
  }

  /** Octets of all slabs. */
  get reservedBytes(): number {
    return this.#reservedBytes;
  }

  /** Number of slabs. */
  get slabs(): number {
    return this.#slabs.length;
  }

  /**
   * Takes a slot. Its contents are what its last user left, zeros in a new slab.
   *
   * Ownership: returns owned; give it back with {@link SlabStore.release}.
   * Cost: no allocation but for a new slab. O(1); O(slabs) at the limit.
   * @param size - octets, an integer from 1 to {@link MAX_SLOT_OCTETS}
   * @returns null when the limit is reached
   */
  acquire(size: number): Slot | null {
    const sizeClass = this.#classes[classIndex(size)];
    // Holds without a new slab too: the limit may have been lowered below what is reserved.
    if (sizeClass === undefined || !this.#makeRoom(0)) return null;
    if (sizeClass.oldest === null && !this.#grow(sizeClass)) return null;
    const slot = sizeClass.oldest;
    if (slot === null) return null;
    sizeClass.oldest = slot.younger;
    if (slot.younger === null) sizeClass.newest = null;
    slot.younger = null;
    const slab = slot.slab;
    if (isIdle(slab)) this.#idleBytes -= slab.octets;
    slab.freeSlots--;
    return slot;
  }

  /**
   * Gives a slot back. O(1).
   *
   * Ownership: takes `slot`, which must have come from {@link SlabStore.acquire} and not have been given back since.
   */
  release(slot: Slot): void {
    slot.repair();
    append(slot);
    slot.slab.freeSlots++;
    if (isIdle(slot.slab)) this.#idleBytes += slot.slab.octets;
  }

  /**
   * Counts memory that lives elsewhere against the limit.
   *
   * @returns false, with nothing counted, when the limit is reached
   */
  charge(octets: number): boolean {
    if (!this.#makeRoom(octets)) return false;
    this.#chargedBytes += octets;
    return true;
  }

  /** Takes back a {@link SlabStore.charge}. */
  discharge(octets: number): void {
    this.#chargedBytes -= octets;
  }

  #grow(sizeClass: SizeClass): boolean {
    const share = Math.min(MAX_SLAB_OCTETS, this.limitBytes / SLAB_SHARE_OF_LIMIT);
    const slots = Math.max(1, Math.min(MAX_SLAB_SLOTS, Math.floor(share / sizeClass.octets)));
    // Near the limit a whole slab may not fit where a slot still does.
    return this.#addSlab(sizeClass, slots) || (slots > 1 && this.#addSlab(sizeClass, 1));
  }

  #addSlab(sizeClass: SizeClass, slots: number): boolean {
    const octets = slots * sizeClass.octets;
    if (!this.#makeRoom(octets)) return false;
    const slab: Slab = { sizeClass, octets, slots, freeSlots: slots };
    for (let count = 0; count < slots; count++) append(new Slot(slab));
    this.#slabs.push(slab);
    this.#reservedBytes += octets;
    this.#idleBytes += octets;
    return true;
  }

  /** Gives slabs without a user back to the system until `octets` more fit under the limit. */
  #makeRoom(octets: number): boolean {
    const wanted = this.#chargedBytes + octets;
    // Written so that a limit that is not a number lets nothing in.
    if (!(this.#reservedBytes - this.#idleBytes + wanted <= this.limitBytes)) return false;
    while (this.#reservedBytes + wanted > this.limitBytes) this.#dropIdleSlab();
    return true;
  }

  #dropIdleSlab(): void {
    const index = this.#slabs.findIndex(isIdle);
    const [slab] = this.#slabs.splice(index, 1);
    if (slab === undefined) return;
    let slot = slab.sizeClass.oldest;
    slab.sizeClass.oldest = null;
    slab.sizeClass.newest = null;
    while (slot !== null) {
      const younger: Slot | null = slot.younger;
      slot.younger = null;
      if (slot.slab !== slab) append(slot);
      slot = younger;
    }
    this.#reservedBytes -= slab.octets;
    this.#idleBytes -= slab.octets;
  }
}

/** Zeroed: what the process had in this memory before is no business of a hook. Nor has it room for properties. */
function makeView(octets: number): Buffer {
  const view = Buffer.alloc(octets);
  slotMemory.add(view.buffer);
  return Object.preventExtensions(view);
}

function classIndex(size: number): number {
  if (size <= MIN_SLOT_OCTETS) return 0;
  const shift = 31 - Math.clz32(size - 1);
  const step = size <= 1.5 * 2 ** shift ? 1 : 2;
  return 2 * (shift - MIN_SLOT_SHIFT) + step;
}

function isIdle(slab: Slab): boolean {
  return slab.freeSlots === slab.slots;
}

function append(slot: Slot): void {
  const sizeClass = slot.slab.sizeClass;
  if (sizeClass.newest === null) sizeClass.oldest = slot;
  else sizeClass.newest.younger = slot;
  sizeClass.newest = slot;
}
