/**
 * What a supervisor offers to the one that is to take its place: all that is not in the configuration.
 *
 * ```
 *   the one that runs                               its successor (a process of its own, perhaps of another version)
 *     offer: ports, locks, sockets of the lanes ──>   hooks bundled and tried, lanes started beside those that run
 *                                               <──   lanes: all are ready             │ refused: why; nothing has changed
 *     step: keep, take, leave, adopt ...        <─>   done                             as in a reload
 *     yours: the lease, all counters            ──>   renews it, opens the control socket, looks whether all is in force
 *                                               <──   running
 *     rest: what its last lanes counted         ──>
 *     ends, and takes nothing back
 * ```
 * Rule: until `yours` everything can be given up, and those that run go on. Numbers stand for descriptors, which come with the message.
 *
 * @module
 */

import type { Config } from '../../config/schema.ts';
import type { LocalRoute } from '../../lane/local-table.ts';
import type { HandoverStep, HookInfo, LaneSockets, SharedTables } from '../../lane/messages.ts';
import type { LaneHanded } from '../../lane/read-message.ts';
import type { PlumbingEstate } from '../../plumbing/contract.ts';
import type { OwnCgroup } from '../lane-cgroups.ts';
import type { LaneLayout } from '../lane-layouts.ts';
import { changeSockets } from '../lane-sockets.ts';
import type { PlainTotals } from '../totals.ts';

/** Both have to have the same one: raised with whatever one of them would not understand. */
export const PROTOCOL = 1;

/** What is offered. Each number of a descriptor is its place among those of the message. */
export interface Offer {
  readonly protocol: number;
  readonly version: string;
  readonly pid: number;
  readonly config: Config;
  readonly generation: number;
  readonly layout: LaneLayout;
  readonly locals: readonly LocalRoute[];
  readonly lanes: readonly { readonly place: number; readonly sockets: LaneSockets | null }[];
  readonly groups: { readonly ids: readonly number[]; readonly locks: readonly number[] };
  readonly shared: { readonly tables: SharedTables; readonly fd: number } | null;
  readonly plumbing: PlumbingEstate;
  readonly cgroups: { readonly own: OwnCgroup; readonly made: number } | null;
}

/** Lanes of the successor, all ready. The descriptor of each is that of its progress file. */
export interface OfferedLanes {
  readonly version: string;
  readonly pid: number;
  readonly hooks: readonly HookInfo[];
  readonly lanes: readonly { readonly place: number; readonly pid: number }[];
}

/** A step of a handover that a lane of the successor is to take. Its memory comes as descriptor. */
export interface PeerStep {
  readonly id: number;
  readonly place: number;
  readonly step: HandoverStep;
  /** Number of the memory; null without any. */
  readonly memory: number | null;
  readonly withinMs: number;
}

/** What came of a step, or of the moment between `leave` and `adopt`. */
export interface PeerDone {
  readonly id: number;
  readonly answer: LaneHanded | null;
  /** Null when it was taken. */
  readonly error: string | null;
}

/** All is the successor's. */
export interface Yours {
  readonly totals: PlainTotals;
}

/** The successor runs. */
export interface Running {
  /** What the operator should hear, a sentence each. */
  readonly notes: readonly string[];
}

/** Why a successor does not take over. */
export interface Refused {
  readonly code: string;
  readonly message: string;
}

/** Descriptors of an offer: taken out of it, and put back at the other end. */
export class DescriptorList {
  readonly all: number[] = [];

  /** The number that stands for a descriptor; what is below zero stays as it is. */
  readonly put = (descriptor: number): number => (descriptor < 0 ? descriptor : this.all.push(descriptor) - 1);
}

/** The same offer with each descriptor exchanged by `change`. */
export function changeDescriptors(offer: Offer, change: (fd: number) => number): Offer {
  const { lanes, groups, shared, plumbing } = offer;
  return {
    ...offer,
    lanes: lanes.map((lane) => ({
      ...lane,
      sockets: lane.sockets === null ? null : changeSockets(lane.sockets, change),
    })),
    groups: { ...groups, locks: groups.locks.map(change) },
    shared: shared === null ? null : { ...shared, fd: change(shared.fd) },
    plumbing: {
      ...plumbing,
      nft: change(plumbing.nft),
      fence: change(plumbing.fence),
      locks: new Map(Array.from(plumbing.locks, ([ifindex, fd]) => [ifindex, change(fd)])),
    },
  };
}
