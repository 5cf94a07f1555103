/**
 * The packets of a lane that wait: kept, woken in time, and handed back to the lane one after the other.
 *
 * ```
 *   lane: verdict HELD ─> hold(packet) ─> HeldPackets: the copy     HoldList (hook chain): who, how long     HoldTimer: when
 *   goOn() <─ before a batch, behind one, a timer, a release ─> each that is due: driver.resume ─> resume(held) of the lane
 * ```
 * Rule: nothing goes on within another packet. Each packet is in `held` of the ledger from the moment when it waits until it goes on.
 *
 * @module
 */

import type { Driver } from '../drivers/contract.ts';
import { type HoldList, NO_PLACE } from '../hook/hold-list.ts';
import type { HookChain } from '../hook/hook-chain.ts';
import type { ContextState } from '../hook/packet/context-view.ts';
import { type HeldPacket, HeldPackets, type MakeView } from './held-packets.ts';
import { HoldTimer } from './hold-timer.ts';
import { type HookClock, LiveClock } from './hook-clock.ts';
import { HELD_PACKETS, LOST, LOST_POOL } from './ledger.ts';
import type { PacketInHand } from './packet-in-hand.ts';

/** What {@link WaitingPackets} is made of. */
export interface WaitingOptions {
  readonly list: HoldList;
  readonly chain: HookChain;
  readonly driver: Driver;
  readonly ledger: Float64Array;
  /** Milliseconds; see `LaneOptions.now`. */
  readonly now: () => number;
  /** The clock of `now`; undefined for the time of the day. */
  readonly clock: HookClock | undefined;
  readonly makeView: MakeView;
  /** Goes on with a packet. */
  readonly resume: (held: HeldPacket) => void;
  /** Called when packets have gone on while the lane had nothing else to do. */
  readonly onWoken: () => void;
}

/** One lane's. */
export class WaitingPackets {
  readonly #list: HoldList;
  readonly #driver: Driver;
  readonly #ledger: Float64Array;
  readonly #now: () => number;
  readonly #resume: (held: HeldPacket) => void;
  readonly #held: HeldPackets;
  readonly #timer: HoldTimer;
  readonly #onReady: () => void;
  readonly #keepOffload: ((target: Uint8Array) => void) | null;

  constructor({ list, chain, driver, ledger, now, clock, makeView, resume, onWoken }: WaitingOptions) {
    this.#list = list;
    this.#driver = driver;
    this.#ledger = ledger;
    this.#now = now;
    this.#resume = resume;
    this.#held = new HeldPackets(chain, list.mostOctets, makeView);
    const timer = new HoldTimer(clock ?? new LiveClock(), () => {
      this.goOn();
      onWoken();
    });
    this.#timer = timer;
    this.#onReady = () => {
      timer.soon();
      // A clock of its own may go on before anything else runs.
      if (clock === undefined) return;
      const nowMs = now();
      timer.wakeAt(nowMs, nowMs);
    };
    this.#keepOffload = driver.keepOffload === undefined ? null : (target) => driver.keepOffload?.(target);
  }

  /** Packets that wait. */
  get count(): number {
    return this.#list.waiting;
  }

  /** When the next one goes on by itself, on the clock of the lane; infinity where none waits. */
  get nextMs(): number {
    return this.#list.nextMs;
  }

  /** Lets the packet in hand wait. False when there is no memory, which is booked: it has ended. */
  hold(packet: PacketInHand, context: ContextState): boolean {
    const list = this.#list;
    const { base } = packet;
    const nowMs = this.#now();
    const place = list.wait(nowMs);
    // Several lanes may have had the chain before (a trial, a flood of a test).
    list.onReady = this.#onReady;
    if (!this.#held.keep(place, packet, context, nowMs, this.#keepOffload)) {
      list.giveUp(place);
      this.#add(base + LOST, 1);
      this.#add(base + LOST_POOL, 1);
      return false;
    }
    this.#add(base + HELD_PACKETS, 1);
    this.#timer.wakeAt(list.nextMs, nowMs);
    return true;
  }

  /** What was released, or whose time is over, goes on. Not to be called within a packet. */
  goOn(): void {
    const list = this.#list;
    const nowMs = this.#now();
    for (let place = list.take(nowMs); place !== NO_PLACE; place = list.take(nowMs)) {
      const held = this.#held.at(place);
      held.verdict = list.verdict;
      held.isTimedOut = list.isTimedOut;
      held.waited(nowMs);
      this.#add(held.packet.base + HELD_PACKETS, -1);
      this.#driver.resume?.(held.frame, held.offload);
      this.#resume(held);
      this.#held.free(place);
      list.free(place);
    }
    this.#driver.endResumed?.();
    this.#timer.wakeAt(list.nextMs, nowMs);
  }

  /** Everything that waits gets what it would get at its time, now; nothing is woken afterwards. */
  end(): void {
    this.#list.releaseAll();
    this.goOn();
    this.#timer.stop();
  }

  #add(index: number, amount: number): void {
    this.#ledger[index] = (this.#ledger[index] as number) + amount;
  }
}
