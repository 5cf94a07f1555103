/**
 * Waiting: what a failed test will say depends on it.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { waitFor } from '../../support/wait-for.ts';

test('returns the first value that is there, and counts 0 and the empty string as there', async () => {
  const values = [undefined, null, false, 0, 1];
  assert.equal(await waitFor(() => values.shift(), { what: 'a value', intervalMs: 1 }), 0);
  assert.equal(await waitFor(() => '', { what: 'a text' }), '');
});

test('asks again after an error, and fails with what it waited for and the last error', async () => {
  const error = new Error('not yet');
  let asked = 0;
  const predicate = () => {
    asked += 1;
    throw error;
  };
  await assert.rejects(waitFor(predicate, { what: 'the moon', timeoutMs: 30, intervalMs: 1 }), {
    message: 'waited 30 ms for the moon',
    cause: error,
  });
  assert.ok(asked > 1);
});
