/**
 * What goes wrong with tables costs no more than the new version: a start that is refused, a builder that is killed, a lane that is replaced.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { type Daemon, startDaemon } from '../../support/daemon.ts';
import { assertAddsUp, assertPings, isReached, PATIENCE_MS, readStatus, stockHook } from '../../support/live.ts';
import { bridgeLab, type Namespace, rootOnly, waitFor } from '../../support/netns.ts';

const SERVER = '10.77.0.2';
/** Long enough to be met while it is read. */
const LONG = Array.from(
  { length: 300_000 },
  (_, index) => `32.${index >> 16}.${(index >> 8) & 255}.${index & 255}`,
).join('\n');

function start(ns: Namespace, list: string, waitUntilRunning = true): Promise<Daemon> {
  return startDaemon(
    ns,
    {
      attach: [{ bridge: ['lan0', 'wan0'] }],
      hooks: [stockHook('block-list', { table: 'blocked', match: 'destination' })],
      tables: { blocked: { file: 'blocked.txt', every: 1 } },
    },
    { files: { 'blocked.txt': list }, timeoutMs: PATIENCE_MS, waitUntilRunning },
  );
}

function replaceList(daemon: Daemon, text: string): void {
  const file = path.join(daemon.folder, 'blocked.txt');
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

/** Processes that read lists for this daemon. */
function buildersOf(daemon: Daemon): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
        return Number(parent) === daemon.pid && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('table-process');
      } catch {
        return false;
      }
    });
}

async function versionWhen(daemon: Daemon, version: number): Promise<void> {
  await waitFor(async () => (await readStatus(daemon)).tables[0]?.version === version, {
    what: `version ${version}`,
    timeoutMs: PATIENCE_MS,
  });
}

test('a list that is wrong at the start refuses the start, and nothing is left', { skip: rootOnly() }, async (t) => {
  const { ns } = await bridgeLab(t);
  const daemon = await start(ns.fw, '192.0.2.0/24\n10.0.0.1/8\n', false);
  assert.deepEqual(await daemon.exited, { code: 2, signal: null });
  assert.match(
    daemon.log,
    /"code":"FIREHOOK_TABLE_INVALID".*blocked\.txt:2: \\"10\.0\.0\.1\/8\\" has bits set after the prefix length/,
  );
  assert.doesNotMatch(await ns.fw.output('nft', ['list', 'ruleset']), /firehook/);
});

test('a process that reads a list and is killed costs a second, and the version in force stays', {
  skip: rootOnly('ping'),
}, async (t) => {
  const { ns } = await bridgeLab(t);
  const daemon = await start(ns.fw, '192.0.2.0/24\n');
  await assertPings(ns.client, SERVER);
  replaceList(daemon, `${LONG}\n${SERVER}\n`);
  const builder = await waitFor(() => buildersOf(daemon)[0], {
    what: 'the process',
    intervalMs: 5,
    timeoutMs: PATIENCE_MS,
  });
  process.kill(builder, 'SIGKILL');
  await waitFor(() => daemon.log.includes('it ended with SIGKILL'), { what: 'the warning', timeoutMs: PATIENCE_MS });
  assert.match(
    daemon.log,
    /"level":"warn".*Table blocked: cannot build a table: .*it ended with SIGKILL.*Version 1 stays in force/,
  );
  // Nothing is wrong with the list: it is read again without a change.
  await versionWhen(daemon, 2);
  assert.equal((await readStatus(daemon)).tables[0]?.lastError, null);
  await waitFor(async () => !(await isReached(ns.client, SERVER)), { what: 'the new verdict', timeoutMs: PATIENCE_MS });
  assert.deepEqual(buildersOf(daemon), []);
  assert.equal(await daemon.stop(), 0);
});

test('a lane that takes the place of another one has the version in force', { skip: rootOnly('ping') }, async (t) => {
  const { ns } = await bridgeLab(t);
  const daemon = await start(ns.fw, `${SERVER}\n`);
  assert.equal(await isReached(ns.client, SERVER), false);
  replaceList(daemon, '192.0.2.0/24\n');
  await versionWhen(daemon, 2);
  await assertPings(ns.client, SERVER);
  const { lane } = await readStatus(daemon);
  // Not -1 where there is none: that is every process there is.
  assert.ok(lane.pid !== null);
  process.kill(lane.pid, 'SIGKILL');
  const isReplaced = async () => {
    const now = await readStatus(daemon);
    return now.lane.restarts === 1 && now.lease === 'held';
  };
  await waitFor(isReplaced, { what: 'another lane', timeoutMs: PATIENCE_MS });
  await assertPings(ns.client, SERVER);
  // And follows it.
  replaceList(daemon, `${SERVER}\n`);
  await versionWhen(daemon, 3);
  await waitFor(async () => !(await isReached(ns.client, SERVER)), { what: 'the new verdict', timeoutMs: PATIENCE_MS });
  await assertAddsUp(daemon);
  assert.equal(await daemon.stop(), 0);
});
