/**
 * `packet.keep` on live packets of `driver: afpacket`: the ring goes round, and what a hook kept stays.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PoolReport } from '../../../src/control/reports.ts';
import type { Daemon } from '../../support/daemon.ts';
import { sendFrames } from '../../support/frames.ts';
import { assertAddsUp, assertPings, PATIENCE_MS, statsWhen } from '../../support/live.ts';
import { bridgeLab, rootOnly, waitFor } from '../../support/netns.ts';
import { ethernet, ipv4, udp } from '../../support/packet-builder.ts';
import { BODY, curl, startAfpacket, startHttp } from './live-afpacket.ts';

const BRIDGE = { bridge: ['lan0', 'wan0'] };
const SERVER = '10.77.0.2';
const KEPT = 200;
/** 32 MiB of slots of 2 KiB. */
const SLOTS_OF_A_RING = 16_384;
const WRAPPED_FRAMES = 4 * SLOTS_OF_A_RING;
const FRAMES_AT_A_TIME = 2048;
const DATAGRAM = 1000;

/**
 * Keeps datagrams to port 5000, compares the copies with what they were when one to port 5001 comes, and frees them when
 * one to port 5002 comes. What it finds out stands in the log.
 */
const KEEPER = `
  import { createHash } from 'node:crypto';
  import { defineHook, FORWARD, IPFreeBuff } from 'firehook';
  const hash = (octets) => createHash('sha256').update(octets).digest('hex');
  const kept = [];
  let runtime = null;
  export default defineHook({
    name: 'keeper',
    setup(_options, given) { runtime = given; },
    onPacket(packet) {
      if (packet.protocol !== 17) return FORWARD;
      if (packet.destinationPort === 5000) {
        const copy = packet.keep();
        if (copy !== null) kept.push({ copy, digest: hash(packet.bytes.subarray(0, packet.length)) });
      } else if (packet.destinationPort === 5001) {
        const intact = kept.filter(({ copy, digest }) => hash(copy.ipr_buffer.subarray(0, copy.ipr_size)) === digest);
        runtime.log('info', 'intact ' + intact.length + ' of ' + kept.length);
      } else if (packet.destinationPort === 5002) {
        // Outside of any call, as a hook that waited for something would.
        setImmediate(() => {
          for (const { copy } of kept.splice(0)) IPFreeBuff(copy);
        });
      }
      return FORWARD;
    },
  });`;

const KEEP_ALL = `
  import { defineHook, FORWARD } from 'firehook';
  let runtime = null;
  let isSaid = false;
  export default defineHook({
    name: 'keep-all',
    setup(_options, given) { runtime = given; },
    onPacket(packet) {
      if (packet.keep() === null && !isSaid) {
        isSaid = true;
        runtime.log('info', 'the pool is exhausted');
      }
      return FORWARD;
    },
  });`;

function datagram(destinationPort: number, fill = 0): Buffer {
  return ethernet(
    { destination: Buffer.alloc(6, 2) },
    ipv4({ source: '10.77.0.1', destination: SERVER }, udp({ destinationPort }, Buffer.alloc(DATAGRAM, fill))),
  );
}

async function poolOf(daemon: Daemon): Promise<PoolReport> {
  return JSON.parse((await daemon.cli('pool', '--json')).stdout) as PoolReport;
}

/** Waits for what the hook holds: allocations, two a copy. */
async function waitForHeld(daemon: Daemon, copies: number): Promise<PoolReport> {
  return await waitFor(
    async () => {
      const pool = await poolOf(daemon);
      return pool.leaked.find(({ hook }) => hook === 'keeper')?.allocations === 2 * copies && pool;
    },
    { what: `${copies} kept packets`, timeoutMs: PATIENCE_MS },
  );
}

const skip = rootOnly('ping', 'curl');

test('kept packets are intact after the ring went round four times, and leave the books when freed', {
  skip,
}, async (t) => {
  const { ns } = await bridgeLab(t);
  const daemon = await startAfpacket(ns.fw, BRIDGE, [KEEPER]);
  await sendFrames(
    ns.client,
    'eth0',
    Array.from({ length: KEPT }, (_, i) => datagram(5000, i)),
  );
  const held = await waitForHeld(daemon, KEPT);
  assert.equal(held.tags.find(({ tag }) => tag === 'Keep')?.diff, KEPT);

  const others = Array.from({ length: FRAMES_AT_A_TIME }, (_, i) => datagram(6000, i));
  for (let sent = FRAMES_AT_A_TIME; sent <= WRAPPED_FRAMES; sent += FRAMES_AT_A_TIME) {
    await sendFrames(ns.client, 'eth0', others);
    await statsWhen(daemon, `${sent} frames`, ({ total }) => total.received >= sent);
  }
  await sendFrames(ns.client, 'eth0', [datagram(5001)]);
  await waitFor(() => daemon.log.includes('intact '), { what: 'the comparison', timeoutMs: PATIENCE_MS });
  assert.match(daemon.log, new RegExp(`intact ${KEPT} of ${KEPT}\\b`));

  await sendFrames(ns.client, 'eth0', [datagram(5002)]);
  const freed = await waitForHeld(daemon, 0);
  assert.equal(freed.tags.find(({ tag }) => tag === 'Keep')?.diff, 0);
  assert.equal(freed.refused, 0);
  const { total } = await assertAddsUp(daemon);
  assert.deepEqual([total.lost, total.hookFaults], [0, 0]);
});

test('a hook that keeps everything and frees nothing ends with null, and the traffic goes on', { skip }, async (t) => {
  const { ns } = await bridgeLab(t);
  const daemon = await startAfpacket(ns.fw, BRIDGE, [KEEP_ALL], { pool: { limitMiB: 1 } });
  await startHttp(ns.server);
  for (let i = 0; i < 3; i++) assert.equal(await curl(ns.client, SERVER), BODY);
  await waitFor(() => daemon.log.includes('the pool is exhausted'), { what: 'null', timeoutMs: PATIENCE_MS });
  await assertPings(ns.client, SERVER);
  const { bytesInUse, limitBytes, leaked } = await poolOf(daemon);
  assert.ok(bytesInUse > 0 && bytesInUse <= limitBytes, `${bytesInUse} of ${limitBytes}`);
  assert.equal(leaked.find(({ hook }) => hook === 'keep-all')?.bytes, bytesInUse);
  const { total } = await assertAddsUp(daemon);
  assert.deepEqual([total.lost, total.dropped, total.hookFaults], [0, 0, 0]);
});
