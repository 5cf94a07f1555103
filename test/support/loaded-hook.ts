/**
 * A hook as the loader hands it to the chain, out of a definition that needs no set-up.
 *
 * @module
 */

import assert from 'node:assert/strict';
import type { DefinedHook, Handlers, PlainHook } from '../../src/hook/contract.ts';
import { defineHook } from '../../src/hook/define-hook.ts';
import type { LoadedHook } from '../../src/hook/load-hook.ts';
import { streamSettings } from '../../src/hook/stream/check-stream.ts';

/** The verdict function of a hook. */
export type OnPacket = NonNullable<Handlers['onPacket']>;

/** The handlers in a definition. */
export function handlersOf(definition: DefinedHook): PacketHandlers {
  assert.ok(definition.onPacket !== undefined, 'has its handlers in its definition');
  return definition as PacketHandlers;
}

/** Handlers that see every packet. */
export type PacketHandlers = Handlers & { readonly onPacket: OnPacket };

/** A hook that has been loaded. */
export function loadedHook(head: PlainHook<unknown>, priority?: number): LoadedHook {
  const definition = defineHook(head);
  const { name, stream } = definition;
  return {
    kind: 'defined',
    name,
    path: `/hooks/${name}.ts`,
    priority,
    definition,
    handlers: definition as Handlers,
    ...(stream === undefined ? {} : { stream: streamSettings({ path: name }, stream) }),
  };
}
