/**
 * One lane takes the place of another, between two packets: both parts of it, as a lane is told them.
 *
 * ```
 *   the lane that has the packets                         its successor: loaded, set up, ready
 *     sample, sampled    frames for the trial                   (a process of its own)
 *     keep                                                  (is started)
 *                                                           take       what comes from now on waits
 *     leave    what came before, then onLeave, flows
 *                                                           adopt      flows, adopt; goes on where the other one stands
 *     retire   ends when nothing waits in it any more
 * ```
 * Rule: a step that cannot be taken changes nothing and says why. Until the successor has adopted, the lane that has left can go on.
 *
 * @module
 */

import { closeSync } from 'node:fs';
import type { Driver, InputPlace } from '../drivers/contract.ts';
import type { NativeModule } from '../native/native.d.ts';
import { type EstateOptions, readEstate, writeEstate } from './estate.ts';
import type { Lane } from './lane.ts';
import type { EstateMemory, EstateSize, HandoverStep } from './messages.ts';
import type { FromLane } from './read-message.ts';
import { RecentFrames } from './recent-frames.ts';

/** What of the addon is needed, also when hooks run and it is out of reach. */
type HandoverNative = Pick<NativeModule, 'receiveDescriptor' | 'mapMemory'>;

/** What {@link LaneHandover} is made of. */
export interface HandoverOptions {
  readonly driver: Driver;
  readonly lane: Lane;
  readonly native: HandoverNative;
  /** By which descriptors come; borrowed. */
  readonly socket: number;
  readonly estate: EstateOptions;
  /** Called when the lane has adopted: it is to begin with its packets. @returns the filter of the kernel that is in force then */
  readonly begin: () => string | null;
}

/** What came of a step. */
type Handed = Omit<Extract<FromLane, { type: 'handed' }>, 'type' | 'id' | 'error'>;

const DONE: Handed = {};
const MOST_NOTES = 64;
const MOST_NOTE = 1_024;

/** Takes the steps of one lane. */
export class LaneHandover {
  readonly #options: HandoverOptions;
  #recent: RecentFrames | null = null;

  constructor(options: HandoverOptions) {
    this.#options = options;
  }

  /** @throws Error why the step cannot be taken */
  take(step: HandoverStep): Handed {
    const { driver, lane } = this.#options;
    switch (step.step) {
      case 'sample':
        this.#recent = new RecentFrames(this.#map(step.memory));
        lane.copyTo(this.#recent);
        return DONE;
      case 'sampled':
        lane.copyTo(null);
        return { size: { hooks: this.#recent?.octets ?? 0, flows: 0 } };
      case 'keep':
        driver.keepInput?.();
        return DONE;
      case 'take':
        driver.takeInput?.();
        return DONE;
      case 'giveBack':
        driver.returnInput?.();
        return DONE;
      case 'leave':
        return this.#leave(step.memory);
      case 'adopt':
        return this.#adopt(step.place, step.memory, step.size);
      case 'goOn':
        if (driver.goOn?.(step.place) !== true) throw new Error('it cannot go on there');
        this.#hasLeft(false);
        return DONE;
      default:
        return step satisfies never;
    }
  }

  #leave(memory: EstateMemory): Handed {
    const { driver, estate } = this.#options;
    const octets = this.#map(memory);
    const place = driver.leave?.() ?? null;
    if (place === null) throw new Error('its driver cannot leave its packets to another one');
    this.#hasLeft(true);
    try {
      const { size, notes } = writeEstate(estate, octets);
      return { place, size, notes: bounded(notes) };
    } catch (error) {
      driver.goOn?.(place);
      this.#hasLeft(false);
      throw error;
    }
  }

  #adopt(place: InputPlace, memory: EstateMemory, size: EstateSize): Handed {
    const { driver, estate, begin } = this.#options;
    const notes = readEstate(estate, this.#map(memory), size);
    if (driver.goOn?.(place) !== true) throw new Error('it cannot go on there');
    estate.timers.goOn();
    return { kernelFilter: begin(), notes: bounded(notes) };
  }

  /** What would happen now would be missing in what is handed over, or happen in both lanes. */
  #hasLeft(hasLeft: boolean): void {
    const { lane, estate } = this.#options;
    lane.hasLeft = hasLeft;
    if (hasLeft) estate.timers.stand();
    else estate.timers.goOn();
  }

  #map(memory: EstateMemory): Uint8Array {
    const { native, socket } = this.#options;
    return mapEstate(native, socket, memory);
  }
}

/**
 * Maps memory whose descriptor has come.
 *
 * @throws Error when it is another one's, and what the system refuses
 */
export function mapEstate(native: HandoverNative, socket: number, { id, octets }: EstateMemory): Uint8Array {
  const [number, descriptor] = native.receiveDescriptor(socket) ?? [-1, -1];
  try {
    if (number !== id) throw new Error(`the memory of the handover has not come, but ${number}`);
    return new Uint8Array(native.mapMemory(descriptor, octets));
  } finally {
    if (descriptor !== -1) closeSync(descriptor);
  }
}

function bounded(notes: readonly string[]): string[] {
  return notes.slice(0, MOST_NOTES).map((note) => note.slice(0, MOST_NOTE));
}
