/**
 * What commands print: harmless for a terminal, and quiet about a reader that has gone.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { printableLines } from '../../../src/cli/output.ts';

const BIN = fileURLToPath(new URL('../../../bin/', import.meta.url));
const DEMO = fileURLToPath(new URL('../../fixtures/demo.pcap', import.meta.url));

const folder = mkdtempSync(path.join(tmpdir(), 'firehook-output-'));
after(() => rmSync(folder, { recursive: true }));
const config = path.join(folder, 'firehook.json');
writeFileSync(config, JSON.stringify({ attach: [{ host: 'no-such0' }], lane: { user: 'nobody' } }));

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

const COMMANDS: readonly (readonly [command: string, ...args: string[]])[] = [
  ['firehook', 'replay', DEMO],
  ['firehook', 'replay', DEMO, '--json'],
  ['firehook', 'doctor'],
  ['firehook', 'doctor', '--json'],
  ['firehook', '--help'],
  ['firehookd', '-c', config, '--check'],
];

describe('a command whose reader has gone', () => {
  for (const [command, ...args] of COMMANDS) {
    test(`ends quietly with its own exit code: ${[command, ...args.slice(0, 1), ...args.slice(-1)].join(' ')}`, () => {
      const plain = runWith('>/dev/null', command, ...args);
      // The reader closes its end before anything is printed.
      const cut = runWith('| exec true', command, ...args);
      assert.equal(cut.code, plain.code);
      assert.equal(cut.stderr, plain.stderr);
      assert.doesNotMatch(cut.stderr, /EPIPE|^ {4}at /m);
    });
  }
});

test('a full disk behind a redirection is one line and exit code 1', () => {
  const { code, stderr } = runWith('>/dev/full', 'firehook', 'replay', DEMO);
  assert.equal(code, 1);
  assert.match(stderr, /^firehook: cannot print: .*ENOSPC.*\n$/);
});

test('lines and tabs stay, every other control character becomes visible', () => {
  assert.equal(printableLines('a\tb\nc\r\u001b[31m\u009b\u007f\u202e'), 'a\tb\nc\\x0d\\x1b[31m\\x9b\\x7f\\u202e');
});
