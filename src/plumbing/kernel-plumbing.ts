/**
 * The plumbing in the kernel: everything by netlink, nothing by tools.
 *
 * ```
 *   protect   tables: onDown holds (what of the detours is there already is in them)
 *   equip     detours ─> tables with them ─> redirect, promiscuity, LRO
 *   inspect   compares all of it with what the kernel says now
 *   undo      tables, then what was switched, then detours
 * ```
 * Rule: every step can be repeated and every undo works on what a killed run left. All changes of nf_tables, and the lease, go
 * through one socket, which owns the tables.
 *
 * @module
 */

import type { LocalRoute } from '../lane/local-table.ts';
import { isRefusal, NETLINK_GENERIC, NETLINK_NETFILTER, NETLINK_ROUTE, NetlinkSocket } from '../netlink/socket.ts';
import type { Attachment } from './attach/attachment.ts';
import { bridgeTables } from './attach/bridge-tables.ts';
import { detoursOf } from './attach/detours.ts';
import { hostTables } from './attach/host-tables.ts';
import type { Damage, EarlierTaker, LeaseControl, PlumbingEstate, TransferablePlumbing } from './contract.ts';
import { CounterTotals } from './counter-totals.ts';
import { DetourKeeper, detourOf } from './detour-keeper.ts';
import { findEarlierTakers } from './earlier-takers.ts';
import type { KeptSession } from './kept-session.ts';
import { KernelLease } from './lease-control.ts';
import type { Link } from './link.ts';
import { readLocalRoutes } from './local-routes.ts';
import { inheritMarks, marksSecret } from './marks.ts';
import { type PortMemory, readComment } from './memory.ts';
import { detourNames, portOfDetour, portOfTable } from './names.ts';
import { changeLink, type ListedLink } from './netlink/link-messages.ts';
import { tableOfEvent } from './netlink/nftables.ts';
import { Offloads } from './offloads.ts';
import type { OwnTraffic } from './own-traffic.ts';
import type { PortCounters } from './port-counters.ts';
import { PortLocks } from './port-locks.ts';
import { probeDetours } from './probe.ts';
import { TableKeeper } from './table-keeper.ts';
import type { Detour, PortPlan, PortTables } from './tables.ts';

/** Groups of events. */
const RTNLGRP_LINK = 1;
const RTNLGRP_TC = 4;
const RTNLGRP_IPV4_IFADDR = 5;
const RTNLGRP_IPV6_IFADDR = 9;
const NFNLGRP_NFTABLES = 7;

/** Error numbers, errno(3). */
const ENOENT = 2;
const ENODEV = 19;
const EOPNOTSUPP = 95;

type PortAttachment = Exclude<Attachment, { kind: 'tap' }>;
type SuperFrames = 'cut' | 'whole';

/** What {@link KernelPlumbing.protect} was told of an attachment, for the tables that {@link KernelPlumbing.equip} makes. */
interface Orders {
  readonly onDown: 'drop' | 'forward';
  readonly tolerated: readonly string[];
}

