/**
 * What reading TCP streams costs a packet, in nanoseconds: for the table in docs/hook-streams.md.
 *
 * ```
 *   node --import tsx test/bench/hook-streams.bench.ts [--packets N] [--rounds N]                     no root
 *   a lane with one hook ─ frames with ascending numbers ─ the cases take turns, medians of the rounds
 * ```
 * Every figure is that of a whole passage through the lane, over a driver that sends nothing; the first one has a hook that settles its flows and
 * reads nothing, so that the others can be compared with it. The frame is patched for each packet, in all cases alike.
 *
 * @module
 */

import { parseArgs } from 'node:util';
import { FORWARD } from '../../src/firewall/constants.ts';
import { Pool } from '../../src/firewall/pool.ts';
import { ChainFlows, DEFAULT_FLOWS } from '../../src/hook/chain-flows.ts';
import type { PlainHook } from '../../src/hook/contract.ts';
import { ACCEPT } from '../../src/hook/contract.ts';
import { HookChain } from '../../src/hook/hook-chain.ts';
import { MORE } from '../../src/hook/stream/stream-contract.ts';
import type { Lane } from '../../src/lane/lane.ts';
import { frameOf } from '../support/frame-of.ts';
import { loadedHook } from '../support/loaded-hook.ts';
import { ethernet, ipv4, tcp } from '../support/packet-builder.ts';
import { bridgeWay, quietLane } from '../unit/lane/lane-rig.ts';
import { median } from './measure.ts';

const SIZE = 1460;
const MOST = 1 << 24;
const CLIENT = '192.0.2.1';
const SERVER = '198.51.100.2';
const SYN = 2;
const ACK = 16;
const LINK = 14;
const SEQUENCE = LINK + 24;
const CHECKSUM = LINK + 36;
const ACKNOWLEDGEMENT = LINK + 28;
/** The largest window: nothing is beyond it. */
const SCALE = Buffer.from('03030e01', 'hex');
const WAYS = [
  bridgeWay(),
  bridgeWay({ name: 'b > a', from: 'b', to: 'a', side: 'in', inPort: 1, outPort: 0, otherPort: 1, rejectPort: 1 }),
];

const { values } = parseArgs({ options: { packets: { type: 'string' }, rounds: { type: 'string' } } });
const packets = Number(values.packets ?? 8_000);
const rounds = Number(values.rounds ?? 21);

/** Both directions of one connection, whose segments are patched. */
class Traffic {
  readonly #data: ReturnType<typeof frameOf>;
  readonly #acknowledgement: ReturnType<typeof frameOf>;
  readonly #lane: Lane;
  readonly #port: number;
  /** Place of the next octet. */
  #at = 0;
  #clientPort = 1000;

  constructor(hook: PlainHook<unknown>, port: number, size: number, isPartial: boolean) {
    const flows = new ChainFlows(DEFAULT_FLOWS, {});
    const chain = new HookChain({
      hooks: [loadedHook(hook)],
      onHookError: 'drop',
      pool: new Pool(1 << 20),
      flows,
      onFault: (_, reason, error) => {
        throw new Error(reason, { cause: error });
      },
    });
    this.#lane = quietLane(chain, WAYS);
    this.#port = port;
    const from = { source: CLIENT, destination: SERVER };
    const segment = tcp({ sourcePort: 1000, destinationPort: port, flags: ACK, sequence: 1 }, Buffer.alloc(size, 'x'));
    this.#data = frameOf(ethernet({}, ipv4(from, segment)), { port: 0, flags: isPartial ? 1 : 0 });
    const back = tcp({ sourcePort: port, destinationPort: 1000, flags: ACK, acknowledgement: 1 });
    this.#acknowledgement = frameOf(ethernet({}, ipv4({ source: SERVER, destination: CLIENT }, back)), { port: 1 });
    this.open();
  }

