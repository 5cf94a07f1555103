/**
 * What lanes print: the lane's own lines keep level and fields, strangers' text is bounded, counted and said to be the lane's.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, test } from 'node:test';
import { LaneOutput } from '../../../src/supervisor/lane-output.ts';
import { createLogger } from '../../../src/telemetry/logger.ts';

/** The daemon's log of what a lane printed. */
function logOf(...printed: readonly (string | Buffer)[]): Record<string, unknown>[] {
  const lines: string[] = [];
  const log = createLogger({ human: false, level: 'trace', write: (line) => void lines.push(line) });
  const output = new LaneOutput(log, () => 42);
  const stream = new PassThrough();
  output.read(stream);
  for (const part of printed) stream.emit('data', Buffer.from(part));
  output.end();
  return lines.map((line) => {
    const { time: _time, ...rest } = JSON.parse(line) as Record<string, unknown>;
    return rest;
  });
}

describe('the output of a lane', () => {
  test('is logged line by line as the lane said it', () => {
    assert.deepEqual(logOf('one\ntw', 'o\n\nthree'), [
      { level: 'info', name: 'lane', pid: 42, msg: 'one' },
      { level: 'info', name: 'lane', pid: 42, msg: 'two' },
      { level: 'info', name: 'lane', pid: 42, msg: 'three' },
    ]);
  });

  test('keeps level, message and fields of a line of its own log, and no claim to be somebody else', () => {
    const line = {
      level: 'error',
      time: 'then',
      name: 'supervisor',
      pid: 1,
      hook: 'h',
      port: 23,
      deep: { a: 1 },
      msg: 'x.',
    };
    assert.deepEqual(logOf(`${JSON.stringify(line)}\n`), [
      { level: 'error', name: 'lane', pid: 42, hook: 'h', port: 23, msg: 'x.' },
    ]);
  });

  test('is plain text where it only looks like a line of a log', () => {
    for (const text of ['{"level":"loud","msg":"x"}', '{"level":"warn"}', '{', '[]', '{"level":"silent","msg":"x"}']) {
      assert.deepEqual(logOf(`${text}\n`), [{ level: 'info', name: 'lane', pid: 42, msg: text }]);
    }
  });

  test('of a flood is cut and counted', () => {
    const lines = logOf('y'.repeat(1_000_000), '\n', 'z\n'.repeat(500));
    assert.ok(lines.length <= 21);
    assert.deepEqual([lines[0]?.['cut'], String(lines[0]?.['msg']).length], [true, 4096]);
    assert.equal(lines.at(-1)?.['suppressed'], 501 - 20);
  });
});
