/**
 * The log: JSON for machines, one safe line for a person, and a bound on what may happen for every packet.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { createLogger, createRateLimitedLog, type LoggerOptions } from '../../../src/telemetry/logger.ts';

function logOf(options: LoggerOptions) {
  const lines: string[] = [];
  return { lines, log: createLogger({ ...options, write: (line) => void lines.push(line) }) };
}

/** The time of day differs from run to run. */
const withoutClock = (line: string | undefined) => (line ?? '').replace(/^\d\d:\d\d:\d\d\.\d{3}/, 'CLOCK');

describe('lines for a machine', () => {
  test('are JSON with level, time, fields and message, and no noise', () => {
    const { lines, log } = logOf({ human: false });
    log.info({ lane: 0 }, 'Lane started.');
    const { time, ...rest } = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
    assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.deepEqual(rest, { level: 'info', lane: 0, msg: 'Lane started.' });
  });

  test('name the process where it has a name', () => {
    const { lines, log } = logOf({ human: false, name: 'lane' });
    log.info('Started.');
    assert.equal((JSON.parse(lines[0] ?? '') as { name: string }).name, 'lane');
    const human = logOf({ human: true, colour: false, name: 'lane' });
    human.log.info('Started.');
    assert.equal(withoutClock(human.lines[0]), 'CLOCK info  lane: Started.\n');
  });

  test('below the level are not written', () => {
    const { lines, log } = logOf({ human: false, level: 'warn' });
    log.info('No.');
    log.warn('Yes.');
    assert.equal(lines.length, 1);
    const silent = logOf({ level: 'silent' });
    silent.log.fatal('No.');
    assert.deepEqual(silent.lines, []);
  });

  test('are what a process without a terminal writes, on standard error, at once', () => {
    const logger = JSON.stringify(new URL('../../../src/telemetry/logger.ts', import.meta.url));
    const script = `
      const { createLogger } = await import(${logger});
      createLogger().info('Last words.');
      process.kill(process.pid, 'SIGKILL');`;
    const result = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      encoding: 'utf8',
    });
    assert.equal(result.signal, 'SIGKILL');
    assert.equal(result.stdout, '');
    assert.equal((JSON.parse(result.stderr) as { msg: string }).msg, 'Last words.');
  });
});

describe('lines for a person', () => {
  test('have the time of day, the level, the message and the fields', () => {
    const { lines, log } = logOf({ human: true, colour: false });
    log.warn({ hook: 'drop-telnet', ports: [23], count: 2 }, 'Hook fault.');
    assert.equal(withoutClock(lines[0]), 'CLOCK warn  Hook fault. hook=drop-telnet ports=[23] count=2\n');
  });

  test('show of an error its message', () => {
    const { lines, log } = logOf({ human: true, colour: false });
    log.error({ err: new RangeError('too far') }, 'Failed.');
    assert.equal(withoutClock(lines[0]), 'CLOCK error Failed. err=too far\n');
  });

  test('let no control character of a packet or a hook reach the terminal', () => {
    const { lines, log } = logOf({ human: true, colour: false });
    log.info({ label: '\u001b[2Jx\u009b\u007f' }, 'One\nforged line');
    assert.equal(withoutClock(lines[0]), 'CLOCK info  One\\x0aforged line label=\\x1b[2Jx\\x9b\\x7f\n');
  });

  test('are coloured, and not where NO_COLOR is set', (t) => {
    const coloured = logOf({ human: true, colour: true });
    coloured.log.info('x');
    assert.ok(coloured.lines[0]?.includes('\u001b['));
    const before = process.env;
    t.after(() => {
      process.env = before;
    });
    process.env = { ...before, NO_COLOR: '1' };
    const plain = logOf({ human: true });
    plain.log.info('x');
    assert.equal(plain.lines[0]?.includes('\u001b['), false);
  });
});

describe('a log with a limited rate', () => {
  function limited(perSecond: number) {
    const { lines, log } = logOf({ human: false });
    const clock = { nowMs: 0 };
    const rateLimited = createRateLimitedLog(log, perSecond, () => clock.nowMs);
    const written = () => lines.map((line) => JSON.parse(line) as { msg: string; suppressed?: number; n?: number });
    return { clock, rateLimited, written };
  }

  test('writes so many lines in a second, counts the rest, and says with the next how many there were', () => {
    const { clock, rateLimited, written } = limited(2);
    for (let n = 0; n < 10; n += 1) rateLimited('warn', 'Fault.', { n });
    clock.nowMs = 999;
    rateLimited('warn', 'Fault.', { n: 10 });
    clock.nowMs = 1000;
    rateLimited('warn', 'Fault.', { n: 11 });
    rateLimited('warn', 'Fault.', { n: 12 });
    assert.deepEqual(
      written().map(({ n, suppressed }) => [n, suppressed]),
      [
        [0, undefined],
        [1, undefined],
        [11, 9],
        [12, undefined],
      ],
    );
  });

  test('makes no message that it does not write', () => {
    const { rateLimited, written } = limited(1);
    const made: number[] = [];
    for (let n = 0; n < 5; n += 1) {
      rateLimited('warn', () => {
        made.push(n);
        return `Message ${n}.`;
      });
    }
    assert.deepEqual(made, [0]);
    assert.equal(written()[0]?.msg, 'Message 0.');
  });

  test('says at the end how many lines are still owed, once', () => {
    const { rateLimited, written } = limited(1);
    for (let n = 0; n < 4; n += 1) rateLimited('error', 'Fault.');
    rateLimited.flush();
    rateLimited.flush();
    assert.deepEqual(
      written().map(({ msg, suppressed }) => [msg, suppressed]),
      [
        ['Fault.', undefined],
        ['More lines like the ones before were left out.', 3],
      ],
    );
  });
});
