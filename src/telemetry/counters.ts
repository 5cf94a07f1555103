/**
 * Every counter of the packet path, in tables: what is counted for a way, for a hook, and in the flow table.
 *
 * ```
 *   table ─> columns of the rows that a lane counts in, of its progress file, of sums, reports and every output
 * ```
 * Rule: a counter is named here and nowhere else; a new one is one line. The order is that of the columns and of the tables that people
 * read. Numbers are doubles, exact up to 2^53.
 *
 * @module
 */

/** One counter. */
export interface Counter {
  readonly name: string;
  /** In the tables of `firehook stats` and `firehook hooks`; null where it is in none. */
  readonly label: string | null;
  /** How far it is indented there: it is part of the one above that is indented less. */
  readonly depth: 0 | 1 | 2;
  /** Shown also while it is 0. */
  readonly isAlways: boolean;
  /** One sentence for whoever reads the number. */
  readonly help: string;
}

function counter<const Name extends string>(
  name: Name,
  label: string | null,
  depth: 0 | 1 | 2,
  shown: 'always' | 'counted',
  help: string,
): Counter & { readonly name: Name } {
  return { name, label, depth, isAlways: shown === 'always', help };
}

/** Of one way: each packet ends in exactly one of `forwarded`, `dropped`, `rejected` and `lost`. */
export const WAY_COUNTERS = [
  counter('received', 'received', 0, 'always', 'Packets that came in.'),
  counter('receivedOctets', null, 0, 'counted', 'Octets of their frames.'),
  counter(
    'extraSegments',
    'extra segments',
    1,
    'counted',
    'Of them, those that a super-frame of a tunnel was cut into, but the first.',
  ),
  counter('forwarded', 'forwarded', 1, 'always', 'Packets that went on.'),
  counter('dropped', 'dropped', 1, 'always', 'Packets that ended here without an answer.'),
  counter('droppedByHook', 'by a hook', 2, 'counted', 'Dropped by the verdict of a hook.'),
  counter('droppedByFault', 'by a hook fault', 2, 'counted', 'Dropped by what faults: declares of hooks.'),
  counter('droppedMalformed', 'malformed', 2, 'counted', 'Dropped because the packet contradicts itself.'),
  counter('droppedNonIp', 'not IP', 2, 'counted', 'Dropped by policy.nonIp.'),
  counter('droppedUnreadable', 'unreadable', 2, 'counted', 'Dropped by policy.unreadable.'),
  counter('rejected', 'rejected', 1, 'always', 'Packets that a hook rejected.'),
  counter('replied', 'replied', 1, 'counted', 'Packets that a hook sent back to who had sent them.'),
  counter('reset', 'reset', 1, 'counted', 'TCP segments whose connection a hook reset.'),
  counter('held', 'held', 1, 'counted', 'Packets that wait just now, because a hook holds them.'),
  counter('lost', 'lost', 1, 'always', 'Packets that were to go on and could not.'),
  counter('lostTooLong', 'too long', 2, 'counted', 'Lost because the way out takes no packet so long.'),
  counter('lostSendError', 'send error', 2, 'counted', 'Lost because the kernel did not take the frame.'),
  counter('lostPool', 'pool exhausted', 2, 'counted', 'Lost because the pool had no memory for a replacement.'),
  counter('lostTruncated', 'cut by the capture', 2, 'counted', 'Lost because less was captured than came.'),
  counter('lostHeld', 'held by a lane that ended', 2, 'counted', 'Lost because they waited in a lane that was ended.'),
  counter('nonIp', 'not IP', 0, 'counted', 'Frames that carry no IP, forwarded or dropped.'),
  counter(
    'unreadable',
    'unreadable',
    0,
    'counted',
    'Frames in which IP may be and was not found, forwarded or dropped.',
  ),
  counter(
    'passedTruncated',
    null,
    0,
    'counted',
    'Packets of a capture file that went on without a hook, because too little of them was captured.',
  ),
  counter('hookFaults', 'hook faults', 0, 'counted', 'Packets with which a hook was at fault.'),
  counter('accepted', 'accepted', 0, 'counted', 'Packets that a hook let go on, past the hooks behind it.'),
  counter('replaced', 'replaced', 0, 'counted', 'Packets that went on as a hook put them together.'),
  counter('sent', 'frames sent', 0, 'always', 'Frames that the kernel took.'),
  counter('sentOctets', null, 0, 'counted', 'Their octets.'),
  counter('extraFragments', 'extra fragments', 1, 'counted', 'Of them, fragments of a packet but the first.'),
  counter('icmpErrors', 'ICMP errors', 1, 'counted', 'Of them, ICMP errors that answer a packet.'),
  counter('resets', 'TCP resets', 1, 'counted', 'Of them, segments that reset a connection.'),
  counter('injected', 'made by hooks', 1, 'counted', 'Of them, packets that hooks made.'),
  counter('icmpDue', null, 0, 'counted', 'Packets that may be answered with an ICMP error.'),
  counter('icmpSuppressed', 'ICMP errors held back', 0, 'counted', 'ICMP errors that were due and were not sent.'),
  counter(
    'icmpOverPrefix',
    'its address or prefix had its share',
    1,
    'counted',
    'Held back because that address or its prefix had its share.',
  ),
  counter(
    'icmpOverTotal',
    'all together had theirs',
    1,
    'counted',
    'Held back because the way had sent as many as it may.',
  ),
  counter(
    'icmpOneWay',
    'behind labels, which lead one way',
    1,
    'counted',
    'Held back because the labels of the packet lead one way only.',
  ),
  counter('icmpWouldBe', 'ICMP errors that would be', 0, 'counted', 'ICMP errors that a tap does not send.'),
  counter(
    'icmpRefused',
    'ICMP errors refused by the kernel',
    0,
    'counted',
    'ICMP errors that the kernel did not take.',
  ),
  counter(
    'icmpDenied',
    'by the rules of this machine',
    1,
    'counted',
    'Of them, those that rules of this machine dropped.',
  ),
  counter(
    'resetsHeldBack',
    'TCP resets held back',
    0,
    'counted',
    'Connections that were to be reset, over the budget of the lane.',
  ),
  counter(
    'resetsRefused',
    'TCP resets refused',
    0,
    'counted',
    'Segments that reset a connection and that the kernel did not take.',
  ),
  counter('injectRefused', 'refused: made by hooks', 0, 'counted', 'Packets of hooks that the kernel did not take.'),
  counter(
    'injectDenied',
    'by the rules of this machine',
    1,
    'counted',
    'Of them, those that rules of this machine dropped.',
  ),
  counter(
    'probes',
    'probe frames of the supervisor',
    0,
    'counted',
    'Probe frames of the supervisor; they are in no other counter.',
  ),
] as const satisfies readonly Counter[];

