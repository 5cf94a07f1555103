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
  /** What it is in the text of Prometheus; null where others say the same. @defaultValue a counter with a name made of this one */
  readonly metric?: CounterMetric | null;
}

/** A number in the text of Prometheus. */
export interface CounterMetric {
  /** Behind `firehook_`, without `_total`; with a base unit at its end where it has one. */
  readonly name: string;
  /** A gauge also goes down. */
  readonly kind: 'counter' | 'gauge';
  /** What tells it from others of the same name. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** A counter of its own. */
function named(name: string): CounterMetric {
  return { name, kind: 'counter' };
}

function gauge(name: string): CounterMetric {
  return { name, kind: 'gauge' };
}

/** One of several that are told apart by a label. */
function part(name: string, label: string, value: string): CounterMetric {
  return { name, kind: 'counter', labels: { [label]: value } };
}

function counter<const Name extends string>(
  name: Name,
  label: string | null,
  depth: 0 | 1 | 2,
  shown: 'always' | 'counted',
  help: string,
  metric?: CounterMetric | null,
): Counter & { readonly name: Name } {
  return { name, label, depth, isAlways: shown === 'always', help, ...(metric === undefined ? {} : { metric }) };
}

/** Of one way: each packet ends in exactly one of `forwarded`, `dropped`, `rejected` and `lost`. */
export const WAY_COUNTERS = [
  counter('received', 'received', 0, 'always', 'Packets that came in.', named('received_packets')),
  counter('receivedOctets', null, 0, 'counted', 'Octets of their frames.', named('received_bytes')),
  counter(
    'extraSegments',
    'extra segments',
    1,
    'counted',
    'Of them, those that a super-frame of a tunnel was cut into, but the first.',
    named('extra_segments'),
  ),
  counter('forwarded', 'forwarded', 1, 'always', 'Packets that went on.', part('packets', 'outcome', 'forwarded')),
  counter(
    'dropped',
    'dropped',
    1,
    'always',
    'Packets that ended here without an answer.',
    part('packets', 'outcome', 'dropped'),
  ),
  counter(
    'droppedByHook',
    'by a hook',
    2,
    'counted',
    'Dropped by the verdict of a hook.',
    part('dropped_packets', 'reason', 'hook'),
  ),
  counter(
    'droppedByFault',
    'by a hook fault',
    2,
    'counted',
    'Dropped by what faults: declares of hooks.',
    part('dropped_packets', 'reason', 'fault'),
  ),
  counter(
    'droppedMalformed',
    'malformed',
    2,
    'counted',
    'Dropped because the packet contradicts itself.',
    part('dropped_packets', 'reason', 'malformed'),
  ),
  counter(
    'droppedNonIp',
    'not IP',
    2,
    'counted',
    'Dropped by policy.nonIp.',
    part('dropped_packets', 'reason', 'non_ip'),
  ),
  counter(
    'droppedUnreadable',
    'unreadable',
    2,
    'counted',
    'Dropped by policy.unreadable.',
    part('dropped_packets', 'reason', 'unreadable'),
  ),
  counter('rejected', 'rejected', 1, 'always', 'Packets that a hook rejected.', part('packets', 'outcome', 'rejected')),
  counter(
    'replied',
    'replied',
    1,
    'counted',
    'Packets that a hook sent back to who had sent them.',
    part('packets', 'outcome', 'replied'),
  ),
  counter(
    'reset',
    'reset',
    1,
    'counted',
    'TCP segments whose connection a hook reset.',
    part('packets', 'outcome', 'reset'),
  ),
  counter(
    'held',
    'held',
    1,
    'counted',
    'Packets that wait just now, because a hook holds them.',
    gauge('held_packets'),
  ),
  counter('lost', 'lost', 1, 'always', 'Packets that were to go on and could not.', part('packets', 'outcome', 'lost')),
  counter(
    'lostTooLong',
    'too long',
    2,
    'counted',
    'Lost because the way out takes no packet so long.',
    part('lost_packets', 'reason', 'too_long'),
  ),
  counter(
    'lostSendError',
    'send error',
    2,
    'counted',
    'Lost because the kernel did not take the frame.',
    part('lost_packets', 'reason', 'send_error'),
  ),
  counter(
    'lostPool',
    'pool exhausted',
    2,
    'counted',
    'Lost because the pool had no memory for a replacement.',
    part('lost_packets', 'reason', 'pool'),
  ),
  counter(
    'lostTruncated',
    'cut by the capture',
    2,
    'counted',
    'Lost because less was captured than came.',
    part('lost_packets', 'reason', 'truncated'),
  ),
  counter(
    'lostHeld',
    'held by a lane that ended',
    2,
    'counted',
    'Lost because they waited in a lane that was ended.',
    part('lost_packets', 'reason', 'held'),
  ),
  counter('nonIp', 'not IP', 0, 'counted', 'Frames that carry no IP, forwarded or dropped.', named('non_ip_frames')),
  counter(
    'unreadable',
    'unreadable',
    0,
    'counted',
    'Frames in which IP may be and was not found, forwarded or dropped.',
    named('unreadable_frames'),
  ),
  counter(
    'passedTruncated',
    null,
    0,
    'counted',
    'Packets of a capture file that went on without a hook, because too little of them was captured.',
    named('passed_truncated_packets'),
  ),
  counter(
    'hookFaults',
    'hook faults',
    0,
    'counted',
    'Packets with which a hook was at fault.',
    named('faulted_packets'),
  ),
  counter(
    'accepted',
    'accepted',
    0,
    'counted',
    'Packets that a hook let go on, past the hooks behind it.',
    named('accepted_packets'),
  ),
  counter(
    'replaced',
    'replaced',
    0,
    'counted',
    'Packets that went on as a hook put them together.',
    named('replaced_packets'),
  ),
  counter('sent', 'frames sent', 0, 'always', 'Frames that the kernel took.', named('sent_frames')),
  counter('sentOctets', null, 0, 'counted', 'Their octets.', named('sent_bytes')),
  counter(
    'extraFragments',
    'extra fragments',
    1,
    'counted',
    'Of them, fragments of a packet but the first.',
    part('made_frames', 'kind', 'fragment'),
  ),
  counter(
    'icmpErrors',
    'ICMP errors',
    1,
    'counted',
    'Of them, ICMP errors that answer a packet.',
    part('made_frames', 'kind', 'icmp_error'),
  ),
  counter(
    'resets',
    'TCP resets',
    1,
    'counted',
    'Of them, segments that reset a connection.',
    part('made_frames', 'kind', 'tcp_reset'),
  ),
  counter(
    'injected',
    'made by hooks',
    1,
    'counted',
    'Of them, packets that hooks made.',
    part('made_frames', 'kind', 'hook'),
  ),
  counter('icmpDue', null, 0, 'counted', 'Packets that may be answered with an ICMP error.', named('due_icmp_errors')),
  counter(
    'icmpSuppressed',
    'ICMP errors held back',
    0,
    'counted',
    'ICMP errors that were due and were not sent.',
    null,
  ),
  counter(
    'icmpOverPrefix',
    'its address or prefix had its share',
    1,
    'counted',
    'Held back because that address or its prefix had its share.',
    part('held_back_icmp_errors', 'reason', 'prefix'),
  ),
  counter(
    'icmpOverTotal',
    'all together had theirs',
    1,
    'counted',
    'Held back because the way had sent as many as it may.',
    part('held_back_icmp_errors', 'reason', 'total'),
  ),
  counter(
    'icmpOneWay',
    'behind labels, which lead one way',
    1,
    'counted',
    'Held back because the labels of the packet lead one way only.',
    part('held_back_icmp_errors', 'reason', 'one_way'),
  ),
  counter(
    'icmpWouldBe',
    'ICMP errors that would be',
    0,
    'counted',
    'ICMP errors that a tap does not send.',
    named('would_be_icmp_errors'),
  ),
  counter(
    'icmpRefused',
    'ICMP errors refused by the kernel',
    0,
    'counted',
    'ICMP errors that the kernel did not take.',
    named('refused_icmp_errors'),
  ),
  counter(
    'icmpDenied',
    'by the rules of this machine',
    1,
    'counted',
    'Of them, those that rules of this machine dropped.',
    named('denied_icmp_errors'),
  ),
  counter(
    'resetsHeldBack',
    'TCP resets held back',
    0,
    'counted',
    'Connections that were to be reset, over the budget of the lane.',
    named('held_back_tcp_resets'),
  ),
  counter(
    'resetsRefused',
    'TCP resets refused',
    0,
    'counted',
    'Segments that reset a connection and that the kernel did not take.',
    named('refused_tcp_resets'),
  ),
  counter(
    'injectRefused',
    'refused: made by hooks',
    0,
    'counted',
    'Packets of hooks that the kernel did not take.',
    named('refused_hook_packets'),
  ),
  counter(
    'injectDenied',
    'by the rules of this machine',
    1,
    'counted',
    'Of them, those that rules of this machine dropped.',
    named('denied_hook_packets'),
  ),
  counter(
    'probes',
    'probe frames of the supervisor',
    0,
    'counted',
    'Probe frames of the supervisor; they are in no other counter.',
    named('probe_frames'),
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
  counter('seen', 'seen', 0, 'always', 'Packets that the hook was called with.', named('hook_seen_packets')),
  counter(
    'filtered',
    'filtered',
    0,
    'counted',
    'Packets outside of its filter, which went on without it.',
    named('hook_filtered_packets'),
  ),
  counter(
    'settled',
    'settled',
    0,
    'counted',
    'Packets of flows that it had decided about, for which it was not called.',
    named('hook_settled_packets'),
  ),
  counter(
    'forwarded',
    'forwarded',
    0,
    'always',
    'Packets that it let go on.',
    part('hook_packets', 'verdict', 'forwarded'),
  ),
  counter(
    'accepted',
    'accepted',
    0,
    'counted',
    'Packets that it let go on, past the hooks behind it.',
    part('hook_packets', 'verdict', 'accepted'),
  ),
  counter(
    'dropped',
    'dropped',
    0,
    'always',
    'Packets that ended with it, by its verdict or by its fault.',
    part('hook_packets', 'verdict', 'dropped'),
  ),
  counter(
    'rejected',
    'rejected',
    0,
    'always',
    'Packets that it rejected.',
    part('hook_packets', 'verdict', 'rejected'),
  ),
  counter('replied', 'replied', 0, 'counted', 'Packets that it sent back.', part('hook_packets', 'verdict', 'replied')),
  counter(
    'reset',
    'reset',
    0,
    'counted',
    'TCP segments whose connection it reset.',
    part('hook_packets', 'verdict', 'reset'),
  ),
  counter(
    'held',
    'held',
    0,
    'counted',
    'Packets that it let wait. What became of them is counted when they go on.',
    part('hook_packets', 'verdict', 'held'),
  ),
  counter(
    'heldTooLong',
    'held too long',
    0,
    'counted',
    'Of them, those whose time was over before it released them.',
    named('hook_held_too_long_packets'),
  ),
  counter(
    'holdsRefused',
    'not held',
    0,
    'counted',
    'Packets that it wanted to let wait, and had no room for.',
    named('hook_refused_holds'),
  ),
  counter('replaced', 'replaced', 0, 'always', 'Packets in whose place it put others.', named('hook_replaced_packets')),
  counter(
    'changed',
    'changed',
    0,
    'always',
    'Packets that it wrote into; counted in replay and in a tap.',
    named('hook_changed_packets'),
  ),
  counter(
    'faults',
    'faults',
    0,
    'always',
    'What it did wrong, with packets and outside of them.',
    named('hook_faults'),
  ),
  counter('threw', 'threw', 1, 'counted', 'Of them, packets with which it threw.', named('hook_thrown_packets')),
  counter(
    'noVerdict',
    'no verdict',
    1,
    'counted',
    'Of them, packets for which it returned no verdict.',
    named('hook_undecided_packets'),
  ),
  counter(
    'misused',
    'misuse',
    1,
    'counted',
    'Of them, packets of which it left what cannot be sent, or misused the pool.',
    named('hook_misused_packets'),
  ),
  counter(
    'tooLate',
    'too late',
    1,
    'counted',
    'Of them, packets that it took longer with than its budget.',
    named('hook_late_packets'),
  ),
  counter(
    'breakerTrips',
    'breaker opened',
    0,
    'counted',
    'How often it was taken out for its faults.',
    named('hook_breaker_trips'),
  ),
  counter('breakerOpen', 'open', 1, 'counted', 'Lanes in which its breaker is open now.', gauge('hook_breaker_open')),
  counter(
    'breakerHalfOpen',
    'half open',
    1,
    'counted',
    'Lanes in which it is tried again now.',
    gauge('hook_breaker_half_open'),
  ),
  counter(
    'bypassed',
    'bypassed',
    0,
    'counted',
    'Packets that it was not called with, because its breaker was open.',
    named('hook_bypassed_packets'),
  ),
  counter(
    'differs',
    'differs',
    0,
    'counted',
    'Of a hook in shadow: packets with which something else happened than it said.',
    named('hook_differing_packets'),
  ),
  counter(
    'stricter',
    'stricter',
    1,
    'counted',
    'Of them, those that went on, and that it would have stopped.',
    named('hook_stricter_packets'),
  ),
  counter(
    'milder',
    'milder',
    1,
    'counted',
    'Of them, those that were stopped, and that it would have let go on.',
    named('hook_milder_packets'),
  ),
  counter(
    'unsent',
    'not sent',
    0,
    'counted',
    'Of a hook in shadow: packets and frames that it wanted to send.',
    named('hook_unsent_packets'),
  ),
] as const satisfies readonly Counter[];

/** Name of a counter of the hook chain. */
export type HookChainCounter = (typeof HOOK_COUNTERS)[number]['name'];

/** Of one hook: what the books of the pool say. */
export const HOOK_POOL_COUNTERS = [
  counter(
    'outstanding',
    'not freed',
    0,
    'always',
    'Allocations that it has made and neither freed nor handed over.',
    gauge('hook_pool_allocations'),
  ),
  counter('outstandingBytes', 'octets', 0, 'always', 'Their octets.', gauge('hook_pool_bytes')),
  counter('poolFaults', null, 0, 'counted', 'Frees and uses that the pool refused it.', named('hook_pool_faults')),
] as const satisfies readonly Counter[];

/** Both. */
export const HOOK_COLUMNS = [...HOOK_COUNTERS, ...HOOK_POOL_COUNTERS] as const;

/** Name of a counter of a hook. */
export type HookCounter = (typeof HOOK_COLUMNS)[number]['name'];

/** Of the flow table of a lane. Each flow that was made has ended for one reason, or is there. */
export const FLOW_COUNTERS = [
  counter('now', 'now', 0, 'always', 'Flows at this moment.', gauge('flows')),
  counter('most', 'at most', 0, 'always', 'Flows that there is room for.', gauge('flows_limit')),
  counter('made', 'made', 0, 'always', 'Flows that began.', named('flows_made')),
  counter(
    'pickedUp',
    'picked up',
    1,
    'counted',
    'Of them, TCP connections whose start was not seen.',
    named('flows_picked_up'),
  ),
  counter(
    'expired',
    'expired',
    0,
    'counted',
    'Flows that ended because no packet came for their timeout.',
    part('flows_ended', 'reason', 'expired'),
  ),
  counter(
    'closed',
    'closed',
    0,
    'counted',
    'Flows that ended because TCP was closed or reset.',
    part('flows_ended', 'reason', 'closed'),
  ),
  counter(
    'replaced',
    'replaced',
    0,
    'counted',
    'Flows that ended because a new connection took their place.',
    part('flows_ended', 'reason', 'replaced'),
  ),
  counter(
    'evicted',
    'evicted',
    0,
    'always',
    'Flows that ended because the table was full.',
    part('flows_ended', 'reason', 'evicted'),
  ),
  counter(
    'removed',
    'stopped at once',
    0,
    'counted',
    'Flows whose first packet a hook stopped.',
    part('flows_ended', 'reason', 'removed'),
  ),
  counter(
    'refused',
    'refused',
    0,
    'always',
    'Packets that found no room for a flow of theirs.',
    named('flow_refused_packets'),
  ),
  counter('invalid', 'invalid packets', 0, 'always', 'Packets that can belong to no flow.', null),
  counter(
    'invalidFlags',
    'flags',
    1,
    'counted',
    'Of them, TCP with flags that no sender uses.',
    part('flow_invalid_packets', 'reason', 'flags'),
  ),
  counter(
    'invalidState',
    'state',
    1,
    'counted',
    'Of them, answers to nothing and segments without a connection.',
    part('flow_invalid_packets', 'reason', 'state'),
  ),
  counter(
    'invalidSequence',
    'sequence',
    1,
    'counted',
    'Of them, TCP outside of the window.',
    part('flow_invalid_packets', 'reason', 'sequence'),
  ),
  counter(
    'invalidAck',
    'acknowledgement',
    1,
    'counted',
    'Of them, TCP that acknowledges what was never sent.',
    part('flow_invalid_packets', 'reason', 'acknowledgement'),
  ),
  counter(
    'invalidReset',
    'reset',
    1,
    'counted',
    'Of them, TCP resets with a wrong number.',
    part('flow_invalid_packets', 'reason', 'reset'),
  ),
  counter(
    'invalidHeader',
    'header',
    1,
    'counted',
    'Of them, those whose header is cut off.',
    part('flow_invalid_packets', 'reason', 'header'),
  ),
  counter(
    'invalidQuote',
    'quotation',
    1,
    'counted',
    'Of them, ICMP errors that quote no datagram of a flow.',
    part('flow_invalid_packets', 'reason', 'quotation'),
  ),
  counter('related', 'related', 0, 'counted', 'ICMP errors about a flow.', named('flow_related_packets')),
  counter('fragments', 'fragments', 0, 'counted', 'Later fragments whose flow is known.', named('flow_fragments')),
  counter(
    'fragmentsLost',
    'fragments without a flow',
    0,
    'counted',
    'Later fragments whose first one was not seen.',
    named('flow_lost_fragments'),
  ),
  counter(
    'untracked',
    'untracked',
    0,
    'counted',
    'Packets that belong to no flow by their kind.',
    named('flow_untracked_packets'),
  ),
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
  // Not Object.fromEntries, which takes five times as long: the supervisor takes rows apart all the time.
  const row: Record<string, number> = {};
  for (let column = 0; column < table.length; column++) {
    row[(table[column] as Counter).name] = numbers[base + column] ?? 0;
  }
  return row as RowOf<Table>;
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
