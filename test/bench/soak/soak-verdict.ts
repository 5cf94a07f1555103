/**
 * What is made of the looks of a soak: the slope of memory, the most descriptors, and a verdict.
 *
 * ```
 *   looks ─┬─ first third: caches fill, code is compiled                              not judged
 *          └─ last two thirds ─> least squares line ─> MiB an hour; what it rises in them
 * ```
 * Rules, all of them. Memory is flat where the line through what a process has for itself rises by at most 10 % of its median an hour, or 2 MiB. Of a heap
 * the line goes through the least of each ten looks: between two collections it only says how long ago the last one was. No descriptor and no process is left over
 * where the median of the last sixth is at most that of the second sixth: what comes for a moment is in neither. The ledger closes where it did at each look and
 * at the end. A lane that was replaced has another memory: it is judged where the first one lived to the end. A soak shorter than half an hour says little
 * of memory.
 *
 * @module
 */

import { median } from '../measure.ts';
import type { Temper } from './soak-cell.ts';
import { type Look, TRACKS, type Track } from './soak-look.ts';

/** A cell after the soak. */
export interface CellRecord {
  readonly name: string;
  readonly temper: Temper;
  readonly looks: readonly Look[];
  /** What did not go as asked for: a reload that was refused, for example. */
  readonly surprises: readonly string[];
  /** What does not add up once the traffic has ended. */
  readonly openAtEnd: readonly string[];
}

/** What is said of a track. */
export interface TrackSummary {
  readonly cell: string;
  readonly track: Track;
  readonly first: number;
  readonly median: number;
  readonly last: number;
  readonly most: number;
  /** Of the last two thirds, an hour. */
  readonly slope: number;
  /** What the line rises in the last two thirds. */
  readonly rise: number;
  /** Why it is not flat, or null; null too where it is not judged. */
  readonly complaint: string | null;
}

const MOST_RISE_SHARE = 0.1;
const LOOKS_OF_HEAP = 10;
const LEAST_ALLOWED_MIB = 2;
const SECONDS_IN_HOUR = 3600;
const MEMORY: ReadonlySet<Track> = new Set<Track>([
  'supervisorOwn',
  'supervisorHeap',
  'laneOwn',
  'laneHeap',
  'writerOwn',
]);
const COUNTED: ReadonlySet<Track> = new Set<Track>([
  'supervisorDescriptors',
  'laneDescriptors',
  'writerDescriptors',
  'processes',
]);
const OF_LANE: ReadonlySet<Track> = new Set<Track>(['laneOwn', 'laneHeap']);
const HEAPS: ReadonlySet<Track> = new Set<Track>(['supervisorHeap', 'laneHeap']);

/** Everything that is said of a cell, track by track; a track that was never seen is left out. */
export function summarise(cell: CellRecord): TrackSummary[] {
  return TRACKS.flatMap((track) => {
    const points = cell.looks.flatMap((look): [number, number][] => {
      const value = look[track];
      return value === undefined ? [] : [[look.atS, value]];
    });
    const [first] = points;
    const last = points.at(-1);
    if (first === undefined || last === undefined) return [];
    const spanS = last[0] - first[0];
    const judged = points.filter(([atS]) => atS >= first[0] + spanS / 3);
    const slope = slopeOf(HEAPS.has(track) ? least(judged) : judged);
    const rise = (slope * spanS * 2) / 3;
    const middle = median(judged.map(([, value]) => value));
    return [
      {
        cell: cell.name,
        track,
        first: first[1],
        median: middle,
        last: last[1],
        most: Math.max(...points.map(([, value]) => value)),
        slope: slope * SECONDS_IN_HOUR,
        rise,
        complaint: complaintOf(cell, track, points, slope * SECONDS_IN_HOUR, middle),
      },
    ];
  });
}

/** What speaks against the soak, one sentence each; empty where all is well. */
export function complaintsOf(cell: CellRecord): string[] {
  const say = (text: string): string => `${cell.name}: ${text}`;
  const tracks = summarise(cell).flatMap(({ complaint }) => (complaint === null ? [] : [say(complaint)]));
  const unanswered = cell.looks.filter(({ told }) => told === null).length;
  const open = cell.looks.filter(({ told }) => (told?.problems.length ?? 0) > 0);
  const said = open[0]?.told?.problems.join(' ') ?? '';
  return [
    ...tracks,
    ...(open.length === 0
      ? []
      : [say(`the ledger was open at ${open.length} looks, first ${open[0]?.atS} s: ${said}`)]),
    ...cell.openAtEnd.map((problem) => say(`the ledger is open at the end: ${problem}`)),
    ...(unanswered === 0 ? [] : [say(`the daemon did not answer ${unanswered} of ${cell.looks.length} looks`)]),
    ...cell.surprises.map(say),
  ];
}

/** Slope of the least squares line through the points, in units of the second number for each of the first; 0 for fewer than two. */
export function slopeOf(points: readonly (readonly [x: number, y: number])[]): number {
  const count = points.length;
  if (count < 2) return 0;
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / count;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / count;
  const across = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  const along = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  return along === 0 ? 0 : across / along;
}

function complaintOf(
  { looks }: CellRecord,
  track: Track,
  points: readonly (readonly [number, number])[],
  anHour: number,
  middle: number,
): string | null {
  if (OF_LANE.has(track) && looks.some(({ lane }) => lane !== looks[0]?.lane)) return null;
  if (MEMORY.has(track)) {
    const most = Math.max(LEAST_ALLOWED_MIB, middle * MOST_RISE_SHARE);
    return anHour <= most ? null : `${track} rises by ${anHour.toFixed(1)} MiB an hour; ${most.toFixed(1)} are allowed`;
  }
  if (!COUNTED.has(track)) return null;
  const [early, late] = [usual(points, 1 / 6, 2 / 6), usual(points, 5 / 6, 1)];
  return late <= early ? null : `${track}: ${late} at the end, ${early} before`;
}

/** The least of each ten. */
function least(points: readonly (readonly [number, number])[]): [number, number][] {
  return Array.from({ length: Math.floor(points.length / LOOKS_OF_HEAP) }, (_, part) => {
    const own = points.slice(part * LOOKS_OF_HEAP, (part + 1) * LOOKS_OF_HEAP);
    return [own[0]?.[0] ?? 0, Math.min(...own.map(([, value]) => value))];
  });
}

/** The median of a part of the time. */
function usual(points: readonly (readonly [number, number])[], from: number, to: number): number {
  const begin = points[0]?.[0] ?? 0;
  const span = (points.at(-1)?.[0] ?? 0) - begin;
  const within = points.filter(([atS]) => atS >= begin + from * span && atS <= begin + to * span);
  return median(within.map(([, value]) => value));
}