/** Name of a counter of a way. */
export type WayCounter = (typeof WAY_COUNTERS)[number]['name'];

/** A sum that must hold in every row. */
export interface CounterSum {
  readonly whole: WayCounter;
  readonly parts: readonly WayCounter[];
  /** The whole is 0 where nothing is sent (`tap`), whatever its parts are. */
  readonly isOfSending?: true;
}

/** The sums of a way. The counters of a part are shown below that of the whole. */
export const WAY_SUMS: readonly CounterSum[] = [
  { whole: 'received', parts: ['forwarded', 'dropped', 'rejected', 'replied', 'reset', 'held', 'lost'] },
  {
    whole: 'dropped',
    parts: ['droppedByHook', 'droppedByFault', 'droppedMalformed', 'droppedNonIp', 'droppedUnreadable'],
  },
  { whole: 'lost', parts: ['lostTooLong', 'lostSendError', 'lostPool', 'lostTruncated', 'lostHeld'] },
  {
    whole: 'sent',
    parts: ['forwarded', 'replied', 'extraFragments', 'icmpErrors', 'resets', 'injected'],
    isOfSending: true,
  },
  { whole: 'icmpDue', parts: ['icmpErrors', 'icmpSuppressed', 'icmpWouldBe', 'icmpRefused'] },
  { whole: 'icmpSuppressed', parts: ['icmpOverPrefix', 'icmpOverTotal', 'icmpOneWay'] },
];

