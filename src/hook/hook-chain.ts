/**
 * Runs one packet through the hooks, larger priority first, until one of them gives a verdict other than FORWARD.
 *
 * This is the one place where a hook is called and where what it may do wrong is caught: a throw, a value that is no
 * verdict, a promise, a bad free, a replacement that is not a chain of the pool, an interface that cannot be reached.
 * Each is a hook fault: counted for that hook and reported. What the hook set is taken back. A DROP or ICMP_ON_DROP that it
 * returned stands all the same; otherwise `onHookError` decides.
 *
 * Rule: no allocation on the way of a packet that no hook replaces. What a hook hands over is freed here or by
 * {@link HookChain.release}, never twice.
 *
 * @module
 */

import type { Ipv6Call } from '../ddk/host.ts';
import type { IPPacketFirewallPtr } from '../firewall/constants.ts';
import { DROP, FORWARD, ICMP_ON_DROP, IP_TRANSMIT, IPR_FLAG_CHECKSUM_OFFLOAD } from '../firewall/constants.ts';
import type { IPRcvBuf } from '../firewall/ip-rcv-buf.ts';
import { chainLength, gatherChain } from '../firewall/ip-rcv-buf.ts';
import type { Pool } from '../firewall/pool.ts';
import { columnOf, HOOK_COUNTERS } from '../telemetry/counters.ts';
import type { IpLayout } from '../wire/ip-layout.ts';
import type { CallbackDoor } from './callback-door.ts';
import { ChainEntries, type ChainEntry } from './chain-entries.ts';
import type { ChainFlows } from './chain-flows.ts';
import { type CallHook, compileCalls } from './compile-calls.ts';
import { compileFilters, type MatchFilter } from './compile-filters.ts';
import { ACCEPT, REPLY, RESET, type Verdict } from './contract.ts';
import { noVerdict } from './fault-text.ts';
import type { LoadedHook } from './load-hook.ts';
import type { Arrival, DatagramBuffer } from './packet/arrival.ts';
import { ContextState, ContextView } from './packet/context-view.ts';
import { EndedFlowView } from './packet/flow-view.ts';
import { PacketState } from './packet/packet-state.ts';
import { freezeViews, PacketView } from './packet/packet-view.ts';
import { isChecksumPartial, MAX_DATAGRAM, Replacement } from './replacement.ts';
import { ChainStreams } from './stream/chain-streams.ts';
import type { Verifier } from './verifier.ts';

/** Numbers in a hook's row of {@link HookChain.counters}: the columns of `HOOK_COUNTERS`. */
export const HOOK_WIDTH: number = HOOK_COUNTERS.length;

const SEEN = columnOf(HOOK_COUNTERS, 'seen');
const FILTERED = columnOf(HOOK_COUNTERS, 'filtered');
const SETTLED = columnOf(HOOK_COUNTERS, 'settled');
const FORWARDED = columnOf(HOOK_COUNTERS, 'forwarded');
const ACCEPTED = columnOf(HOOK_COUNTERS, 'accepted');
const DROPPED = columnOf(HOOK_COUNTERS, 'dropped');
const REJECTED = columnOf(HOOK_COUNTERS, 'rejected');
const REPLIED = columnOf(HOOK_COUNTERS, 'replied');
const RESET_PACKETS = columnOf(HOOK_COUNTERS, 'reset');
const REPLACED = columnOf(HOOK_COUNTERS, 'replaced');
/** Counted only where the chain tracks changes (replay, tap): it costs a copy of each packet. */
const CHANGED = columnOf(HOOK_COUNTERS, 'changed');
const FAULTS = columnOf(HOOK_COUNTERS, 'faults');

/** Flows that end at once: more wait for the next batch. */
const ENDED_AT_ONCE = 64;

/** What decides a packet when a hook is at fault. */
export type OnHookError = 'drop' | 'forward';

