/**
 * Routes over rtnetlink: the table of what is local, and the route to one address.
 *
 * ```
 *   rtmsg: family (1) dst_len (1) src_len (1) tos (1) table (1) protocol (1) scope (1) type (1) flags (4), then attributes
 * ```
 * Rule: pure. The sockets check strictly (NETLINK_GET_STRICT_CHK), so that a dump of one table is one of that table only.
 *
 * @see rtnetlink(7), include/uapi/linux/rtnetlink.h
 * @module
 */

import { type Message, NLM_F_DUMP, type Request } from './message.ts';
import { attribute, join, readAttributes, readU8, readU32, u8, u32 } from './octets.ts';

const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;

const RTMSG = 12;
const RTA_DST = 1;
const RTA_SRC = 2;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_PREFSRC = 7;
const RTA_TABLE = 15;
const RTA_VIA = 18;

export const AF_INET = 2;
export const AF_INET6 = 10;

/** Table of addresses that are the host's own, and of broadcasts. */
export const RT_TABLE_LOCAL = 255;

/** Types of routes. */
export const RTN_UNICAST = 1;
export const RTN_LOCAL = 2;
export const RTN_BROADCAST = 3;
export const RTN_ANYCAST = 4;
export const RTN_MULTICAST = 5;
export const RTN_BLACKHOLE = 6;
export const RTN_UNREACHABLE = 7;
export const RTN_PROHIBIT = 8;
export const RTN_THROW = 9;

/** Flags of a request: a full route is answered, not the prefix's alone. */
const RTM_F_LOOKUP_TABLE = 0x1000;
const RTM_F_FIB_MATCH = 0x2000;

/** A route of the kernel. */
export interface KernelRoute {
  readonly family: typeof AF_INET | typeof AF_INET6;
  readonly table: number;
  /** RTN_ number. */
  readonly type: number;
  /** RTPROT_ number. */
  readonly protocol: number;
  /** Octets of the prefix; zeros for a default route. */
  readonly destination: Uint8Array;
  /** Bits of it. */
  readonly prefixLength: number;
  /** Null where the destination is on the link. */
  readonly gateway: Uint8Array | null;
  /** Null where the kernel names none. */
  readonly source: Uint8Array | null;
  /** 0 where there is none. */
  readonly ifindex: number;
  readonly metric: number;
}

/** Asks for the routes of one table. */
export function listRoutes(family: typeof AF_INET | typeof AF_INET6, table: number): Request {
  return {
    type: RTM_GETROUTE,
    flags: NLM_F_DUMP,
    body: join([rtmsg(family, 0, 0, table, 0), attribute(RTA_TABLE, u32(table))]),
  };
}

/**
 * Asks how an address is reached.
 *
 * @param destination - 4 or 16 octets
 * @param source - the address it would be sent from; null for any
 * @param ifindex - the interface it would be sent by; 0 for any
 * @param isPrefix - answer the route that matched, not what it means for this address (kernels from 5.1 on)
 */
export function getRoute(
  destination: Uint8Array,
  source: Uint8Array | null,
  ifindex: number,
  isPrefix: boolean,
): Request {
  const bits = destination.length * 8;
  // For IPv6 the table is told anyway, and the flag that asks for it is refused.
  const flags = (isPrefix ? RTM_F_FIB_MATCH : 0) | (bits === 32 ? RTM_F_LOOKUP_TABLE : 0);
  const attributes = [attribute(RTA_DST, destination)];
  if (source !== null) attributes.push(attribute(RTA_SRC, source));
  if (ifindex !== 0) attributes.push(attribute(RTA_OIF, u32(ifindex)));
  const family = destination.length === 4 ? AF_INET : AF_INET6;
  const head = rtmsg(family, bits, source === null ? 0 : bits, 0, flags);
  return { type: RTM_GETROUTE, flags: 0, body: join([head, ...attributes]) };
}

/** The routes in an answer. */
export function readRoutes(messages: readonly Message[]): KernelRoute[] {
  return messages.filter(({ type }) => type === RTM_NEWROUTE).flatMap((message) => readRoute(message) ?? []);
}

function readRoute({ body }: Message): KernelRoute | null {
  const family = readU8(body, 0);
  if (family !== AF_INET && family !== AF_INET6) return null;
  const attributes = readAttributes(body.subarray(RTMSG));
  const octets = family === AF_INET ? 4 : 16;
  const address = (type: number): Uint8Array | null => {
    const value = attributes.get(type);
    return value?.length === octets ? value.slice() : null;
  };
  return {
    family,
    table: attributes.has(RTA_TABLE) ? readU32(attributes.get(RTA_TABLE)) : readU8(body, 4),
    type: readU8(body, 7),
    protocol: readU8(body, 5),
    destination: address(RTA_DST) ?? new Uint8Array(octets),
    prefixLength: readU8(body, 1),
    gateway: address(RTA_GATEWAY) ?? via(attributes.get(RTA_VIA)),
    source: address(RTA_PREFSRC),
    ifindex: readU32(attributes.get(RTA_OIF)),
    metric: readU32(attributes.get(RTA_PRIORITY)),
  };
}

/** A gateway of another family: two octets say which, then the address (RFC 5549). */
function via(value: Uint8Array | undefined): Uint8Array | null {
  return value === undefined || value.length < 6 ? null : value.slice(2);
}

function rtmsg(family: number, dstBits: number, srcBits: number, table: number, flags: number): Uint8Array {
  return join([u8(family), u8(dstBits), u8(srcBits), u8(0), u8(table & 0xff), u8(0), u8(0), u8(0), u32(flags)]);
}
