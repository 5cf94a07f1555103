/**
 * Checks what a module says of its hook, and the handlers that its `setup` returns.
 *
 * Floor 2. Rule: whatever is not exactly right is refused, with the path of the module, the key and what is expected, before the hook has
 * seen a packet. Nothing of the hook is called here.
 *
 * @module
 */

import { inspect } from 'node:util';
import { closestKey } from '../config/closest-key.ts';
import { FirehookError } from '../errors.ts';
import { FilterError } from '../filter/filter-error.ts';
import { compileFilter } from '../filter/to-js.ts';
import { DROP } from '../firewall/constants.ts';
import type { ColumnType } from '../flow/flow-store.ts';
import { HOOK_PACKETS } from './compile-filters.ts';
import { type DefinedHook, type Handlers, HOOK_API_VERSION, HOOK_META, type HoldRule } from './contract.ts';
import { isFinalVerdict, LONGEST_HOLD_MS, MOST_HELD } from './hold-list.ts';
import type { HookPackage } from './hook-package.ts';
import { tablesProblem } from './table-rules.ts';

/** Longest name of a hook, in characters: names are column heads and metric labels. */
const MAX_NAME_LENGTH = 64;

const HOOK_NAME = /^[A-Za-z0-9-]+$/;

/** Characters of a wrong filter that its error shows. */
const MOST_SHOWN = 200;

const HEAD_KEYS = [
  ...['name', 'api', 'priority', 'filter', 'flows', 'stream', 'hold', 'tables'],
  ...['options', 'needs', 'checkable', 'setup'],
];
const HANDLER_KEYS = ['onPacket', 'onFlow', 'onStream', 'onFlowEnd', 'onLeave', 'adopt', 'teardown'];

const HOLD_KEYS: readonly (keyof HoldRule)[] = ['packets', 'mib', 'timeoutMs', 'onTimeout'];
/** Super-frames of 65,535 packets. */
const MOST_HOLD_MIB = 4096;

/** A module of a hook, by its path. */
interface Module {
  readonly path: string;
  /** The npm package that it is in; undefined for a file of the operator. */
  readonly package?: HookPackage | undefined;
}

/**
 * Checks the default export of a module.
 *
 * @throws {@link FirehookError} FIREHOOK_HOOK_INVALID with the exact reason; FIREHOOK_HOOK_VERSION for another version of the interface
 */
export function checkDefinition(module: Module, value: unknown): DefinedHook {
  const definition = checkMark(module, value);
  checkApi(module, definition);
  for (const key of Object.keys(definition)) checkKey(module, key, [...HEAD_KEYS, ...HANDLER_KEYS], '');
  const { name, priority, filter, needs, options, checkable } = definition;
  checkName(module, name);
  checkPriority(module, 'priority', priority);
  if (filter !== undefined) checkFilter(module, filter);
  if (needs !== undefined && typeof needs !== 'function' && (typeof needs !== 'object' || needs === null))
    refuseHook(module, 'needs: is neither an object nor a function');
  if (options !== undefined) checkSchema(module, options);
  if (checkable !== undefined && typeof checkable !== 'boolean')
    refuseHook(module, `checkable: ${shown(checkable)} is not valid; expected true or false`);
  if (definition.setup !== undefined && typeof definition.setup !== 'function')
    refuseHook(module, 'setup: is not a function');
  checkFlows(module, definition.flows);
  checkStream(module, definition);
  checkHold(module, definition.hold, '');
  if (definition.tables !== undefined && typeof definition.tables !== 'function')
    checkTables(module, definition.tables);
  const isPlain = HANDLER_KEYS.some((key) => Object.hasOwn(definition, key));
  if (isPlain) {
    checkStreamHandler(module, definition, definition as Handlers, '');
    checkHandlerTypes(module, definition as Handlers, '');
  } else if (definition.setup === undefined) refuseHook(module, 'onPacket: is missing');
  return definition;
}

/**
 * Checks what `setup` returned.
 *
 * @returns null for a hook that has its handlers in its definition
 * @throws {@link FirehookError} FIREHOOK_HOOK_INVALID with the exact reason
 */
