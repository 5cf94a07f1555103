/**
 * The tables of ports: puts them in force, and knows whether they still are.
 *
 * ```
 *   install: delete what is there, make what is wanted, in one transaction ─> read it back: that is how it has to look
 *   inspect: read it again, and compare
 * ```
 * Rule: all changes go through one socket, which owns the tables: as long as it is open nobody else can change them (Linux
 * 6.9; on older kernels they can, and `inspect` finds it). A table outlives its owner.
 *
 * @module
 */

import { isDeepStrictEqual } from 'node:util';
import { FirehookError } from '../errors.ts';
import type { Message, Request } from '../netlink/message.ts';
import { isRefusal, type NetlinkSocket } from '../netlink/socket.ts';
import type { Damage } from './contract.ts';
import type { Link } from './link.ts';
import { type PortMemory, readComment, writeComment } from './memory.ts';
import { portOfTable, tableName } from './names.ts';
import {
  addTable,
  batch,
  deleteTable,
  getChain,
  getSet,
  getTable,
  type ListedTable,
  listRules,
  listTables,
  NFGENMSG,
  NFT_TABLE_F_OWNER,
  NFT_TABLE_F_PERSIST,
  readTable,
  type Table,
} from './netlink/nftables.ts';
import { ALIVE, type Device, type PortPlan, type PortTables } from './tables.ts';

/** Error numbers, errno(3). */
const EPERM = 1;
const ENOENT = 2;
const EEXIST = 17;
const EINVAL = 22;
const ERANGE = 34;
const EOPNOTSUPP = 95;

/** Somebody else may take a table away between the look at it and the transaction. */
const TRIES = 4;

/** What is in force for a port. */
export interface InstalledTables {
  readonly plan: PortPlan;
  readonly tables: PortTables;
  /** As the kernel listed it right after it was made. */
  readonly listing: string;
}

interface Installed extends InstalledTables {
  /** A device was seen under another name: chains may not have come back with it. */
  isDoubtful: boolean;
}

/** Makes, compares and removes the tables of ports. */
export class TableKeeper {
  readonly #nft: NetlinkSocket;
  readonly #installed = new Map<number, Installed>();
  #flags = NFT_TABLE_F_OWNER | NFT_TABLE_F_PERSIST;

  /** @param installed - by another process, by whose socket this one goes on */
  constructor(nft: NetlinkSocket, installed: readonly InstalledTables[] = []) {
    this.#nft = nft;
    for (const one of installed) this.#installed.set(one.plan.port.ifindex, { ...one, isDoubtful: false });
  }

