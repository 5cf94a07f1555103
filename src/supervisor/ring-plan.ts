/**
 * How large the rings of a lane are to be, in slots, and how long they last at line rate.
 *
 * ```
 *   frames a ms = speed / ((MTU + 38) x 8)      38 octets a frame besides the datagram (IEEE Std 802.3, 3.1.1, 4.4.2):
 *                                               preamble 7, SFD 1, addresses and type 14, FCS 4, gap between frames 12
 * ```
 * Rule: slots are counted in frames as long as the MTU allows. Shorter frames fill them sooner.
 *
 * @module
 */

import { type Config, MAX_RING_MIB } from '../config/schema.ts';
import type { RingSize } from '../drivers/afpacket-ring.ts';
import {
  BLOCK_SLOTS,
  DEFAULT_RING_SLOTS,
  type RingOptions,
  SLOT_OCTETS,
  SMALLEST_RING_SLOTS,
} from '../drivers/afpacket-sockets.ts';
import type { Way } from '../lane/way.ts';
import type { Link } from '../plumbing/link.ts';
import type { Logger } from '../telemetry/logger.ts';

const SLOTS_PER_MIB = (1024 * 1024) / SLOT_OCTETS;
/** Octets of the wire that a frame takes besides its datagram. */
const FRAME_OVERHEAD = 38;
/** For a port that has no speed, in Mbit/s. */
const ASSUMED_SPEED = 10_000;
/** With speed in Mbit/s. */
const BITS_PER_MS = 1000;

/** The ring of a way, as it is asked for. */
export interface RingPlan extends RingOptions {
  /** Name of the way, as reports have it. */
  readonly way: string;
  /** In Mbit/s. */
  readonly lineRate: number;
  readonly framesPerMs: number;
}

/** The ring of a way, as it is. */
export interface RingReport {
  readonly way: string;
  readonly mib: number;
  readonly slots: number;
  /** In Mbit/s; 10,000 for a port that has none. */
  readonly lineRate: number;
  /** How long frames of full MTU size take to fill it at that rate. */
  readonly ms: number;
}

/**
 * Plans a ring for each way.
 *
 * @param ring - what the configuration says
 * @param groups - a fanout group for each way; none where the ports are not shared
 * @param speedOf - in Mbit/s; not a positive number where the interface has none
 */
export function planRings(
  ring: Config['ring'],
  ways: readonly Way[],
  groups: readonly number[],
  links: Iterable<Link>,
  log: Logger,
  speedOf: (name: string) => number,
): RingPlan[] {
  const byIndex = new Map(Array.from(links, (link) => [link.ifindex, link]));
  // Of the two ways of a port that is not enforced, one has the ring.
  const captured = ways.filter(({ passes }) => passes !== true);
  return captured.map((way, i) => {
    // 0 where it is the host that sends.
    const link = byIndex.get(way.recvInterfaceIndex === 0 ? way.sendInterfaceIndex : way.recvInterfaceIndex);
    const name = link?.name ?? way.name;
    const speed = speedOf(name);
    const lineRate = speed > 0 ? speed : ASSUMED_SPEED;
    if (!(speed > 0)) log.debug(`${name}: it has no speed; ${lineRate / 1000} Gbit/s is taken as its line rate.`);
    const framesPerMs = (lineRate * BITS_PER_MS) / (((link?.mtu ?? 1500) + FRAME_OVERHEAD) * 8);
    const slots = slotsFor(ring, framesPerMs);
    const plan = { port: way.inPort, way: way.name, slots, fanoutGroup: groups[i] ?? -1, lineRate, framesPerMs };
    if (ring.ms !== undefined && slots < ring.ms * framesPerMs) {
      log.warn(
        `${way.name}: ring.ms: ${ring.ms} needs more than the largest ring; it is ${shown(sizeOf(plan, slots))}.`,
      );
    }
    return plan;
  });
}

/** What a lane got, against what was planned. */
export function describeRings(plans: readonly RingPlan[], rings: readonly RingSize[]): RingReport[] {
  return rings.flatMap(({ port, slots }) => {
    const plan = plans.find((one) => one.port === port);
    return plan === undefined ? [] : [sizeOf(plan, slots)];
  });
}

/** A sentence for each ring that is smaller than planned. */
export function smallerRings(plans: readonly RingPlan[], rings: readonly RingSize[]): string[] {
  return rings.flatMap(({ port, slots }) => {
    const plan = plans.find((one) => one.port === port);
    if (plan === undefined || slots >= plan.slots) return [];
    const [wanted, got] = [plan.slots, slots].map((count) => shown(sizeOf(plan, count)));
    return [
      `${plan.way}: the kernel has no memory for a ring of ${wanted}; it is ${got}. Free memory, or ask for less.`,
    ];
  });
}

/** `32 MiB (20.2 ms at 10 Gbit/s)`. */
function shown({ mib, ms, lineRate }: RingReport): string {
  return `${mib} MiB (${ms} ms at ${lineRate / 1000} Gbit/s)`;
}

function sizeOf({ way, lineRate, framesPerMs }: RingPlan, slots: number): RingReport {
  return { way, mib: slots / SLOTS_PER_MIB, slots, lineRate, ms: Number((slots / framesPerMs).toFixed(1)) };
}

function slotsFor({ mib, ms }: Config['ring'], framesPerMs: number): number {
  if (ms === undefined) return mib === undefined ? DEFAULT_RING_SLOTS : mib * SLOTS_PER_MIB;
  const slots = Math.ceil((ms * framesPerMs) / BLOCK_SLOTS) * BLOCK_SLOTS;
  return Math.min(Math.max(slots, SMALLEST_RING_SLOTS), MAX_RING_MIB * SLOTS_PER_MIB);
}
