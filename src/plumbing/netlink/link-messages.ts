/**
 * Interfaces over rtnetlink: listing, making, changing and removing them.
 *
 * ```
 *   ifinfomsg: family (1) 0 (1) type (2) ifindex (4) flags (4) mask of the flags that change (4), then attributes
 * ```
 * Rule: pure. A change names an interface by its ifindex, never by a name that may mean another one by now.
 *
 * @see rtnetlink(7), include/uapi/linux/if_link.h
 * @module
 */

import { type Message, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, type Request } from '../../netlink/message.ts';
import {
  attribute,
  join,
  nested,
  readAttributes,
  readI32,
  readText,
  readU8,
  readU16,
  readU32,
  text,
  u8,
  u16,
  u32,
} from '../../netlink/octets.ts';
import type { Link } from '../link.ts';

export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
const RTM_GETLINK = 18;

const IFINFOMSG = 16;

const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_LINK = 5;
const IFLA_MASTER = 10;
const IFLA_LINKINFO = 18;
const IFLA_AF_SPEC = 26;
const IFLA_EXT_MASK = 29;
const IFLA_LINK_NETNSID = 37;
const IFLA_XDP = 43;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const IFLA_INFO_SLAVE_KIND = 4;
const IFLA_XDP_ATTACHED = 2;
const IFLA_INET6_ADDR_GEN_MODE = 8;
const VETH_INFO_PEER = 1;
/** IPv6 makes no address by itself. */
const IN6_ADDR_GEN_MODE_NONE = 1;
const AF_INET6 = 10;
/** Leave the counters out: they are most of an answer. */
const RTEXT_FILTER_SKIP_STATS = 1 << 3;

const IFF_UP = 0x1;
const IFF_NOARP = 0x80;
const IFF_PROMISC = 0x100;

/** Hardware types, as `ip link` names them: include/uapi/linux/if_arp.h. */
const TYPES: Readonly<Record<number, string>> = { 1: 'ether', 772: 'loopback', 65534: 'none', 512: 'ppp' };

/** A {@link Link} and what only the plumbing looks at. */
export interface ListedLink extends Link {
  /** ARP is off. */
  readonly isNoArp: boolean;
}

/** What can be changed of an interface. */
export interface LinkChanges {
  readonly mtu?: number;
  /** As text. */
  readonly mac?: string;
  readonly isUp?: boolean;
  readonly isNoArp?: boolean;
  readonly isPromiscuous?: boolean;
  /** IPv6 gives it no address. */
  readonly hasNoAddresses?: true;
}

/** Asks for all interfaces. */
export function listLinks(): Request {
  return link(RTM_GETLINK, NLM_F_DUMP, 0, [attribute(IFLA_EXT_MASK, u32(RTEXT_FILTER_SKIP_STATS))]);
}

/** Reads the answer to {@link listLinks}, by name. */
export function readLinkList(messages: readonly Message[]): Map<string, ListedLink> {
  const found = messages.filter(({ type }) => type === RTM_NEWLINK).map(readLink);
  const nameOf = new Map(found.map(({ ifindex, name }) => [ifindex, name]));
  return new Map(found.map(({ master, ...rest }) => [rest.name, { ...rest, master: nameOf.get(master) ?? '' }]));
}

/** Makes two interfaces that are each other's cable. */
export function addVeth(near: string, far: string): Request {
  const peer = attribute(VETH_INFO_PEER, ifinfo(0, 0, 0), attribute(IFLA_IFNAME, text(far)));
  return link(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, 0, [
    attribute(IFLA_IFNAME, text(near)),
    nested(IFLA_LINKINFO, attribute(IFLA_INFO_KIND, text('veth')), nested(IFLA_INFO_DATA, peer)),
  ]);
}

/** Changes an interface. */
export function changeLink(ifindex: number, changes: LinkChanges): Request {
  const { mtu, mac, isUp, isNoArp, isPromiscuous, hasNoAddresses } = changes;
  let flags = 0;
  let mask = 0;
  for (const [bit, wanted] of [
    [IFF_UP, isUp],
    [IFF_NOARP, isNoArp],
    [IFF_PROMISC, isPromiscuous],
  ] as const) {
    if (wanted === undefined) continue;
    mask |= bit;
    if (wanted) flags |= bit;
  }
  const attributes: Uint8Array[] = [];
  if (mtu !== undefined) attributes.push(attribute(IFLA_MTU, u32(mtu)));
  if (mac !== undefined)
    attributes.push(
      attribute(
        IFLA_ADDRESS,
        Uint8Array.from(mac.split(':'), (part) => Number.parseInt(part, 16)),
      ),
    );
  if (hasNoAddresses === true) {
    const mode = attribute(IFLA_INET6_ADDR_GEN_MODE, u8(IN6_ADDR_GEN_MODE_NONE));
    attributes.push(nested(IFLA_AF_SPEC, nested(AF_INET6, mode)));
  }
  return link(RTM_NEWLINK, NLM_F_ACK, ifindex, attributes, flags, mask);
}

/** Removes an interface, and with a veth its other end. */
export function deleteLink(ifindex: number): Request {
  return link(RTM_DELLINK, NLM_F_ACK, ifindex, []);
}

function readLink({ body }: Message): Omit<ListedLink, 'master'> & { readonly master: number } {
  const attributes = readAttributes(body.subarray(IFINFOMSG));
  const info = readAttributes(attributes.get(IFLA_LINKINFO));
  const type = readU16(body, 2);
  const flags = readU32(body, 8);
  return {
    ifindex: readI32(body, 4),
    name: readText(attributes.get(IFLA_IFNAME)),
    mtu: readU32(attributes.get(IFLA_MTU)),
    type: TYPES[type] ?? String(type),
    mac: Array.from(attributes.get(IFLA_ADDRESS) ?? [], (octet) => octet.toString(16).padStart(2, '0')).join(':'),
    isUp: (flags & IFF_UP) !== 0,
    isNoArp: (flags & IFF_NOARP) !== 0,
    isPromiscuous: (flags & IFF_PROMISC) !== 0,
    master: readU32(attributes.get(IFLA_MASTER)),
    kind: readText(info.get(IFLA_INFO_KIND)),
    // The number of an interface of another namespace says nothing here.
    parent: attributes.has(IFLA_LINK_NETNSID) ? 0 : readU32(attributes.get(IFLA_LINK)),
    masterKind: readText(info.get(IFLA_INFO_SLAVE_KIND)),
    xdp: readU8(readAttributes(attributes.get(IFLA_XDP)).get(IFLA_XDP_ATTACHED)),
  };
}

function link(
  type: number,
  flags: number,
  ifindex: number,
  attributes: readonly Uint8Array[],
  linkFlags = 0,
  mask = 0,
): Request {
  return { type, flags, body: join([ifinfo(ifindex, linkFlags, mask), ...attributes]) };
}

function ifinfo(ifindex: number, flags: number, mask: number): Uint8Array {
  return join([u8(0), u8(0), u16(0), u32(ifindex), u32(flags), u32(mask)]);
}
