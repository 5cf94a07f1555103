/**
 * The version of the hook interface that a hook's own build says: `api` of its definition.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkDefinition } from '../../../src/hook/check-definition.ts';
import { HOOK_API_VERSION, type HookDefinition } from '../../../src/hook/contract.ts';
import { defineHook } from '../../../src/hook/define-hook.ts';
import { HOOK_MODULE_NAMES } from '../../../src/hook-modules.ts';

const FILE = { path: '/etc/firehook/a.ts' };
const PACKAGED = { path: '/n/foo/a.js', package: { name: 'foo', subpath: '.', version: '1.2.0' } };

const definition = (more: object) => defineHook({ name: 'a', onPacket: () => 0, ...more } as HookDefinition);
/** As a module without an import of firehook marks itself. */
const byHand = (more: object, mark: object) => ({
  name: 'a',
  onPacket: () => 0,
  ...more,
  [Symbol.for('firehook.hook')]: mark,
});

describe('a hook that says the version of this firehook', () => {
  for (const module of [FILE, PACKAGED]) {
    test(`is taken from ${module.path}, by api or by a mark that was made by hand`, () => {
      assert.ok(checkDefinition(module, definition({ api: HOOK_API_VERSION })));
      assert.ok(checkDefinition(module, byHand({}, { apiVersion: HOOK_API_VERSION })));
      assert.ok(checkDefinition(module, byHand({ api: HOOK_API_VERSION }, {})));
    });
  }
});

describe('a hook that says no version', () => {
  test('is taken from a file of the operator', () => {
    assert.ok(checkDefinition(FILE, definition({})));
    assert.ok(checkDefinition(FILE, byHand({}, {})));
  });

  test('is refused in a package: what it was written for is not known', () => {
    for (const hook of [definition({}), definition({ api: undefined }), byHand({}, {})]) {
      assert.throws(() => checkDefinition(PACKAGED, hook), {
        code: 'FIREHOOK_HOOK_VERSION',
        hook: PACKAGED.path,
        message:
          'the hook is for another version of firehook: /n/foo/a.js: api: is missing; a hook in an npm package says which version of the hook interface it was written for, and this firehook speaks version 1; its author writes into the definition: api: 1',
      });
    }
  });
});

describe('a hook that says another version', () => {
  test('is refused with both versions, before its keys are judged', () => {
    assert.throws(() => checkDefinition(FILE, definition({ api: 2, onConnection: () => 0 })), {
      code: 'FIREHOOK_HOOK_VERSION',
      message:
        'the hook is for another version of firehook: /etc/firehook/a.ts: made for version 2 of the hook interface; this firehook speaks version 1; change the hook to that version, and its api too',
    });
    assert.throws(() => checkDefinition(PACKAGED, definition({ api: 99 })), {
      message:
        /made for version 99 of the hook interface; this firehook speaks version 1; install a version of foo that was made for it$/,
    });
    assert.throws(() => checkDefinition(FILE, byHand({}, { apiVersion: 99 })), { message: /made for version 99 / });
  });

  test('is refused also where it is no number', () => {
    for (const [api, shown] of [
      ['1', '"1"'],
      [null, 'null'],
      [1.5, '1\\.5'],
      [[1], '\\[.*\\]'],
    ] as const) {
      assert.throws(() => checkDefinition(FILE, definition({ api })), {
        code: 'FIREHOOK_HOOK_VERSION',
        message: new RegExp(`made for version ${shown} of`),
      });
    }
  });
});

test('the version cannot be imported: it would be that of whichever firehook runs the hook', () => {
  for (const names of Object.values(HOOK_MODULE_NAMES)) assert.ok(!names.includes('HOOK_API_VERSION'));
  // @ts-expect-error: only the number itself, of the firehook that the hook is compiled with.
  assert.ok(defineHook({ name: 'a', api: 2, onPacket: () => 0 }));
});
