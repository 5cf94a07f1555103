/**
 * Many packets at once, for what one packet costs: the hooks of a lab in a lane of their own, whose ways out take everything and keep nothing.
 *
 * Rule: a packet allocates nothing here. No ICMP error is made: what the runtime does about a rejected packet is no cost of the hook's.
 *
 * @module
 */

import type { Driver, DriverPort } from '../drivers/contract.ts';
import { Frame } from '../drivers/frame.ts';
import type { HookChain } from '../hook/hook-chain.ts';
import type { AnswerRates, IcmpSettings } from '../lane/answer-budget.ts';
import { Lane } from '../lane/lane.ts';
import type { LocalRoute } from '../lane/local-table.ts';
import type { LabClock } from './lab-clock.ts';
import type { Prepared } from './lab-frames.ts';
import type { LabOutlets } from './lab-outlets.ts';
import type { Attachment } from './lab-ways.ts';

/** Nanoseconds between two packets. */
const STEP = 1000;
const SECOND = 1_000_000_000;
const NONE: AnswerRates = { ratePerSecond: 0, perPrefix: 0, perAddress: 0 };

/** What a {@link Flood} is made of. */
export interface FloodParts {
  readonly chain: HookChain;
  readonly attachment: Attachment;
  readonly outlets: LabOutlets;
  readonly ports: readonly DriverPort[];
  readonly clock: LabClock;
  readonly locals: readonly LocalRoute[];
  readonly nonIp: 'drop' | 'forward';
  readonly unreadable: 'drop' | 'forward';
  readonly icmp: IcmpSettings;
}

/** The lane beside that of a lab. */
export class Flood {
  readonly lane: Lane;
  readonly #clock: LabClock;
  /** The time of a flood. The null makes it an array of references: out of a field the number would be boxed for every packet. */
  readonly #nowMs: (number | null)[] = [null];

  constructor({ chain, attachment, outlets, ports, clock, locals, nonIp, unreadable, icmp }: FloodParts) {
    const driver: Driver = {
      name: 'flood',
      capabilities: { live: true, sharesPort: false, offloads: true },
      ports,
      start: () => Promise.resolve(),
      transmit: () => true,
      transmitSuper: () => true,
      stats: () => ({ droppedByKernel: 0 }),
      stop: () => undefined,
    };
    this.lane = new Lane({
      driver,
      ways: attachment.ways,
      outlets: outlets.ports,
      chain,
      nonIp,
      unreadable,
      icmp: { ...icmp, ...NONE, tooBig: NONE },
      sender: null,
      now: () => this.#nowMs[0] as number,
    });
    this.lane.setLocals(locals);
    this.#clock = clock;
  }

  /** Sends so many packets, in turn, a microsecond apart; afterwards it is so much later. */
  run(count: number, port: number, packets: readonly Prepared[], frame: Frame): void {
    const { lane } = this;
    this.#nowMs[0] = this.#clock.ms;
    let { seconds, nanoseconds } = this.#clock.frameTime;
    frame.port = port;
    for (let index = 0; index < count; index++) {
      nanoseconds += STEP;
      if (nanoseconds >= SECOND) {
        nanoseconds -= SECOND;
        seconds += 1;
      }
      frame.seconds = seconds;
      frame.nanoseconds = nanoseconds;
      fill(frame, packets[index % packets.length] as Prepared);
      lane.onFrame(frame);
    }
    // All of one batch: what its end costs is no cost of a packet.
    lane.releaseHeld();
    lane.onBatchEnd();
    this.#clock.advance(BigInt(count) * BigInt(STEP));
  }
}

/** One buffer for all frames, as a driver has it. */
export function frameFor(packets: readonly Prepared[]): Frame {
  return new Frame(Buffer.alloc(Math.max(...packets.map(({ frame }) => frame.length))));
}

function fill(frame: Frame, { frame: octets, flags, segmentSize }: Prepared): void {
  frame.octets.set(octets);
  frame.length = octets.length;
  frame.originalLength = octets.length;
  frame.flags = flags;
  frame.segmentSize = segmentSize;
}
