/**
 * Freezes what all hooks of a process share: the built-ins of JavaScript, the globals, and the modules of Node.
 *
 * ```
 *   lane confined ─> freezeRealm() ─> hooks are loaded ─> require('fs') ─> freezeModule(fs) ─> hook
 * ```
 * A hook that replaced `Uint8Array.prototype.subarray` would be handed the memory of the driver, and one that replaced `Map.prototype.get` the
 * tables of its neighbours. Rule: frozen before the first line of a hook runs. What programs assign on their own objects all the time
 * (`error.message`, `Foo.prototype.toString`) stays assignable there, although the same name is frozen on the prototype.
 *
 * It is no wall: hooks of one lane run in one thread, and one that never returns stops all of them.
 *
 * @see the property override mistake: https://github.com/tc39/ecma262/pull/1307
 * @module
 */

import { createRequire } from 'node:module';
import { isProxy } from 'node:util/types';
import type { HookModules } from './contract.ts';

type Keyed = Record<PropertyKey, unknown>;

/** Objects that are frozen, or are being frozen. */
const done = new WeakSet<object>();
const modules = new WeakSet<object>();

/**
 * Prototypes with the names that others assign on what inherits from them. An accessor takes the place of each, which V8 calls
 * as fast as a method of its own; the names that packets are handled with (`push`, `get`, `subarray`) are not among them.
 */
const ASSIGNED: readonly (readonly [object, readonly string[]])[] = [
  [Object.prototype, ['hasOwnProperty', 'isPrototypeOf', 'toLocaleString', 'toString', 'valueOf']],
  [Function.prototype, ['toString']],
  [Array.prototype, ['toString', 'toLocaleString']],
  ...[Error, AggregateError, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError].map(
    ({ prototype }) => [prototype, ['message', 'name', 'toString']] as const,
  ),
];

/**
 * `Own.prototype.constructor = Own` has to work below them, and Node 20 shows no error whose `constructor` is an accessor. So this
 * one property of theirs stays writable.
 */
const OPEN_CONSTRUCTORS = new Set<object>(ASSIGNED.map(([prototype]) => prototype));

/** Node 22 and 24 assign `constructor` to the streams of the web that they make for themselves. */
const WEB_STREAM = /^(Readable|Writable|Transform|ByteLength|Count|Compression|Decompression)(Byte)?(Stream|Queuing)/;

/** Reached by syntax only. */
const HIDDEN: readonly object[] = [
  async () => undefined,
  function* () {
    yield 0;
  },
  async function* () {
    yield Promise.resolve(0);
  },
  [][Symbol.iterator](),
  new Map()[Symbol.iterator](),
  new Set()[Symbol.iterator](),
  ''[Symbol.iterator](),
  'a'.matchAll(/a/g),
].map((value) => Object.getPrototypeOf(value) as object);

/** Globals that stay as they are inside: Node itself writes into them. */
const LEFT = new Set<unknown>([globalThis, process, console]);

/** Globals that Node loads when somebody asks, which takes a tenth of a second: they are frozen then, and `fetch` with all of them. */
const LAZY = new Set<PropertyKey>([
  'FormData',
  'Headers',
  'Request',
  'Response',
  'WebSocket',
  'CloseEvent',
  'EventSource',
]);
const FETCH = 'fetch';

/** Globals that are state of the process, where there are any. */
const STATE = new Set<PropertyKey>(['Storage', 'localStorage', 'sessionStorage']);

/** Modules that Node itself has loaded by now, and that a hook can get at without asking for them here. */
const LOADED = [
  'buffer',
  'events',
  'fs',
  'fs/promises',
  'module',
  'net',
  'path',
  'stream',
  'timers',
  'url',
  'util',
  'vm',
];

/** V8 reads these of a (de)serializer at moments when no JavaScript may run, so that an accessor there ends the process. */
const READ_BY_V8 = new Set<PropertyKey>([
  '_readHostObject',
  '_writeHostObject',
  '_getDataCloneError',
  '_getSharedArrayBufferId',
]);

const CLASS_NAME = /^[A-Z][a-z]|^resolveObjectURL$/;

let isFrozen = false;

/**
 * Freezes built-ins, globals and what firehook's own modules export. To be called once a process, before hooks are loaded.
 * Cost: some ten milliseconds.
 */
export function freezeRealm(own: HookModules): void {
  isFrozen = true;
  // Small buffers would be parts of one, through which a hook gets at those of others.
  Buffer.poolSize = 0;
  for (const [prototype, names] of ASSIGNED) for (const name of names) makeAssignable(prototype as Keyed, name);
  // Before the modules: the methods of a buffer stay methods. Before the globals: those of Node inherit from its modules.
  freezeAll(Buffer);
  const require = createRequire(import.meta.url);
  for (const name of LOADED) freezeModule(require(name));
  for (const name of Reflect.ownKeys(globalThis)) {
    const property = Object.getOwnPropertyDescriptor(globalThis, name);
    if (property?.configurable !== true || STATE.has(name)) continue;
    if (LAZY.has(name) || name === FETCH) {
      freezeWhenAsked(name, property);
      continue;
    }
    const value: unknown = (globalThis as Keyed)[name];
    if (typeof name === 'string' && WEB_STREAM.test(name)) openConstructor(value);
    freezeAll(value);
    const { enumerable = false } = property;
    Object.defineProperty(globalThis, name, { value, enumerable, writable: false, configurable: false });
  }
  for (const prototype of HIDDEN) freezeAll(prototype);
  for (const exported of Object.values(own))
    for (const value of Object.values(exported)) if (typeof value === 'function') freezeAll(value);
  for (const name of Object.getOwnPropertyNames(process)) lockFunction(process as unknown as Keyed, name);
  for (const name of Object.getOwnPropertyNames(console)) lockFunction(console as unknown as Keyed, name);
}

