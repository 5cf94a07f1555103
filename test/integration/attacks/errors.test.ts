/**
 * Promise: an error belongs to the hook that caused it, also where Node.js itself makes it and no line of the hook is in its stack; it
 * is counted, the hook is named, and the lane goes on.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDaemon } from '../../support/daemon.ts';
import { assertPings, PATIENCE_MS } from '../../support/live.ts';
import { hostLab, rootOnly, waitFor } from '../../support/netns.ts';
import { lanesOf, linesOf } from './attack.ts';

const header = (name: string): string => `
import { defineHook, FORWARD } from 'firehook';
import fs from 'node:fs';
import net from 'node:net';
import { Worker } from 'node:worker_threads';
let seen = 0;
export default defineHook({ name: '${name}', `;

/** What each hook does with its first packet, or when it is set up. */
const HOOKS: Readonly<Record<string, string>> = {
  fetches: "onPacket() { if (++seen === 1) void fetch('http://127.0.0.1:1/'); return FORWARD; } });",
  connects: "onPacket() { if (++seen === 1) net.connect(1, '127.0.0.1'); return FORWARD; } });",
  reads: "onPacket() { if (++seen === 1) void fs.promises.readFile('/nowhere'); return FORWARD; } });",
  times: "onPacket() { if (++seen === 1) setTimeout(() => { throw new Error('late'); }, 10); return FORWARD; } });",
  rejects: "onPacket() { if (++seen === 1) void Promise.reject('a text'); return FORWARD; } });",
  chains:
    "onPacket() { if (++seen === 1) Promise.resolve().then(() => queueMicrotask(() => { throw new TypeError('micro'); })); return FORWARD; } });",
  works: "onPacket() { if (++seen === 1) new Worker('throw new Error(1)', { eval: true }); return FORWARD; } });",
  listens: 'setup() { net.createServer().listen(80); }, onPacket: () => FORWARD });',
  good: 'onPacket: () => FORWARD });',
};

test('errors of timers, promises, sockets, files and threads are faults of the hook that started them', {
  skip: rootOnly('ping'),
}, async (t) => {
  const { ns } = await hostLab(t);
  const names = Object.keys(HOOKS);
  const files = Object.fromEntries(names.map((name) => [`${name}.ts`, header(name) + HOOKS[name]]));
  const config = {
    attach: [{ host: 'eth0' }],
    driver: 'afpacket',
    hooks: names.map((name) => ({ module: `./${name}.ts` })),
  };
  const daemon = await startDaemon(ns.host, config, { files, timeoutMs: PATIENCE_MS });
  const lanes = await lanesOf(daemon, 1);
  await assertPings(ns.peer, '10.78.0.1');
  const faults = async (): Promise<Record<string, number>> => {
    const { stdout } = await daemon.cli('hooks', '--json');
    const { hooks } = JSON.parse(stdout) as { hooks: { name: string; faults: number }[] };
    return Object.fromEntries(hooks.map((hook) => [hook.name, hook.faults]));
  };
  const expected = Object.fromEntries(names.map((name) => [name, name === 'good' ? 0 : 1]));
  await waitFor(async () => Object.values(await faults()).reduce((sum, count) => sum + count, 0) >= names.length - 1, {
    what: 'every fault',
    timeoutMs: PATIENCE_MS,
  });
  assert.deepEqual(await faults(), expected);
  assert.deepEqual(await lanesOf(daemon, 1), lanes, 'the lane that they happened in');
  const log = linesOf(daemon.log).map(({ msg }) => String(msg));
  assert.ok(
    log.some((line) => line.includes('listens') && line.includes('EPERM')),
    daemon.log,
  );
});
