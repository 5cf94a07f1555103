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

import type { HookFaultPolicy } from '../config/faults.ts';
import type { Ipv6Call } from '../ddk/host.ts';
import type { IPPacketFirewallPtr } from '../firewall/constants.ts';
import { DROP, FORWARD, ICMP_ON_DROP, IP_TRANSMIT } from '../firewall/constants.ts';
import type { IPRcvBuf } from '../firewall/ip-rcv-buf.ts';
import { type Pool, RUNTIME_OWNER } from '../firewall/pool.ts';
import { columnOf, HOOK_COUNTERS } from '../telemetry/counters.ts';
import type { IpLayout } from '../wire/ip-layout.ts';
import { CallTimes } from './call-times.ts';
import { ChainEntries, type ChainEntry, holdRuleOf } from './chain-entries.ts';
import type { ChainFlows } from './chain-flows.ts';
import { type CallHook, compileCalls } from './compile-calls.ts';
import { compileFilters, type MatchFilter } from './compile-filters.ts';
import { ACCEPT, HELD, type HoldRule, REPLY, RESET, type Verdict } from './contract.ts';
import { NOT_HELD, noVerdict } from './fault-text.ts';
import { HoldList, NO_PLACE } from './hold-list.ts';
import { everyFault, HookFaults, type OnBreaker } from './hook-faults.ts';
import { type HookReasons, NO_REASON } from './hook-reasons.ts';
import { filterOf, type LoadedHook } from './load-hook.ts';
import type { Arrival, DatagramBuffer } from './packet/arrival.ts';
import { ContextState, ContextView } from './packet/context-view.ts';
import { EndedFlowView } from './packet/flow-view.ts';
import { PacketState } from './packet/packet-state.ts';
import { freezeViews, PacketView } from './packet/packet-view.ts';
import { ShadowHook } from './shadow-hook.ts';

import { StandingPacket } from './standing-packet.ts';
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
const HELD_PACKETS = columnOf(HOOK_COUNTERS, 'held');
const HELD_TOO_LONG = columnOf(HOOK_COUNTERS, 'heldTooLong');
const HOLDS_REFUSED = columnOf(HOOK_COUNTERS, 'holdsRefused');
const REPLACED = columnOf(HOOK_COUNTERS, 'replaced');
/** Counted only where the chain tracks changes (replay, tap): it costs a copy of each packet. */
const CHANGED = columnOf(HOOK_COUNTERS, 'changed');
/** Of a hook that is taken out. */
const BYPASSED = columnOf(HOOK_COUNTERS, 'bypassed');
/** Of a hook in shadow. */
const UNSENT = columnOf(HOOK_COUNTERS, 'unsent');

/** Flows that end at once: more wait for the next batch. */
const ENDED_AT_ONCE = 64;

/** What decides a packet when a hook is at fault. */
export type OnHookError = 'drop' | 'forward';

/** What {@link HookChain} is made of. */
export interface HookChainOptions {
  /** In any order; the chain sorts them. */
  readonly hooks: readonly LoadedHook[];
  readonly onHookError: OnHookError;
  /** What decides by the kind of fault, and when a hook is taken out. @defaultValue onHookError, and never */
  readonly faults?: HookFaultPolicy;
  /** Told when a hook is taken out, is tried, and is back; on the packet path. @defaultValue nobody */
  readonly onBreaker?: OnBreaker;
  readonly pool: Pool;
  /** Called for each hook fault, on the packet path: must limit its own rate. `pointer` is the callback of a driver. */
  readonly onFault: (hook: LoadedHook, reason: string, error: unknown, pointer: IPPacketFirewallPtr | null) => void;
  /** Count in-place changes, at the price of a copy per packet. Default false. */
  readonly trackChanges?: boolean;
  /** Null where nothing is made to happen. */
  readonly verifier?: Verifier | null;
  /** Null where no hook asks for flows. */
  readonly flows?: ChainFlows | null;
  /** What hooks give reasons by. @defaultValue none does */
  readonly reasons?: HookReasons | null;
  /** Flows of their own of hooks in shadow that ask for them, by their owner. @defaultValue none */
  readonly shadowFlows?: ReadonlyMap<number, ChainFlows>;
  /** Where the one hook of a chain is counted. @defaultValue memory of its own */
  readonly counters?: Float64Array;
}

