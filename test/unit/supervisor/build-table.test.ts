/**
 * Building a table as another user: the real process, started by the real launcher as root, over good lists and hostile ones.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { PrefixTable } from '../../../src/prefix/prefix-table.ts';
import type { BuildTableOptions } from '../../../src/supervisor/build-table.ts';
import { parseAddress } from '../../../src/wire/address.ts';
import { waitFor } from '../../support/wait-for.ts';
import { addressOf } from '../prefix/prefix-rig.ts';

// The build: Landlock, and the folders that a user may not enter, are the launcher's business for what is built only.
const built = new URL('../../../dist/supervisor/build-table.js', import.meta.url).href;
const { buildTable } = (await import(built)) as typeof import('../../../src/supervisor/build-table.ts');

/** Nobody has this number, so that its processes are those of these tests. */
const USER = { name: 'fh-tables', uid: 47_112, gid: 47_112 };
const skip = process.getuid?.() === 0 ? false : 'needs root: it becomes another user';

const asUser = (file: string, options: Partial<BuildTableOptions> = {}, values?: Record<string, number>) =>
  buildTable({ file, every: 0, values }, { user: USER, isRequired: true, ...options });

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-tables-'));
  t.after(() => rmSync(folder, { recursive: true }));
  chmodSync(folder, 0o755);
  return folder;
}

function listFor(t: TestContext, text: string, mode = 0o644): string {
  const file = path.join(folderFor(t), 'list');
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}

function valueIn(memory: ArrayBuffer, address: string): number {
  return new PrefixTable(memory).lookup(addressOf(parseAddress(address) as Uint8Array));
}

/** Waits until the user has no process any more. */
async function nobodyIsLeft(): Promise<void> {
  const processes = () =>
    spawnSync('ps', ['-o', 'pid=', '-u', `${USER.uid}`])
      .stdout.toString()
      .trim();
  await waitFor(() => processes() === '', { what: 'the end of the processes' });
}

describe('a list', { skip }, () => {
  test('is read by the user, and comes back as a table', async (t) => {
    const lines = Array.from({ length: 50_000 }, (_, index) => `10.${index >> 8}.${index & 255}.0/24 ${index + 1}`);
    const file = listFor(t, `${lines.join('\n')}\n2001:db8::/32 7\n`);
    const { memory, entries, unused } = await asUser(file);
    assert.deepEqual([entries, unused], [50_001, []]);
    assert.deepEqual(
      ['10.0.0.1', '10.195.79.255', '10.195.80.0', '2001:db8::1'].map((address) => valueIn(memory, address)),
      [1, 50_000, 0, 7],
    );
    await nobodyIsLeft();
  });

  test('may have words, of which those that no line has are named', async (t) => {
    const file = listFor(t, '192.0.2.0/24,DE\n198.51.100.0/24,FR\n');
    const { memory, unused } = await asUser(file, {}, { DE: 5, XX: 6, 'Y\u001b[2J': 7 });
    assert.deepEqual(
      ['192.0.2.1', '198.51.100.1'].map((address) => valueIn(memory, address)),
      [5, 0],
    );
    assert.deepEqual(unused, ['XX', 'Y\\x1b[2J']);
  });

  test('is refused with file and line, in words that a terminal can show', async (t) => {
    const file = listFor(t, '192.0.2.0/24\n\u001b[31m10.0.0.0/8\n');
    await assert.rejects(asUser(file), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'FIREHOOK_TABLE_INVALID');
      assert.ok(error.message.includes(`${file}:2: `), error.message);
      assert.ok(!error.message.includes('\u001b'));
      return true;
    });
    await nobodyIsLeft();
  });

  test('that only root may read is not read; in a folder that the user may not enter it is', async (t) => {
    const secret = listFor(t, '192.0.2.0/24\n', 0o600);
    await assert.rejects(asUser(secret), {
      code: 'FIREHOOK_TABLE_UNREADABLE',
      message: new RegExp(`${secret}: the user fh-tables may not read it; chmod o\\+r ${secret}$`),
    });
    const folder = folderFor(t);
    const closed = path.join(folder, 'closed');
    mkdirSync(closed, { mode: 0o700 });
    writeFileSync(path.join(closed, 'list'), '192.0.2.0/24\n');
    chmodSync(path.join(closed, 'list'), 0o644);
    assert.equal(valueIn((await asUser(path.join(closed, 'list'))).memory, '192.0.2.1'), 1);
  });

  test('that is none is refused, and nothing is waited for', async (t) => {
    const folder = folderFor(t);
    execFileSync('mkfifo', ['-m', '644', path.join(folder, 'pipe')]);
    symlinkSync('/dev/zero', path.join(folder, 'zero'));
    symlinkSync('/etc/shadow', path.join(folder, 'shadow'));
    symlinkSync('loop', path.join(folder, 'loop'));
    for (const [name, words] of [
      ['pipe', /pipe: not a regular file/],
      ['zero', /zero: (not a regular file|the user fh-tables may not read it)/],
      ['shadow', /shadow: the user fh-tables may not read it/],
      ['missing', /missing: ENOENT/],
      ['.', /not a regular file/],
    ] as const) {
      await assert.rejects(asUser(path.join(folder, name)), { code: 'FIREHOOK_TABLE_UNREADABLE', message: words });
    }
    await assert.rejects(asUser(path.join(folder, 'loop')), /ELOOP|Too many levels/);
    await nobodyIsLeft();
  });

  test('without an end costs the process that reads it, and no more', async (t) => {
    const file = path.join(folderFor(t), 'holes');
    writeFileSync(file, '192.0.2.1\n');
    truncateSync(file, 2 ** 40);
    await assert.rejects(asUser(file), { message: /holes:2: the line has more than 1024 octets/ });
  });

  test('that takes too long, or is not wanted any more, costs the process', async (t) => {
    const file = listFor(t, '0.0.0.1-255.255.255.254\n'.repeat(60_000));
    await assert.rejects(asUser(file, { limitMs: 300 }), {
      code: 'FIREHOOK_TABLE_BUILD',
      message: `cannot build a table: ${file}: the process that builds it: not done after 0.3 s; it was killed`,
    });
    const ending = new AbortController();
    const given = asUser(file, { signal: ending.signal });
    ending.abort();
    await assert.rejects(given, { code: 'FIREHOOK_TABLE_BUILD', message: /it was told to end/ });
    await assert.rejects(asUser(file, { signal: ending.signal }), { message: /it was told to end/ });
    await nobodyIsLeft();
  });

  test('is read in this process by who is not root', async (t) => {
    const file = listFor(t, '192.0.2.0/24 9\n');
    assert.equal(valueIn((await asUser(file, { user: null })).memory, '192.0.2.1'), 9);
    await assert.rejects(asUser(`${file}.none`, { user: null }), { code: 'FIREHOOK_TABLE_UNREADABLE' });
  });
});
