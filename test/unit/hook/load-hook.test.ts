/**
 * The hook loader against real bundles: both doors open, and every bad module is refused with its reason.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isFirehookError } from '../../../src/errors.ts';
import { bundleHooks, type HookBundle } from '../../../src/hook/bundle-hook.ts';
import { assertUniqueNames, describeHookError, type LoadedHook, loadHook } from '../../../src/hook/load-hook.ts';
import { HOOK_MODULE_NAMES, HOOK_MODULES } from '../../../src/hook-modules.ts';
import * as firehook from '../../../src/index.ts';
import { handlersOf } from '../../support/loaded-hook.ts';

const FIXTURES = fileURLToPath(new URL('../../fixtures/hooks/', import.meta.url));

async function bundleOf(name: string): Promise<HookBundle> {
  const [bundle] = await bundleHooks(path.join(FIXTURES, name), HOOK_MODULE_NAMES);
  assert.ok(bundle);
  return bundle;
}

async function load(name: string): Promise<LoadedHook> {
  return loadHook(await bundleOf(name), HOOK_MODULES);
}

describe('a good module', () => {
  test('made with defineHook is loaded with its name, path, priority and definition', async () => {
    const hook = await load('good/drop-telnet.ts');
    assert.ok(hook.kind === 'defined');
    assert.equal(hook.name, 'drop-telnet');
    assert.equal(hook.path, path.join(FIXTURES, 'good/drop-telnet.ts'));
    assert.equal(hook.priority, 10);
    const packet = { destinationPort: 23 } as firehook.Packet;
    assert.equal(hook.handlers?.onPacket?.(packet, {} as firehook.Context), firehook.DROP);
  });

  test('with the callback of the Windows interface is loaded as it stands, named after its file', async () => {
    const hook = await load('good/windows_callback.ts');
    assert.ok(hook.kind === 'callback');
    assert.equal(hook.name, 'windows-callback');
    assert.equal(hook.priority, 1);
    assert.equal(hook.callback.length, 5);
    const received = { Direction: firehook.IP_RECEIVE } as firehook.FIREWALL_CONTEXT_T;
    const verdict = hook.callback({ value: null }, 1, { value: 2 }, { value: 0 }, received, 40, { value: null });
    assert.equal(verdict, firehook.DROP);
  });

  test('in plain JavaScript may use require and module.exports', async () => {
    const hook = await load('good/plain-javascript.js');
    assert.equal(hook.kind, 'defined');
    assert.equal(hook.name, 'plain-javascript');
    assert.equal(hook.priority, undefined);
  });

  test('loaded twice gives two hooks that share nothing', async () => {
    const bundle = await bundleOf('good/drop-telnet.ts');
    const [one, two] = [loadHook(bundle, HOOK_MODULES), loadHook(bundle, HOOK_MODULES)];
    assert.ok(one.kind === 'defined' && two.kind === 'defined');
    assert.notEqual(one.definition.onPacket, two.definition.onPacket);
  });
});

describe('a bad module', () => {
  const wanted = 'it has to be what defineHook returns';
  /** File to the reason it is refused for, as it stands in the message. */
  const reasons: Record<string, string> = {
    'both-doors': 'exports both a default and firewallHook; one module is one hook',
    'callback-async': 'firewallHook: is an async function; a verdict is returned at once, a promise is none',
    'callback-eight-parameters': 'firewallHook: has 8 parameters; it is called with 7',
    'callback-no-function': 'firewallHook: is not a function',
    'callback-priority': 'firewallHookPriority: "10" is not valid; expected a whole number',
    class: `the default export is a class; ${wanted}`,
    filter:
      'filter: column 9 of "tcp dst prot 443": "prot" is not known here; did you mean port? (names of hosts are not looked up: write an address)',
    'filter-number': 'filter: is not a text in the language of pcap-filter(7)',
    function: `the default export is a function; ${wanted}`,
    'name-characters': 'name: "drop telnet" is not valid; expected 1 to 64 letters, digits and dashes',
    'name-missing': 'name: is missing',
    'name-number': 'name: 7 is not valid; expected 1 to 64 letters, digits and dashes',
    'name-too-long': `name: "${'n'.repeat(65)}" is not valid; expected 1 to 64 letters, digits and dashes`,
    'no-export':
      'has no default export made with defineHook and no export firewallHook or DriverEntry (exports: fierwallHook); did you mean firewallHook?',
    'nothing-exported':
      'has no default export made with defineHook and no export firewallHook or DriverEntry (exports: none)',
    number: `the default export is 7; ${wanted}`,
    'on-packet-async': 'onPacket: is an async function; a verdict is returned at once, a promise is none',
    'on-packet-case': 'onpacket: did you mean onPacket?',
    'on-packet-generator': 'onPacket: is a generator; a verdict is returned at once, a promise is none',
    'on-packet-missing': 'onPacket: is missing',
    'on-packet-no-function': 'onPacket: is not a function',
    'plain-object': 'the default export is a plain object; wrap it in defineHook',
    'priority-fraction': 'priority: 1.5 is not valid; expected a whole number',
    'priority-not-finite': 'priority: Infinity is not valid; expected a whole number',
    promise: `the default export is a promise; ${wanted}, and setup may be async`,
    'requires-by-variable':
      "throws when it is loaded: cannot load 'left-pad': a hook has 'firehook', the modules of Node and what was bundled with it (FILE:2:1)",
    'setup-no-function': 'setup: is not a function',
    'teardown-no-function': 'teardown: is not a function',
    'throws-at-load':
      "throws when it is loaded: TypeError: Cannot read properties of null (reading 'length') (FILE:3:27)",
    'unknown-key':
      'onConnection: unknown key; expected name, api, priority, filter, flows, stream, hold, tables, options, needs, checkable, setup, onPacket, onFlow, onStream, onFlowEnd, onLeave, adopt, teardown',
  };

  test('is in the table, each of them', () => {
    const files = readdirSync(path.join(FIXTURES, 'bad')).map((name) => path.parse(name).name);
    assert.deepEqual(files.sort(), Object.keys(reasons).sort());
  });

  for (const [name, reason] of Object.entries(reasons)) {
    test(`is refused with its reason: ${name}`, async () => {
      const bundle = await bundleOf(`bad/${name}.js`);
      assert.throws(
        () => loadHook(bundle, HOOK_MODULES),
        (error) => {
          assert.ok(isFirehookError(error));
          assert.equal(error.code, 'FIREHOOK_HOOK_INVALID');
          assert.equal(error.hook, bundle.path);
          assert.equal(error.message, `not a hook: ${bundle.path}: ${reason.replace('FILE', bundle.path)}`);
          return true;
        },
      );
    });
  }
});

