/**
 * Events where hooks and reader are in one process: in a replay, and in tests of hooks.
 *
 * ```
 *   hook ─> ring ─ full, or somebody asks ─> read ─> events of the envelope, in order
 * ```
 * Floor 1. Rule: the same ring as between two processes, and nothing is lost, because who writes has it read when it is full.
 *
 * @module
 */

import { type EveEvent, type EventOrigin, eveOf } from './eve.ts';
import { RING_OCTETS } from './event-layout.ts';
import { RingReader } from './ring-reader.ts';

/** A ring and its reader. */
export class EventDesk {
  readonly memory: ArrayBuffer = new ArrayBuffer(RING_OCTETS);
  /** True: what comes is given up, for a flood whose events nobody wants. */
  isQuiet = false;
  readonly #reader = new RingReader(this.memory);
  readonly #take: (event: EveEvent) => void;
  #origin: EventOrigin = { lane: 0, hooks: [], nameOf: () => undefined };

  /** @param take - gets each event */
  constructor(take: (event: EveEvent) => void) {
    this.#take = take;
  }

  /** What events do not say of themselves, from now on. */
  set origin(origin: EventOrigin) {
    this.#origin = origin;
  }

  /** Reads what is there. */
  read(): void {
    if (this.isQuiet) this.#reader.skip();
    else this.#reader.read((event) => this.#take(eveOf(event, this.#origin)));
  }
}
