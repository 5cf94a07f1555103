/**
 * Promise: a cgroup for lanes is made where firehookd may make one, and nowhere else, whatever /proc says.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { findOwnCgroup, LaneCgroups, type OwnCgroup } from '../../../src/supervisor/lane-cgroups.ts';

const UNIT = '/system.slice/firehook.service';
const WHOLE = '30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate';
const READ_ONLY = '30 23 0:26 / /sys/fs/cgroup ro,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate';
const ONLY_UNIT = `31 30 0:26 ${UNIT} /sys/fs/cgroup${UNIT} rw shared:9 - cgroup2 cgroup2 rw`;
const OTHER_UNIT = '32 30 0:26 /system.slice/firehook /sys/fs/cgroup/system.slice/firehook rw - cgroup2 cgroup2 rw';
const VERSION_1 = '33 23 0:27 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids';
const HYBRID = '34 23 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw';

/** What is found, by what the two files of /proc say; `delegated`: folders that carry the mark. */
function find(membership: string, mounts: readonly string[], delegated: readonly string[] = []): OwnCgroup {
  const files = new Map([
    ['/proc/self/cgroup', `${membership}\n`],
    ['/proc/self/mountinfo', `${mounts.join('\n')}\n`],
  ]);
  return findOwnCgroup(
    (file) => files.get(file) ?? assert.fail(file),
    (folder) => delegated.includes(folder),
  );
}

describe('the cgroup of this process', () => {
  const unit = `/sys/fs/cgroup${UNIT}`;

  test('is used where it was delegated', () => {
    const found = { folder: unit, isDelegated: true, reason: '' };
    assert.deepEqual(find(`0::${UNIT}`, [WHOLE], [unit]), found);
    assert.deepEqual(find(`0::${UNIT}`, [READ_ONLY, ONLY_UNIT], [unit]), found);
    assert.deepEqual(find(`0::${UNIT}`, [ONLY_UNIT, READ_ONLY, OTHER_UNIT], [unit]), found);
    assert.deepEqual(find(`8:pids:/x\n0::${UNIT}`, [VERSION_1, WHOLE], [unit]), found);
  });

  test('is used where it is the root', () => {
    assert.deepEqual(find('0::/', [WHOLE]), { folder: '/sys/fs/cgroup', isDelegated: false, reason: '' });
    const hybrid = { folder: '/sys/fs/cgroup/unified', isDelegated: false, reason: '' };
    assert.deepEqual(find('3:pids:/x\n0::/', [VERSION_1, HYBRID]), hybrid);
    // The mount of a container shows its own cgroup as the root.
    assert.equal(find('0::/', [`9 8 0:26 / /a\\040b rw - cgroup2 cgroup rw`]).folder, '/a b');
  });

  for (const [what, membership, mounts, reason] of [
    ['belongs to another program', `0::${UNIT}`, [WHOLE], /firehook\.service was not delegated .*Delegate=pids memory/],
    [
      'is that of a login',
      '0::/user.slice/user-0.slice/session-3.scope',
      [WHOLE],
      /session-3\.scope was not delegated/,
    ],
    ['has version 1 only', '4:pids:/x', [VERSION_1], /no cgroup v2 here/],
    ['is mounted nowhere', `0::${UNIT}`, [VERSION_1], /no cgroup v2 is mounted/],
    ['is beside what is mounted', '0::/other.slice', [ONLY_UNIT], /no cgroup v2 is mounted/],
    ['is not below a name that begins the same', `0::/system.slice/firehooks`, [OTHER_UNIT], /no cgroup v2 is mounted/],
    ['is outside of the namespace', '0::/../..', [WHOLE], /outside of the cgroup namespace/],
    ['cannot be read', '', [], /no cgroup v2 here/],
  ] as const) {
    test(`is left alone where it ${what}`, () => {
      const found = find(membership, mounts);
      assert.equal(found.folder, null);
      assert.match(found.reason, reason);
    });
  }
});

/** A folder that looks like a cgroup: what is not in it the kernel has not enabled. */
function lookalike(controllers: string): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-cgroup-'));
  writeFileSync(path.join(folder, 'cgroup.controllers'), `${controllers}\n`);
  writeFileSync(path.join(folder, 'cgroup.subtree_control'), '');
  writeFileSync(path.join(folder, 'cgroup.procs'), '');
  return folder;
}

describe('the cgroups of lanes', () => {
  test('in a delegated one get the controllers that are there, and no other', (t) => {
    for (const [controllers, enabled] of [
      ['cpu memory pids', '+pids +memory'],
      ['pids', '+pids'],
      ['cpu', ''],
    ] as const) {
      const folder = lookalike(controllers);
      t.after(() => rmSync(folder, { recursive: true }));
      const cgroups = new LaneCgroups({ folder, isDelegated: true, reason: '' });
      assert.equal(cgroups.reason, '');
      assert.equal(readFileSync(path.join(folder, 'cgroup.subtree_control'), 'utf8'), enabled);
      assert.equal(path.relative(folder, cgroups.make(64)?.folder ?? ''), 'lane-1');
      assert.equal(path.relative(folder, cgroups.make(64)?.folder ?? ''), 'lane-2');
      assert.ok(existsSync(path.join(folder, 'supervisor')));
    }
  });

  test('in the root change nothing for others, and are those of this daemon', (t) => {
    const folder = lookalike('pids memory');
    t.after(() => rmSync(folder, { recursive: true }));
    const cgroups = new LaneCgroups({ folder, isDelegated: false, reason: '' }, 77);
    const lane = cgroups.make(64);
    assert.deepEqual(readdirSync(folder).sort(), [
      'cgroup.controllers',
      'cgroup.procs',
      'cgroup.subtree_control',
      'firehook-77-lane-1',
    ]);
    assert.equal(readFileSync(path.join(folder, 'cgroup.subtree_control'), 'utf8'), '');
    lane?.remove();
    assert.ok(!existsSync(path.join(folder, 'firehook-77-lane-1')));
  });

  test('of daemons that are gone are removed, those of others stay', (t) => {
    const folder = lookalike('');
    t.after(() => rmSync(folder, { recursive: true }));
    const gone = 2 ** 22 + 1;
    const names = [`firehook-${gone}-lane-1`, `firehook-${process.pid}-lane-1`, 'firehook-x-lane-1', 'system.slice'];
    for (const name of names) mkdirSync(path.join(folder, name));
    new LaneCgroups({ folder, isDelegated: false, reason: '' });
    const left = readdirSync(folder).filter((name) => !name.startsWith('cgroup.'));
    assert.deepEqual(left.sort(), names.slice(1).sort());
  });

  test('are not there where their folder is gone or cannot be written, and the reason is said', (t) => {
    const folder = lookalike('');
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const cgroups = new LaneCgroups({ folder, isDelegated: false, reason: '' });
    rmSync(folder, { recursive: true });
    assert.equal(cgroups.make(64), null);
    const late = new LaneCgroups({ folder, isDelegated: true, reason: '' });
    assert.match(late.reason, /ENOENT/);
    assert.equal(late.make(64), null);
    const none = new LaneCgroups({ folder: null, isDelegated: false, reason: 'there is none' });
    assert.equal(none.reason, 'there is none');
    assert.equal(none.make(64), null);
  });
});
