/**
 * The fence of the ports whose frames a lane takes where they arrive: until when the kernel certainly withholds them.
 *
 * ```
 *   octets:  epoch (8) | until, ns of the monotonic clock (8) | sum of both (8)        read by src/native/fence.cc
 *
 *   lease confirmed before `until`  ─> until moves on, same epoch: nothing of it was ever sent on by the kernel
 *   lease confirmed at or after it  ─> a new epoch: the lease may have lapsed, and what was captured is not to be sent
 *   close                           ─> until 0
 * ```
 * A file in memory without a name, as the progress file is. Lanes inherit a descriptor that can only be read: a hook must
 * not open the fence. Rule: it is closed before anything is done that lets the kernel send frames on.
 *
 * @module
 */

import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { openMemoryFile } from './memory-file.ts';

const NS_PER_MS = 1_000_000n;

/** Writes the page that the rings of all lanes look at. */
export class Fence {
  /** For lanes to inherit: cannot be written to. */
  readonly laneFd: number;
  readonly #fd: number;
  /** In the order of this machine, as the rings read it. */
  readonly #page = new BigUint64Array(3);
  #epoch = 0n;
  #untilNs = 0n;

  /** @throws {@link FirehookError} FIREHOOK_LANE_FAILED when there is no place for the file */
  constructor() {
    const { fd, file } = openMemoryFile('the fence');
    this.#fd = fd;
    try {
      this.laneFd = openSync(file, 'r');
    } finally {
      unlinkSync(file);
    }
    this.#write();
  }

  /** Rises with every doubt about what the kernel did with the frames; 0 before the first lease. */
  get epoch(): number {
    return Number(this.#epoch);
  }

  /** True while frames that arrive are withheld and a lane may send them on. */
  get isOpen(): boolean {
    return process.hrtime.bigint() < this.#untilNs;
  }

  /**
   * Opens the fence, or keeps it open. To be called when the kernel's word is there, not before.
   *
   * @param sinceNs - before the lease was asked for, on the clock of `process.hrtime`
   * @param lastsMs - for how long it is certain from then on
   */
  extend(sinceNs: bigint, lastsMs: number): void {
    // Both moments lie within one lease of the kernel's, or nobody knows what happened in between.
    if (!this.isOpen) this.#epoch += 1n;
    this.#untilNs = sinceNs + BigInt(lastsMs) * NS_PER_MS;
    this.#write();
  }

  /** From here on no lane sends a frame that it has not taken yet. */
  close(): void {
    this.#untilNs = 0n;
    this.#write();
  }

  /** Closes both descriptors; rings that are open keep what was written last. */
  release(): void {
    closeSync(this.#fd);
    closeSync(this.laneFd);
  }

  #write(): void {
    this.#page.set([this.#epoch, this.#untilNs, this.#epoch + this.#untilNs]);
    writeSync(this.#fd, this.#page, 0, this.#page.byteLength, 0);
  }
}
