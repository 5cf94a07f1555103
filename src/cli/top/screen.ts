/**
 * Makes the lines of a screen of two samples of a daemon.
 *
 * ```
 *   firehook top - running for 0:03:12, lease held, generation 1, lanes 2, driver afpacket
 *   packets/s: 12,345 in, 12,000 forwarded, 300 dropped, 45 rejected, 0 lost; the ledger adds up
 *   flows: 1,204 of 262,144, 310 new a second
 *
 *   WAY          IN/s  Mbit/s  FORWARDED/s ...
 *   HOOK         PRIORITY  SEEN/s ...               in running order, or by a column
 *   WHY NOT      /s  COUNT                          what became of the others
 *   REASON       /s  COUNT                          what hooks said
 * ```
 * Rule: pure. It asks nobody, knows no clock and no terminal; what a daemon, a hook or a packet had a part in is made printable here.
 *
 * @module
 */

import { counterpart, Rates, type Sample, type WayCounts } from '../../control/sample.ts';
import { printable } from '../../telemetry/printable.ts';

/** How a line looks on a terminal that wants colours. */
export type LineStyle = 'plain' | 'bold' | 'dim' | 'red';

/** A line of a screen. */
export interface Line {
  readonly text: string;
  readonly style: LineStyle;
}

/** Columns that hooks can be sorted by, from left to right; `order` is the running order. */
export const SORT_COLUMNS = ['order', 'seen', 'dropped', 'rejected', 'faults', 'mean', 'p99'] as const;

/** One of {@link SORT_COLUMNS}. */
export type SortColumn = (typeof SORT_COLUMNS)[number];

/** How the hooks are sorted. */
export interface Sorting {
  readonly column: SortColumn;
  readonly isReversed: boolean;
}

/** What is on the screen beside the numbers. */
export interface ScreenState {
  readonly sorting: Sorting;
  /** Seconds from one look to the next. */
  readonly delay: number;
}

const MOST_PROBLEMS = 3;
const HEADS: Readonly<Record<SortColumn, string>> = {
  order: 'HOOK',
  seen: 'SEEN/s',
  dropped: 'DROPPED/s',
  rejected: 'REJECTED/s',
  faults: 'FAULTS/s',
  mean: 'MEAN us',
  p99: '99 % us',
};

/** The lines, as many as there are; whoever shows them cuts what a terminal has no room for. */
export function screenLines(before: Sample | null, now: Sample, state: ScreenState): Line[] {
  const rates = new Rates(before, now);
  return [
    ...headLines(now, rates, state),
    plain(''),
    ...tableLines(wayRows(now, rates)),
    plain(''),
    ...(now.hooks.length === 0 ? [plain('no hooks')] : tableLines(hookRows(now, rates, state.sorting))),
    ...section(causeRows(now, rates)),
    ...section(reasonRows(now, rates)),
  ];
}

/** The head of a screen while no daemon answers. */
export function goneLines(why: string, delay: number): Line[] {
  return [
    line('red', `firehook top - the daemon does not answer; tried again every ${delay} s`),
    line('dim', printable(why)),
  ];
}

function headLines(now: Sample, rates: Rates, { delay }: ScreenState): Line[] {
  const { state, lease, generation, lanes, laneRestarts, driver, addsUp, problems, flows } = now;
  const restarts = laneRestarts === 0 ? '' : ` (${laneRestarts} replaced)`;
  const span = rates.isSinceStart ? 'since the start' : `in ${rates.seconds.toFixed(1)} s`;
  const a = (name: keyof WayCounts): string => shown(rates.of(now.total[name], ({ total }) => total[name]));
  const more = problems.length - MOST_PROBLEMS;
  return [
    line(
      'bold',
      printable(
        `firehook top - ${state} for ${duration(now.uptimeSeconds)}, lease ${lease}, generation ${generation}, lanes ${lanes}${restarts}, driver ${driver}`,
      ),
    ),
    plain(
      `packets/s: ${a('received')} in, ${a('forwarded')} forwarded, ${a('dropped')} dropped, ${a('rejected')} rejected, ${a('answered')} answered, ${a('lost')} lost   (${span}, every ${delay} s)`,
    ),
    line(addsUp ? 'plain' : 'red', addsUp ? 'the ledger adds up' : 'the ledger does NOT add up: see firehook stats'),
    plain(
      flows === null
        ? 'flows: no hook asks for them'
        : `flows: ${shown(flows.now)} of ${shown(flows.most)}, ${shown(rates.of(flows.made, (one) => one.flows?.made))} new/s, ${shown(rates.of(flows.invalid, (one) => one.flows?.invalid))} invalid packets/s`,
    ),
    ...problems.slice(0, MOST_PROBLEMS).map((text) => line('red', printable(text))),
    ...(more > 0 ? [line('red', `and ${more} more: see firehook status`)] : []),
  ];
}

