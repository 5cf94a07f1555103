/**
 * The dead-man's switch: keeps the `alive` elements of the ports fresh through one long-lived `nft -i`.
 *
 * An element lives for one second in the kernel. As long as somebody calls {@link Lease.renew} more often, the chains steal;
 * when nobody does (the lane stands, this process was killed, the machine starves) the kernel lets it lapse and `onDown`
 * takes over. No timer in userspace decides what happens to traffic.
 *
 * @module
 */

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { lapseLine, leaseLine } from './ruleset.ts';

type Nft = ChildProcessByStdio<Writable, null, Readable>;

/** Renews and ends leases. */
export class Lease {
  readonly #onError: (text: string) => void;
  #nft: Nft | null = null;
  #ports: readonly number[] = [];
  #stopped = false;

  /** @param onError - called with what nft says on standard error: a table is gone, most likely */
  constructor(onError: (text: string) => void) {
    this.#onError = onError;
  }

  /** The ifindexes to renew from now on. */
  setPorts(ports: readonly number[]): void {
    this.#ports = ports;
  }

  /** Gives every port one more second. Cost: one write into a pipe. */
  renew(): void {
    this.#write(this.#ports.map(leaseLine));
  }

  /** Ends every lease now: `onDown` takes over without waiting for the second to pass. */
  lapse(): void {
    this.#write(this.#ports.map(lapseLine));
  }

  /** Ends the helper process. Idempotent. */
  stop(): void {
    this.#stopped = true;
    this.#nft?.stdin.end();
    this.#nft = null;
  }

  #write(lines: readonly string[]): void {
    if (lines.length === 0 || this.#stopped) return;
    this.#nft ??= this.#start();
    this.#nft.stdin.write(`${lines.join('\n')}\n`);
  }

  #start(): Nft {
    // Interactive nft appends every line to a history file in the home folder: it gets none.
    const env = { ...process.env, HOME: '/nonexistent' };
    const nft = spawn('nft', ['-i'], { stdio: ['pipe', 'ignore', 'pipe'], env });
    nft.stderr.setEncoding('utf8').on('data', (text: string) => this.#onError(text.trim()));
    nft.stdin.on('error', () => undefined);
    nft.on('error', (error) => this.#onError(error.message));
    nft.on('close', () => {
      if (this.#nft === nft) this.#nft = null;
    });
    return nft;
  }
}