/** What {@link HookChain} is made of. */
export interface HookChainOptions {
  /** In any order; the chain sorts them. */
  readonly hooks: readonly LoadedHook[];
  readonly onHookError: OnHookError;
  readonly pool: Pool;
  /** Called for each hook fault, on the packet path: must limit its own rate. `pointer` is the callback of a driver. */
  readonly onFault: (hook: LoadedHook, reason: string, error: unknown, pointer: IPPacketFirewallPtr | null) => void;
  /** Count in-place changes, at the price of a copy per packet. Default false. */
  readonly trackChanges?: boolean;
  /** Null where nothing is made to happen. */
  readonly verifier?: Verifier | null;
  /** Null where no hook asks for flows. */
  readonly flows?: ChainFlows | null;
}

/** The hooks of a lane in running order, and the state of the packet that is among them. */
export class HookChain {
  /** In running order: larger priority first, ties in order of registration. */
  readonly hooks: readonly LoadedHook[];
  /** The number of each in the books of the pool, in running order. */
  readonly owners: readonly number[];
  /** Who is called, in which order; drivers change it while packets come. */
  readonly entries: ChainEntries;
  /** What the hooks read of TCP streams. */
  readonly streams: ChainStreams;
  /** One row of {@link HOOK_WIDTH} numbers a hook, in running order. */
  readonly counters: Float64Array;
  /** The chain that stands for the packet after {@link HookChain.run}: the one handed in, or a replacement. */
  current: IPRcvBuf | null = null;
  /** True when `current` is a replacement, which {@link HookChain.release} must give back. */
  replaced = false;
  /** Index of the hook that ended the chain, by whatever verdict; -1 when all said FORWARD. */
  decidedBy = -1;
  /** True when the verdict came from `onHookError`. */
  byFault = false;
  /** Hook faults during the last {@link HookChain.run}. */
  faults = 0;
  /** Of the packet that is among the hooks, or was last; null before the first. */
  context: ContextState | null = null;

  readonly #flows: ChainFlows | null;
  readonly #endedFlow: EndedFlowView | null;
  readonly #callHook: CallHook;
  readonly #matchFilter: MatchFilter;
  readonly #pool: Pool;
  readonly #faultVerdict: Verdict;
  readonly #onFault: HookChainOptions['onFault'];
  readonly #packet: PacketState;
  readonly #packetView: PacketView;
  /** Of `context`. */
  #contextView = new ContextView(new ContextState());
  readonly #replacement: Replacement;
  readonly #scratch: Buffer = Buffer.alloc(MAX_DATAGRAM);
  /** A copy of the packet as the running hook got it; null when changes are not tracked. */
  readonly #before: Buffer | null;
  /** Octets of that copy; -1 or too many when there is none. */
  #beforeSize = -1;
  /** Null but where callbacks get a chain in the place of the packet's own buffer. */
  readonly #cutter: Verifier | null;
  /** What replaces the packet is a copy of the verifier's, and no hook's. */
  #isStandIn = false;

  /** What the last seven-argument hook left in its cells. */
  #handedOver: IPRcvBuf | null = null;
  /** A second chain in its other cell, which stands for nothing. */
  #spare: IPRcvBuf | null = null;

