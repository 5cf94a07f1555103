/**
 * The packets that wait in a lane: copies of their frames, and all that is needed to go on with them.
 *
 * ```
 *   the packet in hand, whose verdict is HELD ─ keep(place) ─> frame, offload state, way, context, flow, what replaced it
 *                                                                │
 *   the lane goes on with it           <── resume(place) ────────┘   free(place): its memory serves the next one
 * ```
 * Who holds which, and for how long, is in the list of the hook chain (`hold-list.ts`), by the same places.
 *
 * Rule: nothing of the driver's is kept. Memory is taken when packets first wait and used again; it is never more than the hooks may hold.
 *
 * @module
 */

import { OFFLOAD_OCTETS } from '../drivers/contract.ts';
import { Frame, type FrameBuffer } from '../drivers/frame.ts';
import { FORWARD } from '../firewall/constants.ts';
import type { IPRcvBuf } from '../firewall/ip-rcv-buf.ts';
import type { ChainEntry } from '../hook/chain-entries.ts';
import { type ChainFlows, NO_FLOW } from '../hook/chain-flows.ts';
import type { Verdict } from '../hook/contract.ts';
import { roomFor } from '../hook/hold-list.ts';
import type { HookChain, Resumed } from '../hook/hook-chain.ts';
import { MAX_QUOTED } from '../hook/packet/arrival.ts';
import type { ContextState } from '../hook/packet/context-view.ts';
import { PacketInHand } from './packet-in-hand.ts';

const NANOSECONDS_PER_MS = 1_000_000;
const MS_PER_SECOND = 1000;
const MOST_NANOSECONDS = 999_999_999;

const NO_OCTETS: FrameBuffer = Buffer.alloc(0);

/** One packet that waits. A place has one, which is used again. */
export class HeldPacket implements Resumed {
  readonly packet = new PacketInHand();
  readonly frame = new Frame(NO_OCTETS);
  readonly offload = new Uint8Array(OFFLOAD_OCTETS);
  /** Of the context, as the hooks before have left it. */
  sendInterfaceIndex = 0;
  destinationType = 0;
  zone = 0;
  linkLength = 0;
  /** When it began to wait, on the clock of the lane. An array: a number with a fraction in a field may be boxed. */
  readonly sinceMs = new Float64Array(1);
  /** {@inheritDoc Resumed.entry} */
  entry: ChainEntry;
  /** {@inheritDoc Resumed.verdict} */
  verdict: Verdict = FORWARD;
  isTimedOut = false;
  /** {@inheritDoc Resumed.chain} */
  chain: IPRcvBuf | null = null;
  /** {@inheritDoc Resumed.head} */
  head: Buffer | null = null;
  flow = NO_FLOW;
  flowGeneration = 0;
  flowTold = 0;
  /** Memory for {@link HeldPacket.head}, once it was needed. */
  spareHead: Buffer | null = null;

  constructor(entry: ChainEntry) {
    this.entry = entry;
  }

  /** It has waited until now: what measures by its time measures from here. */
  waited(nowMs: number): void {
    const { frame } = this;
    const ms = frame.nanoseconds / NANOSECONDS_PER_MS + (nowMs - (this.sinceMs[0] as number));
    const seconds = Math.floor(ms / MS_PER_SECOND);
    frame.seconds += seconds;
    frame.nanoseconds = Math.min(MOST_NANOSECONDS, Math.round((ms - seconds * MS_PER_SECOND) * NANOSECONDS_PER_MS));
  }
}

/** The view of a frame from an octet on. */
export type MakeView = (frame: FrameBuffer, offset: number) => PacketInHand['bytes'];

/** The packets that wait. */
export class HeldPackets {
  readonly #chain: HookChain;
  readonly #mostOctets: number;
  readonly #makeView: MakeView;
  readonly #packets: (HeldPacket | undefined)[] = [];
  /** Buffers that serve no packet, by their size. */
  readonly #spare = new Map<number, FrameBuffer[]>();
  /** Octets of all buffers, those that serve no packet included. */
  #allocated = 0;

