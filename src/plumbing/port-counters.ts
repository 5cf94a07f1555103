/**
 * What nftables has counted at the ports: frames stolen, frames that came out of the detours, frames while no lane answered.
 *
 * `stolen` counts a super-frame once, `offered` what the kernel cut it into. What was offered and not received was never
 * handed to a lane. Rule: counters go with their table, so a replaced table's last values are added before it goes.
 *
 * @module
 */

import { tableName } from './ruleset.ts';
import { tryTool } from './run-tool.ts';

/** Counters of a direction, in frames. */
export interface PortCounters {
  /** Taken out of the kernel's path, super-frames counted as one. */
  readonly stolen: number;
  /** Shown to the lane's tap at the end of the detour; where it captures at the port, what was stolen there. */
  readonly offered: number;
  /** Met while no lane answered: decided by `policy.onDown`. */
  readonly whileDown: number;
  /** Reached the IP stack, or left it, without having met the chains at the port. */
  readonly unhooked: number;
}

interface NftCounter {
  counter?: { name: string; packets: number };
}

const NONE: PortCounters = { stolen: 0, offered: 0, whileDown: 0, unhooked: 0 };

/**
 * What was read stands for this long: a client that asks without pause must not keep the supervisor, which renews the
 * lease, busy with waiting for nft.
 */
const FRESH_MS = 200;

/** Reads and adds up the counters of ports. */
export class PortCounterTotals {
  readonly #earlier = new Map<string, PortCounters>();
  readonly #lastRead = new Map<number, { readonly atMs: number; readonly counters: ReadonlyMap<string, number> }>();

  /** Keeps what the tables of these ports have counted, because they are about to go. */
  keep(ifindexes: readonly number[]): void {
    for (const ifindex of ifindexes) {
      this.#lastRead.delete(ifindex);
      for (const direction of ['in', 'out'] as const) {
        this.#earlier.set(`${ifindex} ${direction}`, this.read(ifindex, direction));
      }
      this.#lastRead.set(ifindex, { atMs: performance.now(), counters: new Map() });
    }
  }

  /** Everything counted at a port in a direction since the start of this run. */
  read(ifindex: number, direction: 'in' | 'out'): PortCounters {
    const before = this.#earlier.get(`${ifindex} ${direction}`) ?? NONE;
    const now = this.#table(ifindex);
    const value = (name: string): number => now.get(`${name}_${direction}`) ?? 0;
    return {
      stolen: before.stolen + value('stolen'),
      offered: before.offered + (now.get(`offered_${direction}`) ?? value('stolen')),
      whileDown: before.whileDown + value('down'),
      unhooked: before.unhooked + value('unhooked'),
    };
  }

  #table(ifindex: number): ReadonlyMap<string, number> {
    const last = this.#lastRead.get(ifindex);
    if (last !== undefined && performance.now() - last.atMs < FRESH_MS) return last.counters;
    const counters = readTable(ifindex);
    this.#lastRead.set(ifindex, { atMs: performance.now(), counters });
    return counters;
  }
}

function readTable(ifindex: number): Map<string, number> {
  const listed = tryTool('nft', ['-j', 'list', 'counters', 'table', 'netdev', tableName(ifindex)]);
  if (!listed.ok) return new Map();
  const { nftables } = JSON.parse(listed.stdout) as { nftables: NftCounter[] };
  return new Map(nftables.flatMap(({ counter }) => (counter === undefined ? [] : [[counter.name, counter.packets]])));
}