  /** Another connection, from place 0 on. */
  open(): void {
    const ports = { sourcePort: ++this.#clientPort, destinationPort: this.#port };
    const { octets } = this.#data;
    this.#at = 0;
    this.#set(octets, LINK + 20, this.#clientPort);
    this.#set(this.#acknowledgement.octets, LINK + 22, this.#clientPort);
    const from = { source: CLIENT, destination: SERVER };
    const back = { source: SERVER, destination: CLIENT };
    const send = (datagram: Buffer, port: number): void =>
      this.#lane.onFrame(frameOf(ethernet({}, datagram), { port }));
    send(ipv4(from, tcp({ ...ports, flags: SYN, sequence: 0, options: SCALE })), 0);
    const answer = { sourcePort: this.#port, destinationPort: this.#clientPort, sequence: 0, acknowledgement: 1 };
    send(ipv4(back, tcp({ ...answer, flags: SYN | ACK, options: SCALE })), 1);
    send(ipv4(from, tcp({ ...ports, flags: ACK, sequence: 1, acknowledgement: 1 })), 0);
    this.#word(octets, ACKNOWLEDGEMENT, 1);
    this.acknowledge();
  }

  /** The next segment, or the one before once more. */
  data(isNew: boolean, size: number): void {
    const { octets } = this.#data;
    this.#word(octets, SEQUENCE, 1 + this.#at);
    this.#lane.onFrame(this.#data);
    if (isNew) this.#at += size;
    if (this.#at + size > MOST) this.open();
  }

  acknowledge(): void {
    this.#word(this.#acknowledgement.octets, ACKNOWLEDGEMENT, 1 + this.#at);
    this.#word(this.#acknowledgement.octets, SEQUENCE, 1);
    this.#lane.onFrame(this.#acknowledgement);
  }

  endBatch(): void {
    this.#lane.onBatchEnd();
  }

  #word(octets: Buffer, at: number, value: number): void {
    this.#set(octets, at, value >>> 16);
    this.#set(octets, at + 2, value & 0xffff);
  }

  /** Writes 16 bits, and corrects the checksum of TCP (RFC 1624). */
  #set(octets: Buffer, at: number, value: number): void {
    const old = ((octets[at] as number) << 8) | (octets[at + 1] as number);
    const checksum = ((octets[CHECKSUM] as number) << 8) | (octets[CHECKSUM + 1] as number);
    let sum = (~checksum & 0xffff) + (~old & 0xffff) + value;
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    octets[at] = value >> 8;
    octets[at + 1] = value & 255;
    octets[CHECKSUM] = (~sum & 0xffff) >> 8;
    octets[CHECKSUM + 1] = ~sum & 255;
  }
}

const stream = { ports: [443], most: MOST, memoryMiB: 64, gate: true };
const reader = (verdict: typeof MORE | typeof ACCEPT, more: Partial<PlainHook<unknown>> = {}): PlainHook<unknown> => ({
  name: 'reader',
  stream,
  onStream: () => verdict,
  ...more,
});
const settles: PlainHook<unknown> = {
  name: 'settles',
  flows: true,
  onPacket: ({ flow }) => {
    flow?.settle(FORWARD);
    return FORWARD;
  },
};

interface Case {
  readonly name: string;
  readonly traffic: Traffic;
  readonly run: (traffic: Traffic) => void;
}

const growing = (size: number) => (traffic: Traffic) => {
  for (let packet = 0; packet < packets; packet++) {
    traffic.data(true, size);
    if ((packet & 15) === 15) traffic.endBatch();
  }
};
const again = (traffic: Traffic): void => {
  for (let packet = 0; packet < packets; packet++) {
    traffic.data(false, SIZE);
    if ((packet & 15) === 15) traffic.endBatch();
  }
};
const acknowledging = (traffic: Traffic): void => {
  for (let packet = 0; packet < packets; packet++) {
    traffic.acknowledge();
    if ((packet & 15) === 15) traffic.endBatch();
  }
};

/** A connection whose reading has ended. */
function judged(): Traffic {
  const traffic = new Traffic(reader(ACCEPT), 443, SIZE, false);
  traffic.data(true, SIZE);
  traffic.acknowledge();
  return traffic;
}

/** One that was judged, and the receiver has not said that it has the octets. */
function pending(): Traffic {
  const traffic = new Traffic(reader(ACCEPT), 443, SIZE, false);
  traffic.data(false, SIZE);
  return traffic;
}

const both = { onPacket: () => FORWARD as 0 };
const CASES: readonly Case[] = [
  {
    name: 'a flow that a hook without streams has settled',
    traffic: new Traffic(settles, 443, SIZE, false),
    run: again,
  },
  { name: 'a flow of another port', traffic: new Traffic(reader(MORE), 80, SIZE, false), run: again },
  { name: 'a flow whose reading has ended', traffic: judged(), run: again },
  {
    name: 'the same, the hook has an onPacket too',
    traffic: new Traffic(reader(MORE, both), 80, SIZE, false),
    run: again,
  },
  { name: 'read: 1,460 new octets', traffic: new Traffic(reader(MORE), 443, SIZE, false), run: growing(SIZE) },
  {
    name: 'read: 1,460 new octets, checksum left to the card',
    traffic: new Traffic(reader(MORE), 443, SIZE, true),
    run: growing(SIZE),
  },
  { name: 'read: 100 new octets', traffic: new Traffic(reader(MORE), 443, 100, false), run: growing(100) },
  { name: 'judged, not acknowledged: 1,460 octets come again', traffic: pending(), run: again },
  { name: 'read: an acknowledgement of the other end', traffic: pending(), run: acknowledging },
];

const times = CASES.map((): number[] => []);
for (let round = 0; round < rounds; round++) {
  for (const [index, { traffic, run }] of CASES.entries()) {
    const start = process.cpuUsage();
    run(traffic);
    const { user, system } = process.cpuUsage(start);
    if (round > 1) times[index]?.push(((user + system) * 1000) / packets);
  }
}
for (const [index, { name }] of CASES.entries())
  console.log(
    `${median(times[index] ?? [])
      .toFixed(0)
      .padStart(6)} ns  ${name}`,
  );
