/**
 * The progress file: what a lane has done so far, written by the lane and read by the supervisor.
 *
 * The file lies in memory, has no name and a size that cannot change: the supervisor makes it for the ways and hooks that it
 * knows, and the lane inherits the descriptor. The lane writes one snapshot of doubles with one `pwrite`; the reader copies it
 * with one `pread` and checks that the sequence number is the same at both ends. No message is needed, so it is there under
 * flood, and after the lane was killed. Octets 8 to 15, the sequence, are also what the lease looks at.
 *
 * ```
 *   doubles:  magic | sequence | packets | ways | hooks | tags | poolBytes | poolLimit | poolFaults | kernelDropped
 *             fenced | epoch | events | eventsLost | eventsSuppressed
 *             ways x LEDGER_WIDTH | hooks x HOOK_ROW | MAX_TAGS x TAG_WIDTH | FLOW_WIDTH
 *             metrics of hooks | their reasons | hooks x TIME_WIDTH | sequence
 * ```
 * Rule: hooks share the process with the writer, so the reader believes no count, no size and no number out of range.
 *
 * @module
 */

import { readSync, writeSync } from 'node:fs';

import type { DriverStats } from '../drivers/contract.ts';
import type { Pool } from '../firewall/pool.ts';
import type { FlowTable } from '../flow/flow-table.ts';
import type { HookChain } from '../hook/hook-chain.ts';
import { HOOK_WIDTH } from '../hook/hook-chain.ts';
import type { HookMetrics } from '../hook/hook-metrics.ts';
import type { HookReasons } from '../hook/hook-reasons.ts';
import { RUNNING_OCTETS } from '../hook/running-hook.ts';
import {
  FLOW_COUNTERS,
  HOOK_COLUMNS,
  type HookCounter,
  MOST_COUNTED,
  type Row,
  rowFrom,
} from '../telemetry/counters.ts';
import { TIME_WIDTH, type TimeRow } from '../telemetry/hook-times.ts';
import {
  boundedMetric,
  type MetricDefinition,
  type MetricValue,
  MOST_METRICS,
  MOST_OF_HOOK,
} from '../telemetry/metrics.ts';
import { mostReasons, type ReasonCount, type ReasonDefinition } from '../telemetry/reasons.ts';
import { FLOW_WIDTH, type FlowRow, writeFlowRow } from './flow-row.ts';
import type { LedgerRow } from './ledger.ts';
import { LEDGER_WIDTH, rowAt } from './ledger.ts';
import { TRACE_OCTETS } from './trace-ring.ts';

/** "FHP7" as a number; changes when the layout does. */
const MAGIC = 0x46485037;
const HEADER = 15;
/** Numbers of a hook: what the chain counts, then what the books of the pool say. */
const HOOK_ROW = HOOK_COLUMNS.length;
/** Tag row: tag, pool type, allocs, frees, bytes. */
const TAG_WIDTH = 5;
/** Tags beyond this are summed into none: a hook that invents tags must not grow the file. */
const MAX_TAGS = 32;
const OCTETS = 8;
/** A lane that is killed in the middle of a write leaves a torn snapshot; one that tears on purpose gets no more tries. */
const ATTEMPTS = 20;
/** Least time between two snapshots of the packet path; a tenth of what an idle lane takes. */
const GAP_MS = 5;

/** Counters of one hook in a snapshot. */
export type HookProgress = Readonly<Row<HookCounter>>;

/** One line of `firehook pool`. */
export interface TagProgress {
  /** The octets in memory order: `TCPf`. */
  readonly tag: string;
  readonly type: 'Nonp' | 'Paged';
  readonly allocs: number;
  readonly frees: number;
  readonly bytes: number;
}

/** What a lane had done when it wrote last. */
export interface LaneProgress {
  /** Moves with every write, idle or not: a lane is alive while it moves. */
  readonly sequence: number;
  readonly packets: number;
  readonly ways: readonly LedgerRow[];
  readonly hooks: readonly HookProgress[];
  readonly tags: readonly TagProgress[];
  readonly poolBytes: number;
  readonly poolLimit: number;
  readonly poolFaults: number;
  /** Frames the kernel dropped before the driver could read them. */
  readonly kernelDropped: number;
  /** Frames given back unread because the kernel may have sent them on. */
  readonly fenced: number;
  /** Epoch of the fence that the lane is in; 0 where it has none. */
  readonly epoch: number;
  /** Events that hooks made, those that were lost included. */
  readonly events: number;
  /** Of them, those that found no room. */
  readonly eventsLost: number;
  /** Beside them, those of firehook's own that were left out. */
  readonly eventsSuppressed: number;
  /** What its flow table counted; null where it has none. */
  readonly flows: FlowRow | null;
  /** Counters and gauges of its hooks, where it is known what they are. */
  readonly metrics: readonly MetricValue[];
  /** How often its hooks gave which reason, where it is known what they are. */
  readonly reasons: readonly ReasonCount[];
  /** How long each of its hooks took. */
  readonly times: readonly TimeRow[];
}

