/**
 * Locks, live: a stranger cannot hold one, a killed run leaves none, and a folder that is not root's own is refused.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startDaemon } from '../../support/daemon.ts';
import { assertPings, PATIENCE_MS, stockHook } from '../../support/live.ts';
import { hostLab, type Namespace, type Result, rootOnly, waitFor } from '../../support/netns.ts';
import { FIREHOOKD, lanesOf, writeConfig } from './attack.ts';

const HOST = '10.78.0.1';
const CONFIG = { attach: [{ host: 'eth0' }], hooks: [stockHook('pass-all')] };
const LOCKS = '/run/firehook/lock';

/** As nobody: holds the abstract names of old, and tries to hold the files of today. */
const STRANGER = `
import os, socket, time
space = os.stat("/proc/self/ns/net").st_ino
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
held = []
for number in range(1, 200):
    s = socket.socket(socket.AF_UNIX)
    s.bind("\\0firehook/%d" % number)
    s.listen(1)
    held.append(s)
for what in ("%d-%d" % (space, number) for number in range(1, 9)):
    try: held.append(os.open("${LOCKS}/" + what, os.O_RDWR | os.O_CREAT)); print("OPENED", what)
    except OSError as error: print("refused", error.errno)
print("ready", flush=True)
time.sleep(600)`;

test('a stranger that holds every name it can neither hinders a start nor an --undo', {
  skip: rootOnly('ping'),
}, async (t) => {
  const { ns } = await hostLab(t);
  const first = await startDaemon(ns.host, CONFIG);
  assert.equal(await first.stop(), 0);
  const stranger = ns.host.spawn('python3', ['-c', STRANGER]);
  await waitFor(() => stranger.stdout.includes('ready'), { what: 'the stranger', timeoutMs: PATIENCE_MS });
  assert.doesNotMatch(stranger.stdout, /OPENED/);
  assert.equal(stranger.stdout.match(/refused 13/g)?.length, 8);
  const daemon = await startDaemon(ns.host, CONFIG);
  await lanesOf(daemon, 1);
  await assertPings(ns.peer, HOST);
  await daemon.kill9();
  const undone = await ns.host.run(FIREHOOKD, ['-c', daemon.configFile, '--undo']);
  assert.equal(undone.code, 0, undone.stderr);
  assert.match(undone.stdout, /Took back eth0\./);
});

test('a second daemon on a port is refused, and what a killed one left is no obstacle', {
  skip: rootOnly('ping'),
}, async (t) => {
  const { ns } = await hostLab(t);
  const daemon = await startDaemon(ns.host, CONFIG);
  const { file } = await writeConfig(ns.host, CONFIG);
  for (const more of [[], ['--undo']]) {
    const refused = await ns.host.run(FIREHOOKD, ['-c', file, ...more]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /already attached: \\?"eth0\\?": another firehookd is attached to it/);
  }
  await assertPings(ns.peer, HOST);
  await daemon.kill9();
  const next = await startDaemon(ns.host, CONFIG);
  await assertPings(ns.peer, HOST);
  assert.equal(await next.stop(), 0);
});

/** Starts a daemon where /run is what `prepare` makes of an empty file system, seen by nobody else. */
async function startUnder(
  t: TestContext,
  prepare: string,
): Promise<{ readonly ns: Namespace; readonly result: Result }> {
  const { ns } = await hostLab(t);
  const { file } = await writeConfig(ns.host, CONFIG);
  const script = `mount -t tmpfs -o size=1m,nr_inodes=\${3:-100} none /run && ${prepare} && exec "$1" -c "$2"`;
  return { ns: ns.host, result: await ns.host.run('unshare', ['-m', 'sh', '-c', script, 'start', FIREHOOKD, file]) };
}

for (const [what, prepare, reason] of [
  ['a symbolic link', `mkdir -p /run/firehook /run/other && ln -s /run/other ${LOCKS}`, /lock is a symbolic link/],
  [
    "somebody else's",
    `mkdir -p -m 755 ${LOCKS} && chmod 700 ${LOCKS} && chown 65534 ${LOCKS}`,
    /lock belongs to user 65534/,
  ],
  ['open to others', `mkdir -p ${LOCKS} && chmod 1777 ${LOCKS}`, /others have rights in .*lock \(mode 1777\)/],
  [
    'in a folder of somebody else',
    'mkdir /run/firehook && chown 65534 /run/firehook',
    /firehook belongs to user 65534/,
  ],
  ['a file', `mkdir /run/firehook && touch ${LOCKS}`, /lock is no folder/],
  [
    'not to be made, because /run is full',
    'i=0; while mkdir /run/$i 2>/dev/null; do i=$((i+1)); done',
    /no space left|ENOSPC/i,
  ],
] as const) {
  test(`a folder of locks that is ${what} is refused in one line that says so`, {
    skip: rootOnly('unshare'),
  }, async (t) => {
    const { ns, result } = await startUnder(t, prepare);
    assert.equal(result.code, 1, result.stderr);
    const said = result.stderr.split('\n').filter((line) => !line.startsWith('{"level":"warn"') && line !== '');
    assert.equal(said.length, 1, result.stderr);
    assert.match(said[0] ?? '', reason);
    assert.match(said[0] ?? '', /belongs to root alone/);
    assert.equal((await ns.output('nft', ['list', 'tables'])).trim(), '');
  });
}
