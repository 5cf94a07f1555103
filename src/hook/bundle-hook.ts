/**
 * Makes one self-contained script of a hook module and everything it imports.
 *
 * ```
 *   module path ─┬──────────────────> read-source ─> esbuild ─> HookBundle ─> lane: load-hook
 *   npm package ─┴─> hook-package ─>
 * ```
 * Floor 2. Rule: it reads hook code and never executes it. For a daemon it runs as the lanes' user in a process of its own
 * (`bundle-process.ts`), so that a hook can have nothing read for it that this user may not read. The lane needs no access to the
 * folders that hooks live in. It ends in a bounded time.
 *
 * @module
 */

import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { type BuildFailure, type BuildOptions, build, type Plugin, stop } from 'esbuild';
import type { HookModule } from '../config/hook-module.ts';
import { FirehookError } from '../errors.ts';
import { describeMessage } from './bundle-message.ts';
import type { HookModuleNames } from './contract.ts';
import { type FoundHook, findHook, type HookPackage, type PackageModule } from './hook-package.ts';
import { forbidden } from './may-read.ts';
import { fileProblem, HookFiles, type ReadFile } from './read-source.ts';

/** What a hook module may be called. */
const MODULE_NAME = /\.(?:ts|mts|js|mjs)$/;

/** Of a folder: parts of hooks (`_name`), hidden files, declarations and tests are no hooks. */
const NO_HOOK_NAME = /^[_.]|\.d\.m?ts$|\.test\.[^.]+$/;

/** A folder with more hooks than this is another folder than the one that was meant. */
const MAX_HOOKS = 256;
/** The largest hooks bundle in a second: what takes so long reads something that does not end. */
export const PATIENCE_MS = 30_000;

/** A hook as one CommonJS script. */
export interface HookBundle {
  /** Absolute path of the module that was bundled. */
  readonly path: string;
  /** The script: a function body over `module`, `exports` and `require`, which loads the modules of firehook and Node. */
  readonly code: string;
  /** Its source map, JSON; the sources are relative to the folder of {@link HookBundle.path}. */
  readonly map: string;
  /** The npm package that it is in; undefined for a module that was named by its path. */
  readonly package?: HookPackage | undefined;
}

/** A hook that was just bundled. */
export interface BundledHook extends HookBundle {
  /** What was read for it, and the ways that its imports went. */
  readonly files: readonly ReadFile[];
  /** What the operator should hear about it. */
  readonly warnings: readonly string[];
}

/** How {@link bundleHooks} works. */
export interface BundleOptions {
  /** How long bundling may take. @defaultValue 30000 */
  readonly patienceMs?: number;
  /** Who reads, for messages. @defaultValue `this user` */
  readonly user?: string;
}

const OPTIONS = {
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  sourcemap: 'external',
  sourcesContent: false,
  write: false,
  logLevel: 'silent',
  // A bundle has one file and many sources: import.meta would lie, and by default esbuild makes it empty in silence.
  logOverride: {
    'empty-import-meta': 'error',
    // `import * as firehook` and a name that is not there: undefined at every packet, without this.
    'import-is-undefined': 'error',
  },
  // The script is evaluated without a module loader behind it; require is there.
  supported: { 'dynamic-import': false },
  // No tsconfig.json is looked for: a file somewhere above the hook could send imports elsewhere (paths) or change
  // what the code means. A hook is the same wherever it lies.
  tsconfigRaw: {},
} as const satisfies BuildOptions;

/** How {@link bundleModules} works. */
export interface ModulesOptions extends BundleOptions {
  /** Of this firehook: packages say with which versions they work. */
  readonly version: string;
}

/** Where esbuild keeps what the plugin answers for the modules of firehook. */
const MODULES = 'firehook';

/** Bundles under way. The last one done stops esbuild's service process: a daemon should not keep it for hours. */
let running = 0;

