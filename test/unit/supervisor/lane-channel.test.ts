/**
 * The channel to a lane: what a lane may say, and that everything else costs the lane and nobody else.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { describe, test } from 'node:test';
import { MAX_LANE_LINE } from '../../../src/lane/messages.ts';
import type { FromLane } from '../../../src/lane/read-message.ts';
import { LaneChannel } from '../../../src/supervisor/lane-channel.ts';

const OPENED = { type: 'opened' };
const READY = {
  type: 'ready',
  hooks: [{ name: 'a', path: '/a.ts', priority: 5, kind: 'defined', isShadow: false }],
  metrics: [{ hook: 0, kind: 'counter', name: 'queries', help: 'Queries.' }],
  reasons: [{ hook: 0, text: 'telnet' }],
  rings: [{ port: 0, slots: 128 }],
  kernelFilter: null,
  tables: [{ hook: 'a', name: 'known', most: 100, keyOctets: 16 }],
};
const FAILED = { type: 'failed', code: 'FIREHOOK_HOOK_SETUP', message: 'why', exitCode: 2 };

/** Says lines to the supervisor's end: what it took for messages, and why it stopped listening. */
function hear(...said: readonly unknown[]): { messages: FromLane[]; faults: string[] } {
  const messages: FromLane[] = [];
  const faults: string[] = [];
  const socket = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  const channel = new LaneChannel(
    socket,
    (message) => messages.push(message),
    (reason) => faults.push(reason),
  );
  for (const one of said) socket.emit('data', Buffer.from(typeof one === 'string' ? one : `${JSON.stringify(one)}\n`));
  channel.close();
  return { messages, faults };
}

describe('a lane', () => {
  test('says that its sockets are open, that it is ready, and why it ends', () => {
    assert.deepEqual(hear(OPENED, READY, FAILED), { messages: [OPENED, READY, FAILED], faults: [] });
    assert.deepEqual(hear(FAILED), { messages: [FAILED], faults: [] });
  });

  for (const [what, ...said] of [
    ['nothing at all', null],
    ['no JSON', 'this is no json\n'],
    ['broken JSON', '{"type":"ready"\n'],
    ['a number', 7],
    ['a message of Node', { cmd: 'NODE_HANDLE_ACK' }],
    ['another type', { type: 'stop' }],
    ['a code that does not exist', { ...FAILED, code: 'nope' }],
    ['an exit code out of range', { ...FAILED, exitCode: 0 }],
    ['a message that is too long', { ...FAILED, message: 'x'.repeat(10_000) }],
    ['a key more', OPENED, { ...READY, more: 1 }],
    ['a key less', OPENED, { type: 'ready', hooks: [], metrics: [], reasons: [], rings: [] }],
    ['a priority that is no number', OPENED, { ...READY, hooks: [{ ...READY.hooks[0], priority: 'high' }] }],
    ['a ring of no size', OPENED, { ...READY, rings: [{ port: 0, slots: -1 }] }],
    ['more hooks than there can be', OPENED, { ...READY, hooks: Array(2000).fill(READY.hooks[0]) }],
    ['a table larger than there can be', OPENED, { ...READY, tables: [{ ...READY.tables[0], most: 2 ** 22 }] }],
    ['a counter without a name', OPENED, { ...READY, metrics: [{ ...READY.metrics[0], name: '' }] }],
    ['a counter whose name ends a line', OPENED, { ...READY, metrics: [{ ...READY.metrics[0], name: 'a\nb' }] }],
    [
      'a counter whose help has a control character',
      OPENED,
      { ...READY, metrics: [{ ...READY.metrics[0], help: '\u001b' }] },
    ],
    ['a counter of another kind', OPENED, { ...READY, metrics: [{ ...READY.metrics[0], kind: 'histogram' }] }],
    ['more counters than there can be', OPENED, { ...READY, metrics: Array(513).fill(READY.metrics[0]) }],
    ['a reason without a text', OPENED, { ...READY, reasons: [{ hook: 0, text: '' }] }],
    ['a reason with a control character', OPENED, { ...READY, reasons: [{ hook: 0, text: 'a\u001bb' }] }],
    ['a reason that is too long', OPENED, { ...READY, reasons: [{ hook: 0, text: 'x'.repeat(65) }] }],
    ['more reasons than there can be', OPENED, { ...READY, reasons: Array(513).fill(READY.reasons[0]) }],
    [
      'a prototype',
      OPENED,
      '{"type":"ready","hooks":[],"metrics":[],"reasons":[],"rings":[],"kernelFilter":null,"tables":[],"__proto__":{"x":1}}\n',
    ],
    ['ready before its sockets are open', READY],
    ['opened twice', OPENED, OPENED],
    ['ready twice', OPENED, READY, READY],
    ['something after it failed', FAILED, FAILED],
  ] as const) {
    test(`that says ${what} is at fault once, and is listened to no more`, () => {
      const { faults, messages } = hear(...said, OPENED, READY, FAILED);
      assert.equal(faults.length, 1);
      assert.ok(messages.length < said.length, 'what is at fault is no message, nor is anything after it');
    });
  }

  test('that never ends a line is at fault as soon as the line is too long', () => {
    const { faults } = hear(...Array<string>(100).fill('x'.repeat(MAX_LANE_LINE / 8)));
    assert.deepEqual(faults, [`it sent a message of more than ${MAX_LANE_LINE} octets`]);
  });
});
