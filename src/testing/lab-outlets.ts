/**
 * The interfaces of a lab that frames go out of and none come in by: each name that a hook sends to gets a port when it is first used.
 *
 * ```
 *   runtime.inject(frame, 'ids0') ─> port 2 of the driver, from now on ids0 ─> notes ─> departure { to: 'outlet', outlet: 'ids0' }
 * ```
 * Rule: whether a hook may send there is decided before, where its rights are known.
 *
 * @module
 */

import type { DriverPort } from '../drivers/contract.ts';
import type { FrameSender } from '../lane/hook-frames.ts';
import type { Lane } from '../lane/lane.ts';
import { LOCAL_NAME, type Way } from '../lane/way.ts';

/** Sends the frames of hooks by the lane that runs. */
export class LabOutlets implements FrameSender {
  /** The lane that has the packet at hand; null before there is one. */
  lane: Lane | null = null;
  /** Ports by name. */
  readonly ports = new Map<string, number>();
  readonly #attached: ReadonlySet<string>;
  readonly #driverPorts: DriverPort[];

  /** @param driverPorts - of the driver; it gets longer */
  constructor(ways: readonly Way[], driverPorts: DriverPort[]) {
    this.#attached = new Set(ways.flatMap(({ from, to }) => [from, to]).filter((name) => name !== LOCAL_NAME));
    this.#driverPorts = driverPorts;
  }

  /** The interface behind a port. */
  nameOf(port: number): string {
    return Array.from(this.ports).find(([, own]) => own === port)?.[0] ?? '';
  }

  /** {@inheritDoc FrameSender.inject} */
  inject(frame: Uint8Array, to: string): boolean {
    this.#meet(to);
    return this.lane?.injectFrame(to, frame) ?? false;
  }

  /** {@inheritDoc FrameSender.mirror} */
  mirror(to: string, octets: number): boolean {
    this.#meet(to);
    return this.lane?.mirror(to, octets) ?? false;
  }

  #meet(to: string): void {
    const [first] = this.#driverPorts;
    if (first === undefined || this.#attached.has(to) || this.ports.has(to)) return;
    const id = this.#driverPorts.length;
    this.#driverPorts.push({ ...first, id });
    this.ports.set(to, id);
  }
}
