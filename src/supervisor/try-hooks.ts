/**
 * Loads the hooks of a config once, in a process that has no packets and no rights, to see whether they can be loaded.
 *
 * @module
 */

import type { Config, Settings } from '../config/schema.ts';
import { bundleHooks } from '../hook/bundle-hook.ts';
import type { HookInfo, HookSource, LaneSpec, LaneUser } from '../lane/messages.ts';
import { LaneChild } from './lane-child.ts';

/** The hooks of a config as scripts. Reads files, runs nothing of them. */
export async function bundleAll(config: Config): Promise<HookSource[]> {
  const sources: HookSource[] = [];
  for (const { module, priority, options } of config.hooks) {
    for (const bundle of await bundleHooks(module)) sources.push({ bundle, priority, options });
  }
  return sources;
}

/** What a lane is told, for a config; without ports it can only load the hooks. */
export function laneSpec(
  settings: Settings,
  configFolder: string,
  user: LaneUser | null,
  hooks: readonly HookSource[],
): LaneSpec {
  const { policy, icmp, pool, log } = settings;
  return {
    mode: 'check',
    user,
    driver: 'pcap',
    ports: [],
    rings: [],
    ways: [],
    hooks,
    configFolder,
    policy: { onHookError: policy.onHookError, nonIp: policy.nonIp, unreadable: policy.unreadable },
    icmp,
    poolLimitMiB: pool.limitMiB,
    logLevel: log.level,
    trackChanges: false,
  };
}

/**
 * Loads and sets up hooks as `user`, and ends the process that did it.
 *
 * @returns the hooks in running order
 * @throws {@link FirehookError} what a hook was refused for
 */
export async function tryHooks(
  settings: Settings,
  configFolder: string,
  user: LaneUser | null,
  hooks: readonly HookSource[],
): Promise<readonly HookInfo[]> {
  const lane = new LaneChild(laneSpec(settings, configFolder, user, hooks));
  const loaded = await lane.ready;
  await lane.ended;
  return loaded;
}
