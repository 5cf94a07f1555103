/**
 * What a hook says of its streams: what is filled in, and what refuses it.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { asksForFlows, checkDefinition, checkHandlers } from '../../../src/hook/check-definition.ts';
import type { DefinedHook, HookDefinition } from '../../../src/hook/contract.ts';
import { defineHook } from '../../../src/hook/define-hook.ts';
import { chainInterests } from '../../../src/hook/interest.ts';
import { streamSettings } from '../../../src/hook/stream/check-stream.ts';
import { openLab } from '../../../src/testing/index.ts';
import { loadedHook } from '../../support/loaded-hook.ts';

const MODULE = { path: 'hook.ts' };
const STREAM = { ports: [80], most: 100 };
const onStream = () => 0 as const;
const hookOf = (more: object): DefinedHook => defineHook({ name: 'reader', ...more } as HookDefinition);
const refused = (reason: string) => ({ code: 'FIREHOOK_HOOK_INVALID', message: `not a hook: hook.ts: ${reason}` });

describe('the settings of a stream', () => {
  test('are open where nothing is said, and closed with a gate', () => {
    const common = { ...STREAM, from: 'client', onOverlap: 'reset', onUnseen: 'forward' };
    const bounds = { idleMs: 120_000, streams: 4096, memoryMiB: 8 };
    assert.deepEqual(streamSettings(MODULE, STREAM), {
      ...common,
      ...bounds,
      gate: false,
      onFull: 'forward',
      onUnread: 'forward',
    });
    assert.deepEqual(streamSettings(MODULE, { ...STREAM, gate: true }), {
      ...common,
      ...bounds,
      gate: true,
      onFull: 'reset',
      onUnread: 'reset',
    });
    const all = { ...common, from: 'server', gate: true, onOverlap: 'first', onFull: 'drop', onUnread: 'forward' };
    assert.deepEqual(streamSettings(MODULE, { ...all, ...bounds }), { ...all, ...bounds });
  });

  test('are refused with the key, the value and what is expected', () => {
    const whole = (least: number, most: number): string => `expected a whole number from ${least} to ${most}`;
    const wrong: readonly (readonly [unknown, string])[] = [
      [null, 'stream: null is not valid; expected { ports, most, ... }'],
      [[80], 'stream: [ 80 ] is not valid; expected { ports, most, ... }'],
      [{ most: 1 }, 'stream.ports: undefined is not valid; expected a list of ports, 1 to 65535'],
      [{ ports: [], most: 1 }, 'stream.ports: [] is not valid; expected a list of ports, 1 to 65535'],
      [{ ports: [0], most: 1 }, 'stream.ports: [ 0 ] is not valid; expected a list of ports, 1 to 65535'],
      [{ ports: [80] }, `stream.most: undefined is not valid; ${whole(1, 16_777_216)}`],
      [{ ...STREAM, most: 0 }, `stream.most: 0 is not valid; ${whole(1, 16_777_216)}`],
      [{ ...STREAM, from: 'both' }, 'stream.from: "both" is not valid; expected client or server'],
      [{ ...STREAM, gate: 1 }, 'stream.gate: 1 is not valid; expected true or false'],
      [{ ...STREAM, onOverlap: 'last' }, 'stream.onOverlap: "last" is not valid; expected reset or first'],
      [{ ...STREAM, onFull: 'cut' }, 'stream.onFull: "cut" is not valid; expected forward or drop or reset'],
      [{ ...STREAM, memoryMiB: 2000 }, `stream.memoryMiB: 2000 is not valid; ${whole(1, 1024)}`],
      [{ ...STREAM, streams: 1.5 }, `stream.streams: 1.5 is not valid; ${whole(1, 1_048_576)}`],
      [{ ...STREAM, onOverlaps: 'reset' }, 'stream.onOverlaps: did you mean onOverlap?'],
    ];
    for (const [value, reason] of wrong) assert.throws(() => streamSettings(MODULE, value), refused(reason));
  });
});

describe('a definition with a stream', () => {
  test('asks for flows, and for the packets of its ports alone where it has no other handler', () => {
    const hook = hookOf({ stream: STREAM, onStream });
    assert.equal(checkDefinition(MODULE, hook), hook);
    assert.ok(asksForFlows(hook));
    const interest = { protocols: [6], ports: [80] };
    const loaded = loadedHook({ name: 'a', stream: STREAM, onStream });
    assert.deepEqual(chainInterests([loaded]), [interest]);
    assert.equal(chainInterests([loadedHook({ name: 'a', stream: STREAM, onStream, onPacket: () => 0 })]), null);
  });

  test('is refused beside what says its packets, without flows, and without somebody who reads', () => {
    const wrong: readonly (readonly [object, string])[] = [
      [{ stream: STREAM, onStream, flows: false }, 'flows: is false beside a stream, which needs them'],
      [
        { stream: STREAM, onStream, filter: 'tcp' },
        'filter: stands beside a stream, which needs every packet of its ports',
      ],
      [{ stream: 80, onStream }, 'stream: 80 is not valid; expected { ports, most, ... } or a function'],
      [{ stream: STREAM, onPacket: () => 0 }, 'onStream: is missing; the definition says stream'],
      [{ onStream }, 'onStream; say stream: { ports, most } in the definition'],
      [
        { stream: STREAM, onStream: async () => 0 },
        'onStream: is an async function; a verdict is returned at once, a promise is none',
      ],
    ];
    for (const [definition, reason] of wrong)
      assert.throws(() => checkDefinition(MODULE, hookOf(definition)), refused(reason));
    const made = hookOf({ stream: STREAM, setup: () => ({ onStream }) });
    assert.deepEqual(checkHandlers(MODULE, made, { onStream }), { onStream });
    for (const [handlers, reason] of [
      [{ onPacket: () => 0 }, 'setup: returned onStream: is missing; the definition says stream'],
      [{ onStream, flows: false }, 'setup: returned flows: false beside onStream, which needs them'],
    ] as const)
      assert.throws(() => checkHandlers(MODULE, made, handlers), refused(reason));
  });

  test('may make it of its options; what that makes is checked, and what it throws is reported', async () => {
    const options = { '~standard': { version: 1, vendor: 'test', validate: (value: unknown) => ({ value }) } } as const;
    const hook = hookOf({
      options,
      stream: (given: { port?: number }) => {
        if (given.port === undefined) throw new Error('no port');
        return { ports: [given.port], most: 10 };
      },
      setup: () => ({ onStream }),
    });
    const lab = await openLab(hook, { options: { port: 25 } });
    await lab.close();
    await assert.rejects(openLab(hook, { options: { port: 0 } }), /reader: stream\.ports: \[ 0 \] is not valid/);
    await assert.rejects(openLab(hook), /stream threw: no port/);
  });
});