  /** @param mostOctets - what all hooks together may hold */
  constructor(chain: HookChain, mostOctets: number, makeView: MakeView) {
    this.#chain = chain;
    this.#mostOctets = mostOctets;
    this.#makeView = makeView;
  }

  /**
   * Keeps the packet in hand. Cost: a copy of its frame.
   *
   * @param keepOffload - what the driver says of the frame beside its octets
   * @returns false when there is no memory: the packet is not kept
   */
  keep(
    place: number,
    packet: PacketInHand,
    context: ContextState,
    nowMs: number,
    keepOffload: ((target: Uint8Array) => void) | null,
  ): boolean {
    const chain = this.#chain;
    const { frame } = packet;
    const buffer = this.#allocate(frame.length);
    if (buffer === null) return false;
    const entry = chain.heldBy as ChainEntry;
    const held = this.#packets[place] ?? new HeldPacket(entry);
    this.#packets[place] = held;
    const own = held.frame;
    copyOctets(frame.octets, buffer, frame.length);
    own.octets = buffer;
    own.describeAs(frame);
    if (keepOffload === null) held.offload.fill(0);
    else keepOffload(held.offload);
    held.packet.set(packet);
    held.packet.frame = own;
    held.packet.bytes = buffer.views?.[packet.offset] ?? this.#makeView(buffer, packet.offset);
    held.sendInterfaceIndex = context.sendInterfaceIndex;
    held.destinationType = context.destinationType;
    held.zone = context.zone;
    held.linkLength = context.linkLength;
    held.sinceMs[0] = nowMs;
    held.entry = entry;
    this.#keepHead(held);
    if (chain.flows !== null) keepFlow(held, chain.flows);
    held.chain = chain.suspend();
    return true;
  }

  /** The packet at a place. */
  at(place: number): HeldPacket {
    return this.#packets[place] as HeldPacket;
  }

  /** The packet at a place is through: its memory serves another one. */
  free(place: number): void {
    const held = this.at(place);
    const buffer = held.frame.octets;
    held.chain = null;
    held.head = null;
    held.frame.octets = NO_OCTETS;
    const spare = this.#spare.get(buffer.length);
    if (spare === undefined) this.#spare.set(buffer.length, [buffer]);
    else spare.push(buffer);
  }

  #keepHead(held: HeldPacket): void {
    const { arrival } = this.#chain;
    if (!arrival.isKept) return;
    held.spareHead ??= Buffer.alloc(MAX_QUOTED);
    held.spareHead.set(arrival.bytes);
    held.head = held.spareHead;
  }

  #allocate(octets: number): FrameBuffer | null {
    const room = roomFor(octets);
    const spare = this.#spare.get(room)?.pop();
    if (spare !== undefined) return spare;
    if (room === 0) return null;
    // What packets of another length have left is given up for this one.
    for (const [size, buffers] of this.#spare)
      while (this.#allocated + room > this.#mostOctets && buffers.pop() !== undefined) this.#allocated -= size;
    if (this.#allocated + room > this.#mostOctets) return null;
    this.#allocated += room;
    const buffer: FrameBuffer = Buffer.allocUnsafeSlow(room);
    buffer.views = [];
    return buffer;
  }
}

/** An invalid packet waits with the flow that it seems to be of. */
function keepFlow(held: HeldPacket, { index, claimed, table }: ChainFlows): void {
  const flow = index === NO_FLOW ? claimed : index;
  held.flow = flow;
  held.flowTold = table.told;
  held.flowGeneration = flow === NO_FLOW ? 0 : table.records.generationOf(flow);
}

/** Octets that are copied one by one where the whole buffer does not fit: cheaper than the view of a part that `copy` makes. */
const SHORT = 256;

function copyOctets(source: Buffer, target: Buffer, length: number): void {
  if (source.length <= target.length) target.set(source);
  else if (length > SHORT) source.copy(target, 0, 0, length);
  else for (let at = 0; at < length; at++) target[at] = source[at] as number;
}
