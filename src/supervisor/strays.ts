/**
 * Takes back what a killed run left at ports that are no more.
 *
 * The chains of such a table name their device. When a device of that name comes back (Linux 6.16 and newer), the kernel puts
 * them there again, in front of whatever stands there now: a dead port that no run holds, and that no status shows.
 *
 * Rule: only what nobody holds. A port that another run holds is locked, also while it is away; what this run holds is kept, so
 * that `onDown` is in force when the port comes back.
 *
 * @module
 */

import type { Plumbing } from '../plumbing/contract.ts';
import type { Link } from '../plumbing/link.ts';
import type { Logger } from '../telemetry/logger.ts';

/**
 * @param links - every interface
 * @param held - ports of this run, there or not
 */
export async function takeBackStrays(
  plumbing: Plumbing,
  links: Iterable<Link>,
  held: readonly number[],
  log: Logger,
): Promise<void> {
  const known = new Set([...held, ...Array.from(links, ({ ifindex }) => ifindex)]);
  for (const ifindex of await plumbing.findTraces()) {
    if (known.has(ifindex)) continue;
    try {
      plumbing.lock({ ifindex, name: `interface ${ifindex}` });
    } catch {
      // Another run's, whose port is away for a moment.
      continue;
    }
    try {
      await plumbing.undo(ifindex);
      log.warn(`Took back what a killed run had left at interface ${ifindex}, which is gone.`);
    } finally {
      plumbing.unlock(ifindex);
    }
  }
}
