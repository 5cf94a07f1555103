/**
 * Looks a route up in the kernel's table, now.
 *
 * ```
 *   the route for this address ─> gateway, interface, source          the route that matched ─> prefix, protocol, metric
 * ```
 * Rule: what the kernel would do with a packet of this host's. An address that nothing leads to is null; only a kernel that
 * cannot be asked is an error.
 *
 * @see rtnetlink(7), ip-route(8)
 * @module
 */

import { getRoute, type KernelRoute, readRoutes } from './route-messages.ts';
import { isRefusal, type NetlinkSocket } from './socket.ts';

/** errno(3): what a route that leads nowhere, or none at all, is answered with. */
const ENODEV = 19;
const EACCES = 13;
const EAGAIN = 11;
const EINVAL = 22;
const ENETUNREACH = 101;
const EHOSTUNREACH = 113;

/**
 * @param destination - 4 or 16 octets
 * @param source - what the packet would come from; null for any, and the same as null where it is no address of this host
 * @param ifindex - by which interface; 0 for any
 * @throws KernelRefusal when the kernel cannot be asked
 */
export function lookUpRoute(
  socket: NetlinkSocket,
  destination: Uint8Array,
  source: Uint8Array | null,
  ifindex: number,
): KernelRoute | null {
  const way = ask(socket, destination, source, ifindex, false) ?? ask(socket, destination, null, ifindex, false);
  if (way === null) return null;
  const match = ask(socket, destination, null, ifindex, true);
  if (match === null) return way;
  const { prefixLength, protocol, metric } = match;
  return { ...way, destination: match.destination, prefixLength, protocol, metric };
}

function ask(
  socket: NetlinkSocket,
  destination: Uint8Array,
  source: Uint8Array | null,
  ifindex: number,
  isPrefix: boolean,
): KernelRoute | null {
  try {
    return readRoutes(socket.ask('look up a route', getRoute(destination, source, ifindex, isPrefix)))[0] ?? null;
  } catch (error) {
    if (isRefusal(error, ENODEV, EACCES, EAGAIN, EINVAL, ENETUNREACH, EHOSTUNREACH)) return null;
    throw error;
  }
}
