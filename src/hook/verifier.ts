/**
 * The verifier: makes what a driver may meet on Windows happen here, on purpose, so that a fault shows at a desk.
 *
 * ```
 *   chains        *pData in several buffers: the header alone, anywhere (seeded), every octet by itself
 *   lowResources  requests to the pool fail: a share of them (seeded), or every Nth
 *   poison        fresh memory is 0xb0, freed 0xbd, fresh descriptors hold no null
 *   oldChain      who frees the chain that a replacement takes the place of: the runtime, or the hook
 * ```
 * Rule: for development. A packet that passes unchanged leaves unchanged whatever is set; the same seed does the same again.
 *
 * Idea: Driver Verifier, https://learn.microsoft.com/en-us/windows-hardware/drivers/devtest/driver-verifier
 *
 * @module
 */

import type { IPRcvBuf } from '../firewall/ip-rcv-buf.ts';
import type { Pool } from '../firewall/pool.ts';

/** How the chain of a packet is cut. */
export type ChainCut = 'whole' | 'header' | 'random' | 'octets';

/** What is to happen. */
export interface VerifierSettings {
  readonly chains: ChainCut;
  /** Below 1 the share of requests that fail; from 1 on every Nth; 0 for none. */
  readonly lowResources: number;
  /** 0 to 2^32 - 1. */
  readonly seed: number;
  readonly poison: boolean;
  readonly oldChain: 'runtime' | 'hook';
  /** Levels and spin locks of drivers are checked. */
  readonly irql: boolean;
}

/** What a lane does without: nothing is made to happen, levels are checked. */
export const NO_VERIFIER: VerifierSettings = {
  chains: 'whole',
  lowResources: 0,
  seed: 0,
  poison: false,
  oldChain: 'runtime',
  irql: true,
};

/** True where anything is to happen. */
export function isVerifying({ chains, lowResources, poison, oldChain }: VerifierSettings): boolean {
  return chains !== 'whole' || lowResources > 0 || poison || oldChain === 'hook';
}

/** One in so many buffers is empty where chains are cut at random. */
const EMPTY_ONE_IN = 8;
/** Mean number of buffers of a chain that is cut at random. */
const MEAN_BUFFERS = 5;

/** Does it, for one chain of hooks. */
export class Verifier {
  readonly settings: VerifierSettings;
  readonly #pool: Pool;
  #state: number;
  #requests = 0;
  #failed = 0;
  #cut = 0;

  constructor(settings: VerifierSettings, pool: Pool) {
    this.settings = settings;
    this.#pool = pool;
    this.#state = settings.seed >>> 0;
    pool.isPoisoned = settings.poison;
    pool.hooksFreeOldChains = settings.oldChain === 'hook';
    pool.refuses = settings.lowResources > 0 ? () => this.#refuses() : null;
  }

  /** True where callbacks get a chain of the pool in the place of the packet's own buffer. */
  get cuts(): boolean {
    return this.settings.chains !== 'whole' || this.settings.oldChain === 'hook';
  }

  /** What was made to happen until now, in a sentence. */
  get report(): string {
    const { chains, lowResources, poison, oldChain, seed } = this.settings;
    const set = [
      `chains ${chains}`,
      ...(lowResources > 0 ? [`lowResources ${lowResources}`] : []),
      ...(poison ? ['poison'] : []),
      `oldChain ${oldChain}`,
      `seed ${seed}`,
    ];
    return `The verifier (${set.join(', ')}) cut ${this.#cut} chains and refused ${this.#failed} of ${this.#requests} requests.`;
  }

  /**
   * A copy of the packet as a chain of the pool, cut as the settings say.
   *
   * Ownership: returns owned by the runtime.
   * @param bytes - the datagram at octet 0
   * @param length - its octets
   * @param headerLength - octets of its IP header
   * @returns null when the pool is exhausted
   */
  cut(bytes: Buffer, length: number, headerLength: number): IPRcvBuf | null {
    this.#cut += 1;
    let head: IPRcvBuf | null = null;
    let tail: IPRcvBuf | null = null;
    let at = 0;
    while (at < length) {
      const size = this.#size(at, length, headerLength);
      const made = this.#pool.allocateChain(Math.max(size, 1));
      if (made === null || made.ipr_buffer === null) {
        this.#pool.release(head);
        return null;
      }
      made.ipr_size = size;
      bytes.copy(made.ipr_buffer, 0, at, at + size);
      if (tail === null) head = made;
      else tail.ipr_next = made;
      tail = made;
      at += size;
    }
    return head;
  }

  /** Octets of the buffer that begins at octet `at`. */
  #size(at: number, length: number, headerLength: number): number {
    const left = length - at;
    switch (this.settings.chains) {
      case 'whole':
        return left;
      case 'header':
        return at === 0 ? Math.min(headerLength, left) : left;
      case 'octets':
        return 1;
      case 'random':
        if (this.#random() < 1 / EMPTY_ONE_IN) return 0;
        return Math.min(left, 1 + Math.floor((-Math.log(1 - this.#random()) * length) / MEAN_BUFFERS));
    }
  }

  #refuses(): boolean {
    const { lowResources } = this.settings;
    this.#requests += 1;
    const isRefused =
      lowResources < 1 ? this.#random() < lowResources : this.#requests % Math.floor(lowResources) === 0;
    if (isRefused) this.#failed += 1;
    return isRefused;
  }

  /** The next number from 0 to 1, by the seed: Mulberry32. */
  #random(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
}
