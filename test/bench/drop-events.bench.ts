/**
 * What it costs to tell of a packet that a hook drops: without events, sampled out, one in a hundred, and each.
 *
 * ```
 *   node --import tsx test/bench/drop-events.bench.ts [--packets N] [--rounds N]                       no root
 * ```
 * All cases run in turns in one process, and each round has all of them, so that a slow moment is one of each.
 *
 * @module
 */

import { parseArgs } from 'node:util';
import type { Driver } from '../../src/drivers/contract.ts';
import { RING_OCTETS } from '../../src/events/event-layout.ts';
import { DROP, FORWARD } from '../../src/firewall/constants.ts';
import { Pool } from '../../src/firewall/pool.ts';
import { HookChain } from '../../src/hook/hook-chain.ts';
import { HookEvents } from '../../src/hook/hook-events.ts';
import { DropEvents } from '../../src/lane/drop-events.ts';
import { widenInlining } from '../../src/lane/engine.ts';
import { Lane } from '../../src/lane/lane.ts';
import { frameOf } from '../support/frame-of.ts';
import { icmpSettings } from '../support/icmp-settings.ts';
import { ethernet, ipv4, udp } from '../support/packet-builder.ts';
import { bridgeWay, ethernetPort, hook } from '../unit/lane/lane-rig.ts';
import { median } from './measure.ts';

widenInlining();
const { values } = parseArgs({
  options: { packets: { type: 'string', default: '20000' }, rounds: { type: 'string', default: '101' } },
});
const packets = Number(values.packets);
const rounds = Number(values.rounds);

interface Case {
  readonly name: string;
  readonly lane: Lane;
  readonly read: () => void;
  readonly times: number[];
}

function caseOf(name: string, oneIn: number | null): Case {
  const chain = new HookChain({
    hooks: [hook('ports', ({ destinationPort }) => (destinationPort === 23 ? DROP : FORWARD))],
    onHookError: 'drop',
    pool: new Pool(1 << 20),
    onFault: () => undefined,
  });
  const memory = new ArrayBuffer(RING_OCTETS);
  const places = new Int32Array(memory);
  // Whoever reads is another process: here its place is moved only.
  const read = (): void => {
    places[16] = places[0] as number;
  };
  const events = new HookEvents({ memory, whenFull: read, now: () => 0n });
  const driver: Driver = {
    name: 'null',
    capabilities: { live: true, sharesPort: false, offloads: false },
    ports: [ethernetPort(0), ethernetPort(1)],
    start: () => Promise.resolve(),
    transmit: () => true,
    stats: () => ({ droppedByKernel: 0 }),
    stop: () => undefined,
  };
  const drops =
    oneIn === null ? null : new DropEvents({ events, chain, sample: { oneIn, perSecond: 0 }, linktypeOf: () => 1 });
  const lane = new Lane({
    driver,
    ways: [bridgeWay()],
    chain,
    nonIp: 'forward',
    unreadable: 'forward',
    icmp: icmpSettings(0),
    sender: null,
    drops,
    now: () => 0,
  });
  return { name, lane, read, times: [] };
}

const cases = [
  caseOf('no events', null),
  caseOf('none told', 1_000_000_000),
  caseOf('1 in 100 told', 100),
  caseOf('each told', 1),
];
const frame = ethernet({ padTo: 60 }, ipv4({}, udp({ destinationPort: 23 })));
const shared = Buffer.alloc(2048);
shared.set(frame);
const handed = frameOf(shared, { length: frame.length, originalLength: frame.length, seconds: 1_795_000_000 });
for (let round = 0; round < 2 * rounds; round++)
  for (const { lane, read, times } of cases) {
    const start = process.hrtime.bigint();
    for (let index = 0; index < packets; index++) lane.onFrame(handed);
    const time = Number(process.hrtime.bigint() - start) / packets;
    read();
    // The first half is warm-up.
    if (round >= rounds) times.push(time);
  }
for (const { name, times } of cases) console.log(`${name}: ${median(times).toFixed(1)} ns a dropped packet`);
