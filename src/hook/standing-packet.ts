/**
 * What stands for the packet that is among the hooks: the packet itself, or the chain that a hook put in its place.
 *
 * ```
 *   begin(packet) ─> hook ─> collect(what it left in its cells) ─> take(): a chain of its own, or the descriptor that it reshaped
 *                      └── ready(): one buffer for the next one <──┘                               end(): what is held is freed
 * ```
 * Rule: what a hook hands over is looked at before it is believed, and freed here, never twice; a hook that is refused has changed nothing.
 * Part of the hook chain: see hook-chain.ts for who is called and what counts as a fault.
 *
 * @module
 */

import { IPR_FLAG_CHECKSUM_OFFLOAD } from '../firewall/constants.ts';
import type { IPRcvBuf } from '../firewall/ip-rcv-buf.ts';
import { chainLength, gatherChain } from '../firewall/ip-rcv-buf.ts';
import type { Pool } from '../firewall/pool.ts';
import type { IpLayout } from '../wire/ip-layout.ts';
import type { CallbackDoor } from './callback-door.ts';
import type { DatagramBuffer } from './packet/arrival.ts';
import type { PacketState } from './packet/packet-state.ts';
import { isChecksumPartial, MAX_DATAGRAM, Replacement } from './replacement.ts';
import type { Verifier } from './verifier.ts';

/** What {@link StandingPacket} is made of. */
export interface StandingOptions {
  readonly pool: Pool;
  readonly packet: PacketState;
  /** Null but where callbacks get a chain in the place of the packet's own buffer. */
  readonly cutter: Verifier | null;
  /** Keep a copy of the packet as each hook got it, to see what it changed. */
  readonly tracksChanges: boolean;
}

/** One packet after the other. */
export class StandingPacket {
  /** The chain that stands for the packet: the one lent to the hooks, or a replacement. Null between packets. */
  current: IPRcvBuf | null = null;
  /** `current` is a replacement, which {@link StandingPacket.end} gives back. */
  isReplaced = false;
  /** The last {@link StandingPacket.take} found the pool without memory. */
  isExhausted = false;
  /** The last {@link StandingPacket.take} let another chain stand for the packet. */
  hasTaken = false;

  readonly #pool: Pool;
  readonly #packet: PacketState;
  readonly #cutter: Verifier | null;
  readonly #replacement: Replacement;
  readonly #scratch: Buffer = Buffer.alloc(MAX_DATAGRAM);
  /** A copy of the packet as the running hook got it; null when changes are not tracked. */
  readonly #before: Buffer | null;
  /** Octets of that copy; -1 or too many when there is none. */
  #beforeSize = -1;
  /** What replaces the packet is a copy of the verifier's, and no hook's. */
  #isStandIn = false;
  /** What the last seven-argument hook left in its cells. */
  #handedOver: IPRcvBuf | null = null;
  /** A second chain in its other cell, which stands for nothing. */
  #spare: IPRcvBuf | null = null;

  constructor({ pool, packet, cutter, tracksChanges }: StandingOptions) {
    this.#pool = pool;
    this.#packet = packet;
    this.#cutter = cutter;
    this.#replacement = new Replacement(pool);
    this.#before = tracksChanges ? Buffer.alloc(MAX_DATAGRAM) : null;
  }

  /** The packet as it came stands for itself. Borrows all three. */
  begin(lent: IPRcvBuf, bytes: DatagramBuffer, layout: IpLayout): void {
    this.current = lent;
    this.isReplaced = false;
    this.isExhausted = false;
    this.#isStandIn = false;
    this.#packet.begin(lent, bytes, layout);
  }

