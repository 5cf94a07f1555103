/**
 * Sets one hook up: its options are checked, what it needs is compared with what the configuration grants, and `setup` is called.
 *
 * ```
 *   options of the configuration ─> schema of the hook ─> needs, granted? ─> setup ─> handlers
 * ```
 * Rule: a hook that is not exactly right is refused here, by name, with the line of the configuration where there is one. What the hook's own
 * code throws is reported as its error.
 *
 * @module
 */

import { userInfo } from 'node:os';
import path from 'node:path';
import type { OptionPlaces } from '../config/option-places.ts';
import { isSameServer, parseServer, SERVER_EXAMPLE } from '../config/server-address.ts';
import { FirehookError, isFirehookError } from '../errors.ts';
import { asOwner } from '../hook/async-owner.ts';
import { checkHandlers, checkTables } from '../hook/check-definition.ts';
import type { HookRuntime, SchemaIssue, TableRule } from '../hook/contract.ts';
import type { LoadedHook } from '../hook/load-hook.ts';
import { noteRunning, restoreRunning } from '../hook/running-hook.ts';
import { streamSettings } from '../hook/stream/check-stream.ts';
import type { StreamSettings } from '../hook/stream/stream-contract.ts';
import { EVERY_GRANT, type HookGrant, type HookSource } from './messages.ts';

/** A hook made with `defineHook`. */
export type DefinedLoaded = LoadedHook & { readonly kind: 'defined' };

/** What {@link setUpHook} takes beside the hook. */
export interface SetUpOptions {
  readonly source: HookSource;
  readonly runtime: HookRuntime;
  /** What relative paths of `needs` start from. */
  readonly folder: string;
  /** Name of the user that this process has become. @defaultValue it is looked up */
  readonly user?: string;
  /** Makes the tables of the hook, which are right. @defaultValue nothing is made */
  readonly makeTables?: (tables: Readonly<Record<string, TableRule>>) => void;
}

/**
 * Sets a hook up.
 *
 * @returns the hook with its handlers and the streams that it reads; null where it must not be set up now, in a check of a hook with a
 * `setup` that does not say `checkable: true`
 * @throws {@link FirehookError} FIREHOOK_HOOK_OPTIONS, FIREHOOK_HOOK_RIGHTS, FIREHOOK_HOOK_INVALID or FIREHOOK_HOOK_SETUP
 */
export async function setUpHook(hook: DefinedLoaded, given: SetUpOptions): Promise<DefinedLoaded | null> {
  const { source, runtime } = given;
  const { definition } = hook;
  const options = await checkOptions(hook, source);
  const needs = needsOf(hook, options);
  checkGrants(hook, needs, source.allow, given.folder);
  given.makeTables?.(tablesOf(hook, options));
  // Nobody but the author knows what a set-up does beside packets; without one there is nothing that could be done.
  const isCheckable = definition.checkable === true || definition.setup === undefined;
  if (runtime.mode === 'check' && !isCheckable) return null;
  // Also of a promise that is never settled it can be said whose it is.
  const before = noteRunning(hook.owner, 'setup');
  try {
    const returned = await asOwner(hook.owner ?? -1, 'setup', () => definition.setup?.(options, runtime));
    const handlers = checkHandlers(hook, definition, returned) ?? hook.handlers;
    const stream = streamOf(hook, options);
    return { ...hook, handlers, ...(stream === null ? {} : { stream }) };
  } catch (cause) {
    if (isFirehookError(cause) && cause.op !== 'pool') throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FirehookError('FIREHOOK_HOOK_SETUP', `${hook.path}: ${reason.replaceAll('\n', ' ')}`, {
      cause,
      hook: hook.name,
      ...(reason.includes('EACCES') ? { advice: `make it readable by ${userName(given.user)}: chmod o+r` } : {}),
    });
  } finally {
    restoreRunning(before);
  }
}

/** Most problems of options that are told at once. */
const MOST_PROBLEMS = 5;

/** The options as the schema of the hook gives them back. */
async function checkOptions(hook: DefinedLoaded, { options, places }: HookSource): Promise<unknown> {
  const schema = hook.definition.options;
  if (schema === undefined) return options;
  const before = noteRunning(hook.owner, 'setup');
  try {
    const result = await asOwner(hook.owner ?? -1, 'setup', () => schema['~standard'].validate(options ?? {}));
    if (result.issues === undefined) return result.value;
    const problems = result.issues.map((issue) => problemOf(issue, places));
    const more = problems.length > MOST_PROBLEMS ? `; and ${problems.length - MOST_PROBLEMS} more` : '';
    const text = `hook ${hook.name}: ${problems.slice(0, MOST_PROBLEMS).join('; ')}${more}`;
    throw new FirehookError('FIREHOOK_HOOK_OPTIONS', places === undefined ? text : `${places.file}: ${text}`, {
      hook: hook.name,
    });
  } catch (cause) {
    if (isFirehookError(cause)) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FirehookError('FIREHOOK_HOOK_SETUP', `${hook.path}: its schema of options threw: ${reason}`, {
      cause,
      hook: hook.name,
    });
  } finally {
    restoreRunning(before);
  }
}

