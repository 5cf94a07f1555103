/**
 * A generation: a configuration with everything that follows from it for lanes, made before any lane is started with it.
 *
 * ```
 *   configuration ─> hooks bundled ─> tables of prefixes ─> hooks tried ─> memory of the tables of hooks ─> generation
 *                                       └ the same as before: those of the generation before ┘
 * ```
 * Rule: what cannot be used is refused here, and nothing that is in force is different for it. A generation is never changed; what it shares with
 * the next one is closed by neither while the other one has it.
 *
 * @module
 */

import type { Config } from '../config/schema.ts';
import { outletNames } from '../config/schema.ts';
import { FirehookError } from '../errors.ts';
import type { HookInfo, HookSource, LaneUser, TableMemory } from '../lane/messages.ts';
import type { Logger } from '../telemetry/logger.ts';
import { bundleAll } from './bundle-all.ts';
import type { Clock } from './clock.ts';
import { PrefixTables } from './prefix-tables.ts';
import { SharedTableMemory } from './shared-tables.ts';
import { isConfinementRequired, type RecentMemory, rehearse, tryHooks } from './try-hooks.ts';

/** What a generation consists of. */
export interface Generation {
  /** From 1 on. */
  readonly number: number;
  readonly config: Config;
  /** In the order of the configuration. */
  readonly sources: readonly HookSource[];
  /** In running order. */
  readonly hooks: readonly HookInfo[];
  readonly tables: PrefixTables;
  readonly shared: SharedTableMemory | null;
  /** What the operator should hear about the hooks. */
  readonly warnings: readonly string[];
  /** Every file that the hooks are made of. */
  readonly files: readonly string[];
}

/** What {@link makeGeneration} takes. */
export interface GenerationOptions {
  readonly config: Config;
  readonly configFolder: string;
  readonly user: LaneUser | null;
  readonly log: Logger;
  readonly clock: Clock;
  /** The generation in force; null for the first one. */
  readonly before: Generation | null;
  /** Where it is null: what the process has whose place this one takes. @defaultValue this one takes nobody's place */
  readonly predecessor?: { readonly shared: SharedTableMemory | null } | null;
  /** Frames of live traffic for the trial of a later one; the descriptor is lent. Null where there are none. */
  readonly recent: () => Promise<RecentMemory | null>;
  /** A table of prefixes has another version. */
  readonly onTable: (tables: PrefixTables, table: TableMemory) => void;
}

/**
 * Makes the generation of a configuration. The first one is loaded and set up in a process of its own; a later one meets sample packets there as
 * well, because the one in force is better than one that does something wrong with the first packet.
 *
 * @throws {@link FirehookError} why the configuration, a hook or a table is refused
 */
export async function makeGeneration(options: GenerationOptions): Promise<Generation> {
  const { config, configFolder, user, log, before } = options;
  const { predecessor = null } = options;
  const warnings: string[] = [];
  const { sources, files } = await bundleAll(config, user, (warning) => {
    warnings.push(warning);
    log.warn(warning);
  });
  const tables =
    before !== null && isSame(before.config.tables, config.tables) ? before.tables : await buildTables(options);
  try {
    const tried =
      before === null && predecessor === null
        ? await tryHooks(config, configFolder, user, sources, tables.memories, log)
        : await rehearse(config, configFolder, user, sources, tables.memories, log, await options.recent());
    const shared =
      before !== null && isSame(before.shared?.tables.tables ?? [], tried.demands)
        ? before.shared
        : SharedTableMemory.make(tried.demands, (before ?? predecessor)?.shared ?? null);
    return { number: (before?.number ?? 0) + 1, config, sources, hooks: tried.hooks, tables, shared, warnings, files };
  } catch (error) {
    if (tables !== before?.tables) tables.stop();
    throw error;
  }
}

/** Closes what a generation does not share with another one, which stays. */
export function endGeneration(generation: Generation, other: Generation | null): void {
  if (generation.tables !== other?.tables) generation.tables.stop();
  if (generation.shared !== other?.shared) generation.shared?.close();
}

/**
 * Why lanes of one generation cannot take the place of those of another; null where they can.
 *
 * @param before - in force
 */
export function refusalOf(before: Config, after: Config): FirehookError | null {
  const outlets = [outletNames(before.hooks), outletNames(after.hooks)] as const;
  if (!isSame(outlets[0], outlets[1])) return restart('allow.interfaces of hooks');
  const servers = (config: Config): string[] => config.hooks.flatMap(({ allow }) => [...allow.network]).sort();
  if (!isSame(servers(before), servers(after))) return restart('allow.network of hooks');
  return null;
}

/** @param what - keys of the configuration */
export function restart(what: string): FirehookError {
  return new FirehookError('FIREHOOK_RELOAD_RESTART', `${what} takes a restart`);
}

async function buildTables({ config, user, clock, log, onTable }: GenerationOptions): Promise<PrefixTables> {
  const tables: PrefixTables = new PrefixTables({
    tables: config.tables,
    user,
    isRequired: isConfinementRequired(config),
    clock,
    say: (level, sentence) => log[level](sentence),
    onChange: (table) => onTable(tables, table),
  });
  const [problem] = await tables.build();
  if (problem === undefined) return tables;
  tables.stop();
  throw problem instanceof Error ? problem : new Error(String(problem));
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
