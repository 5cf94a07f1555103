/**
 * A look at a cell of a soak: memory, descriptors, processes, and what the daemon says of itself.
 *
 * Rule: a look asks once and keeps numbers only. What the daemon does not answer in time is a look without its numbers, which the verdict counts.
 *
 * @module
 */

import { readFileSync } from 'node:fs';
import type { StatsReport, StatusReport } from '../../../src/control/reports.ts';
import { askDaemon } from './ask-daemon.ts';
import { processesOf } from './numbers-of.ts';
import type { SoakCell } from './soak-cell.ts';

/** What is followed over time, in MiB or as a count; a hole where there is none. */
export const TRACKS = [
  'supervisorRss',
  'supervisorOwn',
  'supervisorHeap',
  'laneRss',
  'laneOwn',
  'laneHeap',
  'writerRss',
  'writerOwn',
  'supervisorDescriptors',
  'laneDescriptors',
  'writerDescriptors',
  'processes',
  'flows',
] as const;

/** A name of {@link TRACKS}. */
export type Track = (typeof TRACKS)[number];

/** What was seen of a cell at one moment. */
export interface Look extends Readonly<Partial<Record<Track, number>>> {
  /** Seconds since the soak began. */
  readonly atS: number;
  /** Process id of the first lane: another one is another memory. */
  readonly lane: number | null;
  /** Null where the daemon did not answer. */
  readonly told: Told | null;
}

/** What the daemon says. */
export interface Told {
  readonly state: string;
  readonly lease: string;
  readonly lapses: number;
  readonly longestGapMs: number;
  readonly restarts: number;
  /** Of a lane, the last one; '' for none. */
  readonly lastError: string;
  readonly generation: number;
  readonly received: number;
  readonly lost: number;
  readonly kernelDropped: number;
  readonly fenced: number;
  readonly whileDown: number;
  readonly neverHanded: number;
  readonly hookFaults: number;
  readonly eventsMade: number;
  readonly eventsLost: number;
  readonly eventsSuppressed: number;
  readonly eventsFailed: number;
  readonly logLinesLost: number;
  readonly flowsMade: number;
  /** Empty where the ledger closes. */
  readonly problems: readonly string[];
}

const MIB = 1 << 20;

/** Looks at a cell. */
export async function lookAt(cell: SoakCell, atS: number): Promise<Look> {
  const answer = await ask(cell);
  const status = answer?.status ?? null;
  const processes = processesOf(cell.daemon.pid, status?.lane.pids ?? []);
  const of = (role: string) => processes.filter((process) => process.role === role);
  const [supervisor] = of('supervisor');
  const [lane] = of('lane');
  const [writer] = of('writer');
  const laneHeap = answer?.stats.metrics.find(({ name }) => name === 'heap_octets')?.value;
  const tracks: Partial<Record<Track, number | undefined>> = {
    supervisorRss: supervisor?.rssMiB,
    supervisorOwn: supervisor?.ownMiB,
    supervisorHeap: heapOf(cell.heapFile),
    laneRss: lane?.rssMiB,
    laneOwn: lane?.ownMiB,
    laneHeap: laneHeap === undefined || laneHeap === 0 ? undefined : laneHeap / MIB,
    writerRss: writer?.rssMiB,
    writerOwn: writer?.ownMiB,
    supervisorDescriptors: supervisor?.descriptors,
    laneDescriptors: lane?.descriptors,
    writerDescriptors: writer?.descriptors,
    processes: processes.length,
    flows: status?.flows?.now,
  };
  return {
    atS,
    lane: status?.lane.pid ?? null,
    told: answer === null ? null : toldBy(answer),
    ...(Object.fromEntries(Object.entries(tracks).filter(([, value]) => value !== undefined)) as Partial<
      Record<Track, number>
    >),
  };
}

interface Answer {
  readonly status: StatusReport;
  readonly stats: StatsReport;
}

async function ask({ daemon: { socket } }: SoakCell): Promise<Answer | null> {
  try {
    return {
      status: JSON.parse(await askDaemon(socket, '/status')) as StatusReport,
      stats: JSON.parse(await askDaemon(socket, '/stats')) as StatsReport,
    };
  } catch {
    return null;
  }
}

function toldBy({ status, stats }: Answer): Told {
  const sumOf = (of: 'neverHanded' | 'whileDown'): number =>
    stats.ways.reduce((sum, { port }) => sum + (port?.[of] ?? 0), 0);
  const { events } = stats;
  return {
    state: status.state,
    lease: status.lease,
    lapses: status.leaseHistory.lapses,
    longestGapMs: status.leaseHistory.longestGapMs,
    restarts: status.lane.restarts,
    lastError: status.lane.lastError ?? '',
    generation: status.generation,
    received: stats.total.received,
    lost: stats.total.lost,
    kernelDropped: stats.kernelDropped,
    fenced: stats.fenced,
    whileDown: sumOf('whileDown'),
    neverHanded: sumOf('neverHanded'),
    hookFaults: status.health.hookFaults,
    eventsMade: events.made,
    eventsLost: events.lost,
    eventsSuppressed: events.suppressed,
    eventsFailed: events.sink?.sinks.reduce((sum, { failed }) => sum + failed, 0) ?? 0,
    logLinesLost: status.logLinesLost,
    flowsMade: status.flows?.made ?? 0,
    problems: stats.problems,
  };
}

function heapOf(file: string): number | undefined {
  try {
    return (JSON.parse(readFileSync(file, 'utf8')) as { heapUsed: number }).heapUsed / MIB;
  } catch {
    // It is being written, or not there yet.
    return undefined;
  }
}
