/**
 * The system tools that plumbing runs: what one that is missing, fails or hangs is called.
 *
 * @module
 */

import assert from 'node:assert/strict';
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
      message: /sleep 60: not done after 0\.05 s; try again/,
    });
  });

  test('that fails says so by its result, or is quoted', () => {
    const args = ['-c', 'echo out; echo "why" >&2; echo "more" >&2; exit 3'];
    assert.deepEqual(tryTool('sh', args), { ok: false, stdout: 'out\n', stderr: 'why\nmore\n' });
    assert.throws(() => runTool('sh', args), { code: 'FIREHOOK_ATTACH_TOOL', message: /sh -c .*: why;/ });
  });

  test('reads its input, and what it prints is returned', () => {
    assert.equal(runTool('cat', [], 'one\ntwo\n'), 'one\ntwo\n');
  });
});
