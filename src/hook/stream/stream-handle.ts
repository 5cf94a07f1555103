/**
 * A stream as `onStream` is handed it: it shows the one that is being judged, and nothing between two calls.
 *
 * Rule: all calls of a hook get the same object, which is frozen. What a hook keeps of it shows nothing.
 *
 * @module
 */

import type { StreamView } from '../../stream/stream-view.ts';
import type { ChainFlows } from '../chain-flows.ts';
import { FlowView } from '../packet/flow-view.ts';
import type { Stream } from './stream-contract.ts';

/** What hooks hold of a stream. */
export class StreamHandle implements Stream {
  readonly flow: FlowView;
  readonly #view: StreamView;

  constructor(flows: ChainFlows, view: StreamView) {
    this.flow = new FlowView(flows);
    this.#view = view;
    Object.freeze(this);
  }

  get length(): number {
    return this.#view.length;
  }

  get isClient(): boolean {
    return this.#view.isClient;
  }

  get isEnded(): boolean {
    return this.#view.isEnded;
  }

  get isFull(): boolean {
    return this.#view.isFull;
  }

  get hasUrgent(): boolean {
    return this.#view.hasUrgent;
  }

  u8(at: number): number {
    return this.#view.u8(at);
  }

  u16(at: number): number {
    return this.#view.u16(at);
  }

  u32(at: number): number {
    return this.#view.u32(at);
  }

  indexOf(needle: Uint8Array, from?: number): number {
    return this.#view.indexOf(needle, from);
  }

  startsWith(needle: Uint8Array): boolean {
    return this.#view.startsWith(needle);
  }

  copyTo(target: Uint8Array, at?: number): number {
    return this.#view.copyTo(target, at);
  }

  text(from?: number, to?: number): string {
    return this.#view.text(from, to);
  }
}
