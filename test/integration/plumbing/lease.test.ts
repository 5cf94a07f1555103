/**
 * The lease over the whole plumbing of a host: what happens to traffic while it is held, and when it ends.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SEND_GROUP } from '../../../src/drivers/effective-group.ts';
import type { LeaseState } from '../../../src/plumbing/contract.ts';
import type { Detour } from '../../../src/plumbing/tables.ts';
import { createLab, rootOnly, waitFor } from '../../support/netns.ts';
import { RemotePlumbing } from './remote-plumbing.ts';

const LANE = fileURLToPath(new URL('echo-lane.py', import.meta.url));

async function lab(t: TestContext) {
  const { ns } = await createLab(t, {
    namespaces: { fw: {}, client: {} },
    links: [
      [
        { in: 'fw', name: 'eth0', addresses: ['10.77.0.1/24', 'fd77::1/64'] },
        { in: 'client', name: 'eth0', addresses: ['10.77.0.2/24', 'fd77::2/64'] },
      ],
    ],
  });
  const plumbing = new RemotePlumbing(ns.fw, 'host-by-group', 'eth0');
  return { ...ns, plumbing };
}

async function startLane({ fw, plumbing }: Awaited<ReturnType<typeof lab>>) {
  const [inbound, outbound] = await plumbing.call<Detour[]>({ method: 'detours' });
  assert.ok(inbound !== undefined && outbound !== undefined);
  const lane = fw.spawn('python3', [LANE, `${SEND_GROUP}`, inbound.far.name, outbound.far.name, 'eth0']);
  await waitFor(() => lane.stdout.includes('ready') || !lane.isRunning, { what: 'the lane' });
  assert.ok(lane.isRunning, lane.stderr);
  return lane;
}

test('with the lease held all traffic of a host goes through the detours, and without it where onDown says', {
  skip: rootOnly('ping'),
}, async (t) => {
  const net = await lab(t);
  const { client, fw, plumbing } = net;
  await plumbing.attach('drop');
  const lane = await startLane(net);
  const ping = async (...args: string[]) =>
    (await client.run('ping', ['-c', '3', '-i', '0.2', '-W', '1', ...args])).stdout;
  assert.match(await ping('10.77.0.1'), / 0 received/, 'onDown: drop before the first lease');

  await plumbing.call({ method: 'hold', isHeld: true });
  await waitFor(async () => (await plumbing.call<LeaseState>({ method: 'state' })).held, { what: 'the lease' });
  assert.match(await ping('10.77.0.1'), / 3 received/);
  assert.match(await ping('-6', 'fd77::1'), / 3 received/);
  assert.doesNotMatch(await ping('10.77.0.1'), /DUP/);
  assert.match((await fw.run('ping', ['-c', '2', '-W', '1', '10.77.0.2'])).stdout, / 2 received/);
  const counters = await plumbing.call<Record<string, { stolen: number; offered: number; unhooked: number }>>({
    method: 'counters',
  });
  for (const [key, { stolen, offered, unhooked }] of Object.entries(counters)) {
    assert.ok(stolen >= 10 && offered >= stolen, `${key}: ${stolen}, ${offered}`);
    assert.equal(unhooked, 0, key);
  }
  assert.deepEqual(await plumbing.inspect(), [], 'a renewal is no damage');
  assert.deepEqual(await plumbing.call({ method: 'probe' }), [], 'a probe comes through each detour');

  await lane.stop();
  const lost = await plumbing.call<{ text: string }[]>({ method: 'probe' });
  assert.equal(lost.length, 2, 'without a lane no probe comes through');

  await plumbing.call({ method: 'hold', isHeld: false });
  assert.equal((await plumbing.call<LeaseState>({ method: 'state' })).held, false);
  await plumbing.call({ method: 'protect', onDown: 'forward', tolerated: [] });
  assert.match(await ping('10.77.0.1'), / 3 received/, 'onDown: forward');
});

test('the lease of a killed daemon lapses by itself, and onDown decides', { skip: rootOnly('ping') }, async (t) => {
  const net = await lab(t);
  const { client, plumbing } = net;
  await plumbing.attach('forward');
  await startLane(net);
  await plumbing.call({ method: 'hold', isHeld: true });
  await waitFor(async () => (await plumbing.call<LeaseState>({ method: 'state' })).held, { what: 'the lease' });
  await plumbing.kill();
  // The detours go on working for as long as the lease lasts; then the chains let the frames in themselves.
  const list = async () => (await net.fw.output('nft', ['list', 'ruleset'])).includes('elements');
  await waitFor(async () => !(await list()), { what: 'the lease to lapse', timeoutMs: 30_000 });
  assert.match((await client.run('ping', ['-c', '2', '-W', '1', '10.77.0.1'])).stdout, / 2 received/);
});

test('what this host sends to a group comes back to its own listeners', { skip: rootOnly() }, async (t) => {
  const { fw, plumbing } = await lab(t);
  await plumbing.attach('drop');
  const script = [
    'import socket, sys',
    'def hear(port): s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", port)); s.settimeout(5); return s',
    'group = hear(7001); group.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("224.0.0.77") + socket.inet_aton("10.77.0.1"))',
    'everybody = hear(7002)',
    'out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)',
    'out.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)',
    'out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("10.77.0.1"))',
    'out.sendto(b"m", ("224.0.0.77", 7001)); out.sendto(b"b", ("10.77.0.255", 7002))',
    'print(group.recv(9), everybody.recv(9))',
  ];
  assert.equal(await fw.output('python3', ['-c', script.join('\n')]), "b'm' b'b'\n");
});
