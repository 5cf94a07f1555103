/**
 * Detours in the kernel: makes them, repairs them, and knows what is wrong with them.
 *
 * ```
 *   port ─> near end ═══ far end ─> lane            both ends of the inbound detour of a host ──tc redirect──> ingress of the port
 * ```
 * Rule: what is right is left alone, so that frames on their way are not lost. An end that stands where it should not (with
 * another partner, not a veth) goes, and a pair is made.
 *
 * @module
 */

import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { takeMarked, takeMarkedUnicast } from '../drivers/classic-bpf.ts';
import { isRefusal, type NetlinkSocket } from '../netlink/socket.ts';
import { type DetourSpec, detourMtu } from './attach/detours.ts';
import type { Damage } from './contract.ts';
import type { Link } from './link.ts';
import {
  addVeth,
  changeLink,
  deleteLink,
  type LinkChanges,
  type ListedLink,
  listLinks,
  readLinkList,
} from './netlink/link-messages.ts';
import {
  addFilterQueue,
  addRedirect,
  deleteFilterQueue,
  isRedirect,
  listFilters,
  type Redirect,
  readFilters,
  type TcFilter,
} from './netlink/tc-messages.ts';
import type { Offloads } from './offloads.ts';
import type { Detour } from './tables.ts';

/** Error numbers, errno(3). */
const ENOENT = 2;
const ENODEV = 19;
const EINVAL = 22;

/** Both ends of a detour as they are in the kernel. */
interface Ends {
  readonly near: ListedLink;
  readonly far: ListedLink;
}

/** Makes and inspects detours. */
export class DetourKeeper {
  readonly #route: NetlinkSocket;
  readonly #offloads: Offloads;

  constructor(route: NetlinkSocket, offloads: Offloads) {
    this.#route = route;
    this.#offloads = offloads;
  }

  /** Every interface, by name. */
  async readLinks(): Promise<Map<string, ListedLink>> {
    return readLinkList(await this.#route.dump('list the interfaces', listLinks()));
  }

  /** Makes what is missing of the pairs, without a look at their settings. */
  async make(specs: readonly DetourSpec[]): Promise<void> {
    const links = await this.readLinks();
    for (const { near, far } of specs) {
      if (endsOf({ near, far }, links) !== null) continue;
      await this.remove([near, far], links);
      await this.#route.request(`add the veth pair ${near}, ${far}`, [addVeth(near, far)]);
      await Promise.all([silence(near), silence(far)]);
    }
  }

  /** Sets what is not set as it should be: state, MTU, MAC, offloads, redirect. */
  async repair(specs: readonly DetourSpec[], superFrames: 'cut' | 'whole'): Promise<void> {
    const links = await this.readLinks();
    for (const spec of specs) {
      const ends = endsOf(spec, links);
      if (ends === null) continue;
      for (const end of ['far', 'near'] as const) {
        const link = ends[end];
        // What is on while the end is down is on from the first frame.
        const names = await this.#offloads.wrongAt(link.ifindex, end, superFrames);
        if (names.length > 0) await this.#offloads.set(link.ifindex, names, false);
        const changes = changesOf(link, end, spec);
        if (changes === null) continue;
        await this.#route.request(`set up ${link.name}`, [changeLink(link.ifindex, changes)]);
      }
      const redirects = redirectsOf(ends, spec);
      for (const end of await this.#wronglyFiltered(ends, spec)) await this.#refilter(end, redirects);
    }
  }

  /** What is wrong with detours. */
  async inspect(
    specs: readonly DetourSpec[],
    superFrames: 'cut' | 'whole' | null,
    links: ReadonlyMap<string, Link>,
  ): Promise<Damage[]> {
    const damages: Damage[] = [];
    for (const spec of specs) {
      const ends = endsOf(spec, links);
      if (ends === null) {
        damages.push({ what: 'detour', text: `${spec.port.name}: the detour ${spec.near}, ${spec.far} is gone` });
        continue;
      }
      for (const end of ['near', 'far'] as const) {
        const link = ends[end];
        const changes = changesOf(link, end, spec);
        if (changes !== null) damages.push({ what: 'detour', text: `${link.name}: ${describe(changes)}` });
        if (superFrames === null) continue;
        const names = await this.#offloads.wrongAt(link.ifindex, end, superFrames);
        if (names.length > 0) damages.push({ what: 'offload', text: `${link.name}: ${names.join(', ')} is on` });
      }
      for (const { name } of await this.#wronglyFiltered(ends, spec)) {
        damages.push({ what: 'redirect', text: `${name}: its tc filters were changed` });
      }
    }
    return damages;
  }

  /**
   * Removes interfaces.
   *
   * @returns true when there were some
   */
  async remove(names: readonly string[], links: ReadonlyMap<string, Link>): Promise<boolean> {
    let found = false;
    for (const name of names) {
      const link = links.get(name);
      if (link === undefined) continue;
      try {
        await this.#route.request(`remove ${name}`, [deleteLink(link.ifindex)]);
        found = true;
      } catch (error) {
        // A veth goes with its other end.
        if (!isRefusal(error, ENODEV)) throw error;
      }
    }
    return found;
  }

  /** Ends of a detour whose filters are not those that belong there: a redirect is missing, or somebody else has one. */
  async #wronglyFiltered(ends: Ends, spec: DetourSpec): Promise<Link[]> {
    const redirects = redirectsOf(ends, spec);
    const wrong: Link[] = [];
    for (const end of [ends.near, ends.far]) {
      for (const side of ['ingress', 'egress'] as const) {
        const here = redirects.filter(({ ifindex }) => ifindex === end.ifindex);
        const its = here.find((one) => one.side === side);
        const filters = await this.#filters({ ifindex: end.ifindex, side });
        // A queue that is only for the ingress shows its filters on either side.
        const isNone = filters.length === 0 || here.some((one) => one.side === 'ingress' && isRedirect(filters, one));
        if (its === undefined ? !isNone : !isRedirect(filters, its)) wrong.push(end);
      }
    }
    return [...new Set(wrong)];
  }

  async #filters({ ifindex, side }: Pick<Redirect, 'ifindex' | 'side'>): Promise<TcFilter[]> {
    try {
      return readFilters(
        await this.#route.dump(`list the filters of interface ${ifindex}`, listFilters(ifindex, side)),
      );
    } catch (error) {
      // Without a queue for them there are none.
      if (isRefusal(error, ENOENT, EINVAL, ENODEV)) return [];
      throw error;
    }
  }

