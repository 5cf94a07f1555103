/**
 * What a packet that waits costs, in this process: nanoseconds a packet, against one that goes on at once.
 *
 * ```
 *   node --import tsx test/bench/hold.bench.ts [--rounds N]      no root
 *   batches of 64 frames ─> holdUntil ─> the end of the batch, later on its clock ─> they go on
 * ```
 * Rule: both kinds take turns; a figure is the median over the rounds. The copy of the frame and everything until it is sent is in it; the timer of
 * the clock is not, which is one for each batch.
 *
 * @module
 */

import { parseArgs } from 'node:util';
import { FORWARD } from '../../src/firewall/constants.ts';
import { Pool } from '../../src/firewall/pool.ts';
import { HookChain } from '../../src/hook/hook-chain.ts';
import { widenInlining } from '../../src/lane/engine.ts';
import { frameOf } from '../support/frame-of.ts';
import { loadedHook } from '../support/loaded-hook.ts';
import { ethernet, ipv4, udp } from '../support/packet-builder.ts';
import { quietLane } from '../unit/lane/lane-rig.ts';
import { median } from './measure.ts';

const BATCH = 64;
const PACKETS = 20_480;
const WAIT_MS = 2;
const WARM_UP = 20;

widenInlining();
const { values } = parseArgs({ options: { rounds: { type: 'string', default: '61' } } });

/** A lane that hands frames of this size to a hook. */
function laneOf(octets: number, waits: boolean): () => number {
  const hook = loadedHook({
    name: 'waits',
    hold: { packets: BATCH, mib: 1, timeoutMs: 1000 },
    onPacket: (packet, { timestamp }) => (waits ? packet.holdUntil(timestamp + WAIT_MS) : FORWARD),
  });
  const fault = (_hook: unknown, reason: string): never => {
    throw new Error(reason);
  };
  const chain = new HookChain({ hooks: [hook], onHookError: 'drop', pool: new Pool(1 << 20), onFault: fault });
  // An array of references: a number of its own would be made for each look.
  const nowMs: (number | null)[] = [null, 0];
  const scheduled = { cancel: () => undefined };
  const clock = { now: () => 0n, schedule: () => scheduled };
  const lane = quietLane(chain, undefined, { now: () => nowMs[1] as number, clock });
  const frame = ethernet({ padTo: 60 }, ipv4({}, udp({}, Buffer.alloc(octets - 42))));
  const shared = Buffer.alloc(2048);
  const handed = frameOf(shared, { length: frame.length, seconds: 1 });
  return () => {
    const start = process.hrtime.bigint();
    for (let i = 0; i < PACKETS; i++) {
      shared.set(frame);
      handed.seconds = 1_795_000_000;
      lane.onFrame(handed);
      if (i % BATCH !== BATCH - 1) continue;
      nowMs[1] = (nowMs[1] as number) + WAIT_MS + 1;
      lane.onBatchEnd();
    }
    return Number(process.hrtime.bigint() - start) / PACKETS;
  };
}

for (const octets of [60, 1514]) {
  const kinds = [laneOf(octets, false), laneOf(octets, true)];
  const times: number[][] = [[], []];
  for (let round = 0; round < WARM_UP + Number(values.rounds); round++)
    for (const [index, run] of kinds.entries()) {
      const nanoseconds = run();
      if (round >= WARM_UP) times[index]?.push(nanoseconds);
    }
  const [goesOn = 0, waits = 0] = times.map((list) => median(list));
  console.log(
    `${octets} octets: goes on ${goesOn.toFixed(0)} ns, waits ${waits.toFixed(0)} ns, which is ${(waits - goesOn).toFixed(0)} ns more`,
  );
}