/**
 * Bundles the hook of a file, or the hooks of a folder.
 *
 * A folder with an `index.ts` (or `.mts`, `.js`, `.mjs`) is one hook of several files. Any other folder is a set of hooks,
 * one for each such file directly in it, in the order of their names; names that start with `_` or `.`, declarations and
 * tests are left out.
 *
 * @param modulePath - file or folder
 * @param modules - what hooks can import from firehook
 * @throws {@link FirehookError} FIREHOOK_HOOK_UNREADABLE when it is not there, is no regular file, or a folder holds no hook;
 *   FIREHOOK_HOOK_BUNDLE with file, line and column when it cannot be bundled, and when that takes too long
 */
export async function bundleHooks(
  modulePath: string,
  modules: HookModuleNames,
  { patienceMs = PATIENCE_MS, user = 'this user' }: BundleOptions = {},
): Promise<BundledHook[]> {
  const files = hookFiles(path.resolve(modulePath), user);
  return inTime(modulePath, patienceMs, () => Promise.all(files.map((file) => bundleFile(file, modules, user))));
}

/** The hook of an npm package; throws as {@link bundleHooks} does, and FIREHOOK_HOOK_VERSION. */
async function bundlePackage(
  module: PackageModule,
  modules: HookModuleNames,
  { patienceMs = PATIENCE_MS, user = 'this user', version }: ModulesOptions,
): Promise<BundledHook[]> {
  return inTime(module.module, patienceMs, async () => {
    const found = await findHook(module, { user, version });
    return [await bundleFile(found.file, modules, user, found)];
  });
}

/** Runs what uses esbuild, and stops esbuild when nothing uses it any more. */
async function inTime<Result>(modulePath: string, patienceMs: number, task: () => Promise<Result>): Promise<Result> {
  running += 1;
  let expire: (error: FirehookError) => void = () => undefined;
  const late = new Promise<never>((_resolve, reject) => {
    expire = reject;
  });
  const timer = setTimeout(() => {
    const detail = `${modulePath}: not done after ${patienceMs / 1000} s; something that it reads does not end`;
    expire(new FirehookError('FIREHOOK_HOOK_BUNDLE', detail, { hook: modulePath }));
  }, patienceMs);
  try {
    const work = task();
    // When the time is up esbuild is stopped below, and what it still works on is rejected with nobody waiting for it.
    work.catch(() => undefined);
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    running -= 1;
    if (running === 0) await stop();
  }
}

/**
 * The hooks of several modules, in order, by one service of esbuild.
 *
 * @throws {@link FirehookError} as {@link bundleHooks} does, of the first module that is refused; FIREHOOK_HOOK_VERSION for a package that is not
 *   for this firehook
 */
export async function bundleModules(
  hookModules: readonly HookModule[],
  modules: HookModuleNames,
  options: ModulesOptions,
): Promise<BundledHook[][]> {
  const results = await Promise.allSettled(
    hookModules.map(({ module, package: entry }) =>
      entry === undefined
        ? bundleHooks(module, modules, options)
        : bundlePackage({ module, package: entry }, modules, options),
    ),
  );
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}