export function checkHandlers(module: Module, definition: DefinedHook, returned: unknown): Handlers | null {
  const isPlain = isPlainHook(definition);
  if (isPlain && returned !== undefined)
    refuseHook(module, 'setup: returned something, and onPacket stands in the definition; handlers stand in one place');
  if (isPlain) return null;
  if (typeof returned !== 'object' || returned === null)
    refuseHook(
      module,
      `setup: returned ${shown(returned)}; expected handlers, as there is no onPacket in the definition`,
    );
  // An instance of a class has its state beside them.
  const isPlainObject = Object.getPrototypeOf(returned) === Object.prototype;
  if (isPlainObject)
    for (const key of Object.keys(returned))
      checkKey(module, key, [...HANDLER_KEYS, 'flows', 'hold', 'filter'], 'setup: returned ');
  const handlers = returned as Handlers;
  checkStreamHandler(module, definition, handlers, 'setup: returned ');
  if ((handlers.onFlow ?? handlers.onFlowEnd) !== undefined && !asksForFlows(definition))
    refuseHook(module, 'setup: returned onFlow or onFlowEnd; say flows: true in the definition');
  checkHandlerTypes(module, handlers, 'setup: returned ');
  if (handlers.hold !== undefined && definition.hold === undefined)
    refuseHook(module, 'setup: returned hold; say hold in the definition too, so that it can be seen there');
  checkHold(module, handlers.hold, 'setup: returned ');
  const { flows, filter } = handlers as { flows?: unknown; filter?: unknown };
  if (filter !== undefined) {
    if (definition.filter !== undefined)
      refuseHook(module, 'setup: returned filter: stands in the definition too; expected one of them');
    checkFilter(module, filter, 'setup: returned ');
  }
  if (flows === false && handlers.onStream !== undefined)
    refuseHook(module, 'setup: returned flows: false beside onStream, which needs them');
  if (flows !== undefined && flows !== false)
    refuseHook(
      module,
      `setup: returned flows: ${shown(flows)} is not valid; expected false, where the definition asks for them`,
    );
  return handlers;
}

/** True for a hook that has its handlers in its definition. */
export function isPlainHook(definition: DefinedHook): boolean {
  return (definition.onPacket ?? definition.onFlow ?? definition.onStream) !== undefined;
}

/** True for a hook that wants a flow table. */
export function asksForFlows({ flows, stream, onFlow, onFlowEnd }: DefinedHook): boolean {
  if (stream !== undefined) return true;
  return flows === undefined ? (onFlow ?? onFlowEnd) !== undefined : flows !== false;
}

/** The columns that a hook declares. */
export function columnsOf({ flows }: DefinedHook): Readonly<Record<string, ColumnType>> {
  return typeof flows === 'object' ? (flows.columns ?? {}) : {};
}

/** Refuses a name that is none. */
export function checkName(module: Module, name: unknown): void {
  if (name === undefined) refuseHook(module, 'name: is missing');
  if (typeof name !== 'string' || !HOOK_NAME.test(name) || name.length > MAX_NAME_LENGTH) {
    refuseHook(
      module,
      `name: ${shown(name)} is not valid; expected 1 to ${MAX_NAME_LENGTH} letters, digits and dashes`,
    );
  }
}

/** Refuses a priority that is none. @param key - what it is called */
export function checkPriority(module: Module, key: string, priority: unknown): asserts priority is number | undefined {
  if (priority !== undefined && !Number.isSafeInteger(priority)) {
    refuseHook(module, `${key}: ${shown(priority)} is not valid; expected a whole number`);
  }
}

type AnyFunction = (...parameters: never[]) => unknown;

/** A promise cannot be a verdict. A function that returns one without being async is found out at its first packet. */
export function checkSynchronous(module: Module, key: string, value: unknown): asserts value is AnyFunction {
  if (typeof value !== 'function') refuseHook(module, `${key}: is not a function`);
  const kind = Object.prototype.toString.call(value).slice('[object '.length, -1);
  if (kind === 'Function') return;
  const what = kind === 'AsyncFunction' ? 'an async function' : 'a generator';
  refuseHook(module, `${key}: is ${what}; a verdict is returned at once, a promise is none`);
}

/** A value in one line, whatever it is. */
export function shown(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : inspect(value, { depth: 0, breakLength: Infinity });
}