/** What the supervisor uses. */
export class KernelPlumbing implements TransferablePlumbing {
  readonly #nft: NetlinkSocket;
  readonly #route = new NetlinkSocket(NETLINK_ROUTE);
  readonly #generic = new NetlinkSocket(NETLINK_GENERIC);
  readonly #routeEvents = new NetlinkSocket(NETLINK_ROUTE, [
    RTNLGRP_LINK,
    RTNLGRP_TC,
    RTNLGRP_IPV4_IFADDR,
    RTNLGRP_IPV6_IFADDR,
  ]);
  readonly #nftEvents = new NetlinkSocket(NETLINK_NETFILTER, [NFNLGRP_NFTABLES]);
  readonly #tables: TableKeeper;
  /** Of its own: a renewal of the lease does not wait for who only reads. */
  readonly #nftReads = new NetlinkSocket(NETLINK_NETFILTER);
  readonly #counters: CounterTotals;
  readonly #offloads = new Offloads(this.#generic);
  readonly #detours = new DetourKeeper(this.#route, this.#offloads);
  readonly #locks = new PortLocks();
  readonly #listeners: (() => void)[] = [];
  /** By the ifindexes of the ports. */
  readonly #orders = new Map<string, Orders>();
  readonly #superFrames = new Map<string, SuperFrames>();
  #lease: KernelLease | null = null;

  readonly #own: OwnTraffic | null;
  readonly #kept: KeptSession | null;
  readonly #inherited: PlumbingEstate | null;

  /**
   * @param own - what hooks may say to whom, by sockets of their own
   * @param kept - the connection that does not meet the hooks of a host
   * @param inherited - what another process leaves, with whose ports this one goes on
   * @throws FirehookError FIREHOOK_DRIVER_MISSING without the addon
   */
  constructor(own: OwnTraffic | null = null, kept: KeptSession | null = null, inherited: PlumbingEstate | null = null) {
    this.#own = own;
    this.#kept = kept;
    this.#inherited = inherited;
    this.#nft = new NetlinkSocket(NETLINK_NETFILTER, [], inherited?.nft);
    this.#tables = new TableKeeper(this.#nft, inherited?.installed);
    this.#counters = new CounterTotals(this.#nftReads, inherited?.counted);
    if (inherited !== null) inheritMarks(inherited.marks);
    for (const [ifindex, descriptor] of inherited?.locks ?? []) this.#locks.adopt(ifindex, descriptor);
    this.#routeEvents.watch(() => this.#tell());
    this.#nftEvents.watch((messages) => {
      // The lease speaks five times a second, and what this process does it knows.
      const isRelevant = messages?.some(
        (one) => one.portId !== this.#nft.portId && portOfTable(tableOfEvent(one)) !== null,
      );
      if (isRelevant !== false) this.#tell();
    });
  }

  /** Its thread starts when it is first asked for: who only looks or takes back has none. */
  get lease(): LeaseControl {
    this.#lease ??= new KernelLease(this.#nft, this.#inherited?.fence);
    return this.#lease;
  }

  get estate(): PlumbingEstate {
    this.#lease ??= new KernelLease(this.#nft);
    return {
      marks: marksSecret(),
      nft: this.#nft.descriptor,
      fence: this.#lease.fence,
      locks: this.#locks.held,
      installed: this.#tables.installed,
      counted: this.#counters.earlier,
    };
  }

  async isAsLeft(attachment: Attachment, onDown: 'drop' | 'forward', tolerated: readonly string[]): Promise<boolean> {
    if (attachment.kind === 'tap') return true;
    this.#orders.set(keyOf(attachment), { onDown, tolerated });
    const links = await this.#detours.readLinks();
    for (const port of attachment.links) {
      if (this.#tables.planOf(port.ifindex) === undefined) return false;
      const plan = await this.#plan(attachment, port, links);
      if (!this.#tables.isMadeFrom(plan, tablesOf(plan))) return false;
    }
    return true;
  }

  async readLinks(): Promise<ReadonlyMap<string, Link>> {
    return await this.#detours.readLinks();
  }

  async readLocals(): Promise<readonly LocalRoute[]> {
    return await readLocalRoutes(this.#route);
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  lock(link: Pick<Link, 'ifindex' | 'name'>): void {
    this.#locks.lock(link);
  }

  unlock(ifindex: number): void {
    this.#locks.unlock(ifindex);
  }

  async protect(attachment: Attachment, onDown: 'drop' | 'forward', tolerated: readonly string[]): Promise<void> {
    if (attachment.kind === 'tap') return;
    this.#orders.set(keyOf(attachment), { onDown, tolerated });
    await this.#putInForce(attachment);
  }

  async equip(attachment: Attachment, superFrames: SuperFrames): Promise<void> {
    if (attachment.kind === 'tap') return;
    this.#superFrames.set(keyOf(attachment), superFrames);
    const specs = detoursOf(attachment);
    await this.#detours.make(specs);
    // Before anything passes there: the chains at the ends, and the ends that the port's chains send to.
    const links = await this.#putInForce(attachment);
    await this.#detours.repair(specs, superFrames);
    for (const port of attachment.links) {
      const memory = this.#tables.planOf(port.ifindex)?.memory;
      if (attachment.kind === 'bridge' && links.get(port.name)?.isPromiscuous === false) {
        await this.#setPromiscuous(port, true);
      } else if (attachment.kind === 'host' && memory?.setPromiscuous === true) {
        await this.#setPromiscuous(port, false);
      }
      if (memory?.unsetLro === true) await this.#offloads.setLro(port.ifindex, false);
    }
  }

  async inspect(attachment: Attachment, links: ReadonlyMap<string, Link>): Promise<readonly Damage[]> {
    if (attachment.kind === 'tap') return [];
    const damages: Damage[] = [];
    for (const port of attachment.links) {
      damages.push(...(await this.#tables.inspect(port, links)));
      const now = links.get(port.name);
      if (now === undefined) continue;
      if (attachment.kind === 'bridge' && !now.isPromiscuous) {
        damages.push({ what: 'promiscuity', text: `${port.name}: promiscuity was switched off` });
      }
      if (this.#tables.planOf(port.ifindex)?.memory.unsetLro === true && (await this.#hasLro(now))) {
        damages.push({ what: 'offload', text: `${port.name}: LRO was switched on` });
      }
    }
    const superFrames = this.#superFrames.get(keyOf(attachment)) ?? null;
    damages.push(...(await this.#detours.inspect(detoursOf(attachment), superFrames, links)));
    return damages;
  }

  async earlierTakers(
    attachment: Attachment,
    links: ReadonlyMap<string, Link>,
    tolerated: readonly string[],
  ): Promise<readonly EarlierTaker[]> {
    return await findEarlierTakers(this.#route, attachment, links, tolerated);
  }

  async probe(attachment: Attachment): Promise<readonly Damage[]> {
    return await probeDetours(attachment, await this.readLinks(), this.#counters);
  }

  async counters(ifindexes: readonly number[]): Promise<ReadonlyMap<string, PortCounters>> {
    return await this.#counters.read(ifindexes);
  }

  async leftovers(ifindexes: readonly number[]): Promise<ReadonlyMap<number, PortMemory>> {
    const remembered = new Map(
      (await this.#tables.listAll())
        .filter(({ family }) => family === 'netdev')
        .map(({ name, comment }) => [portOfTable(name), readComment(comment)] as const),
    );
    const found = new Map<number, PortMemory>();
    const queue = [...ifindexes];
    for (let ifindex = queue.shift(); ifindex !== undefined; ifindex = queue.shift()) {
      const memory = remembered.get(ifindex);
      if (memory === undefined || memory === null || found.has(ifindex)) continue;
      found.set(ifindex, memory);
      if (memory.peer !== 0) queue.push(memory.peer);
    }
    return found;
  }

  async findTraces(): Promise<readonly number[]> {
    const tables = (await this.#tables.listAll()).map(({ name }) => portOfTable(name));
    const detours = [...(await this.readLinks()).keys()].map(portOfDetour);
    const all = [...tables, ...detours].filter((ifindex) => ifindex !== null);
    return [...new Set(all)].sort((a, b) => a - b);
  }

  async disengage(ifindex: number): Promise<void> {
    await this.#counters.keep(ifindex);
    await this.#tables.empty(ifindex);
  }

  async undo(ifindex: number): Promise<boolean> {
    const memory = await this.#tables.memoryOf(ifindex);
    await this.#counters.keep(ifindex);
    let found = await this.#tables.remove(ifindex);
    const links = await this.#detours.readLinks();
    const port = [...links.values()].find((link) => link.ifindex === ifindex);
    if (port !== undefined && memory?.setPromiscuous === true) await this.#setPromiscuous(port, false);
    if (port !== undefined && memory?.unsetLro === true) await this.#offloads.setLro(ifindex, true);
    for (const direction of ['in', 'out'] as const) {
      const { near, far } = detourNames(ifindex, direction);
      // Either may have been taken away by hand.
      found = (await this.#detours.remove([near, far], links)) || found;
    }
    return found;
  }

  /** Tables, detours and what was switched stay: `undo` comes before, where they are not to. */
  close(): void {
    this.#lease?.close(false);
    this.#locks.unlockAll();
    for (const socket of [this.#routeEvents, this.#nftEvents, this.#nftReads, this.#route, this.#generic, this.#nft])
      socket.close();
  }

  /**
   * Puts the tables of an attachment in force as the detours are now.
   *
   * @returns the interfaces that it looked at
   */
  async #putInForce(attachment: PortAttachment): Promise<ReadonlyMap<string, ListedLink>> {
    const links = await this.#detours.readLinks();
    const made: [PortPlan, PortTables][] = [];
    let isInForce = true;
    for (const port of attachment.links) {
      const plan = await this.#plan(attachment, port, links);
      isInForce = isInForce && (await this.#tables.isInForce(plan));
      made.push([plan, tablesOf(plan)]);
    }
    if (isInForce) return links;
    for (const { ifindex } of attachment.links) {
      // What an earlier run counted is no part of this one's sums.
      if (this.#tables.planOf(ifindex) !== undefined) await this.#counters.keep(ifindex);
    }
    await this.#tables.install(made);
    return links;
  }

  async #plan(attachment: PortAttachment, port: Link, links: ReadonlyMap<string, Link>): Promise<PortPlan> {
    const orders = this.#orders.get(keyOf(attachment));
    if (orders === undefined) throw new Error('protect comes before equip');
    const before = this.#tables.planOf(port.ifindex)?.memory ?? (await this.#tables.memoryOf(port.ifindex));
    const peer = attachment.links.find(({ ifindex }) => ifindex !== port.ifindex) ?? null;
    const isBridge = attachment.kind === 'bridge';
    const detours: Partial<Record<'in' | 'out', Detour>> = {};
    let isComplete = true;
    for (const spec of detoursOf(attachment).filter((one) => one.port.ifindex === port.ifindex)) {
      const detour = detourOf(spec, links);
      if (detour === null) isComplete = false;
      else detours[spec.direction] = detour;
    }
    return {
      port: deviceOf(port),
      memory: {
        kind: attachment.kind,
        peer: peer?.ifindex ?? 0,
        setPromiscuous: before?.setPromiscuous === true || (isBridge && links.get(port.name)?.isPromiscuous === false),
        unsetLro: before?.unsetLro === true || (await this.#hasLro(port)),
      },
      onDown: orders.onDown,
      peer: peer === null ? null : deviceOf(peer),
      takesAt: isBridge ? attachment.takesAt : 'detour',
      knownBy: isBridge ? 'group' : attachment.knownBy,
      deliveredMark: isBridge ? 0 : attachment.deliveredMark,
      detours: isComplete ? detours : null,
      tolerated: orders.tolerated,
      own: this.#own,
      kept: this.#kept,
    };
  }

  async #hasLro({ ifindex }: Link): Promise<boolean> {
    try {
      return await this.#offloads.hasLro(ifindex);
    } catch (error) {
      // A port that has just gone, or a kernel without ethtool over netlink (before 5.6): there is nothing to switch.
      if (isRefusal(error, ENODEV, ENOENT, EOPNOTSUPP)) return false;
      throw error;
    }
  }

  async #setPromiscuous({ ifindex, name }: Link, isPromiscuous: boolean): Promise<void> {
    const operation = `switch promiscuity of ${name} ${isPromiscuous ? 'on' : 'off'}`;
    await this.#route.request(operation, [changeLink(ifindex, { isPromiscuous })]);
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

function tablesOf(plan: PortPlan): PortTables {
  return plan.memory.kind === 'host' ? hostTables(plan) : bridgeTables(plan);
}

function keyOf({ links }: Attachment): string {
  return links.map(({ ifindex }) => ifindex).join(' ');
}

function deviceOf({ ifindex, name }: Link): { readonly ifindex: number; readonly name: string } {
  return { ifindex, name };
}
