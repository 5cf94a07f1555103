/**
 * What time it is for the tables of hooks: the time of the packet at hand.
 *
 * ```
 *   within a packet           its timestamp
 *   in a timer, after it      the time of the timer, until the next packet comes
 *   before the first packet   the time of the clock
 * ```
 * Floor 1. The time is that of the system (CLOCK_REALTIME), which all lanes of a host have in common; in replay it is that of the file.
 *
 * Rule: the time stands in a typed array: a number of milliseconds since 1970 in a field, or returned, would be boxed for every packet.
 *
 * @module
 */

/** When the kernel saw a packet. */
export interface PacketTime {
  /** Whole seconds since 1970. */
  readonly seconds: number;
  /** Nanoseconds into that second. */
  readonly nanoseconds: number;
}

/** What knows the packet at hand, or the last one; null before the first. */
export interface PacketAtHand {
  readonly context: PacketTime | null;
}

const NO_PACKET: PacketAtHand = { context: null };

/** The clock of a lane's tables. */
export class TableClock {
  /** Double: milliseconds since 1970, without a fraction, as {@link TableClock.read} has found them. */
  readonly now: Float64Array = new Float64Array(1);
  /** Set when the chain is there. */
  packets: PacketAtHand = NO_PACKET;
  /** The packet before the last timer, and when that was. */
  #seconds = -1;
  #nanoseconds = -1;
  readonly #timerMs = new Float64Array(1);
  readonly #clockMs: () => number;

  /** @param clockMs - milliseconds since 1970, on the clock of the packets, where none is at hand */
  constructor(clockMs: () => number) {
    this.#clockMs = clockMs;
  }

  /** Sets {@link TableClock.now}. Cost: no allocation once a packet was there. */
  read(): void {
    const { context } = this.packets;
    if (context === null) {
      this.now[0] = Math.floor(this.#clockMs());
      return;
    }
    const { seconds, nanoseconds } = context;
    const packetMs = seconds * 1000 + Math.floor(nanoseconds / 1_000_000);
    const isLater = seconds === this.#seconds && nanoseconds === this.#nanoseconds;
    const timerMs = this.#timerMs[0] as number;
    this.now[0] = isLater && timerMs > packetMs ? timerMs : packetMs;
  }

  /** A timer runs. */
  timer(): void {
    const { context } = this.packets;
    if (context === null) return;
    this.#seconds = context.seconds;
    this.#nanoseconds = context.nanoseconds;
    this.#timerMs[0] = Math.floor(this.#clockMs());
  }
}
