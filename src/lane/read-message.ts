/**
 * What a lane may say, and how the supervisor reads it.
 *
 * Rule: a lane runs hooks, so what it says is checked like what a stranger says: length, shape, range, and how often. The lane
 * itself takes only the types from here: loading zod costs more processor time than all of its own modules together, and
 * a lane that died is missed for as long as another takes to start.
 *
 * @module
 */

import * as z from 'zod';
import { ERRORS, type ErrorCode } from '../errors.ts';
import { MOST_TABLE_NAME } from '../hook/table-rules.ts';
import { MOST_ENTRIES, MOST_KEY_OCTETS } from '../table/table-layout.ts';
import { METRIC_HELP, METRIC_NAME, MOST_METRICS } from '../telemetry/metrics.ts';
import { MOST_REASONS, REASON_TEXT } from '../telemetry/reasons.ts';
import { MAX_DEVICE_TEXT, MAX_FAILURE } from './messages.ts';

/** Highest number that a port, a slot count or the like can have. */
const MOST = 2 ** 31 - 1;

const hookInfo = z.strictObject({
  name: z.string().min(1).max(256),
  path: z.string().max(4096),
  priority: z.number().min(-Number.MAX_VALUE).max(Number.MAX_VALUE),
  kind: z.enum(['defined', 'callback', 'driver']),
  isShadow: z.boolean(),
});

const metric = z.strictObject({
  /** Place of its hook in `hooks`. */
  hook: z.int().min(0).max(MOST),
  kind: z.enum(['counter', 'gauge']),
  name: z.string().regex(METRIC_NAME),
  help: z.string().regex(METRIC_HELP),
});

const laneReady = z.strictObject({
  type: z.literal('ready'),
  hooks: z.array(hookInfo).max(1024).readonly(),
  /** Counters and gauges of the hooks, in the order of their numbers in the progress file. */
  metrics: z.array(metric).max(MOST_METRICS).readonly(),
  /** What the hooks give reasons by, in the order of their numbers in the progress file. */
  reasons: z
    .array(z.strictObject({ hook: z.int().min(0).max(MOST), text: z.string().regex(REASON_TEXT) }))
    .max(MOST_REASONS)
    .readonly(),
  /** What the kernel gave; empty with `pcap`. */
  rings: z
    .array(z.strictObject({ port: z.int().min(0).max(MOST), slots: z.int().min(0).max(MOST) }))
    .max(1024)
    .readonly(),
  /** What the kernel hands over at the ports of `tap`, for people; null where it is everything. */
  kernelFilter: z.string().max(4096).nullable(),
  /** Tables of daemon scope that the hooks ask for, told in a check. */
  tables: z
    .array(
      z.strictObject({
        hook: z.string().min(1).max(256),
        name: z.string().min(1).max(MOST_TABLE_NAME),
        most: z.int().min(1).max(MOST_ENTRIES),
        keyOctets: z.int().min(4).max(MOST_KEY_OCTETS),
      }),
    )
    .max(1024)
    .readonly(),
});

const laneTried = z.strictObject({
  type: z.literal('tried'),
  packets: z.int().min(0).max(MOST),
  faults: z
    .array(z.strictObject({ hook: z.string().max(256), text: z.string().max(1024), times: z.int().min(0).max(MOST) }))
    .max(256)
    .readonly(),
});

/** Counts that a double holds exactly. */
const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER);

const laneHanded = z.strictObject({
  type: z.literal('handed'),
  id: z.int().min(0).max(MOST),
  /** Why the step was not taken; null where it was. */
  error: z.string().max(MAX_FAILURE).nullable(),
  /** Of `leave`: where the successor goes on. */
  place: z
    .strictObject({
      rings: z
        .array(
          z.strictObject({
            port: z.int().min(0).max(MOST),
            next: z.int().min(0).max(MOST),
            unread: z.int().min(0).max(MOST),
            epoch: count,
            stale: z.int().min(0).max(MOST),
          }),
        )
        .max(1024)
        .readonly(),
    })
    .optional(),
  /** Of `leave`: how much of its memory it has written. */
  size: z.strictObject({ hooks: z.int().min(0).max(MOST), flows: z.int().min(0).max(MOST) }).optional(),
  /** Of `adopt`: as in `ready`. */
  kernelFilter: z.string().max(4096).nullable().optional(),
  /** What the operator should know of it: a hook whose state was not handed on, and why. */
  notes: z.array(z.string().max(1024)).max(64).readonly().optional(),
});

const fromLane = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('opened') }),
  laneReady,
  laneTried,
  laneHanded,
  z.strictObject({
    type: z.literal('answered'),
    id: z.int().min(0).max(MOST),
    /** NTSTATUS. */
    status: z.int().min(0).max(0xffff_ffff),
    output: z.base64().max(MAX_DEVICE_TEXT),
    /** What the driver threw; null when it did not. */
    error: z.string().max(MAX_FAILURE).nullable(),
  }),
  z.strictObject({
    type: z.literal('failed'),
    code: z.enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]),
    message: z.string().max(MAX_FAILURE),
    exitCode: z.union([z.literal(1), z.literal(2), z.literal(3), z.literal(4)]),
  }),
]);

/** What a driver answered. */
export type DeviceAnswer = Extract<z.output<typeof fromLane>, { type: 'answered' }>;

/** What came of a step of a handover. */
export type LaneHanded = z.output<typeof laneHanded>;

/** A lane that packets can come to. */
export type LaneReady = z.output<typeof laneReady>;

/** What came of a trial. */
export type LaneTried = z.output<typeof laneTried>;

/** From lane to supervisor. */
export type FromLane = z.output<typeof fromLane>;

/**
 * Reads a line of a lane.
 *
 * @returns null where it is no message
 */
export function parseFromLane(line: string): FromLane | null {
  try {
    const { data } = fromLane.safeParse(JSON.parse(line));
    return data ?? null;
  } catch {
    return null;
  }
}
