/**
 * The example lines of docs/events.md: each is one that firehook makes, and one that a reader of Suricata's takes.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type EventOrigin, eveLine, eveOf } from '../../../src/events/eve.ts';
import { RING_OCTETS } from '../../../src/events/event-layout.ts';
import { RingReader } from '../../../src/events/ring-reader.ts';
import { DROP } from '../../../src/firewall/constants.ts';
import { HookEvents } from '../../../src/hook/hook-events.ts';
import { DropEvents } from '../../../src/lane/drop-events.ts';
import { assertEve } from '../../support/eve-schema.ts';
import { ethernet, ipv4, tcp } from '../../support/packet-builder.ts';
import { bridgeWay, hook, INDEX_A, layRig } from '../lane/lane-rig.ts';

const PAGE = readFileSync(new URL('../../../docs/events.md', import.meta.url), 'utf8');
/** Example lines by type. */
const LINES = new Map(
  Array.from(PAGE.matchAll(/^```json\n(\{.*\})\n```$/gm), ([, line = '']) => [
    String((JSON.parse(line) as { event_type: string }).event_type),
    `${line}\n`,
  ]),
);

test('there is an example of each type, and each is as Suricata has it', () => {
  for (const type of ['drop', 'flow', 'alert', 'stats', 'engine']) assert.ok(LINES.has(type), type);
  for (const line of LINES.values()) assertEve(line);
});

test('the example of a drop is what a lane makes', async (t) => {
  const memory = new ArrayBuffer(RING_OCTETS);
  const events = new HookEvents({ memory, now: () => 0n });
  const sample = { oneIn: 1, perSecond: 100 };
  const rig = layRig(t, {
    ways: [bridgeWay({ name: 'lan0 > wan0' })],
    hooks: () => [hook('no-telnet', () => DROP)],
    drops: (chain) => new DropEvents({ events, chain, sample, linktypeOf: () => 1 }),
  });
  const syn = tcp({ sourcePort: 40_112, destinationPort: 23, flags: 2, window: 64_240 });
  const datagram = ipv4({ source: '10.77.0.1', destination: '10.77.0.2', ttl: 64, identification: 777 }, syn);
  await rig.pass({ port: 0, bytes: ethernet({}, datagram), seconds: 1_795_603_100, nanoseconds: 199_120_000 });
  const nameOf = (index: number): string | undefined => (index === INDEX_A ? 'lan0' : undefined);
  const origin: EventOrigin = { lane: 0, hooks: ['no-telnet'], ways: ['lan0 > wan0'], nameOf };
  const lines: string[] = [];
  new RingReader(memory).read((event) => lines.push(eveLine(eveOf(event, origin))));
  assert.deepEqual(lines, [LINES.get('drop')]);
});