/** Whoever wants to know of each call of a hook. It is on the packet path while it watches, and nothing of it is there while it does not. */
export interface HookWatch {
  /** The hook at this place is about to be called. */
  enter(hook: number): void;
  /** It has returned, or thrown. */
  leave(hook: number): void;
}

/** A packet that waited and goes on, as {@link HookChain.resume} takes it. */
export interface Resumed {
  /** The hook that held it. */
  readonly entry: ChainEntry;
  /** What it gets. */
  readonly verdict: Verdict;
  readonly isTimedOut: boolean;
  /** What replaced it; owned, and the chain's from now on. Null where it stands for itself. */
  readonly chain: IPRcvBuf | null;
  /** The head of the packet as it came; null where nobody wrote into it. */
  readonly head: Buffer | null;
  /** Its flow, with what the flow table said of the packet; `NO_FLOW` where it had none. */
  readonly flow: number;
  readonly flowGeneration: number;
  readonly flowTold: number;
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
  /** How long hooks take. */
  readonly times: CallTimes;
  /** What stands for the packet after {@link HookChain.run}, until {@link HookChain.release}: the one handed in, or a replacement. */
  readonly standing: StandingPacket;
  /** Index of the hook that ended the chain, by whatever verdict; -1 when all said FORWARD. */
  decidedBy = -1;
  /** True when the verdict came from `onHookError`. */
  byFault = false;
  /** Hook faults during the last {@link HookChain.run}. */
  faults = 0;
  /** Of the packet that is among the hooks, or was last; null before the first. */
  context: ContextState | null = null;
  /** The hook that holds the packet, where the verdict is HELD. */
  heldBy: ChainEntry | null = null;
  /** Faults of the hooks, and their breakers. */
  readonly hookFaults: HookFaults;
  /** The packets that wait; null where no hook may hold any. */
  readonly holds: HoldList | null;
  /** The packets are to have a zone: there are flows. */
  readonly tracksFlows: boolean;

  readonly #shadows: readonly ShadowHook[] | null;
  /** The same by the place of the hook. */
  readonly #shadowAt: readonly (ShadowHook | null)[];
  readonly #flows: ChainFlows | null;
  readonly #endedFlow: EndedFlowView | null;
  /** `#ownCalls`, or the same watched. */
  #callHook: CallHook;
  readonly #ownCalls: CallHook;
  #watch: HookWatch | null = null;
  readonly #matchFilter: MatchFilter;
  readonly #pool: Pool;
  readonly #onFault: HookChainOptions['onFault'];
  readonly #packet: PacketState;
  readonly #packetView: PacketView;
  readonly #tracksChanges: boolean;
  readonly #reasons: HookReasons | null;
  /** What the hook had seen and settled that gave a reason last. */
  readonly #reasonAt = new Float64Array(2);
  /** The interface index of the packet as it came, and the other one that it may be given. */
  readonly #reach = new Float64Array(2);
  /** Of `context`. */
  #contextView = new ContextView(new ContextState());

