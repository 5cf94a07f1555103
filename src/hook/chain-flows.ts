/**
 * The flow table of a hook chain: which flow the packet at hand belongs to, and what the hooks have settled about it.
 *
 * ```
 *   begin(packet as it came) ─> hooks, but those that have settled the flow ─> end(goes on?)
 *      resume(packet that waited) ──^                                        └> wait()  └─ the first packet was stopped: no flow begins
 * ```
 * Rules:
 * - A flow begins with a packet that goes on. One that a hook stops leaves no flow behind, so that the next packet of the same ends is new as well;
 *   unless the hook settled the flow, which is then dropped without a call. While the first packet waits, each that follows is new as well: or
 *   the second would go on while nobody has decided about the first.
 * - An invalid packet belongs to no flow as hooks see it, and nothing that was settled holds for it.
 * - Which flow it is, is decided by the packet as it came: what hooks write into it changes nothing of that.
 *
 * @module
 */

import type { EndReason } from '../flow/flow-counters.ts';
import { SETTLED_DROP, SETTLED_FORWARD } from '../flow/flow-records.ts';
import type { ColumnType, Column as NumbersOfFlows } from '../flow/flow-store.ts';
import { FlowTable } from '../flow/flow-table.ts';
import type { FlowTimeouts } from '../flow/timeouts.ts';
import type { IpLayout } from '../wire/ip-layout.ts';
import { asksForFlows, columnsOf } from './check-definition.ts';
import type { LoadedHook } from './load-hook.ts';

/** How the flow table of a lane is made. */
export interface FlowSettings {
  /** Most flows at a time. */
  readonly most: number;
  readonly timeouts: Partial<FlowTimeouts>;
}

/** Where nothing is said: 13 MiB. */
export const DEFAULT_FLOWS: FlowSettings = { most: 65_536, timeouts: {} };

/** The flow table of these hooks; null where none asks for one. @throws RangeError when the memory is not to be had */
export function flowsOf(hooks: readonly LoadedHook[], settings: FlowSettings): ChainFlows | null {
  const isAsked = hooks.some((hook) => hook.kind === 'defined' && asksForFlows(hook.definition));
  return isAsked ? new ChainFlows(settings, columnsOfChain(hooks)) : null;
}

/** The columns of all hooks, each known by the number and the name of its hook. */
export function columnsOfChain(hooks: readonly LoadedHook[]): Record<string, ColumnType> {
  const columns: Record<string, ColumnType> = {};
  for (const hook of hooks) {
    if (hook.kind !== 'defined') continue;
    for (const [name, type] of Object.entries(columnsOf(hook.definition))) columns[columnKey(hook, name)] = type;
  }
  return columns;
}

/** What a column of a hook is called in the table. */
export function columnKey({ owner = -1 }: LoadedHook, name: string): string {
  return `${owner}:${name}`;
}

/** No flow. */
export const NO_FLOW = -1;

/** The flows of a chain. */
export class ChainFlows {
  readonly table: FlowTable;
  /** Of the packet at hand, or of the flow that ends; {@link NO_FLOW} for none, and between packets. */
  index: number = NO_FLOW;
  /** No packet of the flow has gone on yet: this one starts it, or has none. */
  isFresh = false;
  /** Hooks that let the packets of the flow go on: a bit each. */
  forwards = 0;
  /** Hooks that drop the packets of the flow: a bit each. */
  drops = 0;
  /** The hook that runs. */
  hook = 0;
  /** Of the packet at hand, when it is an invalid one: the flow that it seems to be of, {@link NO_FLOW} for none. */
  claimed: number = NO_FLOW;
  /** Why the flow at `index` ends. */
  endReason: EndReason = 0;
  /** Told when a flow ends; not of one that never began. */
  onEnd: () => void = () => undefined;
  /** Told of every index whose flow ends, also of one that never began, while its record can be read. */
  onGone: (index: number) => void = () => undefined;
  #isUndone = false;

  /** @throws RangeError when `most` is out of range, or the memory is not to be had */
  constructor({ most, timeouts }: FlowSettings, columns: Readonly<Record<string, ColumnType>>) {
    this.table = new FlowTable({ most, timeouts, columns, onEnd: (index, reason) => this.#end(index, reason) });
  }

  /** The numbers of a column. */
  column(name: string): NumbersOfFlows {
    return this.table.column(name);
  }

  /** The packet at hand from now on. Cost: a look-up, no allocation. */
  begin(bytes: Uint8Array, layout: IpLayout, zone: number): void {
    const { table } = this;
    const index = table.track(bytes, layout, layout.length, zone);
    this.claimed = NO_FLOW;
    if (index < 0 || table.isInvalid === 1) {
      this.index = NO_FLOW;
      if (table.isInvalid === 1) this.claimed = index;
      this.isFresh = true;
      this.forwards = 0;
      this.drops = 0;
      return;
    }
    this.#have(index);
  }

  /**
   * A packet that waited is at hand again. Where its flow has ended meanwhile it belongs to none.
   *
   * @param index - of its flow; {@link NO_FLOW} where it had none
   * @param told - what the table said of it
   */
  resume(index: number, generation: number, told: number): void {
    const found = this.table.recall(index, generation, told);
    const isInvalid = this.table.isInvalid === 1;
    this.claimed = isInvalid ? found : NO_FLOW;
    if (found >= 0 && !isInvalid) {
      this.#have(found);
      return;
    }
    this.index = NO_FLOW;
    this.isFresh = true;
    this.forwards = 0;
    this.drops = 0;
  }

  #have(index: number): void {
    const { records } = this.table;
    this.index = index;
    this.isFresh = !records.isBegun(index);
    this.forwards = records.forwardsOf(index);
    this.drops = records.dropsOf(index);
  }

  /** The packet has been judged. */
  end(goesOn: boolean): void {
    const { index, table } = this;
    if (this.isFresh && index !== NO_FLOW) {
      if (goesOn || table.records.dropsOf(index) !== 0) table.records.begin(index);
      else {
        this.#isUndone = true;
        table.remove(index);
        this.#isUndone = false;
      }
    }
    this.index = NO_FLOW;
  }

  /** The packet waits: nobody has judged it yet. */
  wait(): void {
    this.index = NO_FLOW;
  }

  /** What the hook that runs does with the packets of this flow from the next one on. */
  settle(verdict: number): void {
    if (this.index !== NO_FLOW)
      this.table.records.settle(this.index, this.hook, verdict === 0 ? SETTLED_FORWARD : SETTLED_DROP);
  }

  #end(index: number, reason: EndReason): void {
    this.onGone(index);
    if (this.#isUndone) return;
    const atHand = this.index;
    this.index = index;
    this.endReason = reason;
    this.onEnd();
    this.index = atHand;
  }
}
