/**
 * Bundles hooks with the rights of the lanes' user: what that user may not read, no import, symbolic link, package or source map can
 * have read for it.
 *
 * ```
 *   supervisor (root) ──request──> firehook-launch: user, no_new_privs, Landlock (reads only), limits ─> Node.js ─> esbuild
 *                     <──answer: bounded octets, bounded time, checked shape ───────────────────────────────┘
 * ```
 * Rule: nothing that comes back is believed beyond its bounds.
 *
 * @see src/hook/bundle-process.ts, run-as-user.ts
 * @module
 */

import { statSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import * as z from 'zod';
import type { HookModule } from '../config/hook-module.ts';
import { FirehookError } from '../errors.ts';
import { type BundledHook, bundleModules, type HookBundle, PATIENCE_MS } from '../hook/bundle-hook.ts';
import type { BundleRequest } from '../hook/bundle-process.ts';
import { barrier } from '../hook/may-read.ts';
import { HOOK_MODULE_NAMES } from '../hook-modules.ts';
import type { LaneUser } from '../lane/messages.ts';
import { ownParts, withTarget } from '../native/launcher.ts';
import { printable } from '../telemetry/printable.ts';
import { runAsUser } from './run-as-user.ts';
import { version } from './version.ts';

/** Most octets of an answer: all hooks with their source maps. */
const MAX_ANSWER = 256 * 1024 * 1024;
/** How long the process may take beside what the hooks may. */
const PROCESS_MS = 15_000;
/** Memory that Node.js and esbuild may each write to: enough for a list of the largest size that one file of a hook may have. */
const DATA_MIB = 1024;

const MAX_PATH = 4096;
const hook = z.strictObject({
  path: z.string().max(MAX_PATH),
  code: z.string(),
  map: z.string(),
  package: z
    .strictObject({ name: z.string().max(256), subpath: z.string().max(MAX_PATH), version: z.string().max(64) })
    .optional(),
  files: z
    .array(z.strictObject({ path: z.string().startsWith('/').max(MAX_PATH), id: z.string().max(256) }))
    .max(100_000),
  warnings: z.array(z.string().max(16_384)).max(16),
});
const answerSchema = z.union([
  z.strictObject({ bundles: z.array(z.array(hook).min(1).max(256)) }),
  z.strictObject({
    error: z.strictObject({
      code: z.enum(['FIREHOOK_HOOK_BUNDLE', 'FIREHOOK_HOOK_UNREADABLE', 'FIREHOOK_HOOK_VERSION']),
      message: z.string().max(16_384),
      hook: z.string().max(MAX_PATH).optional(),
    }),
  }),
]);

/** What {@link bundleAs} takes. */
export interface BundleAsOptions {
  /** Null: with the rights of this process, which is not root. */
  readonly user: LaneUser | null;
  readonly modules: readonly HookModule[];
  /** True: an error where the kernel cannot confine the process. */
  readonly isRequired: boolean;
  /** How long the hooks may take. @defaultValue 30000 */
  readonly patienceMs?: number;
  /** How long the process may take, whatever it says. @defaultValue 15 seconds more */
  readonly limitMs?: number;
}

/**
 * The hooks of each module, in order.
 *
 * @throws {@link FirehookError} what a hook was refused for
 */
export async function bundleAs(options: BundleAsOptions): Promise<BundledHook[][]> {
  const { user, modules, isRequired, patienceMs = PATIENCE_MS, limitMs = patienceMs + PROCESS_MS } = options;
  if (modules.length === 0) return [];
  if (user === null) return bundleModules(modules, HOOK_MODULE_NAMES, { patienceMs, version });
  const who = `the user ${user.name}`;
  // Entries of a configuration have more, which is nobody's business there.
  const places = modules.map(({ module, package: entry }) => ({ module, package: entry }));
  const request: BundleRequest = { modules: places, names: HOOK_MODULE_NAMES, user: who, version, patienceMs };
  const answer = readAnswer(await ask(user, request, isRequired, limitMs), modules);
  if ('bundles' in answer) return answer.bundles;
  const { code, message, hook: refused = '' } = answer.error;
  const error = new FirehookError(code, '', { hook: refused });
  error.message = code === 'FIREHOOK_HOOK_UNREADABLE' ? whyUnreadable(refused, user, message) : printable(message);
  throw error;
}

/** What the process says; it is gone then, with all that it started. */
async function ask(user: LaneUser, request: BundleRequest, isRequired: boolean, limitMs: number): Promise<string> {
  const { modules } = request;
  const esbuild = findEsbuild();
  const output: Buffer[] = [];
  let octets = 0;
  const failure = await runAsUser({
    user,
    program: '../hook/bundle-process',
    // What a hook imports lies anywhere. The modes of the files say what the user may have.
    reads: ['/', ...ownParts(modules.flatMap(({ module }) => withTarget(module)))],
    runs: [esbuild],
    env: { ESBUILD_BINARY_PATH: esbuild },
    dataMiB: DATA_MIB,
    isRequired,
    limitMs,
    request,
    onOutput: (piece) => {
      octets += piece.length;
      output.push(piece);
      return octets > MAX_ANSWER ? `with their source maps they have more than ${MAX_ANSWER / 2 ** 20} MiB` : null;
    },
  });
  if (failure !== null) throw refusal(modules, failure);
  return Buffer.concat(output).toString();
}

/** The program that esbuild's package starts: the one thing beside Node.js that may be executed there. */
function findEsbuild(): string {
  const require = createRequire(createRequire(import.meta.url).resolve('esbuild'));
  try {
    return require.resolve(`@esbuild/linux-${process.arch}/bin/esbuild`);
  } catch (cause) {
    throw new FirehookError('FIREHOOK_HOOK_BUNDLE', `esbuild has no program for linux-${process.arch} here`, {
      cause,
      advice: 'install it: npm ci, without --omit=optional',
    });
  }
}

/**
 * What the process said, looked at.
 *
 * @throws {@link FirehookError} FIREHOOK_HOOK_BUNDLE when it is not an answer to what it was asked
 */
export function readAnswer(text: string, modules: readonly HookModule[]): z.output<typeof answerSchema> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw refusal(modules, 'its answer is not JSON');
  }
  const { data: answer } = answerSchema.safeParse(value);
  const isOurs =
    answer !== undefined &&
    (!('bundles' in answer) ||
      (answer.bundles.length === modules.length &&
        modules.every((module, index) => (answer.bundles[index] ?? []).every((bundled) => isOf(module, bundled)))));
  if (!isOurs) throw refusal(modules, 'its answer is not what was asked for');
  return answer;
}

