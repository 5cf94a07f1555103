/**
 * Locks of ports: one holder, also within the same process, and only in a folder that belongs to its user alone.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { isPortHeld, PortLocks, takeNamespaceLock } from '../../../src/plumbing/port-locks.ts';

function folderOf(t: TestContext): string {
  const base = mkdtempSync(path.join(os.tmpdir(), 'firehook-locks-'));
  t.after(() => rmSync(base, { recursive: true }));
  return path.join(base, 'lock');
}

const PORT = { ifindex: 7, name: 'eth0' };

test('a port has one holder until it is given back', (t) => {
  const folder = folderOf(t);
  assert.equal(isPortHeld(7, folder), false, 'before anybody was there');
  const locks = new PortLocks(folder);
  locks.lock(PORT);
  locks.lock(PORT);
  assert.equal(isPortHeld(7, folder), true);
  assert.equal(isPortHeld(8, folder), false);
  assert.throws(() => new PortLocks(folder).lock(PORT), { code: 'FIREHOOK_ATTACH_BUSY', interfaceName: 'eth0' });
  locks.unlock(7);
  locks.unlock(7);
  const others = new PortLocks(folder);
  others.lock(PORT);
  others.unlockAll();
  assert.equal(isPortHeld(7, folder), false);
});

test('a lock of the namespace is taken once', (t) => {
  const folder = folderOf(t);
  assert.ok(takeNamespaceLock('fanout-3', folder) >= 0);
  assert.equal(takeNamespaceLock('fanout-3', folder), -1);
  assert.ok(takeNamespaceLock('fanout-4', folder) >= 0);
});

test('a folder that others can write to, or that is a link, is refused', (t) => {
  const folder = folderOf(t);
  new PortLocks(folder).lock(PORT);
  chmodSync(folder, 0o770);
  assert.throws(() => new PortLocks(folder).lock({ ifindex: 9, name: 'eth9' }), /eth9.*not its own/);
  const link = `${folder}-link`;
  symlinkSync(folder, link);
  chmodSync(folder, 0o700);
  assert.throws(() => new PortLocks(link).lock({ ifindex: 9, name: 'eth9' }), /not its own/);
});
