/**
 * Prints the tables of docs/performance.md, in Markdown, from what `npm run bench -- --json FILE` has written.
 *
 * ```
 *   node --import tsx test/bench/report.ts FILE.json ...
 *   machine ─> targets ─> bridge, host ─> by hooks ─> further hooks ─> by lanes ─> detour or port
 * ```
 * Several files stand for one run: its parts. Rule: no number of a document is typed by hand.
 *
 * @module
 */

import { median } from './measure.ts';
import { type Results, readResults } from './results.ts';
import { ratio, type Series, show } from './rounds.ts';
import { outcomes } from './targets.ts';

/** A column and what it says of a row's series; a row may hold several, as the three parts of a round trip. */
interface Column {
  readonly contender: string;
  readonly title: string;
  cell(series: Series): number;
}

const OURS = 'firehook afpacket, 1 hook';
/** What the driver is compared with, in a column of ratios each. */
const COMPARED = ['C afpacket', 'kernel bridge', 'kernel fwd', 'daqtest afpacket', 'no firewall'];
/** Ends of the names of series that have tables of their own. */
const SUFFIX = /, (by hooks|by lanes|detour or port)$/;
const FURTHER = /^each further hook/;
const PERCENTILE = /, (p50|p99|p99\.9)$/;
const ATTACHES = ['bridge', 'host'] as const;

const files = process.argv.slice(2);
if (files.length === 0) throw new Error('usage: report.ts FILE.json ...');
const results = files.map(readResults);
const all = merged(results.flatMap(({ series }) => series));

print('Machine', machineTable(results));
print('Targets', targetTable());
for (const attach of ATTACHES) {
  const own = all.filter(
    (series) => series.attach === attach && !SUFFIX.test(series.metric) && !FURTHER.test(series.metric),
  );
  print(
    attach === 'bridge' ? 'In a bridge' : 'On a host',
    table(own, [...contenderColumns(own), ...ratioColumns(own)]),
  );
}
for (const attach of ATTACHES) {
  const byHooks = all.filter((series) => series.attach === attach && series.metric.endsWith(', by hooks'));
  for (const driver of ['afpacket', 'pcap']) {
    const columns = contenderColumns(byHooks).filter(({ contender }) => contender.startsWith(`firehook ${driver},`));
    print(`By hooks: ${driver}, ${attach}`, table(columns.length === 0 ? [] : byHooks, columns));
  }
}
for (const attach of ATTACHES) {
  const further = all.filter((series) => series.attach === attach && FURTHER.test(series.metric));
  print(`Each further hook, ${attach}`, table(further, contenderColumns(further)));
}
for (const [title, end] of [
  ['Lanes', ', by lanes'],
  ['Detour or port', ', detour or port'],
] as const) {
  for (const attach of ATTACHES) {
    const own = all.filter((series) => series.attach === attach && series.metric.endsWith(end));
    print(`${title}, ${attach}`, table(own, contenderColumns(own)));
  }
}
for (const warning of results.flatMap(({ warnings }) => warnings)) console.log(`- ${warning.split('\n')[0]}`);

/** One series for each number: contenders of the same one are measured in several sets. */
function merged(series: readonly Series[]): Series[] {
  const found = new Map<string, Series>();
  for (const one of series) {
    const key = `${one.attach} ${one.metric}`;
    found.set(key, { ...one, values: { ...found.get(key)?.values, ...one.values } });
  }
  return [...found.values()];
}

/** Nothing for a table without rows. */
function print(title: string, lines: readonly string[]): void {
  if (lines.length > 0) console.log(`## ${title}\n\n${lines.join('\n')}\n`);
}

function machineTable(from: readonly Results[]): string[] {
  const rows = Object.entries(from[0]?.machine ?? {}).map(([name, value]) => `| ${name} | ${value} |`);
  return ['| | |', '|---|---|', ...rows];
}

function targetTable(): string[] {
  const rows = outcomes(all).map(({ what, toReach, measured, isReached }) => {
    const verdict = isReached === null ? 'not measured' : isReached ? 'yes' : 'no';
    return `| ${what} | ${toReach} | ${measured} | ${verdict} |`;
  });
  return ['| what | to reach | measured | reached |', '|---|---|---|---|', ...rows];
}

/** A column for everybody who takes part in one of the series. */
function contenderColumns(series: readonly Series[]): Column[] {
  const names = new Set(series.flatMap(({ values }) => Object.keys(values)));
  return [...names].map((name) => ({
    contender: name,
    title: shortName(name),
    cell: ({ values }) => median(values[name] ?? []),
  }));
}

/** Ratios of the driver afpacket, for those who took part. */
function ratioColumns(series: readonly Series[]): Column[] {
  const references = COMPARED.filter((name) => series.some(({ values }) => values[name] !== undefined));
  return references.map((name) => ({
    contender: OURS,
    title: `\`afpacket\` : ${name}`,
    cell: (one) => ratio(one, OURS, name),
  }));
}

/** A row a series; those that differ in the percentile alone share one. */
function table(series: readonly Series[], columns: readonly Column[]): string[] {
  const rows = new Map<string, Series[]>();
  for (const one of series) {
    const name = one.metric.replace(SUFFIX, '').replace(PERCENTILE, '');
    rows.set(name, [...(rows.get(name) ?? []), one]);
  }
  if (rows.size === 0) return [];
  const lines = [...rows].map(([name, own]) => {
    const cells = columns.map(({ cell }) => own.map(cell).map(format).join(' / '));
    return `| ${rowTitle(name, own)} | ${cells.map((cell) => (/\d/.test(cell) ? cell : '')).join(' | ')} |`;
  });
  return [`| | ${columns.map(({ title }) => title).join(' | ')} |`, `|${'---|'.repeat(columns.length + 1)}`, ...lines];
}

function rowTitle(name: string, series: readonly Series[]): string {
  const percentiles = series
    .map(({ metric }) => PERCENTILE.exec(metric.replace(SUFFIX, ''))?.[1])
    .filter((part) => part !== undefined);
  const parts = percentiles.length === 0 ? '' : `, ${percentiles.join(' / ')}`;
  return `${name}${parts}, ${series[0]?.unit ?? ''}`;
}

function format(value: number): string {
  if (!Number.isFinite(value)) return '-';
  return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString('en') : show(value);
}

function shortName(name: string): string {
  const driver = /^firehook (\S+), 1 hook$/.exec(name)?.[1];
  return driver === undefined ? name.replace('firehook ', '') : `\`${driver}\``;
}
