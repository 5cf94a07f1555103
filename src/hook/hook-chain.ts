/**
 * Runs one packet through the hooks, larger priority first, until one of them gives a verdict other than FORWARD.
 *
 * This is the one place where a hook is called and where what it may do wrong is caught: a throw, a value that is no
 * verdict, a promise, a bad free, a replacement that is not a chain of the pool, an interface that cannot be reached.
 * Each is a hook fault: counted for that hook, reported, and `onHookError` decides.
 *
 * Rule: no allocation on the way of a packet that no hook replaces. What a hook hands over is freed here or by
 * {@link HookChain.release}, never twice.
 *
 * @module
 */

import type { FIREWALL_CONTEXT_T, IPPacketFirewallPtr, Ref } from '../firewall/constants.ts';
import { DROP, FORWARD, ICMP_ON_DROP } from '../firewall/constants.ts';
import type { IPRcvBuf } from '../firewall/ip-rcv-buf.ts';
import { chainLength, gatherChain } from '../firewall/ip-rcv-buf.ts';
import type { Pool } from '../firewall/pool.ts';
import { IpLayout, parseIpLayout } from '../wire/ip-layout.ts';
import type { DefinedHook, Verdict } from './contract.ts';
import type { LoadedHook } from './load-hook.ts';
import type { ContextView } from './packet-view.ts';
import { PacketView } from './packet-view.ts';

/** Counters of one hook, as offsets into its row of {@link HookChain.counters}. */
export const HOOK_SEEN = 0;
export const HOOK_FORWARDED = 1;
export const HOOK_DROPPED = 2;
export const HOOK_REJECTED = 3;
export const HOOK_REPLACED = 4;
/** Changed in place. Counted only where the chain tracks changes (replay, tap): it costs a copy of each packet. */
export const HOOK_CHANGED = 5;
export const HOOK_FAULTS = 6;
/** Length of a hook's row. */
export const HOOK_COUNTERS = 7;

/** Longest IP datagram without a jumbo option, in octets. */
const MAX_DATAGRAM = 65_535;

/** What decides a packet when a hook is at fault. */
export type OnHookError = 'drop' | 'forward';

/** What {@link HookChain} is made of. */
export interface HookChainOptions {
  /** In any order; the chain sorts them. */
  readonly hooks: readonly LoadedHook[];
  readonly onHookError: OnHookError;
  readonly pool: Pool;
  /** Called for each hook fault, on the packet path: must limit its own rate. */
  readonly onFault: (hook: LoadedHook, reason: string, error: unknown) => void;
  /** Count in-place changes, at the price of a copy per packet. Default false. */
  readonly trackChanges?: boolean;
}

/** The hooks of a lane in running order, and the state of the packet that is among them. */
export class HookChain {
  /** In running order: larger priority first, ties in order of registration. */
  readonly hooks: readonly LoadedHook[];
  /** One row of {@link HOOK_COUNTERS} numbers a hook, in running order. */
  readonly counters: Float64Array;
  /** The chain that stands for the packet after {@link HookChain.run}: the one handed in, or a replacement. */
  current: IPRcvBuf | null = null;
  /** True when `current` is a replacement, which {@link HookChain.release} must give back. */
  replaced = false;
  /** Index of the hook that ended the chain, -1 when all said FORWARD. */
  decidedBy = -1;
  /** True when the verdict came from `onHookError`. */
  byFault = false;
  /** Hook faults during the last {@link HookChain.run}. */
  faults = 0;

  readonly #definitions: (DefinedHook | null)[];
  readonly #callbacks: (IPPacketFirewallPtr | null)[];
  readonly #pool: Pool;
  readonly #faultVerdict: Verdict;
  readonly #onFault: HookChainOptions['onFault'];
  readonly #packet = new PacketView();
  readonly #replacementLayout = new IpLayout();
  readonly #scratch: Buffer = Buffer.alloc(MAX_DATAGRAM);
  /** A copy of the packet as the running hook got it; null when changes are not tracked. */
  #before: Buffer | null;