  /** Leaves one end of a detour with the filters that belong there. */
  async #refilter(end: Link, redirects: readonly Redirect[]): Promise<void> {
    try {
      await this.#route.request(`remove the filters of ${end.name}`, [deleteFilterQueue(end.ifindex)]);
    } catch (error) {
      if (!isRefusal(error, ENOENT, EINVAL)) throw error;
    }
    for (const redirect of redirects.filter(({ ifindex }) => ifindex === end.ifindex)) {
      await this.#route.request(`redirect ${end.name} to interface ${redirect.target}`, [
        addFilterQueue(end.ifindex, redirect.side),
        addRedirect(redirect),
      ]);
    }
  }
}

/**
 * What the lane puts into the far end arrives on the port itself, so that `iifname` rules and bound sockets match.
 *
 * Most frames go there at once, from the egress of the far end, which spares a twentieth of a packet's processor time. What is for
 * a group, or has a tag, goes through the detour first: there the kernel finds out what kind of frame it is.
 */
function redirectsOf({ near, far }: Ends, { port, deliveredMark }: DetourSpec): Redirect[] {
  if (deliveredMark === 0) return [];
  const target = port.ifindex;
  return [
    { ifindex: near.ifindex, side: 'ingress', program: takeMarked(deliveredMark), target },
    { ifindex: far.ifindex, side: 'egress', program: takeMarkedUnicast(deliveredMark), target },
  ];
}

/** The detour of a spec, as tables name it; null where it is not there. */
export function detourOf(spec: DetourSpec, links: ReadonlyMap<string, Link>): Detour | null {
  const ends = endsOf(spec, links);
  if (ends === null) return null;
  const device = ({ ifindex, name }: Link): { ifindex: number; name: string } => ({ ifindex, name });
  return { near: device(ends.near), far: device(ends.far) };
}

function endsOf({ near, far }: Pick<DetourSpec, 'near' | 'far'>, links: ReadonlyMap<string, Link>): Ends | null {
  const a = links.get(near) as ListedLink | undefined;
  const b = links.get(far) as ListedLink | undefined;
  if (a === undefined || b === undefined || a.kind !== 'veth' || a.parent !== b.ifindex) return null;
  return { near: a, far: b };
}

/** What has to be changed of an end; null when nothing has. */
function changesOf(link: ListedLink, end: 'near' | 'far', { port, deliveredMark }: DetourSpec): LinkChanges | null {
  const changes: { -readonly [K in keyof LinkChanges]: LinkChanges[K] } = {};
  const mtu = detourMtu(port);
  if (link.mtu !== mtu) changes.mtu = mtu;
  // The stack takes a redirected frame for its own only if the MAC address of the device it came in by says so.
  if (deliveredMark !== 0 && end === 'near' && link.mac !== port.mac) changes.mac = port.mac;
  // Of a list that another reader made it is not known.
  if (link.isNoArp === false) changes.isNoArp = true;
  if (!link.isUp) changes.isUp = true;
  if (Object.keys(changes).length === 0) return null;
  return changes.isNoArp === true ? { ...changes, hasNoAddresses: true } : changes;
}

function describe(changes: LinkChanges): string {
  const words: string[] = [];
  if (changes.isUp !== undefined) words.push('it is down');
  if (changes.mtu !== undefined) words.push(`its MTU is not ${changes.mtu}`);
  if (changes.mac !== undefined) words.push(`its MAC address is not ${changes.mac}`);
  if (changes.isNoArp !== undefined) words.push('ARP is on');
  return words.join(', ');
}

/**
 * The host's stack must not speak on a detour, nor choose it for a multicast. Its chains stop all that too: a machine whose
 * /proc cannot be written to does without.
 */
async function silence(device: string): Promise<void> {
  const setting = `/proc/sys/net/ipv6/conf/${device}/disable_ipv6`;
  if (existsSync(setting)) await writeFile(setting, '1').catch(() => undefined);
}