/** Of one hook: what the hook chain counts. */
export const HOOK_COUNTERS = [
  counter('seen', 'seen', 0, 'always', 'Packets that the hook was called with.'),
  counter('filtered', 'filtered', 0, 'counted', 'Packets outside of its filter, which went on without it.'),
  counter(
    'settled',
    'settled',
    0,
    'counted',
    'Packets of flows that it had decided about, for which it was not called.',
  ),
  counter('forwarded', 'forwarded', 0, 'always', 'Packets that it let go on.'),
  counter('accepted', 'accepted', 0, 'counted', 'Packets that it let go on, past the hooks behind it.'),
  counter('dropped', 'dropped', 0, 'always', 'Packets that ended with it, by its verdict or by its fault.'),
  counter('rejected', 'rejected', 0, 'always', 'Packets that it rejected.'),
  counter('replied', 'replied', 0, 'counted', 'Packets that it sent back.'),
  counter('reset', 'reset', 0, 'counted', 'TCP segments whose connection it reset.'),
  counter('held', 'held', 0, 'counted', 'Packets that it let wait. What became of them is counted when they go on.'),
  counter('heldTooLong', 'held too long', 0, 'counted', 'Of them, those whose time was over before it released them.'),
  counter('holdsRefused', 'not held', 0, 'counted', 'Packets that it wanted to let wait, and had no room for.'),
  counter('replaced', 'replaced', 0, 'always', 'Packets in whose place it put others.'),
  counter('changed', 'changed', 0, 'always', 'Packets that it wrote into; counted in replay and in a tap.'),
  counter('faults', 'faults', 0, 'always', 'What it did wrong, with packets and outside of them.'),
  counter('threw', 'threw', 1, 'counted', 'Of them, packets with which it threw.'),
  counter('noVerdict', 'no verdict', 1, 'counted', 'Of them, packets for which it returned no verdict.'),
  counter(
    'misused',
    'misuse',
    1,
    'counted',
    'Of them, packets of which it left what cannot be sent, or misused the pool.',
  ),
  counter('tooLate', 'too late', 1, 'counted', 'Of them, packets that it took longer with than its budget.'),
  counter('breakerTrips', 'breaker opened', 0, 'counted', 'How often it was taken out for its faults.'),
  counter('breakerOpen', 'open', 1, 'counted', 'Lanes in which its breaker is open now.'),
  counter('breakerHalfOpen', 'half open', 1, 'counted', 'Lanes in which it is tried again now.'),
  counter('bypassed', 'bypassed', 0, 'counted', 'Packets that it was not called with, because its breaker was open.'),
  counter(
    'differs',
    'differs',
    0,
    'counted',
    'Of a hook in shadow: packets with which something else happened than it said.',
  ),
  counter('stricter', 'stricter', 1, 'counted', 'Of them, those that went on, and that it would have stopped.'),
  counter('milder', 'milder', 1, 'counted', 'Of them, those that were stopped, and that it would have let go on.'),
  counter('unsent', 'not sent', 0, 'counted', 'Of a hook in shadow: packets and frames that it wanted to send.'),
] as const satisfies readonly Counter[];

/** Name of a counter of the hook chain. */
export type HookChainCounter = (typeof HOOK_COUNTERS)[number]['name'];

/** Of one hook: what the books of the pool say. */
export const HOOK_POOL_COUNTERS = [
  counter('outstanding', 'not freed', 0, 'always', 'Allocations that it has made and neither freed nor handed over.'),
  counter('outstandingBytes', 'octets', 0, 'always', 'Their octets.'),
  counter('poolFaults', null, 0, 'counted', 'Frees and uses that the pool refused it.'),
] as const satisfies readonly Counter[];

/** Both. */
export const HOOK_COLUMNS = [...HOOK_COUNTERS, ...HOOK_POOL_COUNTERS] as const;

/** Name of a counter of a hook. */
export type HookCounter = (typeof HOOK_COLUMNS)[number]['name'];

