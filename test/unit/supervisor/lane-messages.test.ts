/**
 * Everything that a lane may put on its channel, drawn at random: the supervisor keeps no more than a line, takes for a message
 * only what is one, and finds fault once.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { ERRORS } from '../../../src/errors.ts';
import { MAX_FAILURE, MAX_LANE_LINE } from '../../../src/lane/messages.ts';
import type { FromLane } from '../../../src/lane/read-message.ts';
import { LaneChannel } from '../../../src/supervisor/lane-channel.ts';

const SEED = 8;
const RUNS = 400;
const HUGE = 10 * 1024 * 1024;
const FAULT =
  /^it sent (a message (that is none|of more than 393216 octets)|the message "(opened|ready|failed)" out of place)$/;

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom('\u001b]0;x\u0007', '\u001b[2J', '\u202e', '\u0000', '__proto__', 'x'.repeat(MAX_FAILURE + 1)),
);
const number = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.constantFrom(2 ** 60, -1, 1e308, Number.MAX_VALUE, -0, 4294967296, 0.1),
);
const value = fc.oneof(text, number, fc.boolean(), fc.constant(null), fc.jsonValue({ maxDepth: 3 }));
const hook = fc.record(
  { name: value, path: value, priority: value, kind: fc.oneof(value, fc.constant('defined')) },
  { requiredKeys: [] },
);
const ring = fc.record({ port: value, slots: value }, { requiredKeys: [] });
/** The right keys with whatever values. */
const TABLE = { hook: 'port-knock', name: 'knockers', most: 10_000, keyOctets: 16 };
const almost = fc.record(
  {
    type: fc.oneof(value, fc.constantFrom('opened', 'ready', 'failed', 'start', 'stop', 'NODE_HANDLE')),
    hooks: fc.oneof(value, fc.array(hook, { maxLength: 3 })),
    rings: fc.oneof(value, fc.array(ring, { maxLength: 3 })),
    kernelFilter: value,
    tables: fc.oneof(value, fc.constant([TABLE]), fc.constant([{ ...TABLE, most: 2 ** 31 }])),
    code: fc.oneof(value, fc.constantFrom(...Object.keys(ERRORS))),
    message: value,
    exitCode: fc.oneof(value, fc.integer({ min: -1, max: 6 })),
    cmd: fc.constantFrom('NODE_HANDLE_ACK', 'NODE_HANDLE_NACK', 'NODE_DEBUG'),
  },
  { requiredKeys: [] },
);
const honest = fc.constantFrom<FromLane>(
  { type: 'opened' },
  {
    type: 'ready',
    hooks: [],
    metrics: [],
    reasons: [],
    rings: [{ port: 0, slots: 128 }],
    kernelFilter: null,
    tables: [TABLE],
  },
  { type: 'failed', code: 'FIREHOOK_LANE_FAILED', message: 'why', exitCode: 1 },
);
const json = fc.oneof(almost, value, honest).map((one) => `${JSON.stringify(one) ?? ''}\n`);
const said = fc.oneof(
  { weight: 4, arbitrary: json },
  { weight: 2, arbitrary: honest.map((one) => `${JSON.stringify(one)}\n`) },
  // Cut anywhere, so that what follows goes on with it.
  { weight: 2, arbitrary: fc.tuple(json, fc.nat(30)).map(([line, at]) => line.slice(0, at)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }).map((octets) => Buffer.from(octets).toString('latin1')) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '\n',
      '[]\n',
      '{}\n',
      'null\n',
      '1e999\n',
      '['.repeat(60_000),
      '{"a":'.repeat(10_000),
      'x'.repeat(MAX_LANE_LINE + 1),
    ),
  },
);

/** The supervisor's end of a channel on which these octets arrive, in pieces of `size`. */
function hear(
  octets: Buffer,
  size: number,
): { messages: FromLane[]; faults: string[]; ends: number; answered: number } {
  const messages: FromLane[] = [];
  const faults: string[] = [];
  let answered = 0;
  let ends = 0;
  const socket = new Duplex({
    read: () => undefined,
    write(_chunk, _encoding, done) {
      answered += 1;
      done();
    },
  });
  const channel = new LaneChannel(
    socket,
    (message) => messages.push(message),
    (reason) => faults.push(reason),
    () => {
      ends += 1;
    },
  );
  for (let at = 0; at < octets.length; at += size) socket.emit('data', octets.subarray(at, at + size));
  channel.send({ type: 'stop' });
  channel.close();
  return { messages, faults, ends, answered };
}

/** What may follow what: at most one of each, and `ready` only after `opened`. */
function isInOrder(types: readonly string[]): boolean {
  return ['', 'opened', 'opened ready', 'opened ready failed', 'opened failed', 'failed'].includes(types.join(' '));
}

test('whatever a lane says, its messages are in order and well formed, and it is at fault at most once', () => {
  let faulty = 0;
  fc.assert(
    fc.property(fc.array(said, { minLength: 1, maxLength: 8 }), fc.integer({ min: 1, max: 5000 }), (parts, size) => {
      const { messages, faults } = hear(Buffer.from(parts.join('')), size);
      assert.ok(isInOrder(messages.map(({ type }) => type)));
      assert.ok(faults.length <= 1);
      for (const fault of faults) assert.match(fault, FAULT);
      faulty += faults.length;
      for (const message of messages) {
        assert.ok(JSON.stringify(message).length <= MAX_LANE_LINE + 2);
        if (message.type === 'failed') assert.ok(message.code in ERRORS && message.message.length <= MAX_FAILURE);
        if (message.type !== 'ready') continue;
        for (const { priority, name } of message.hooks) assert.ok(Number.isFinite(priority) && name.length <= 256);
        for (const { port, slots } of message.rings)
          assert.ok(Number.isInteger(port + slots) && port >= 0 && slots >= 0);
      }
    }),
    { seed: SEED, numRuns: RUNS },
  );
  assert.ok(faulty > RUNS / 2, 'most of what is drawn is no message');
});

test('a line of 10 MiB without an end costs the channel after 64 KiB, and nothing is written to it any more', () => {
  const { messages, faults, answered } = hear(Buffer.alloc(HUGE, '{"type":"opened"} '), 65_536);
  assert.deepEqual([messages, faults.length, answered], [[], 1, 0]);
});

test('of 100,000 lines the first that is out of place is the last that is looked at', () => {
  const { messages, faults } = hear(Buffer.from('{"type":"opened"}\n'.repeat(100_000)), 65_536);
  assert.deepEqual([messages, faults], [[{ type: 'opened' }], ['it sent the message "opened" out of place']]);
});

test('a lane that closes its channel has ended it, once; after a fault nothing is said of its end', async () => {
  for (const [line, wanted] of [
    ['{"type":"opened"}\n', { faults: 0, ends: 1 }],
    ['null\n', { faults: 1, ends: 0 }],
  ] as const) {
    const seen = { faults: 0, ends: 0 };
    const socket = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
    new LaneChannel(
      socket,
      () => undefined,
      () => {
        seen.faults += 1;
      },
      () => {
        seen.ends += 1;
      },
    );
    const closed = new Promise((resolve) => {
      socket.once('close', resolve);
    });
    socket.emit('data', Buffer.from(line));
    socket.destroy();
    await closed;
    assert.deepEqual(seen, wanted);
  }
});
