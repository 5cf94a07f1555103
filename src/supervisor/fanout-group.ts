/**
 * Draws the numbers under which the lanes of a daemon share a port (packet(7), PACKET_FANOUT).
 *
 * A group is a number of 16 bits in a network namespace, and whoever names it takes part. So a number is drawn, and held
 * like the lock of a port: by a lock on a file that only root can make, whose name carries the namespace, and which goes with
 * the process.
 *
 * Rule: while a daemon holds a number, no other firehookd shares packets under it. A lane that replaces another names the
 * number of the one that ended. A program that is none of ours and uses the number for another device is refused, or
 * refuses us, by the kernel; the next start of all lanes draws anew.
 *
 * @module
 */

import { randomInt } from 'node:crypto';
import { closeSync } from 'node:fs';
import { FirehookError } from '../errors.ts';

const GROUPS = 0x10000;
/** Far more than daemons that find each other's numbers can explain. */
const ATTEMPTS = 100;

/** The numbers that a daemon holds. */
export class FanoutGroups {
  readonly #lock: (id: number) => number;
  readonly #draw: () => number;
  #locks: number[] = [];
  #ids: number[] = [];

  /**
   * @param lock - locks a number: the descriptor that holds it, or -1 where another process does
   * @param draw - a number from 0 to 65535
   */
  constructor(lock: (id: number) => number, draw: () => number = () => randomInt(GROUPS)) {
    this.#lock = lock;
    this.#draw = draw;
  }

  /** What is held, in the order of the draw. */
  get ids(): readonly number[] {
    return this.#ids;
  }

  /**
   * Gives back what is held and draws `count` other numbers. No lane may run.
   *
   * @throws {@link FirehookError} FIREHOOK_LANE_FAILED when every number that was drawn is held; none is then held here
   */
  draw(count: number): void {
    this.release();
    for (let attempt = 0; this.#ids.length < count; attempt++) {
      if (attempt >= ATTEMPTS + count) {
        this.release();
        throw new FirehookError('FIREHOOK_LANE_FAILED', 'no free fanout group', {
          advice: 'stop another firehookd in this network namespace, or use lanes: 1',
        });
      }
      const id = this.#draw();
      const lock = this.#lock(id);
      if (lock === -1) continue;
      this.#locks.push(lock);
      this.#ids.push(id);
    }
  }

  /** What holds them, in the same order: descriptors, borrowed, for a process that is to go on with the ports. */
  get locks(): readonly number[] {
    return this.#locks;
  }

  /** Goes on with the numbers of another process. The descriptors are its own from now on. */
  adopt(ids: readonly number[], locks: readonly number[]): void {
    this.release();
    this.#ids = [...ids];
    this.#locks = [...locks];
  }

  /** Gives all back. Idempotent. */
  release(): void {
    for (const lock of this.#locks) closeSync(lock);
    this.#locks = [];
    this.#ids = [];
  }
}
