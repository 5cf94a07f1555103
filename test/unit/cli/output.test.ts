/**
 * What commands print: harmless for a terminal, no wider than it, and quiet about a reader that has gone.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { printableLines } from '../../../src/cli/output.ts';

const BIN = fileURLToPath(new URL('../../../bin/', import.meta.url));
const DEMO = fileURLToPath(new URL('../../fixtures/demo.pcap', import.meta.url));

const HOOK_FILE = fileURLToPath(new URL('../../../hooks/pass-all.ts', import.meta.url));

const folder = mkdtempSync(path.join(tmpdir(), 'firehook-output-'));
after(() => rmSync(folder, { recursive: true }));
const config = path.join(folder, 'firehook.json');
writeFileSync(config, JSON.stringify({ attach: [{ host: 'no-such0' }], lane: { user: 'nobody' } }));

/** Reports large enough for more than one write, as a daemon with many hooks gives them. */
const HOOK = { name: 'x', path: `/${'x/'.repeat(40)}`, priority: 0, kind: 'hook', seen: 1, forwarded: 1 };
const REPORTS = {
  hooks: { hooks: Array.from({ length: 2000 }, () => HOOK) },
  pool: {
    bytesInUse: 0,
    limitBytes: 0,
    refused: 0,
    tags: [],
    leaked: Array.from({ length: 5000 }, () => ({ hook: 'x' })),
  },
};
const ANSWERING = `require('http').createServer((_, response) => response.end(require('fs').readFileSync(process.argv[2]))).listen(process.argv[1], () => console.log('ready'))`;

/** Runs a command whose standard output goes where the script sends it; its own exit code is in a file. */
function runWith(script: string, command: string, ...args: string[]) {
  const codeFile = path.join(folder, 'code');
  const whole = `{ "$@"; echo $? >${codeFile}; } ${script}`;
  const { stderr } = spawnSync('sh', ['-c', whole, 'sh', process.execPath, path.join(BIN, command), ...args], {
    encoding: 'utf8',
    timeout: 60_000,
    env: { ...process.env, NODE_TEST_CONTEXT: undefined },
  });
  return { code: Number(readFileSync(codeFile, 'utf8')), stderr };
}

const nowhere = path.join(folder, 'nowhere');

/** Every command: those that answer, and those that end with an error. What asks a daemon has a line of its own below. */
const COMMANDS: readonly (readonly [command: string, ...args: string[]])[] = [
  ['firehook'],
  ['firehook', '--help'],
  ['firehook', 'explode'],
  ['firehook', 'reload'],
  ['firehook', 'replay', DEMO],
  ['firehook', 'replay', DEMO, '--json'],
  ['firehook', 'doctor'],
  ['firehookd', '--help'],
  ['firehookd', '-c', nowhere],
  ['firehookd', '-c', nowhere, '--undo'],
  ['firehookd', '-c', config, '--check'],
];

/** The reader closes its end before anything is printed. */
const READER_GOES = '| exec true';

function assertQuiet(command: string, ...args: string[]): void {
  const plain = runWith('>/dev/null', command, ...args);
  // An error has its reader at standard error, an answer at standard output.
  const cut = runWith(plain.stderr === '' ? READER_GOES : `2>&1 ${READER_GOES}`, command, ...args);
  assert.deepEqual(cut, { code: plain.code, stderr: '' });
}

describe('a command whose reader has gone', () => {
  for (const [command, ...args] of COMMANDS) {
    const name = [command, ...args].map((word) => (word.startsWith('/') ? path.basename(word) : word)).join(' ');
    test(`ends quietly with its own exit code: ${name}`, () => assertQuiet(command, ...args));
  }

  for (const [name, report] of Object.entries(REPORTS)) {
    test(`ends quietly with its own exit code: firehook ${name}`, async (t) => {
      const socket = path.join(folder, `${name}.sock`);
      // In a process of its own: this one waits for the command.
      const file = path.join(folder, `${name}.json`);
      writeFileSync(file, JSON.stringify(report));
      const server = spawn(process.execPath, ['-e', ANSWERING, socket, file], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      t.after(() => server.kill('SIGKILL'));
      await once(server.stdout, 'data');
      assertQuiet('firehook', name, '--socket', socket);
    });
  }
});

describe('a terminal', () => {
  test('that is narrow gets no line that is wider than it', () => {
    const command = `stty cols 48; exec ${process.execPath} ${path.join(BIN, 'firehook')} replay ${DEMO} --hook ${HOOK_FILE}`;
    const { stdout, status } = spawnSync('script', ['-qec', command, '/dev/null'], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    assert.equal(status, 0, stdout);
    // What stands before the last carriage return of a line was the progress bar.
    const shown = stdout.split('\r\n').map((line) => line.split('\r').at(-1) ?? '');
    const report = shown.slice(shown.findIndex((line) => line.includes('40 packets')));
    for (const line of report) assert.ok(line.replace('\u001b[K', '').length <= 48, line);
    assert.ok(report.filter((line) => line.startsWith('pass-all')).length > 1, 'columns go on below');
  });

  test('is not what a pipe is: there a line is as long as it gets', () => {
    const args = [path.join(BIN, 'firehook'), 'replay', DEMO, '--hook', HOOK_FILE];
    const env = { ...process.env, COLUMNS: '40', NODE_TEST_CONTEXT: undefined };
    const { stdout } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 60_000, env });
    assert.equal(stdout.split('\n').filter((line) => line.startsWith('pass-all')).length, 1);
  });
});

test('a full disk behind a redirection is one line and exit code 1', () => {
  const { code, stderr } = runWith('>/dev/full', 'firehook', 'replay', DEMO);
  assert.equal(code, 1);
  assert.match(stderr, /^firehook: error \[FIREHOOK_PRINT\]: cannot print: .*ENOSPC.*\n$/);
});

test('lines and tabs stay, every other control character becomes visible', () => {
  assert.equal(printableLines('a\tb\nc\r\u001b[31m\u009b\u007f\u202e'), 'a\tb\nc\\x0d\\x1b[31m\\x9b\\x7f\\u202e');
});
