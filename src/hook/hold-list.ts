/**
 * The list of packets that wait: who holds which, for how long, and what becomes of it then.
 *
 * ```
 *   packet.hold() ─> reserve ─ the hook returned HELD ─> wait ─┬─ runtime.release(token, verdict) ─> ready ─┐
 *                       └─ it returned something else: undo    └─ its time is over ────────────────────────┴─> take ─> free
 * ```
 * The octets of the packets are the lane's business (`held-packets.ts`); this is a list of numbers, made once.
 *
 * Rules:
 * - Each hook has its own bound, in packets, octets and time, so that none takes the room of another one.
 * - A packet waits until it is released or its time is over, whichever is first, and never longer.
 * - A token names one packet for ever: a hook that comes too late, or makes one up, releases nothing. It can release its own packets alone.
 *
 * @module
 */

import { DROP, FORWARD, ICMP_ON_DROP } from '../firewall/constants.ts';
import { ACCEPT, type FinalVerdict, type HoldRule, type PlainVerdict, REPLY, RESET } from './contract.ts';

/** Packets that all hooks together can hold. */
export const MOST_HELD = 65_535;
/** A packet waits for an hour at most. */
export const LONGEST_HOLD_MS = 3_600_000;

/** Place of no packet. */
export const NO_PLACE = -1;

const FREE = 0;
const RESERVED = 1;
const WAITING = 2;
const READY = 3;
const MIB = 1024 * 1024;
/** A token is a place and how often it was used: exact in a double. */
const PLACES = 65_536;
/** Until it is released: no time of its own. */
const UNTIL_RELEASED = -1;
/** Numbers of the clock have fractions: what is due within a microsecond is due. */
const SLACK_MS = 0.001;

/** True for a verdict that a packet which waited can get. */
export function isFinalVerdict(value: unknown): value is PlainVerdict {
  return (
    value === FORWARD ||
    value === DROP ||
    value === ICMP_ON_DROP ||
    value === ACCEPT ||
    value === RESET ||
    value === REPLY
  );
}

/** Memory of one held packet of so many octets; 0 for one that is too long for any. */
export function roomFor(octets: number): number {
  if (octets <= 2048) return 2048;
  if (octets <= 16_384) return 16_384;
  return octets <= 66_560 ? 66_560 : 0;
}

/** The packets that wait in a lane. */
export class HoldList {
  /** Place of the packet at hand, which the hook that runs has asked to let wait; {@link NO_PLACE} without. */
  reserved: number = NO_PLACE;
  /** The hook that runs asked, and there was no room. */
  isRefused = false;
  /** Packets that wait. */
  waiting = 0;
  /** Memory that they take, in octets. */
  octets = 0;
  /** Called when a packet is ready that was not: from whatever a hook does, also within another packet. */
  onReady: () => void = () => undefined;
  /** What the packet that was taken last is to get. */
  verdict: FinalVerdict = FORWARD;
  /** The time of the packet that was taken last was over before anybody released it. */
  isTimedOut = false;

  readonly #rules: readonly (HoldRule | null)[];
  /** By place. */
  readonly #owner: Int32Array;
  readonly #state: Uint8Array;
  readonly #verdict: Uint8Array;
  readonly #isTimeout: Uint8Array;
  readonly #uses: Float64Array;
  readonly #room: Int32Array;
  readonly #dueMs: Float64Array;
  /** Milliseconds that the reserved packet asked for. */
  readonly #delay = new Float64Array(1);
  /** Free places, the longest unused first. */
  readonly #free: Ring;
  readonly #ready: Ring;
  readonly #heap: DueHeap;
  /** By hook. */
  readonly #packetsOf: Int32Array;
  readonly #octetsOf: Float64Array;

  /** @param rules - by the number of the hook in the configuration; null where it holds nothing */
  constructor(rules: readonly (HoldRule | null)[]) {
    const most = Math.min(
      MOST_HELD,
      rules.reduce((sum, rule) => sum + (rule?.packets ?? 0), 0),
    );
    this.#rules = rules;
    this.#owner = new Int32Array(most);
    this.#state = new Uint8Array(most);
    this.#verdict = new Uint8Array(most);
    this.#isTimeout = new Uint8Array(most);
    this.#uses = new Float64Array(most);
    this.#room = new Int32Array(most);
    this.#dueMs = new Float64Array(most);
    this.#free = new Ring(most);
    this.#ready = new Ring(most);
    this.#heap = new DueHeap(this.#dueMs);
    this.#packetsOf = new Int32Array(rules.length);
    this.#octetsOf = new Float64Array(rules.length);
    for (let place = 0; place < most; place++) this.#free.push(place);
  }

