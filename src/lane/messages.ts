/**
 * What supervisor and lane tell each other over the channel that Node opens between parent and child.
 *
 * ```
 *   supervisor ── start (everything the lane needs) ──> lane
 *              <── ready (the hooks) │ failed (why) ───
 *              ── stop ───────────────────────────────>      then the lane ends; its last numbers are in the progress file
 * ```
 * Plain data only. Nothing about packets goes this way: under flood no message would get through.
 *
 * @module
 */

import type { RingOptions, RingSize } from '../drivers/afpacket-ring.ts';
import type { LivePortOptions } from '../drivers/live-port.ts';
import type { ErrorCode } from '../errors.ts';
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

/** A lane that packets can come to. */
export interface LaneReady {
  readonly type: 'ready';
  readonly hooks: readonly HookInfo[];
  /** What the kernel gave; empty with `pcap`. */
  readonly rings: readonly RingSize[];
  /** What the kernel hands over at the ports of `tap`, for people; null where it is everything. */
  readonly kernelFilter: string | null;
}

/** From lane to supervisor. */
export type FromLane =
  | LaneReady
  | { readonly type: 'failed'; readonly code: ErrorCode; readonly message: string; readonly exitCode: 1 | 2 | 3 | 4 };
