/**
 * The exit codes that scripts branch on: 2 usage, 3 unreachable, 4 permission, each with one line that says why and has a code
 * of `docs/errors.md`.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ERRORS, type ErrorCode } from '../../../src/errors.ts';
import { lines, runFirehook, runFirehookAsNobody, runFirehookd } from './run-firehook.ts';

const isRoot = process.getuid?.() === 0;
const folder = mkdtempSync(path.join(tmpdir(), 'firehook-usage-'));
chmodSync(folder, 0o755);
after(() => rmSync(folder, { recursive: true }));

const DEMO = fileURLToPath(new URL('../../../config/demo.pcap', import.meta.url));
const nowhere = path.join(folder, 'nowhere');

/** What was called wrongly, with which command line, and what the line of the error has. */
const WRONG: readonly (readonly [what: string, args: readonly string[], code: ErrorCode, words: RegExp])[] = [
  ['an unknown command', ['frobnicate'], 'FIREHOOK_USAGE', /'frobnicate'; see firehook --help$/],
  ['a misspelt command', ['statu'], 'FIREHOOK_USAGE', /Did you mean one of stats, status\?/],
  ['an unknown option', ['status', '--loud'], 'FIREHOOK_USAGE', /'--loud'; see firehook status --help$/],
  ['an unknown option before the command', ['--loud', 'status'], 'FIREHOOK_USAGE', /'--loud'/],
  ['an option without its value', ['status', '--socket'], 'FIREHOOK_USAGE', /argument missing/],
  ['a value that is no choice', ['replay', DEMO, '--direction', 'up'], 'FIREHOOK_USAGE', /choices are in, out; see/],
  ['a record without a file', ['record', 'tcp'], 'FIREHOOK_USAGE', /--write <file>/],
  ['a number of packets that is none', ['record', '-w', nowhere, '-n', '0'], 'FIREHOOK_USAGE', /-n: 0 is no number/],
  [
    'a snaplen that is too short',
    ['record', '-w', nowhere, '--snaplen', '63'],
    'FIREHOOK_USAGE',
    /--snaplen: 63 is no/,
  ],
  ['a missing argument', ['replay'], 'FIREHOOK_USAGE', /'input'/],
  ['an argument too many', ['status', 'now'], 'FIREHOOK_USAGE', /got 1; see/],
  ['a name of a package that is none', ['init', 'Telnet'], 'FIREHOOK_USAGE', /"Telnet" is no name of an npm package/],
  ['a number that is none', ['ioctl', 'device', 'many'], 'FIREHOOK_USAGE', /"many" is no whole number/],
  ['an input that is not there', ['ioctl', 'device', '1', '--in', nowhere], 'FIREHOOK_USAGE', /nowhere/],
  ['a command that is not there', ['relaod'], 'FIREHOOK_USAGE', /reload/],
  ['a prefix that is none', ['replay', DEMO, '--local', 'here'], 'FIREHOOK_USAGE', /"here"/],
  ['a capture that is not there', ['replay', nowhere], 'FIREHOOK_SAVEFILE_UNREADABLE', /nowhere/],
  ['a hook that is not there', ['replay', DEMO, '--hook', nowhere], 'FIREHOOK_HOOK_UNREADABLE', /nowhere/],
  ['a configuration that is not there', ['replay', DEMO, '-c', nowhere], 'FIREHOOK_CONFIG_UNREADABLE', /nowhere/],
  ['an output that cannot be', ['replay', DEMO, '-w', `${nowhere}/x`], 'FIREHOOK_SAVEFILE_UNWRITABLE', /nowhere/],
];

