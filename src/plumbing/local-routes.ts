/**
 * Reads the kernel's table "local": what the host takes for its own, and the broadcasts of the networks that it is on.
 *
 * Rule: the table itself, not the addresses of the interfaces, because routes of type local make whole prefixes the host's own
 * (`ip route add local`). The tables of VRFs are left out: their addresses are told as remote.
 *
 * @see ip-route(8), Documentation/networking/vrf.rst
 * @module
 */

import type { LocalRoute } from '../lane/local-table.ts';
import {
  AF_INET,
  AF_INET6,
  listRoutes,
  RT_TABLE_LOCAL,
  RTN_BROADCAST,
  RTN_LOCAL,
  readRoutes,
} from '../netlink/route-messages.ts';
import { isRefusal, type NetlinkSocket } from '../netlink/socket.ts';

/** errno(3): a kernel without this family. */
const EAFNOSUPPORT = 97;
const EOPNOTSUPP = 95;
/** errno(3): a network namespace that never had an address has no table. */
const ENOENT = 2;
const ESRCH = 3;
/** A host has a handful. More are cut off, so that a lane is told something of a bounded length. */
const MOST = 4096;

/** Both families, sorted. */
export async function readLocalRoutes(socket: NetlinkSocket): Promise<readonly LocalRoute[]> {
  const found = new Map<string, LocalRoute>();
  for (const family of [AF_INET, AF_INET6] as const) {
    for (const { type, table, destination, prefixLength } of await dump(socket, family)) {
      // Before Linux 4.20 a dump is of all tables.
      if (table !== RT_TABLE_LOCAL || (type !== RTN_LOCAL && type !== RTN_BROADCAST)) continue;
      const address = Buffer.from(destination).toString('hex');
      found.set(`${address}/${prefixLength}`, { address, prefixLength, isBroadcast: type === RTN_BROADCAST });
    }
  }
  return [...found.keys()]
    .sort()
    .slice(0, MOST)
    .flatMap((key) => found.get(key) ?? []);
}

async function dump(socket: NetlinkSocket, family: typeof AF_INET | typeof AF_INET6) {
  try {
    return readRoutes(await socket.dump('list the local routes', listRoutes(family, RT_TABLE_LOCAL)));
  } catch (error) {
    if (isRefusal(error, EAFNOSUPPORT, EOPNOTSUPP, ENOENT, ESRCH)) return [];
    throw error;
  }
}
