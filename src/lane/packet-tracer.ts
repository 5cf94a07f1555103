/**
 * What became of one packet, hook by hook: verdict, reason, time, octets that were changed, and what firehook itself did.
 *
 * ```
 *   lane: begin(packet) ─> counters of hooks and ledger, copied ─> hooks, each between enter() and leave() ─> end() ─> what has moved
 * ```
 * Rule: it tells by the same counters by which everybody else tells, so it cannot say anything else than they do. The packet path has one branch
 * for it and no more; what a trace costs is paid while there is one.
 *
 * @module
 */

import { FRAME_SEGMENT, type Frame } from '../drivers/frame.ts';
import type { EventEnds } from '../events/ring-reader.ts';
import type { HookChain, HookWatch } from '../hook/hook-chain.ts';
import { HOOK_WIDTH } from '../hook/hook-chain.ts';
import type { HookReasons } from '../hook/hook-reasons.ts';
import {
  HOOK_COUNTERS,
  type HookChainCounter,
  type Row,
  rowFrom,
  WAY_COUNTERS,
  WAY_SUMS,
  type WayCounter,
} from '../telemetry/counters.ts';
import { formatAddress } from '../wire/address.ts';
import { readU16 } from '../wire/bytes.ts';
import { IpLayout, parseIpLayout } from '../wire/ip-layout.ts';
import { DESTINATION_OFFSET as IPV4_DESTINATION, SOURCE_OFFSET as IPV4_SOURCE } from '../wire/ipv4.ts';
import { DESTINATION_OFFSET as IPV6_DESTINATION, SOURCE_OFFSET as IPV6_SOURCE } from '../wire/ipv6.ts';
import { classifyFrame } from '../wire/link.ts';
import { LEDGER_WIDTH } from './ledger.ts';
import type { PacketInHand } from './packet-in-hand.ts';

/** Verdicts by their names. `none`: the hook was at fault, and `policy.onHookError` let the packet go on; or the pool had no memory. */
export type TracedVerdict = 'FORWARD' | 'DROP' | 'ICMP_ON_DROP' | 'ACCEPT' | 'RESET' | 'REPLY' | 'HELD' | 'none';

/** Octets that a hook wrote, counted in the datagram. */
export interface TracedChange {
  /** How many differ; those that came or went count, too. */
  readonly octets: number;
  /** Place of the first one, from the IP header on. */
  readonly first: number;
  /** Octets of the datagram afterwards. */
  readonly length: number;
}

/** What one hook did with a packet. */
export interface TracedHook {
  readonly hook: string;
  /** Why it was not called: the packet is outside of its filter, or of a flow that it has settled. Null where it was. */
  readonly skipped: 'filter' | 'settled' | null;
  readonly verdict: TracedVerdict;
  /** It had let the packet wait, and this is what it gets afterwards. */
  readonly released: boolean;
  readonly reason: string | null;
  /** Nanoseconds between call and return, the watch included; 0 where it was not called. */
  readonly ns: number;
  readonly changed: TracedChange | null;
  /** It put another packet in the place of this one. */
  readonly replaced: boolean;
  /** How often it was at fault. */
  readonly faults: number;
}

/** What becomes of a packet; `probe`: it was one of the supervisor's own. */
export type TracedFate = 'forwarded' | 'dropped' | 'rejected' | 'replied' | 'reset' | 'held' | 'lost' | 'probe';

/** A packet and what became of it. */
export interface TracedPacket {
  /** Which packet of the lane it is, from 1; 0 of one that began to wait before the trace. */
  readonly number: number;
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly from: string;
  readonly to: string;
  /** Octets of the frame. */
  readonly length: number;
  /** As it came; null where it carries no IP that can be read. */
  readonly ends: EventEnds | null;
  /** It had waited. */
  readonly resumed: boolean;
  /** Those that it met, in running order. */
  readonly hooks: readonly TracedHook[];
  readonly fate: TracedFate;
  /** Counter of the ledger that says why it was dropped or lost; null otherwise. */
  readonly cause: WayCounter | null;
  /** The hook that decided; null where none did. */
  readonly by: string | null;
  /** The reason that it gave. */
  readonly reason: string | null;
  /** Every counter of the ledger that has moved, by how much: also of what hooks and answers sent meanwhile. */
  readonly counted: Readonly<Partial<Record<WayCounter, number>>>;
}

