/**
 * What `nft -e -i` prints after a transaction, read for the leases that the kernel confirms in it.
 *
 * ```
 *   add element netdev firehook_7 alive { "lan0" timeout 1s expires 1s }
 *   # new generation 5 by process 24324 (nft)                               the transaction is in force
 * ```
 * Rule: what nft was told and a line editor may print again has no `expires`; only the kernel's answer has.
 *
 * @module
 */

const ELEMENT = /^add element netdev firehook_(\d+) alive \{[^}]*\bexpires\b/;
const END = '# new generation';

/** Cuts the output into transactions. */
export class NftEcho {
  #rest = '';
  #ports = new Set<number>();

  /**
   * Takes the next piece of output, cut anywhere.
   *
   * @returns for each transaction that ended in it, the ifindexes whose lease it gave
   */
  read(text: string): ReadonlySet<number>[] {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    const ended: ReadonlySet<number>[] = [];
    for (const line of lines) {
      const port = ELEMENT.exec(line)?.[1];
      if (port !== undefined) this.#ports.add(Number(port));
      if (!line.startsWith(END)) continue;
      ended.push(this.#ports);
      this.#ports = new Set();
    }
    return ended;
  }
}
