/**
 * The dead-man's switch: the addon's thread keeps the `alive` elements of the ports fresh, and the fence in step with them.
 *
 * ```
 *   thread, every 200 ms: lanes moved? main loop alive? allowed? ─> one batch ─> the kernel's word ─> fence open for 0.9 s
 *   one of them not ─> no renewal: the kernel lets the elements lapse after a second, and `onDown` decides
 * ```
 * Rule: no timer of JavaScript is on that path. Here the batches are put together, and the state is read.
 *
 * @see src/native/lease.cc
 * @module
 */

import { closeSync, openSync } from 'node:fs';
import { loadNative } from '../native/load-native.ts';
import type { NativeLease } from '../native/native.d.ts';
import { type Request, writeRequests } from '../netlink/message.ts';
import { errorName, type NetlinkSocket } from '../netlink/socket.ts';
import type { LeaseControl, LeaseState } from './contract.ts';
import { tableName } from './names.ts';
import { batch, flushSet, renewElement } from './netlink/nftables.ts';
import { ALIVE } from './tables.ts';

/** How long a lease lasts in the kernel. */
export const LEASE_MS = 1000;

/** How long it lasts while one process leaves it to another one, and for how long that is certain. */
const LEFT_MS = 5000;
const LEFT_CERTAIN_MS = 4800;

/** Epoch, until, sum: three numbers of 64 bits. */
const FENCE_OCTETS = 24;

/** The messages that give every port one more second, or another time. */
export function renewBatch(ifindexes: readonly number[], lastsMs: number = LEASE_MS): Uint8Array {
  return write(ifindexes.flatMap((ifindex) => renewElement('netdev', tableName(ifindex), ALIVE, ifindex, lastsMs)));
}

/** The messages that end every lease at once. */
export function lapseBatch(ifindexes: readonly number[]): Uint8Array {
  return write(ifindexes.map((ifindex) => flushSet('netdev', tableName(ifindex), ALIVE)));
}

/** The lease of the addon. */
export class KernelLease implements LeaseControl {
  readonly fenceFd: number;
  readonly #fence: number;
  readonly #native: NativeLease;
  readonly #listeners: (() => void)[] = [];
  #ports: readonly number[] = [];
  #isClosed = false;

  /**
   * @param nft - the socket that owns the tables; it has to stay open until the lease is closed
   * @param inherited - the fence of a process that leaves the lease ({@link KernelLease.leave}); its own from now on. Null: makes one
   */
  constructor(nft: NetlinkSocket, inherited: number | null = null) {
    const addon = loadNative();
    this.#fence = inherited ?? addon.createMemory('firehook-fence', FENCE_OCTETS);
    // What a lane inherits can only be read: a hook must not open the fence.
    this.fenceFd = openSync(`/proc/self/fd/${this.#fence}`, 'r');
    this.#native = addon.openLease(nft.native, this.#fence, inherited !== null, () => {
      for (const listener of this.#listeners) listener();
    });
  }

  /** The fence, for reading and writing: borrowed, for a process that is to go on with the lease. */
  get fence(): number {
    return this.#fence;
  }

  setPorts(ifindexes: readonly number[]): void {
    this.#ports = ifindexes;
    loadNative().setLeaseBatches(this.#native, renewBatch(ifindexes), lapseBatch(ifindexes));
  }

  setLanes(progressFds: readonly number[]): void {
    loadNative().setLeaseLanes(this.#native, progressFds);
  }

  allow(allowed: boolean): void {
    loadNative().allowLease(this.#native, allowed);
  }

  beat(): void {
    loadNative().beatLease(this.#native);
  }

  get state(): LeaseState {
    const [held = 0, epoch = 0, renewals = 0, refusals = 0, errno = 0, longestGapMs = 0, lapses = 0, ...stalledMs] =
      loadNative().leaseState(this.#native);
    const lastError = errno === 0 ? null : errorName(errno);
    return { held: held !== 0, epoch, renewals, refusals, lastError, longestGapMs, lapses, stalledMs };
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  leave(): boolean {
    return !this.#isClosed && loadNative().leaveLease(this.#native, renewBatch(this.#ports, LEFT_MS), LEFT_CERTAIN_MS);
  }

  close(lapse: boolean): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    loadNative().closeLease(this.#native, lapse);
    closeSync(this.fenceFd);
    closeSync(this.#fence);
  }
}

function write(requests: readonly Request[]): Uint8Array {
  return requests.length === 0 ? new Uint8Array(0) : writeRequests(batch(requests), 1);
}