/** Of the flow table of a lane. Each flow that was made has ended for one reason, or is there. */
export const FLOW_COUNTERS = [
  counter('now', 'now', 0, 'always', 'Flows at this moment.'),
  counter('most', 'at most', 0, 'always', 'Flows that there is room for.'),
  counter('made', 'made', 0, 'always', 'Flows that began.'),
  counter('pickedUp', 'picked up', 1, 'counted', 'Of them, TCP connections whose start was not seen.'),
  counter('expired', 'expired', 0, 'counted', 'Flows that ended because no packet came for their timeout.'),
  counter('closed', 'closed', 0, 'counted', 'Flows that ended because TCP was closed or reset.'),
  counter('replaced', 'replaced', 0, 'counted', 'Flows that ended because a new connection took their place.'),
  counter('evicted', 'evicted', 0, 'always', 'Flows that ended because the table was full.'),
  counter('removed', 'stopped at once', 0, 'counted', 'Flows whose first packet a hook stopped.'),
  counter('refused', 'refused', 0, 'always', 'Packets that found no room for a flow of theirs.'),
  counter('invalid', 'invalid packets', 0, 'always', 'Packets that can belong to no flow.'),
  counter('invalidFlags', 'flags', 1, 'counted', 'Of them, TCP with flags that no sender uses.'),
  counter('invalidState', 'state', 1, 'counted', 'Of them, answers to nothing and segments without a connection.'),
  counter('invalidSequence', 'sequence', 1, 'counted', 'Of them, TCP outside of the window.'),
  counter('invalidAck', 'acknowledgement', 1, 'counted', 'Of them, TCP that acknowledges what was never sent.'),
  counter('invalidReset', 'reset', 1, 'counted', 'Of them, TCP resets with a wrong number.'),
  counter('invalidHeader', 'header', 1, 'counted', 'Of them, those whose header is cut off.'),
  counter('invalidQuote', 'quotation', 1, 'counted', 'Of them, ICMP errors that quote no datagram of a flow.'),
  counter('related', 'related', 0, 'counted', 'ICMP errors about a flow.'),
  counter('fragments', 'fragments', 0, 'counted', 'Later fragments whose flow is known.'),
  counter('fragmentsLost', 'fragments without a flow', 0, 'counted', 'Later fragments whose first one was not seen.'),
  counter('untracked', 'untracked', 0, 'counted', 'Packets that belong to no flow by their kind.'),
] as const satisfies readonly Counter[];

/** Name of a counter of the flow table. */
export type FlowCounter = (typeof FLOW_COUNTERS)[number]['name'];

/** A row of a table as an object. */
export type Row<Name extends string> = Record<Name, number>;
type RowOf<Table extends readonly { readonly name: string }[]> = Row<Table[number]['name']>;

/** Largest counter that a double holds exactly: more is counted by none, whatever a lane says of itself. */
export const MOST_COUNTED: number = 2 ** 53;

/** The column of a counter in its table. */
export function columnOf<Name extends string>(table: readonly { readonly name: Name }[], name: Name): number {
  return table.findIndex((one) => one.name === name);
}

/** An empty row. */
export function emptyRowOf<Table extends readonly Counter[]>(table: Table): RowOf<Table> {
  return Object.fromEntries(table.map(({ name }) => [name, 0])) as RowOf<Table>;
}

/** The row that starts at `base` of `numbers`. */
export function rowFrom<Table extends readonly Counter[]>(
  table: Table,
  numbers: Float64Array,
  base: number,
): RowOf<Table> {
  return Object.fromEntries(table.map(({ name }, column) => [name, numbers[base + column] ?? 0])) as RowOf<Table>;
}

/** The counters of a table out of a row that has more. */
export function pickRow<Name extends string>(
  table: readonly { readonly name: Name }[],
  row: Readonly<Row<Name>>,
): Row<Name> {
  return Object.fromEntries(table.map(({ name }) => [name, row[name]])) as Row<Name>;
}

/** The counters that a table of these rows shows: some always, others where something was counted; none that is null everywhere. */
export function shownOf<Name extends string>(
  table: readonly (Counter & { readonly name: Name })[],
  rows: readonly Readonly<Record<Name, number | null>>[],
): (Counter & { readonly name: Name })[] {
  return table.filter(({ name, label, isAlways }) => {
    if (label === null) return false;
    return isAlways ? rows.some((row) => row[name] !== null) : rows.some((row) => (row[name] ?? 0) !== 0);
  });
}

/** The sum of two rows, up to {@link MOST_COUNTED}. */
export function sumOfRows<Name extends string>(
  table: readonly { readonly name: Name }[],
  a: Readonly<Row<Name>>,
  b: Readonly<Row<Name>>,
): Row<Name> {
  return Object.fromEntries(table.map(({ name }) => [name, Math.min(a[name] + b[name], MOST_COUNTED)])) as Row<Name>;
}