/** `options.ports[0]: expected a number (line 12)`. */
function problemOf(issue: SchemaIssue, places: OptionPlaces | undefined): string {
  // The path of a library may be an array of its own kind.
  const steps = Array.from(issue.path ?? [], (step) => (typeof step === 'object' ? step.key : step));
  const message = issue.message.replaceAll('\n', ' ').replace(/[.\s]+$/, '');
  const name = steps.reduce<string>(
    (text, step) => (typeof step === 'number' ? `${text}[${step}]` : `${text}.${String(step)}`),
    'options',
  );
  if (places === undefined) return `${name}: ${message}`;
  // Of what is not in the file, the line of what it is missing in.
  for (let count = steps.length; count >= 0; count--) {
    const line = places.lines[JSON.stringify(steps.slice(0, count).map(String))];
    if (line !== undefined) return `${name}: ${message} (line ${line})`;
  }
  return `${name}: ${message}`;
}

type Wanted = Partial<Record<keyof HookGrant, unknown>>;

/** What a hook says that it needs. A function of the hook sees options that nobody has checked yet, and may throw. */
function needsOf(hook: DefinedLoaded, hookOptions: unknown): Wanted {
  const { needs } = hook.definition;
  let wanted: unknown;
  try {
    wanted = typeof needs === 'function' ? asOwner(hook.owner ?? -1, 'setup', () => needs(hookOptions)) : needs;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FirehookError('FIREHOOK_HOOK_SETUP', `${hook.path}: needs threw: ${reason.replaceAll('\n', ' ')}`, {
      cause,
      hook: hook.name,
    });
  }
  // A promise would be taken for a hook that needs nothing.
  if (typeof (wanted ?? {}) === 'object' && !(wanted instanceof Promise)) return wanted ?? {};
  const detail = `${hook.path}: needs: returned no { files, network, interfaces }, which is to be known at once`;
  throw new FirehookError('FIREHOOK_HOOK_INVALID', detail, { hook: hook.name });
}

/** The tables that a hook declares. */
function tablesOf(hook: DefinedLoaded, hookOptions: unknown): Readonly<Record<string, TableRule>> {
  const { tables = {} } = hook.definition;
  if (typeof tables !== 'function') return tables;
  const made = declared(hook, 'tables', () => tables(hookOptions));
  checkTables(hook, made);
  return made;
}

/** The streams that a hook reads; null where it reads none. */
function streamOf(hook: DefinedLoaded, hookOptions: unknown): StreamSettings | null {
  const { stream } = hook.definition;
  if (stream === undefined) return null;
  const wanted = typeof stream === 'function' ? declared(hook, 'stream', () => stream(hookOptions)) : stream;
  return streamSettings(hook, wanted);
}

/** What a function of a definition makes of the options. */
function declared<Made>(hook: DefinedLoaded, key: string, make: () => Made): Made {
  try {
    return asOwner(hook.owner ?? -1, 'setup', make);
  } catch (cause) {
    if (isFirehookError(cause)) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FirehookError('FIREHOOK_HOOK_SETUP', `${hook.path}: ${key} threw: ${reason.replaceAll('\n', ' ')}`, {
      cause,
      hook: hook.name,
    });
  }
}

/** Refuses a hook that asks for more than the configuration grants it. */
function checkGrants(hook: DefinedLoaded, wanted: Wanted, granted: HookGrant, folder: string): void {
  for (const file of listOf(hook, 'files', wanted.files)) {
    const full = path.resolve(folder, file);
    if (
      granted === EVERY_GRANT ||
      granted.files.some((grant) => full === grant || full.startsWith(`${grant.replace(/\/$/, '')}/`))
    )
      continue;
    refuseNeed(hook, 'read', 'files', file);
  }
  const servers = granted.network.map(parseServer);
  for (const text of listOf(hook, 'network', wanted.network)) {
    const server = parseServer(text);
    if (server === null) {
      const detail = `${hook.path}: needs.network: ${JSON.stringify(text)} is not valid; expected ${SERVER_EXAMPLE}`;
      throw new FirehookError('FIREHOOK_HOOK_INVALID', detail, { hook: hook.name });
    }
    if (granted === EVERY_GRANT || servers.some((grant) => grant !== null && isSameServer(grant, server))) continue;
    refuseNeed(hook, 'speak to', 'network', text);
  }
  for (const name of listOf(hook, 'interfaces', wanted.interfaces)) {
    if (granted === EVERY_GRANT || granted.interfaces.includes(name)) continue;
    refuseNeed(hook, 'send frames out of', 'interfaces', name);
  }
}

const WHAT: Readonly<Record<keyof HookGrant, string>> = { files: 'paths', network: 'servers', interfaces: 'names' };

function listOf(hook: LoadedHook, key: keyof HookGrant, wanted: unknown): readonly string[] {
  if (wanted === undefined) return [];
  if (Array.isArray(wanted) && wanted.every((one) => typeof one === 'string')) return wanted;
  throw new FirehookError('FIREHOOK_HOOK_INVALID', `${hook.path}: needs.${key}: is no list of ${WHAT[key]}`, {
    hook: hook.name,
  });
}

function refuseNeed(hook: LoadedHook, verb: string, key: keyof HookGrant, what: string): never {
  const quoted = JSON.stringify(what);
  throw new FirehookError('FIREHOOK_HOOK_RIGHTS', `${hook.path}: hook ${hook.name} wants to ${verb} ${quoted}`, {
    hook: hook.name,
    advice: `if it may, write in its entry of hooks: allow: { ${key}: [${quoted}] }`,
  });
}

/** Whom hooks run as: `lane.user` in a daemon, where the system's list of users cannot be read any more. */
function userName(user: string | undefined): string {
  if (user !== undefined) return `the user ${user}`;
  try {
    return `the user ${userInfo().username}`;
  } catch {
    // A container may run with a number that has no name.
    return `user ${process.getuid?.()}`;
  }
}