  /** Places that there are. */
  get most(): number {
    return this.#state.length;
  }

  /** Memory that all hooks together may take, in octets. */
  get mostOctets(): number {
    return this.#rules.reduce((sum, rule) => sum + (rule?.mib ?? 0) * MIB, 0);
  }

  /** The bounds of a hook; null where it may hold none. */
  ruleOf(owner: number): HoldRule | null {
    return this.#rules[owner] ?? null;
  }

  /** Packets of a hook that wait. */
  packetsOf(owner: number): number {
    return this.#packetsOf[owner] ?? 0;
  }

  /** The hook may hold packets. */
  isAllowed(owner: number): boolean {
    return (this.#rules[owner] ?? null) !== null;
  }

  /**
   * A place for the packet at hand, once a packet.
   *
   * @param octets - of its frame
   * @param delayMs - how long it is to wait; negative: until it is released
   * @returns false where the hook has no room left, or none at all
   */
  reserve(owner: number, octets: number, delayMs: number = UNTIL_RELEASED): boolean {
    if (this.reserved === NO_PLACE && !this.#reserve(owner, octets)) {
      this.isRefused = true;
      return false;
    }
    this.#delay[0] = delayMs;
    return true;
  }

  /** Token of the packet that is reserved; 0 without one. */
  get token(): number {
    const place = this.reserved;
    return place === NO_PLACE ? 0 : (this.#uses[place] as number) * PLACES + place;
  }

  /** The hook did not return HELD after all. */
  undo(): void {
    const place = this.reserved;
    this.reserved = NO_PLACE;
    if (place !== NO_PLACE) this.#give(place);
  }

  /**
   * The reserved packet waits from now on.
   *
   * @param nowMs - on the clock of {@link HoldList.take}
   * @returns its place
   */
  wait(nowMs: number): number {
    const place = this.reserved;
    const rule = this.#rules[this.#owner[place] as number] as HoldRule;
    const delay = this.#delay[0] as number;
    const isTimed = delay >= 0 && delay <= rule.timeoutMs;
    this.reserved = NO_PLACE;
    this.#dueMs[place] = nowMs + (isTimed ? delay : rule.timeoutMs);
    this.#verdict[place] = isTimed ? FORWARD : (rule.onTimeout ?? DROP);
    this.#isTimeout[place] = isTimed ? 0 : 1;
    this.#state[place] = WAITING;
    this.waiting += 1;
    this.#heap.add(place);
    return place;
  }

  /** Releases a packet of a hook. @returns false when the token names none that waits */
  release(owner: number, token: number, verdict: FinalVerdict): boolean {
    const place = token % PLACES;
    if (!(place >= 0 && place < this.most) || this.#state[place] !== WAITING) return false;
    if (this.#owner[place] !== owner || (this.#uses[place] as number) * PLACES + place !== token) return false;
    this.#heap.remove(place);
    this.#verdict[place] = verdict;
    this.#isTimeout[place] = 0;
    this.#makeReady(place);
    this.onReady();
    return true;
  }

  /** Every packet that waits is ready, with what it would get at its time: the lane ends. */
  releaseAll(): void {
    for (let place = this.#heap.first; place !== NO_PLACE; place = this.#heap.first) {
      this.#heap.remove(place);
      this.#makeReady(place);
    }
  }

  /** When the next packet is due, on the clock of {@link HoldList.wait}; infinity for none. */
  get nextMs(): number {
    const { first } = this.#heap;
    return first === NO_PLACE ? Number.POSITIVE_INFINITY : (this.#dueMs[first] as number);
  }

  /**
   * The next packet that goes on: those that were released in the order of their release, then those whose time is over, the earliest first.
   *
   * @returns its place, to be given back by {@link HoldList.free}; {@link NO_PLACE} for none. {@link HoldList.verdict} says what it gets
   */
  take(nowMs: number): number {
    let place = this.#ready.shift();
    if (place === NO_PLACE) {
      place = this.#heap.first;
      if (place === NO_PLACE || (this.#dueMs[place] as number) > nowMs + SLACK_MS) return NO_PLACE;
      this.#heap.remove(place);
    }
    this.waiting -= 1;
    this.verdict = this.#verdict[place] as FinalVerdict;
    this.isTimedOut = this.#isTimeout[place] === 1;
    return place;
  }

  /** The packet that was to wait could not be kept. */
  giveUp(place: number): void {
    this.#heap.remove(place);
    this.waiting -= 1;
    this.#give(place);
  }

  /** Gives a place back that was taken. */
  free(place: number): void {
    this.#give(place);
  }

  #makeReady(place: number): void {
    this.#state[place] = READY;
    this.#ready.push(place);
  }

  #reserve(owner: number, octets: number): boolean {
    const rule = this.#rules[owner] ?? null;
    const room = roomFor(octets);
    if (rule === null || room === 0) return false;
    const packets = this.#packetsOf[owner] as number;
    const taken = (this.#octetsOf[owner] as number) + room;
    if (packets >= rule.packets || taken > rule.mib * MIB) return false;
    const place = this.#free.shift();
    if (place === NO_PLACE) return false;
    this.#packetsOf[owner] = packets + 1;
    this.#octetsOf[owner] = taken;
    this.octets += room;
    this.#owner[place] = owner;
    this.#room[place] = room;
    this.#uses[place] = (this.#uses[place] as number) + 1;
    this.#state[place] = RESERVED;
    this.reserved = place;
    return true;
  }

  #give(place: number): void {
    const owner = this.#owner[place] as number;
    const room = this.#room[place] as number;
    this.#packetsOf[owner] = (this.#packetsOf[owner] as number) - 1;
    this.#octetsOf[owner] = (this.#octetsOf[owner] as number) - room;
    this.octets -= room;
    this.#state[place] = FREE;
    this.#free.push(place);
  }
}

/** Places in the order in which they came; each is in it once at most. */
class Ring {
  length = 0;
  readonly #places: Int32Array;
  #start = 0;

  constructor(most: number) {
    this.#places = new Int32Array(most);
  }

  push(place: number): void {
    const places = this.#places;
    places[(this.#start + this.length) % places.length] = place;
    this.length += 1;
  }

  /** {@link NO_PLACE} where there is none. */
  shift(): number {
    if (this.length === 0) return NO_PLACE;
    const place = this.#places[this.#start] as number;
    this.#start = (this.#start + 1) % this.#places.length;
    this.length -= 1;
    return place;
  }
}

/** A binary heap of places, the earliest on top; of two of one moment the one that came first. */
class DueHeap {
  readonly #dueMs: Float64Array;
  readonly #order: Float64Array;
  readonly #heap: Int32Array;
  /** Where a place stands in the heap. */
  readonly #at: Int32Array;
  #length = 0;
  #count = 0;

  constructor(dueMs: Float64Array) {
    this.#dueMs = dueMs;
    this.#order = new Float64Array(dueMs.length);
    this.#heap = new Int32Array(dueMs.length);
    this.#at = new Int32Array(dueMs.length);
  }

  get first(): number {
    return this.#length === 0 ? NO_PLACE : (this.#heap[0] as number);
  }

  add(place: number): void {
    this.#count += 1;
    this.#order[place] = this.#count;
    this.#length += 1;
    this.#rise(place, this.#length - 1);
  }

  remove(place: number): void {
    const at = this.#at[place] as number;
    this.#length -= 1;
    if (at === this.#length) return;
    const last = this.#heap[this.#length] as number;
    this.#rise(last, at);
    this.#sink(last);
  }

  #isBefore(a: number, b: number): boolean {
    const dueA = this.#dueMs[a] as number;
    const dueB = this.#dueMs[b] as number;
    return dueA < dueB || (dueA === dueB && (this.#order[a] as number) < (this.#order[b] as number));
  }

  #put(place: number, at: number): void {
    this.#heap[at] = place;
    this.#at[place] = at;
  }

  /** The place stands at `from`, or higher up. */
  #rise(place: number, from: number): void {
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = this.#heap[parent] as number;
      if (!this.#isBefore(place, above)) break;
      this.#put(above, at);
      at = parent;
    }
    this.#put(place, at);
  }

  #sink(place: number): void {
    let at = this.#at[place] as number;
    for (let child = 2 * at + 1; child < this.#length; child = 2 * at + 1) {
      const right = child + 1;
      const next =
        right < this.#length && this.#isBefore(this.#heap[right] as number, this.#heap[child] as number)
          ? right
          : child;
      const below = this.#heap[next] as number;
      if (!this.#isBefore(below, place)) break;
      this.#put(below, at);
      at = next;
    }
    this.#put(place, at);
  }
}
