/**
 * Loads the hooks of a config once, in a process that has no network and no rights, to see whether they can be loaded, and, where it is
 * asked for, whether they can cope with ordinary packets.
 *
 * Rule: it ends in a bounded time, and a hook that does not return is named.
 *
 * @module
 */

import { randomInt } from 'node:crypto';
import { hookFaults } from '../config/faults.ts';
import { LIVE_DRIVER_NAMES } from '../config/live-drivers.ts';
import { type AttachConfig, attachInterfaces, type Settings } from '../config/schema.ts';
import { FirehookError } from '../errors.ts';
import { DEFAULT_SAMPLE } from '../events/sampler.ts';
import { flowSettings } from '../lane/flow-settings.ts';
import type { HookInfo, HookSource, LaneSpec, LaneUser, TableDemand, TableMemory } from '../lane/messages.ts';
import type { LaneTried } from '../lane/read-message.ts';
import { LOCAL_NAME } from '../lane/way.ts';
import { loadNative } from '../native/load-native.ts';
import { createLogger, type Logger } from '../telemetry/logger.ts';
import { LaneChild } from './lane-child.ts';

/** How long hooks may take to set up before the trial is given up. */
const READY_TIMEOUT_MS = 60_000;
/** How long all of them may take for the packets of a trial, which are done in a moment. */
const PACKETS_TIMEOUT_MS = 10_000;

/** True where a lane does not start if the kernel cannot confine it. */
export function isConfinementRequired({ lane }: Settings): boolean {
  return (lane.confine ?? (loadNative().landlockVersion() > 0 ? 'required' : 'best')) === 'required';
}

/** Settings, and the attaches where they are known. */
type LaneSettings = Settings & { readonly attach?: readonly AttachConfig[] };

/** Interfaces that have no index here: each has a number that no packet has. */
export function namesOf(attaches: readonly AttachConfig[]): Record<string, number> {
  const names = [LOCAL_NAME, ...attaches.flatMap(attachInterfaces)];
  return Object.fromEntries(names.map((name, place) => [name, place - names.length - 1]));
}

/** What a lane is told, for a config; without ports it can only load the hooks. */
export function laneSpec(
  settings: LaneSettings,
  configFolder: string,
  user: LaneUser | null,
  hooks: readonly HookSource[],
  lanes: number,
): LaneSpec {
  const { policy, faults, icmp, lane, pool, flows, log, verifier } = settings;
  return {
    mode: 'check',
    user,
    driver: LIVE_DRIVER_NAMES[0],
    ports: [],
    rings: [],
    sockets: null,
    ways: [],
    outlets: [],
    lane: 0,
    lanes,
    locals: [],
    interfaces: namesOf(settings.attach ?? []),
    hooks,
    tables: [],
    shared: null,
    configFolder,
    faults: hookFaults(faults),
    openBreakers: [],
    policy: { nonIp: policy.nonIp, unreadable: policy.unreadable },
    icmp,
    poolLimitMiB: pool.limitMiB,
    flows: flowSettings(flows),
    hasEvents: false,
    ownEvents: { drop: false, flow: false, sample: DEFAULT_SAMPLE },
    isSuccessor: false,
    recent: null,
    groups: [],
    memoryMiB: lane.memoryMiB,
    verifier: { ...verifier, seed: verifier.seed ?? randomInt(2 ** 32) },
    logLevel: log.level,
    trackChanges: false,
  };
}

/** What hooks said of themselves. */
export interface TriedHooks {
  /** In running order. */
  readonly hooks: readonly HookInfo[];
  /** Tables of daemon scope that they ask for. */
  readonly demands: readonly TableDemand[];
}

/** Frames of live traffic that a lane has copied. */
export interface RecentMemory {
  /** Number that goes with the descriptor. */
  readonly id: number;
  readonly fd: number;
  readonly octets: number;
  /** Octets of it that are written. */
  readonly written: number;
}

/** What came of a trial with packets. */
export interface HookTrial {
  /** In running order. */
  readonly hooks: readonly HookInfo[];
  /** How many packets each of them could have met. */
  readonly packets: number;
  /** What they did wrong, one error for each kind. */
  readonly faults: readonly FirehookError[];
}

/**
 * Loads and sets up hooks as `user`, and ends the process that did it.
 *
 * @param tables - what hooks may look addresses up in; their descriptors are lent until it returns
 * @param log - takes what hooks print
 * @returns the hooks in running order, and the tables that they ask for
 * @throws {@link FirehookError} what a hook was refused for
 */
