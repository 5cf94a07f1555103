/**
 * Who is called for a packet, in which order: the list that a hook chain walks, made anew when a driver changes it.
 *
 * ```
 *   hooks of the configuration ─┐
 *   callbacks that drivers add ─┴─> sorted: larger priority first, ties in order of registration ─> entries
 * ```
 * Rule: a list is never changed once it was handed out. A walk that is under way ends on the list it began with, and the next
 * packet meets the new one.
 *
 * @module
 */

import type { DriverDoor, Ipv6Call } from '../ddk/host.ts';
import type { IPPacketFirewallPtr } from '../firewall/constants.ts';
import { STATUS_INVALID_PARAMETER, STATUS_SUCCESS } from '../firewall/constants.ts';
import { MOST_DECIDERS } from '../flow/flow-records.ts';
import { CallbackDoor } from './callback-door.ts';
import type { Handlers, HoldRule } from './contract.ts';
import { filterOf, type LoadedHook } from './load-hook.ts';
import type { EndedFlow } from './packet/packet-contract.ts';
import type { ShadowHook } from './shadow-hook.ts';

/** What one call of a walk is made of: exactly one of `isDefined`, `callback`, `ipv6`, `shadow` and `isTripped` is there. */
interface EntryParts {
  readonly isDefined?: boolean;
  readonly handlers?: Handlers | null;
  readonly isFiltered?: boolean;
  readonly isHolding?: boolean;
  readonly callback?: CallbackDoor | null;
  readonly ipv6?: Ipv6Call | null;
  readonly driver?: DriverDoor | null;
  readonly pointer?: IPPacketFirewallPtr | null;
  readonly shadow?: ShadowHook | null;
  readonly isTripped?: boolean;
}

/** One call of a walk. A class, so that all entries have one layout in memory: the walk reads them for every packet. */
export class ChainEntry {
  /** Index of the hook in the chain's own order, which its counters have. */
  readonly hook: number;
  /** Where its counters start. */
  readonly row: number;
  /** Its number in the books of the pool. */
  readonly owner: number;
  /** The hook is made with `defineHook`. */
  readonly isDefined: boolean;
  /** It has a filter. */
  readonly isFiltered: boolean;
  /** Of a hook made with `defineHook`. */
  readonly handlers: Handlers | null;
  /** It is called for packets that start a flow or have none, and no others. */
  readonly isForFresh: boolean;
  /** Of its handlers. */
  readonly onFlowEnd: ((flow: EndedFlow) => void) | null;
  /** It may let packets wait. */
  readonly isHolding: boolean;
  /** Its bit among the hooks that settle flows; 0 where it has none. */
  readonly bit: number;
  readonly callback: CallbackDoor | null;
  readonly ipv6: Ipv6Call | null;
  /** The driver whose callback it is. */
  readonly driver: DriverDoor | null;
  /** What of {@link ChainEntry.callback} the driver knows it by. */
  readonly pointer: IPPacketFirewallPtr | null;
  /** It is called and not obeyed. */
  readonly shadow: ShadowHook | null;
  /** Its breaker is open: it is not called. */
  readonly isTripped: boolean;
  /** The configuration's, or the driver's own. */
  readonly priority: number;
  /** Among those of one priority in the configuration: what the driver said. */
  readonly ownPriority: number;
  readonly order: number;

  constructor(
    hook: number,
    row: number,
    owner: number,
    order: number,
    priority: number,
    ownPriority: number,
    parts: EntryParts,
  ) {
    this.hook = hook;
    this.row = row;
    this.owner = owner;
    this.isDefined = parts.isDefined ?? false;
    this.isFiltered = parts.isFiltered ?? false;
    const handlers = parts.handlers ?? null;
    this.handlers = handlers;
    this.isForFresh = handlers !== null && (handlers.onPacket ?? handlers.onStream) === undefined;
    this.onFlowEnd = handlers?.onFlowEnd ?? null;
    this.isHolding = parts.isHolding ?? false;
    this.bit = handlers !== null && hook < MOST_DECIDERS ? 1 << hook : 0;
    this.callback = parts.callback ?? null;
    this.ipv6 = parts.ipv6 ?? null;
    this.driver = parts.driver ?? null;
    this.pointer = parts.pointer ?? null;
    this.shadow = parts.shadow ?? null;
    this.isTripped = parts.isTripped ?? false;
    this.priority = priority;
    this.ownPriority = ownPriority;
    this.order = order;
  }
}

/** How many packets a hook may let wait; null for none. */
export function holdRuleOf(hook: LoadedHook): HoldRule | null {
  return hook.kind === 'defined' ? (hook.handlers?.hold ?? hook.definition.hold ?? null) : null;
}

/** Holds the list. */
export class ChainEntries {
  #all: readonly ChainEntry[];
  #list: readonly ChainEntry[];
  /** Whose entries are walked; null for all. */
  #only: number | null = null;
  /** Hooks whose breakers are open. */
  readonly #tripped = new Set<number>();
  #order = 0;
  readonly #hooks: readonly LoadedHook[];
  readonly #width: number;

