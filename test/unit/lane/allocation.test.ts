/**
 * The rule of the packet path: nothing is allocated for a packet that no hook replaces.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RING_OCTETS } from '../../../src/events/event-layout.ts';
import { DROP, FORWARD } from '../../../src/firewall/constants.ts';
import { Pool } from '../../../src/firewall/pool.ts';
import { ChainFlows, DEFAULT_FLOWS } from '../../../src/hook/chain-flows.ts';
import { REPLY } from '../../../src/hook/contract.ts';
import { HookChain } from '../../../src/hook/hook-chain.ts';
import { HookEvents } from '../../../src/hook/hook-events.ts';
import { DropEvents } from '../../../src/lane/drop-events.ts';
import { FORWARDED, REPLIED } from '../../../src/lane/ledger.ts';
import { frameOf } from '../../support/frame-of.ts';
import { heapGrowth, SMALLEST_LEAK } from '../../support/heap-growth.ts';
import { loadedHook } from '../../support/loaded-hook.ts';
import { ethernet, icmpv4, ipv4, ipv6, udp } from '../../support/packet-builder.ts';
import { callback, filtered, hook, quietLane } from './lane-rig.ts';

const NEEDLE = Buffer.from('not there');

test('an unchanged, a changed and a dropped packet leave nothing on the heap', () => {
  const chain = new HookChain({
    hooks: [
      hook('ports', (packet) => (packet.destinationPort === 23 ? DROP : FORWARD)),
      hook('ttl', (packet) => {
        packet.bytes[8] = 63;
        return packet.source.at(0) === 0 ? DROP : FORWARD;
      }),
      hook('flows', ({ flow, flowState }) => {
        if (flow !== null && flow.packets > 1e9) flow.settle(FORWARD);
        return flowState === 'invalid' ? DROP : FORWARD;
      }),
      hook('setters', ({ ip, udp: header, payload }) => {
        ip.ttl = ip.ttl === 7 ? 8 : 7;
        ip.source.setWord(0, 0xc0000000 | ip.ttl);
        if (header !== null) header.sourcePort = 50_000 + ip.ttl;
        return payload.indexOf(NEEDLE) >= 0 ? DROP : FORWARD;
      }),
      filtered('filtered', 'tcp port 80 or vlan 7 or len > 1400'),
      callback('seven', (pData, recv, send) => (pData.value === null || recv === send.value ? DROP : FORWARD)),
    ],
    flows: new ChainFlows(DEFAULT_FLOWS, {}),
    onHookError: 'drop',
    pool: new Pool(1 << 20),
    onFault: () => assert.fail('no hook is at fault'),
  });
  const lane = quietLane(chain);
  const lengths: number[] = [];
  const frames = [ipv4({}, udp()), ipv6({}, udp()), ipv4({}, udp({ destinationPort: 23 }))].map((datagram) => {
    const frame = ethernet({ padTo: 60 }, datagram);
    lengths.push(frame.length);
    return frame;
  });
  // One buffer for all frames, as a driver has it.
  const shared = Buffer.alloc(2048);
  const handed = frameOf(shared, { seconds: 1 });
  // All of one batch: at its end the copy that hooks were handed is made anew, which is no cost of a packet.
  const run = (count: number): void => {
    for (let index = 0; index < count; index++) {
      const which = index % 3;
      shared.set(frames[which] as Buffer);
      const length = lengths[which] as number;
      handed.length = length;
      handed.originalLength = length;
      handed.nanoseconds = index;
      lane.onFrame(handed);
    }
  };
  const least = heapGrowth(run);
  assert.ok(least < SMALLEST_LEAK, `${least} octets a packet`);
  assert.equal(lane.packets, chain.counters[0]);
});

test('a packet that a hook sends back leaves nothing on the heap', () => {
  const chain = new HookChain({
    hooks: [
      hook('echo', ({ ip, icmp }) => {
        ip.swap();
        if (icmp !== null) icmp.type = 0;
        return REPLY;
      }),
    ],
    onHookError: 'drop',
    pool: new Pool(1 << 20),
    onFault: () => assert.fail('no hook is at fault'),
  });
  const lane = quietLane(chain);
  const frame = ethernet({ padTo: 60 }, ipv4({}, icmpv4({}, Buffer.from('data'))));
  const shared = Buffer.alloc(2048);
  const handed = frameOf(shared, { seconds: 1 });
  handed.length = frame.length;
  handed.originalLength = frame.length;
  const least = heapGrowth((count) => {
    for (let index = 0; index < count; index++) {
      shared.set(frame);
      lane.onFrame(handed);
    }
  });
  assert.ok(least < SMALLEST_LEAK, `${least} octets a packet`);
  assert.equal(lane.packets, lane.ledger[REPLIED]);
});

test('a packet that waits, and goes on, leaves nothing on the heap', () => {
  const waits = loadedHook({
    name: 'waits',
    hold: { packets: 100, mib: 1, timeoutMs: 10 },
    onPacket: (packet, { timestamp }) => packet.holdUntil(timestamp + 2),
  });
  const chain = new HookChain({
    hooks: [waits, hook('behind', () => FORWARD)],
    onHookError: 'drop',
    pool: new Pool(1 << 20),
    onFault: (_, reason, error) => assert.fail(`${reason} ${error}`),
  });
  // An array of references: a number of its own would be made for each look.
  const nowMs: (number | null)[] = [null];
  const scheduled = { cancel: () => undefined };
  const clock = { now: () => 0n, schedule: () => scheduled };
  const lane = quietLane(chain, undefined, { now: () => nowMs[0] as number, clock });
  const frame = ethernet({ padTo: 60 }, ipv4({}, udp()));
  const shared = Buffer.alloc(2048);
  const handed = frameOf(shared, { seconds: 1 });
  handed.length = frame.length;
  handed.originalLength = frame.length;
  let batches = 0;
  const least = heapGrowth((count) => {
    for (let index = 0; index < count; index++) {
      if (index % 50 === 0) {
        batches += 3;
        nowMs[0] = batches;
      }
      shared.set(frame);
      handed.seconds = 1;
      lane.onFrame(handed);
      if (index % 50 === 49) lane.onBatchEnd();
    }
  });
  assert.ok(least < SMALLEST_LEAK, `${least} octets a packet`);
  assert.ok((lane.ledger[FORWARDED] as number) > 1_000);
});

test('a packet that is dropped and told of, or left out by the sample, leaves nothing on the heap', () => {
  for (const oneIn of [1, 3]) {
    const chain = new HookChain({
      hooks: [hook('drops', () => DROP)],
      flows: new ChainFlows(DEFAULT_FLOWS, {}),
      onHookError: 'drop',
      pool: new Pool(1 << 20),
      onFault: () => assert.fail('no hook is at fault'),
    });
    const memory = new ArrayBuffer(RING_OCTETS);
    const places = new Int32Array(memory);
    // Whoever reads is another process: here all of it has been read as soon as there is no room.
    const whenFull = (): void => {
      places[16] = places[0] as number;
    };
    const events = new HookEvents({ memory, whenFull, now: () => 0n });
    const drops = new DropEvents({ events, chain, sample: { oneIn, perSecond: 0 }, linktypeOf: () => 1 });
    const lane = quietLane(chain, undefined, { drops });
    const frame = ethernet({ padTo: 60 }, ipv6({}, udp()));
    const shared = Buffer.alloc(2048);
    shared.set(frame);
    const handed = frameOf(shared, { length: frame.length, originalLength: frame.length, seconds: 1_795_603_100 });
    const least = heapGrowth((count) => {
      for (let index = 0; index < count; index++) {
        handed.nanoseconds = index;
        lane.onFrame(handed);
      }
    });
    assert.ok(least < SMALLEST_LEAK, `${least} octets a packet, one in ${oneIn}`);
    assert.ok(events.made > 0 && events.lost === 0);
  }
});
