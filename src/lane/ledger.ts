/**
 * The ledger: the counters that account for every packet of a way, and must add up.
 *
 * ```
 *   received = forwarded + dropped + rejected + lost          each packet ends in exactly one of them
 *   dropped  = by a hook + by a hook fault + malformed + not IP + unreadable
 *   lost     = too long + send error + pool exhausted + cut by the capture
 *   sent     = forwarded + extra fragments + ICMP errors + injected     (frames; nothing is sent in `tap`)
 *   received - extra segments = frames taken from the kernel            (a tunnel's super-frame is cut before the hooks)
 *   ICMP answers due = ICMP errors + held back + would be + refused     (refused: by the machine's own rules, or else)
 *   held back = over the budget of prefix or address + over that of the way + behind labels that lead one way only
 * ```
 * `nonIp` and `unreadable` count what was of that kind, forwarded or dropped; `passedTruncated` what was forwarded without
 * a hook seeing it because a capture file had too little of it.
 * Probe frames of the supervisor are in none of these sums; `probes` counts them.
 *
 * One row of numbers a way (an attach has one or two ways). Plain doubles: exact up to 2^53, no allocation to count.
 *
 * @module
 */

/** The counters of one way, in the order they stand in a row. */
export const LEDGER_COUNTERS = [
  'received',
  'receivedOctets',
  'extraSegments',
  'forwarded',
  'dropped',
  'rejected',
  'lost',
  'droppedByHook',
  'droppedByFault',
  'droppedMalformed',
  'droppedNonIp',
  'droppedUnreadable',
  'lostTooLong',
  'lostSendError',
  'lostPool',
  'lostTruncated',
  'nonIp',
  'unreadable',
  'passedTruncated',
  'hookFaults',
  'replaced',
  'sent',
  'sentOctets',
  'extraFragments',
  'icmpDue',
  'icmpErrors',
  'icmpSuppressed',
  'icmpOverPrefix',
  'icmpOverTotal',
  'icmpOneWay',
  'icmpWouldBe',
  'icmpRefused',
  'icmpDenied',
  'injected',
  'injectRefused',
  'injectDenied',
  'probes',
] as const;

/** Name of a counter. */
export type LedgerCounter = (typeof LEDGER_COUNTERS)[number];

/** A row as an object, for reports. */
export type LedgerRow = Record<LedgerCounter, number>;

/** Numbers in a row. */
export const LEDGER_WIDTH = LEDGER_COUNTERS.length;

function column(name: LedgerCounter): number {
  return LEDGER_COUNTERS.indexOf(name);
}

export const RECEIVED = column('received');
export const RECEIVED_OCTETS = column('receivedOctets');
export const EXTRA_SEGMENTS = column('extraSegments');
export const FORWARDED = column('forwarded');
export const DROPPED = column('dropped');
export const REJECTED = column('rejected');
export const LOST = column('lost');
export const DROPPED_BY_HOOK = column('droppedByHook');
export const DROPPED_BY_FAULT = column('droppedByFault');
export const DROPPED_MALFORMED = column('droppedMalformed');
export const DROPPED_NON_IP = column('droppedNonIp');
export const DROPPED_UNREADABLE = column('droppedUnreadable');
export const LOST_TOO_LONG = column('lostTooLong');
export const LOST_SEND_ERROR = column('lostSendError');
export const LOST_POOL = column('lostPool');
export const LOST_TRUNCATED = column('lostTruncated');
export const NON_IP = column('nonIp');
export const UNREADABLE = column('unreadable');
export const PASSED_TRUNCATED = column('passedTruncated');
export const HOOK_FAULTS = column('hookFaults');
export const REPLACED = column('replaced');
export const SENT = column('sent');
export const SENT_OCTETS = column('sentOctets');
export const EXTRA_FRAGMENTS = column('extraFragments');
/** What ICMP lets be answered: each is booked in one of the next four besides. */
export const ICMP_DUE = column('icmpDue');
export const ICMP_ERRORS = column('icmpErrors');
export const ICMP_SUPPRESSED = column('icmpSuppressed');
/** Of them: the address or its prefix has had its share; all together have; the way back is not known. */
export const ICMP_OVER_PREFIX = column('icmpOverPrefix');
export const ICMP_OVER_TOTAL = column('icmpOverTotal');
export const ICMP_ONE_WAY = column('icmpOneWay');
export const ICMP_WOULD_BE = column('icmpWouldBe');
export const ICMP_REFUSED = column('icmpRefused');
/** Of them: by the machine's own rules. */
export const ICMP_DENIED = column('icmpDenied');
export const INJECTED = column('injected');
export const INJECT_REFUSED = column('injectRefused');
/** Of them: by the machine's own rules. */
export const INJECT_DENIED = column('injectDenied');
export const PROBES = column('probes');

/** Largest counter that a double holds exactly: more is counted by none, whatever a lane says of itself. */
export const MOST_COUNTED: number = 2 ** 53;

/** An empty row as an object. */
export function emptyRow(): LedgerRow {
  return Object.fromEntries(LEDGER_COUNTERS.map((name) => [name, 0])) as LedgerRow;
}

/** The row that starts at `base` of `numbers` as an object. */
export function rowAt(numbers: Float64Array, base: number): LedgerRow {
  return Object.fromEntries(LEDGER_COUNTERS.map((name, i) => [name, numbers[base + i] ?? 0])) as LedgerRow;
}

/** Adds `more` to `row` in place, up to {@link MOST_COUNTED}. */
export function addRow(row: LedgerRow, more: LedgerRow): void {
  for (const name of LEDGER_COUNTERS) row[name] = Math.min(row[name] + more[name], MOST_COUNTED);
}

/**
 * What is wrong with a row, one sentence for each sum that does not add up; empty when all do.
 *
 * @param row - counters of a way, or a sum of several of the same kind
 * @param sends - false for `tap`, where a forwarded packet is not sent
 */
export function checkRow(row: LedgerRow, sends: boolean): string[] {
  const problems: string[] = [];
  const same = (what: string, left: number, right: number): void => {
    if (left !== right) problems.push(`${what}: ${left} against ${right}`);
  };
  same(
    'received = forwarded + dropped + rejected + lost',
    row.received,
    row.forwarded + row.dropped + row.rejected + row.lost,
  );
  same(
    'dropped = by hook + by fault + malformed + not IP + unreadable',
    row.dropped,
    row.droppedByHook + row.droppedByFault + row.droppedMalformed + row.droppedNonIp + row.droppedUnreadable,
  );
  same(
    'lost = too long + send error + pool + truncated',
    row.lost,
    row.lostTooLong + row.lostSendError + row.lostPool + row.lostTruncated,
  );
  same(
    'sent = forwarded + extra fragments + ICMP errors + injected',
    row.sent,
    sends ? row.forwarded + row.extraFragments + row.icmpErrors + row.injected : 0,
  );
  same(
    'ICMP answers due = ICMP errors + held back + would be + refused',
    row.icmpDue,
    row.icmpErrors + row.icmpSuppressed + row.icmpWouldBe + row.icmpRefused,
  );
  same(
    'held back = over the prefix + over the total + one way',
    row.icmpSuppressed,
    row.icmpOverPrefix + row.icmpOverTotal + row.icmpOneWay,
  );
  return problems;
}
