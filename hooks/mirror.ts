/**
 * Stock hook `mirror`: sends copies of packets out of another interface, to an analyser for example.
 *
 * ```
 *   packet ─ its filter, one of `sample` ─> a copy, at most `snap` octets ─> ids0
 *      └──> goes on as it is
 * ```
 * A copy is the packet as the hooks before this one have left it, behind its own link header. Rule: it never decides about a packet, and a copy
 * that cannot go is lost and counted. It sends to no port of an attach: what came back from there would be copied again.
 *
 * @module
 */

import { defineHook, FORWARD } from 'firehook';
import { optionsOf, readInteger, readText, wrongOption } from './_options.ts';

/** Options of `mirror`. */
export interface MirrorOptions {
  /** The interface that copies go out of. It has to be granted: `allow: { interfaces: [...] }`. */
  readonly to: string;
  /**
   * Which packets, in the language of pcap-filter(7).
   *
   * @defaultValue all of them
   */
  readonly filter?: string;
  /**
   * Every how many packets one is copied, 1-1,000,000.
   *
   * @defaultValue `1`
   */
  readonly sample?: number;
  /**
   * Most octets of a frame that are copied, 64-65,535.
   *
   * @defaultValue the whole frame
   */
  readonly snap?: number;
}

const LEAST_SNAP = 64;
const MOST_SNAP = 65_535;
const MOST_SAMPLE = 1_000_000;

export default defineHook({
  name: 'mirror',
  checkable: true,
  options: optionsOf(['to', 'filter', 'sample', 'snap'], ({ to, filter, sample, snap }) => ({
    to: readText('to', to),
    filter: filter === undefined ? undefined : readText('filter', filter),
    sample: sample === undefined ? 1 : readInteger('sample', sample, 1, MOST_SAMPLE),
    snap: snap === undefined ? undefined : readInteger('snap', snap, LEAST_SNAP, MOST_SNAP),
  })),
  needs: ({ to }) => ({ interfaces: [to] }),
  setup({ to, filter, sample, snap }, { interfaces, log, mirror }) {
    if (interfaces.has(to)) throw wrongOption('to', `${JSON.stringify(to)} is attached; expected another interface`);
    let next = 1;
    let isWarned = false;
    return {
      ...(filter === undefined ? {} : { filter }),
      onPacket() {
        next -= 1;
        if (next > 0) return FORWARD;
        next = sample;
        if (!mirror(to, snap) && !isWarned) {
          isWarned = true;
          log('warn', `a copy could not go out of ${to}; firehook stats counts them`);
        }
        return FORWARD;
      },
    };
  },
});
