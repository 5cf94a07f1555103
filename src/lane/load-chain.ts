/**
 * From hook bundles to a chain that is ready for its first packet: evaluate, check, set up, sort.
 *
 * Runs where hooks live: in a lane, or in `firehook replay`. Rule: any hook that is not exactly right refuses the whole
 * chain; there is no running with fewer hooks than the config names.
 *
 * @module
 */

import { userInfo } from 'node:os';
import path from 'node:path';
import { FirehookError, isFirehookError } from '../errors.ts';
import { poolFunctions, setPoolLimit, systemPool } from '../firewall/ddk.ts';
import type { HookRuntime } from '../hook/contract.ts';
import { HookChain } from '../hook/hook-chain.ts';
import { chainInterests } from '../hook/interest.ts';
import { assertUniqueNames, describeHookError, type LoadedHook, loadHook, placeOfVerdict } from '../hook/load-hook.ts';
import { HOOK_MODULES } from '../hook-modules.ts';
import type { Interest } from '../wire/interest.ts';
import type { HookInfo, HookSource } from './messages.ts';

/** Writes one line of a hook, or about a hook; a message that costs something to make is made only if it is written. */
export type HookLog = (
  level: 'debug' | 'info' | 'warn' | 'error',
  hook: string,
  message: string | (() => string),
) => void;

/** The line that a hook's message makes in the log: one sentence, whether the hook ended it or not. */
export function hookLine(hook: string, message: string | (() => string)): string {
  const text = typeof message === 'string' ? message : message();
  return `Hook ${hook}: ${text.replace(/[.\s]+$/, '')}.`;
}

/** What {@link loadChain} takes. */
export interface LoadChainOptions {
  readonly hooks: readonly HookSource[];
  /** What `runtime.resolvePath` is relative to. */
  readonly folder: string;
  readonly onHookError: 'drop' | 'forward';
  readonly poolLimitMiB: number;
  readonly trackChanges: boolean;
  /** Must limit its own rate. */
  readonly log: HookLog;
  /** What `runtime.send` does. */
  readonly send: (datagram: Uint8Array) => boolean;
}

/** A chain that is ready, and what belongs to it. */
export interface LoadedChain {
  readonly chain: HookChain;
  readonly hooks: readonly HookInfo[];
  /** What all hooks together are interested in; null for everything. */
  readonly interests: readonly Interest[] | null;
  /** Calls every `teardown`; one that throws is logged and does not keep the others from theirs. */
  teardown(): void;
}

const MIB = 1024 * 1024;

/**
 * Loads the hooks.
 *
 * @throws {@link FirehookError} FIREHOOK_HOOK_INVALID, or FIREHOOK_HOOK_SETUP when a `setup` throws or rejects
 */
export async function loadChain(options: LoadChainOptions): Promise<LoadedChain> {
  setPoolLimit(options.poolLimitMiB * MIB);
  const loaded: LoadedHook[] = [];
  const sourceOf = new Map<string, HookSource>();
  for (const [owner, source] of options.hooks.entries()) {
    systemPool.nameOwner(owner, source.bundle.path);
    const modules = { firehook: { ...HOOK_MODULES['firehook'], ...poolFunctions(systemPool, owner) } };
    const hook = loadHook(source.bundle, modules);
    systemPool.nameOwner(owner, hook.name);
    loaded.push({ ...hook, owner, priority: source.priority ?? hook.priority });
    sourceOf.set(hook.name, source);
  }
  assertUniqueNames(loaded);
  for (const hook of loaded) await setUp(hook, sourceOf.get(hook.name)?.options, options);
  const chain = new HookChain({
    hooks: loaded,
    onHookError: options.onHookError,
    pool: systemPool,
    trackChanges: options.trackChanges,
    onFault: (hook, reason, error) => {
      const bundle = sourceOf.get(hook.name)?.bundle;
      options.log('error', hook.name, () => {
        if (bundle === undefined) return reason;
        if (error !== undefined) return `${reason}: ${describeHookError(error, bundle)}`;
        const place = placeOfVerdict(hook, bundle);
        return place === undefined ? reason : `${reason} (${place})`;
      });
    },
  });
  return {
    chain,
    hooks: chain.hooks.map(({ name, path: file, priority, kind }) => ({
      name,
      path: file,
      priority: priority ?? 0,
      kind,
    })),
    interests: chainInterests(chain.hooks),
    teardown: () => tearDown(chain.hooks, options.log),
  };
}

async function setUp(hook: LoadedHook, hookOptions: unknown, options: LoadChainOptions): Promise<void> {
  if (hook.kind === 'callback') {
    if (hookOptions !== undefined)
      throw new FirehookError('FIREHOOK_HOOK_SETUP', `${hook.path}: a firewallHook takes no options`, {
        hook: hook.name,
      });
    return;
  }
  const runtime: HookRuntime = {
    name: hook.name,
    resolvePath: (file) => path.resolve(options.folder, file),
    log: (level, message) => options.log(level, hook.name, message),
    send: options.send,
  };
  try {
    await hook.definition.setup?.(hookOptions, runtime);
  } catch (cause) {
    if (isFirehookError(cause) && cause.op !== 'pool') throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FirehookError('FIREHOOK_HOOK_SETUP', `${hook.path}: ${reason.replaceAll('\n', ' ')}`, {
      cause,
      hook: hook.name,
      ...(reason.includes('EACCES') ? { advice: `make it readable by ${userName()}: chmod o+r` } : {}),
    });
  }
}

/** Whom hooks run as: `lane.user` in a daemon. */
function userName(): string {
  try {
    return `the user ${userInfo().username}`;
  } catch {
    // A container may run with a number that has no name.
    return `user ${process.getuid?.()}`;
  }
}

function tearDown(hooks: readonly LoadedHook[], log: HookLog): void {
  for (const hook of hooks) {
    if (hook.kind === 'callback') continue;
    try {
      hook.definition.teardown?.();
    } catch (error) {
      log('error', hook.name, `teardown threw: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}