describe('a command that was called wrongly', () => {
  for (const [what, args, errorCode, words] of WRONG) {
    test(`ends with exit code 2 and one line that has the code: ${what}`, () => {
      const { code, stdout, stderr } = runFirehook(...args);
      assert.equal(code, 2, stderr);
      assert.equal(stdout, '');
      const [line = '', ...more] = lines(stderr);
      assert.deepEqual(more, []);
      assert.ok(line.startsWith(`firehook: error [${errorCode}]: ${ERRORS[errorCode].what}: `), line);
      assert.match(line, words);
    });
  }

  for (const [what, args, errorCode, words] of WRONG.filter(([what]) =>
    /unknown command|no choice|capture/.test(what),
  )) {
    test(`says the same as JSON where --json was asked for: ${what}`, () => {
      const { code, stdout, stderr } = runFirehook(...args, '--json');
      assert.equal(code, 2, stderr);
      assert.equal(stdout, '');
      assert.equal(lines(stderr).length, 1);
      const { error, ...rest } = JSON.parse(stderr) as { error: string };
      assert.match(error, words);
      assert.deepEqual(rest, { code: errorCode, exitCode: 2 });
    });
  }

  for (const [what, args, errorCode] of [
    ['no configuration', [], 'FIREHOOK_USAGE'],
    ['an unknown option', ['-c', 'x', '--loud'], 'FIREHOOK_USAGE'],
    ['an argument too many', ['-c', 'x', 'now'], 'FIREHOOK_USAGE'],
    ['a configuration that is not there', ['-c', nowhere], 'FIREHOOK_CONFIG_UNREADABLE'],
  ] as const) {
    test(`is told by firehookd in its log, which is JSON where no terminal is: ${what}`, () => {
      const { code, stdout, stderr } = runFirehookd(...args);
      assert.equal(code, 2, stderr);
      assert.equal(stdout, '');
      assert.equal(lines(stderr).length, 1, stderr);
      const { level, time, code: said, msg } = JSON.parse(stderr) as Record<string, string>;
      assert.deepEqual([level, said], ['fatal', errorCode]);
      assert.ok(Date.parse(time ?? '') > 0);
      assert.ok(msg?.startsWith(ERRORS[errorCode].what), msg);
    });
  }

  for (const [what, args, errorCode] of [
    ['--check and --undo', ['-c', 'x', '--check', '--undo'], 'FIREHOOK_USAGE'],
    ['--check of nothing', ['-c', nowhere, '--check'], 'FIREHOOK_CONFIG_UNREADABLE'],
    ['--undo by nothing', ['-c', nowhere, '--undo'], 'FIREHOOK_CONFIG_UNREADABLE'],
  ] as const) {
    test(`is told as by any command where firehookd is not to run: ${what}`, () => {
      const { code, stdout, stderr } = runFirehookd(...args);
      assert.equal(code, 2, stderr);
      assert.equal(stdout, '');
      assert.ok(stderr.startsWith(`firehookd: error [${errorCode}]: `), stderr);
      assert.equal(lines(stderr).length, 1);
    });
  }

  test('is answered with the help when there is no command at all', () => {
    const { code, stderr } = runFirehook();
    assert.equal(code, 2);
    assert.match(stderr, /Usage: firehook/);
  });
});

test('--version prints the version of the package', () => {
  const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  assert.deepEqual(runFirehook('--version'), { code: 0, stdout: `${version}\n`, stderr: '' });
});

test('--help names the exit codes', () => {
  const { code, stdout } = runFirehook('--help');
  assert.equal(code, 0);
  assert.match(stdout, /3 daemon unreachable, 4 permission/);
});

describe('a daemon that does not answer', () => {
  for (const command of ['status', 'stats', 'hooks', 'pool']) {
    test(`ends ${command} with exit code 3 and one line`, () => {
      const socket = path.join(folder, 'nobody.sock');
      const { code, stdout, stderr } = runFirehook(command, '--socket', socket);
      assert.equal(code, 3);
      assert.equal(stdout, '');
      assert.equal(lines(stderr).length, 1);
      assert.ok(stderr.includes(socket), stderr);
    });
  }

  test('is told from a socket that may not be used, which is exit code 4', async (t) => {
    const socket = path.join(folder, 'closed.sock');
    const server = createServer((_request, response) => response.end('{}')).listen(socket);
    t.after(() => server.close());
    await once(server, 'listening');
    chmodSync(socket, isRoot ? 0o600 : 0);
    const ask = isRoot ? runFirehookAsNobody : runFirehook;
    const { code, stderr } = ask('status', '--socket', socket);
    assert.equal(code, 4, stderr);
    assert.match(stderr, /not permitted.*control\.mode/);
    assert.equal(lines(stderr).length, 1);
  });

  test('is told from a file that is no socket, which is exit code 3', () => {
    const { code, stderr } = runFirehook('status', '--socket', new URL(import.meta.url).pathname);
    assert.equal(code, 3, stderr);
    assert.equal(lines(stderr).length, 1);
  });
});

describe('who answers on the socket', () => {
  for (const [what, answer, why] of [
    ['closes the connection', '', /no daemon answers/],
    ['does not speak JSON', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello', /is not firehookd/],
    ['refuses', 'HTTP/1.1 404 Not Found\r\nContent-Length: 14\r\n\r\n{"error":"no"}', /answered 404: \{"error":"no"\}/],
  ] as const) {
    test(`is not taken for firehookd when it ${what}`, async (t) => {
      const socket = path.join(folder, 'other.sock');
      // In a process of its own: this one waits for the command.
      const script = `require('net').createServer((c) => c.once('data', () => c.end(process.argv[2]))).listen(process.argv[1], () => console.log('ready'))`;
      const server = spawn(process.execPath, ['-e', script, socket, answer], { stdio: ['ignore', 'pipe', 'inherit'] });
      t.after(() => server.kill('SIGKILL'));
      await once(server.stdout, 'data');
      const { code, stdout, stderr } = runFirehook('status', '--socket', socket);
      rmSync(socket);
      assert.equal(code, 3, stderr);
      assert.equal(stdout, '');
      assert.match(stderr, why);
      assert.equal(lines(stderr).length, 1);
    });
  }
});
