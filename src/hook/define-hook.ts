/**
 * The idiomatic door to the hook chain: marks a definition as a hook.
 *
 * ```
 *   hook module ─> defineHook ─> default export ─> bundle-hook ─> load-hook (checks it) ─> hook chain
 * ```
 * Rule: it marks and nothing else. What is wrong with a definition is said in one place, `load-hook.ts`, where the path
 * of the module is known.
 *
 * @module
 */

import { type DefinedHook, HOOK_META, type HookDefinition } from './contract.ts';

/** Says no version: this code is of the firehook that runs the hook, and not of the hook's build, which says it as `api`. */
const META = Object.freeze({});

/**
 * Turns a definition into a hook, to be the default export of a hook module.
 *
 * The result is a frozen copy: state of a hook lives in its module, not in `this`.
 *
 * @param definition - name, `onPacket`, and if need be priority, `setup` and `teardown`
 * @returns the hook; a definition with mistakes in it is refused when the module is loaded
 * @example
 * ```ts
 * import { DROP, defineHook, FORWARD } from 'firehook';
 *
 * export default defineHook({
 *   name: 'drop-telnet',
 *   onPacket: (packet) => (packet.protocol === 6 && packet.destinationPort === 23 ? DROP : FORWARD),
 * });
 * ```
 */
export function defineHook<Options = unknown>(definition: HookDefinition<Options>): DefinedHook<Options> {
  return Object.freeze({ ...definition, [HOOK_META]: META });
}
