/**
 * Evaluates the bundle of a hook and checks what it exports.
 *
 * ```
 *   HookBundle ─> evaluate ─> default export made with defineHook   ─> LoadedHook 'defined'
 *                        ├──> named export firewallHook (Windows)   ─> LoadedHook 'callback'
 *                        └──> named export DriverEntry (Windows)    ─> LoadedHook 'driver'
 * ```
 * Floor 2. Runs in the lane, after it has given up its rights, and nowhere else. Rule: a hook that is not exactly right
 * is refused here, with the path and the reason, and before it has seen a packet. This is no sandbox: a hook is a program
 * of the lane's user.
 *
 * @module
 */

import { createRequire, isBuiltin, SourceMap, type SourceMapPayload } from 'node:module';
import path from 'node:path';
import vm from 'node:vm';
import { closestKey } from '../config/closest-key.ts';
import type { IPPacketFirewallPtr } from '../firewall/constants.ts';
import type { HookBundle } from './bundle-hook.ts';
import { missingName } from './bundle-message.ts';
import {
  checkDefinition,
  checkName,
  checkPriority,
  checkSynchronous,
  isPlainHook,
  refuseHook,
  shown,
} from './check-definition.ts';
import { type DefinedHook, type Handlers, HOOK_META, type HookModules } from './contract.ts';
import { freezeModule } from './freeze-realm.ts';
import type { StreamSettings } from './stream/stream-contract.ts';

/** Parameters of the Windows callback. */
const CALLBACK_PARAMETERS = 7;
/** Parameters of `DriverEntry`. */
const ENTRY_PARAMETERS = 2;

/** Parsed when the first error of a bundle is described; gone with the bundle. */
const sourceMaps = new WeakMap<HookBundle, SourceMap>();

/** A hook whose module has been evaluated and found right. `setup` has not been called. */
export type LoadedHook =
  | {
      readonly kind: 'defined';
      readonly name: string;
      readonly path: string;
      /** What the module says; the config wins. */
      readonly priority: number | undefined;
      /** Its number in the books of the pool; the place among the hooks where there is none. */
      readonly owner?: number;
      /** It is called and not obeyed (`mode: shadow`); never of a driver. @defaultValue false */
      readonly isShadow?: boolean;
      readonly definition: DefinedHook;
      /** What the chain calls: the definition itself, or what `setup` returned; null until then. */
      readonly handlers: Handlers | null;
      /** What its `stream` comes to with its options; undefined before set-up, and where it reads none. */
      readonly stream?: StreamSettings;
    }
  | {
      readonly kind: 'callback';
      /** The package's, or the file's base name (`index`: the folder's), other characters than those of a hook name made dashes. */
      readonly name: string;
      readonly path: string;
      /** What the module says; the config wins. */
      readonly priority: number | undefined;
      /** As above. */
      readonly owner?: number;
      /** As above. */
      readonly isShadow?: boolean;
      readonly callback: IPPacketFirewallPtr;
    }
  | {
      readonly kind: 'driver';
      /** As above. */
      readonly name: string;
      readonly path: string;
      /** The config's alone: the driver says it for each of its callbacks. */
      readonly priority: number | undefined;
      /** As above. */
      readonly owner?: number;
      readonly isShadow?: false;
      /** `DriverEntry`, not called yet. */
      readonly entry: (...parameters: never[]) => unknown;
    };

/** The exports of a hook module that mean something here. */
interface ModuleExports {
  readonly default?: unknown;
  readonly firewallHook?: unknown;
  readonly DriverEntry?: unknown;
  readonly firewallHookPriority?: unknown;
}

/**
 * Evaluates a bundle and checks its exports.
 *
 * @param bundle - of `bundleHooks`
 * @param modules - what the hook gets when it imports a module of firehook
 * @throws {@link FirehookError} FIREHOOK_HOOK_INVALID with the exact reason
 */