  /**
   * @param hooks - in the chain's order
   * @param width - counters of a hook
   * @param shadows - by the place of the hook; null where it is obeyed
   */
  constructor(hooks: readonly LoadedHook[], width: number, shadows: readonly (ShadowHook | null)[] = []) {
    this.#hooks = hooks;
    this.#width = width;
    this.#all = hooks.flatMap((hook, index) => {
      if (hook.kind === 'driver') return [];
      const shadow = shadows[index] ?? null;
      if (shadow !== null) return [this.#make(index, 0, { shadow })];
      const callback = hook.kind === 'callback' ? new CallbackDoor(hook.callback) : null;
      const isFiltered = filterOf(hook) !== undefined;
      const handlers = hook.kind === 'defined' ? hook.handlers : null;
      return [
        this.#make(index, 0, {
          isDefined: callback === null,
          isFiltered,
          isHolding: holdRuleOf(hook) !== null,
          handlers,
          callback,
        }),
      ];
    });
    this.#list = this.#all;
  }

  /** For one walk. */
  get list(): readonly ChainEntry[] {
    return this.#list;
  }

  /** Place in the list behind an entry of a hook made with `defineHook`, which stays in it; 1 at least. */
  behind(entry: ChainEntry): number {
    const own = this.#list.indexOf(entry);
    // While its breaker is open another entry stands for it.
    const at = own === -1 ? this.#list.findIndex(({ hook, isTripped }) => isTripped && hook === entry.hook) : own;
    return at === -1 ? Math.max(1, this.#list.length) : at + 1;
  }

  /** From the next packet on the hook is not called, or called again. */
  trip(hook: number, isOpen: boolean): void {
    if (isOpen) this.#tripped.add(hook);
    else this.#tripped.delete(hook);
    this.#set(this.#all);
  }

  /** From now on only this hook is called, for a trial of each by itself; null for all of them. */
  walkOnly(hook: number | null): void {
    this.#only = hook;
    this.#set(this.#all);
  }

  /** Adds a callback of a driver. An NTSTATUS: the same one twice is STATUS_INVALID_PARAMETER. */
  addCallback(hook: number, driver: DriverDoor, pointer: IPPacketFirewallPtr, priority: number): number {
    if (this.#find(hook, pointer) !== undefined) return STATUS_INVALID_PARAMETER;
    this.#add(this.#make(hook, priority, { callback: new CallbackDoor(pointer), pointer, driver }));
    return STATUS_SUCCESS;
  }

  /** Takes it away. An NTSTATUS: one that is not there is STATUS_INVALID_PARAMETER. */
  removeCallback(hook: number, pointer: IPPacketFirewallPtr): number {
    const entry = this.#find(hook, pointer);
    if (entry === undefined) return STATUS_INVALID_PARAMETER;
    this.#set(this.#all.filter((one) => one !== entry));
    return STATUS_SUCCESS;
  }

  /** Sets the one hook for IPv6 of the chain; false where there is one. */
  setIpv6(hook: number, driver: DriverDoor, ipv6: Ipv6Call): boolean {
    if (this.#all.some((entry) => entry.ipv6 !== null)) return false;
    this.#add(this.#make(hook, 0, { ipv6, driver }));
    return true;
  }

  /** Takes that of this hook away, where it has it. */
  clearIpv6(hook: number): void {
    this.#set(this.#all.filter((entry) => entry.ipv6 === null || entry.hook !== hook));
  }

  /** The configuration's priority of a hook, its module's, or the largest of its callbacks. */
  priorityOf(hook: number): number {
    const own = this.#all.filter((entry) => entry.hook === hook).map(({ priority }) => priority);
    return this.#hooks[hook]?.priority ?? (own.length === 0 ? 0 : Math.max(...own));
  }

  #find(hook: number, pointer: IPPacketFirewallPtr): ChainEntry | undefined {
    return this.#all.find((entry) => entry.hook === hook && entry.pointer === pointer);
  }

  #make(hook: number, ownPriority: number, parts: EntryParts): ChainEntry {
    const priority = this.#hooks[hook]?.priority ?? ownPriority;
    const owner = this.#hooks[hook]?.owner ?? hook;
    return new ChainEntry(hook, hook * this.#width, owner, this.#order++, priority, ownPriority, parts);
  }

  #add(entry: ChainEntry): void {
    this.#set(
      [...this.#all, entry].sort(
        (a, b) =>
          b.priority - a.priority || (a.hook === b.hook ? b.ownPriority - a.ownPriority : 0) || a.order - b.order,
      ),
    );
  }

  #set(all: readonly ChainEntry[]): void {
    const only = this.#only;
    this.#all = all;
    const list = only === null ? all : all.filter((entry) => entry.hook === only);
    this.#list = this.#tripped.size === 0 ? list : list.map((entry) => this.#standIn(entry));
  }

  /** What stands for an entry while the breaker of its hook is open. */
  #standIn(entry: ChainEntry): ChainEntry {
    if (!this.#tripped.has(entry.hook)) return entry;
    const { hook, row, owner, order, priority, ownPriority } = entry;
    return new ChainEntry(hook, row, owner, order, priority, ownPriority, { isTripped: true });
  }
}