/** What a {@link PacketTracer} is made of. */
export interface PacketTracerOptions {
  readonly chain: HookChain;
  readonly reasons: HookReasons;
  readonly ledger: Float64Array;
  /** Linktype of a driver port. */
  readonly linktypeOf: (port: number) => number;
  /** Whether a packet is told of. @param offset - of the datagram in the frame; negative where there is none */
  readonly wants: (packet: PacketInHand, offset: number) => boolean;
  /** Told of each, when it is through. Not to throw. */
  readonly onPacket: (packet: TracedPacket) => void;
}

const HEAD = 65_536;
const VERDICTS: readonly (readonly [HookChainCounter, TracedVerdict])[] = [
  ['held', 'HELD'],
  ['accepted', 'ACCEPT'],
  ['forwarded', 'FORWARD'],
  ['rejected', 'ICMP_ON_DROP'],
  ['replied', 'REPLY'],
  ['reset', 'RESET'],
  ['dropped', 'DROP'],
];

/** Looks at one packet after the other. */
export class PacketTracer implements HookWatch {
  readonly #options: PacketTracerOptions;
  readonly #layout = new IpLayout();
  readonly #counters: Float64Array;
  readonly #ledger: Float64Array;
  readonly #reasons: Float64Array;
  readonly #ns: Float64Array;
  readonly #changes: (TracedChange | null)[] = [];
  /** The datagram before a hook is called. */
  #before: Buffer = Buffer.alloc(HEAD);
  #beforeLength = 0;
  #since = 0n;
  #isMarked = false;
  #ends: EventEnds | null = null;

  constructor(options: PacketTracerOptions) {
    this.#options = options;
    const { chain, ledger, reasons } = options;
    this.#counters = new Float64Array(chain.counters.length);
    this.#ledger = new Float64Array(ledger.length);
    this.#reasons = new Float64Array(reasons.count);
    this.#ns = new Float64Array(chain.hooks.length);
  }