  constructor(options: HookChainOptions) {
    this.hooks = sortByPriority(options.hooks);
    this.owners = this.hooks.map(({ owner }, index) => owner ?? index);
    this.#matchFilter = compileFilters(this.hooks.map((hook) => filterOf(hook) ?? null));
    this.counters = options.counters ?? new Float64Array(this.hooks.length * HOOK_WIDTH);
    this.times = new CallTimes(this.hooks.length);
    const shadows = this.hooks.map((hook, index) => (hook.isShadow === true ? this.#shadowOf(index, options) : null));
    this.#shadows = shadows.some((one) => one !== null) ? shadows.filter((one) => one !== null) : null;
    this.#shadowAt = shadows;
    this.entries = new ChainEntries(this.hooks, HOOK_WIDTH, shadows);
    // What follows is for the hooks that are obeyed: the others have theirs in chains of their own.
    const obeyed = this.hooks.map((hook) => (hook.isShadow === true ? null : hook));
    this.#pool = options.pool;
    freezeViews();
    const flows = options.flows ?? null;
    this.#flows = flows;
    this.#endedFlow = flows === null ? null : new EndedFlowView(flows);
    if (flows !== null) flows.onEnd = () => this.#endFlow();
    const policy = options.faults ?? everyFault(options.onHookError);
    const { counters, entries } = this;
    const onBreaker: OnBreaker = options.onBreaker ?? (() => undefined);
    this.hookFaults = new HookFaults({ policy, counters, width: HOOK_WIDTH, entries, onBreaker });
    const rules = this.#holdRules(policy);
    this.holds = rules.some((rule) => rule !== null) ? new HoldList(rules) : null;
    this.tracksFlows = flows !== null || (this.#shadows?.some(({ chain }) => chain.tracksFlows) ?? false);
    this.#packet = new PacketState(options.pool, flows, this.holds);
    const reasons = options.reasons ?? null;
    this.#reasons = reasons;
    this.streams = new ChainStreams(obeyed, flows, this.#packet, options.onHookError, (hook, answer) => {
      const plain = this.#takeReason(hook, answer);
      // A connection that goes on decides nothing about the packet.
      if (plain === ACCEPT) reasons?.forget();
      return plain;
    });
    const calls = compileCalls(
      obeyed.map((hook) => (hook?.kind === 'defined' ? hook.handlers : null)),
      this.streams.ofHook,
      {
        ofHook: this.owners.map((owner) => reasons?.isOf(owner) ?? false),
        take: (hook, answer) => this.#takeReason(hook, answer),
      },
    );
    this.#ownCalls = this.hookFaults.timed(calls);
    this.#callHook = this.#ownCalls;
    this.#packetView = new PacketView(this.#packet);
    this.#onFault = options.onFault;
    this.#tracksChanges = options.trackChanges === true;
    this.standing = new StandingPacket({
      pool: options.pool,
      packet: this.#packet,
      cutter: options.verifier?.cuts === true ? options.verifier : null,
      tracksChanges: this.#tracksChanges,
    });
  }

  /**
   * The verdict of all hooks on one packet.
   *
   * Ownership: borrows `lent`; afterwards `standing` is what stands for the packet, until {@link HookChain.release} is called.
   * Never throws. Cost: one call per hook; a copy only where a hook replaced the packet.
   *
   * @param lent - the runtime's descriptor of the packet: one buffer, the datagram at octet 0
   * @param bytes - that buffer
   * @param layout - where things are in it
   * @param context - `sendInterfaceIndex` and `destinationType` may be changed by the hooks
   * @param otherIndex - the second interface index that `sendInterfaceIndex` may be set to
   * @param from - the place of the first hook that is called: 0, but for a packet that waited
   */
  run(
    lent: IPRcvBuf,
    bytes: DatagramBuffer,
    layout: IpLayout,
    context: ContextState,
    otherIndex: number,
    from: number,
  ): Verdict {
    const flows = this.#flows;
    const standing = this.standing;
    const packet = this.#packet;
    // An array: 0xffffffff as a parameter of another function would be boxed.
    const reach = this.#reach;
    const times = this.times;
    let timed = -1;
    if (from === 0) {
      if (--times.left === 0) timed = times.next(this.entries.list.length);
      if (flows !== null) flows.begin(bytes, layout, context.zone);
      this.decidedBy = -1;
      this.byFault = false;
      this.faults = 0;
      standing.begin(lent, bytes, layout);
      if (this.context !== context) this.#meet(context);
      reach[0] = context.sendInterfaceIndex;
      reach[1] = otherIndex;
    }
    const isFresh = flows?.isFresh ?? true;
    const forwards = flows?.forwards ?? 0;
    const drops = flows?.drops ?? 0;
    const entries = this.entries.list;
    const call = this.#callHook;
    const counters = this.counters;
    const pool = this.#pool;
    const tracksChanges = this.#tracksChanges;
    const packetView = this.#packetView;
    const contextView = this.#contextView;

    for (let at = from; at < entries.length; at++) {
      const entry = entries[at] as ChainEntry;
      const { hook: i, row, callback, isDefined } = entry;
      if (!isDefined) {
        if (entry.shadow !== null) {
          this.#showShadow(entry.shadow, context, otherIndex);
          continue;
        }
        if (entry.isTripped) {
          if (this.#passesBreaker(i, row, context)) continue;
          return DROP;
        }
        // The callback is the interface for IPv4, and would misread anything else; Windows has another hook for IPv6.
        if (layout.version !== (callback === null ? 6 : 4)) continue;
        if (callback !== null && !standing.cut(lent, bytes, layout)) return this.#poolExhausted();
      }
      if (callback === null && standing.isReplaced && !standing.join()) return this.#poolExhausted();
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
      if (tracksChanges) standing.remember();
      const sendIndex = context.sendInterfaceIndex;
      const destinationType = context.destinationType;
      const poolFaults = pool.faultsTotal;
      let verdict: Verdict;
      let reason = '';
      let error: unknown;
      pool.owner = entry.owner;
      if (at === timed) times.begin();
      try {
        if (isDefined) verdict = call(i, packetView, contextView, isFresh);
        else verdict = this.#callDriver(entry, layout, context);
      } catch (thrown) {
        verdict = FORWARD;
        reason = 'threw';
        error = thrown;
      }
      pool.owner = RUNTIME_OWNER;
      if (at === timed) times.end(i);
      const holds = entry.isHolding ? this.holds : null;
      if (holds !== null) this.#lookAtHold(holds, row, verdict === HELD && reason === '');
      // Windows has no such verdict: from a callback it is none.
      const isLast = isDefined && verdict === ACCEPT;
      if (isLast) verdict = FORWARD;
      if (callback !== null) {
        const complaint = entry.driver?.leaveCallback() ?? '';
        if (reason === '') reason = complaint;
        standing.collect(callback);
      }
      if (reason === '') {
        // Windows has three; the others are for hooks made with defineHook.
        const isKnown = verdict === FORWARD || verdict === DROP || verdict === ICMP_ON_DROP;
        if (
          !isKnown &&
          !(isDefined && (verdict === REPLY || verdict === RESET || (verdict === HELD && isHeld(holds))))
        ) {
          reason = isDefined && verdict === HELD ? NOT_HELD : noVerdict(verdict);
          verdict = FORWARD;
        } else if (pool.faultsTotal !== poolFaults) {
          reason = 'misused the pool and hid it';
          error = pool.lastFault ?? undefined;
        } else if (
          context.sendInterfaceIndex !== sendIndex &&
          context.sendInterfaceIndex !== reach[0] &&
          context.sendInterfaceIndex !== reach[1]
        )
          reason = 'set an interface index that cannot be reached from here';
        else if (context.destinationType !== destinationType) {
          if (!Number.isInteger(context.destinationType)) reason = 'set a destination type that is no whole number';
          // A UCHAR: as in C, the lowest eight bits of what was assigned are what is there.
          else context.destinationType &= 0xff;
        }
      }
      const before = standing.current;
      if (standing.isTouched(lent, layout)) {
        const isTaken = reason === '' && (verdict === FORWARD || verdict === REPLY || verdict === HELD);
        const refusal = standing.take(isTaken, lent, layout);
        if (standing.isExhausted) return this.#poolExhausted();
        if (standing.hasTaken) count(counters, row + REPLACED);
        if (reason === '') reason = refusal;
      }
      if (standing.current === before) {
        if (!packet.hasCopy || (standing.isReplaced && !standing.isSound())) return this.#broken(i, row, error);
        if (tracksChanges && standing.hasChanged()) count(counters, row + CHANGED);
      }
      if (reason !== '') {
        this.faults += 1;
        const { hookFaults } = this;
        const faultVerdict = hookFaults.count(i, reason, error, context.timestamp);
        context.sendInterfaceIndex = sendIndex;
        context.destinationType = destinationType;
        const told = hookFaults.reasonOf(reason, error);
        this.#onFault(this.hooks[i] as LoadedHook, told, hookFaults.errorOf(error), entry.pointer);
        // What it made of the packet is not to be sent to anybody.
        if (verdict === REPLY) verdict = FORWARD;
        else if (verdict === HELD) {
          holds?.undo();
          verdict = FORWARD;
        }
        if (verdict === FORWARD) {
          if (faultVerdict === FORWARD) continue;
          this.byFault = true;
          this.decidedBy = i;
          count(counters, row + DROPPED);
          return faultVerdict;
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
      if (verdict === HELD) {
        this.heldBy = entry;
        if (!standing.join()) return this.#poolExhausted();
      }
      if ((verdict === REPLY || verdict === HELD) && !standing.isReplaced) packet.settle();
      return verdict;
    }
    standing.settle(bytes, layout);
    return FORWARD;
  }

  /**
   * The verdict of the hooks behind the one that held a packet. As {@link HookChain.run} otherwise.
   *
   * @param firstIndex - `sendInterfaceIndex` of the packet as it came
   */
  resume(
    resumed: Resumed,
    lent: IPRcvBuf,
    bytes: DatagramBuffer,
    layout: IpLayout,
    context: ContextState,
    firstIndex: number,
    otherIndex: number,
  ): Verdict {
    const { entry, verdict, chain, head } = resumed;
    const { hook, row } = entry;
    const counters = this.counters;
    this.#reasons?.forget();
    this.#flows?.resume(resumed.flow, resumed.flowGeneration, resumed.flowTold);
    this.decidedBy = -1;
    this.byFault = false;
    this.faults = 0;
    this.standing.begin(lent, bytes, layout);
    if (this.context !== context) this.#meet(context);
    if (head !== null) this.#packet.arrival.restore(head);
    if (resumed.isTimedOut) count(counters, row + HELD_TOO_LONG);
    if (chain !== null && !this.standing.restore(chain)) return this.#broken(hook, row, undefined);
    if (verdict === FORWARD) {
      count(counters, row + FORWARDED);
      this.#reach[0] = firstIndex;
      this.#reach[1] = otherIndex;
      return this.run(lent, bytes, layout, context, otherIndex, this.entries.behind(entry));
    }
    this.decidedBy = hook;
    if (verdict !== ACCEPT) {
      count(counters, row + columnOfVerdict(verdict));
      return verdict;
    }
    count(counters, row + ACCEPTED);
    return FORWARD;
  }

  /** How many packets each hook may let wait, by its number in the configuration. */
  #holdRules({ heldTooLong }: HookFaultPolicy): (HoldRule | null)[] {
    const rules: (HoldRule | null)[] = [];
    this.hooks.forEach((hook, index) => {
      rules[this.owners[index] as number] = hook.isShadow === true ? null : holdRuleOf(hook);
      const rule = rules[this.owners[index] as number] ?? null;
      if (rule !== null && heldTooLong !== 'hook')
        rules[this.owners[index] as number] = { ...rule, onTimeout: heldTooLong === 'drop' ? DROP : FORWARD };
    });
    return Array.from(rules, (rule) => rule ?? null);
  }

  #meet(context: ContextState): void {
    this.context = context;
    this.#packet.context = context;
    this.#contextView = new ContextView(context);
  }

  /**
   * Says what time it is for the flows, once a batch, and ends some of those that are over.
   *
   * @param nowMs - milliseconds on a clock that never jumps back; in replay that of the file
   */
  tick(nowMs: number): void {
    this.#flows?.table.expire(nowMs, ENDED_AT_ONCE);
    this.streams.tick(nowMs);
    if (this.#shadows !== null) for (const { chain } of this.#shadows) chain.tick(nowMs);
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

  /** Takes the reason from what a hook returned, and notes with which of its packets that was. Numbers stay in arrays: as parameters they are boxed. */
  #takeReason(hook: number, answer: unknown): unknown {
    if (this.#reasons === null) return answer;
    const { counters } = this;
    const row = hook * HOOK_WIDTH;
    this.#reasonAt[0] = counters[row + SEEN] as number;
    this.#reasonAt[1] = counters[row + SETTLED] as number;
    return this.#reasons.take(this.owners[hook] as number, answer);
  }

  /**
   * Place of the reason that the hook gave which ended the chain, in {@link HookReasons}; `NO_REASON` where it gave none, and where all said
   * FORWARD. To be read before the next {@link HookChain.run}.
   */
  get decidedReason(): number {
    const { decidedBy, counters } = this;
    if (this.#reasons === null || decidedBy < 0 || this.byFault) return NO_REASON;
    const row = decidedBy * HOOK_WIDTH;
    // Otherwise the hook was not called for this packet, or it was and gave none.
    if (this.#reasonAt[0] !== counters[row + SEEN] || this.#reasonAt[1] !== counters[row + SETTLED]) return NO_REASON;
    return this.#reasons.lastOf(this.owners[decidedBy] as number);
  }

  /** Whether the packet, as the hooks before have left it, belongs to the filter of a hook. */
  #isWanted(hook: number, { link, linkLength, originalLength }: ContextState): boolean {
    const { bytes, layout } = this.#packet;
    const { length } = layout;
    // What replaced the packet was never on the wire.
    const onWire = this.standing.isReplaced || originalLength < length ? length : originalLength;
    return this.#matchFilter(hook, bytes, length, link, linkLength, onWire);
  }

  /**
   * Ends a packet: gives a replacement back to the pool. To be called once after each {@link HookChain.run}.
   *
   * @param goesOn - its verdict was FORWARD, so that a flow that it starts begins
   * @param verdict - what hooks in shadow are compared with. @defaultValue FORWARD where it goes on, otherwise DROP
   */
  release(goesOn: boolean, verdict: Verdict = goesOn ? FORWARD : DROP): void {
    if (this.#flows !== null) this.#flows.end(goesOn);
    if (this.standing.isReplaced) this.standing.end();
    if (this.#shadows !== null) this.#endShadows(goesOn, verdict);
  }

  /**
   * Ends a packet whose verdict was HELD: its flow has not begun, and what replaced it waits with it.
   *
   * Ownership: returns owned, to come back with {@link HookChain.resume}.
   */
  suspend(): IPRcvBuf | null {
    if (this.#flows !== null) this.#flows.wait();
    if (this.#shadows !== null) this.#endShadows(false, HELD);
    return this.standing.detach();
  }

  /** Of the packet at hand: what {@link Resumed} has of its flow. */
  get flows(): ChainFlows | null {
    return this.#flows;
  }

  /** To be called when the packets of a batch are through: what a hook kept of them is dead. */
  endBatch(): void {
    this.#packet.endBatch();
    const { breakers } = this.hookFaults;
    if (breakers !== null && breakers.halfOpen > 0) breakers.settle();
    if (this.#shadows !== null) for (const { chain } of this.#shadows) chain.endBatch();
  }

  /** The packet as the hooks have left it, to be read, until the next {@link HookChain.run}. */
  get asItStands(): { readonly bytes: Buffer; readonly layout: IpLayout; readonly isPartial: boolean } {
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

  /** Has each call of a hook told to somebody from now on; null: to nobody. Not within a packet. */
  watch(watch: HookWatch | null): void {
    const call = this.#ownCalls;
    this.#watch = watch;
    this.#callHook =
      watch === null
        ? call
        : (hook, packet, context, isFresh) => {
            watch.enter(hook);
            try {
              return call(hook, packet, context, isFresh);
            } finally {
              watch.leave(hook);
            }
          };
  }

  /** Calls a hook through one of the doors of Windows. */
  #callDriver(entry: ChainEntry, layout: IpLayout, context: ContextState): Verdict {
    if (this.#watch === null) return this.#callWindows(entry, layout, context);
    this.#watch.enter(entry.hook);
    try {
      return this.#callWindows(entry, layout, context);
    } finally {
      this.#watch.leave(entry.hook);
    }
  }

  /** Seven arguments for IPv4, or the read-only one for IPv6. */
  #callWindows({ callback, ipv6, driver }: ChainEntry, layout: IpLayout, context: ContextState): Verdict {
    const { standing } = this;
    if (!standing.isReplaced) this.#packet.open();
    if (callback !== null) {
      driver?.enterCallback();
      return callback.call(standing.current, context);
    }
    const seen = standing.layoutOf(layout);
    const { direction, recvInterfaceIndex, sendInterfaceIndex } = context;
    const passes = (ipv6 as Ipv6Call)(
      standing.current?.ipr_buffer as Buffer,
      seen.length,
      seen.transportOffset,
      seen.protocol,
      direction === IP_TRANSMIT ? sendInterfaceIndex : recvInterfaceIndex,
      direction,
    );
    return passes ? FORWARD : DROP;
  }

  /** A hook is called with a packet just now. */
  get isCalling(): boolean {
    return this.#pool.owner !== RUNTIME_OWNER;
  }

  /** Counts a fault of a hook that happened outside of any packet. */
  countFault(hook: number): void {
    this.hookFaults.countBeside(hook, this.context?.timestamp ?? 0);
  }

  /** A packet meets the breaker of a hook that was taken out. @returns false where it ends there */
  #passesBreaker(hook: number, row: number, context: ContextState): boolean {
    const { breakers, dropsWhenOpen } = this.hookFaults;
    count(this.counters, row + BYPASSED);
    breakers?.meet(hook, context.timestamp);
    if (!dropsWhenOpen) return true;
    this.byFault = true;
    this.decidedBy = hook;
    count(this.counters, row + DROPPED);
    return false;
  }

  /** Opens or closes the breaker of a hook by command. @returns false where it has none */
  setBreaker(hook: number, isOpen: boolean): boolean {
    const chain = this.chainOf(hook);
    if (chain !== this) return chain.setBreaker(0, isOpen);
    const { breakers } = this.hookFaults;
    if (breakers === null || hook < 0 || hook >= this.hooks.length) return false;
    if (isOpen) breakers.open(hook, this.context?.timestamp ?? 0);
    else breakers.close(hook);
    return true;
  }

  /** Counts what a hook in shadow wanted to send. */
  countUnsent(hook: number): void {
    count(this.counters, hook * HOOK_WIDTH + UNSENT);
  }

  /** Ends a packet whose replacement a hook broke: nothing is left that could be forwarded. */
  #broken(hook: number, row: number, error: unknown): Verdict {
    this.holds?.undo();
    this.standing.end();
    this.faults += 1;
    this.byFault = true;
    this.decidedBy = hook;
    this.hookFaults.count(hook, '', error, this.context?.timestamp ?? 0);
    count(this.counters, row + DROPPED);
    this.#onFault(this.hooks[hook] as LoadedHook, 'broke the chain that stands for the packet', error, null);
    return DROP;
  }

  /** The chain that runs a hook: this one, or that of a hook in shadow. @param hook - its place */
  chainOf(hook: number): HookChain {
    return this.#shadowAt[hook]?.chain ?? this;
  }

  /** A hook that is not obeyed gets a chain of its own, which counts where this one would. */
  #shadowOf(index: number, options: HookChainOptions): ShadowHook {
    const owner = this.owners[index] as number;
    const first = index * HOOK_WIDTH;
    const chain = new HookChain({
      ...options,
      hooks: [{ ...(this.hooks[index] as LoadedHook), owner, isShadow: false }],
      // What it would change is counted: that is what a shadow is for.
      trackChanges: true,
      flows: options.shadowFlows?.get(owner) ?? null,
      counters: this.counters.subarray(first, first + HOOK_WIDTH),
      onBreaker: (_, state, sentence) => options.onBreaker?.(index, state, sentence),
    });
    return new ShadowHook(chain, options.pool);
  }

  /** Shows the packet, as the hooks before have left it, to one that is not obeyed; not where the pool cannot put it together. */
  #showShadow(shadow: ShadowHook, context: ContextState, otherIndex: number): void {
    if (this.standing.isReplaced && !this.standing.join()) return;
    shadow.run(this.#packet, context, otherIndex);
  }

  #endShadows(goesOn: boolean, verdict: Verdict): void {
    for (const shadow of this.#shadows as readonly ShadowHook[]) shadow.end(goesOn, verdict);
  }

  /** What came of the wish of a hook to let the packet wait. */
  #lookAtHold(holds: HoldList, row: number, isHeld: boolean): void {
    if (holds.isRefused) {
      holds.isRefused = false;
      count(this.counters, row + HOLDS_REFUSED);
    }
    if (!isHeld) holds.undo();
  }

  #poolExhausted(): Verdict {
    this.holds?.undo();
    this.decidedBy = POOL_EXHAUSTED;
    return DROP;
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
    case HELD:
      return HELD_PACKETS;
    default:
      return DROPPED;
  }
}

/** The hook has a place for the packet at hand. */
function isHeld(holds: HoldList | null): boolean {
  return holds !== null && holds.reserved !== NO_PLACE;
}

function count(counters: Float64Array, index: number): void {
  counters[index] = (counters[index] as number) + 1;
}
