/**
 * The queue in front of the log's reader: a reader that stands still or goes away costs lines, which are counted.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LogQueue } from '../../../src/telemetry/log-queue.ts';
import { waitFor } from '../../support/wait-for.ts';

/** A reader that takes so many octets, and then no more until it is let. */
class Reader {
  room = Number.POSITIVE_INFINITY;
  isGone = false;
  text = '';

  readonly take = (bytes: Uint8Array): number => {
    if (this.isGone) throw new Error('EPIPE');
    const taken = bytes.subarray(0, Math.min(bytes.length, this.room));
    this.room -= taken.length;
    this.text += Buffer.from(taken).toString();
    return taken.length;
  };
}

function queueOf(reader: Reader, limitOctets = 100): LogQueue {
  const queue = new LogQueue(reader.take, { limitOctets, retryMs: 1 });
  queue.sayLostBy((count) => `lost ${count}\n`);
  return queue;
}

describe('the queue of the log', () => {
  test('gives a line on at once while the reader takes it', () => {
    const reader = new Reader();
    queueOf(reader).write('one\n');
    assert.equal(reader.text, 'one\n');
  });

  test('keeps what a standing reader does not take, and goes on in the middle of a line', async () => {
    const reader = new Reader();
    const queue = queueOf(reader);
    reader.room = 2;
    for (const line of ['one\n', 'two\n', 'three\n']) queue.write(line);
    assert.equal(reader.text, 'on');
    reader.room = Number.POSITIVE_INFINITY;
    await waitFor(() => reader.text === 'one\ntwo\nthree\n', { what: 'the rest' });
    assert.equal(queue.lost, 0);
  });

  test('counts what does not fit, and says so once the reader goes on', async () => {
    const reader = new Reader();
    const queue = queueOf(reader, 10);
    reader.room = 0;
    for (let line = 0; line < 12; line++) queue.write('12345\n');
    assert.equal(queue.lost, 11);
    reader.room = Number.POSITIVE_INFINITY;
    await waitFor(() => reader.text === '12345\nlost 11\n', { what: 'the rest' });
    queue.write('next\n');
    assert.equal(reader.text, '12345\nlost 11\nnext\n');
  });

  test('outlives a reader that is gone, and tells the next one', () => {
    const reader = new Reader();
    const queue = queueOf(reader);
    reader.isGone = true;
    queue.write('nobody\n');
    queue.write('hears\n');
    assert.equal(queue.lost, 2);
    reader.isGone = false;
    queue.write('back\n');
    assert.equal(reader.text, 'lost 2\nback\n');
  });

  test('at the end waits for a reader that goes on, and not for one that does not', () => {
    const reader = new Reader();
    const queue = queueOf(reader);
    let calls = 0;
    const slow = new LogQueue((bytes) => (++calls < 5 ? 0 : reader.take(bytes)), { retryMs: 1 });
    slow.write('late\n');
    slow.drain(5_000);
    assert.equal(reader.text, 'late\n');
    reader.room = 0;
    queue.write('never\n');
    queue.drain(20);
    assert.equal(reader.text, 'late\n');
  });
});
