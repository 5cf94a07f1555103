/**
 * What goes back because a hook says so: a packet with the verdict REPLY, and the resets of the verdict RESET.
 *
 * ```
 *   REPLY    the packet as the hooks have written it ──────> to where it came from, MAC addresses exchanged
 *   RESET    TCP: a reset to where it came from, and one to where it was to go     else: as ICMP_ON_DROP
 * ```
 * Rules: each call books the packet once, as `replied`, `reset`, `rejected` or `lost`. A reply is the packet of a hook and is not limited in
 * rate; it is never longer than the way back takes. Resets have the rate of ICMP errors, for the lane.
 *
 * @module
 */

import type { IPRcvBuf } from '../firewall/ip-rcv-buf.ts';
import { chainLength, gatherChain } from '../firewall/ip-rcv-buf.ts';
import type { HookChain } from '../hook/hook-chain.ts';
import { settleChecksums } from '../wire/settle-checksums.ts';
import { REPLY_DATAGRAM, RESET_DATAGRAM } from './answers.ts';
import { IS_TOO_LONG, NOT_SENT } from './drop-events.ts';
import type { Egress } from './egress.ts';
import { mayAnswer } from './icmp-error.ts';
import {
  LOST,
  LOST_SEND_ERROR,
  LOST_TOO_LONG,
  REJECTED,
  REPLIED,
  RESET_PACKETS,
  RESETS,
  RESETS_HELD_BACK,
  RESETS_REFUSED,
} from './ledger.ts';
import type { PacketInHand } from './packet-in-hand.ts';
import { REPLIED_PACKET, RESET_SEGMENT } from './purposes.ts';
import { buildResetBack, buildResetOn, mayReset } from './tcp-reset.ts';
import { TokenBucket } from './token-bucket.ts';

const MAX_DATAGRAM = 65_535;

/** What {@link Returns} is made of. */
export interface ReturnOptions {
  readonly egress: Egress;
  readonly ledger: Float64Array;
  readonly chain: HookChain;
  /** Connections that are reset in a second, at most. */
  readonly perSecond: number;
  readonly now: () => number;
  /** Told when the packet at hand is lost, why, by a number of drop-events.ts. @defaultValue nobody is */
  readonly onLost?: ((reason: number) => void) | null;
}

/** Sends back, and books. */
export class Returns {
  readonly #egress: Egress;
  readonly #ledger: Float64Array;
  readonly #chain: HookChain;
  readonly #budget: TokenBucket;
  readonly #now: () => number;
  readonly #onLost: ((reason: number) => void) | null;

  constructor({ egress, ledger, chain, perSecond, now, onLost = null }: ReturnOptions) {
    this.#egress = egress;
    this.#ledger = ledger;
    this.#chain = chain;
    this.#budget = new TokenBucket(perSecond);
    this.#now = now;
    this.#onLost = onLost;
  }

  /**
   * Sends a packet back as it stands.
   *
   * Ownership: borrows `chain`, which stands for the packet; null where it stands for itself.
   * @returns false when it is lost
   */
  reply(packet: PacketInHand, chain: IPRcvBuf | null): boolean {
    const { base, way, layout, bytes } = packet;
    const egress = this.#egress;
    const size = chain === null ? layout.length : chainLength(chain);
    if (way.reject === 'count') {
      this.#add(base + REPLIED, 1);
      return true;
    }
    if (size <= 0 || size > MAX_DATAGRAM || packet.isSuper || size > egress.roomBack(packet)) {
      return this.#lose(base, LOST_TOO_LONG);
    }
    if (chain === null) copyDatagram(bytes, egress.made, size);
    else gatherChain(chain, egress.made, 0);
    if (packet.isPartial) settleChecksums(egress.made, size);
    if (!egress.sendBack(packet, size, REPLIED_PACKET, REPLY_DATAGRAM)) return this.#lose(base, LOST_SEND_ERROR);
    this.#add(base + REPLIED, 1);
    return true;
  }

  /** Resets the connection of a packet at both ends; another packet is rejected. */
  reset(packet: PacketInHand): void {
    const { base, way, layout, frame } = packet;
    const { bytes } = this.#chain.arrival;
    if (layout.protocol !== TCP) {
      this.#add(base + REJECTED, 1);
      this.#egress.reject(packet);
      return;
    }
    this.#add(base + RESET_PACKETS, 1);
    if (way.reject === 'count' || packet.offset > frame.length) return;
    if (!mayReset(bytes, layout) || !mayAnswer(bytes, layout, packet.isUnicastLink)) return;
    if (!this.#budget.take(this.#now())) {
      this.#add(base + RESETS_HELD_BACK, 1);
      return;
    }
    const egress = this.#egress;
    const { bytes: standing, layout: standingLayout } = this.#chain.asItStands;
    const back = buildResetBack(bytes, layout, egress.made, 0);
    if (egress.roomBack(packet) >= back) this.#book(base, egress.sendBack(packet, back, RESET_SEGMENT, RESET_DATAGRAM));
    const on = mayReset(standing, standingLayout) ? buildResetOn(standing, standingLayout, egress.made, 0) : 0;
    if (on > 0) this.#book(base, egress.sendOn(packet, on, RESET_SEGMENT));
  }

  #book(base: number, isSent: boolean): void {
    this.#add(base + (isSent ? RESETS : RESETS_REFUSED), 1);
  }

  #lose(base: number, reason: number): false {
    this.#add(base + LOST, 1);
    this.#add(base + reason, 1);
    if (this.#onLost !== null) this.#onLost(reason === LOST_TOO_LONG ? IS_TOO_LONG : NOT_SENT);
    return false;
  }

  #add(index: number, amount: number): void {
    this.#ledger[index] = (this.#ledger[index] as number) + amount;
  }
}

const TCP = 6;
/** A buffer that has no more octets is copied whole: without the view of a part that `copy` makes. */
const WHOLE = 4096;

function copyDatagram(bytes: Buffer, made: Buffer, size: number): void {
  if (bytes.length <= WHOLE) made.set(bytes);
  else bytes.copy(made, 0, 0, size);
}
