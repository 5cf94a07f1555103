/**
 * `policy.keepSession: ssh`: the connection that the daemon was started over lives on where the hooks drop everything and where nobody runs any more;
 * another one beside it, between the same hosts and to the same port, does not.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Daemon } from '../../support/daemon.ts';
import { startDaemon } from '../../support/daemon.ts';
import { readStatus, statsWhen } from '../../support/live.ts';
import { hostLab, type RunningProcess, rootOnly, waitFor } from '../../support/netns.ts';
import { fixtureHook } from './live-host.ts';

const skip = rootOnly();
const TALK = fileURLToPath(new URL('../../support/talk.py', import.meta.url));
const PORT = 22;
const KEPT = 40_022;
const OTHER = 40_023;

const SESSIONS = {
  IPv4: {
    driver: 'afpacket',
    client: '10.78.0.2',
    server: '10.78.0.1',
    text: ['10.78.0.2:40022', '10.78.0.1:22'],
  },
  IPv6: {
    driver: 'pcap',
    client: 'fd78::2',
    server: 'fd78::1',
    text: ['[fd78::2]:40022', '[fd78::1]:22'],
  },
} as const;

/** How often a connection was answered. */
function answers(asking: RunningProcess, port: number): number {
  return asking.stdout.split(`${port} `).length - 1;
}

/** Fails unless one connection is answered on and on, and the other one is not. */
async function assertKept(asking: RunningProcess, what: string): Promise<void> {
  // What was on its way before has come by then: two seconds of words.
  const settled = answers(asking, KEPT) + 20;
  await waitFor(() => answers(asking, KEPT) >= settled, { what: `${what}: the kept connection`, timeoutMs: 20_000 });
  const other = answers(asking, OTHER);
  const next = answers(asking, KEPT) + 20;
  await waitFor(() => answers(asking, KEPT) >= next, { what: `${what}: the kept connection`, timeoutMs: 20_000 });
  assert.equal(answers(asking, OTHER), other, what);
}

async function killWithItsLane(daemon: Daemon): Promise<void> {
  const { lane } = await readStatus(daemon);
  await daemon.kill9();
  for (const pid of lane.pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has noticed by itself.
    }
  }
}

for (const [family, { driver, client, server, text }] of Object.entries(SESSIONS)) {
  test(`the SSH session outlives hooks that drop everything, and the daemon: ${family}, ${driver}`, {
    skip,
  }, async (t) => {
    const { ns } = await hostLab(t);
    const answering = ns.host.spawn('python3', [TALK, 'answer', server, String(PORT)]);
    await waitFor(() => answering.stdout.includes('ready'), { what: 'who answers' });
    const asking = ns.peer.spawn('python3', [TALK, 'ask', server, String(PORT), String(KEPT), String(OTHER)]);
    await waitFor(() => answers(asking, KEPT) > 2 && answers(asking, OTHER) > 2, { what: 'both connections' });
    const daemon = await startDaemon(
      ns.host,
      {
        attach: [{ host: 'eth0' }],
        driver,
        hooks: [fixtureHook('drop-everything')],
        policy: { onDown: 'drop', keepSession: 'ssh' },
      },
      { env: { SSH_CONNECTION: `${client} ${KEPT} ${server} ${PORT}` } },
    );
    await statsWhen(daemon, 'the other connection at the hooks', ({ total }) => total.received > 0);
    await assertKept(asking, 'while the hooks drop everything');

    const { keptSession } = await readStatus(daemon);
    assert.deepEqual([keptSession?.client, keptSession?.server], text);
    assert.ok((keptSession?.framesIn ?? 0) > 20 && (keptSession?.framesOut ?? 0) > 20, JSON.stringify(keptSession));
    assert.match((await daemon.cli('status')).stdout.replaceAll(/\s+/g, ' '), /does NOT meet the hooks: \d+ frames in/);
    assert.match(daemon.log, /does not meet the hooks/);
    // Told by both addresses and both ports, each way: in the words of nft.
    const listed = await ns.host.output('nft', ['list', 'ruleset', 'netdev']);
    const [ip, next] = family === 'IPv4' ? ['ip', 'protocol'] : ['ip6', 'nexthdr'];
    const rule = (from: string, fromPort: number, to: string, toPort: number): string =>
      `${ip} saddr ${from} ${ip} ${next} tcp ${ip} daddr ${to} tcp sport ${fromPort} tcp dport ${toPort} counter name`;
    for (const expected of [
      `meta pkttype host ${rule(client, KEPT, server, PORT)} "kept_in" meta priority set`,
      `${rule(server, PORT, client, KEPT)} "kept_out" accept`,
    ])
      assert.ok(listed.includes(expected), `${expected}\n${listed}`);

    await killWithItsLane(daemon);
    await assertKept(asking, 'while nobody runs');
  });
}

test('without a session nothing is kept, and that is said', { skip }, async (t) => {
  const { ns } = await hostLab(t);
  const daemon = await startDaemon(
    ns.host,
    { attach: [{ host: 'eth0' }], hooks: [fixtureHook('drop-everything')], policy: { keepSession: 'ssh' } },
    { env: { SSH_CONNECTION: '10.78.0.2 40022 10.78.0.1 22' } },
  );
  assert.equal((await readStatus(daemon)).keptSession, null);
  assert.match(daemon.log, /keepSession: ssh keeps nothing: .*No connection is exempt/);
});
