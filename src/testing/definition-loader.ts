/**
 * Loads hooks whose modules the test has imported, in the place of bundles.
 *
 * ```
 *   import hook from './my-hook.ts' ─> openLab(hook) ─> DefinitionLoader ─> the same checks, the same chain
 * ```
 * Rule: one copy of firehook. A hook that was made by another one allocates from another pool, which the lab would know nothing of.
 *
 * @module
 */

import { fileURLToPath } from 'node:url';
import { FORWARD } from '../firewall/constants.ts';
import { HOOK_META } from '../hook/contract.ts';
import { defineHook } from '../hook/define-hook.ts';
import { type LoadedHook, loadDefinition } from '../hook/load-hook.ts';
import type { HookLoader } from '../lane/load-chain.ts';
import type { HookSource } from '../lane/messages.ts';
import type { HookUnderTest } from './lab-contract.ts';

/** What the `defineHook` of this copy of firehook marks a hook with. */
const OWN_MARK = defineHook({ name: 'own', onPacket: () => FORWARD })[HOOK_META];

/** Where the files of firehook are. */
const OWN_FOLDER = fileURLToPath(new URL('..', import.meta.url));

const PLACE = /\(?(?:file:\/\/)?(\/[^()]+:\d+:\d+)\)?$/;

/** Knows the definition of each source. */
export class DefinitionLoader implements HookLoader {
  readonly #hooks: ReadonlyMap<HookSource, HookUnderTest>;

  constructor(hooks: ReadonlyMap<HookSource, HookUnderTest>) {
    this.#hooks = hooks;
  }

  /** {@inheritDoc HookLoader.load} */
  load(source: HookSource): LoadedHook {
    const hook = this.#hooks.get(source);
    const loaded = loadDefinition(source.bundle, hook);
    if (hook?.[HOOK_META] !== OWN_MARK)
      throw new TypeError(
        `hook ${loaded.name} was made by another copy of firehook than this lab; one must be installed`,
      );
    return loaded;
  }

  /** One line: the message, and the innermost place outside of firehook. */
  describeError(error: unknown): string {
    if (!(error instanceof Error)) return String(error);
    const message = `${error.name === 'Error' ? '' : `${error.name}: `}${error.message}`.replaceAll('\n', ' ');
    const place = placeOutside(error);
    return place === undefined ? message : `${message} (${place})`;
  }
}

/** The innermost place in the stack of an error that is outside of firehook, `file:line:column`; undefined where there is none. */
export function placeOutside({ stack = '' }: Error): string | undefined {
  const places = stack.split('\n').flatMap((line) => PLACE.exec(line)?.[1] ?? []);
  return places.find((one) => !one.startsWith(OWN_FOLDER));
}
