/**
 * Hooks on live packets: the seven-argument door, hook faults and what becomes of the packet, the pool's books.
 *
 * Rule: each misdeed is one packet to one port of the live hooks `trigger` and `shout`; the packet behind it shows that
 * nothing else has suffered.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hex, startCapture } from '../../support/frames.ts';
import { assertAddsUp, assertPings, ETHERNET_HEADER, PATIENCE_MS, statsWhen, stockHook } from '../../support/live.ts';
import { bridgeLab, rootOnly } from '../../support/netns.ts';
import { checkIpv4, payload, udp } from '../../support/packet-checker.ts';
import {
  hush,
  IPV4,
  liveHook,
  readHooks,
  readPool,
  SERVER,
  SERVER6,
  sendAndSee,
  startBridge,
  toServer,
  udp4,
} from './bridge-daemon.ts';

const SHOUT = 4001;
const THROW = 4101;
const PROMISE = 4102;
const SEVEN = 4103;
const DOUBLE_FREE = 4104;
const LEAK = 4105;
const BACK = 4106;
const NOWHERE = 4107;
const FREE = 5999;

const HOOKS = [
  { ...stockHook('pass-all'), priority: -5 },
  { module: liveHook('trigger') },
  { module: liveHook('shout') },
];

for (const onHookError of ['drop', 'forward'] as const) {
  test(`hooks do as they say, and their faults cost a packet at most: faults.default: ${onHookError}`, {
    skip: rootOnly('ping'),
  }, async (t) => {
    const { ns } = await bridgeLab(t);
    const daemon = await startBridge(ns.fw, { hooks: HOOKS, faults: { default: onHookError } });
    await assertPings(ns.client, SERVER, SERVER6);
    await hush(ns.client, ns.server);
    const see = (count: number) =>
      startCapture(ns.server, 'eth0', { count, etherTypes: [IPV4], timeoutMs: PATIENCE_MS });

    await t.test('hooks run by priority, larger first, the one of the config before that of the module', async () => {
      const order = (await readHooks(daemon)).map(({ name, priority, kind }) => [name, priority, kind]);
      assert.deepEqual(order, [
        ['shout', 100, 'callback'],
        ['trigger', 10, 'defined'],
        ['pass-all', -5, 'defined'],
      ]);
    });

    await t.test('the seven-argument callback replaces a packet by a chain of its own', async () => {
      const capture = await see(1);
      const [frame] = await sendAndSee(ns.client, [toServer(udp4(SHOUT, 'louder, please'))], capture);
      const datagram = Buffer.from(frame ?? '', 'hex').subarray(ETHERNET_HEADER);
      checkIpv4(datagram, udp(payload('LOUDER, PLEASE')));
    });

    await t.test('the seven-argument callback sends a packet back out of the port it came in by', async () => {
      const back = await startCapture(ns.client, 'eth0', { count: 1, etherTypes: [IPV4], timeoutMs: PATIENCE_MS });
      const capture = await see(1);
      const frames = [toServer(udp4(BACK, 'return to sender')), toServer(udp4(FREE))];
      assert.deepEqual(await sendAndSee(ns.client, frames, capture), hex(frames.slice(1)));
      assert.deepEqual(hex(await back.frames()), hex(frames.slice(0, 1)));
    });

    await t.test('every fault is counted and named, and faults.default decides about the packet', async () => {
      const faulty = [THROW, PROMISE, SEVEN, DOUBLE_FREE, NOWHERE].map((port) => toServer(udp4(port)));
      const frames = [...faulty, toServer(udp4(FREE))];
      const expected = onHookError === 'drop' ? frames.slice(-1) : frames;
      assert.deepEqual(await sendAndSee(ns.client, frames, await see(expected.length)), hex(expected));

      const { total } = await statsWhen(daemon, 'five faults', ({ total }) => total.hookFaults === 5);
      assert.equal(total.droppedByFault, onHookError === 'drop' ? 5 : 0);
      const faults = Object.fromEntries((await readHooks(daemon)).map((hook) => [hook.name, hook.faults]));
      assert.deepEqual(faults, { shout: 1, trigger: 4, 'pass-all': 0 });
      for (const words of [
        /trigger: threw: .*asked to throw/,
        /trigger: returned a promise/,
        /trigger: returned 7, which is no verdict/,
        /trigger: threw: .*freed twice/,
        /shout: set an interface index that cannot be reached from here/,
      ]) {
        assert.match(daemon.log, words);
      }
    });

    await t.test('the pool names who misused it and who leaks', async () => {
      await sendAndSee(ns.client, [toServer(udp4(LEAK)), toServer(udp4(LEAK))], await see(2));
      await statsWhen(daemon, 'the leaks', ({ total }) => total.forwarded > 0);
      const pool = await readPool(daemon);
      assert.equal(pool.refused, 1, 'the double free');
      const leaked = Object.fromEntries(pool.leaked.map((entry) => [entry.hook, entry]));
      // Each leak is a descriptor and its data.
      assert.equal(leaked['trigger']?.allocations, 4);
      assert.ok((leaked['trigger']?.bytes ?? 0) >= 2000);
      assert.equal(leaked['shout']?.allocations, 0);
      assert.equal(pool.tags.find(({ tag }) => tag === 'Lamp')?.diff, 2);
      assert.equal(pool.tags.find(({ tag }) => tag === 'Shut')?.diff, 0);
      const { stdout } = await daemon.cli('pool');
      assert.match(stdout, /trigger/);
    });

    await t.test('traffic goes on and the ledger adds up', async () => {
      await assertPings(ns.client, SERVER, SERVER6);
      await assertAddsUp(daemon);
    });
  });
}
