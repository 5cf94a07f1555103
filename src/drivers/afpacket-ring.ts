/**
 * The receiving side of a port of `afpacket`: a ring that was opened before, and the views of its slots.
 *
 * Rule: a view is made once a slot. A fenced port is taken over with its fence or not at all.
 *
 * @see packet(7), bpf(4) of the classic kind
 * @module
 */

import type { NativeModule, NativeRing } from '../native/native.d.ts';
import { type AfpacketSockets, guarded, OVERFLOW_COUNT, SLOT_OCTETS } from './afpacket-sockets.ts';
import { assemble, IF_OUTGOING, type Instruction } from './classic-bpf.ts';
import type { FrameBuffer } from './frame.ts';
import type { LiveDevice, LivePortOptions } from './live-port.ts';

/** The ring that a port got: fewer slots than were asked for when the kernel had no memory for them. */
export interface RingSize {
  /** Id of the port. */
  readonly port: number;
  readonly slots: number;
}

/** Where a frame of a batch, or an entry of a queue, lies: in the ring. */
export const IN_RING = 0;
/** In an overflow buffer. */
export const IN_OVERFLOW = 1;

/** The receiving side of a port. */
export class Inlet {
  readonly port: number;
  readonly isFenced: boolean;
  readonly ring: NativeRing;
  readonly memory: Uint8Array;
  readonly overflow: Uint8Array;
  /** The batch: `FIELDS` numbers a frame. */
  readonly fields: Uint32Array;
  /** One view a slot, and one more for frames that start earlier in it because their VLAN tag was put back. */
  readonly #views: (FrameBuffer | undefined)[] = [];
  readonly #starts: number[] = [];
  readonly #others = new Map<number, FrameBuffer>();

  constructor({ id, isFenced = false }: LivePortOptions, ring: NativeRing) {
    this.port = id;
    this.isFenced = isFenced;
    this.ring = ring;
    this.memory = new Uint8Array(ring.memory);
    this.overflow = new Uint8Array(ring.overflow);
    this.fields = new Uint32Array(ring.fields);
  }

  /** The frame that starts at `start`: a view that is made once. */
  view(space: number, slot: number, start: number): FrameBuffer {
    if (space === IN_RING && this.#starts[slot] === start) return this.#views[slot] as FrameBuffer;
    return this.#otherView(space, slot, start);
  }

  #otherView(space: number, slot: number, start: number): FrameBuffer {
    const memory = space === IN_RING ? this.ring.memory : this.ring.overflow;
    if (space === IN_RING && this.#starts[slot] === undefined) {
      const view = viewFrom(memory, start, SLOT_OCTETS);
      this.#starts[slot] = start;
      this.#views[slot] = view;
      return view;
    }
    const key = space === IN_RING ? start : -1 - start;
    let view = this.#others.get(key);
    if (view === undefined) {
      view = viewFrom(memory, start, space === IN_RING ? SLOT_OCTETS : memory.byteLength);
      this.#others.set(key, view);
    }
    return view;
  }
}

/** From `start` to the end of its slot. */
function viewFrom(memory: ArrayBuffer, start: number, slot: number): FrameBuffer {
  const end = Math.min(memory.byteLength, (Math.floor(start / slot) + 1) * slot);
  const view: FrameBuffer = Buffer.from(memory, start, end - start);
  // The lane keeps its views here: added later, they would make another kind of object of it, and every read polymorphic.
  view.views = [];
  return view;
}

/**
 * Takes over the ring of a port.
 *
 * @param fenceFd - for a port that is fenced; without it such a port would send frames twice, and is refused
 * @param isSuccessor - another process reads it at the moment
 */
export function adoptRing(
  native: NativeModule,
  { isFenced = false }: LivePortOptions,
  device: LiveDevice,
  { fd, slots }: AfpacketSockets['rings'][number],
  fenceFd: number | undefined,
  isSuccessor: boolean,
): NativeRing {
  return guarded(device, () => {
    const ring = native.adoptRing(fd, SLOT_OCTETS, slots, OVERFLOW_COUNT, isSuccessor);
    if (!isFenced) return ring;
    try {
      if (fenceFd === undefined || !Number.isInteger(fenceFd) || fenceFd < 0) throw new Error('it needs the fence');
      native.setFence(ring, fenceFd);
      return ring;
    } catch (error) {
      native.closeRing(ring);
      throw error;
    }
  });
}

/** The filter of a `tap`'s ring that keeps to a program: what leaves is told from what arrives first. */
export function narrowing({ direction }: LivePortOptions, program: readonly Instruction[]): Uint8Array {
  return assemble(direction === 'outbound' ? [...IF_OUTGOING, ...program] : program);
}