/** A global that is frozen before anybody gets hold of it. `fetch` hands out the classes of the others. */
function freezeWhenAsked(name: PropertyKey, property: PropertyDescriptor): void {
  let isAsked = false;
  const get = (): unknown => {
    const value: unknown = 'value' in property ? property.value : readLazy(property);
    if (isAsked) return value;
    isAsked = true;
    freezeAll(value);
    if (name === FETCH) for (const lazy of LAZY) void (globalThis as Keyed)[lazy];
    return value;
  };
  const { enumerable = false } = property;
  Object.defineProperty(globalThis, name, { get, enumerable, configurable: false });
}

/** Node puts what it has loaded in the place of its accessor. Here that is locked, so it fails the first time, and the second has the value. */
function readLazy({ get }: PropertyDescriptor): unknown {
  try {
    return get?.call(globalThis);
  } catch {
    return get?.call(globalThis);
  }
}

/** Freezes a module of Node that a hook asks for: its exports, and the prototypes of its classes. Nothing without {@link freezeRealm}. */
export function freezeModule(exported: unknown): void {
  if (!isFrozen || exported === process || exported === console) return;
  if (!isObject(exported) || modules.has(exported)) return;
  modules.add(exported);
  for (const name of Reflect.ownKeys(exported)) {
    const property = Object.getOwnPropertyDescriptor(exported, name);
    if (property === undefined) continue;
    // Classes that are made when they are asked for. Other accessors are state, or warn that they are deprecated.
    if (!('value' in property) && !(typeof name === 'string' && CLASS_NAME.test(name))) continue;
    if (LAZY.has(name) && property.configurable === true) {
      const get = (): unknown => (globalThis as Keyed)[name];
      Object.defineProperty(exported, name, { get, enumerable: property.enumerable ?? false, configurable: false });
      continue;
    }
    const value: unknown = (exported as Keyed)[name];
    if (typeof value === 'function') freezeClass(value);
    // What stands on a class that is a module may be state of Node's.
    else if (typeof exported === 'function') continue;
    if (!property.configurable) continue;
    const { enumerable = false } = property;
    Object.defineProperty(exported, name, { value, enumerable, writable: false, configurable: false });
  }
  if (typeof exported === 'function') freezeClass(exported);
}

/** A function of Node with what belongs to it. Node's own subclasses assign what its prototypes have, so all of it stays assignable. */
function freezeClass(made: object): void {
  if (done.has(made)) return;
  done.add(made);
  const { prototype } = made as { prototype?: unknown };
  if (isObject(prototype) && !done.has(prototype)) {
    done.add(prototype);
    for (const name of Reflect.ownKeys(prototype)) {
      if (READ_BY_V8.has(name)) lockFunction(prototype as Keyed, name);
      else makeAssignable(prototype as Keyed, name);
    }
    Object.preventExtensions(prototype);
    const parent: unknown = Object.getPrototypeOf(prototype);
    if (isObject(parent) && isObject((parent as Keyed)['constructor']))
      freezeClass((parent as Keyed)['constructor'] as object);
  }
  for (const name of Reflect.ownKeys(made)) lockFunction(made as Keyed, name);
}

/** An object and everything that can be reached from it. */
function freezeAll(root: unknown): void {
  const waiting: unknown[] = [root];
  for (let value = waiting.pop(); waiting.length > 0 || value !== undefined; value = waiting.pop()) {
    if (!isObject(value) || done.has(value) || LEFT.has(value) || isProxy(value) || ArrayBuffer.isView(value)) continue;
    done.add(value);
    for (const name of Reflect.ownKeys(value)) {
      const property = Object.getOwnPropertyDescriptor(value, name);
      if (property === undefined) continue;
      waiting.push(property.value, property.get, property.set);
      if (!property.configurable && property.writable !== true) continue;
      if ('value' in property) property.writable = name === 'constructor' && OPEN_CONSTRUCTORS.has(value);
      Object.defineProperty(value, name, { ...property, configurable: false });
    }
    waiting.push(Object.getPrototypeOf(value));
    // Not Object.freeze: with Object.prototype or that of the typed arrays frozen so, V8 takes five times as long for a packet.
    Object.preventExtensions(value);
  }
}

/** Freezes one property of a prototype, and lets what inherits from it have its own by assignment all the same. */
function makeAssignable(prototype: Keyed, name: PropertyKey): void {
  const property = Object.getOwnPropertyDescriptor(prototype, name);
  if (property?.configurable !== true || !('value' in property)) return;
  const value: unknown = property.value;
  Object.defineProperty(prototype, name, {
    configurable: false,
    enumerable: property.enumerable ?? false,
    get: () => value,
    set(this: unknown, own: unknown) {
      if (this === prototype) throw new TypeError(`Cannot assign to '${String(name)}' of a built-in that hooks share`);
      if (isObject(this))
        Object.defineProperty(this, name, { value: own, configurable: true, enumerable: true, writable: true });
    },
  });
}

function openConstructor(made: unknown): void {
  const prototype: unknown = (made as { prototype?: unknown } | undefined)?.prototype;
  if (isObject(prototype)) makeAssignable(prototype as Keyed, 'constructor');
}

/** Keeps a function where it is. Other values are state that Node changes. */
function lockFunction(holder: Keyed, name: PropertyKey): void {
  const property = Object.getOwnPropertyDescriptor(holder, name);
  if (property?.configurable !== true || typeof property.value !== 'function') return;
  Object.defineProperty(holder, name, { ...property, writable: false, configurable: false });
}

function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}
