/**
 * What the runtime knows of the packet that is among the hooks. Hooks see it through {@link PacketView}, and cannot get here.
 *
 * ```
 *   begin(packet of the driver) ─> view: fields ─> open(): a hook asks for octets ─> settle() ─> next packet ... ─> endBatch()
 *                     └─ load(chain of the pool): a replacement ─ goBack() ─┘
 * ```
 * Rule: hooks are handed the memory of the pool, or a copy; never the driver's.
 *
 * @module
 */

import type { IPRcvBuf } from '../firewall/ip-rcv-buf.ts';
import type { Pool } from '../firewall/pool.ts';
import { IpLayout } from '../wire/ip-layout.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as ipv6 from '../wire/ipv6.ts';
import { Arrival, type DatagramBuffer } from './arrival.ts';
import { PacketCopy } from './packet-copy.ts';

/** Where an address stands. */
export interface AddressPlace {
  bytes: Buffer;
  offset: number;
  length: 4 | 16;
}

/** One packet after the other. */
export class PacketState {
  /** The packet as it came. */
  readonly arrival = new Arrival();
  /** What `packet.keep` allocates from, on the account of `pool.owner`. */
  readonly pool: Pool;
  /**
   * Chains that a later `replace` took the place of. Nearly always empty.
   *
   * Ownership: the runtime frees them and calls `clearReplacement`; `load` leaves them alone, so that none is lost.
   */
  readonly abandoned: IPRcvBuf[] = [];
  /** The chain that a hook last put in this packet's place, its own included; null when none has. The runtime's. */
  replacement: IPRcvBuf | null = null;
  /** What stands for the packet. */
  chain: IPRcvBuf | null = null;
  /** Its octets, to be read by the runtime only while not {@link PacketState.isOpen}. */
  bytes: Buffer;
  /** Of what stands for the packet. */
  layout = new IpLayout();
  readonly source: AddressPlace;
  readonly destination: AddressPlace;
  /** Hooks may be handed `bytes` and `chain` as they are. */
  isOpen = true;

  readonly #copy = new PacketCopy();
  #lent: IPRcvBuf | null = null;
  #original: DatagramBuffer;
  #originalLayout = this.layout;
  /** The packet itself was copied, and the lent descriptor has the copy. */
  #isCopied = false;

  constructor(pool: Pool) {
    this.pool = pool;
    this.bytes = this.#copy.bytes;
    this.#original = this.bytes;
    this.source = { bytes: this.bytes, offset: ipv4.SOURCE_OFFSET, length: 4 };
    this.destination = { bytes: this.bytes, offset: ipv4.DESTINATION_OFFSET, length: 4 };
  }

  /**
   * Another packet of the driver. Cost: no allocation.
   *
   * Ownership: borrows all three until the next call.
   *
   * @param lent - the descriptor that stands for it; it has no buffer until a hook asks for octets
   * @param bytes - the datagram from octet 0 on
   * @param layout - what `parseIpLayout` found in it, well formed
   */
  begin(lent: IPRcvBuf, bytes: DatagramBuffer, layout: IpLayout): void {
    lent.ipr_next = null;
    lent.ipr_buffer = null;
    lent.ipr_size = layout.length;
    this.#lent = lent;
    this.#original = bytes;
    this.#originalLayout = layout;
    this.#isCopied = false;
    this.arrival.begin(bytes);
    this.load(lent, bytes, layout);
    this.isOpen = false;
  }

  /** Lets a chain of one buffer stand for the packet, which hooks may be handed as it is. Cost: no allocation. */
  load(chain: IPRcvBuf, bytes: Buffer, layout: IpLayout): void {
    this.chain = chain;
    this.bytes = bytes;
    this.layout = layout;
    this.replacement = null;
    this.isOpen = true;
    const { source, destination } = this;
    source.bytes = bytes;
    destination.bytes = bytes;
    if (layout.version === 4) {
      source.offset = ipv4.SOURCE_OFFSET;
      destination.offset = ipv4.DESTINATION_OFFSET;
      source.length = destination.length = 4;
    } else {
      source.offset = ipv6.SOURCE_OFFSET;
      destination.offset = ipv6.DESTINATION_OFFSET;
      source.length = destination.length = 16;
    }
  }

  /** To be called before a hook is handed octets. Cost: a copy of the packet, once. */
  open(): void {
    if (this.isOpen) return;
    this.isOpen = true;
    this.#isCopied = true;
    this.bytes = this.#copy.open(this.#original, this.#originalLayout.length);
    this.source.bytes = this.bytes;
    this.destination.bytes = this.bytes;
    (this.#lent as IPRcvBuf).ipr_buffer = this.bytes;
  }

  /** False when a hook gave away the memory of the copy: nothing is left that could be forwarded. */
  get hasCopy(): boolean {
    return !this.#isCopied || this.#copy.holds(this.#originalLayout.length);
  }

  /** The buffer of the lent descriptor: the copy that hooks were handed; null while they were handed none. */
  get lentBuffer(): Buffer | null {
    return this.#isCopied ? this.#copy.bytes : null;
  }

  /** The packet itself takes the place of what replaced it. */
  goBack(): void {
    this.load(this.#lent as IPRcvBuf, this.#isCopied ? this.#copy.bytes : this.#original, this.#originalLayout);
    this.isOpen = this.#isCopied;
  }

  /**
   * What hooks changed in the copy becomes the packet's, which stands for itself again. Cost: a look at the octets, where hooks
   * were handed some.
   */
  settle(): void {
    if (!this.#isCopied) return;
    const { length } = this.#originalLayout;
    this.#isCopied = false;
    (this.#lent as IPRcvBuf).ipr_buffer = null;
    this.goBack();
    if (this.#copy.equals(this.#original, length)) return;
    this.arrival.keep();
    this.#copy.writeTo(this.#original, length);
  }

  /** What hooks kept of the packets of this batch is dead from now on. */
  endBatch(): void {
    this.#copy.expire();
  }

  /** Forgets the replacement and what was abandoned, once the runtime has taken or freed them. */
  clearReplacement(): void {
    this.replacement = null;
    this.abandoned.length = 0;
  }
}