export function loadHook(bundle: HookBundle, modules: HookModules): LoadedHook {
  const exported = evaluate(bundle, modules);
  // `module.exports = defineHook(...)` of a plain JavaScript file is as good as a default export.
  const isMarked = HOOK_META in exported;
  const byDefault: unknown = isMarked ? exported : exported.default;
  const callback = exported.firewallHook;
  if (byDefault !== undefined && callback !== undefined) {
    refuseHook(bundle, 'exports both a default and firewallHook; one module is one hook');
  }
  if (exported.DriverEntry !== undefined) {
    if (byDefault !== undefined || callback !== undefined) {
      refuseHook(bundle, 'exports DriverEntry and a default or firewallHook as well; one module is one hook');
    }
    return checkDriver(bundle, exported.DriverEntry);
  }
  if (callback !== undefined) return checkCallback(bundle, callback, exported.firewallHookPriority);
  if (byDefault !== undefined) return loadDefinition(bundle, byDefault);
  const names = Object.keys(exported);
  const near = names
    .map((name) => closestKey(name, ['firewallHook', 'DriverEntry', 'default']))
    .find((name) => name !== undefined);
  const hint = near === undefined ? '' : `; did you mean ${near}?`;
  return refuseHook(
    bundle,
    `has no default export made with defineHook and no export firewallHook or DriverEntry (exports: ${names.join(', ') || 'none'})${hint}`,
  );
}

/**
 * Checks a definition, wherever its module was evaluated.
 *
 * @param module - the path that errors name
 * @throws {@link FirehookError} FIREHOOK_HOOK_INVALID with the exact reason
 */
export function loadDefinition(module: { readonly path: string }, value: unknown): LoadedHook {
  const definition = checkDefinition(module, value);
  const { name, priority } = definition;
  const handlers = isPlainHook(definition) ? (definition as Handlers) : null;
  return { kind: 'defined', name, path: module.path, priority, definition, handlers };
}

/**
 * Refuses two hooks of one name: logs and counters would not tell them apart.
 *
 * @throws {@link FirehookError} FIREHOOK_HOOK_INVALID naming both files
 */
export function assertUniqueNames(hooks: readonly Pick<LoadedHook, 'name' | 'path'>[]): void {
  const pathOf = new Map<string, string>();
  for (const hook of hooks) {
    const first = pathOf.get(hook.name);
    if (first !== undefined)
      refuseHook(
        hook,
        `name: "${hook.name}" is also the name of ${first}; give one of them another in the configuration, as name:`,
      );
    pathOf.set(hook.name, hook.path);
  }
}

/**
 * One line about an error that came out of a hook: its message, and the place in the hook's own source.
 *
 * Cost: reads the stack and parses the source map (once for each bundle). For errors that are logged at a limited rate,
 * not for every packet.
 */
export function describeHookError(error: unknown, bundle: HookBundle): string {
  if (!(error instanceof Error)) return shown(error);
  const place = placeInSource(error, bundle);
  const message = `${error.name === 'Error' ? '' : `${error.name}: `}${error.message}`.replaceAll('\n', ' ');
  return place === undefined ? message : `${message} (${place})`;
}

function evaluate(bundle: HookBundle, modules: HookModules): ModuleExports {
  const nodeRequire = createRequire(bundle.path);
  const require = (name: string): unknown => {
    const exported = modules[name];
    if (exported !== undefined) return guarded(name, exported);
    if (isBuiltin(name)) {
      const module: unknown = nodeRequire(name);
      freezeModule(module);
      return module;
    }
    throw new Error(`cannot load '${name}': a hook has 'firehook', the modules of Node and what was bundled with it`);
  };
  const module: { exports: unknown } = { exports: {} };
  try {
    const run = vm.compileFunction(bundle.code, ['module', 'exports', 'require'], { filename: bundle.path }) as (
      ...scope: unknown[]
    ) => void;
    run(module, module.exports, require);
    const { exports } = module;
    return (typeof exports === 'object' && exports !== null ? exports : { default: exports }) as Record<
      PropertyKey,
      unknown
    >;
  } catch (cause) {
    return refuseHook(bundle, `throws when it is loaded: ${describeHookError(cause, bundle)}`, cause);
  }
}

/**
 * A module of firehook as a plain frozen object, whose properties load faster than those of a module namespace. A name that
 * is not there throws: only code that calls `require` itself can ask for one.
 */
function guarded(module: string, exported: Readonly<Record<string, unknown>>): object {
  const missing = new Proxy(Object.prototype, {
    get(target, name) {
      // What Node, esbuild and await ask of any object.
      if (typeof name === 'symbol' || name in target || ['__esModule', 'default', 'then'].includes(name))
        return Reflect.get(target, name) as unknown;
      throw new TypeError(missingName(module, name, { [module]: Object.keys(exported) }));
    },
  });
  return Object.freeze(Object.assign(Object.create(missing) as object, exported));
}

