/**
 * All attaches of a daemon: brings what is in the kernel in line with the configuration and the interfaces there are.
 *
 * ```
 *   start:   findAll ─> lockAll ─> prepareAll ─> engageAll
 *   change:  isSettled? no ─> reattach (undo, unlock, find, lock, prepare what differs) ─> engageAll
 *   stop:    disengageAll ─> undoAll ─> releaseLocks
 * ```
 * Rule: it says what is attached, the supervisor says when. An attach is locked before it is prepared, and undone before its
 * locks are given back.
 *
 * @module
 */

import type { Config } from '../config/schema.ts';
import { isFirehookError } from '../errors.ts';
import type { Logger } from '../telemetry/logger.ts';
import { type Attachment, engage, readLeftovers, undo, undoPort } from './attach.ts';
import {
  type AttachEntry,
  disengageEntry,
  hasAllDevices,
  isSame,
  prepareEntry,
  toAttachment,
  tryAttachment,
} from './attach-entry.ts';
import { type AttachLock, lockPort } from './attach-lock.ts';
import { readLinks } from './links.ts';
import { PortCounterTotals } from './port-counters.ts';

/** Holds the attaches and the locks of their ports. */
export class Attaches {
  /** In the order of the configuration. */
  readonly entries: readonly AttachEntry[];
  readonly portCounters = new PortCounterTotals();
  readonly #config: Config;
  readonly #log: Logger;
  #locks: AttachLock[] = [];

  constructor(config: Config, log: Logger) {
    this.entries = config.attach.map((one) => ({
      config: one,
      attachment: null,
      isPrepared: false,
      isEngaged: false,
    }));
    this.#config = config;
    this.#log = log;
  }

  /** Those whose interfaces are there. */
  get attached(): readonly Attachment[] {
    return this.entries.flatMap(({ attachment }) => (attachment === null ? [] : [attachment]));
  }

  /** Of the ports that have tables and a lease; a tap has none. */
  get ifindexes(): readonly number[] {
    return this.attached.flatMap((attachment) =>
      attachment.kind === 'tap' ? [] : attachment.links.map(({ ifindex }) => ifindex),
    );
  }

  /** True when any port is firehook's. */
  get isEngaged(): boolean {
    return this.entries.some(({ isEngaged }) => isEngaged);
  }

  /** True when the interfaces of every attach were found. */
  get isWhole(): boolean {
    return this.entries.every(({ attachment }) => attachment !== null);
  }

  /** True when an earlier run left tables on the ports. Cost: one nft a port. */
  hasLeftovers(): boolean {
    return readLeftovers(this.ifindexes).size > 0;
  }

  /**
   * Finds the interfaces of every attach; at the start all have to be there.
   *
   * @throws {@link FirehookError} FIREHOOK_ATTACH_INTERFACE
   */
  findAll(): void {
    const links = readLinks();
    for (const entry of this.entries) {
      entry.attachment = toAttachment(entry.config, this.#config.driver, links);
      for (const link of entry.attachment.links) {
        if (!link.isUp) this.#log.warn(`Interface ${link.name} is down: ip link set ${link.name} up.`);
      }
    }
  }

  /**
   * Takes the locks of all ports.
   *
   * @throws {@link FirehookError} FIREHOOK_ATTACH_BUSY; attaches locked by then stay so until {@link Attaches.releaseLocks}
   */
  async lockAll(): Promise<void> {
    for (const attachment of this.attached) await this.#lock(attachment);
  }

  /** A killed run may have bridged one of our ports with another one: that one is nobody's now. */
  takeBackLeftPeers(): void {
    const ours = this.ifindexes;
    for (const ifindex of readLeftovers(ours).keys()) if (!ours.includes(ifindex)) undoPort(ifindex);
  }

  /**
   * Makes the detours of all attaches.
   *
   * @throws {@link FirehookError} FIREHOOK_ATTACH_TOOL
   */
  prepareAll(): void {
    for (const entry of this.entries) prepareEntry(entry, this.#config.driver);
  }

  /**
   * Makes the tables of all attaches that are there and have none.
   *
   * @throws {@link FirehookError} FIREHOOK_ATTACH_TOOL
   */
  engageAll(): void {
    const leftovers = readLeftovers(this.ifindexes);
    for (const entry of this.entries) {
      if (entry.attachment === null || entry.isEngaged) continue;
      entry.isEngaged = true;
      engage(entry.attachment, this.#config.policy.onDown, leftovers);
    }
  }

  /** Somebody took tables away: the next {@link Attaches.engageAll} makes all of them again. */
  forgetTables(): void {
    for (const entry of this.entries) entry.isEngaged = false;
  }

  /** True when nothing has changed about the interfaces that the attaches stand on, or wait for. */
  isSettled(): boolean {
    const links = readLinks();
    return this.entries.every(({ config, attachment }) => {
      const now = tryAttachment(config, this.#config.driver, links);
      if (attachment === null || now === null) return attachment === now;
      return isSame(attachment, now) && hasAllDevices(attachment, links);
    });
  }

  /**
   * Undoes what is attached to interfaces that changed, and prepares what is attached to those that are there.
   *
   * @throws {@link FirehookError} FIREHOOK_ATTACH_BUSY, FIREHOOK_ATTACH_TOOL
   */
  async reattach(): Promise<void> {
    const links = readLinks();
    for (const entry of this.entries) {
      const before = entry.attachment;
      let now: Attachment | null = null;
      try {
        now = toAttachment(entry.config, this.#config.driver, links);
      } catch (error) {
        if (!isFirehookError(error)) throw error;
        if (before !== null) this.#log.warn(`${error.message}.`);
      }
      if (before !== null && now !== null && isSame(before, now) && hasAllDevices(before, links)) continue;
      if (before !== null) {
        this.portCounters.keep(before.links.map(({ ifindex }) => ifindex));
        undo(before);
        for (const { ifindex } of before.links) this.#unlock(ifindex);
      }
      entry.attachment = null;
      entry.isPrepared = false;
      entry.isEngaged = false;
      if (now === null) continue;
      await this.#lock(now);
      entry.attachment = now;
      prepareEntry(entry, this.#config.driver);
    }
  }

  /** Ends all stealing; everything else stays. */
  disengageAll(): void {
    for (const entry of this.entries) disengageEntry(entry);
  }

  /** Takes back all that was made. */
  undoAll(): void {
    for (const { attachment, isPrepared } of this.entries) if (attachment !== null && isPrepared) undo(attachment);
  }

  /** Other daemons may have the ports from here on. */
  releaseLocks(): void {
    for (const lock of this.#locks) lock.release();
  }

  /** As text, for the log; '' when nothing is attached. */
  describe(): string {
    return this.attached.map(({ kind, links }) => `${kind} ${links.map(({ name }) => name).join(' and ')}`).join(', ');
  }

  async #lock({ kind, links }: Attachment): Promise<void> {
    if (kind === 'tap') return;
    const taken: AttachLock[] = [];
    try {
      for (const { ifindex, name } of links) taken.push(await lockPort(ifindex, name));
    } catch (error) {
      // All or none: half a bridge would be busy against itself at the next try.
      for (const lock of taken) lock.release();
      throw error;
    }
    this.#locks.push(...taken);
  }

  #unlock(ifindex: number): void {
    for (const lock of this.#locks) if (lock.ifindex === ifindex) lock.release();
    this.#locks = this.#locks.filter((lock) => lock.ifindex !== ifindex);
  }
}
