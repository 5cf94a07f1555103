/**
 * Ports that are not enforced (`enforce: false`): each frame goes on as it came, and a copy of it is shown to the hooks.
 *
 * ```
 *   driver ─> frame ─┬─> a lane without hooks ─> the other port          booked in the way that goes on
 *                    └─> copy ─> the lane with the hooks, as in a tap    booked in the way of what would be
 * ```
 * Rules:
 * - What hooks say, write and hold happens in the copy. It is made first, and the frame is sent before they are called: what a driver
 *   sends out of its ring must not be written into.
 * - Frames of other ports go to the lane with the hooks and nowhere else.
 *
 * @module
 */

import type { FrameSink } from '../drivers/contract.ts';
import { Frame } from '../drivers/frame.ts';
import { isMadeByHook } from './egress.ts';
import type { Lane } from './lane.ts';
import type { Way } from './way.ts';

/** Room for a frame of an Ethernet without jumbo frames; a longer one makes it grow, once. */
const FIRST_OCTETS = 2048;

/** Stands between a driver and two lanes. */
export class PassThrough implements FrameSink {
  readonly #hooks: Lane;
  readonly #through: Lane;
  readonly #isPassed: boolean[] = [];
  readonly #shown = new Frame(Buffer.alloc(FIRST_OCTETS));

  /**
   * @param hooks - the lane with the hooks, whose ways of these ports send nothing
   * @param through - the lane without, which has the ways that go on
   */
  constructor(hooks: Lane, through: Lane) {
    this.#hooks = hooks;
    this.#through = through;
    for (const { inPort } of through.ways) this.#isPassed[inPort] = true;
  }

  /** {@inheritDoc FrameSink.onFrame} */
  onFrame(frame: Frame): void {
    if (this.#isPassed[frame.port] !== true) {
      this.#hooks.onFrame(frame);
      return;
    }
    const shown = this.#shown;
    const { length } = frame;
    if (length > shown.octets.length) shown.octets = Buffer.alloc(length);
    frame.octets.copy(shown.octets, 0, 0, length);
    shown.describeAs(frame);
    this.#through.onFrame(frame);
    this.#hooks.onFrame(shown);
  }

  /** {@inheritDoc FrameSink.onBatchEnd} */
  onBatchEnd(): void {
    this.#hooks.onBatchEnd();
    this.#through.onBatchEnd();
  }

  /** {@inheritDoc FrameSink.onSendFailed} */
  onSendFailed(port: number, purpose: number, length: number): void {
    const isOwn = this.#isPassed[port] === true && !isMadeByHook(purpose);
    (isOwn ? this.#through : this.#hooks).onSendFailed(port, purpose, length);
  }
}

/** Ways in the order of the ledger: those with hooks first, then those whose frames go on as they came. */
export function sortWays(ways: readonly Way[]): readonly Way[] {
  return [...ways.filter(({ passes }) => passes !== true), ...ways.filter(({ passes }) => passes === true)];
}
