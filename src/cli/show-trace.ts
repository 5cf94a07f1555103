/**
 * A traced packet as lines for people, and as a line of JSON in the envelope of EVE.
 *
 * ```
 *   #4  2026-11-25 10:38:20.199120  lan0 > wan0  TCP 10.77.0.1:40112 > 10.77.0.2:23  60 octets
 *     drop-port    FORWARD                     1.2 us  hooks/drop-port.ts:14:3
 *     reject-port  ICMP_ON_DROP  tcp port 23   0.9 us  hooks/reject-port.ts:14:3
 *     = rejected by reject-port, tcp port 23; ICMP errors 1
 * ```
 * Rule: text of hooks and packets is printed without control characters, and a line of JSON is one line.
 *
 * @module
 */

import { endsOf, protocolName } from '../events/eve.ts';
import { timestamp } from '../events/eve-own.ts';
import type { TracedHook, TracedPacket } from '../lane/packet-tracer.ts';
import { WAY_COUNTERS, type WayCounter } from '../telemetry/counters.ts';
import { printable, printableJson } from '../telemetry/printable.ts';
import { paint } from './fail.ts';

/** What is known beside what the lane says. */
export interface TraceContext {
  readonly lane: number;
  /** `file:line:column` of what gives the verdicts of a hook; undefined where that is not known. */
  readonly placeOf: (hook: string) => string | undefined;
  /** What hooks did wrong with this packet, each with its place. */
  readonly faults: readonly { readonly hook: string; readonly text: string }[];
}

/** Counters that are said by the verdict itself, or by the head of the packet. */
const SAID: ReadonlySet<WayCounter> = new Set<WayCounter>([
  'received',
  'receivedOctets',
  'forwarded',
  'dropped',
  'droppedByHook',
  'droppedByFault',
  'rejected',
  'replied',
  'reset',
  'held',
  'lost',
  'sent',
  'sentOctets',
  'icmpDue',
  'accepted',
  'hookFaults',
]);

/** The line, without its newline. */
export function traceJson(packet: TracedPacket, { lane, placeOf, faults }: TraceContext): string {
  const { ends, number, from, to, length, resumed, fate, cause, by, reason, hooks, counted } = packet;
  return printableJson(
    JSON.stringify({
      timestamp: timestamp(packet.seconds, packet.nanoseconds),
      event_type: 'trace',
      in_iface: from,
      ...endsOf(ends),
      trace: {
        packet: number,
        to,
        len: length,
        resumed,
        verdict: fate,
        cause,
        by,
        reason,
        hooks: hooks.map((hook) => ({ ...hook, place: placeOf(hook.hook) ?? null })),
        faults,
        counted,
      },
      firehook: { lane },
    }),
  );
}

/** The lines. */
export function traceText(packet: TracedPacket, { placeOf, faults }: TraceContext): string {
  const stream = process.stdout;
  const rows = packet.hooks.map((hook) => [
    hook.hook,
    verdictOf(hook),
    printable(hook.reason ?? ''),
    hook.skipped === null && !hook.released ? timeOf(hook.ns) : '',
    [changeOf(hook), placeOf(hook.hook) ?? ''].filter((part) => part !== '').join('  '),
  ]);
  const widths = [0, 1, 2, 3].map((column) => Math.max(0, ...rows.map((row) => (row[column] as string).length)));
  const lines = rows.map((row) =>
    `  ${row.map((cell, column) => (column === 3 ? cell.padStart(widths[3] as number) : cell.padEnd(widths[column] ?? 0))).join('  ')}`.trimEnd(),
  );
  const wrong = faults.map(({ hook, text }) => `  ! ${printable(hook)}: ${printable(text)}`);
  return [
    paint('bold', headOf(packet), stream),
    ...lines.map((line) => printable(line)),
    ...wrong.map((line) => paint('red', line, stream)),
    paint(packet.fate === 'forwarded' ? 'green' : 'yellow', `  = ${printable(endOf(packet))}`, stream),
  ].join('\n');
}

function headOf({ number, from, to, ends, length, resumed, ...time }: TracedPacket): string {
  const moment = timestamp(time.seconds, time.nanoseconds).replace('T', ' ').replace('+0000', '');
  const end = (address: string, port: number): string =>
    port < 0 ? address : address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
  const between =
    ends === null
      ? 'no IP that can be read'
      : `${protocolName(ends.protocol)} ${end(ends.source, ends.sourcePort)} > ${end(ends.destination, ends.destinationPort)}`;
  return printable(
    `#${number}${resumed ? ' (had waited)' : ''}  ${moment}  ${from} > ${to}  ${between}  ${length} octets`,
  );
}

/** What a hook said, for people. */
export function verdictOf({ skipped, verdict, released, faults }: TracedHook): string {
  if (skipped !== null) return skipped === 'filter' ? 'not called: filter' : `not called: settled, ${verdict}`;
  const said = released ? `released: ${verdict}` : verdict;
  return faults > 0 ? `${said} (fault)` : said;
}

function timeOf(ns: number): string {
  return `${(ns / 1000).toFixed(1)} us`;
}

/** What a hook changed, for people; '' where that is nothing. */
export function changeOf({ changed, replaced }: TracedHook): string {
  const parts = [
    ...(replaced ? ['replaced'] : []),
    ...(changed === null ? [] : [`${changed.octets} octets from ${changed.first} on, ${changed.length} afterwards`]),
  ];
  return parts.join(', ');
}

/** What became of a packet, for people. */
export function endOf({ fate, cause, by, reason, counted }: TracedPacket): string {
  const labelOf = (name: WayCounter): string => WAY_COUNTERS.find((one) => one.name === name)?.label ?? name;
  const isByHook = cause === null || cause === 'droppedByHook' || cause === 'droppedByFault';
  const who = [
    ...(by === null ? [] : [`by ${by}${cause === 'droppedByFault' ? ', which was at fault' : ''}`]),
    ...(isByHook || cause === null ? [] : [`(${labelOf(cause)})`]),
  ].join(' ');
  const said = `${fate}${who === '' ? '' : ` ${who}`}${reason === null ? '' : `: ${reason}`}`;
  const more = Object.entries(counted)
    .filter(([name]) => !SAID.has(name as WayCounter) && name !== cause)
    .map(([name, count]) => `${labelOf(name as WayCounter)} ${count}`);
  return [said, ...more].join('; ');
}
