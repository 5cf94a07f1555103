/**
 * Small hooks for the tests of the hook chain: they put chains in a packet's place, and look at what the next hook gets.
 *
 * @module
 */

import { FORWARD, type FORWARD_ACTION } from '../../../src/firewall/constants.ts';
import type { IPRcvBuf } from '../../../src/firewall/ip-rcv-buf.ts';
import type { Pool } from '../../../src/firewall/pool.ts';
import type { Verdict } from '../../../src/hook/contract.ts';
import type { LoadedHook } from '../../../src/hook/load-hook.ts';
import { callback, hook } from '../lane/lane-rig.ts';

/** A hook that puts a chain in the packet's place with `replace`. */
export function replaceWith(make: (pool: Pool) => IPRcvBuf, verdict: Verdict = FORWARD) {
  return (pool: Pool): LoadedHook =>
    hook('replace', (packet) => {
      packet.replace(make(pool));
      return verdict;
    });
}

/** A hook that hands a chain over in `*ppRcvBuf`. */
export function handOver(make: (pool: Pool) => IPRcvBuf, verdict: FORWARD_ACTION = FORWARD) {
  return (pool: Pool): LoadedHook =>
    callback('hand-over', (_, __, ___, ____, _____, ______, ppRcvBuf) => {
      ppRcvBuf.value = make(pool);
      return verdict;
    });
}

/** Keeps the octets that the hook after another one sees. */
export function look(seen: Buffer[]): LoadedHook {
  return hook('look', (packet) => {
    seen.push(Buffer.from(packet.bytes.subarray(0, packet.length)));
    return FORWARD;
  });
}

/** Keeps the sizes of the buffers that a seven-argument hook sees. */
export function measure(sizes: number[][]): LoadedHook {
  return callback('measure', (pData) => {
    const row: number[] = [];
    for (let at = pData.value; at !== null; at = at.ipr_next) row.push(at.ipr_size);
    sizes.push(row);
    return FORWARD;
  });
}
