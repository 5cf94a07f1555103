/**
 * Makes one self-contained script of a hook module and everything it imports.
 *
 * ```
 *   supervisor or CLI (root): module path ─> esbuild ─> HookBundle ─> lane (unprivileged): load-hook
 * ```
 * Floor 2. Rule: this runs with root's rights, so it reads hook code and never executes it. The lane needs no access to
 * the folders that hooks live in.
 *
 * @module
 */

import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { type BuildFailure, type BuildOptions, build, type Message, stop } from 'esbuild';
import { FirehookError } from '../errors.ts';

/** What a hook module may be called. */
const MODULE_NAME = /\.(?:ts|mts|js|mjs)$/;

/** Of a folder: parts of hooks (`_name`), hidden files, declarations and tests are no hooks. */
const NO_HOOK_NAME = /^[_.]|\.d\.m?ts$|\.test\.[^.]+$/;

/** A hook as one CommonJS script. */
export interface HookBundle {
  /** Absolute path of the module that was bundled. */
  readonly path: string;
  /** The script: a function body over `module`, `exports` and `require`. */
  readonly code: string;
  /** Its source map, JSON; the sources are relative to the folder of {@link HookBundle.path}. */
  readonly map: string;
}

const OPTIONS = {
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  external: ['firehook'],
  sourcemap: 'external',
  sourcesContent: false,
  write: false,
  logLevel: 'silent',
  // A bundle has one file and many sources: import.meta would lie, and by default esbuild makes it empty in silence.
  logOverride: { 'empty-import-meta': 'error' },
  // The script is evaluated without a module loader behind it; require is there.
  supported: { 'dynamic-import': false },
  // No tsconfig.json is looked for: a file somewhere above the hook could send imports elsewhere (paths) or change
  // what the code means. A hook is the same wherever it lies.
  tsconfigRaw: {},
} as const satisfies BuildOptions;

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
 * @throws {@link FirehookError} FIREHOOK_HOOK_UNREADABLE when it is not there or a folder holds no hook;
 *   FIREHOOK_HOOK_BUNDLE with file, line and column when it cannot be bundled
 */
export async function bundleHooks(modulePath: string): Promise<HookBundle[]> {
  const files = hookFiles(path.resolve(modulePath));
  running += 1;
  try {
    return await Promise.all(files.map(bundleFile));
  } finally {
    running -= 1;
    if (running === 0) await stop();
  }
}

function hookFiles(modulePath: string): string[] {
  let names: string[];
  try {
    if (!statSync(modulePath).isDirectory()) {
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
  return names.map((name) => path.join(modulePath, name));
}

async function bundleFile(file: string): Promise<HookBundle> {
  const folder = path.dirname(file);
  try {
    const { outputFiles } = await build({
      ...OPTIONS,
      entryPoints: [file],
      absWorkingDir: folder,
      // Nothing is written; the name makes the sources of the map relative to the folder.
      outfile: path.join(folder, 'bundle.cjs'),
    });
    const textOf = (ending: string) => outputFiles.find((output) => output.path.endsWith(ending))?.text ?? '';
    return { path: file, code: textOf('.cjs'), map: textOf('.cjs.map') };
  } catch (cause) {
    const [first, ...others] = (cause as Partial<BuildFailure>).errors ?? [];
    const detail = first === undefined ? `${file}: ${String(cause)}` : describe(first, file);
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
function describe(message: Message, file: string): string {
  const at = message.location;
  // esbuild counts columns from 0, editors from 1.
  const place = at === null ? file : `${path.resolve(path.dirname(file), at.file)}:${at.line}:${at.column + 1}`;
  return `${place}: ${reasonOf(message)}`;
}

function reasonOf({ id, text }: Message): string {
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
