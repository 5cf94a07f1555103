/**
 * A hook in shadow: it is called with live packets, what it says is counted and compared, and nothing of it is done.
 *
 * ```
 *   hook ─> hook ─> SHADOW gets a copy of the packet as it stands ─> hook ─> egress
 *                      └─ verdict, noted ──────────── compared ──────────┘ what happened to the packet
 * ```
 * Rules:
 * - A chain of its own runs it, with a copy of the packet, a flow table, streams and a list of held packets of its own. So no setter, no
 *   replacement, no settled flow and no fault of it reaches the packet or another hook, whatever it does.
 * - It sees what an enforced hook in its place would see: no packet that a hook before it has ended.
 * - Its flows follow what really happened: a flow begins when its first packet went on and the hook would have let it go on. One that
 *   the hook would have stopped stays new for it, as it would be after a real stop.
 * - A packet that it holds goes on at once. Its token counts until the hook releases it or its time is over, which is looked at when the
 *   hook's next packet comes, by the time of the packets.
 *
 * @module
 */

import { FORWARD, ICMP_ON_DROP, IPR_FLAG_CHECKSUM_OFFLOAD } from '../firewall/constants.ts';
import { IPRcvBuf } from '../firewall/ip-rcv-buf.ts';
import type { Pool } from '../firewall/pool.ts';
import { columnOf, HOOK_COUNTERS } from '../telemetry/counters.ts';
import { IpLayout } from '../wire/ip-layout.ts';
import { ACCEPT, HELD, REPLY, RESET, type Verdict } from './contract.ts';
import { NO_PLACE } from './hold-list.ts';
import type { HookChain } from './hook-chain.ts';
import { type DatagramBuffer, MAX_QUOTED } from './packet/arrival.ts';
import { ContextState } from './packet/context-view.ts';

const FILTERED = columnOf(HOOK_COUNTERS, 'filtered');
const STRICTER = columnOf(HOOK_COUNTERS, 'stricter');
const MILDER = columnOf(HOOK_COUNTERS, 'milder');
const DIFFERS = columnOf(HOOK_COUNTERS, 'differs');
const FORWARDED = columnOf(HOOK_COUNTERS, 'forwarded');
const ACCEPTED = columnOf(HOOK_COUNTERS, 'accepted');
const DROPPED = columnOf(HOOK_COUNTERS, 'dropped');
const REJECTED = columnOf(HOOK_COUNTERS, 'rejected');
const REPLIED = columnOf(HOOK_COUNTERS, 'replied');
const RESET_PACKETS = columnOf(HOOK_COUNTERS, 'reset');
const HELD_TOO_LONG = columnOf(HOOK_COUNTERS, 'heldTooLong');

/** Octets of the first copy: a frame of an Ethernet without jumbo frames. A longer packet makes it grow, once. */
const FIRST_OCTETS = 2048;

/** What the chain has at hand when it comes to a hook in shadow. */
export interface PacketAsItStands {
  readonly bytes: Buffer;
  readonly layout: IpLayout;
  readonly isPartial: boolean;
}

/** One hook in shadow. */
export class ShadowHook {
  /** Runs this hook alone. Its counters are the row of the hook in the chain around it. */
  readonly chain: HookChain;
  readonly #pool: Pool;
  readonly #lent = new IPRcvBuf();
  readonly #layout = new IpLayout();
  readonly #context = new ContextState();
  #bytes: DatagramBuffer = withHead(Buffer.alloc(FIRST_OCTETS));
  /** It was called with the packet at hand, which has not ended. */
  #isPending = false;
  #isCompared = false;
  /** What it said. */
  #verdict: Verdict = FORWARD;

  constructor(chain: HookChain, pool: Pool) {
    this.chain = chain;
    this.#pool = pool;
  }

  /**
   * Shows it the packet at hand. Never throws. Cost: a copy of the packet, and the call.
   *
   * @param otherIndex - as for `HookChain.run`
   */
  run({ bytes, layout, isPartial }: PacketAsItStands, context: ContextState, otherIndex: number): void {
    const { length } = layout;
    if (length > this.#bytes.length) this.#bytes = withHead(Buffer.alloc(length));
    bytes.copy(this.#bytes, 0, 0, length);
    this.#layout.set(layout);
    this.#lent.ipr_flags = isPartial ? IPR_FLAG_CHECKSUM_OFFLOAD : 0;
    this.#context.set(context);
    const { chain } = this;
    if (chain.holds !== null && chain.holds.waiting > 0) this.#endHolds();
    const { counters } = chain;
    const filtered = counters[FILTERED];
    const verdict = chain.run(this.#lent, this.#bytes, this.#layout, this.#context, otherIndex, 0);
    this.#verdict = verdict;
    // It has said nothing of what is outside of its filter, or of what the pool had no memory for.
    this.#isCompared = counters[FILTERED] === filtered && !chain.poolWasExhausted;
    this.#isPending = verdict !== HELD;
    if (verdict === HELD) this.#hold();
  }

  /**
   * The packet at hand has ended: what happened to it is compared with what the hook said.
   *
   * @param goesOn - as for `HookChain.release`
   * @param happened - the verdict that was enforced; HELD while nobody knows
   */
  end(goesOn: boolean, happened: Verdict): void {
    if (!this.#isPending) return;
    this.#isPending = false;
    const verdict = this.#verdict;
    if (this.#isCompared && happened !== HELD && verdict !== happened) this.#differ(verdict, happened);
    if (happened === HELD || (goesOn && verdict !== FORWARD)) this.#pool.release(this.chain.suspend());
    else this.chain.release(goesOn);
  }

  #differ(verdict: Verdict, happened: Verdict): void {
    const { counters } = this.chain;
    add(counters, DIFFERS);
    if (happened === FORWARD) add(counters, STRICTER);
    else if (verdict === FORWARD) add(counters, MILDER);
  }

  /** It wants the packet to wait, which goes on; only the place in the list waits. */
  #hold(): void {
    const { holds } = this.chain;
    this.#pool.release(this.chain.suspend());
    if (holds !== null && holds.reserved !== NO_PLACE) holds.wait(this.#context.timestamp);
  }

  /** What was released, or whose time is over, has its verdict counted. */
  #endHolds(): void {
    const { holds, counters } = this.chain;
    if (holds === null) return;
    const nowMs = this.#context.timestamp;
    for (let place = holds.take(nowMs); place !== NO_PLACE; place = holds.take(nowMs)) {
      if (holds.isTimedOut) add(counters, HELD_TOO_LONG);
      add(counters, columnOfFinal(holds.verdict));
      holds.free(place);
    }
  }
}

function columnOfFinal(verdict: Verdict): number {
  switch (verdict) {
    case FORWARD:
      return FORWARDED;
    case ACCEPT:
      return ACCEPTED;
    case ICMP_ON_DROP:
      return REJECTED;
    case REPLY:
      return REPLIED;
    case RESET:
      return RESET_PACKETS;
    default:
      return DROPPED;
  }
}

function withHead(memory: Buffer): DatagramBuffer {
  const bytes: DatagramBuffer = memory;
  bytes.head = memory.subarray(0, MAX_QUOTED);
  return bytes;
}

function add(counters: Float64Array, column: number): void {
  counters[column] = (counters[column] as number) + 1;
}