  /** Where the verifier cuts packets, lets a copy that it cut stand for this one. False when the pool is exhausted. */
  cut(lent: IPRcvBuf, bytes: Buffer, layout: IpLayout): boolean {
    if (this.#cutter === null || this.isReplaced || layout.length > MAX_DATAGRAM) return true;
    this.#packet.settle();
    const cut = this.#cutter.cut(bytes, layout.length, layout.headerLength);
    if (cut === null || !this.#replacement.parse(cut, layout.length)) {
      this.#pool.release(cut);
      return false;
    }
    cut.ipr_flags = lent.ipr_flags;
    this.#replacement.take(cut);
    this.current = cut;
    this.isReplaced = true;
    this.#isStandIn = true;
    this.#load(cut);
    return true;
  }

  /** The packet goes on: what hooks wrote into a copy of it becomes the packet's, if it stands for itself. */
  settle(bytes: Buffer, layout: IpLayout): void {
    if (this.#isStandIn) this.#putBack(bytes, layout);
    if (!this.isReplaced) this.#packet.settle();
  }

  /** What hooks wrote into the copy they would have written into the packet; one that they reshaped is a replacement. */
  #putBack(bytes: Buffer, layout: IpLayout): void {
    this.#isStandIn = false;
    if (chainLength(this.current) !== layout.length) return;
    this.#packet.arrival.keep();
    gatherChain(this.current, bytes, 0);
    this.#goBack();
  }

  /** Remembers what a seven-argument hook left in its cells. */
  collect(door: CallbackDoor): void {
    door.collect(this.current);
    this.#handedOver = door.handedOver;
    this.#spare = door.spare;
  }

  /** True when there is something for {@link StandingPacket.take} to look at. */
  isTouched(lent: IPRcvBuf, layout: IpLayout): boolean {
    if (this.#handedOver !== null || this.#packet.replacement !== null) return true;
    // The hook changed the runtime's own descriptor: shortened it, or put a tail behind it. Also where this packet was handed to nobody: a descriptor that a hook kept from an earlier one is the same object.
    return lent.ipr_next !== null || lent.ipr_size !== layout.length || lent.ipr_buffer !== this.#packet.lentBuffer;
  }

  /**
   * Takes what the hook handed over and frees what it replaces.
   *
   * @param accept - false: the hook did not say FORWARD or is at fault, so that everything it handed over is freed
   * @returns the reason of a refusal, or ''
   */
  take(accept: boolean, lent: IPRcvBuf, layout: IpLayout): string {
    this.hasTaken = false;
    const packet = this.#packet;
    const bytes = packet.lentBuffer;
    const candidate = this.#handedOver ?? packet.replacement;
    const tail = lent.ipr_next;
    const refusal =
      candidate === null || candidate === lent
        ? this.#takeReshaped(accept, candidate === lent, lent, bytes, layout)
        : this.#takeChain(accept, candidate, lent, bytes, layout);
    // Last, because what the hook left lying may share descriptors with what was taken.
    for (const abandoned of packet.abandoned) this.#discard(abandoned);
    if (packet.isStanding && packet.chain !== this.current) this.#reload();
    packet.clearReplacement();
    this.#discard(this.#spare);
    this.#discard(tail);
    this.#handedOver = null;
    this.#spare = null;
    return refusal;
  }

  /** The hook handed over a chain other than the one that was lent to it. */
  #takeChain(accept: boolean, candidate: IPRcvBuf, lent: IPRcvBuf, bytes: Buffer | null, layout: IpLayout): string {
    const pool = this.#pool;
    restore(lent, bytes, layout);
    if (candidate === this.current) return '';
    if (!pool.isOwnedChain(candidate)) return 'handed over a chain that is not its own from the pool';
    pool.adopt(candidate);
    const size = chainLength(candidate);
    let refusal = '';
    if (!this.#replacement.parse(candidate, size))
      refusal = 'handed over a chain that holds no well-formed IP datagram';
    else if (this.#replacement.layout.version !== layout.version)
      refusal = 'handed over a datagram of another IP version than its link header names';
    else if (pool.hooksFreeOldChains && this.isReplaced && pool.isLive(this.current))
      refusal = 'replaced the packet and did not free the chain that stood for it (verifier: oldChain: hook)';
    if (accept && refusal === '') this.#adopt(candidate);
    else pool.release(candidate);
    return accept ? refusal : '';
  }

  /** From here on `chain` stands for the packet; its layout has been parsed. */
  #adopt(chain: IPRcvBuf): void {
    this.#replacement.take(chain);
    this.current = chain;
    this.isReplaced = true;
    this.#isStandIn = false;
    this.hasTaken = true;
    this.#load(chain);
  }

  /** The hook saw what did not come to stand for the packet: the next one sees what does. */
  #reload(): void {
    if (this.isReplaced && this.current !== null) this.#load(this.current);
    else this.#packet.goBack();
  }

  #load(chain: IPRcvBuf): void {
    if (chain.ipr_next === null && chain.ipr_buffer !== null)
      this.#packet.load(chain, chain.ipr_buffer, this.#replacement.layout);
  }