test('two hooks of one name are refused, both files named', () => {
  const hooks = [
    { name: 'a', path: '/hooks/a.ts' },
    { name: 'b', path: '/hooks/b.ts' },
    { name: 'a', path: '/other/a.ts' },
  ];
  assert.doesNotThrow(() => assertUniqueNames(hooks.slice(0, 2)));
  assert.throws(() => assertUniqueNames(hooks), {
    code: 'FIREHOOK_HOOK_INVALID',
    message:
      'not a hook: /other/a.ts: name: "a" is also the name of /hooks/a.ts; give one of them another in the configuration, as name:',
  });
});

describe('an error that comes out of a hook', () => {
  test('is described with the place in the source file it was thrown in', async () => {
    const bundle = await bundleOf('good/several-files');
    const hook = loadHook(bundle, HOOK_MODULES);
    assert.ok(hook.kind === 'defined');
    const { onPacket } = handlersOf(hook.definition);
    assert.throws(
      () => onPacket({ protocol: 255 } as firehook.Packet, {} as firehook.Context),
      (error) => {
        const place = path.join(FIXTURES, 'good/several-files/verdict.ts:6:31');
        assert.equal(describeHookError(error, bundle), `RangeError: protocol 255 is reserved (${place})`);
        return true;
      },
    );
  });

  test('is described by its message alone where it was made elsewhere', async () => {
    const bundle = await bundleOf('good/drop-telnet.ts');
    assert.equal(describeHookError(new Error('two\nlines'), bundle), 'two lines');
    assert.equal(describeHookError('a string', bundle), '"a string"');
    assert.equal(describeHookError(undefined, bundle), 'undefined');
  });
});
