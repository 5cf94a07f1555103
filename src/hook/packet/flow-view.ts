/**
 * The flow of a packet, and a flow that ends, as hooks see them.
 *
 * Rule: a view shows the flow at hand and no other. What is kept of it beyond the call shows nothing: 0, and no change.
 *
 * @module
 */

import {
  ENDED_CLOSED,
  ENDED_EVICTED,
  ENDED_REPLACED,
  MISSING_FRAGMENT,
  MISSING_FULL,
  MISSING_UNTRACKED,
} from '../../flow/flow-counters.ts';
import { endsOf, type FlowEnds } from '../../flow/flow-ends.ts';
import type { Column as NumbersOfFlows } from '../../flow/flow-store.ts';
import { type ChainFlows, NO_FLOW } from '../chain-flows.ts';
import type { Column, EndedFlow, Flow, FlowRecord, FlowState } from './packet-contract.ts';

/** By number, as in timeouts.ts. */
const STATES: readonly FlowState[] = ['new', 'established', 'closing', 'closed'];

/** What the flow table says of the packet at hand. */
export function flowStateOf({ table, index }: ChainFlows): FlowState {
  if (table.isInvalid === 1) return 'invalid';
  if (index === NO_FLOW) {
    switch (table.missing) {
      case MISSING_UNTRACKED:
        return 'untracked';
      case MISSING_FRAGMENT:
        return 'fragment';
      case MISSING_FULL:
        return 'full';
      default:
        return 'invalid';
    }
  }
  return table.isRelated === 1 ? 'related' : (STATES[table.records.stateOf(index)] as FlowState);
}

/** The books of a flow. */
export class RecordView implements FlowRecord {
  readonly #flows: ChainFlows;

  constructor(flows: ChainFlows) {
    this.#flows = flows;
  }

  get packets(): number {
    return this.packetsOf(0) + this.packetsOf(1);
  }

  get octets(): number {
    return this.octetsOf(0) + this.octetsOf(1);
  }

  get startedAt(): number {
    const { index, table } = this.#flows;
    return index === NO_FLOW ? 0 : table.records.firstMsOf(index);
  }

  get lastAt(): number {
    const { index, table } = this.#flows;
    return index === NO_FLOW ? 0 : table.records.lastMsOf(index);
  }

  packetsOf(direction: 0 | 1): number {
    const { index, table } = this.#flows;
    return index === NO_FLOW ? 0 : table.records.packetsOf(index, direction === 0 ? 0 : 1);
  }

  octetsOf(direction: 0 | 1): number {
    const { index, table } = this.#flows;
    return index === NO_FLOW ? 0 : table.records.octetsOf(index, direction === 0 ? 0 : 1);
  }

  ends(): FlowEnds {
    const { index, table } = this.#flows;
    if (index === NO_FLOW) throw new Error('a flow has no ends after the call that it was lent for');
    return endsOf(table.records, index);
  }
}

/** The flow of the packet at hand. */
export class FlowView extends RecordView implements Flow {
  readonly #flows: ChainFlows;

  constructor(flows: ChainFlows) {
    super(flows);
    this.#flows = flows;
    Object.freeze(this);
  }

  get isNew(): boolean {
    return this.#flows.index !== NO_FLOW && this.#flows.isFresh;
  }

  get isAnswered(): boolean {
    const { index, table } = this.#flows;
    return index !== NO_FLOW && table.records.isAnswered(index);
  }

  get direction(): 0 | 1 {
    return this.#flows.index === NO_FLOW ? 0 : this.#flows.table.direction;
  }

  settle(verdict: 0 | 1): void {
    if (verdict !== 0 && verdict !== 1) throw new RangeError('a flow is settled with FORWARD or DROP');
    this.#flows.settle(verdict);
  }
}

/** A flow that ends. */
export class EndedFlowView extends RecordView implements EndedFlow {
  readonly #flows: ChainFlows;

  constructor(flows: ChainFlows) {
    super(flows);
    this.#flows = flows;
    Object.freeze(this);
  }

  get reason(): EndedFlow['reason'] {
    switch (this.#flows.endReason) {
      case ENDED_CLOSED:
        return 'closed';
      case ENDED_REPLACED:
        return 'replaced';
      case ENDED_EVICTED:
        return 'evicted';
      default:
        return 'expired';
    }
  }
}

/** A column of a hook. */
export class ColumnView implements Column {
  readonly #flows: ChainFlows;
  readonly #numbers: NumbersOfFlows;

  constructor(flows: ChainFlows, name: string) {
    this.#flows = flows;
    this.#numbers = flows.column(name);
    Object.freeze(this);
  }

  get(_flow: FlowRecord): number {
    const { index } = this.#flows;
    return index === NO_FLOW ? 0 : (this.#numbers[index] as number);
  }

  set(_flow: FlowRecord, value: number): void {
    const { index } = this.#flows;
    if (index !== NO_FLOW) this.#numbers[index] = value;
  }

  add(_flow: FlowRecord, value: number): void {
    const { index } = this.#flows;
    if (index !== NO_FLOW) this.#numbers[index] = (this.#numbers[index] as number) + value;
  }
}
