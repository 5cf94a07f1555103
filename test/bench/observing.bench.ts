/**
 * What it costs a packet that firehook can be looked into, JavaScript alone: the time of hooks, and events of drops at 1 %.
 *
 * ```
 *   node --import tsx test/bench/observing.bench.ts [--packets N] [--rounds N]                       no root
 *   a lane with five hooks, one packet in a hundred dropped: nothing ─ nothing again ─ time ─ events ─ both, in turns in one process
 * ```
 * A ratio is taken within a round, against `nothing` of the same round; `nothing again` says how much of it is noise. Where time is not measured, the number that
 * a packet counts down is still there, and never comes to its end: what that one takes is in every case. observing.ts has the whole.
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

const DROPPED_PORT = 23;
/** One packet in so many is dropped, and of those one in so many told of. */
const ONE_IN = 100;
/** Of an Ethernet frame of UDP without options. */
const AT_PORT = 36;
const MORE_HOOKS = 4;
/** Packets until the time of a hook is measured: none of a run comes there. */
const NEVER = 2 ** 30 - 1;

widenInlining();
const { values } = parseArgs({
  options: { packets: { type: 'string', default: '20000' }, rounds: { type: 'string', default: '201' } },
});
const packets = Number(values.packets);
const rounds = Number(values.rounds);

interface Case {
  readonly name: string;
  readonly lane: Lane;
  /** To be called before each round. */
  readonly prepare: () => void;
  readonly times: number[];
}

const QUIET: Driver = {
  name: 'null',
  capabilities: { live: true, sharesPort: false, offloads: false },
  ports: [ethernetPort(0), ethernetPort(1)],
  start: () => Promise.resolve(),
  transmit: () => true,
  stats: () => ({ droppedByKernel: 0 }),
  stop: () => undefined,
};

function caseOf(name: string, isTimed: boolean, hasEvents: boolean): Case {
  const trivial = Array.from({ length: MORE_HOOKS }, (_, index) => hook(`trivial-${index}`, () => FORWARD));
  const chain = new HookChain({
    hooks: [hook('ports', ({ destinationPort }) => (destinationPort === DROPPED_PORT ? DROP : FORWARD)), ...trivial],
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
  const sample = { oneIn: ONE_IN, perSecond: 0 };
  const lane = new Lane({
    driver: QUIET,
    ways: [bridgeWay()],
    chain,
    nonIp: 'forward',
    unreadable: 'forward',
    icmp: icmpSettings(0),
    sender: null,
    drops: hasEvents ? new DropEvents({ events, chain, sample, linktypeOf: () => 1 }) : null,
    now: () => 0,
  });
  const prepare = (): void => {
    read();
    if (!isTimed) chain.times.left = NEVER;
  };
  return { name, lane, prepare, times: [] };
}

// The first one that is made has V8's favour, a twentieth: what it meets there never comes again.
caseOf('nobody', false, false);
const cases = [
  caseOf('nothing', false, false),
  caseOf('nothing again', false, false),
  caseOf('time of hooks', true, false),
  caseOf('events', false, true),
  caseOf('both', true, true),
];
const frame = ethernet({ padTo: 60 }, ipv4({}, udp({ destinationPort: 9 })));
const shared = Buffer.alloc(2048);
shared.set(frame);
const handed = frameOf(shared, { length: frame.length, originalLength: frame.length, seconds: 1_795_000_000 });

function turn({ lane, prepare }: Case): number {
  prepare();
  const start = process.hrtime.bigint();
  for (let index = 0; index < packets; index++) {
    shared[AT_PORT + 1] = index % ONE_IN === 0 ? DROPPED_PORT : 9;
    lane.onFrame(handed);
  }
  return Number(process.hrtime.bigint() - start) / packets;
}

for (let round = 0; round < 2 * rounds; round++) {
  const times = new Map<Case, number>();
  for (let place = 0; place < cases.length; place++) {
    // Every round another one begins: whoever comes later meets caches that the others have left.
    const one = cases[(place + round) % cases.length] as Case;
    times.set(one, turn(one));
  }
  // The first half is warm-up.
  if (round >= rounds) for (const [one, time] of times) one.times.push(time);
}
const base = (cases[0] as Case).times;
for (const { name, times } of cases) {
  const ratio = median(times.map((time, round) => time / (base[round] as number)));
  console.log(`${name}: ${median(times).toFixed(1)} ns a packet, ${ratio.toFixed(4)} x`);
}
