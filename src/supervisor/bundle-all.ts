/**
 * The hooks of a configuration as scripts: bundled as the lanes' user, from files that nobody else may write.
 *
 * Rule: nothing of a hook runs here. A file that others may write is refused before anything of it is loaded.
 *
 * @module
 */

import { existsSync } from 'node:fs';
import path from 'node:path';
import type { HookModule } from '../config/hook-module.ts';
import { OtherWriters, type WriterProblem, writersError } from '../config/other-writers.ts';
import type { Config } from '../config/schema.ts';
import type { BundledHook } from '../hook/bundle-hook.ts';
import type { HookSource, LaneUser } from '../lane/messages.ts';
import { bundleAs } from './bundle-as-user.ts';
import { isConfinementRequired } from './try-hooks.ts';

/** The hooks of a config, and what they are made of. */
export interface BundledHooks {
  readonly sources: HookSource[];
  /** Every file that was read for them. */
  readonly files: readonly string[];
}

/**
 * The hooks of a config.
 *
 * @param user - whose rights are used; null for those of this process
 * @param warn - takes what the operator should hear about them
 * @throws {@link FirehookError} FIREHOOK_HOOK_UNREADABLE, FIREHOOK_HOOK_BUNDLE, FIREHOOK_HOOK_VERSION; for root FIREHOOK_FILE_WRITABLE unless `trustWritable`
 */
export async function bundleAll(
  config: Config,
  user: LaneUser | null,
  warn: (sentence: string) => void,
): Promise<BundledHooks> {
  const { hooks } = config;
  const bundled = await bundleAs({
    user,
    modules: hooks,
    isRequired: user !== null && isConfinementRequired(config),
  });
  if (process.geteuid?.() === 0 && !config.trustWritable) refuseOtherWriters(hooks, bundled);
  const files = bundled.flat(2).flatMap((bundle) => Array.from(bundle.files, ({ path: file }) => file));
  return { sources: sourcesOf(hooks, bundled, warn), files: [...new Set(files)] };
}

/** What is said of a hook beside where it is. */
type Given = Pick<HookSource, 'allow'> &
  Partial<Omit<HookSource, 'allow' | 'bundle' | 'isShadow'>> & { readonly mode?: 'enforce' | 'shadow' };

/** Each bundle with what its entry in the configuration says; a package that stands there twice is warned of once. */
export function sourcesOf(
  hooks: readonly Given[],
  bundled: readonly (readonly BundledHook[])[],
  warn: (sentence: string) => void,
): HookSource[] {
  for (const warning of new Set(bundled.flat().flatMap(({ warnings }) => warnings))) warn(warning);
  return hooks.flatMap(({ name, priority, options, places, allow, mode }, index) =>
    (bundled[index] ?? []).map((bundle) => ({
      bundle: forLanes(bundle),
      name,
      priority,
      options,
      places,
      allow,
      isShadow: mode === 'shadow',
    })),
  );
}

/** A bundle as lanes get it. */
function forLanes({ path: file, code, map, package: origin }: BundledHook): HookSource['bundle'] {
  return { path: file, code, map, package: origin };
}

/** Of each file that was read, each name it went by, and the `package.json` that esbuild looked into on the way. */
function refuseOtherWriters(modules: readonly HookModule[], bundled: readonly (readonly BundledHook[])[]): void {
  const writers = new OtherWriters();
  const problems = new Map<string, WriterProblem>();
  const look = (file: string, id = ''): void => {
    const problem = writers.problemOf(file, id);
    if (problem !== null) problems.set(problem.path, problem);
  };
  const folders = new Set<string>();
  for (const { module } of modules) look(module);
  for (const { path: file, id } of bundled.flat(2).flatMap(({ files }) => [...files])) {
    look(file, id);
    for (let folder = file; !folders.has(folder); folder = path.dirname(folder)) folders.add(folder);
  }
  for (const folder of folders) {
    const file = path.join(folder, 'package.json');
    if (existsSync(file)) look(file);
  }
  const [first, ...others] = problems.values();
  if (first !== undefined) throw writersError([first, ...others]);
}
