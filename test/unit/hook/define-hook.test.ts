/**
 * `defineHook` marks, copies and freezes; it judges nothing.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HOOK_META, type HookDefinition } from '../../../src/hook/contract.ts';
import { defineHook } from '../../../src/hook/define-hook.ts';

test('the result is a frozen, marked copy of the definition', () => {
  const definition = { name: 'x', priority: 1, onPacket: () => 0 } satisfies HookDefinition;
  const hook = defineHook(definition);
  assert.deepEqual({ ...hook }, { ...definition, [HOOK_META]: {} });
  definition.name = 'changed later';
  assert.equal(hook.name, 'x');
  assert.ok(Object.isFrozen(hook));
  assert.ok(Object.isFrozen(hook[HOOK_META]));
});

test('the mark is a registered symbol, so that a second copy of the package makes the same', () => {
  assert.equal(HOOK_META, Symbol.for('firehook.hook'));
});

test('the type of the options reaches setup', () => {
  const hook = defineHook<{ ports: number[] }>({
    name: 'typed',
    setup: (options) => assert.equal(options.ports.length, 1),
    onPacket: () => 0,
  });
  void hook.setup?.({ ports: [23] }, {} as never);
});