function wayRows(now: Sample, rates: Rates): string[][] {
  return [
    ['WAY', 'IN/s', 'Mbit/s', 'FORWARDED/s', 'DROPPED/s', 'REJECTED/s', 'LOST/s', 'IN'],
    ...now.ways.map((way) => {
      const a = (name: keyof WayCounts): number =>
        rates.of(way[name], ({ ways }) => counterpart(now.ways, way, ways, (one) => one.name)?.[name]);
      return [
        printable(`${way.name}${way.isWouldBe ? ' (NOT enforced)' : ''}`),
        shown(a('received')),
        ((a('receivedOctets') * 8) / 1e6).toFixed(2),
        shown(a('forwarded')),
        shown(a('dropped')),
        shown(a('rejected')),
        shown(a('lost')),
        shown(way.received),
      ];
    }),
  ];
}

function hookRows(now: Sample, rates: Rates, sorting: Sorting): string[][] {
  const rows = now.hooks.map((hook, order) => {
    const a = (name: 'seen' | 'dropped' | 'rejected' | 'faults'): number =>
      rates.of(hook[name], ({ hooks }) => counterpart(now.hooks, hook, hooks, (one) => one.name)?.[name]);
    const numbers: Record<SortColumn, number> = {
      order: -order,
      seen: a('seen'),
      dropped: a('dropped'),
      rejected: a('rejected'),
      faults: a('faults'),
      mean: hook.meanNs ?? -1,
      p99: hook.p99Ns ?? (hook.meanNs === null ? -1 : Number.POSITIVE_INFINITY),
    };
    return { hook, numbers };
  });
  const sign = sorting.isReversed ? -1 : 1;
  rows.sort((one, other) => {
    const [a, b] = [one.numbers[sorting.column], other.numbers[sorting.column]];
    return a === b ? other.numbers.order - one.numbers.order : sign * (b > a ? 1 : -1);
  });
  const mark = sorting.isReversed ? '<' : '>';
  const heads = SORT_COLUMNS.map((column) => (column === sorting.column ? `${mark}${HEADS[column]}` : HEADS[column]));
  return [
    [heads[0] ?? '', 'PRIORITY', ...heads.slice(1), 'SEEN', 'DROPPED'],
    ...rows.map(({ hook, numbers }) => [
      printable(hook.mark === '' ? hook.name : `${hook.name} (${hook.mark})`),
      shown(hook.priority),
      shown(numbers.seen),
      shown(numbers.dropped),
      shown(numbers.rejected),
      shown(numbers.faults),
      micro(hook.meanNs),
      hook.meanNs !== null && hook.p99Ns === null ? 'longer' : micro(hook.p99Ns),
      shown(hook.seen),
      shown(hook.dropped),
    ]),
  ];
}

/** The most frequent first: of now, then of all time. */
function causeRows(now: Sample, rates: Rates): string[][] {
  const rows = now.causes.map((entry) => ({
    name: printable(entry.cause),
    count: entry.count,
    rate: rates.of(entry.count, ({ causes }) => counterpart(now.causes, entry, causes, (one) => one.cause)?.count),
  }));
  return countRows('WHY NOT FORWARDED', rows);
}

function reasonRows(now: Sample, rates: Rates): string[][] {
  const nameOf = ({ hook, reason }: Sample['reasons'][number]): string => `${hook}: ${reason}`;
  const rows = now.reasons.map((entry) => ({
    name: printable(nameOf(entry)),
    count: entry.count,
    rate: rates.of(entry.count, ({ reasons }) => counterpart(now.reasons, entry, reasons, nameOf)?.count),
  }));
  return countRows('REASON OF A VERDICT', rows);
}

interface Count {
  readonly name: string;
  readonly count: number;
  readonly rate: number;
}

function countRows(head: string, counts: Count[]): string[][] {
  if (counts.length === 0) return [];
  counts.sort((one, other) => other.rate - one.rate || other.count - one.count);
  return [[head, '/s', 'COUNT'], ...counts.map(({ name, rate, count }) => [name, shown(rate), shown(count)])];
}

function section(rows: readonly string[][]): Line[] {
  return rows.length === 0 ? [] : [plain(''), ...tableLines(rows)];
}

/** The first column to the left, the others to the right. */
function tableLines(rows: readonly string[][]): Line[] {
  const widths = (rows[0] ?? []).map((_head, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows.map((row, index) => {
    const cells = row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
    );
    return line(index === 0 ? 'bold' : 'plain', cells.join('  ').trimEnd());
  });
}

function plain(text: string): Line {
  return line('plain', text);
}

function line(style: LineStyle, text: string): Line {
  return { text, style };
}

/** A number for people: below ten with one decimal, unless it is whole. */
function shown(value: number): string {
  const digits = value < 10 && !Number.isInteger(value) ? 1 : 0;
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function micro(nanoseconds: number | null): string {
  return nanoseconds === null ? '-' : (nanoseconds / 1000).toFixed(1);
}

/** Hours, minutes and seconds: `0:03:12`, of days `2 days 1:00:00`. */
function duration(seconds: number): string {
  const [days, rest] = [Math.floor(seconds / 86_400), seconds % 86_400];
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
  const clock = `${Math.floor(rest / 3600)}:${two((rest % 3600) / 60)}:${two(rest % 60)}`;
  return days === 0 ? clock : `${days} day${days === 1 ? '' : 's'} ${clock}`;
}
