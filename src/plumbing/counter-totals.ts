/**
 * What nftables has counted at the ports, over all tables that a port had in this run.
 *
 * Rule: counters go with their table, so a replaced table's last values are added before it goes.
 *
 * @module
 */

import { isRefusal, type NetlinkSocket } from '../netlink/socket.ts';
import { tableName } from './names.ts';
import { listCounters, readCounter } from './netlink/nftables.ts';
import type { PortCounters } from './port-counters.ts';

const ENOENT = 2;

/** The counters of one table by name. */
type Counters = ReadonlyMap<string, number>;

/** Reads and adds up the counters of ports. */
export class CounterTotals {
  readonly #nft: NetlinkSocket;
  /** Of tables that are gone, by ifindex. */
  readonly #earlier: Map<number, Counters>;

  /** @param earlier - what tables that are gone have counted, by ifindex */
  constructor(nft: NetlinkSocket, earlier: ReadonlyMap<number, Counters> = new Map()) {
    this.#nft = nft;
    this.#earlier = new Map(earlier);
  }

  /** What tables that are gone have counted, by ifindex. */
  get earlier(): ReadonlyMap<number, Counters> {
    return this.#earlier;
  }

  /** Keeps what the tables of a port have counted, because they are about to go. */
  async keep(ifindex: number): Promise<void> {
    this.#earlier.set(ifindex, await this.#sum(ifindex));
  }

  /** Everything counted at ports since the start of this run, by `${ifindex} in` and `${ifindex} out`. */
  async read(ifindexes: readonly number[]): Promise<Map<string, PortCounters>> {
    const all = new Map<string, PortCounters>();
    for (const ifindex of ifindexes) {
      const sum = await this.#sum(ifindex);
      for (const direction of ['in', 'out'] as const) {
        const value = (name: string): number => sum.get(`${name}_${direction}`) ?? 0;
        all.set(`${ifindex} ${direction}`, {
          stolen: value('stolen'),
          offered: sum.has(`offered_${direction}`) ? value('offered') : value('stolen'),
          whileDown: value('down'),
          unhooked: value('unhooked'),
          kept: value('kept'),
        });
      }
    }
    return all;
  }

  /** The counters of the tables that a port has now. */
  async now(ifindex: number): Promise<Map<string, number>> {
    const counters = new Map<string, number>();
    for (const family of ['netdev', 'inet'] as const) {
      try {
        const messages = await this.#nft.dump('read the counters', listCounters(family, tableName(ifindex)));
        for (const message of messages) counters.set(...readCounter(message));
      } catch (error) {
        if (!isRefusal(error, ENOENT)) throw error;
      }
    }
    return counters;
  }

  async #sum(ifindex: number): Promise<Map<string, number>> {
    const sum = new Map(this.#earlier.get(ifindex));
    for (const [name, packets] of await this.now(ifindex)) sum.set(name, (sum.get(name) ?? 0) + packets);
    return sum;
  }
}
