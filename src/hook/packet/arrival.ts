/**
 * The datagram as it came, for the ICMP error that answers it: hooks may write into the packet before one rejects it.
 *
 * ```
 *   begin(bytes) ─> what hooks wrote is to be put into the packet ─> keep(): a copy of the head ─> bytes: the copy, or
 *                                                                          the packet itself where nobody wrote
 * ```
 * Rule: once a packet at most, and no allocation: a copy of a view that the frame's buffer keeps. A packet that no hook
 * changes costs nothing.
 *
 * @module
 */

/** Most octets of a packet that an ICMP error quotes (RFC 4443 2.4 c: 1,280 in all, of which 48 are headers). */
export const MAX_QUOTED = 1232;

/** The octets of a datagram in its frame. */
export interface DatagramBuffer extends Buffer {
  /** Its first {@link MAX_QUOTED} octets, made once for each buffer of the driver. */
  head?: Buffer;
}

/** One packet after the other. */
export class Arrival {
  readonly #copy = Buffer.alloc(MAX_QUOTED);
  #bytes: DatagramBuffer = this.#copy;
  #isKept = false;

  /**
   * Another packet.
   *
   * Ownership: borrows `bytes` until the next call.
   */
  begin(bytes: DatagramBuffer): void {
    this.#bytes = bytes;
    this.#isKept = false;
  }

  /** To be called before the packet is written into. Cost: a copy of 1,232 octets, once a packet. */
  keep(): void {
    if (this.#isKept) return;
    this.#isKept = true;
    this.#copy.set(this.#bytes.head ?? this.#bytes.subarray(0, MAX_QUOTED));
  }

  /** Somebody wrote into the packet, or may have. */
  get isKept(): boolean {
    return this.#isKept;
  }

  /** After {@link Arrival.begin}: the packet as it came was this. */
  restore(kept: Buffer): void {
    this.#isKept = true;
    this.#copy.set(kept);
  }

  /** The datagram as it came: its first {@link MAX_QUOTED} octets at least, as far as it has them. Borrowed. */
  get bytes(): Buffer {
    return this.#isKept ? this.#copy : this.#bytes;
  }
}
