/**
 * Loads the hooks of a config once, in a process that has no packets and no rights, to see whether they can be loaded.
 *
 * @module
 */

import { randomInt } from 'node:crypto';
import type { Settings } from '../config/schema.ts';
import { FirehookError } from '../errors.ts';
import type { HookInfo, HookSource, LaneSpec, LaneUser } from '../lane/messages.ts';
import { loadNative } from '../native/load-native.ts';
import { createLogger, type Logger } from '../telemetry/logger.ts';
import { LaneChild } from './lane-child.ts';

/** How long hooks may take to set up before the trial is given up. */
const READY_TIMEOUT_MS = 60_000;

/** True where a lane does not start if the kernel cannot confine it. */
export function isConfinementRequired({ lane }: Settings): boolean {
  return (lane.confine ?? (loadNative().landlockVersion() > 0 ? 'required' : 'best')) === 'required';
}

/** What a lane is told, for a config; without ports it can only load the hooks. */
export function laneSpec(
  settings: Settings,
  configFolder: string,
  user: LaneUser | null,
  hooks: readonly HookSource[],
  lanes: number,
): LaneSpec {
  const { policy, icmp, pool, log, verifier } = settings;
  return {
    mode: 'check',
    user,
    driver: 'pcap',
    ports: [],
    rings: [],
    sockets: null,
    ways: [],
    lanes,
    locals: [],
    hooks,
    configFolder,
    policy: { onHookError: policy.onHookError, nonIp: policy.nonIp, unreadable: policy.unreadable },
    icmp,
    poolLimitMiB: pool.limitMiB,
    verifier: { ...verifier, seed: verifier.seed ?? randomInt(2 ** 32) },
    logLevel: log.level,
    trackChanges: false,
  };
}

/**
 * Loads and sets up hooks as `user`, and ends the process that did it.
 *
 * @param log - takes what hooks print
 * @returns the hooks in running order
 * @throws {@link FirehookError} what a hook was refused for
 */
export async function tryHooks(
  settings: Settings,
  configFolder: string,
  user: LaneUser | null,
  hooks: readonly HookSource[],
  log: Logger = createLogger({ level: settings.log.level }),
): Promise<readonly HookInfo[]> {
  const spec = laneSpec(settings, configFolder, user, hooks, 1);
  return new Promise((resolve, reject) => {
    let loaded: readonly HookInfo[] | null = null;
    const lane = new LaneChild({
      spec,
      fenceFd: null,
      cpu: null,
      isConfinementRequired: isConfinementRequired(settings),
      log,
      events: {
        opened: () => undefined,
        ready: (report) => {
          loaded = report.hooks;
        },
        killed: () => undefined,
        exited: () => clearTimeout(timer),
        ended: ({ error }) => {
          // One for each: the supervisor's books, and the size of the progress file, go by their number.
          if (loaded?.length === hooks.length) resolve(loaded);
          else reject(error ?? new FirehookError('FIREHOOK_LANE_FAILED', 'it ended while it started'));
        },
      },
    });
    const timer = setTimeout(() => lane.kill(`not ready after ${READY_TIMEOUT_MS / 1000} s`), READY_TIMEOUT_MS);
  });
}
