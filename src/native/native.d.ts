/**
 * What the native addon exports: the one declaration of it. C++: exports.h; loader: load-native.ts.
 *
 * @module
 */

/** A ring on one device. Opaque; made by `openRing`. */
export interface NativeRing {
  /** The mapped ring. Detached by `closeRing`: views of it have length 0 from then on. */
  readonly memory: ArrayBuffer;
  /** Buffers for frames longer than a slot. Detached by `closeRing`. */
  readonly overflow: ArrayBuffer;
  /**
   * The batch that is being handed out; eight 32-bit numbers a frame: offset of the frame in `memory` (or `overflow`), length,
   * original length, flags (1 checksum partial, 2 super-frame, 4 in overflow), seconds, nanoseconds, slot, offset of its vnet
   * header. Detached by `closeRing`.
   */
  readonly fields: ArrayBuffer;
}

/** A sending socket on one device, and its queue. Made by `openSender`; all arrays are detached by `closeSender`. */
export interface NativeSender {
  /**
   * 32-bit numbers: frames in the queue (at most 256), frames of the last flush that were not sent, then three numbers a
   * frame: 0 `memory` of the ring, 1 its `overflow`, 2 `made`; offset of the vnet header in it; octets from there on.
   */
  readonly queue: ArrayBuffer;
  /** An octet for each frame of the last flush: 1 was not sent, also because it pointed outside its memory. */
  readonly failed: ArrayBuffer;
  /** 1 MiB for frames that are made. */
  readonly made: ArrayBuffer;
}

/** Raw sockets for IP datagrams, one a family. Opaque; made by `openDatagramSender`. */
export interface NativeDatagramSender {
  /** False on a host without IPv6: then every IPv6 datagram is refused. */
  readonly hasIpv6: boolean;
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
   * Puts a filter in the place of the one there is, if any. Frames that are in the ring already stay. Needs no privilege.
   *
   * @param filter - classic BPF, 8 octets an instruction, at least one
   */
  setFilter(ring: NativeRing, filter: Uint8Array): void;
  /** Frames dropped because the ring was full, since it was opened. */
  dropped(ring: NativeRing): number;
  /**
   * Gives a ring at a user's port its fence (fence.h): frames whose original the kernel may have sent on are given
   * back unread, and so is what was captured before.
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
  /**
   * Calls back with every batch of frames, without a turn of the event loop in between as long as the loop has nothing to do.
   * When the call returns, the queues of all senders are flushed and the frames are given back to the kernel. Once a ring.
   *
   * @param onLost - called before the frames are given back when some were not sent
   */
  watch(ring: NativeRing, onBatch: (count: number) => void, onLost: () => void): void;
  closeRing(ring: NativeRing): void;
  openSender(ifindex: number): NativeSender;
  /**
   * Sends what is in the queue, and empties it: only needed before the batch ends, when it is full.
   *
   * @param ring - whose memory the entries point into
   * @returns frames not sent
   */
  flush(sender: NativeSender, ring: NativeRing): number;
  closeSender(sender: NativeSender): void;
  openDatagramSender(): NativeDatagramSender;
  /**
   * Sends IP datagrams by the routing table, to the address in their header; at most 256, IPv4 first.
   *
   * @param entries - two numbers a datagram: offset in `memory`; octets from there
   * @param failed - set to 1 for each datagram that was not sent, to 0 for the others
   * @returns datagrams not sent
   */
  sendDatagrams(
    sender: NativeDatagramSender,
    memory: Uint8Array,
    entries: Uint32Array,
    count: number,
    failed: Uint8Array,
  ): number;
  closeDatagramSender(sender: NativeDatagramSender): void;
  /** setegid(2), for the whole process. `identity.ts` says when. */
  setEffectiveGroup(group: number): void;
  /** Real, effective and saved user and group of the whole process, and no supplementary groups. There is no way back. */
  becomeUser(user: number, group: number): void;
}
