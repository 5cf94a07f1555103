/**
 * A bridge carries every frame, not only IP: tags, runts, ARP and types it does not know, octet for octet.
 *
 * Rule: what is sent on the one side is compared as a whole with what arrives on the other.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hex, startCapture } from '../../support/frames.ts';
import { assertAddsUp, assertPings, ETHERNET_HEADER, PATIENCE_MS, statsWhen, stockHook } from '../../support/live.ts';
import { bridgeLab, rootOnly } from '../../support/netns.ts';
import {
  CLIENT_MAC,
  hush,
  IPV4,
  ping,
  SERVER,
  SERVER6,
  sendAndSee,
  startBridge,
  toServer,
  udp4,
  udp6,
  VLAN,
} from './bridge-daemon.ts';

const ARP = 0x0806;
const QINQ = 0x88a8;
/** For local experiments (IEEE 802). */
const EXPERIMENTAL = 0x88b5;
const BLOCKED = 9999;
const FREE = 5999;
const DROP_PORT = stockHook('drop-port', { protocol: 'udp', ports: [BLOCKED] });
const MIN_FRAME = 60;

test('a bridge carries frames octet for octet', { skip: rootOnly('ping') }, async (t) => {
  const { ns } = await bridgeLab(t);
  const daemon = await startBridge(ns.fw, { hooks: [DROP_PORT] });
  await assertPings(ns.client, SERVER, SERVER6);
  await hush(ns.client, ns.server);

  const arrive = async (frames: readonly Buffer[], expected: readonly Buffer[] = frames) => {
    const etherTypes = [...new Set(frames.map((frame) => frame.readUInt16BE(12)))];
    const capture = await startCapture(ns.server, 'eth0', {
      count: expected.length,
      etherTypes,
      timeoutMs: PATIENCE_MS,
    });
    assert.deepEqual(await sendAndSee(ns.client, frames, capture), hex(expected));
  };

  await t.test('802.1Q and QinQ tags arrive with priority and id, id 0 and the highest included', async () => {
    const tags = [
      [{ id: 7 }],
      [{ id: 0, priority: 5 }],
      [{ id: 4094, priority: 7 }],
      [
        { type: QINQ, id: 200 },
        { id: 100, priority: 3 },
      ],
      [{ type: VLAN, id: 200 }, { id: 100 }],
      [{ type: QINQ, id: 1, priority: 1 }, { type: QINQ, id: 2 }, { id: 3 }],
    ];
    await arrive(tags.flatMap((tags) => [toServer(udp4(FREE), { tags }), toServer(udp6(FREE), { tags })]));
  });

  await t.test('hooks see the IP packet inside tags', async () => {
    const tags = [[{ id: 7, priority: 5 }], [{ id: 0 }], [{ type: QINQ, id: 200 }, { id: 100 }]];
    const frames = (port: number) =>
      tags.flatMap((tags) => [toServer(udp4(port), { tags }), toServer(udp6(port), { tags })]);
    await arrive([...frames(BLOCKED), ...frames(FREE)], frames(FREE));
  });

  await t.test('a tagged frame may be as long as the MTU allows beside its tag', async () => {
    const tags = [{ id: 7 }];
    await arrive([toServer(udp4(FREE, 'x'.repeat(1472)), { tags }), toServer(udp6(FREE, 'x'.repeat(1452)), { tags })]);
  });

  await t.test('ARP, unknown ethertypes and frames with a length field pass', async () => {
    const spanningTree = Buffer.concat([
      Buffer.from('0180c2000000', 'hex'),
      CLIENT_MAC,
      Buffer.from('0026424203', 'hex'),
      Buffer.alloc(43),
    ]);
    await arrive([
      toServer(Buffer.from('0001080006040002020000000101c0000201', 'hex'), { etherType: ARP, padTo: MIN_FRAME }),
      toServer(Buffer.from('unknown to everybody'), { etherType: EXPERIMENTAL }),
      toServer(Buffer.from('tagged and unknown'), { etherType: EXPERIMENTAL, tags: [{ id: 12 }] }),
      spanningTree,
    ]);
  });

  await t.test('runts arrive as short as they were sent, padded frames with their padding', async () => {
    const runts = [];
    for (let length = ETHERNET_HEADER; length < MIN_FRAME; length += 1) {
      runts.push(toServer(Buffer.alloc(length - ETHERNET_HEADER, length), { etherType: EXPERIMENTAL }));
    }
    await arrive(runts);
    const padded = toServer(udp4(FREE, '?'), { padTo: MIN_FRAME });
    padded.fill(0xee, ETHERNET_HEADER + udp4(FREE, '?').length);
    await arrive([toServer(udp4(FREE, '')), toServer(udp4(FREE, '?')), padded, toServer(udp6(FREE, ''))]);
  });

  await t.test('an IP header that is not well formed is dropped and counted', async () => {
    const short = toServer(udp4(FREE).subarray(0, 19));
    const lying = toServer(udp4(FREE));
    lying[ETHERNET_HEADER] = 0x44;
    const before = await assertAddsUp(daemon);
    await arrive([short, lying, toServer(udp4(FREE))], [toServer(udp4(FREE))]);
    const after = await statsWhen(
      daemon,
      'two malformed packets',
      ({ total }) => total.droppedMalformed === before.total.droppedMalformed + 2,
    );
    assert.equal(after.total.lost, 0);
  });

  await t.test('the ledger adds up, with all that was not IP in it', async () => {
    const { total } = await assertAddsUp(daemon);
    assert.ok(total.nonIp >= 50);
    assert.equal(total.droppedByHook, 6);
    assert.equal(total.droppedNonIp, 0);
  });
});

test('a bridge with nonIp: drop passes IP and nothing else', { skip: rootOnly('ping') }, async (t) => {
  const { ns } = await bridgeLab(t);
  await hush(ns.client, ns.server);
  const daemon = await startBridge(ns.fw, { hooks: [DROP_PORT], policy: { nonIp: 'drop' } });
  assert.match(daemon.log, /ARP/, 'it warns of what it stops');

  await assertPings(ns.client, SERVER, SERVER6);
  const capture = await startCapture(ns.server, 'eth0', {
    count: 1,
    etherTypes: [ARP, EXPERIMENTAL, VLAN, IPV4],
    timeoutMs: PATIENCE_MS,
  });
  const refused = [
    toServer(Buffer.alloc(46), { etherType: ARP }),
    toServer(Buffer.alloc(46), { etherType: EXPERIMENTAL }),
    toServer(Buffer.alloc(46), { etherType: EXPERIMENTAL, tags: [{ id: 7 }] }),
  ];
  const seen = await sendAndSee(ns.client, [...refused, toServer(udp4(FREE))], capture);
  assert.deepEqual(seen, hex([toServer(udp4(FREE))]));

  await ns.client.output('ip', ['neighbour', 'del', SERVER, 'dev', 'eth0']);
  assert.equal((await ping(ns.client, SERVER, 1)).received, 0, 'no ARP, no IPv4');
  const { total } = await assertAddsUp(daemon);
  assert.ok(total.droppedNonIp >= 4);
  assert.equal(total.droppedNonIp, total.nonIp);
  assert.equal(total.dropped, total.droppedNonIp);
});
