/**
 * The receiving side of a port of `afpacket`: a ring opened as it was planned, and the views of its slots.
 *
 * Rule: a view is made once a slot. A fenced port is opened with its fence or not at all. A ring that the kernel has no
 * memory for becomes a smaller one, and the port says so.
 *
 * @see packet(7), bpf(4) of the classic kind
 * @module
 */

import { FirehookError } from '../errors.ts';
import type { NativeModule, NativeRing } from '../native/native.d.ts';
import { assemble, IF_OUTGOING, type Instruction, TAKE, takeMarked } from './classic-bpf.ts';
import type { FrameBuffer } from './contract.ts';
import type { LiveDevice, LivePortOptions } from './live-port.ts';

/** The ring that a port is to have. Plain data: it crosses a process boundary. */
export interface RingOptions {
  /** Id of the port. */
  readonly port: number;
  /** Slots of {@link SLOT_OCTETS}, a multiple of {@link BLOCK_SLOTS}. */
  readonly slots: number;
  /** Group of PACKET_FANOUT, 0 to 65535, which all lanes of the port name; -1 for a port that is not shared. */
  readonly fanoutGroup: number;
}

/** The ring that a port got: fewer slots than were asked for when the kernel had no memory for them. */
export interface RingSize {
  /** Id of the port. */
  readonly port: number;
  readonly slots: number;
}

/** A frame of 1,500 octets, its headers and the ring's own fit; longer ones come through an overflow buffer. */
export const SLOT_OCTETS = 2048;
/** The kernel gives the memory of a ring in blocks of 256 KiB. */
export const BLOCK_SLOTS = 128;
/** 1 MiB. */
export const SMALLEST_RING_SLOTS = 512;
/** 32 MiB. */
export const DEFAULT_RING_SLOTS = 16_384;

/** Frames longer than a slot that one batch may hold. */
const OVERFLOW_COUNT = 64;
/** What the addon takes. */
export const LARGEST_RING_SLOTS = 2 ** 20;
/** Where a frame of a batch, or an entry of a queue, lies: in the ring. */
export const IN_RING = 0;
/** In an overflow buffer. */
export const IN_OVERFLOW = 1;
const NO_FILTER = new Uint8Array(0);
const OUTGOING_ONLY = assemble([...IF_OUTGOING, TAKE]);

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

/** The ring that was asked for, or the largest that the kernel has memory for. */
export function openRing(
  native: NativeModule,
  port: LivePortOptions,
  device: LiveDevice,
  rings: readonly RingOptions[],
  fenceFd: number | undefined,
): NativeRing {
  const { slots: wanted, fanoutGroup } = rings.find((ring) => ring.port === port.id) ?? {
    slots: DEFAULT_RING_SLOTS,
    fanoutGroup: -1,
  };
  const isOutbound = port.direction === 'outbound';
  const filter = filterOf(port);
  for (let slots = wanted; ; slots = Math.max(SMALLEST_RING_SLOTS, wholeBlocks(slots / 2))) {
    try {
      const ring = native.openRing(
        device.ifindex,
        SLOT_OCTETS,
        slots,
        OVERFLOW_COUNT,
        fanoutGroup,
        !isOutbound,
        filter,
      );
      if (port.isFenced === true) setFence(native, ring, fenceFd);
      return ring;
    } catch (cause) {
      const { code, syscall } = cause as NodeJS.ErrnoException;
      if (code === 'ENOMEM' && slots > SMALLEST_RING_SLOTS) continue;
      // packet(7): a group has one device and one way to share; a device that is down joins none before Linux 6.14.
      const isForeign = syscall === 'PACKET_FANOUT' && code === 'EINVAL';
      throw refusal(device, cause, isForeign ? foreignGroup(device, fanoutGroup) : undefined);
    }
  }
}

/** What the ring leaves alone from its first frame on. */
function filterOf({ direction, captureMark }: LivePortOptions): Uint8Array {
  if (captureMark !== undefined) return assemble(takeMarked(captureMark));
  return direction === 'outbound' ? OUTGOING_ONLY : NO_FILTER;
}

function wholeBlocks(slots: number): number {
  return Math.floor(slots / BLOCK_SLOTS) * BLOCK_SLOTS;
}

function foreignGroup({ name }: LiveDevice, group: number): string {
  return `another program has the fanout group ${group}, or the interface is down: ip link set ${name} up, and start again; another group is drawn`;
}

/** A fenced port without its fence would send frames twice: it is refused, and its ring closed. */
function setFence(native: NativeModule, ring: NativeRing, fenceFd: number | undefined): void {
  try {
    if (fenceFd === undefined || !Number.isInteger(fenceFd) || fenceFd < 0) throw new Error('it needs the fence');
    native.setFence(ring, fenceFd);
  } catch (error) {
    native.closeRing(ring);
    throw error;
  }
}

/** Runs what may be refused; the refusal names the device. */
export function guarded<T>(device: LiveDevice, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    throw refusal(device, cause);
  }
}

function refusal(device: LiveDevice, cause: unknown, advice?: string): FirehookError {
  return new FirehookError('FIREHOOK_DRIVER_OPEN', `${device.name}: ${(cause as Error).message}`, {
    cause,
    interfaceName: device.name,
    ...(advice === undefined ? {} : { advice }),
  });
}

/** The filter of a `tap`'s ring that keeps to a program: what leaves is told from what arrives first. */
export function narrowing({ direction }: LivePortOptions, program: readonly Instruction[]): Uint8Array {
  return assemble(direction === 'outbound' ? [...IF_OUTGOING, ...program] : program);
}
