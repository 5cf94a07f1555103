/**
 * A device as drivers are told of it.
 *
 * @module
 */

import type { LiveDevice } from '../../drivers/live-port.ts';
import type { Link } from '../link.ts';

/** By name and by number; number 0 where there is none of that name. */
export function device(name: string, links: ReadonlyMap<string, Link>): LiveDevice {
  return { name, ifindex: links.get(name)?.ifindex ?? 0 };
}
