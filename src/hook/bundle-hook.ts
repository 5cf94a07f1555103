/**
 * Makes one self-contained script of a hook module and everything it imports.
 *
 * ```
 *   supervisor or CLI (root): module path ─> esbuild ─> HookBundle ─> lane (unprivileged): load-hook
 * ```
 * Floor 2. Rule: this runs with root's rights, so it reads hook code and never executes it. The lane needs no access to
 * the folders that hooks live in. What is read are regular files of a bounded size, in a bounded time: a named pipe, a
 * device or a huge file is refused, for a hook as for what it imports.
 *
 * @module
 */

import { readdirSync, type Stats, statSync } from 'node:fs';
import path from 'node:path';
import { type BuildFailure, type BuildOptions, build, type Message, type Plugin, stop } from 'esbuild';
import { closestKey } from '../config/closest-key.ts';
import { FirehookError } from '../errors.ts';
import type { HookModuleNames } from './contract.ts';

/** What a hook module may be called. */
const MODULE_NAME = /\.(?:ts|mts|js|mjs)$/;

/**
 * What a hook may import. Everything else could be a file that its author may not read and that the bundler, which is root, would put into
 * the hook as text.
 */
const IMPORTED_NAME = /\.(?:[cm]?[jt]s|json)$/;

/** Of a folder: parts of hooks (`_name`), hidden files, declarations and tests are no hooks. */
const NO_HOOK_NAME = /^[_.]|\.d\.m?ts$|\.test\.[^.]+$/;

/** A folder with more hooks than this is another folder than the one that was meant. */
const MAX_HOOKS = 256;
/** Most octets of one file of a hook. */
const MAX_FILE_OCTETS = 16 * 1024 * 1024;
/** Most octets of a hook with everything that it imports. */
const MAX_HOOK_OCTETS = 64 * 1024 * 1024;
/** The largest hooks bundle in a second: what takes so long reads something that does not end. */
const PATIENCE_MS = 30_000;

/** A hook as one CommonJS script. */
export interface HookBundle {
  /** Absolute path of the module that was bundled. */
  readonly path: string;
  /** The script: a function body over `module`, `exports` and `require`, which loads the modules of firehook and Node. */
  readonly code: string;
  /** Its source map, JSON; the sources are relative to the folder of {@link HookBundle.path}. */
  readonly map: string;
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
 * @param patienceMs - how long bundling may take
 * @throws {@link FirehookError} FIREHOOK_HOOK_UNREADABLE when it is not there, is no regular file, or a folder holds no hook;
 *   FIREHOOK_HOOK_BUNDLE with file, line and column when it cannot be bundled, and when that takes too long
 */
export async function bundleHooks(
  modulePath: string,
  modules: HookModuleNames,
  patienceMs = PATIENCE_MS,
): Promise<HookBundle[]> {
  const files = hookFiles(path.resolve(modulePath));
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
    const bundles = Promise.all(files.map((file) => bundleFile(file, modules)));
    // When the time is up esbuild is stopped below, and what it still works on is rejected with nobody waiting for it.
    bundles.catch(() => undefined);
    return await Promise.race([bundles, late]);
  } finally {
    clearTimeout(timer);
    running -= 1;
    if (running === 0) await stop();
  }
}