function checkCallback(bundle: HookBundle, value: unknown, priority: unknown): LoadedHook {
  checkSynchronous(bundle, 'firewallHook', value);
  if (value.length > CALLBACK_PARAMETERS) {
    refuseHook(bundle, `firewallHook: has ${value.length} parameters; it is called with ${CALLBACK_PARAMETERS}`);
  }
  checkPriority(bundle, 'firewallHookPriority', priority);
  const name = nameOfFile(bundle);
  return { kind: 'callback', name, path: bundle.path, priority, callback: value as IPPacketFirewallPtr };
}

function checkDriver(bundle: HookBundle, value: unknown): LoadedHook {
  checkSynchronous(bundle, 'DriverEntry', value);
  if (value.length > ENTRY_PARAMETERS) {
    refuseHook(bundle, `DriverEntry: has ${value.length} parameters; it is called with ${ENTRY_PARAMETERS}`);
  }
  return { kind: 'driver', name: nameOfFile(bundle), path: bundle.path, priority: undefined, entry: value };
}

/** A module of the Windows interface has no name of its own: it has that of its package, or of its file. */
function nameOfFile(bundle: HookBundle): string {
  const base = path.parse(bundle.path).name;
  const ofFile = base === 'index' ? path.basename(path.dirname(bundle.path)) : base;
  const origin = bundle.package;
  const ofPackage = origin && path.basename(origin.name) + origin.subpath.slice(1);
  const name = (ofPackage ?? ofFile).replace(/[^A-Za-z0-9-]/g, '-');
  checkName(bundle, name);
  return name;
}

/**
 * Where the function that gives the verdicts of a hook stands in its source: for a value that is no verdict there is no stack.
 *
 * @param pointer - the callback of a driver that it was; null for hooks that have one function
 * @returns `file:line:column`; undefined where its text is not in the bundle, or more than once
 */
export function placeOfVerdict(
  hook: LoadedHook,
  bundle: HookBundle,
  pointer: IPPacketFirewallPtr | null,
): string | undefined {
  const own =
    hook.kind === 'defined'
      ? (hook.handlers?.onPacket ?? hook.handlers?.onFlow ?? hook.handlers?.onStream ?? null)
      : hook.kind === 'callback'
        ? hook.callback
        : null;
  const verdict = pointer ?? own;
  if (verdict === null) return undefined;
  const text = Function.prototype.toString.call(verdict);
  const at = bundle.code.indexOf(text);
  if (at === -1 || bundle.code.includes(text, at + 1)) return undefined;
  const before = bundle.code.slice(0, at).split('\n');
  return originOf(bundle, before.length - 1, before.at(-1)?.length ?? 0);
}

/** The innermost frame of the error that lies in the bundle, as `file:line:column` of the source. */
function placeInSource(error: Error, bundle: HookBundle): string | undefined {
  const frames = (error.stack ?? '').split('\n').map((frame) => /\(?([^()\s][^()]*):(\d+):(\d+)\)?$/.exec(frame));
  const frame = frames.find((match) => match?.[1]?.endsWith(bundle.path));
  if (!frame) return undefined;
  return originOf(bundle, Number(frame[2]) - 1, Number(frame[3]) - 1);
}

/** `file:line:column` of a place in the bundle, which counts from 0. */
function originOf(bundle: HookBundle, line: number, column: number): string | undefined {
  const origin = sourceMapOf(bundle).findEntry(line, column);
  if (!('originalSource' in origin)) return undefined;
  const source = path.resolve(path.dirname(bundle.path), origin.originalSource);
  return `${source}:${origin.originalLine + 1}:${origin.originalColumn + 1}`;
}

function sourceMapOf(bundle: HookBundle): SourceMap {
  let map = sourceMaps.get(bundle);
  if (map === undefined) {
    map = new SourceMap(JSON.parse(bundle.map) as SourceMapPayload);
    sourceMaps.set(bundle, map);
  }
  return map;
}

/** The packets that a hook is called with, as text; undefined for everything. */
export function filterOf(hook: LoadedHook): string | undefined {
  return hook.kind === 'defined' ? (hook.handlers?.filter ?? hook.definition.filter) : undefined;
}
