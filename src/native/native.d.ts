/**
 * What the native addon exports: the one declaration of it. C++: addon.cc; loader: load-native.ts.
 *
 * @module
 */

/** A ring on one device. Opaque; made by `openRing`. */
export interface NativeRing {
  /** The mapped ring. Detached by `closeRing`: views of it have length 0 from then on. */
  readonly memory: ArrayBuffer;
  /** Buffers for frames longer than a slot. Detached by `closeRing`. */
  readonly overflow: ArrayBuffer;
}

/** A sending socket on one device. Opaque; made by `openSender`. */
export interface NativeSender {
  readonly closeSender?: never;
}

/** The exports. Every function throws a TypeError for a wrong argument, and an Error with `syscall`, `errno` and `code`. */
export interface NativeModule {
  /**
   * @param slotSize - octets, a multiple of 16
   * @param slotCount - rounded up to whole blocks of 256 KiB
   * @param overflowCount - buffers for frames longer than a slot, 68 KiB each
   * @param fanoutGroup - group of PACKET_FANOUT_HASH, -1 for none
   * @param ignoreOutgoing - leave out what this host sends on the device
   * @param filter - classic BPF, 8 octets an instruction; empty for none
   */
  openRing(
    ifindex: number,
    slotSize: number,
    slotCount: number,
    overflowCount: number,
    fanoutGroup: number,
    ignoreOutgoing: boolean,
    filter: Uint8Array,
  ): NativeRing;
  /**
   * Takes up to `max` frames; eight numbers each: offset of the frame in `memory` (or `overflow`), length, original length,
   * flags (1 checksum partial, 2 super-frame, 4 in overflow), seconds, nanoseconds, slot, offset of its vnet header.
   */
  receive(ring: NativeRing, fields: Uint32Array, max: number): number;
  /**
   * Gives the oldest `done` frames back to the kernel and takes as `receive` does; the one call a batch needs.
   *
   * @param done - 0 begins a turn
   * @returns frames taken; -1 when a turn has lasted a millisecond and it is the event loop's
   */
  next(ring: NativeRing, fields: Uint32Array, max: number, done: number): number;
  /** Gives the oldest `count` frames back to the kernel. */
  release(ring: NativeRing, count: number): void;
  /** Frames dropped because the ring was full, since it was opened. */
  dropped(ring: NativeRing): number;
  /**
   * Gives a ring at a user's port its fence (fence.h): `receive` and `next` give frames whose original the kernel may have
   * sent on back unread. What was captured before is not handed out. Takes a batch only when the last one was given back.
   *
   * @param descriptor - of the fence's file; it may be closed afterwards
   */
  setFence(ring: NativeRing, descriptor: number): void;
  /**
   * Takes note of a new epoch also when nothing arrives: what comes from then on is handed out. To be called often.
   *
   * @returns the epoch that the ring is in; 0 without a fence
   */
  lookAtFence(ring: NativeRing): number;
  /** Frames given back unread because of the fence. */
  fenced(ring: NativeRing): number;
  /** Calls back from the event loop while frames are waiting. Once a ring. */
  watch(ring: NativeRing, onReadable: () => void): void;
  /** Pauses and resumes the calls. */
  setWatching(ring: NativeRing, on: boolean): void;
  closeRing(ring: NativeRing): void;
  /** @param mark - SO_MARK of what is sent; 0 for none */
  openSender(ifindex: number, mark: number): NativeSender;
  /**
   * Sends frames with their vnet headers; at most 256.
   *
   * @param entries - three numbers a frame: 0 ring, 1 overflow, 2 `made`; offset of the vnet header in it; octets from there
   * @param failed - set to 1 for each frame that was not sent, to 0 for the others
   * @returns frames not sent
   */
  send(
    sender: NativeSender,
    ring: NativeRing,
    entries: Uint32Array,
    count: number,
    made: Uint8Array,
    failed: Uint8Array,
  ): number;
  closeSender(sender: NativeSender): void;
}