/** Throws FIREHOOK_HOOK_INVALID about a module. */
export function refuseHook(module: Module, reason: string, cause?: unknown): never {
  throw new FirehookError('FIREHOOK_HOOK_INVALID', `${module.path}: ${reason}`, { cause, hook: module.path });
}

function checkMark(module: Module, value: unknown): DefinedHook {
  if (typeof value === 'function') {
    const what = /^class\b/.test(Function.prototype.toString.call(value)) ? 'class' : 'function';
    refuseHook(module, `the default export is a ${what}; it has to be what defineHook returns`);
  }
  if (typeof value !== 'object' || value === null) {
    refuseHook(module, `the default export is ${shown(value)}; it has to be what defineHook returns`);
  }
  if (value instanceof Promise) {
    refuseHook(module, 'the default export is a promise; it has to be what defineHook returns, and setup may be async');
  }
  if (!(HOOK_META in value)) refuseHook(module, 'the default export is a plain object; wrap it in defineHook');
  return value as DefinedHook;
}

/**
 * The version that the hook's own build says. Keys that a later version of the interface has are not known here, so this comes before them.
 *
 * @throws {@link FirehookError} FIREHOOK_HOOK_VERSION with both versions
 */
function checkApi(module: Module, definition: { readonly api?: unknown; readonly [HOOK_META]?: unknown }): void {
  // Whatever carries the mark may have been made by hand.
  const marked = (definition[HOOK_META] as { apiVersion?: unknown } | undefined)?.apiVersion;
  const { api = marked } = definition;
  if (api === HOOK_API_VERSION || (api === undefined && module.package === undefined)) return;
  const { path, package: origin } = module;
  const own = `this firehook speaks version ${HOOK_API_VERSION}`;
  if (api === undefined) {
    throw new FirehookError(
      'FIREHOOK_HOOK_VERSION',
      `${path}: api: is missing; a hook in an npm package says which version of the hook interface it was written for, and ${own}`,
      { hook: path, advice: `its author writes into the definition: api: ${HOOK_API_VERSION}` },
    );
  }
  const advice =
    origin === undefined
      ? 'change the hook to that version, and its api too'
      : `install a version of ${origin.name} that was made for it`;
  throw new FirehookError(
    'FIREHOOK_HOOK_VERSION',
    `${path}: made for version ${shown(api)} of the hook interface; ${own}`,
    { hook: path, advice },
  );
}

function checkKey(module: Module, key: string, known: readonly string[], prefix: string): void {
  if (known.includes(key)) return;
  const near = closestKey(key, known);
  const hint = near === undefined ? `unknown key; expected ${known.join(', ')}` : `did you mean ${near}?`;
  refuseHook(module, `${prefix}${key}: ${hint}`);
}

function checkHandlerTypes(module: Module, handlers: Handlers, prefix: string): void {
  const { onPacket, onFlow, onStream, onFlowEnd } = handlers;
  if ((onPacket ?? onFlow ?? onStream) === undefined) refuseHook(module, `${prefix}onPacket: is missing`);
  if (onPacket !== undefined) checkSynchronous(module, `${prefix}onPacket`, onPacket);
  if (onFlow !== undefined) checkSynchronous(module, `${prefix}onFlow`, onFlow);
  if (onStream !== undefined) checkSynchronous(module, `${prefix}onStream`, onStream);
  if (onFlowEnd !== undefined) checkSynchronous(module, `${prefix}onFlowEnd`, onFlowEnd);
  const { onLeave, adopt, teardown } = handlers;
  if (onLeave !== undefined) checkSynchronous(module, `${prefix}onLeave`, onLeave);
  if (adopt !== undefined) checkSynchronous(module, `${prefix}adopt`, adopt);
  if (teardown !== undefined && typeof teardown !== 'function')
    refuseHook(module, `${prefix}teardown: is not a function`);
}

function checkFlows(module: Module, flows: unknown): void {
  if (flows === undefined || typeof flows === 'boolean') return;
  if (typeof flows !== 'object' || flows === null)
    refuseHook(module, `flows: ${shown(flows)} is not valid; expected true or { columns }`);
  for (const key of Object.keys(flows)) checkKey(module, key, ['columns'], 'flows.');
  const columns: unknown = (flows as { columns?: unknown }).columns ?? {};
  if (typeof columns !== 'object' || columns === null) refuseHook(module, 'flows.columns: is no object');
  for (const [name, type] of Object.entries(columns))
    if (type !== 'int32' && type !== 'float64')
      refuseHook(module, `flows.columns.${name}: ${shown(type)} is not valid; expected int32 or float64`);
}

