/**
 * The chain that stands for a packet once a hook replaced it, and the runtime's hold on it.
 *
 * Part of the hook chain. Rule: every descriptor that was taken is given back once, however later hooks link, cut or
 * break what they see: they may write into the nine members, and the members are no proof of anything.
 *
 * @module
 */

import { IPR_FLAG_CHECKSUM_OFFLOAD } from '../firewall/constants.ts';
import type { IPRcvBuf } from '../firewall/ip-rcv-buf.ts';
import { chainLength, gatherChain } from '../firewall/ip-rcv-buf.ts';
import type { Pool } from '../firewall/pool.ts';
import { IpLayout, parseIpLayout } from '../wire/ip-layout.ts';

/** Longest IP datagram without a jumbo option, in octets. */
export const MAX_DATAGRAM = 65_535;

/** What the runtime holds instead of the packet as it came; nothing most of the time. */
export class Replacement {
  /** Of the chain that was parsed last. */
  readonly layout = new IpLayout();
  readonly #pool: Pool;
  readonly #members = new Set<IPRcvBuf>();
  readonly #scratch: Buffer = Buffer.alloc(MAX_DATAGRAM);

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /**
   * Finds out what a chain holds.
   *
   * @param size - its length in octets
   * @returns false when that is no well-formed IP datagram
   */
  parse(chain: IPRcvBuf, size: number): boolean {
    if (size > MAX_DATAGRAM) return false;
    const single = chain.ipr_next === null ? chain.ipr_buffer : null;
    if (single === null) gatherChain(chain, this.#scratch, 0);
    return parseIpLayout(single ?? this.#scratch, 0, size, size, this.layout);
  }

  /**
   * Holds a chain, and frees what was held before.
   *
   * Ownership: takes `chain`, which is the runtime's already.
   */
  take(chain: IPRcvBuf): void {
    this.free();
    this.#keep(chain);
  }

  /**
   * True when the chain can still be read and freed. Buffers that a hook linked to it belong to it from now on.
   *
   * @param chain - the head of what is held
   * @param length - octets that need no look again: of a copy of the packet, which hooks may write anything into
   */
  isSound(chain: IPRcvBuf | null, length = -1): boolean {
    if (chain === null || !this.#pool.adopt(chain)) return false;
    this.#keep(chain);
    const size = chainLength(chain);
    return size > 0 && (size === length || this.parse(chain, size));
  }

  /**
   * Joins what is held into one buffer and holds that instead. The layout stays.
   *
   * @returns the new head; null when the pool is exhausted
   */
  join(chain: IPRcvBuf): IPRcvBuf | null {
    const joined = this.#pool.allocateChain(chainLength(chain));
    if (joined === null || joined.ipr_buffer === null) return null;
    gatherChain(chain, joined.ipr_buffer, 0);
    if (isChecksumPartial(chain)) joined.ipr_flags = IPR_FLAG_CHECKSUM_OFFLOAD;
    this.take(joined);
    return joined;
  }

  /** Gives back everything that is held, one descriptor after the other: a hook may have linked them otherwise. */
  free(): void {
    for (const member of this.#members) {
      member.ipr_next = null;
      this.#pool.release(member);
    }
    this.#members.clear();
  }

  /** Holds nothing any more, and frees nothing: what was held is somebody else's. */
  letGo(): void {
    this.#members.clear();
  }

  #keep(chain: IPRcvBuf): void {
    for (let at: IPRcvBuf | null = chain; at !== null; at = at.ipr_next) this.#members.add(at);
  }
}

/** True when the transport checksum in a chain is not final, as its first descriptor says. */
export function isChecksumPartial(chain: IPRcvBuf): boolean {
  const flags: unknown = chain.ipr_flags;
  return typeof flags === 'number' && (flags & IPR_FLAG_CHECKSUM_OFFLOAD) !== 0;
}
