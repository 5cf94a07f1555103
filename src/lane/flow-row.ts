/**
 * The counters of a flow table as a row of the progress file.
 *
 * Rule: one place says which place of the table's counters a column of `FLOW_COUNTERS` is. No allocation.
 *
 * @module
 */

import {
  COUNT_ENDED,
  COUNT_FRAGMENTS,
  COUNT_FRAGMENTS_LOST,
  COUNT_INVALID,
  COUNT_MADE,
  COUNT_PICKED_UP,
  COUNT_REFUSED,
  COUNT_RELATED,
  COUNT_UNTRACKED,
  ENDED_CLOSED,
  ENDED_EVICTED,
  ENDED_EXPIRED,
  ENDED_REMOVED,
  ENDED_REPLACED,
  INVALID_ACK,
  INVALID_FLAGS,
  INVALID_HEADER,
  INVALID_QUOTE,
  INVALID_RESET,
  INVALID_SEQUENCE,
  INVALID_STATE,
} from '../flow/flow-counters.ts';
import type { FlowTable } from '../flow/flow-table.ts';
import { columnOf, FLOW_COUNTERS, type FlowCounter, type Row, rowFrom } from '../telemetry/counters.ts';

/** A row as an object. */
export type FlowRow = Row<FlowCounter>;

/** Numbers in a row. */
export const FLOW_WIDTH: number = FLOW_COUNTERS.length;

/** Where in the counters of a table a column stands; those that are left out are no counters of the table. */
const PLACES: Readonly<Partial<Record<FlowCounter, number>>> = {
  made: COUNT_MADE,
  pickedUp: COUNT_PICKED_UP,
  expired: COUNT_ENDED + ENDED_EXPIRED,
  closed: COUNT_ENDED + ENDED_CLOSED,
  replaced: COUNT_ENDED + ENDED_REPLACED,
  evicted: COUNT_ENDED + ENDED_EVICTED,
  removed: COUNT_ENDED + ENDED_REMOVED,
  refused: COUNT_REFUSED,
  invalidFlags: COUNT_INVALID + INVALID_FLAGS,
  invalidState: COUNT_INVALID + INVALID_STATE,
  invalidSequence: COUNT_INVALID + INVALID_SEQUENCE,
  invalidAck: COUNT_INVALID + INVALID_ACK,
  invalidReset: COUNT_INVALID + INVALID_RESET,
  invalidHeader: COUNT_INVALID + INVALID_HEADER,
  invalidQuote: COUNT_INVALID + INVALID_QUOTE,
  related: COUNT_RELATED,
  fragments: COUNT_FRAGMENTS,
  fragmentsLost: COUNT_FRAGMENTS_LOST,
  untracked: COUNT_UNTRACKED,
};

/** Of each column its place, -1 for none. */
const PLACE_OF_COLUMN = Int32Array.from(FLOW_COUNTERS, ({ name }) => PLACES[name] ?? -1);
const NOW = columnOf<FlowCounter>(FLOW_COUNTERS, 'now');
const MOST = columnOf<FlowCounter>(FLOW_COUNTERS, 'most');
const INVALID = columnOf<FlowCounter>(FLOW_COUNTERS, 'invalid');

/** Writes the row of a table at `base` of `numbers`. */
export function writeFlowRow(table: FlowTable, numbers: Float64Array, base: number): void {
  const { counters } = table;
  for (let column = 0; column < FLOW_WIDTH; column++) {
    const place = PLACE_OF_COLUMN[column] as number;
    if (place >= 0) numbers[base + column] = counters[place] as number;
  }
  let invalid = 0;
  for (let reason = INVALID_FLAGS; reason <= INVALID_QUOTE; reason++)
    invalid += counters[COUNT_INVALID + reason] as number;
  numbers[base + NOW] = table.size;
  numbers[base + MOST] = table.most;
  numbers[base + INVALID] = invalid;
}

/** The row of a table as an object. */
export function flowRowOf(table: FlowTable): FlowRow {
  const numbers = new Float64Array(FLOW_WIDTH);
  writeFlowRow(table, numbers, 0);
  return rowFrom(FLOW_COUNTERS, numbers, 0);
}

/** What is left of a row when its lane has ended: its flows are gone. */
export function endedFlowRow(row: Readonly<FlowRow>): FlowRow {
  return { ...row, now: 0, most: 0 };
}
