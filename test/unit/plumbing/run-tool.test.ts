/**
 * The system tools that plumbing runs: what one that is missing, fails or hangs is called.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, test } from 'node:test';
import { runTool, tryTool } from '../../../src/plumbing/run-tool.ts';

describe('a tool', () => {
  test('that is not there is named with what brings it', () => {
    assert.throws(() => tryTool('firehook-no-such-tool', []), {
      code: 'FIREHOOK_ATTACH_TOOL',
      message: /firehook-no-such-tool: not installed; apt-get install/,
    });
  });

  test('that does not end in time is ended, and named with its arguments', () => {
    assert.throws(() => tryTool('sleep', ['60'], '', 50), {
      code: 'FIREHOOK_ATTACH_TOOL',
      message: /sleep 60: did not answer in 0\.05 s; the machine may be busy: try again/,
    });
  });

  test('that fails says so by its result, or is quoted', () => {
    const args = ['-c', 'echo out; echo "why" >&2; echo "more" >&2; exit 3'];
    assert.deepEqual(tryTool('sh', args), { ok: false, code: 3, stdout: 'out\n', stderr: 'why\nmore\n' });
    assert.throws(() => runTool('sh', args), { code: 'FIREHOOK_ATTACH_TOOL', message: /sh -c .*: why \/ more;/ });
  });

  test('is quoted with the reason, which nft and tc write into the second line', () => {
    const said = (text: string): RegExp => new RegExp(`: ${text};`);
    const saying = (...lines: string[]): string[] => ['-c', 'printf "%s\\n" "$@" >&2; exit 1', 'sh', ...lines];
    assert.throws(() => runTool('sh', saying('Error: ', 'No such file or directory')), {
      message: said('Error: / No such file or directory'),
    });
    assert.throws(() => runTool('sh', saying('Error: syntax error', 'add tabel x', '    ^^^^^')), {
      message: said('Error: syntax error / add tabel x'),
    });
    assert.throws(() => runTool('sh', saying('')), { message: said('exit code 1') });
    assert.throws(() => runTool('sh', saying('x'.repeat(10_000))), { message: said(`${'x'.repeat(500)} \\.\\.\\.`) });
  });

  test('of nft is quoted whole', { skip: !existsSync('/usr/sbin/nft') && 'needs nft' }, () => {
    // The kernel is not asked: nft refuses this while it reads it.
    assert.throws(() => runTool('/usr/sbin/nft', ['-c', 'add tabel x']), {
      message: /: Error: syntax error.* \/ add tabel x;/,
    });
  });

  test('reads its input, and what it prints is returned', () => {
    assert.equal(runTool('cat', [], 'one\ntwo\n'), 'one\ntwo\n');
  });
});