export async function tryHooks(
  settings: LaneSettings,
  configFolder: string,
  user: LaneUser | null,
  hooks: readonly HookSource[],
  tables: readonly TableMemory[],
  log: Logger = createLogger({ level: settings.log.level }),
): Promise<TriedHooks> {
  const spec = laneSpec(settings, configFolder, user, hooks, 1);
  return await runTrial(spec, tables, isConfinementRequired(settings), log);
}

/**
 * The same, and shows each hook by itself a small capture of ordinary packets: what it does wrong with them refuses it.
 *
 * @param recent - frames of live traffic, which are shown as well; its descriptor is lent until it returns
 * @throws {@link FirehookError} what a hook was refused for
 */
export async function rehearse(
  settings: LaneSettings,
  configFolder: string,
  user: LaneUser | null,
  hooks: readonly HookSource[],
  tables: readonly TableMemory[],
  log: Logger,
  recent: RecentMemory | null,
): Promise<TriedHooks> {
  const spec: LaneSpec = { ...laneSpec(settings, configFolder, user, hooks, 1), mode: 'try' };
  const confined = isConfinementRequired(settings);
  const { hooks: loaded, demands, tried } = await runTrial(spec, tables, confined, log, recent);
  const [fault] = faultsOf(tried);
  if (fault !== undefined) throw fault;
  return { hooks: loaded, demands };
}

/**
 * The same, and shows each hook by itself a small capture of ordinary packets.
 *
 * @throws {@link FirehookError} what a hook was refused for, and the hook that did not return
 */
export async function tryWithPackets(
  settings: LaneSettings,
  configFolder: string,
  user: LaneUser | null,
  hooks: readonly HookSource[],
  tables: readonly TableMemory[],
): Promise<HookTrial> {
  const spec: LaneSpec = { ...laneSpec(settings, configFolder, user, hooks, 1), mode: 'try' };
  const log = createLogger({ level: settings.log.level });
  const { hooks: loaded, tried } = await runTrial(spec, tables, isConfinementRequired(settings), log);
  return { hooks: loaded, packets: tried?.packets ?? 0, faults: faultsOf(tried) };
}

function faultsOf(tried: LaneTried | null): FirehookError[] {
  const { packets, faults } = tried ?? { packets: 0, faults: [] };
  return faults.map(({ hook, text, times }) => {
    const detail = `${hook}: ${text}; with ${times} of ${packets} sample packets`;
    return new FirehookError('FIREHOOK_HOOK_FAULT', detail, { hook });
  });
}

function runTrial(
  given: LaneSpec,
  tables: readonly TableMemory[],
  isConfined: boolean,
  log: Logger,
  recent: RecentMemory | null = null,
): Promise<TriedHooks & { readonly tried: LaneTried | null }> {
  const spec: LaneSpec =
    recent === null ? given : { ...given, recent: { id: recent.id, octets: recent.octets, written: recent.written } };
  return new Promise((resolve, reject) => {
    let loaded: readonly HookInfo[] | null = null;
    let demands: readonly TableDemand[] = [];
    let tried: LaneTried | null = null;
    let tooLong: FirehookError | null = null;
    const names = new Map<string, string>();
    /** Ends what does not end, and says which hook it is. */
    const giveUp = (ms: number): void => {
      const { running } = lane;
      const limit = `not done after ${ms / 1000} s`;
      tooLong =
        running === ''
          ? new FirehookError('FIREHOOK_LANE_FAILED', limit)
          : new FirehookError('FIREHOOK_HOOK_FAULT', `${running} and did not return: ${limit}`);
      lane.kill(limit);
    };
    const lane = new LaneChild({
      spec,
      tables,
      recent,
      fenceFd: null,
      cpu: null,
      isConfinementRequired: isConfined,
      names,
      log,
      events: {
        opened: () => undefined,
        ready: (report) => {
          loaded = report.hooks;
          demands = report.tables;
          for (const { path, name } of loaded) names.set(path, name);
          clearTimeout(timer);
          timer = setTimeout(giveUp, PACKETS_TIMEOUT_MS, PACKETS_TIMEOUT_MS);
        },
        tried: (report) => {
          tried = report;
        },
        killed: () => undefined,
        exited: () => clearTimeout(timer),
        ended: ({ error }) => {
          // One for each: the supervisor's books, and the size of the progress file, go by their number.
          const isWhole = loaded?.length === spec.hooks.length && (spec.mode === 'check' || tried !== null);
          if (loaded !== null && isWhole) resolve({ hooks: loaded, demands, tried });
          else reject(tooLong ?? error ?? new FirehookError('FIREHOOK_LANE_FAILED', 'it ended while it started'));
        },
      },
    });
    let timer = setTimeout(giveUp, READY_TIMEOUT_MS, READY_TIMEOUT_MS);
  });
}
