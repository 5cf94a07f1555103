/**
 * The process that bundles hooks as the lanes' user: a request on standard input, one answer on standard output.
 *
 * ```
 *   {"modules": [{module, package}, ...], "names": {...}, "user": ..., ...}  ─>  {"bundles": [[hook, ...], ...]}
 *                                                                          or  {"error": {code, message, hook}}
 * ```
 * Rule: it reads what its user may read, executes nothing of a hook, and writes nothing. One service of esbuild does all hooks, and
 * ends with it.
 *
 * @see src/supervisor/bundle-as-user.ts
 * @module
 */

import { text } from 'node:stream/consumers';
import type { HookModule } from '../config/hook-module.ts';
import { isFirehookError } from '../errors.ts';
import { bundleModules } from './bundle-hook.ts';
import type { HookModuleNames } from './contract.ts';

/** What is to be bundled. */
export interface BundleRequest {
  readonly modules: readonly HookModule[];
  /** What hooks can import from firehook. */
  readonly names: HookModuleNames;
  /** For messages: `the user firehook`. */
  readonly user: string;
  /** Of this firehook. */
  readonly version: string;
  readonly patienceMs: number;
}

const { modules, names, ...options } = JSON.parse(await text(process.stdin)) as BundleRequest;
const answer = await bundleModules(modules, names, options).then(
  (bundles) => ({ bundles }),
  (reason: unknown) => ({ error: failureOf(reason) }),
);
process.stdout.write(JSON.stringify(answer));

function failureOf(reason: unknown): object {
  const error = isFirehookError(reason) ? reason : null;
  const message = reason instanceof Error ? reason.message : String(reason);
  return { code: error?.code ?? 'FIREHOOK_HOOK_BUNDLE', message, hook: error?.hook };
}