  /** The replacement is still a chain that can be read and freed, whatever the last hook did to it. */
  isSound(): boolean {
    const length = this.#isStandIn ? this.#replacement.layout.length : -1;
    if (this.current === null || !this.#replacement.isSound(this.current, length)) return false;
    this.#load(this.current);
    return true;
  }

  /**
   * The lent descriptor was shortened or got a tail: both become a replacement of one buffer.
   *
   * @param isHandedOver - the hook named the lent descriptor as the one that stands for the packet
   */
  #takeReshaped(
    accept: boolean,
    isHandedOver: boolean,
    lent: IPRcvBuf,
    bytes: Buffer | null,
    layout: IpLayout,
  ): string {
    const pool = this.#pool;
    const tail = lent.ipr_next;
    const size = lent.ipr_size;
    const sameBuffer = lent.ipr_buffer === bytes;
    restore(lent, bytes, layout);
    if (tail !== null && !pool.isOwnedChain(tail)) return 'linked a buffer that is not its own from the pool';
    if (
      !sameBuffer ||
      !Number.isInteger(size) ||
      size < 0 ||
      size > layout.length ||
      (this.isReplaced && !isHandedOver)
    )
      return 'changed the descriptor of a buffer that it does not own';
    if (!accept) return '';
    if (tail === null && size === layout.length) {
      if (this.isReplaced) this.#goBack();
      return '';
    }
    if (bytes === null) return 'changed the descriptor of a packet that it was not handed';
    const total = size + (tail === null ? 0 : chainLength(tail));
    if (total === 0 || total > MAX_DATAGRAM) return 'left no well-formed IP datagram';
    const joined = pool.allocateChain(total);
    if (joined === null || joined.ipr_buffer === null) {
      this.isExhausted = true;
      return '';
    }
    bytes.copy(joined.ipr_buffer, 0, 0, size);
    if (tail !== null) gatherChain(tail, joined.ipr_buffer, size);
    if (isChecksumPartial(lent)) joined.ipr_flags = IPR_FLAG_CHECKSUM_OFFLOAD;
    if (!this.#replacement.parse(joined, total) || this.#replacement.layout.version !== layout.version) {
      pool.release(joined);
      return 'left no well-formed IP datagram';
    }
    this.#adopt(joined);
    return '';
  }

  /** A hook let the packet as it came take the place of an earlier hook's replacement. */
  #goBack(): void {
    this.#replacement.free();
    this.#packet.goBack();
    this.current = this.#packet.chain;
    this.isReplaced = false;
  }

  /** Frees a chain that stands for nothing, if all of it still is a hook's. */
  #discard(chain: IPRcvBuf | null): void {
    if (chain !== null && this.#pool.isOwnedChain(chain)) this.#pool.release(chain);
  }

  /** A `defineHook` hook sees one buffer: a replacement of several is joined for it. False when the pool is exhausted. */
  join(): boolean {
    const chain = this.current;
    if (!this.isReplaced || chain === null || chain.ipr_next === null) return true;
    const joined = this.#replacement.join(chain);
    if (joined === null) return false;
    this.current = joined;
    this.#load(joined);
    return true;
  }

  /** Keeps the packet as the next hook gets it, where changes are tracked. */
  remember(): void {
    if (this.#before === null) return;
    if (!this.isReplaced) this.#packet.open();
    this.#beforeSize = chainLength(this.current);
    if (this.#beforeSize <= MAX_DATAGRAM) gatherChain(this.current, this.#before, 0);
  }

  /** True when the hook has written into what it got, where changes are tracked. What is longer than a datagram is not compared. */
  hasChanged(): boolean {
    const size = this.#beforeSize;
    if (this.#before === null || size > MAX_DATAGRAM || chainLength(this.current) > MAX_DATAGRAM) return false;
    return (
      gatherChain(this.current, this.#scratch, 0) !== size ||
      this.#before.compare(this.#scratch, 0, size, 0, size) !== 0
    );
  }

  /**
   * The packet waits: what replaced it is to be kept with it.
   *
   * Ownership: returns owned; it comes back with {@link StandingPacket.restore}.
   * @returns one buffer; null where the packet stands for itself
   */
  detach(): IPRcvBuf | null {
    const chain = this.isReplaced ? this.current : null;
    if (chain !== null) this.#replacement.letGo();
    this.current = null;
    this.isReplaced = false;
    return chain;
  }

  /**
   * What replaced a packet that waited stands for it again. After {@link StandingPacket.begin}.
   *
   * Ownership: takes `chain`.
   * @returns false when a hook that knew the chain has broken it meanwhile: nothing is left that could be forwarded
   */
  restore(chain: IPRcvBuf): boolean {
    if (!this.#pool.adopt(chain) || !this.#replacement.parse(chain, chainLength(chain))) {
      if (this.#pool.isLive(chain)) this.#pool.release(chain);
      return false;
    }
    this.#replacement.take(chain);
    this.current = chain;
    this.isReplaced = true;
    this.#load(chain);
    return true;
  }

  /** Of what stands for the packet. @param layout - that of the packet as it came */
  layoutOf(layout: IpLayout): IpLayout {
    return this.isReplaced ? this.#replacement.layout : layout;
  }

  /** Gives back what is held. Nothing stands for the packet from now on. */
  end(): void {
    if (this.isReplaced) this.#replacement.free();
    this.current = null;
    this.isReplaced = false;
  }
}

function restore(lent: IPRcvBuf, bytes: Buffer | null, layout: IpLayout): void {
  lent.ipr_next = null;
  lent.ipr_buffer = bytes;
  lent.ipr_size = layout.length;
}