  /** What is in force, for a process that is to go on with it. */
  get installed(): readonly InstalledTables[] {
    return [...this.#installed.values()].map(({ plan, tables, listing }) => ({ plan, tables, listing }));
  }

  /** Whether the tables of a port were made from this plan, and would be made again like that. Asks nobody. */
  isMadeFrom(plan: PortPlan, tables: PortTables): boolean {
    const installed = this.#installed.get(plan.port.ifindex);
    return installed !== undefined && isSame(installed.plan, plan) && isDeepStrictEqual(installed.tables, tables);
  }

  /** What the tables of a port were made from; undefined where this run has made none. */
  planOf(ifindex: number): PortPlan | undefined {
    return this.#installed.get(ifindex)?.plan;
  }

  /** True when the tables of a port are in force and were made from this very plan. */
  async isInForce(plan: PortPlan): Promise<boolean> {
    const installed = this.#installed.get(plan.port.ifindex);
    if (installed === undefined || installed.isDoubtful || !isSame(installed.plan, plan)) return false;
    return (await this.#list(installed.tables)) === installed.listing;
  }

  /**
   * Replaces the tables of ports, all in one transaction.
   *
   * @throws {@link KernelRefusal}; FirehookError FIREHOOK_ATTACH_BUSY when another process owns a table
   */
  async install(made: readonly (readonly [PortPlan, PortTables])[]): Promise<void> {
    const tables = made.flatMap(([, { netdev, inet }]) => [netdev, inet]);
    await this.#replace(tables);
    for (const [plan, its] of made) {
      const listing = (await this.#list(its)) ?? '';
      this.#installed.set(plan.port.ifindex, { plan, tables: its, listing, isDoubtful: false });
    }
  }

  /** What is wrong with the tables of a port; empty when they are as they were made. */
  async inspect(port: Device, links: ReadonlyMap<string, Link>): Promise<Damage[]> {
    const installed = this.#installed.get(port.ifindex);
    if (installed === undefined) return [table(`${port.name}: its tables are not there`)];
    // A chain stands at a device by its name: under another name it is listed, and does not run.
    for (const { name, ifindex } of devicesOf(installed.plan)) {
      if (links.get(name)?.ifindex === ifindex) continue;
      installed.isDoubtful = true;
      return [table(`${port.name}: ${name} (number ${ifindex}) is gone, or has another name`)];
    }
    if (installed.isDoubtful) return [table(`${port.name}: a device of its tables had another name for a while`)];
    const now = await this.#list(installed.tables);
    if (now === installed.listing) return [];
    const what = now === null ? 'parts of its tables are gone' : 'its tables were changed by somebody else';
    return [table(`${port.name}: ${what}`)];
  }

  /** Every table of firehook's in this namespace. */
  async listAll(): Promise<ListedTable[]> {
    const messages = await this.#nft.dump('list the nf_tables tables', listTables());
    return messages.map(readTable).filter(({ name, family }) => family !== null && portOfTable(name) !== null);
  }

  /** What the table of a port remembers, whoever made it; null where there is none. */
  async memoryOf(ifindex: number): Promise<PortMemory | null> {
    const [message] = await this.#ask(getTable('netdev', tableName(ifindex)));
    return message === undefined ? null : readComment(readTable(message).comment);
  }

  /** Leaves of the tables of a port what they remember, and nothing that acts. */
  async empty(ifindex: number): Promise<void> {
    const memory = this.planOf(ifindex)?.memory ?? (await this.memoryOf(ifindex));
    this.#installed.delete(ifindex);
    if (memory === null) return;
    const name = tableName(ifindex);
    await this.#replace(
      [{ family: 'netdev', name, comment: writeComment(memory), counters: [], sets: [], chains: [] }],
      [{ family: 'inet', name }],
    );
  }

  /**
   * Removes the tables of a port.
   *
   * @returns true when there were some
   */
  async remove(ifindex: number): Promise<boolean> {
    this.#installed.delete(ifindex);
    const name = tableName(ifindex);
    const both = [{ family: 'netdev', name } as const, { family: 'inet', name } as const];
    return (await this.#replace([], both)) > 0;
  }

  /**
   * Deletes what is there of these tables and makes them, or only deletes.
   *
   * @returns how many were deleted
   */
  async #replace(tables: readonly Table[], others: readonly Pick<Table, 'family' | 'name'>[] = []): Promise<number> {
    for (let tries = 1; ; tries += 1) {
      const there = await this.listAll();
      const isThere = ({ family, name }: Pick<Table, 'family' | 'name'>): boolean =>
        there.some((one) => one.family === family && one.name === name);
      const old = [...tables, ...others].filter(isThere);
      const requests = [
        ...old.map(({ family, name }) => deleteTable(family, name)),
        ...tables.flatMap((one) => addTable(one, this.#flags)),
      ];
      if (requests.length === 0) return 0;
      try {
        await this.#nft.request(`replace the tables ${nameAll([...tables, ...old])}`, batch(requests));
        return old.length;
      } catch (error) {
        if (
          isRefusal(error, EPERM) &&
          old.some(({ name }) => there.some((one) => one.name === name && one.owner !== 0))
        ) {
          const detail = `${nameAll(old)}: another process has these tables`;
          throw new FirehookError('FIREHOOK_ATTACH_BUSY', detail, { cause: error });
        }
        if (this.#flags !== 0 && isRefusal(error, EINVAL, ERANGE, EOPNOTSUPP)) this.#flags = 0;
        else if (tries === TRIES || !isRefusal(error, ENOENT, EEXIST)) throw error;
      }
    }
  }

  /** How the kernel lists the tables now, as one text; null when a part is missing. */
  async #list({ netdev, inet }: PortTables): Promise<string | null> {
    const parts = [netdev, inet].flatMap(({ family, name, chains }) => [
      getTable(family, name),
      ...chains.map((chain) => getChain(family, name, chain.name)),
    ]);
    // Its elements come and go: that it is there is all that is asked.
    const set = await this.#ask(getSet(netdev.family, netdev.name, ALIVE));
    if (set.length === 0) return null;
    const listed = await this.#ask(...parts);
    if (listed.length === 0) return null;
    for (const { family, name } of [netdev, inet]) {
      listed.push(...(await this.#nft.dump(`list the rules of ${family} ${name}`, listRules(family, name))));
    }
    // The generation in front of the attributes moves with every renewal of the lease.
    return listed.map(({ body }) => Buffer.from(body.subarray(NFGENMSG)).toString('latin1')).join('|');
  }

  /** The answers; none where something asked for is not there. */
  async #ask(...requests: readonly Request[]): Promise<Message[]> {
    try {
      return await this.#nft.request('look at the tables', requests);
    } catch (error) {
      if (isRefusal(error, ENOENT)) return [];
      throw error;
    }
  }
}

/** The devices that the chains of a plan stand at. */
function devicesOf({ port, detours }: PortPlan): Device[] {
  return [port, ...Object.values(detours ?? {}).flatMap(({ near, far }) => [near, far])];
}

function isSame(a: PortPlan, b: PortPlan): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function nameAll(tables: readonly Pick<Table, 'family' | 'name'>[]): string {
  return [...new Set(tables.map(({ family, name }) => `${family} ${name}`))].join(', ');
}

function table(text: string): Damage {
  return { what: 'table', text };
}
