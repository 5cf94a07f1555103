/**
 * Detours in the kernel: makes them, repairs them, and knows what is wrong with them.
 *
 * ```
 *   port ─> near end ═══ far end ─> lane            near of the inbound detour of a host ──tc redirect──> ingress of the port
 * ```
 * Rule: what is right is left alone, so that frames on their way are not lost. An end that stands where it should not (with
 * another partner, not a veth) goes, and a pair is made.
 *
 * @module
 */

import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
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
  addIngressQueue,
  addIngressRedirect,
  deleteIngressQueue,
  isMarkedWith,
  listIngressFilters,
  MIRRED,
  readFilters,
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
      if (!(await this.#delivers(ends.near, spec))) {
        await this.#redirect(ends.near, spec);
      }
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
      if (!(await this.#delivers(ends.near, spec))) {
        damages.push({ what: 'redirect', text: `${ends.near.name}: nothing brings its frames to ${spec.port.name}` });
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

  /** True where the near end has the one filter that it should have, or needs none. */
  async #delivers({ ifindex }: Link, { port, deliveredMark }: DetourSpec): Promise<boolean> {
    if (deliveredMark === 0) return true;
    const [only, ...others] = await this.#filters(ifindex);
    if (only === undefined || others.length > 0 || !isMarkedWith(only, deliveredMark)) return false;
    const [action] = only.actions ?? [];
    return only.actions?.length === 1 && action?.mirred === MIRRED.ingressRedirect && action.ifindex === port.ifindex;
  }

  async #filters(ifindex: number): Promise<ReturnType<typeof readFilters>> {
    try {
      return readFilters(
        await this.#route.dump(`list the filters of interface ${ifindex}`, listIngressFilters(ifindex)),
      );
    } catch (error) {
      // Without a queue for them there are none.
      if (isRefusal(error, ENOENT, EINVAL, ENODEV)) return [];
      throw error;
    }
  }

  /** What the lane puts into the far end arrives on the port itself, so that `iifname` rules and bound sockets match. */
  async #redirect(near: Link, { port, deliveredMark }: DetourSpec): Promise<void> {
    try {
      await this.#route.request(`remove the filters of ${near.name}`, [deleteIngressQueue(near.ifindex)]);
    } catch (error) {
      if (!isRefusal(error, ENOENT, EINVAL)) throw error;
    }
    await this.#route.request(`redirect ${near.name} to the ingress of ${port.name}`, [
      addIngressQueue(near.ifindex),
      addIngressRedirect(near.ifindex, port.ifindex, deliveredMark),
    ]);
  }
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
