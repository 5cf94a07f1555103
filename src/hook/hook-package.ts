/**
 * The npm package that a hook comes in: which file of it is the hook, and whether it is for this firehook.
 *
 * ```
 *   node_modules/firehook-hook-foo/package.json ─┬─> peerDependencies.firehook ─> is this firehook in that range?
 *                                                └─> exports (import, default), main ─> esbuild ─> the file
 * ```
 * Floor 2. Rule: it reads with the rights of who bundles, loads nothing of the package, and the file that it finds lies in the package.
 * esbuild finds it as it finds what a hook imports, so that a package is the same by `module:` and by `import`.
 *
 * @see https://docs.npmjs.com/cli/configuring-npm/package-json#peerdependencies
 * @module
 */

import { realpathSync } from 'node:fs';
import path from 'node:path';
import { type BuildFailure, build, type Plugin } from 'esbuild';
import type { HookModule } from '../config/hook-module.ts';
import type { PackageEntry } from '../config/package-name.ts';
import { FirehookError } from '../errors.ts';
import { type ReadFile, readOnce } from './read-source.ts';

/** What a version may look like that messages show. */
const VERSION = /^\d[\w.+-]{0,63}$/;

/** Most characters of a range. */
const MAX_RANGE = 200;

/** The key under which a package says with which versions of firehook it works. */
const HOST = 'firehook';

/** A hook that is a module of a package. */
export type PackageModule = HookModule & { readonly package: PackageEntry };

/** A package that a hook is in, for messages and names. */
export interface HookPackage extends PackageEntry {
  /** Of its package.json; '' where it says none. */
  readonly version: string;
}

/** A hook that was found in a package. */
export interface FoundHook {
  /** Absolute, symbolic links followed. */
  readonly file: string;
  readonly package: HookPackage;
  /** Sentences for the operator. */
  readonly warnings: readonly string[];
  /** Its package.json. */
  readonly read: ReadFile;
}

/** Who asks. */
export interface PackageReader {
  /** For messages: `the user firehook`. */
  readonly user: string;
  /** Of this firehook. */
  readonly version: string;
}

/** What of a package.json is read here. */
interface Manifest {
  readonly version?: unknown;
  readonly peerDependencies?: unknown;
}

/** `firehook-hook-foo 1.2.0`, as messages name a package. */
export function packageLabel({ name, version }: HookPackage): string {
  return version === '' ? name : `${name} ${version}`;
}

/**
 * Finds the hook of a package.
 *
 * @param module - of a package
 * @throws {@link FirehookError} FIREHOOK_HOOK_UNREADABLE when the package cannot be read or has no such module; FIREHOOK_HOOK_VERSION when it is
 *   not for this version of firehook
 */
export async function findHook(
  { module: folder, package: entry }: PackageModule,
  { user, version }: PackageReader,
): Promise<FoundHook> {
  const { manifest, read } = readManifest(folder, user);
  const own = manifest.version;
  const origin: HookPackage = { ...entry, version: typeof own === 'string' && VERSION.test(own) ? own : '' };
  const warnings = await checkRange(folder, origin, manifest, version);
  return { file: await findEntry(folder, origin), package: origin, warnings, read };
}

function readManifest(folder: string, user: string): { readonly manifest: Manifest; readonly read: ReadFile } {
  const file = path.join(folder, 'package.json');
  try {
    const { text, read } = readOnce(file, user);
    const value = parse(text);
    if (typeof value === 'object' && value !== null) return { manifest: value, read };
  } catch (cause) {
    const { message, cause: ofSystem } = cause as Error;
    const isMissing = (ofSystem as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
    throw unreadable(folder, isMissing ? `${file}: no such file` : message, cause);
  }
  throw unreadable(folder, `${file}: is no JSON object, as a package.json has to be`);
}

/** Undefined where it is no JSON: what the parser says would quote the file. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Warnings; a range that this firehook is not in throws. A firehook before its release counts as that release. */
async function checkRange(
  folder: string,
  origin: HookPackage,
  { peerDependencies }: Manifest,
  version: string,
): Promise<string[]> {
  const label = packageLabel(origin);
  const range = isRecord(peerDependencies) ? peerDependencies[HOST] : undefined;
  const wanted = `"peerDependencies": { "${HOST}": "^${version}" }`;
  if (range === undefined) {
    return [
      `package ${label} does not say with which versions of ${HOST} it works: its author should write into its package.json: ${wanted}`,
    ];
  }
  // Most configurations name no package.
  const { default: semver } = await import('semver');
  const text = typeof range === 'string' ? range.slice(0, MAX_RANGE) : '';
  if (text !== range || semver.validRange(text) === null) {
    return [
      `package ${label} says that it works with ${HOST} ${JSON.stringify(range).slice(0, MAX_RANGE)}, which is no range of versions: whether it works with ${version} is not known`,
    ];
  }
  if (semver.satisfies(version, text, { includePrerelease: true })) return [];
  throw new FirehookError(
    'FIREHOOK_HOOK_VERSION',
    `package ${label} works with ${HOST} ${text} (peerDependencies in ${path.join(folder, 'package.json')}), and this is ${HOST} ${version}`,
    { hook: folder, advice: `install a version of ${origin.name} that works with ${version}, or ${HOST} ${text}` },
  );
}

/** The file that `import` of the package would load. Nothing is loaded: what esbuild found is answered with an empty file. */
async function findEntry(folder: string, origin: HookPackage): Promise<string> {
  const specifier = [origin.name, ...origin.subpath.split('/').slice(1)].join('/');
  let found = '';
  const note: Plugin = {
    name: 'note-entry',
    setup: ({ onLoad }) => {
      onLoad({ filter: /.*/, namespace: 'file' }, ({ path: file }) => {
        found = file;
        return { contents: '' };
      });
    },
  };
  try {
    await build({
      stdin: { contents: `import ${JSON.stringify(specifier)};`, resolveDir: path.dirname(folder) },
      bundle: true,
      platform: 'node',
      write: false,
      logLevel: 'silent',
      tsconfigRaw: {},
      plugins: [note],
    });
  } catch (cause) {
    throw unreadable(folder, whyNotFound(origin, cause), cause);
  }
  const real = realpathSync(folder);
  if (found.startsWith(`${real}/`)) return found;
  throw unreadable(folder, `package ${packageLabel(origin)} leads to ${found || 'no file'}, which is not in ${real}`);
}

/** What esbuild says of `exports`; of a file that is not there it says nothing more. */
function whyNotFound(origin: HookPackage, cause: unknown): string {
  const [error] = (cause as Partial<BuildFailure>).errors ?? [];
  const label = packageLabel(origin);
  const note = error?.notes.map(({ text }) => text).find((text) => !text.startsWith('You can mark'));
  if (note === undefined) return `package ${label} has no file for ${JSON.stringify(origin.subpath)}; was it built?`;
  return `package ${label}: ${note.replace(/:$/, '')}${note.includes('was not found') ? '; was it built?' : ''}`;
}

function unreadable(folder: string, detail: string, cause?: unknown): FirehookError {
  const text = detail.startsWith(folder) ? detail : `${folder}: ${detail}`;
  return new FirehookError('FIREHOOK_HOOK_UNREADABLE', text, { cause, hook: folder, advice: '' });
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
