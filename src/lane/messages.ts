/**
 * What supervisor and lane tell each other, over a pair of sockets that the supervisor opens: one JSON text a line.
 *
 * ```
 *   supervisor ── start (everything the lane needs) ──> lane
 *              <── opened (its sockets) ── ready (the hooks) │ failed (why) ───
 *              ── stop ───────────────────────────────>      then the lane ends; its last numbers are in the progress file
 * ```
 * Rule: a lane runs hooks, so what it says is checked like what a stranger says: length, shape, range, and how often. Plain
 * data only. Nothing about packets goes this way: under flood no message would get through.
 *
 * @module
 */

import * as z from 'zod';
import type { RingOptions } from '../drivers/afpacket-ring.ts';
import type { LivePortOptions } from '../drivers/live-port.ts';
import { ERRORS, type ErrorCode } from '../errors.ts';
import type { HookBundle } from '../hook/bundle-hook.ts';
import type { LogLevel } from '../telemetry/logger.ts';
import type { Way } from './way.ts';

/** One bundle with what the config says about it. */
export interface HookSource {
  readonly bundle: HookBundle;
  readonly priority: number | undefined;
  readonly options: unknown;
}

/** The user a lane becomes before it loads a hook. */
export interface LaneUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** Everything a lane needs. */
export interface LaneSpec {
  /** `check` loads the hooks, says `ready` and ends. */
  readonly mode: 'run' | 'check';
  /** Null: stay who you are (not started by root). */
  readonly user: LaneUser | null;
  readonly driver: 'pcap' | 'afpacket';
  readonly ports: readonly LivePortOptions[];
  /** For `afpacket`: the rings of the ports that capture. */
  readonly rings: readonly RingOptions[];
  readonly ways: readonly Way[];
  readonly hooks: readonly HookSource[];
  readonly configFolder: string;
  readonly policy: {
    readonly onHookError: 'drop' | 'forward';
    readonly nonIp: 'drop' | 'forward';
    readonly unreadable: 'drop' | 'forward';
  };
  readonly icmp: { readonly code: number; readonly ratePerSecond: number };
  readonly poolLimitMiB: number;
  readonly logLevel: LogLevel;
  /** Count in-place changes too: for `tap`. */
  readonly trackChanges: boolean;
}

/** A hook of a running lane, in running order. */
export interface HookInfo {
  readonly name: string;
  readonly path: string;
  readonly priority: number;
  readonly kind: 'defined' | 'callback';
}

/** From supervisor to lane. */
export type ToLane = { readonly type: 'start'; readonly spec: LaneSpec } | { readonly type: 'stop' };

/** Octets of the longest line of a lane, its newline not counted. */
export const MAX_LANE_LINE = 64 * 1024;
/** Characters of the longest message of a lane that failed. */
export const MAX_FAILURE = 8 * 1024;
/** Highest number that a port, a slot count or the like can have. */
const MOST = 2 ** 31 - 1;

const hookInfo = z.strictObject({
  name: z.string().min(1).max(256),
  path: z.string().max(4096),
  priority: z.number().min(-Number.MAX_VALUE).max(Number.MAX_VALUE),
  kind: z.enum(['defined', 'callback']),
});

const laneReady = z.strictObject({
  type: z.literal('ready'),
  hooks: z.array(hookInfo).max(1024).readonly(),
  /** What the kernel gave; empty with `pcap`. */
  rings: z
    .array(z.strictObject({ port: z.int().min(0).max(MOST), slots: z.int().min(0).max(MOST) }))
    .max(1024)
    .readonly(),
  /** What the kernel hands over at the ports of `tap`, for people; null where it is everything. */
  kernelFilter: z.string().max(4096).nullable(),
});

const fromLane = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('opened') }),
  laneReady,
  z.strictObject({
    type: z.literal('failed'),
    code: z.enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]),
    message: z.string().max(MAX_FAILURE),
    exitCode: z.union([z.literal(1), z.literal(2), z.literal(3), z.literal(4)]),
  }),
]);

/** A lane that packets can come to. */
export type LaneReady = z.output<typeof laneReady>;

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
