/**
 * The lock of a port: one daemon a port, and nothing to clean up.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isFirehookError } from '../../../src/errors.ts';
import { lockPort } from '../../../src/plumbing/attach-lock.ts';
import { waitFor } from '../../support/wait-for.ts';

/** An ifindex no interface has: they count up from 1. */
const IFINDEX = 0x40000000 + (process.pid & 0xffffff);

test('a port is locked once, is refused again and again, and is free after release', async () => {
  const lock = await lockPort(IFINDEX, 'eth7');
  try {
    assert.equal(lock.ifindex, IFINDEX);
    for (const _ of [1, 2]) {
      await assert.rejects(lockPort(IFINDEX, 'eth7'), (error) => {
        assert.ok(isFirehookError(error));
        assert.deepEqual([error.code, error.interfaceName], ['FIREHOOK_ATTACH_BUSY', 'eth7']);
        assert.match(error.message, /"eth7": another firehookd/);
        return true;
      });
    }
    const other = await lockPort(IFINDEX + 1, 'eth8');
    other.release();
  } finally {
    lock.release();
  }
  const again = await waitFor(() => lockPort(IFINDEX, 'eth7'), { what: 'the lock to be free' });
  again.release();
});
