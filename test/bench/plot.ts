/**
 * Draws what `npm run bench -- --json FILE` has written: a group of bars for each number, a bar for each contender.
 *
 * ```
 *   node --import tsx test/bench/plot.ts OUTPUT.svg FILE.json ...
 * ```
 * Every group has a scale of its own; the number stands beside its bar. Rule: plain SVG text, nothing that is loaded.
 *
 * @module
 */

import { writeFileSync } from 'node:fs';
import { median } from './measure.ts';
import { readResults } from './results.ts';
import type { Series } from './rounds.ts';

const WIDTH = 820;
const LABEL = 210;
const VALUE = 110;
const BAR = 16;
const GAP = 4;
const TITLE = 34;
const MARGIN = 16;
/** What is drawn: more would be no picture. */
const METRICS = /^(\d+-byte frames|TCP, (one flow|eight flows)|CPU a packet at \d+ kpps|round trip idle, p50)$/;
/** Of times, a bar longer than so many times the middle one is cut off, and marked: the others would be no bars beside it. */
const CUT_OFF = 8;
const OURS = '#c2410c';
/** The other drivers and peers, by the first word of their name; the rest is the kernel. */
const COLORS: Readonly<Record<string, string>> = {
  C: '#475569',
  daqtest: '#0f766e',
  python: '#7c3aed',
  scapy: '#7c3aed',
};
const OTHERS = '#94a3b8';

const [output, ...inputs] = process.argv.slice(2);
if (output === undefined || inputs.length === 0) throw new Error('usage: plot.ts OUTPUT.svg FILE.json ...');
const all = inputs.flatMap((file) => readResults(file).series);
writeFileSync(output, draw(all.filter(({ metric }) => METRICS.test(metric))));

function draw(series: readonly Series[]): string {
  const parts: string[] = [];
  let y = MARGIN;
  for (const one of series) {
    const group = drawGroup(one, y);
    parts.push(...group.parts);
    y = group.end;
  }
  const head = `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y}" viewBox="0 0 ${WIDTH} ${y}"`;
  return [
    `${head} font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${y}" fill="#ffffff"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

function drawGroup({ attach, metric, unit, values }: Series, top: number): { parts: string[]; end: number } {
  const bars = Object.entries(values)
    .map(([name, turns]) => ({ name, value: median(turns) }))
    .filter(({ value }) => Number.isFinite(value));
  if (bars.length === 0) return { parts: [], end: top };
  const bound = unit === 'us' ? CUT_OFF * median(bars.map(({ value }) => value)) : Number.POSITIVE_INFINITY;
  const most = Math.max(...bars.map(({ value }) => value).filter((value) => value <= bound));
  const parts = [
    `<text x="${MARGIN}" y="${top + 20}" font-weight="bold">${xmlText(`${attach}: ${metric} (${unit})`)}</text>`,
  ];
  let y = top + TITLE;
  for (const { name, value } of bars) {
    const isCut = value > most;
    const width = ((WIDTH - LABEL - VALUE - MARGIN) * Math.min(value, most)) / most;
    const color = name.startsWith('firehook') ? OURS : (COLORS[name.split(' ')[0] ?? ''] ?? OTHERS);
    const base = y + BAR - GAP;
    parts.push(
      `<text x="${LABEL - 8}" y="${base}" text-anchor="end">${xmlText(name)}</text>`,
      `<rect x="${LABEL}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" fill="${color}"/>`,
      `<text x="${(LABEL + width + 6).toFixed(1)}" y="${base}">${isCut ? '&#187; ' : ''}${value.toFixed(value < 100 ? 2 : 0)}</text>`,
    );
    y += BAR + GAP;
  }
  return { parts, end: y + MARGIN };
}

function xmlText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