  // The cells of the seven-argument door, made once and used again for every call.
  readonly #pData: Ref<IPRcvBuf | null> = { value: null };
  readonly #pSendInterfaceIndex: Ref<number> = { value: 0 };
  readonly #pDestinationType: Ref<number> = { value: 0 };
  readonly #ppRcvBuf: Ref<IPRcvBuf | null> = { value: null };
  /** What the last seven-argument hook left in its cells. */
  #handedOver: IPRcvBuf | null = null;
  readonly #firewallContext: FIREWALL_CONTEXT_T = {
    Direction: 0,
    NTE: null,
    LinkCtxt: null,
    LContext1: null,
    LContext2: 0,
  };

  constructor(options: HookChainOptions) {
    this.hooks = sortByPriority(options.hooks);
    this.#definitions = this.hooks.map((hook) => (hook.kind === 'defined' ? hook.definition : null));
    this.#callbacks = this.hooks.map((hook) => (hook.kind === 'callback' ? hook.callback : null));
    this.counters = new Float64Array(this.hooks.length * HOOK_COUNTERS);
    this.#pool = options.pool;
    this.#faultVerdict = options.onHookError === 'drop' ? DROP : FORWARD;
    this.#onFault = options.onFault;
    this.#before = options.trackChanges === true ? Buffer.alloc(MAX_DATAGRAM + 1) : null;
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
  run(lent: IPRcvBuf, bytes: Buffer, layout: IpLayout, context: ContextView, otherIndex: number): Verdict {
    const definitions = this.#definitions;
    const counters = this.counters;
    const pool = this.#pool;
    const packet = this.#packet;
    const firstIndex = context.sendInterfaceIndex;
    this.current = lent;
    this.replaced = false;
    this.decidedBy = -1;
    this.byFault = false;
    this.faults = 0;
    packet.load(lent, bytes, layout);

    for (let i = 0, row = 0; i < definitions.length; i++, row += HOOK_COUNTERS) {
      count(counters, row + HOOK_SEEN);
      const definition = definitions[i] as DefinedHook | null;
      if (definition !== null && this.replaced && !this.#linearise()) return this.#poolExhausted();
      if (this.#before !== null) this.#remember();
      const sendIndex = context.sendInterfaceIndex;
      const poolFaults = pool.faultsTotal;
      let verdict: Verdict;
      let reason = '';
      let error: unknown;
      pool.owner = i;
      try {
        verdict =
          definition !== null
            ? definition.onPacket(packet, context)
            : this.#call(this.#callbacks[i] as IPPacketFirewallPtr, context);
      } catch (thrown) {
        verdict = FORWARD;
        reason = 'threw';
        error = thrown;
      }
      pool.owner = -1;
      if (definition === null) this.#collectCells();
      if (reason === '') {
        if (verdict !== FORWARD && verdict !== DROP && verdict !== ICMP_ON_DROP) reason = noVerdict(verdict);
        else if (pool.faultsTotal !== poolFaults) reason = 'misused the pool and hid it';
        else if (
          context.sendInterfaceIndex !== sendIndex &&
          context.sendInterfaceIndex !== firstIndex &&
          context.sendInterfaceIndex !== otherIndex
        )
          reason = 'set an interface index that cannot be reached from here';
      }
      if (this.#handedOver !== null || packet.replacement !== null || this.#isReshaped(lent, bytes, layout)) {
        const refusal = this.#takeOver(row, reason === '' && verdict === FORWARD, lent, bytes, layout);
        if (this.decidedBy === POOL_EXHAUSTED) return DROP;
        if (reason === '') reason = refusal;
      } else if (this.replaced && !this.#isSound()) {
        this.#abandon();
        this.faults += 1;
        count(counters, row + HOOK_FAULTS);
        this.#onFault(this.hooks[i] as LoadedHook, 'broke the chain that stands for the packet', error);
        this.byFault = true;
        this.decidedBy = i;
        count(counters, row + HOOK_DROPPED);
        return DROP;
      } else if (this.#before !== null) this.#compare(row);
      if (reason !== '') {
        this.faults += 1;
        count(counters, row + HOOK_FAULTS);
        context.sendInterfaceIndex = sendIndex;
        this.#onFault(this.hooks[i] as LoadedHook, reason, error);
        if (this.#faultVerdict === FORWARD) continue;
        this.byFault = true;
        this.decidedBy = i;
        count(counters, row + HOOK_DROPPED);
        return this.#faultVerdict;
      }
      if (verdict === FORWARD) {
        count(counters, row + HOOK_FORWARDED);
        continue;
      }
      this.decidedBy = i;
      count(counters, row + (verdict === DROP ? HOOK_DROPPED : HOOK_REJECTED));
      return verdict;
    }
    return FORWARD;
  }

  /** Gives a replacement back to the pool. To be called once after each {@link HookChain.run}. */
  release(): void {
    if (this.replaced && this.current !== null) this.#pool.release(this.current);
    this.current = null;
    this.replaced = false;
  }

  /** True when the last verdict was forced because the pool had no memory for a replacement. */
  get poolWasExhausted(): boolean {
    return this.decidedBy === POOL_EXHAUSTED;
  }

  /** Calls a hook through the seven-argument door. */
  #call(callback: IPPacketFirewallPtr, context: ContextView): Verdict {
    this.#pData.value = this.current;
    this.#ppRcvBuf.value = null;
    this.#pSendInterfaceIndex.value = context.sendInterfaceIndex;
    this.#pDestinationType.value = context.destinationType;
    this.#firewallContext.Direction = context.direction;
    const verdict = callback(
      this.#pData,
      context.recvInterfaceIndex,
      this.#pSendInterfaceIndex,
      this.#pDestinationType,
      this.#firewallContext,
      SIZEOF_FIREWALL_CONTEXT,
      this.#ppRcvBuf,
    );
    context.sendInterfaceIndex = this.#pSendInterfaceIndex.value;
    context.destinationType = this.#pDestinationType.value;
    return verdict;
  }

  /** Reads what the seven-argument hook left in its cells, and empties them. */
  #collectCells(): void {
    const replacement = this.#ppRcvBuf.value;
    const data = this.#pData.value === this.current ? null : this.#pData.value;
    this.#handedOver = replacement ?? data;
    if (replacement !== null && data !== null && data !== replacement) this.#discard(data);
    this.#pData.value = null;
    this.#ppRcvBuf.value = null;
  }

  /** True when the hook changed the runtime's own descriptor: shortened it, or put a tail behind it. */
  #isReshaped(lent: IPRcvBuf, bytes: Buffer, layout: IpLayout): boolean {
    return lent.ipr_next !== null || lent.ipr_size !== layout.length || lent.ipr_buffer !== bytes;
  }

  /**
   * Takes what the hook handed over and frees what it replaces.
   *
   * @param accept - false: the hook did not say FORWARD or is at fault, so that everything it handed over is freed
   * @returns the reason of a refusal, or ''
   */
  #takeOver(row: number, accept: boolean, lent: IPRcvBuf, bytes: Buffer, layout: IpLayout): string {
    const pool = this.#pool;
    const packet = this.#packet;
    const candidate = this.#handedOver ?? packet.replacement;
    for (const abandoned of packet.abandoned) if (abandoned !== candidate) this.#discard(abandoned);
    this.#handedOver = null;
    packet.clearReplacement();
    if (candidate === null || candidate === lent) return this.#takeReshaped(row, accept, lent, bytes, layout);
    restore(lent, bytes, layout);
    if (candidate === this.current) return '';
    if (!pool.isOwnedChain(candidate)) return 'handed over a chain that is not its own from the pool';
    pool.adopt(candidate);
    const size = chainLength(candidate);
    if (!accept || size > MAX_DATAGRAM || !this.#parse(candidate, size)) {
      pool.release(candidate);
      return accept ? 'handed over a chain that holds no well-formed IP datagram' : '';
    }
    if (this.replaced && this.current !== null) pool.release(this.current);
    this.#adopt(candidate, row);
    return '';
  }

  /** From here on `chain` stands for the packet; its layout has been parsed. */
  #adopt(chain: IPRcvBuf, row: number): void {
    this.current = chain;
    this.replaced = true;
    count(this.counters, row + HOOK_REPLACED);
    this.#load(chain);
  }

  #load(chain: IPRcvBuf): void {
    if (chain.ipr_next === null && chain.ipr_buffer !== null)
      this.#packet.load(chain, chain.ipr_buffer, this.#replacementLayout);
  }

  /** True when the replacement is still a chain that can be read and freed, whatever the last hook did to it. */
  #isSound(): boolean {
    const chain = this.current;
    if (chain === null) return false;
    const size = chainLength(chain);
    if (size <= 0 || size > MAX_DATAGRAM || !this.#parse(chain, size)) return false;
    this.#load(chain);
    return true;
  }

  /** Lets go of a replacement that a hook broke; what cannot be freed any more stays in the books as leaked. */
  #abandon(): void {
    if (this.current !== null) this.#pool.release(this.current);
    this.current = null;
    this.replaced = false;
  }

  /** The lent descriptor was shortened or got a tail: both become a replacement of one buffer. */
  #takeReshaped(row: number, accept: boolean, lent: IPRcvBuf, bytes: Buffer, layout: IpLayout): string {
    const pool = this.#pool;
    const tail = lent.ipr_next;
    const size = lent.ipr_size;
    const sameBuffer = lent.ipr_buffer === bytes;
    restore(lent, bytes, layout);
    if (tail !== null && !pool.isOwnedChain(tail)) return 'linked a buffer that is not its own from the pool';
    if (!sameBuffer || !Number.isInteger(size) || size < 0 || size > layout.length) {
      if (tail !== null) pool.release(tail);
      return 'changed the descriptor of a buffer that it does not own';
    }
    if (!accept) {
      if (tail !== null) pool.release(tail);
      return '';
    }
    const total = size + (tail === null ? 0 : chainLength(tail));
    const joined = total > MAX_DATAGRAM ? null : pool.allocateChain(total);
    if (joined === null || joined.ipr_buffer === null) {
      if (tail !== null) pool.release(tail);
      this.decidedBy = POOL_EXHAUSTED;
      return '';
    }
    bytes.copy(joined.ipr_buffer, 0, 0, size);
    if (tail !== null) {
      gatherChain(tail, joined.ipr_buffer, size);
      pool.release(tail);
    }
    if (!this.#parse(joined, total)) {
      pool.release(joined);
      return 'left no well-formed IP datagram';
    }
    if (this.replaced && this.current !== null) pool.release(this.current);
    this.#adopt(joined, row);
    return '';
  }

  /** Frees a handed-over chain that stands for nothing, if it is one of the pool's and not the packet itself. */
  #discard(chain: IPRcvBuf): void {
    if (chain !== this.current && this.#pool.isOwnedChain(chain)) this.#pool.release(chain);
  }

  #parse(chain: IPRcvBuf, size: number): boolean {
    const single = chain.ipr_next === null ? chain.ipr_buffer : null;
    if (single !== null) return parseIpLayout(single, 0, size, size, this.#replacementLayout);
    gatherChain(chain, this.#scratch, 0);
    return parseIpLayout(this.#scratch, 0, size, size, this.#replacementLayout);
  }

  /** A `defineHook` hook sees one buffer: a replacement of several is joined for it. False when the pool is exhausted. */
  #linearise(): boolean {
    const chain = this.current;
    if (chain === null || chain.ipr_next === null) return true;
    const size = chainLength(chain);
    const joined = this.#pool.allocateChain(size);
    if (joined === null || joined.ipr_buffer === null) return false;
    gatherChain(chain, joined.ipr_buffer, 0);
    this.#pool.release(chain);
    this.current = joined;
    if (!parseIpLayout(joined.ipr_buffer, 0, size, size, this.#replacementLayout)) return false;
    this.#packet.load(joined, joined.ipr_buffer, this.#replacementLayout);
    return true;
  }

  #poolExhausted(): Verdict {
    this.decidedBy = POOL_EXHAUSTED;
    return DROP;
  }

  #remember(): void {
    if (this.current !== null && this.#before !== null && chainLength(this.current) <= MAX_DATAGRAM)
      gatherChain(this.current, this.#before, 0);
  }

  #compare(row: number): void {
    const size = this.current === null ? -1 : chainLength(this.current);
    if (this.#before === null || this.current === null || size < 0 || size > MAX_DATAGRAM) return;
    gatherChain(this.current, this.#scratch, 0);
    if (this.#before.compare(this.#scratch, 0, size, 0, size) !== 0) count(this.counters, row + HOOK_CHANGED);
  }
}

/** Value of `decidedBy` when the pool, not a hook, ended the chain. */
const POOL_EXHAUSTED = -2;

/** sizeof(FIREWALL_CONTEXT_T) on x64. */
const SIZEOF_FIREWALL_CONTEXT = 40;

function sortByPriority(hooks: readonly LoadedHook[]): LoadedHook[] {
  return hooks
    .map((hook, order) => ({ hook, order }))
    .sort((a, b) => (b.hook.priority ?? 0) - (a.hook.priority ?? 0) || a.order - b.order)
    .map(({ hook }) => hook);
}

function count(counters: Float64Array, index: number): void {
  counters[index] = (counters[index] as number) + 1;
}

function restore(lent: IPRcvBuf, bytes: Buffer, layout: IpLayout): void {
  lent.ipr_next = null;
  lent.ipr_buffer = bytes;
  lent.ipr_size = layout.length;
}

function noVerdict(value: unknown): string {
  if (typeof value === 'object' && value !== null && 'then' in value)
    return 'returned a promise; a hook gives its verdict before it returns';
  return `returned ${typeof value === 'number' ? String(value) : typeof value}, which is no verdict`;
}