/** What decides about the size of a progress file. */
export interface ProgressShape {
  readonly ways: number;
  readonly hooks: number;
}

/** Octets of the progress file of a lane. */
export function progressOctets(shape: ProgressShape): number {
  return widthOf(shape) * OCTETS;
}

/** Octets of the memory that a lane shares: the progress file, behind it the hook that runs (`running-hook.ts`), and the ring of traces (`trace-ring.ts`). */
export function sharedOctets(shape: ProgressShape): number {
  return tracesAt(shape) + TRACE_OCTETS;
}

/** Where the ring of traces begins in it. */
export function tracesAt(shape: ProgressShape): number {
  return progressOctets(shape) + RUNNING_OCTETS;
}

function widthOf({ ways, hooks }: ProgressShape): number {
  return timesAt({ ways, hooks }) + hooks * TIME_WIDTH + 1;
}

/** Where the rows of the times begin. */
function timesAt({ ways, hooks }: ProgressShape): number {
  return flowsAt({ ways, hooks }) + FLOW_WIDTH + mostMetrics(hooks) + mostReasons(hooks);
}

/** Where the row of the flow table begins. */
function flowsAt({ ways, hooks }: ProgressShape): number {
  return HEADER + ways * LEDGER_WIDTH + hooks * HOOK_ROW + MAX_TAGS * TAG_WIDTH;
}

function mostMetrics(hooks: number): number {
  return Math.min(MOST_METRICS, hooks * MOST_OF_HOOK);
}

/** What {@link ProgressWriter} takes its numbers from. */
export interface ProgressSource {
  readonly ledger: Float64Array;
  readonly chain: HookChain;
  readonly pool: Pool;
  /** Where a hook asks for flows. @defaultValue none */
  readonly flows?: FlowTable | null;
  /** @defaultValue none */
  readonly metrics?: HookMetrics;
  /** @defaultValue none */
  readonly reasons?: HookReasons;
  /** What hooks made of events. @defaultValue none */
  readonly events?: { readonly made: number; readonly lost: number; readonly suppressed: number };
  /** May be costly: asked only when the lane is idle or a while has passed. */
  driverStats(): DriverStats;
}

/** Writes snapshots of a lane's counters. */
export class ProgressWriter {
  readonly #fd: number;
  readonly #source: ProgressSource;
  readonly #numbers: Float64Array;
  readonly #bytes: Uint8Array;
  /** An array, because a number with a fraction in a field may be boxed at every change. */
  readonly #dueMs = new Float64Array(1);
  readonly #flowsAt: number;
  readonly #timesAt: number;
  #sequence = 0;

  /** @param fd - the inherited descriptor; not closed here */
  constructor(fd: number, source: ProgressSource) {
    this.#fd = fd;
    this.#source = source;
    const ways = source.ledger.length / LEDGER_WIDTH;
    const hooks = source.chain.hooks.length;
    this.#numbers = new Float64Array(widthOf({ ways, hooks }));
    this.#bytes = new Uint8Array(this.#numbers.buffer);
    this.#numbers[0] = MAGIC;
    this.#numbers[3] = ways;
    this.#numbers[4] = hooks;
    this.#flowsAt = flowsAt({ ways, hooks });
    this.#timesAt = timesAt({ ways, hooks });
  }

