/**
 * What stands before the ways out of a lane while somebody records: each frame and datagram that was taken is shown to him, and nothing changes.
 *
 * ```
 *   egress ─> WatchedDriver ─> driver.transmit ─ true ─> watch.onFrame
 *          ─> WatchedSender ─> sender.send ───── true ─> watch.onDatagram
 * ```
 * Rule: while nobody records, the egress has the driver itself: no branch and no call is added to a packet.
 *
 * @module
 */

import type { Driver } from '../drivers/contract.ts';
import type { DatagramSender } from './egress.ts';

/** What the egress sends frames by. */
export type FrameOutlet = Pick<Driver, 'transmit' | 'transmitSuper'>;

/** Who is shown what goes out. Not to throw. */
export interface SendWatch {
  /** Borrows `frame` during the call. @param purpose - what the driver was told of it */
  onFrame(port: number, frame: Buffer, length: number, purpose: number): void;
  /** Borrows `datagram` during the call. @param tag - what the sender was told of it */
  onDatagram(datagram: Buffer, length: number, tag: number): void;
}

/** The driver, watched. One that has no `transmitSuper` has none here, too. */
export function watchDriver(driver: FrameOutlet, watch: SendWatch): FrameOutlet {
  const outlet: FrameOutlet = {
    transmit: (port, frame, length, purpose = 0) => {
      if (!driver.transmit(port, frame, length, purpose)) return false;
      watch.onFrame(port, frame, length, purpose);
      return true;
    },
  };
  if (driver.transmitSuper === undefined) return outlet;
  outlet.transmitSuper = (port, frame, length, checksumStart, purpose = 0) => {
    if (driver.transmitSuper?.(port, frame, length, checksumStart, purpose) !== true) return false;
    watch.onFrame(port, frame, length, purpose);
    return true;
  };
  return outlet;
}

/** The sender of datagrams, watched. It says of itself what the one behind it says. */
export class WatchedSender implements DatagramSender {
  readonly #sender: DatagramSender;
  readonly #watch: SendWatch;

  constructor(sender: DatagramSender, watch: SendWatch) {
    this.#sender = sender;
    this.#watch = watch;
  }

  /** {@inheritDoc DatagramSender.send} */
  send(datagram: Buffer, length: number, tag: number): boolean {
    if (!this.#sender.send(datagram, length, tag)) return false;
    this.#watch.onDatagram(datagram, length, tag);
    return true;
  }

  /** {@inheritDoc DatagramSender.refusal} */
  get refusal(): number {
    return this.#sender.refusal ?? 0;
  }

  /** {@inheritDoc DatagramSender.flush} */
  flush(): number {
    return this.#sender.flush?.() ?? 0;
  }
}
