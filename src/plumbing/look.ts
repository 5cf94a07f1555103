/**
 * What can be looked at without root and without changing anything, each time with a socket of its own: for commands that look once.
 *
 * @module
 */

import { NETLINK_GENERIC, NETLINK_ROUTE, NetlinkSocket } from '../netlink/socket.ts';
import type { Attachment } from './attach/attachment.ts';
import type { EarlierTaker } from './contract.ts';
import { findEarlierTakers } from './earlier-takers.ts';
import type { Link } from './link.ts';
import { listLinks, readLinkList } from './netlink/link-messages.ts';
import { Offloads } from './offloads.ts';

/** Every interface, by name. */
export async function lookAtLinks(): Promise<ReadonlyMap<string, Link>> {
  return await withSocket(NETLINK_ROUTE, async (route) =>
    readLinkList(await route.dump('list the interfaces', listLinks())),
  );
}

/** True when LRO of an interface is on and can be switched off. */
export async function lookForLro(ifindex: number): Promise<boolean> {
  return await withSocket(NETLINK_GENERIC, async (generic) => await new Offloads(generic).hasLro(ifindex));
}

/** What takes frames of the ports of an attachment before firehook. */
export async function lookForEarlierTakers(
  attachment: Attachment,
  links: ReadonlyMap<string, Link>,
  tolerated: readonly string[],
): Promise<readonly EarlierTaker[]> {
  return await withSocket(NETLINK_ROUTE, async (route) => await findEarlierTakers(route, attachment, links, tolerated));
}

async function withSocket<T>(family: number, look: (socket: NetlinkSocket) => Promise<T>): Promise<T> {
  const socket = new NetlinkSocket(family);
  try {
    return await look(socket);
  } finally {
    socket.close();
  }
}