/** Whether a hook can be of a module: the file itself, one of a folder, or one that lies in the package. */
function isOf({ module, package: entry }: HookModule, { path: file, package: origin }: HookBundle): boolean {
  if (entry === undefined) return origin === undefined && (file === module || path.dirname(file) === module);
  const isNamed = origin?.name === entry.name && origin.subpath === entry.subpath;
  return isNamed && withTarget(module).some((folder) => file.startsWith(`${folder}/`));
}

function refusal(modules: readonly HookModule[], reason: string): FirehookError {
  const [first = '', ...others] = modules.map(({ module }) => module);
  const more = others.length === 0 ? '' : ` (or one of ${others.length} more)`;
  return new FirehookError('FIREHOOK_HOOK_BUNDLE', `${first}${more}: the process that bundles hooks: ${reason}`, {
    hook: first,
  });
}

/** A folder that the user may not enter is covered by the launcher where this package is below it: then nothing is there. */
function whyUnreadable(hookPath: string, user: LaneUser, message: string): string {
  const isCovered = message.includes('no such file') && statSync(hookPath, { throwIfNoEntry: false }) !== undefined;
  const reason = isCovered ? barrier(hookPath, `the user ${user.name}`, user) : '';
  if (reason === '') return printable(message);
  return new FirehookError('FIREHOOK_HOOK_UNREADABLE', `${hookPath}: ${reason}`, { advice: '' }).message;
}
