/**
 * The dead-man's switch: keeps the `alive` elements of the ports fresh through one long-lived `nft -e -i`.
 *
 * ```
 *   renew ─> one line, one transaction ─> nft prints what the kernel did ─> the fence is open for the rest of the second
 *   lapse ─> the fence is closed ─> one line
 * ```
 * An element lives for one second in the kernel. As long as somebody calls {@link Lease.renew} more often, the chains steal;
 * when nobody does (the lane stands, this process was killed, the machine starves) the kernel lets it lapse and `onDown`
 * takes over. No timer in userspace decides what happens to traffic.
 *
 * Rule: the fence is open only while the kernel certainly steals. One renewal is under way at a time: an answer belongs to
 * the oldest line, and after an error, when that is no longer sure, the helper goes.
 *
 * @module
 */

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { NftEcho } from './nft-echo.ts';
import { LEASE_MARGIN_MS, LEASE_SECONDS, lapseLine, leaseLine } from './ruleset.ts';

type Nft = ChildProcessByStdio<Writable, Readable, Readable>;

/** What a lease opens and closes; `Fence` is the one that lanes look at. */
export interface LeaseFence {
  /**
   * Told when the kernel has confirmed a renewal.
   *
   * @param sinceNs - before the lease was asked for, on the clock of `process.hrtime`
   * @param lastsMs - for how long it is certain from then on
   */
  extend(sinceNs: bigint, lastsMs: number): void;
  /** Told before a lease ends, and when nobody knows any more. */
  close(): void;
}

/** A renewal that nft has not answered yet. */
interface Renewal {
  /** Before it was written, on the clock of `process.hrtime`. */
  readonly writtenNs: bigint;
  readonly ports: readonly number[];
  /** The lease was ended after it was written: its answer says nothing any more. */
  isOver: boolean;
}

/** How long a renewal is certain from the moment it was written. */
const CERTAIN_MS = LEASE_SECONDS * 1000 - LEASE_MARGIN_MS;
/** A helper that has not answered for so long hangs, and another takes its place. */
const HANG_NS = 3_000_000_000n;

/** Renews and ends leases. */
export class Lease {
  readonly #fence: LeaseFence;
  readonly #onError: (text: string) => void;
  #nft: Nft | null = null;
  #renewals: Renewal[] = [];
  #ports: readonly number[] = [];
  #stopped = false;

  /**
   * @param fence - opened and closed with the lease; borrowed
   * @param onError - called with what nft says on standard error: a table is gone, most likely
   */
  constructor(fence: LeaseFence, onError: (text: string) => void) {
    this.#fence = fence;
    this.#onError = onError;
  }

  /** The ifindexes to renew from now on. */
  setPorts(ports: readonly number[]): void {
    this.#ports = ports;
  }

  /** Gives every port one more second, unless an earlier word has not been answered. Cost: one write into a pipe. */
  renew(): void {
    const now = process.hrtime.bigint();
    const [oldest] = this.#renewals;
    if (oldest !== undefined && now - oldest.writtenNs > HANG_NS) this.#dismiss();
    if (this.#renewals.some(({ isOver }) => !isOver) || this.#ports.length === 0 || this.#stopped) return;
    this.#write(this.#ports.map(leaseLine));
    this.#renewals.push({ writtenNs: now, ports: this.#ports, isOver: false });
  }

  /** Ends every lease now: `onDown` takes over without waiting for the second to pass. */
  lapse(): void {
    this.close();
    if (this.#ports.length > 0 && !this.#stopped) this.#write(this.#ports.map(lapseLine));
  }

  /** Closes the fence and leaves the kernel alone: for when its tables are gone. */
  close(): void {
    this.#fence.close();
    for (const renewal of this.#renewals) renewal.isOver = true;
  }

  /** Closes the fence and ends the helper process. Idempotent. */
  stop(): void {
    this.#stopped = true;
    this.close();
    this.#nft?.stdin.end();
    this.#nft = null;
  }

  #write(lines: readonly string[]): void {
    this.#nft ??= this.#start();
    this.#nft.stdin.write(`${lines.join('; ')}\n`);
  }

  #start(): Nft {
    // Interactive nft appends every line to a history file in the home folder: it gets none.
    const env = { ...process.env, HOME: '/nonexistent' };
    const nft = spawn('nft', ['-e', '-i'], { stdio: ['pipe', 'pipe', 'pipe'], env });
    const echo = new NftEcho();
    nft.stdout.setEncoding('utf8').on('data', (text: string) => {
      for (const ports of echo.read(text)) if (this.#nft === nft) this.#confirm(ports);
    });
    nft.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (this.#nft === nft) {
        this.close();
        this.#dismiss();
      }
      this.#onError(text.trim());
    });
    nft.stdin.on('error', () => undefined);
    nft.on('error', (error) => this.#onError(error.message));
    nft.on('close', () => {
      if (this.#nft === nft) this.#dismiss();
    });
    return nft;
  }

  /** A transaction is in force: the oldest renewal's, if it gave a lease to each of its ports. */
  #confirm(ports: ReadonlySet<number>): void {
    const [oldest] = this.#renewals;
    if (oldest === undefined || !oldest.ports.every((port) => ports.has(port))) return;
    this.#renewals.shift();
    if (oldest.isOver) return;
    this.#fence.extend(oldest.writtenNs, CERTAIN_MS);
  }

  /** Ends the helper without listening to what it may still say. What it was told may happen: that only closes ports. */
  #dismiss(): void {
    this.#nft?.kill('SIGKILL');
    this.#nft = null;
    this.#renewals = [];
  }
}
