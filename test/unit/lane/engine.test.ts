/**
 * What a lane asks of the engine: that it is understood.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ENGINE = fileURLToPath(new URL('../../../src/lane/engine.ts', import.meta.url));

test('the engine knows the flag of a lane, and says nothing', () => {
  const text = `import { widenInlining } from ${JSON.stringify(ENGINE)}; widenInlining(); console.log('set');`;
  const args = ['--import', 'tsx', '--input-type=module', '-e', text];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  assert.deepEqual([status, stdout, stderr], [0, 'set\n', '']);
});