  constructor(options: HookChainOptions) {
    this.hooks = sortByPriority(options.hooks);
    this.owners = this.hooks.map(({ owner }, index) => owner ?? index);
    this.#matchFilter = compileFilters(
      this.hooks.map((hook) => (hook.kind === 'defined' ? (hook.definition.filter ?? null) : null)),
    );
    this.entries = new ChainEntries(this.hooks, HOOK_WIDTH);
    this.counters = new Float64Array(this.hooks.length * HOOK_WIDTH);
    this.#pool = options.pool;
    freezeViews();
    const flows = options.flows ?? null;
    this.#flows = flows;
    this.#endedFlow = flows === null ? null : new EndedFlowView(flows);
    if (flows !== null) flows.onEnd = () => this.#endFlow();
    this.#packet = new PacketState(options.pool, flows);
    this.streams = new ChainStreams(this.hooks, flows, this.#packet, options.onHookError);
    this.#callHook = compileCalls(
      this.hooks.map((hook) => (hook.kind === 'defined' ? hook.handlers : null)),
      this.streams.ofHook,
    );
    this.#packetView = new PacketView(this.#packet);
    this.#replacement = new Replacement(options.pool);
    this.#faultVerdict = options.onHookError === 'drop' ? DROP : FORWARD;
    this.#onFault = options.onFault;
    this.#before = options.trackChanges === true ? Buffer.alloc(MAX_DATAGRAM) : null;
    this.#cutter = options.verifier?.cuts === true ? options.verifier : null;
  }

  /**
   * The verdict of all hooks on one packet.
   *
   * Ownership: borrows `lent`; afterwards `current` stands for the packet until {@link HookChain.release} is called.
   * Never throws. Cost: one call per hook; a copy only where a hook replaced the packet.
   *
   * @param lent - the runtime's descriptor of the packet: one buffer, the datagram at octet 0
   * @param bytes - that buffer
   * @param layout - where things are in it
   * @param context - `sendInterfaceIndex` and `destinationType` may be changed by the hooks
   * @param otherIndex - the second interface index that `sendInterfaceIndex` may be set to
   */
  run(lent: IPRcvBuf, bytes: DatagramBuffer, layout: IpLayout, context: ContextState, otherIndex: number): Verdict {
    const flows = this.#flows;
    if (flows !== null) flows.begin(bytes, layout, context.zone);
    const isFresh = flows?.isFresh ?? true;
    const forwards = flows?.forwards ?? 0;
    const drops = flows?.drops ?? 0;
    const entries = this.entries.list;
    const call = this.#callHook;
    const counters = this.counters;
    const pool = this.#pool;
    const packet = this.#packet;
    const packetView = this.#packetView;
    const firstIndex = context.sendInterfaceIndex;
    this.current = lent;
    this.replaced = false;
    this.decidedBy = -1;
    this.byFault = false;
    this.faults = 0;
    this.#isStandIn = false;
    packet.begin(lent, bytes, layout);
    if (this.context !== context) {
      this.context = context;
      packet.context = context;
      this.#contextView = new ContextView(context);
    }
    const contextView = this.#contextView;

    for (let at = 0; at < entries.length; at++) {
      const entry = entries[at] as ChainEntry;
      const { hook: i, row, callback, isDefined } = entry;
      if (!isDefined) {
        // The callback is the interface for IPv4, and would misread anything else; Windows has another hook for IPv6.
        if (layout.version !== (callback === null ? 6 : 4)) continue;
        if (callback !== null && this.#cutter !== null && !this.replaced && !this.#standIn(lent, bytes, layout))
          return this.#poolExhausted();
      }
      if (callback === null && this.replaced && !this.#linearise()) return this.#poolExhausted();
      if (flows !== null) {
        if (((forwards | drops) & entry.bit) !== 0 || (entry.isForFresh && !isFresh)) {
          count(counters, row + SETTLED);
          if ((drops & entry.bit) === 0) continue;
          this.decidedBy = i;
          count(counters, row + DROPPED);
          return DROP;
        }
        flows.hook = i;
      }
      if (entry.isFiltered && !this.#isWanted(i, context)) {
        count(counters, row + FILTERED);
        continue;
      }
      count(counters, row + SEEN);
      if (this.#before !== null) this.#remember();
      const sendIndex = context.sendInterfaceIndex;
      const destinationType = context.destinationType;
      const poolFaults = pool.faultsTotal;
      let verdict: Verdict;
      let reason = '';
      let error: unknown;
      pool.owner = entry.owner;
      try {
        if (isDefined) verdict = call(i, packetView, contextView, isFresh);
        else verdict = this.#callDriver(entry, layout, context);
      } catch (thrown) {
        verdict = FORWARD;
        reason = 'threw';
        error = thrown;
      }
      pool.owner = -1;
      // Windows has no such verdict: from a callback it is none.
      const isLast = isDefined && verdict === ACCEPT;
      if (isLast) verdict = FORWARD;
      if (callback !== null) {
        const complaint = entry.driver?.leaveCallback() ?? '';
        if (reason === '') reason = complaint;
        this.#collectCells(callback);
      }
      if (reason === '') {
        // Windows has three; the others are for hooks made with defineHook.
        const isKnown = verdict === FORWARD || verdict === DROP || verdict === ICMP_ON_DROP;
        if (!isKnown && !(isDefined && (verdict === REPLY || verdict === RESET))) {
          reason = noVerdict(verdict);
          verdict = FORWARD;
        } else if (pool.faultsTotal !== poolFaults) {
          reason = 'misused the pool and hid it';
          error = pool.lastFault ?? undefined;
        } else if (
          context.sendInterfaceIndex !== sendIndex &&
          context.sendInterfaceIndex !== firstIndex &&
          context.sendInterfaceIndex !== otherIndex
        )
          reason = 'set an interface index that cannot be reached from here';
        else if (context.destinationType !== destinationType) {
          if (!Number.isInteger(context.destinationType)) reason = 'set a destination type that is no whole number';
          // A UCHAR: as in C, the lowest eight bits of what was assigned are what is there.
          else context.destinationType &= 0xff;
        }
      }
      const standing: IPRcvBuf | null = this.current;
      if (this.#handedOver !== null || packet.replacement !== null || this.#isReshaped(lent, layout)) {
        const refusal = this.#takeOver(row, reason === '' && (verdict === FORWARD || verdict === REPLY), lent, layout);
        if (this.decidedBy === POOL_EXHAUSTED) return DROP;
        if (reason === '') reason = refusal;
      }
      if (this.current === standing) {
        if (!packet.hasCopy || (this.replaced && !this.#isSound())) return this.#broken(i, row, error);
        if (this.#before !== null) this.#compare(row);
      }
      if (reason !== '') {
        this.faults += 1;
        count(counters, row + FAULTS);
        context.sendInterfaceIndex = sendIndex;
        context.destinationType = destinationType;
        this.#onFault(this.hooks[i] as LoadedHook, reason, error, entry.pointer);
        // What it made of the packet is not to be sent to anybody.
        if (verdict === REPLY) verdict = FORWARD;
        if (verdict === FORWARD) {
          if (this.#faultVerdict === FORWARD) continue;
          this.byFault = true;
          this.decidedBy = i;
          count(counters, row + DROPPED);
          return this.#faultVerdict;
        }
      }
      if (verdict === FORWARD) {
        if (!isLast) {
          count(counters, row + FORWARDED);
          continue;
        }
        count(counters, row + ACCEPTED);
        this.decidedBy = i;
        break;
      }
      this.decidedBy = i;
      count(counters, row + columnOfVerdict(verdict));
      if (verdict === REPLY && !this.replaced) packet.settle();
      return verdict;
    }
    if (this.#isStandIn) this.#putBack(bytes, layout);
    if (!this.replaced) packet.settle();
    return FORWARD;
  }

  /**
   * Says what time it is for the flows, once a batch, and ends some of those that are over.
   *
   * @param nowMs - milliseconds on a clock that never jumps back; in replay that of the file
   */
  tick(nowMs: number): void {
    this.#flows?.table.expire(nowMs, ENDED_AT_ONCE);
    this.streams.tick(nowMs);
  }

  /** A flow ends: the hooks that want to know are told. What one of them does wrong is its fault. */
  #endFlow(): void {
    const pool = this.#pool;
    const { owner } = pool;
    for (const entry of this.entries.list) {
      const { onFlowEnd } = entry;
      if (onFlowEnd === null) continue;
      pool.owner = entry.owner;
      try {
        onFlowEnd.call(entry.handlers, this.#endedFlow as EndedFlowView);
      } catch (error) {
        this.countFault(entry.hook);
        this.#onFault(this.hooks[entry.hook] as LoadedHook, 'threw in onFlowEnd', error, null);
      }
      pool.owner = owner;
    }
  }

  /** Whether the packet, as the hooks before have left it, belongs to the filter of a hook. */
  #isWanted(hook: number, { link, linkLength, originalLength }: ContextState): boolean {
    const { bytes, layout } = this.#packet;
    const { length } = layout;
    // What replaced the packet was never on the wire.
    const onWire = this.replaced || originalLength < length ? length : originalLength;
    return this.#matchFilter(hook, bytes, length, link, linkLength, onWire);
  }

  /** Lets a copy, cut by the verifier, stand for the packet. False when the pool is exhausted. */
  #standIn(lent: IPRcvBuf, bytes: Buffer, layout: IpLayout): boolean {
    if (layout.length > MAX_DATAGRAM) return true;
    this.#packet.settle();
    const cut = this.#cutter?.cut(bytes, layout.length, layout.headerLength) ?? null;
    if (cut === null || !this.#replacement.parse(cut, layout.length)) {
      this.#pool.release(cut);
      return false;
    }
    cut.ipr_flags = lent.ipr_flags;
    this.#replacement.take(cut);
    this.current = cut;
    this.replaced = true;
    this.#isStandIn = true;
    this.#load(cut);
    return true;
  }

  /** What hooks wrote into the copy they would have written into the packet; one that they reshaped is a replacement. */
  #putBack(bytes: Buffer, layout: IpLayout): void {
    this.#isStandIn = false;
    if (chainLength(this.current) !== layout.length) return;
    this.#packet.arrival.keep();
    gatherChain(this.current, bytes, 0);
    this.#goBack();
  }

  /**
   * Ends a packet: gives a replacement back to the pool. To be called once after each {@link HookChain.run}.
   *
   * @param goesOn - its verdict was FORWARD, so that a flow that it starts begins
   */
  release(goesOn: boolean): void {
    if (this.#flows !== null) this.#flows.end(goesOn);
    if (this.replaced) this.#replacement.free();
    this.current = null;
    this.replaced = false;
  }

  /** To be called when the packets of a batch are through: what a hook kept of them is dead. */
  endBatch(): void {
    this.#packet.endBatch();
  }

  /** The packet as the hooks have left it, to be read, until the next {@link HookChain.run}. */
  get standing(): { readonly bytes: Buffer; readonly layout: IpLayout } {
    return this.#packet;
  }

  /** The packet as it came, whatever the hooks made of it, until the next {@link HookChain.run}. */
  get arrival(): Arrival {
    return this.#packet.arrival;
  }

  /** True when the last verdict was forced because the pool had no memory for a replacement. */
  get poolWasExhausted(): boolean {
    return this.decidedBy === POOL_EXHAUSTED;
  }

  /** Calls a hook through one of the doors of Windows: seven arguments for IPv4, or the read-only one for IPv6. */
  #callDriver({ callback, ipv6, driver }: ChainEntry, layout: IpLayout, context: ContextState): Verdict {
    if (!this.replaced) this.#packet.open();
    if (callback !== null) {
      driver?.enterCallback();
      return callback.call(this.current, context);
    }
    const seen = this.replaced ? this.#replacement.layout : layout;
    const { direction, recvInterfaceIndex, sendInterfaceIndex } = context;
    const passes = (ipv6 as Ipv6Call)(
      this.current?.ipr_buffer as Buffer,
      seen.length,
      seen.transportOffset,
      seen.protocol,
      direction === IP_TRANSMIT ? sendInterfaceIndex : recvInterfaceIndex,
      direction,
    );
    return passes ? FORWARD : DROP;
  }

  /** The packets are to have a zone: there are flows. */
  get tracksFlows(): boolean {
    return this.#flows !== null;
  }

  /** Counts a fault of a hook that happened outside of any packet. */
  countFault(hook: number): void {
    count(this.counters, hook * HOOK_WIDTH + FAULTS);
  }

  #collectCells(door: CallbackDoor): void {
    door.collect(this.current);
    this.#handedOver = door.handedOver;
    this.#spare = door.spare;
  }

  /** True when the hook changed the runtime's own descriptor: shortened it, or put a tail behind it. */
  #isReshaped(lent: IPRcvBuf, layout: IpLayout): boolean {
    // Also where this packet was handed to nobody: a descriptor that a hook kept from an earlier one is the same object.
    return lent.ipr_next !== null || lent.ipr_size !== layout.length || lent.ipr_buffer !== this.#packet.lentBuffer;
  }

  /**
   * Takes what the hook handed over and frees what it replaces.
   *
   * @param accept - false: the hook did not say FORWARD or is at fault, so that everything it handed over is freed
   * @returns the reason of a refusal, or ''
   */
  #takeOver(row: number, accept: boolean, lent: IPRcvBuf, layout: IpLayout): string {
    const packet = this.#packet;
    const bytes = packet.lentBuffer;
    const candidate = this.#handedOver ?? packet.replacement;
    const tail = lent.ipr_next;
    const refusal =
      candidate === null || candidate === lent
        ? this.#takeReshaped(row, accept, candidate === lent, lent, bytes, layout)
        : this.#takeChain(row, accept, candidate, lent, bytes, layout);
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
  #takeChain(
    row: number,
    accept: boolean,
    candidate: IPRcvBuf,
    lent: IPRcvBuf,
    bytes: Buffer | null,
    layout: IpLayout,
  ): string {
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
    else if (pool.hooksFreeOldChains && this.replaced && pool.isLive(this.current))
      refusal = 'replaced the packet and did not free the chain that stood for it (verifier: oldChain: hook)';
    if (accept && refusal === '') this.#adopt(candidate, row);
    else pool.release(candidate);
    return accept ? refusal : '';
  }

  /** From here on `chain` stands for the packet; its layout has been parsed. */
  #adopt(chain: IPRcvBuf, row: number): void {
    this.#replacement.take(chain);
    this.current = chain;
    this.replaced = true;
    this.#isStandIn = false;
    count(this.counters, row + REPLACED);
    this.#load(chain);
  }

  /** The hook saw what did not come to stand for the packet: the next one sees what does. */
  #reload(): void {
    if (this.replaced && this.current !== null) this.#load(this.current);
    else this.#packet.goBack();
  }

  #load(chain: IPRcvBuf): void {
    if (chain.ipr_next === null && chain.ipr_buffer !== null)
      this.#packet.load(chain, chain.ipr_buffer, this.#replacement.layout);
  }

  /** True when the replacement is still a chain that can be read and freed, whatever the last hook did to it. */
  #isSound(): boolean {
    const length = this.#isStandIn ? this.#replacement.layout.length : -1;
    if (this.current === null || !this.#replacement.isSound(this.current, length)) return false;
    this.#load(this.current);
    return true;
  }

  /** Ends a packet whose replacement a hook broke: nothing is left that could be forwarded. */
  #broken(hook: number, row: number, error: unknown): Verdict {
    this.#replacement.free();
    this.current = null;
    this.replaced = false;
    this.faults += 1;
    this.byFault = true;
    this.decidedBy = hook;
    count(this.counters, row + FAULTS);
    count(this.counters, row + DROPPED);
    this.#onFault(this.hooks[hook] as LoadedHook, 'broke the chain that stands for the packet', error, null);
    return DROP;
  }

  /**
   * The lent descriptor was shortened or got a tail: both become a replacement of one buffer.
   *
   * @param isHandedOver - the hook named the lent descriptor as the one that stands for the packet
   */
  #takeReshaped(
    row: number,
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
    if (!sameBuffer || !Number.isInteger(size) || size < 0 || size > layout.length || (this.replaced && !isHandedOver))
      return 'changed the descriptor of a buffer that it does not own';
    if (!accept) return '';
    if (tail === null && size === layout.length) {
      if (this.replaced) this.#goBack();
      return '';
    }
    if (bytes === null) return 'changed the descriptor of a packet that it was not handed';
    const total = size + (tail === null ? 0 : chainLength(tail));
    if (total === 0 || total > MAX_DATAGRAM) return 'left no well-formed IP datagram';
    const joined = pool.allocateChain(total);
    if (joined === null || joined.ipr_buffer === null) {
      this.decidedBy = POOL_EXHAUSTED;
      return '';
    }
    bytes.copy(joined.ipr_buffer, 0, 0, size);
    if (tail !== null) gatherChain(tail, joined.ipr_buffer, size);
    if (isChecksumPartial(lent)) joined.ipr_flags = IPR_FLAG_CHECKSUM_OFFLOAD;
    if (!this.#replacement.parse(joined, total) || this.#replacement.layout.version !== layout.version) {
      pool.release(joined);
      return 'left no well-formed IP datagram';
    }
    this.#adopt(joined, row);
    return '';
  }

  /** A hook let the packet as it came take the place of an earlier hook's replacement. */
  #goBack(): void {
    this.#replacement.free();
    this.#packet.goBack();
    this.current = this.#packet.chain;
    this.replaced = false;
  }

  /** Frees a chain that stands for nothing, if all of it still is a hook's. */
  #discard(chain: IPRcvBuf | null): void {
    if (chain !== null && this.#pool.isOwnedChain(chain)) this.#pool.release(chain);
  }

  /** A `defineHook` hook sees one buffer: a replacement of several is joined for it. False when the pool is exhausted. */
  #linearise(): boolean {
    const chain = this.current;
    if (chain === null || chain.ipr_next === null) return true;
    const joined = this.#replacement.join(chain);
    if (joined === null) return false;
    this.current = joined;
    this.#load(joined);
    return true;
  }

  #poolExhausted(): Verdict {
    this.decidedBy = POOL_EXHAUSTED;
    return DROP;
  }

  #remember(): void {
    if (this.#before === null) return;
    if (!this.replaced) this.#packet.open();
    this.#beforeSize = chainLength(this.current);
    if (this.#beforeSize <= MAX_DATAGRAM) gatherChain(this.current, this.#before, 0);
  }

  /** Frames longer than a datagram can be are not compared. */
  #compare(row: number): void {
    const size = this.#beforeSize;
    if (this.#before === null || size > MAX_DATAGRAM || chainLength(this.current) > MAX_DATAGRAM) return;
    const isSame =
      gatherChain(this.current, this.#scratch, 0) === size &&
      this.#before.compare(this.#scratch, 0, size, 0, size) === 0;
    if (!isSame) count(this.counters, row + CHANGED);
  }
}

/** Value of `decidedBy` when the pool, not a hook, ended the chain. */
const POOL_EXHAUSTED = -2;

function sortByPriority(hooks: readonly LoadedHook[]): LoadedHook[] {
  return hooks
    .map((hook, order) => ({ hook, order }))
    .sort((a, b) => (b.hook.priority ?? 0) - (a.hook.priority ?? 0) || a.order - b.order)
    .map(({ hook }) => hook);
}

function columnOfVerdict(verdict: Verdict): number {
  switch (verdict) {
    case REPLY:
      return REPLIED;
    case RESET:
      return RESET_PACKETS;
    case ICMP_ON_DROP:
      return REJECTED;
    default:
      return DROPPED;
  }
}

function count(counters: Float64Array, index: number): void {
  counters[index] = (counters[index] as number) + 1;
}

function restore(lent: IPRcvBuf, bytes: Buffer | null, layout: IpLayout): void {
  lent.ipr_next = null;
  lent.ipr_buffer = bytes;
  lent.ipr_size = layout.length;
}