  /**
   * As {@link ProgressWriter.write}, if the last time is a while ago: a system call and its objects for every few packets
   * would be most of what the packet path allocates.
   *
   * @param nowMs - on a clock that never jumps back
   */
  writeWhenDue(packets: number, nowMs: number): void {
    if (nowMs < (this.#dueMs[0] as number)) return;
    this.#dueMs[0] = nowMs + GAP_MS;
    this.write(packets);
  }

  /** Writes what the packet path has counted. Cost: one copy and one system call, no allocation. */
  write(packets: number): void {
    const numbers = this.#numbers;
    const { ledger, chain, flows = null, metrics, reasons, events } = this.#source;
    this.#sequence += 1;
    numbers[1] = this.#sequence;
    numbers[2] = packets;
    numbers.set(ledger, HEADER);
    let at = HEADER + ledger.length;
    const counters = chain.counters;
    for (let row = 0; row < counters.length; row += HOOK_WIDTH, at += HOOK_ROW) {
      for (let i = 0; i < HOOK_WIDTH; i++) numbers[at + i] = counters[row + i] as number;
    }
    numbers.set(chain.times.numbers, this.#timesAt);
    if (flows !== null) writeFlowRow(flows, numbers, this.#flowsAt);
    if (metrics !== undefined) {
      const first = this.#flowsAt + FLOW_WIDTH;
      const { count, values } = metrics;
      for (let place = 0; place < count; place++) numbers[first + place] = values[place] as number;
    }
    if (reasons !== undefined) {
      const first = this.#flowsAt + FLOW_WIDTH + mostMetrics(chain.hooks.length);
      const { count, counts } = reasons;
      for (let place = 0; place < count; place++) numbers[first + place] = counts[place] as number;
    }
    if (events !== undefined) {
      numbers[12] = events.made;
      numbers[13] = events.lost;
      numbers[14] = events.suppressed;
    }
    numbers[numbers.length - 1] = this.#sequence;
    writeSync(this.#fd, this.#bytes, 0, this.#bytes.length, 0);
  }

  /** Writes everything, the pool's books and the driver's counters included. Allocates: not for the packet path. */
  writeAll(packets: number): void {
    const numbers = this.#numbers;
    const { ledger, chain, pool } = this.#source;
    let at = HEADER + ledger.length;
    for (let hook = 0; hook < chain.hooks.length; hook++, at += HOOK_ROW) {
      const usage = pool.ownerUsage(chain.owners[hook] as number);
      numbers[at + HOOK_WIDTH] = usage.outstanding;
      numbers[at + HOOK_WIDTH + 1] = usage.bytes;
      numbers[at + HOOK_WIDTH + 2] = usage.faults;
    }
    const tags = pool.usage().slice(0, MAX_TAGS);
    for (const tag of tags) {
      numbers[at] = tagNumber(tag.tag);
      numbers[at + 1] = tag.type === 'Nonp' ? 0 : 1;
      numbers[at + 2] = tag.allocs;
      numbers[at + 3] = tag.frees;
      numbers[at + 4] = tag.bytes;
      at += TAG_WIDTH;
    }
    numbers[5] = tags.length;
    const totals = pool.totals();
    numbers[6] = totals.bytesInUse;
    numbers[7] = totals.limitBytes;
    numbers[8] = totals.faultsTotal;
    const driver = this.#source.driverStats();
    numbers[9] = driver.droppedByKernel;
    numbers[10] = driver.fenced ?? 0;
    numbers[11] = driver.epoch ?? 0;
    this.write(packets);
  }
}

/** Reads snapshots, in another process. */
export class ProgressReader {
  /** What the metrics of the lane are, in the order of their declaration: known when it is ready. */
  metrics: readonly MetricDefinition[] = [];
  /** The same of the reasons of its hooks. */
  reasons: readonly ReasonDefinition[] = [];
  readonly #fd: number;
  readonly #shape: ProgressShape;
  readonly #numbers: Float64Array;
  readonly #bytes: Uint8Array;
  /** What was read last; several ask within a moment, and most of the cost is to take the numbers apart. */
  #last: LaneProgress | null = null;
  #lastOf: Definitions | null = null;
  #lastSequence = 0;

  /**
   * @param fd - descriptor of the same file; not closed here
   * @param shape - of the lane that writes it, as the supervisor knows it
   */
  constructor(fd: number, shape: ProgressShape) {
    this.#fd = fd;
    this.#shape = shape;
    this.#numbers = new Float64Array(widthOf(shape));
    this.#bytes = new Uint8Array(this.#numbers.buffer);
  }

  /** The last snapshot, the same object as long as there is no other; null when there is none yet. */
  read(): LaneProgress | null {
    const numbers = this.#numbers;
    // A write is one system call, but a tmpfs lets a reader see half of it: a torn copy shows two sequence numbers.
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const octets = readSync(this.#fd, this.#bytes, 0, this.#bytes.length, 0);
      if (octets < this.#bytes.length || numbers[0] !== MAGIC) return null;
      if (numbers[1] === numbers[numbers.length - 1]) return this.#decoded();
    }
    return null;
  }

  #decoded(): LaneProgress {
    const sequence = this.#numbers[1] as number;
    const { metrics, reasons } = this;
    const isSame = this.#lastOf?.metrics === metrics && this.#lastOf.reasons === reasons;
    if (this.#last !== null && isSame && sequence === this.#lastSequence) return this.#last;
    this.#lastSequence = sequence;
    this.#lastOf = { metrics, reasons };
    this.#last = decode(this.#numbers, this.#shape, this);
    return this.#last;
  }
}

/** A tag as the ULONG whose octets it shows. */
function tagNumber(shown: string): number {
  return Buffer.from(shown.padEnd(4, '\0'), 'latin1').readUInt32LE(0);
}

function shownTag(tag: number): string {
  const octets = Buffer.alloc(4);
  octets.writeUInt32LE(tag >>> 0);
  // A pool takes no other characters: where there are some, nobody's pool wrote them.
  return octets
    .toString('latin1')
    .replace(/\0+$/, '')
    .replaceAll(/[^ -~]/g, '?');
}

/** What cannot be a counter counts as none. */
function counter(value: number | undefined): number {
  return value !== undefined && value >= 0 ? Math.min(Math.floor(value), MOST_COUNTED) : 0;
}

/** What the numbers of hooks are. */
interface Definitions {
  readonly metrics: readonly MetricDefinition[];
  readonly reasons: readonly ReasonDefinition[];
}

function decode(numbers: Float64Array, shape: ProgressShape, definitions: Definitions): LaneProgress {
  const flowRow = flowsAt(shape);
  const firstMetric = flowRow + FLOW_WIDTH;
  // Those of hooks have signs and fractions.
  const metrics = definitions.metrics
    .slice(0, mostMetrics(shape.hooks))
    .map((metric, place) => ({ ...metric, value: boundedMetric(metric.kind, numbers[firstMetric + place]) }));
  const firstReason = firstMetric + mostMetrics(shape.hooks);
  const reasons = definitions.reasons
    .slice(0, mostReasons(shape.hooks))
    .map((reason, place) => ({ ...reason, count: counter(numbers[firstReason + place]) }));
  for (let index = 0; index < firstMetric; index++) numbers[index] = counter(numbers[index]);
  const times: TimeRow[] = [];
  for (let hook = 0, at = timesAt(shape); hook < shape.hooks; hook++, at += TIME_WIDTH)
    times.push(Array.from(numbers.subarray(at, at + TIME_WIDTH), counter));
  const at = (index: number): number => numbers[index] ?? 0;
  const ways: LedgerRow[] = [];
  let offset = HEADER;
  for (let i = 0; i < shape.ways; i++, offset += LEDGER_WIDTH) ways.push(rowAt(numbers, offset));
  const hooks: HookProgress[] = [];
  for (let i = 0; i < shape.hooks; i++, offset += HOOK_ROW) hooks.push(rowFrom(HOOK_COLUMNS, numbers, offset));
  const tags: TagProgress[] = [];
  const tagCount = Math.min(at(5), MAX_TAGS);
  for (let i = 0; i < tagCount; i++, offset += TAG_WIDTH) {
    tags.push({
      tag: shownTag(at(offset)),
      type: at(offset + 1) === 0 ? 'Nonp' : 'Paged',
      allocs: at(offset + 2),
      // What was freed was allocated.
      frees: Math.min(at(offset + 3), at(offset + 2)),
      bytes: at(offset + 4),
    });
  }
  const flows = rowFrom(FLOW_COUNTERS, numbers, flowRow);
  return {
    sequence: at(1),
    packets: at(2),
    ways,
    hooks,
    tags,
    poolBytes: at(6),
    poolLimit: at(7),
    poolFaults: at(8),
    kernelDropped: at(9),
    fenced: at(10),
    epoch: at(11),
    events: at(12),
    // What was lost was made.
    eventsLost: Math.min(at(13), at(12)),
    eventsSuppressed: at(14),
    flows: flows.most === 0 ? null : flows,
    metrics,
    reasons,
    times,
  };
}