function checkStream(module: Module, { stream, flows, filter }: DefinedHook): void {
  if (stream === undefined) return;
  if (typeof stream !== 'function' && (typeof stream !== 'object' || stream === null))
    refuseHook(module, `stream: ${shown(stream)} is not valid; expected { ports, most, ... } or a function`);
  if (flows === false) refuseHook(module, 'flows: is false beside a stream, which needs them');
  if (filter !== undefined) refuseHook(module, 'filter: stands beside a stream, which needs every packet of its ports');
}

/** Streams that nobody reads, and a handler that is never called, are mistakes. */
function checkStreamHandler(module: Module, { stream }: DefinedHook, { onStream }: Handlers, prefix: string): void {
  if (stream !== undefined && onStream === undefined)
    refuseHook(module, `${prefix}onStream: is missing; the definition says stream`);
  if (stream === undefined && onStream !== undefined)
    refuseHook(module, `${prefix}onStream; say stream: { ports, most } in the definition`);
}

/** Refuses tables that are none; of a function, what it returned. */
export function checkTables(module: Module, tables: unknown): void {
  const problem = tablesProblem(tables);
  if (problem !== '') refuseHook(module, problem);
}

function checkHold(module: Module, hold: unknown, prefix: string): void {
  if (hold === undefined) return;
  if (typeof hold !== 'object' || hold === null)
    refuseHook(module, `${prefix}hold: ${shown(hold)} is not valid; expected { packets, mib, timeoutMs, onTimeout }`);
  const rule = hold as Partial<Record<keyof HoldRule, unknown>>;
  for (const key of Object.keys(rule)) checkKey(module, key, HOLD_KEYS, `${prefix}hold.`);
  const isWithin = (value: unknown, most: number): boolean => typeof value === 'number' && value > 0 && value <= most;
  const { packets, mib, timeoutMs, onTimeout = DROP } = rule;
  if (!Number.isInteger(packets) || !isWithin(packets, MOST_HELD))
    refuseHook(module, `${prefix}hold.packets: ${shown(packets)} is not valid; expected 1 to ${MOST_HELD}`);
  if (!isWithin(mib, MOST_HOLD_MIB))
    refuseHook(module, `${prefix}hold.mib: ${shown(mib)} is not valid; expected up to ${MOST_HOLD_MIB}`);
  if (!isWithin(timeoutMs, LONGEST_HOLD_MS))
    refuseHook(module, `${prefix}hold.timeoutMs: ${shown(timeoutMs)} is not valid; expected up to ${LONGEST_HOLD_MS}`);
  if (!isFinalVerdict(onTimeout))
    refuseHook(module, `${prefix}hold.onTimeout: ${shown(onTimeout)} is not valid; expected a verdict other than HELD`);
}

/** Of whichever library: what counts is the interface. */
function checkSchema(module: Module, schema: unknown): void {
  const isObject = (typeof schema === 'object' && schema !== null) || typeof schema === 'function';
  const standard: unknown = isObject ? (schema as Record<string, unknown>)['~standard'] : undefined;
  const { version, validate } = (standard ?? {}) as { version?: unknown; validate?: unknown };
  if (version === 1 && typeof validate === 'function') return;
  refuseHook(module, 'options: is no schema with the interface Standard Schema, version 1 (zod, valibot, arktype)');
}

function checkFilter(module: Module, filter: unknown, prefix = ''): void {
  if (typeof filter !== 'string')
    refuseHook(module, `${prefix}filter: is not a text in the language of pcap-filter(7)`);
  try {
    compileFilter(filter, HOOK_PACKETS);
  } catch (error) {
    if (!(error instanceof FilterError)) throw error;
    const text = filter.length > MOST_SHOWN ? `${filter.slice(0, MOST_SHOWN)}...` : filter;
    refuseHook(module, `${prefix}filter: column ${error.column} of ${JSON.stringify(text)}: ${error.problem}`, error);
  }
}
