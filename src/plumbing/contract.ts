/**
 * What the supervisor asks of the plumbing: the one interface between what is wanted and what is in the kernel.
 *
 * ```
 *   lock ─> protect (tables, onDown in force) ─> equip (detours, redirect, promiscuity) ─> lease held: frames are stolen
 *   inspect ─> damages ─> protect, equip again                                       disengage ─> undo ─> unlock
 * ```
 * Rule: every step can be repeated, and leaves alone what is already as it should be. The real one is `KernelPlumbing`; the
 * supervisor's simulation has another.
 *
 * @module
 */

import type { LocalRoute } from '../lane/local-table.ts';
import type { Attachment } from './attach/attachment.ts';
import type { Link } from './link.ts';
import type { PortMemory } from './memory.ts';
import type { PortCounters } from './port-counters.ts';
import type { InstalledTables } from './table-keeper.ts';

/** Something on a port that takes frames before firehook's chains see them. */
export interface EarlierTaker {
  readonly kind: 'tc' | 'xdp' | 'macvlan' | 'ipvlan' | 'master' | 'tcx';
  readonly interfaceName: string;
  /** A whole sentence for the operator. */
  readonly text: string;
  /** The configuration says that it may. */
  readonly isTolerated: boolean;
}

/** Something in the kernel that is not as it was made. */
export interface Damage {
  readonly what: 'table' | 'detour' | 'redirect' | 'promiscuity' | 'offload';
  /** What is wrong with what, for the log. */
  readonly text: string;
}

/** What is known about the lease. */
export interface LeaseState {
  /** The kernel has confirmed a renewal that still lasts. */
  readonly held: boolean;
  readonly epoch: number;
  readonly renewals: number;
  /** Renewals that the kernel refused. */
  readonly refusals: number;
  /** Of the last refusal, as text; null when there was none. */
  readonly lastError: string | null;
  readonly longestGapMs: number;
  /** How often it ended while it was wanted. */
  readonly lapses: number;
  /** For each lane, since when its progress has not moved. */
  readonly stalledMs: readonly number[];
}

/** The lease of all ports: while it is held the chains steal, else `onDown` decides. */
export interface LeaseControl {
  /** The ports to renew from now on. Those that are left out lapse by themselves. */
  setPorts(ifindexes: readonly number[]): void;
  /** The progress files of the lanes that must move. */
  setLanes(progressFds: readonly number[]): void;
  /** True: renewed from now on, the first time at once. False: the fence is closed when this returns. */
  allow(allowed: boolean): void;
  /** The main loop is alive. */
  beat(): void;
  readonly state: LeaseState;
  /** Read-only descriptor of the fence, which lanes inherit. */
  readonly fenceFd: number;
  /** Told when it was gained or lost, or when the kernel refused. */
  onChange(listener: () => void): void;
  /**
   * Leaves the lease to another process, which has the socket of the tables and the fence: renewed once more, for a few seconds.
   *
   * @returns false where it is not held, or the kernel refuses
   */
  leave(): boolean;
  close(lapse: boolean): void;
}

/** What of the plumbing goes from one process to another. All descriptors are borrowed by who reads it, and owned by who is made from it. */
export interface PlumbingEstate {
  /** What the marks are drawn from. */
  readonly marks: Uint8Array;
  /** The socket that owns the tables. */
  readonly nft: number;
  readonly fence: number;
  readonly locks: ReadonlyMap<number, number>;
  readonly installed: readonly InstalledTables[];
  /** What tables that are gone have counted, by ifindex. */
  readonly counted: ReadonlyMap<number, ReadonlyMap<string, number>>;
}

/** Everything that is done to the kernel for the attaches of one daemon. */
export interface Plumbing {
  /** Every interface, by name. */
  readLinks(): Promise<ReadonlyMap<string, Link>>;
  /** The host's own addresses and the broadcasts of the networks that it is on, in an order that stays. */
  readLocals(): Promise<readonly LocalRoute[]>;
  /** Any event that may matter: links, addresses, tc filters, nf_tables changes of others. The caller coalesces. */
  onChange(listener: () => void): void;
  /**
   * Takes the lock of a port; nothing when it is held already.
   *
   * @throws FirehookError FIREHOOK_ATTACH_BUSY
   */
  lock(link: Pick<Link, 'ifindex' | 'name'>): void;
  /** Gives it back; nothing when it is not held. */
  unlock(ifindex: number): void;
  /**
   * Puts the tables of every port of the attachment in force: the lease lapsed, so that `onDown` holds. One transaction.
   * Nothing when they are in force exactly like that already; then a lease that is held goes on.
   *
   * @param tolerated - what of {@link EarlierTaker.kind} the configuration lets take frames
   */
  protect(attachment: Attachment, onDown: 'drop' | 'forward', tolerated: readonly string[]): Promise<void>;
  /** Makes detours, redirect and promiscuity, and switches LRO off. Repairs what is missing or wrong, leaves alone what is right. */
  equip(attachment: Attachment, superFrames: 'cut' | 'whole'): Promise<void>;
  /** What is not as it should be now; empty when all is in force. */
  inspect(attachment: Attachment, links: ReadonlyMap<string, Link>): Promise<readonly Damage[]>;
  /** What takes frames of these ports before firehook. */
  earlierTakers(
    attachment: Attachment,
    links: ReadonlyMap<string, Link>,
    tolerated: readonly string[],
  ): Promise<readonly EarlierTaker[]>;
  /** Sends a marked frame through each detour end to end: what did not come through within a second. Needs running lanes. */
  probe(attachment: Attachment): Promise<readonly Damage[]>;
  /** Counters since the start of this run, by `${ifindex} in` and `${ifindex} out`. */
  counters(ifindexes: readonly number[]): Promise<ReadonlyMap<string, PortCounters>>;
  /** What the tables of earlier runs on these ports remember; a bridge's other port included. */
  leftovers(ifindexes: readonly number[]): Promise<ReadonlyMap<number, PortMemory>>;
  /** The ifindexes that any table or detour of firehook's in this namespace carries. */
  findTraces(): Promise<readonly number[]>;
  /** Steals nothing more, and `onDown` no longer holds either; what was switched waits for {@link Plumbing.undo}. */
  disengage(ifindex: number): Promise<void>;
  /** Takes a port back wholly. True when there was something. */
  undo(ifindex: number): Promise<boolean>;
  readonly lease: LeaseControl;
  close(): void;
}

/** Plumbing that one process can leave to another. */
export interface TransferablePlumbing extends Plumbing {
  /** What a process that is to go on with the ports has to be given. */
  readonly estate: PlumbingEstate;
  /**
   * Whether {@link Plumbing.protect} would leave the tables of an attachment as they are, which another process has made. Asks nothing of the socket that owns
   * the tables: that process still uses it.
   */
  isAsLeft(attachment: Attachment, onDown: 'drop' | 'forward', tolerated: readonly string[]): Promise<boolean>;
}
