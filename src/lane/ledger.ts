/**
 * The ledger: the counters that account for every packet of a way, and must add up.
 *
 * ```
 *   received = forwarded + dropped + rejected + replied + reset + held + lost     each packet is in exactly one of them
 *   dropped  = by a hook + by a hook fault + malformed + not IP + unreadable
 *   lost     = too long + send error + pool exhausted + cut by the capture + held by a lane that ended
 *   sent     = forwarded + replied + extra fragments + ICMP errors + TCP resets + injected   (frames; nothing is sent in `tap`)
 *   received - extra segments = frames taken from the kernel            (a tunnel's super-frame is cut before the hooks)
 *   ICMP answers due = ICMP errors + held back + would be + refused     (refused: by the machine's own rules, or else)
 *   held back = over the budget of prefix or address + over that of the way + behind labels that lead one way only
 * ```
 * `nonIp` and `unreadable` count what was of that kind, forwarded or dropped; `passedTruncated` what was forwarded without
 * a hook seeing it because a capture file had too little of it.
 * Probe frames of the supervisor are in none of these sums; `probes` counts them.
 *
 * Where nothing is enforced (`enforce: false`) a way has two rows: what would be, as in `tap`, and what went on as it came.
 *
 * One row of numbers a way (an attach has one or two ways), in the order of `WAY_COUNTERS`; no allocation to count.
 *
 * @module
 */

import {
  columnOf,
  emptyRowOf,
  MOST_COUNTED,
  type Row,
  rowFrom,
  WAY_COUNTERS,
  WAY_SUMS,
  type WayCounter,
} from '../telemetry/counters.ts';

/** A row as an object, for reports. */
export type LedgerRow = Row<WayCounter>;

/** Numbers in a row. */
export const LEDGER_WIDTH: number = WAY_COUNTERS.length;

function column(name: WayCounter): number {
  return columnOf<WayCounter>(WAY_COUNTERS, name);
}

export const RECEIVED: number = column('received');
export const RECEIVED_OCTETS: number = column('receivedOctets');
export const EXTRA_SEGMENTS: number = column('extraSegments');
export const FORWARDED: number = column('forwarded');
export const DROPPED: number = column('dropped');
export const REJECTED: number = column('rejected');
export const REPLIED: number = column('replied');
export const RESET_PACKETS: number = column('reset');
export const RESETS: number = column('resets');
export const RESETS_HELD_BACK: number = column('resetsHeldBack');
export const RESETS_REFUSED: number = column('resetsRefused');
export const HELD_PACKETS: number = column('held');
export const LOST: number = column('lost');
export const DROPPED_BY_HOOK: number = column('droppedByHook');
export const DROPPED_BY_FAULT: number = column('droppedByFault');
export const DROPPED_MALFORMED: number = column('droppedMalformed');
export const DROPPED_NON_IP: number = column('droppedNonIp');
export const DROPPED_UNREADABLE: number = column('droppedUnreadable');
export const LOST_TOO_LONG: number = column('lostTooLong');
export const LOST_SEND_ERROR: number = column('lostSendError');
export const LOST_POOL: number = column('lostPool');
export const LOST_TRUNCATED: number = column('lostTruncated');
export const NON_IP: number = column('nonIp');
export const UNREADABLE: number = column('unreadable');
export const PASSED_TRUNCATED: number = column('passedTruncated');
export const HOOK_FAULTS: number = column('hookFaults');
export const ACCEPTED: number = column('accepted');
export const REPLACED: number = column('replaced');
export const SENT: number = column('sent');
export const SENT_OCTETS: number = column('sentOctets');
export const EXTRA_FRAGMENTS: number = column('extraFragments');
export const ICMP_DUE: number = column('icmpDue');
export const ICMP_ERRORS: number = column('icmpErrors');
export const ICMP_SUPPRESSED: number = column('icmpSuppressed');
export const ICMP_OVER_PREFIX: number = column('icmpOverPrefix');
export const ICMP_OVER_TOTAL: number = column('icmpOverTotal');
export const ICMP_ONE_WAY: number = column('icmpOneWay');
export const ICMP_WOULD_BE: number = column('icmpWouldBe');
export const ICMP_REFUSED: number = column('icmpRefused');
export const ICMP_DENIED: number = column('icmpDenied');
export const INJECTED: number = column('injected');
export const INJECT_REFUSED: number = column('injectRefused');
export const INJECT_DENIED: number = column('injectDenied');
export const PROBES: number = column('probes');

/** An empty row as an object. */
export function emptyRow(): LedgerRow {
  return emptyRowOf(WAY_COUNTERS);
}

/** The row that starts at `base` of `numbers` as an object. */
export function rowAt(numbers: Float64Array, base: number): LedgerRow {
  return rowFrom(WAY_COUNTERS, numbers, base);
}

/** Adds `more` to `row` in place, up to {@link MOST_COUNTED}. */
export function addRow(row: LedgerRow, more: LedgerRow): void {
  for (const { name } of WAY_COUNTERS) row[name] = Math.min(row[name] + more[name], MOST_COUNTED);
}

/**
 * What is wrong with a row, one sentence for each sum that does not add up; empty when all do.
 *
 * @param row - counters of a way, or a sum of several of the same kind
 * @param sends - false for `tap`, where a forwarded packet is not sent
 */
export function checkRow(row: LedgerRow, sends: boolean): string[] {
  return WAY_SUMS.flatMap(({ whole, parts, isOfSending }) => {
    const sum = isOfSending === true && !sends ? 0 : parts.reduce((all, part) => all + row[part], 0);
    return row[whole] === sum ? [] : [`${whole} = ${parts.join(' + ')}: ${row[whole]} against ${sum}`];
  });
}
