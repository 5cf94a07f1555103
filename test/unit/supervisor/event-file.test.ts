/**
 * The file for events: followed when it is renamed, renamed when it is large, opened anew when somebody says so.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Clock } from '../../../src/supervisor/clock.ts';
import { EventFile } from '../../../src/supervisor/event-file.ts';
import { waitFor } from '../../support/wait-for.ts';

/** A clock whose timers fire when the test says so. */
class HandClock implements Clock {
  #due: (() => void) | null = null;

  now(): number {
    return 0;
  }

  setTimer(callback: () => void): { cancel: () => void } {
    this.#due = callback;
    return { cancel: () => (this.#due = null) };
  }

  /** The next look, through to its end: then there is another timer. */
  async look(): Promise<void> {
    const due = this.#due;
    assert.ok(due !== null);
    this.#due = null;
    due();
    await waitFor(() => this.#due !== null, { what: 'the end of the look' });
  }
}

interface Laid {
  readonly folder: string;
  readonly file: EventFile;
  readonly clock: HandClock;
  changes: number;
}

async function lay(t: TestContext, rotation?: { octets: number; keep: number }): Promise<Laid> {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-events-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = await EventFile.open(path.join(folder, 'eve.json'), rotation);
  t.after(() => file.close());
  const laid: Laid = { folder, file, clock: new HandClock(), changes: 0 };
  file.watch(laid.clock, () => (laid.changes += 1));
  return laid;
}

function contents(folder: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(folder)
      .sort()
      .map((name) => [name, readFileSync(path.join(folder, name), 'utf8')]),
  );
}

test('a file that is large is renamed, the oldest goes, and another is written', async (t) => {
  const laid = await lay(t, { octets: 10, keep: 2 });
  const { folder, file, clock } = laid;
  for (const text of ['first file\n', 'second file\n', 'third file\n', 'few\n']) {
    writeSync(file.fd, text);
    await clock.look();
  }
  assert.deepEqual(contents(folder), {
    'eve.json': 'few\n',
    'eve.json.1': 'third file\n',
    'eve.json.2': 'second file\n',
  });
  assert.equal(laid.changes, 3);
  assert.equal(file.problem, '');
});

test('one that somebody else renamed is followed, and not renamed again', async (t) => {
  const laid = await lay(t, { octets: 10, keep: 2 });
  const { folder, file, clock } = laid;
  writeSync(file.fd, 'a large file\n');
  renameSync(path.join(folder, 'eve.json'), path.join(folder, 'old'));
  await clock.look();
  writeSync(file.fd, 'new\n');
  assert.deepEqual(contents(folder), { 'eve.json': 'new\n', old: 'a large file\n' });
  assert.equal(laid.changes, 1);
});

test('without a size it is never renamed, and opened anew when somebody says so', async (t) => {
  const laid = await lay(t);
  const { folder, file, clock } = laid;
  writeSync(file.fd, 'x'.repeat(1000));
  await clock.look();
  assert.equal(laid.changes, 0);
  file.reopen(() => (laid.changes += 1));
  await waitFor(() => laid.changes === 1, { what: 'another descriptor' });
  writeSync(file.fd, 'y');
  assert.deepEqual(contents(folder), { 'eve.json': `${'x'.repeat(1000)}y` });
});

test('a pipe without a reader, a folder and a symbolic link are no file for events, and nobody waits for them', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-events-'));
  t.after(() => rmSync(folder, { recursive: true }));
  execFileSync('mkfifo', [path.join(folder, 'pipe')]);
  symlinkSync('/dev/null', path.join(folder, 'link'));
  for (const name of ['pipe', 'link', '.'])
    await assert.rejects(EventFile.open(path.join(folder, name)), { code: 'FIREHOOK_EVENTS_FILE' });
});
