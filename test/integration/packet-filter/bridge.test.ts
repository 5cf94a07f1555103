/**
 * `packet-filter` in a running daemon: a lane that is another user reads a file of thousands of rules, and live frames meet them.
 *
 * Rule: behind every frame that must not arrive one is sent that must, so that nothing is waited for that does not come.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hex, startCapture } from '../../support/frames.ts';
import { assertAddsUp, PATIENCE_MS, stockHook } from '../../support/live.ts';
import { bridgeLab, rootOnly } from '../../support/netns.ts';
import { ipv4, octets, tcp } from '../../support/packet-builder.ts';
import {
  CLIENT,
  hush,
  IPV4,
  IPV6,
  SERVER,
  sendAndSee,
  startBridge,
  toServer,
  udp4,
  udp6,
  VLAN,
} from '../bridge/bridge-daemon.ts';

const FILLER = 5_000;
const RULES = [
  'group servers = { 10.77.0.2, fd77::2 }',
  ...Array.from(
    { length: FILLER },
    (_, index) => `reject tcp from 198.18.${index >> 8}.${index & 255} to @servers port ${index}`,
  ),
  'drop udp to @servers port 4000-4099 count small',
  'drop tcp to port 4100 syn count opened',
  'drop fragment later count pieces',
  'pass udp to port not 4200',
  'default drop count rest',
];

test('a bridge does what a file of thousands of rules says', { skip: rootOnly() }, async (t) => {
  const { ns } = await bridgeLab(t);
  const daemon = await startBridge(
    ns.fw,
    {
      driver: 'afpacket',
      hooks: [{ ...stockHook('packet-filter', { file: './rules.txt' }), allow: { files: ['./rules.txt'] } }],
    },
    { files: { 'rules.txt': RULES.join('\n') } },
  );
  await hush(ns.client, ns.server);
  const tagged = { tags: [{ id: 7 }] };
  const segment = (flags: number) =>
    toServer(ipv4({ source: CLIENT, destination: SERVER }, tcp({ destinationPort: 4100, flags })));
  const piece = ipv4({ source: CLIENT, destination: SERVER, fragmentOffset: 64 }, octets(17, Buffer.alloc(16)));
  const sent: readonly (readonly [frame: Buffer, passes: boolean])[] = [
    [toServer(udp4(4000)), false],
    [toServer(udp6(4099)), false],
    [toServer(udp4(4050), tagged), false],
    [toServer(udp4(4100)), true],
    [toServer(udp6(4100), tagged), true],
    [segment(2), false],
    [segment(16), false],
    [toServer(piece), false],
    [toServer(udp4(4200)), false],
    [toServer(udp6(5999)), true],
  ];
  const passing = sent.filter(([, passes]) => passes).map(([frame]) => frame);
  const etherTypes = [IPV4, IPV6, VLAN];
  const capture = await startCapture(ns.server, 'eth0', { count: passing.length, etherTypes, timeoutMs: PATIENCE_MS });
  const seen = await sendAndSee(
    ns.client,
    sent.map(([frame]) => frame),
    capture,
  );
  assert.deepEqual(seen, hex(passing));
  await assertAddsUp(daemon);
  await daemon.stop();
  assert.match(daemon.log, new RegExp(`rules\\.txt: ${FILLER + 4} rules, ${FILLER + 4} for IPv4 and 4 for IPv6`));
  assert.match(
    daemon.log,
    /small 3 packets \d+ octets, opened 1 packets \d+ octets, pieces 1 packets \d+ octets, rest 2 packets/,
  );
});
