/**
 * The streams of a hook chain: one reader for each hook that has an `onStream`, each with a table of its own.
 *
 * ```
 *   flow ends ─> forget() ─┐
 *   a batch   ─> tick()    ├─> HookStream of hook 2     other ports, another bound, memory of its own
 *   call of hook 2 ─ take()┘
 * ```
 * Rule: hooks share no octets. What one of them does to its readings changes nothing for another.
 *
 * @module
 */

import type { ChainFlows } from '../chain-flows.ts';
import type { TakeReason } from '../hook-reasons.ts';
import type { LoadedHook } from '../load-hook.ts';
import type { PacketState } from '../packet/packet-state.ts';
import { HookStream } from './hook-stream.ts';
import type { StreamNumbers } from './stream-contract.ts';

/** Readings that expire at once: more wait for the next batch. */
const EXPIRED_AT_ONCE = 64;

/** The streams of a chain. */
export class ChainStreams {
  /** By the place of the hook; null where it reads none. */
  readonly ofHook: readonly (HookStream | null)[];
  readonly #readers: readonly HookStream[];
  readonly #now: (number | null)[] = [null, 0];

  /**
   * @param hooks - in running order; null for one that is not obeyed here
   * @param flows - null where no hook asks for flows, and so none for streams
   * @param onHookError - what becomes of a connection with which a hook was at fault
   * @param take - takes the reason from what a hook returned
   * @throws RangeError when the memory is not to be had
   */
  constructor(
    hooks: readonly (LoadedHook | null)[],
    flows: ChainFlows | null,
    packet: PacketState,
    onHookError: 'drop' | 'forward',
    take: TakeReason,
  ) {
    this.ofHook = hooks.map((hook, index) => {
      if (flows === null || hook?.kind !== 'defined') return null;
      const { handlers, stream: settings } = hook;
      if (handlers === null || handlers.onStream === undefined || settings === undefined) return null;
      return new HookStream({ hook: index, settings, handlers, flows, packet, onHookError, now: this.#now, take });
    });
    this.#readers = this.ofHook.filter((one) => one !== null);
    if (flows === null || this.#readers.length === 0) return;
    flows.onGone = (index) => {
      for (const reader of this.#readers) reader.forget(index);
    };
  }

  /** Says what time it is, once a batch, and ends readings that are over. */
  tick(nowMs: number): void {
    if (this.#readers.length === 0) return;
    this.#now[1] = nowMs;
    for (const reader of this.#readers) reader.table.expire(nowMs, EXPIRED_AT_ONCE);
  }

  /** What is counted about the streams of a hook; null where it reads none. Makes an object. */
  numbersOf(hook: number): StreamNumbers | null {
    return this.ofHook[hook]?.numbers ?? null;
  }
}