  /** A packet is next. @returns false where nobody asked for it: then {@link PacketTracer.end} is not called */
  begin(packet: PacketInHand): boolean {
    const { chain, ledger, reasons, linktypeOf, wants } = this.#options;
    const { octets, length, originalLength, port } = packet.frame;
    const offset = classifyFrame(octets, length, originalLength, linktypeOf(port));
    this.#isMarked = wants(packet, offset);
    if (!this.#isMarked) return false;
    this.#ends = offset < 0 ? null : this.#endsOf(packet, offset);
    this.#counters.set(chain.counters);
    this.#ledger.set(ledger);
    this.#reasons.set(reasons.counts.subarray(0, this.#reasons.length));
    this.#ns.fill(0);
    this.#changes.fill(null);
    return true;
  }

  /** {@inheritDoc HookWatch.enter} */
  enter(): void {
    if (!this.#isMarked) return;
    const { bytes, layout } = this.#options.chain.asItStands;
    const { length } = layout;
    if (this.#before.length < length) this.#before = Buffer.alloc(length);
    bytes.copy(this.#before, 0, 0, length);
    this.#beforeLength = length;
    this.#since = process.hrtime.bigint();
  }

  /** {@inheritDoc HookWatch.leave} */
  leave(hook: number): void {
    if (!this.#isMarked) return;
    this.#ns[hook] = (this.#ns[hook] ?? 0) + Number(process.hrtime.bigint() - this.#since);
    const { bytes, layout } = this.#options.chain.asItStands;
    this.#changes[hook] = changeOf(this.#before.subarray(0, this.#beforeLength), bytes.subarray(0, layout.length));
  }

  /** The packet is through. */
  end(packet: PacketInHand, isResumed: boolean): void {
    this.#isMarked = false;
    const { chain, reasons, ledger, onPacket } = this.#options;
    const { frame, way } = packet;
    const counted = this.#counted(ledger);
    const { fate, cause } = fateOf(counted);
    // Booked before the packet was looked at.
    addEarlier(counted, frame, isResumed);
    const isDecided =
      chain.decidedBy >= 0 && (cause === null || cause === 'droppedByHook' || cause === 'droppedByFault');
    const hooks = chain.hooks.map((_, index) => this.#hook(index)).filter((one) => one !== null);
    const decided = isDecided && hooks.length > 0 ? (chain.hooks[chain.decidedBy]?.name ?? null) : null;
    onPacket({
      number: packet.number,
      seconds: frame.seconds,
      nanoseconds: frame.nanoseconds,
      from: way.from,
      to: way.to,
      length: frame.originalLength,
      ends: this.#ends,
      resumed: isResumed,
      hooks,
      fate,
      cause,
      by: decided,
      reason: decided === null ? null : reasons.textOf(chain.decidedReason),
      counted,
    });
  }

  #endsOf({ frame }: PacketInHand, offset: number): EventEnds | null {
    const { octets, length, originalLength } = frame;
    const bytes = octets.subarray(offset);
    const layout = this.#layout;
    if (!parseIpLayout(bytes, 0, length - offset, originalLength - offset, layout, true)) return null;
    const version = layout.version === 4 ? 4 : 6;
    const [source, destination, size] =
      version === 4 ? [IPV4_SOURCE, IPV4_DESTINATION, 4] : [IPV6_SOURCE, IPV6_DESTINATION, 16];
    const address = (at: number): string => formatAddress(Uint8Array.prototype.slice.call(bytes, at, at + size));
    return {
      version,
      protocol: layout.protocol,
      source: address(source),
      destination: address(destination),
      sourcePort: layout.hasPorts ? readU16(bytes, layout.transportOffset) : -1,
      destinationPort: layout.hasPorts ? readU16(bytes, layout.transportOffset + 2) : -1,
    };
  }

  #counted(ledger: Float64Array): Partial<Record<WayCounter, number>> {
    const sums: Partial<Record<WayCounter, number>> = {};
    for (const [column, { name }] of WAY_COUNTERS.entries()) {
      let sum = 0;
      for (let at = column; at < ledger.length; at += LEDGER_WIDTH)
        sum += (ledger[at] as number) - (this.#ledger[at] as number);
      if (sum !== 0) sums[name] = sum;
    }
    return sums;
  }

  /** What one hook did; null where the packet did not come to it. */
  #hook(index: number): TracedHook | null {
    const { chain } = this.#options;
    const base = index * HOOK_WIDTH;
    const now = rowFrom(HOOK_COUNTERS, chain.counters, base);
    const before = rowFrom(HOOK_COUNTERS, this.#counters, base);
    const moved = (name: HookChainCounter): boolean => (now as Row<HookChainCounter>)[name] > before[name];
    const isCalled = moved('seen');
    const skipped = moved('filtered') ? 'filter' : moved('settled') ? 'settled' : null;
    const verdict = VERDICTS.find(([name]) => moved(name))?.[1] ?? (skipped === null ? 'none' : 'FORWARD');
    if (!isCalled && skipped === null && verdict === 'none') return null;
    return {
      hook: chain.hooks[index]?.name ?? '',
      skipped: isCalled ? null : skipped,
      verdict,
      released: !isCalled && skipped === null,
      reason: this.#reasonOf(index),
      ns: this.#ns[index] ?? 0,
      changed: this.#changes[index] ?? null,
      replaced: moved('replaced'),
      faults: now.faults - before.faults,
    };
  }

  /** The reason that a hook gave, with FORWARD, too. */
  #reasonOf(index: number): string | null {
    const { reasons, chain } = this.#options;
    const owner = chain.owners[index] as number;
    for (let place = 0; place < this.#reasons.length; place++) {
      if (reasons.counts[place] !== this.#reasons[place] && reasons.ownerOf(place) === owner)
        return reasons.textOf(place);
    }
    return null;
  }
}

/** What the lane has booked of a packet before it is told: that it came, or that it waits no longer. */
function addEarlier(counted: Partial<Record<WayCounter, number>>, { length, flags }: Frame, isResumed: boolean): void {
  const add = (name: WayCounter, amount: number): void => {
    const sum = (counted[name] ?? 0) + amount;
    if (sum === 0) delete counted[name];
    else counted[name] = sum;
  };
  if (isResumed) {
    add('held', -1);
    return;
  }
  add('received', 1);
  add('receivedOctets', length);
  if ((flags & FRAME_SEGMENT) !== 0) add('extraSegments', 1);
}

/** What differs; null where nothing does. */
function changeOf(before: Buffer, after: Buffer): TracedChange | null {
  const shared = Math.min(before.length, after.length);
  let octets = Math.abs(before.length - after.length);
  if (octets === 0 && before.equals(after)) return null;
  let first = -1;
  for (let at = 0; at < shared; at++) {
    if (before[at] === after[at]) continue;
    if (first === -1) first = at;
    octets += 1;
  }
  return { octets, first: first === -1 ? shared : first, length: after.length };
}

/** What the ledger says became of a packet. */
function fateOf(counted: Partial<Record<WayCounter, number>>): { fate: TracedFate; cause: WayCounter | null } {
  const partOf = (whole: WayCounter): WayCounter | null =>
    WAY_SUMS.find((sum) => sum.whole === whole)?.parts.find((part) => (counted[part] ?? 0) > 0) ?? null;
  const fate = (partOf('received') ?? 'probe') as TracedFate;
  return { fate, cause: fate === 'dropped' || fate === 'lost' ? partOf(fate) : null };
}