function hookFiles(modulePath: string): string[] {
  let names: string[];
  try {
    const stats = statSync(modulePath);
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
    names = readdirSync(modulePath, { withFileTypes: true })
      .filter((entry) => !entry.isDirectory() && MODULE_NAME.test(entry.name) && !NO_HOOK_NAME.test(entry.name))
      .map((entry) => entry.name)
      .sort();
  } catch (cause) {
    if (cause instanceof FirehookError) throw cause;
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    const detail = `${modulePath}: ${missing ? 'no such file or folder' : (cause as Error).message}`;
    throw new FirehookError('FIREHOOK_HOOK_UNREADABLE', detail, { cause, hook: modulePath });
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

/** Why a file is not read; '' when it may be. */
function fileProblem(stats: Stats): string {
  if (!stats.isFile()) return `not a regular file but ${kindOf(stats)}`;
  if (stats.size > MAX_FILE_OCTETS) {
    return `${stats.size.toLocaleString('en-US')} octets; a file of a hook has at most ${MAX_FILE_OCTETS / 2 ** 20} MiB`;
  }
  return '';
}

function kindOf(stats: Stats): string {
  if (stats.isFIFO()) return 'a named pipe';
  if (stats.isSocket()) return 'a socket';
  return stats.isDirectory() ? 'a folder' : 'a device';
}

/** Looks at every file before esbuild reads it: that would wait for a named pipe, and take in a device until memory ends. */
function onlyRegularFiles(): Plugin {
  return {
    name: 'only-regular-files',
    setup(build) {
      let octets = 0;
      build.onLoad({ filter: /.*/, namespace: 'file' }, ({ path: file, with: attributes }) => {
        const problem = (text: string) => ({ errors: [{ text: `${file}: ${text}` }] });
        const wanted = attributes['type'];
        let stats: Stats;
        try {
          stats = statSync(file);
        } catch {
          // esbuild says it in its own words.
          return undefined;
        }
        octets += stats.size;
        const found = fileProblem(stats);
        if (found !== '') return problem(found);
        // esbuild says itself that it has no loader for native code.
        if (file.endsWith('.node')) return undefined;
        if (!IMPORTED_NAME.test(file) || (wanted !== undefined && wanted !== 'json')) {
          return problem('a hook imports .ts, .js and .json files and nothing else; it reads others in setup');
        }
        if (octets <= MAX_HOOK_OCTETS) return undefined;
        return problem(`with it the hook has more than ${MAX_HOOK_OCTETS / 2 ** 20} MiB`);
      });
    },
  };
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

async function bundleFile(file: string, modules: HookModuleNames): Promise<HookBundle> {
  const folder = path.dirname(file);
  try {
    const { outputFiles } = await build({
      ...OPTIONS,
      plugins: [firehookModules(modules), onlyRegularFiles()],
      entryPoints: [file],
      absWorkingDir: folder,
      // Nothing is written; the name makes the sources of the map relative to the folder.
      outfile: path.join(folder, 'bundle.cjs'),
    });
    const textOf = (ending: string) => outputFiles.find((output) => output.path.endsWith(ending))?.text ?? '';
    return { path: file, code: textOf('.cjs'), map: textOf('.cjs.map') };
  } catch (cause) {
    const [first, ...others] = (cause as Partial<BuildFailure>).errors ?? [];
    const detail = first === undefined ? `${file}: ${String(cause)}` : describe(first, file, modules);
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

/** One line in the words of a hook's author. */
function describe(message: Message, file: string, modules: HookModuleNames): string {
  const at = message.location;
  // esbuild counts columns from 0, editors from 1.
  const place = at === null ? file : `${path.resolve(path.dirname(file), at.file)}:${at.line}:${at.column + 1}`;
  return `${place}: ${reasonOf(message, modules)}`;
}

function reasonOf({ id, text }: Message, modules: HookModuleNames): string {
  const noMatch = /^No matching export in "firehook:(.*)" for import "(.*)"/.exec(text);
  const isUndefined =
    /^Import "(.*)" will always be undefined because there is no matching export in "firehook:(.*)"/.exec(text);
  const module = noMatch?.[1] ?? isUndefined?.[2];
  const name = noMatch?.[2] ?? isUndefined?.[1];
  if (module !== undefined && name !== undefined) return missingName(module, name, modules);
  const missing = /^Could not resolve "(.*)"/.exec(text)?.[1];
  if (missing !== undefined) {
    const isFile = missing.startsWith('.') || path.isAbsolute(missing);
    return isFile
      ? `cannot find '${missing}'`
      : `cannot find '${missing}': install it beside the hook: npm install ${packageOf(missing)}`;
  }
  const native = /^No loader is configured for "\.node" files: (.*)/.exec(text)?.[1];
  if (native !== undefined) {
    return `${path.basename(native)} is a native add-on; hooks are JavaScript only: use a package without native code`;
  }
  if (text.startsWith('Top-level await')) return 'top-level await is not possible in a hook; await in setup';
  if (id === 'empty-import-meta') {
    return 'import.meta is not available in a hook; runtime.resolvePath in setup finds files';
  }
  return text;
}

/** `@scope/name/file` belongs to the package `@scope/name`. */
function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

/** What is said of a name that a module of firehook does not have. */
export function missingName(module: string, name: string, modules: HookModuleNames): string {
  const other = Object.keys(modules).find((one) => modules[one]?.includes(name));
  if (other !== undefined) return `${module} has no ${name}; ${other} has it`;
  const near = closestKey(name, modules[module] ?? []);
  return `${module} has no ${name}${near === undefined ? '' : `; did you mean ${near}?`}`;
}
