/**
 * The modules that a hook can import from firehook, and what each of them has.
 *
 * Rule: known by name where hooks are bundled, so that a name which is not there is refused before anything runs; made for
 * each hook where hooks are loaded.
 *
 * @module
 */

import * as ddk from './ddk/index.ts';
import type { HookModuleNames, HookModules } from './hook/contract.ts';
import * as firehook from './index.ts';

/** As a hook outside of any lane would see them. */
export const HOOK_MODULES: HookModules = { firehook, 'firehook/ddk': ddk };

/** Names only. */
export const HOOK_MODULE_NAMES: HookModuleNames = Object.fromEntries(
  Object.entries(HOOK_MODULES).map(([module, exported]) => [module, Object.keys(exported)]),
);
