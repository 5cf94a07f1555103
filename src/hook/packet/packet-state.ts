/**
 * What the runtime knows of the packet that is among the hooks. Hooks see it through {@link PacketView}, and cannot get here.
 *
 * ```
 *   begin(packet of the driver) ─> view: fields ─> open(): a hook asks for octets ─> settle() ─> next packet ... ─> endBatch()
 *                     │                        └─> edit(): a setter writes a field where it stands
 *                     └─ load(chain of the pool): a replacement ─ goBack() ─┘
 * ```
 * Rule: hooks are handed the memory of the pool, or a copy; never the driver's. Only setters, which are the runtime's code, write there.
 *
 * @module
 */

import { NonPagedPool, SIZEOF_IPRCVBUF } from '../../firewall/constants.ts';
import { IPRcvBuf } from '../../firewall/ip-rcv-buf.ts';
import type { Pool } from '../../firewall/pool.ts';
import { TAG_KEPT } from '../../firewall/pool-tag.ts';
import { IpLayout } from '../../wire/ip-layout.ts';
import type { ChainFlows } from '../chain-flows.ts';
import type { HoldList } from '../hold-list.ts';
import { isChecksumPartial } from '../replacement.ts';
import { Arrival, type DatagramBuffer } from './arrival.ts';
import { ContextState } from './context-view.ts';
import { Datagram, type OctetsOwner } from './datagram.ts';
import { PacketCopy } from './packet-copy.ts';

/** One packet after the other. */
export class PacketState implements OctetsOwner {
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
  /** The hook that runs sees what {@link PacketState.stand} was given, which the runtime has not taken yet. */
  isStanding = false;
  /** What stands for the packet. */
  chain: IPRcvBuf | null = null;
  /** Its octets, to be read by the runtime only while not {@link PacketState.isOpen}. */
  bytes: Buffer;
  /** Of what stands for the packet. */
  layout = new IpLayout();
  /** The same with its setters. */
  readonly datagram = new Datagram(this, this.layout, null);
  /** Hooks may be handed `bytes` and `chain` as they are. */
  isOpen = true;
  /** Of the chain; null where no hook asked for flows. */
  readonly flows: ChainFlows | null;
  /** The packets that wait; null where no hook may hold any. */
  readonly holds: HoldList | null;
  /** Where it was met. */
  context = new ContextState();

  readonly #copy = new PacketCopy();
  #lent: IPRcvBuf | null = null;
  #original: DatagramBuffer;
  #originalLayout = this.layout;
  /** The packet itself was copied, and the lent descriptor has the copy. */
  #isCopied = false;

  constructor(pool: Pool, flows: ChainFlows | null = null, holds: HoldList | null = null) {
    this.pool = pool;
    this.flows = flows;
    this.holds = holds;
    this.bytes = this.#copy.bytes;
    this.#original = this.bytes;
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
    this.datagram.layout = layout;
    this.replacement = null;
    this.isOpen = true;
  }

  /** To be called before a hook is handed octets. Cost: a copy of the packet, once. */
  open(): void {
    if (this.isOpen) return;
    this.isOpen = true;
    this.#isCopied = true;
    this.bytes = this.#copy.open(this.#original, this.#originalLayout.length);
    (this.#lent as IPRcvBuf).ipr_buffer = this.bytes;
  }

  /** To be written into. Cost: a copy of the head of the packet, once, where it stands in the memory of the driver. */
  edit(): Buffer {
    if (!this.isOpen) this.arrival.keep();
    return this.bytes;
  }

  /** {@inheritDoc OctetsOwner.isPartial} */
  get isPartial(): boolean {
    return isChecksumPartial(this.chain as IPRcvBuf);
  }

  /**
   * A chain takes this packet's place, once the hook says FORWARD.
   *
   * Ownership: takes `chain`.
   */
  replaceBy(chain: IPRcvBuf): void {
    const earlier = this.replacement;
    if (chain === earlier) return;
    if (earlier !== null) this.abandoned.push(earlier);
    // A hook may come back to an earlier one: each chain ends up in one place only, or it would be freed twice.
    const index = this.abandoned.indexOf(chain);
    if (index !== -1) this.abandoned.splice(index, 1);
    this.replacement = chain;
  }

  /**
   * A chain of one buffer that the runtime made for the hook that runs takes this packet's place, and is what the hook sees from now on.
   *
   * Ownership: takes `chain`, which is booked on the hook.
   */
  stand(chain: IPRcvBuf, bytes: Buffer, layout: IpLayout): void {
    const { replacement } = this;
    this.load(chain, bytes, layout);
    this.isStanding = true;
    this.replacement = replacement;
    this.replaceBy(chain);
  }

  /**
   * One buffer of the pool, on the account of the hook that runs.
   *
   * Ownership: returns owned.
   * @returns null when the pool is exhausted
   */
  allocate(octets: number): IPRcvBuf | null {
    const { pool } = this;
    const chain = pool.allocate(NonPagedPool, SIZEOF_IPRCVBUF, TAG_KEPT);
    if (!(chain instanceof IPRcvBuf)) return null;
    if (pool.allocateBuffer(chain, octets) === 1 && chain.ipr_buffer !== null) return chain;
    pool.free(chain);
    return null;
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
    this.isStanding = false;
    this.abandoned.length = 0;
  }
}
