/**
 * A lane with one hook, and what it takes for a packet: the measure of the tables in docs/hook-costs.md.
 *
 * ```
 *   a lane with the hook ─ less ─ a lane whose hook does nothing, in turns; the median of the rounds
 * ```
 * @module
 */

import { FORWARD } from '../../src/firewall/constants.ts';
import { Pool } from '../../src/firewall/pool.ts';
import { ChainFlows, DEFAULT_FLOWS } from '../../src/hook/chain-flows.ts';
import { HookChain } from '../../src/hook/hook-chain.ts';
import type { LoadedHook } from '../../src/hook/load-hook.ts';
import { frameOf } from '../support/frame-of.ts';
import { loadedHook } from '../support/loaded-hook.ts';
import { ethernet } from '../support/packet-builder.ts';
import { quietLane } from '../unit/lane/lane-rig.ts';
import { median } from './measure.ts';

/** How much is measured. */
export interface Effort {
  /** Packets of a round. */
  readonly packets: number;
  readonly rounds: number;
}

/** One hook and the packet that it meets. */
export interface HookCase {
  readonly hook: LoadedHook;
  readonly datagram: Buffer;
  readonly hasFlows: boolean;
  /** Told of the chain that the hook runs in. @defaultValue nothing is done */
  readonly attach?: (chain: HookChain) => void;
}

/** What the hook costs a packet on top of one that does nothing, in nanoseconds: the median of the rounds, the first quarter left out. */
export function costOf(one: HookCase, { packets, rounds }: Effort): number {
  const nothing = loadedHook({ name: 'base', onPacket: () => FORWARD });
  const [base, own] = [runner({ ...one, hook: nothing, hasFlows: false }, packets), runner(one, packets)];
  const differences: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const [without, spent] = [base(), own()];
    if (round >= rounds / 4) differences.push(spent - without);
  }
  return median(differences);
}

/** Nanoseconds a packet of a lane with this hook. */
function runner({ hook, datagram, hasFlows, attach }: HookCase, packets: number): () => number {
  const chain = new HookChain({
    hooks: [hook],
    onHookError: 'drop',
    pool: new Pool(1 << 22),
    onFault: (_, reason, error) => {
      throw new Error(reason, { cause: error });
    },
    flows: hasFlows ? new ChainFlows(DEFAULT_FLOWS, {}) : null,
  });
  attach?.(chain);
  const lane = quietLane(chain);
  const shared = Buffer.alloc(2048);
  const frame = ethernet({ padTo: 60 }, datagram);
  const handed = frameOf(shared, { seconds: 1 });
  handed.length = frame.length;
  handed.originalLength = frame.length;
  return () => {
    const start = process.hrtime.bigint();
    for (let index = 0; index < packets; index++) {
      shared.set(frame);
      lane.onFrame(handed);
    }
    const spent = Number(process.hrtime.bigint() - start) / packets;
    lane.onBatchEnd();
    return spent;
  };
}
