/**
 * `firehook selftest`: every trial in every set-up is seen, nothing stays behind, and who is not root hears why not.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { TRIALS } from '../../../src/cli/selftest/trials.ts';
import type { SelftestReport } from '../../../src/cli/selftest.ts';
import { rootOnly } from '../../support/netns.ts';
import { AS_NOBODY } from '../../support/nobody.ts';
import { finish, startProcess } from '../../support/processes.ts';

const FIREHOOK = fileURLToPath(new URL('../../../bin/firehook', import.meta.url));
const TIMEOUT_MS = 300_000;
const NAME = 'firehook-selftest-';

test('every trial is seen with both drivers, in a bridge and on a host, and nothing stays behind', {
  skip: rootOnly(),
}, async () => {
  const running = startProcess(process.execPath, [FIREHOOK, 'selftest', '--json']);
  const { code, stdout, stderr } = await finish(running, TIMEOUT_MS);
  assert.equal(code, 0, stdout + stderr);
  const { ok, rows } = JSON.parse(stdout) as SelftestReport;
  assert.equal(ok, true);
  const names = ['firehookd starts, and has proven its interception', ...TRIALS.map(({ name }) => name)];
  const setUps = ['bridge pcap', 'bridge afpacket', 'host pcap', 'host afpacket'];
  assert.deepEqual(
    rows.map(({ attach, driver, name }) => `${attach} ${driver}: ${name}`),
    setUps.flatMap((setUp) => names.map((name) => `${setUp}: ${name}`)),
  );
  const own = `${NAME}${running.pid}-`;
  assert.doesNotMatch(spawnSync('ip', ['netns', 'list'], { encoding: 'utf8' }).stdout, new RegExp(own));
  assert.deepEqual(
    readdirSync(tmpdir()).filter((name) => name.startsWith(own)),
    [],
  );
});

test('without root it says so, with the exit code for that', { skip: rootOnly() }, () => {
  const { status, stderr } = spawnSync('setpriv', [...AS_NOBODY, process.execPath, FIREHOOK, 'selftest'], {
    encoding: 'utf8',
  });
  assert.equal(status, 4);
  assert.match(stderr, /\[FIREHOOK_PERMISSION\]: not permitted: selftest makes network namespaces/);
});
