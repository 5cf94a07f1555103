/**
 * Locks of ports: one holder, also within the same process, and only in a folder that belongs to its user alone.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
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
const OTHER = { ifindex: 9, name: 'eth9' };

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

test('a folder that others can write to, or whose own folder they can write to, is refused', (t) => {
  const folder = folderOf(t);
  new PortLocks(folder).lock(PORT);
  for (const [changed, mode] of [
    [folder, 0o770],
    [folder, 0o1777],
    [path.dirname(folder), 0o770],
  ] as const) {
    const before = statSync(changed).mode;
    chmodSync(changed, mode);
    assert.throws(() => new PortLocks(folder).lock(OTHER), {
      code: 'FIREHOOK_ATTACH_KERNEL',
      message: new RegExp(`"eth9".*others have rights in ${changed} \\(mode ${mode.toString(8).padStart(4, '0')}\\)`),
    });
    chmodSync(changed, before);
  }
  new PortLocks(folder).lock(OTHER);
});

test('a link, a file, and a folder of somebody else in its place are refused and named', (t) => {
  const folder = folderOf(t);
  symlinkSync(os.tmpdir(), folder);
  assert.throws(() => new PortLocks(folder).lock(OTHER), /lock is a symbolic link.*belongs to root alone/);
  rmSync(folder);
  writeFileSync(folder, '');
  assert.throws(() => new PortLocks(folder).lock(OTHER), /lock is no folder/);
  rmSync(folder);
  if (process.getuid?.() !== 0) return;
  mkdirSync(folder, { mode: 0o700 });
  chownSync(folder, 65534, 65534);
  assert.throws(() => new PortLocks(folder).lock(OTHER), /lock belongs to user 65534/);
});
