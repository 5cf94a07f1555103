/**
 * The labs themselves: what every other root test takes for granted.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { sendFrames, sendUdpSuperDatagram, startCapture } from '../../support/frames.ts';
import { bridgeLab, createLab, hostLab, rootOnly, routerLab, waitFor } from '../../support/netns.ts';

const skip = rootOnly('ping');

/** Destination and source address of crafted frames; the type is one for local experiments (IEEE 802). */
const ADDRESSES = '020000000102020000000101';
const EXPERIMENTAL = 0x88b5;

function namespacesOf(pid: number | undefined): string[] {
  const { stdout } = spawnSync('ip', ['netns', 'list'], { encoding: 'utf8' });
  return stdout.split('\n').filter((line) => line.startsWith(`fht-${pid}-`));
}

test('joins two hosts over IPv4 and IPv6 without waiting for address detection', { skip }, async (t) => {
  const { ns } = await hostLab(t);
  await ns.peer.output('ping', ['-c', '1', '-W', '2', '10.78.0.1']);
  await ns.peer.output('ping', ['-c', '1', '-W', '2', 'fd78::1']);
});

test('forwards between the two sides of the router lab over IPv4 and IPv6', { skip }, async (t) => {
  const { ns } = await routerLab(t);
  await ns.inside.output('ping', ['-c', '1', '-W', '2', '10.79.2.2']);
  await ns.outside.output('ping', ['-c', '1', '-W', '2', 'fd79:1::2']);
});

test('lets nothing through the bridge lab as long as there is no firewall', { skip }, async (t) => {
  const { ns } = await bridgeLab(t);
  const { code } = await ns.client.run('ping', ['-c', '1', '-W', '1', '10.77.0.2']);
  assert.equal(code, 1);
});

test('gives interfaces the MTU and the offloads that were asked for', { skip }, async (t) => {
  const plain = await hostLab(t);
  const bare = await hostLab(t, { mtu: 1400, offloads: false });
  assert.match(await plain.ns.host.output('ethtool', ['-k', 'eth0']), /^tcp-segmentation-offload: on/m);
  assert.match(await bare.ns.host.output('ethtool', ['-k', 'eth0']), /^tcp-segmentation-offload: off/m);
  assert.match(await bare.ns.host.output('ip', ['link', 'show', 'eth0']), /mtu 1400/);
});

test('captures frames as they were sent, VLAN tags included', { skip }, async (t) => {
  const { ns } = await hostLab(t);
  const payload = '88b5cafe';
  const frames = [payload, `8100a064${payload}`, `88a800c881000064${payload}`].map((rest) =>
    Buffer.from(`${ADDRESSES}${rest}`, 'hex'),
  );
  const etherTypes = [EXPERIMENTAL, 0x8100, 0x88a8];
  const capture = await startCapture(ns.host, 'eth0', { count: 3, etherTypes });
  await sendFrames(ns.peer, 'eth0', frames);
  assert.deepEqual(await capture.frames(), frames);
});

test('sends a UDP super-datagram that arrives in pieces at an interface without offloads', { skip }, async (t) => {
  const { ns } = await hostLab(t, { offloads: false });
  const capture = await startCapture(ns.host, 'eth0', { count: 5, etherTypes: [0x0800], timeoutMs: 10_000 });
  await sendUdpSuperDatagram(ns.peer, '10.78.0.1', 9, 4500, 1000);
  const lengths = (await capture.frames()).map((frame) => frame.length);
  assert.deepEqual(lengths, [1042, 1042, 1042, 1042, 542]);
});

test('runs TypeScript with node inside the namespace', { skip }, async (t) => {
  const { ns } = await hostLab(t);
  const running = ns.host.node([
    '--input-type=module',
    '-e',
    'import os from "os"; console.log(Object.keys(os.networkInterfaces()).join())',
  ]);
  await running.exited;
  assert.equal(running.stdout, 'lo,eth0\n');
});

test('kills a command that takes longer than it may, and says what it printed', { skip }, async (t) => {
  const { ns } = await hostLab(t);
  await assert.rejects(ns.host.run('sh', ['-c', 'echo so far; sleep 60'], { timeoutMs: 300 }), /not done.*\n.*so far/s);
});

test('stops what was spawned and removes every namespace with the lab', { skip }, async () => {
  const lab = await hostLab();
  const order: string[] = [];
  lab.ns.host.defer(async () => void order.push('first in'));
  lab.ns.host.defer(async () => void order.push('last in'));
  const sleeper = lab.ns.host.spawn('setsid', ['--fork', 'sleep', '600']);
  await sleeper.exited;
  const stubborn = lab.ns.peer.spawn('sh', ['-c', 'trap "" TERM; echo up; while :; do sleep 600; done']);
  await waitFor(() => stubborn.stdout === 'up\n', { what: 'the shell' });
  const { stdout } = await lab.ns.host.run('ip', ['netns', 'pids', lab.ns.host.name]);
  const pids = stdout.split('\n').filter((line) => line !== '');

  await lab.remove();
  await lab.remove();
  assert.deepEqual(order, ['last in', 'first in']);
  assert.equal(stubborn.isRunning, false);
  assert.deepEqual(namespacesOf(process.pid), []);
  for (const pid of pids) await waitFor(() => !isAlive(Number(pid)), { what: `the end of ${pid}` });
});

test('leaves nothing behind when the kernel refuses a part of the lab', { skip }, async (t) => {
  const ends = [
    { in: 'a', name: 'eth0', addresses: ['10.0.0.1/24'] },
    { in: 'b', name: 'eth0', addresses: ['not an address'] },
  ] as const;
  await assert.rejects(createLab(t, { namespaces: { a: {}, b: {} }, links: [ends] }), /not an address/);
  assert.deepEqual(namespacesOf(process.pid), []);
});

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`removes its labs when the test process gets ${signal}`, { skip }, async () => {
    const script = `
      const { hostLab } = await import(${JSON.stringify(new URL('../../support/netns.ts', import.meta.url).href)});
      const lab = await hostLab();
      lab.ns.host.spawn('sleep', ['600']);
      console.log('up');
      setInterval(() => undefined, 1000);`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      env: { ...process.env, NODE_TEST_CONTEXT: undefined },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    assert.equal(namespacesOf(child.pid).length, 2);
    child.kill(signal);
    const [, endedBy] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
    assert.equal(endedBy, signal);
    assert.deepEqual(namespacesOf(child.pid), []);
  });
}

test('names what is missing', () => {
  assert.match(String(rootOnly('no-such-program')), process.getuid?.() === 0 ? /no-such-program/ : /root/);
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
