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
import { mpls, pppoe } from '../../support/links.ts';
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
/** Carries no IP, as ARP; no host here answers it. */
const LLDP = 0x88cc;
/** For local experiments (IEEE 802): IP may be in there. */
const EXPERIMENTAL = 0x88b5;
const BLOCKED = 9999;
const FREE = 5999;
const DROP_PORT = stockHook('drop-port', { protocol: 'udp', ports: [BLOCKED] });
const MIN_FRAME = 60;

/** The frame with the addresses of one to the server. */
function redirected(frame: Buffer): Buffer {
  toServer(udp4(FREE)).copy(frame, 0, 0, 12);
  return frame;
}

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

  await t.test('ARP, LLDP and spanning tree pass, tagged or not', async () => {
    const spanningTree = Buffer.concat([
      Buffer.from('0180c2000000', 'hex'),
      CLIENT_MAC,
      Buffer.from('0026424203', 'hex'),
      Buffer.alloc(43),
    ]);
    await arrive([
      toServer(Buffer.from('0001080006040002020000000101c0000201', 'hex'), { etherType: ARP, padTo: MIN_FRAME }),
      toServer(Buffer.from('known to carry no IP'), { etherType: LLDP }),
      toServer(Buffer.from('tagged'), { etherType: LLDP, tags: [{ id: 12 }] }),
      spanningTree,
    ]);
  });

  await t.test('runts arrive as short as they were sent, padded frames with their padding', async () => {
    const runts = [];
    for (let length = ETHERNET_HEADER; length < MIN_FRAME; length += 1) {
      runts.push(toServer(Buffer.alloc(length - ETHERNET_HEADER, length), { etherType: LLDP }));
    }
    await arrive(runts);
    const padded = toServer(udp4(FREE, '?'), { padTo: MIN_FRAME });
    padded.fill(0xee, ETHERNET_HEADER + udp4(FREE, '?').length);
    await arrive([toServer(udp4(FREE, '')), toServer(udp4(FREE, '?')), padded, toServer(udp6(FREE, ''))]);
  });

  await t.test('what may hold IP that no hook sees is dropped, counted and logged once a type', async () => {
    const inSnap = Buffer.concat([Buffer.from('aaaa030000000800', 'hex'), udp4(BLOCKED)]);
    const unreadable = [
      toServer(udp4(BLOCKED), { etherType: EXPERIMENTAL }),
      toServer(udp4(BLOCKED), { etherType: EXPERIMENTAL, tags: [{ id: 0 }, { id: 0 }] }),
      toServer(inSnap, { etherType: inSnap.length }),
    ];
    await arrive([...unreadable, toServer(udp4(FREE))], [toServer(udp4(FREE))]);
    const { total } = await statsWhen(daemon, 'three frames', ({ total }) => total.droppedUnreadable === 3);
    assert.equal(total.unreadable, 3);
    assert.equal(daemon.log.match(/EtherType 0x88b5 are dropped/g)?.length, 1);
    assert.equal(daemon.log.match(/IEEE 802\.2 .* are dropped/g)?.length, 1);
  });

  await t.test('hooks see IP in PPPoE sessions, behind labels and behind tags of VLAN 0', async () => {
    const frames = (port: number) =>
      [pppoe({}, udp4(port)), pppoe({ tags: [{ id: 0 }] }, udp6(port)), mpls(2, udp4(port))].map(redirected);
    const stacked = (count: number, port: number) =>
      toServer(udp4(port), { tags: Array.from({ length: count }, () => ({ id: 0 })) });
    const all = (port: number) => [...frames(port), ...[1, 2, 3, 4].map((count) => stacked(count, port))];
    await arrive([...all(BLOCKED), stacked(5, FREE), stacked(6, FREE), ...all(FREE)], all(FREE));
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
    assert.equal(total.droppedByHook, 13);
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
    etherTypes: [ARP, LLDP, VLAN, IPV4],
    timeoutMs: PATIENCE_MS,
  });
  const refused = [
    toServer(Buffer.alloc(46), { etherType: ARP }),
    toServer(Buffer.alloc(46), { etherType: LLDP }),
    toServer(Buffer.alloc(46), { etherType: LLDP, tags: [{ id: 7 }] }),
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