function hookFiles(modulePath: string, user: string): string[] {
  let isFolder = false;
  let names: string[];
  try {
    const stats = statSync(modulePath, { bigint: true });
    if (!stats.isDirectory()) {
      const problem = fileProblem(stats);
      if (problem !== '') {
        throw new FirehookError('FIREHOOK_HOOK_UNREADABLE', `${modulePath}: ${problem}`, {
          hook: modulePath,
          advice: '',
        });
      }
      if (MODULE_NAME.test(modulePath)) return [modulePath];
      throw new FirehookError('FIREHOOK_HOOK_BUNDLE', `${modulePath}: a hook is a .ts, .mts, .js or .mjs file`, {
        hook: modulePath,
      });
    }
    isFolder = true;
    names = readdirSync(modulePath, { withFileTypes: true })
      .filter((entry) => !entry.isDirectory() && MODULE_NAME.test(entry.name) && !NO_HOOK_NAME.test(entry.name))
      .map((entry) => entry.name)
      .sort();
  } catch (cause) {
    if (cause instanceof FirehookError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    const isForbidden = code === 'EACCES';
    const reason = isForbidden ? forbidden(modulePath, user, isFolder) : message;
    const detail = `${modulePath}: ${code === 'ENOENT' ? 'no such file or folder' : reason}`;
    const advice = isForbidden ? { advice: '' } : {};
    throw new FirehookError('FIREHOOK_HOOK_UNREADABLE', detail, { cause, hook: modulePath, ...advice });
  }
  const index = ['index.ts', 'index.mts', 'index.js', 'index.mjs'].find((name) => names.includes(name));
  if (index !== undefined) return [path.join(modulePath, index)];
  if (names.length === 0) {
    throw new FirehookError('FIREHOOK_HOOK_UNREADABLE', `${modulePath}: no hook in this folder`, {
      hook: modulePath,
      advice: 'a hook is a .ts, .mts, .js or .mjs file whose name does not start with _ or .',
    });
  }
  if (names.length > MAX_HOOKS) {
    throw new FirehookError('FIREHOOK_HOOK_UNREADABLE', `${modulePath}: ${names.length} hooks; at most ${MAX_HOOKS}`, {
      hook: modulePath,
      advice: 'name the hooks one by one, or give them a folder of their own',
    });
  }
  return names.map((name) => path.join(modulePath, name));
}

/**
 * Gives esbuild the names of firehook's modules, so that it finds an import of one that is not there. What they are worth the
 * script asks for when it is loaded, by `require`; a hook in plain JavaScript may do that itself.
 */
function firehookModules(modules: HookModuleNames): Plugin {
  return {
    name: 'firehook-modules',
    setup(build) {
      build.onResolve({ filter: /^firehook(?:\/|$)/ }, ({ path: name, kind, namespace }) => {
        if (modules[name] === undefined) {
          const known = Object.keys(modules).join(', ');
          return { errors: [{ text: `firehook has no module '${name}'; it has ${known}` }] };
        }
        const isAtRunTime = namespace === MODULES || kind === 'require-call' || kind === 'require-resolve';
        return isAtRunTime ? { path: name, external: true } : { path: name, namespace: MODULES };
      });
      build.onLoad({ filter: /.*/, namespace: MODULES }, ({ path: name }) => {
        const names = (modules[name] ?? []).map((exported) => `export const ${exported} = module.${exported};`);
        return { contents: `const module = require(${JSON.stringify(name)});\n${names.join('\n')}`, loader: 'js' };
      });
    },
  };
}

async function bundleFile(
  file: string,
  modules: HookModuleNames,
  user: string,
  found?: FoundHook,
): Promise<BundledHook> {
  const folder = path.dirname(file);
  const files = new HookFiles(user);
  try {
    const { outputFiles } = await build({
      ...OPTIONS,
      plugins: [firehookModules(modules), files.plugin()],
      entryPoints: [file],
      absWorkingDir: folder,
      // Nothing is written; the name makes the sources of the map relative to the folder.
      outfile: path.join(folder, 'bundle.cjs'),
    });
    const textOf = (ending: string) => outputFiles.find((output) => output.path.endsWith(ending))?.text ?? '';
    return {
      path: file,
      code: textOf('.cjs'),
      map: textOf('.cjs.map'),
      package: found?.package,
      files: [...files.list, ...(found === undefined ? [] : [found.read])],
      warnings: found?.warnings ?? [],
    };
  } catch (cause) {
    const errors = (cause as Partial<BuildFailure>).errors ?? [];
    const placed = errors.filter(({ location }) => location !== null);
    const [first, ...others] = placed.length > 0 ? placed : errors;
    // esbuild itself ended; the time being up is said before.
    const early = `${file}: esbuild ended early: the hook is too large, or reads something that does not end (${String(cause)})`;
    const detail = first === undefined ? early : describeMessage(first, file, modules, user);
    throw new FirehookError(
      'FIREHOOK_HOOK_BUNDLE',
      others.length === 0 ? detail : `${detail} (and ${others.length} more)`,
      {
        cause,
        hook: file,
      },
    );
  }
}
