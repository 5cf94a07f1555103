/**
 * Watches the pool of the process while a lab is open: what its hooks have allocated and not given back.
 *
 * Rule: the pool outlives the lab, and may hold something already. What counts is the difference.
 *
 * @module
 */

import { systemPool } from '../firewall/ddk.ts';
import { RUNTIME_OWNER } from '../firewall/pool.ts';
import type { OwnerUsage } from '../firewall/pool-books.ts';

/** From its making on. */
export class PoolWatch {
  readonly #limit = systemPool.limitBytes;
  readonly #bytes = systemPool.totals().bytesInUse;
  readonly #tags = tagCounts();
  readonly #before: ReadonlyMap<number, OwnerUsage>;

  /** @param hooks - how many there are; their numbers in the books are 0 and up */
  constructor(hooks: number) {
    const owners = [RUNTIME_OWNER, ...Array(hooks).keys()];
    this.#before = new Map(owners.map((owner) => [owner, systemPool.ownerUsage(owner)]));
  }

  /** What an owner has by now more than before. */
  usage(owner: number): OwnerUsage {
    const before = this.#before.get(owner);
    const now = systemPool.ownerUsage(owner);
    return {
      outstanding: now.outstanding - (before?.outstanding ?? 0),
      bytes: now.bytes - (before?.bytes ?? 0),
      faults: now.faults - (before?.faults ?? 0),
    };
  }

  /**
   * What is left in the pool, one sentence for each owner.
   *
   * @param names - of the hooks, by their number in the books
   */
  leaks(names: ReadonlyMap<number, string>): string[] {
    const problems: string[] = [];
    for (const owner of this.#before.keys()) {
      const { outstanding, bytes } = this.usage(owner);
      if (outstanding <= 0) continue;
      const who = names.has(owner) ? `hook ${names.get(owner)}` : 'setup, a timer or the module of a hook';
      const what = outstanding === 1 ? '1 allocation' : `${outstanding} allocations`;
      problems.push(`${who} left ${what} of ${bytes} octets in the pool (by tag: ${this.#newTags()})`);
    }
    const left = systemPool.totals().bytesInUse - this.#bytes;
    if (left > 0 && problems.length === 0)
      problems.push(`${left} octets are left in the pool (by tag: ${this.#newTags()})`);
    return problems;
  }

  /** The limit of before. */
  restore(): void {
    systemPool.limitBytes = this.#limit;
  }

  #newTags(): string {
    const grown = [...tagCounts()].map(([tag, count]) => [tag, count - (this.#tags.get(tag) ?? 0)] as const);
    return grown.flatMap(([tag, count]) => (count > 0 ? [`${tag} ${count}`] : [])).join(', ');
  }
}

/** Live allocations by tag, in both types of pool. */
function tagCounts(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { tag, diff } of systemPool.usage()) counts.set(tag, (counts.get(tag) ?? 0) + diff);
  return counts;
}
