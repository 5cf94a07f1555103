/**
 * The exit codes that scripts branch on: 2 usage, 3 unreachable, 4 permission, each with one line that says why.
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
import { lines, runFirehook, runFirehookAsNobody } from './run-firehook.ts';

const isRoot = process.getuid?.() === 0;
const folder = mkdtempSync(path.join(tmpdir(), 'firehook-usage-'));
chmodSync(folder, 0o755);
after(() => rmSync(folder, { recursive: true }));

describe('wrong usage', () => {
  for (const [what, args] of [
    ['an unknown command', ['explode']],
    ['an unknown option', ['status', '--loud']],
    ['an option without its value', ['status', '--socket']],
    ['a missing argument', ['replay']],
    ['an argument too many', ['status', 'now']],
  ] as const) {
    test(`is refused with exit code 2: ${what}`, () => {
      const { code, stdout, stderr } = runFirehook(...args);
      assert.equal(code, 2, stderr);
      assert.equal(stdout, '');
      assert.match(stderr, /^error: /);
    });
  }

  test('is answered with the help when there is no command at all', () => {
    const { code, stderr } = runFirehook();
    assert.equal(code, 2);
    assert.match(stderr, /Usage: firehook/);
  });
});

test('reload says that it is not in this version, with exit code 2', () => {
  const { code, stdout, stderr } = runFirehook('reload');
  assert.equal(code, 2);
  assert.equal(stdout, '');
  assert.match(stderr, /not in this version/);
  assert.equal(lines(stderr).length, 1);
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
