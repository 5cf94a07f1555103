/**
 * Where a packet was met, as hooks see it.
 *
 * Rule: hooks may set the interface of departure and the destination type, and nothing else; the lane writes the rest before each
 * packet, and takes back what a hook at fault has set.
 *
 * @module
 */

import type { Context } from './packet-contract.ts';

const NANOSECONDS_PER_MILLISECOND = 1_000_000;

const NO_OCTETS = new Uint8Array(0);

/** What hooks are told of the way of a packet. */
export interface NamedWay {
  readonly from: string;
  readonly to: string;
  readonly side: 'in' | 'out';
}

const NOWHERE: NamedWay = { from: '', to: '', side: 'in' };

/** Where a packet was met. A lane has one instance and writes its fields before each packet. */
export class ContextState {
  direction: 0 | 1 = 0;
  way: NamedWay = NOWHERE;
  recvInterfaceIndex = 0;
  sendInterfaceIndex = 0;
  destinationType = 0;
  /** Whole seconds since 1970 when the kernel saw the packet. */
  seconds = 0;
  /** Nanoseconds into that second, 0-999999999. */
  nanoseconds = 0;
  /** The frame, which starts with the link header. Borrowed from the driver. */
  link: Uint8Array = NO_OCTETS;
  /** Octets of the link header; 0 where it is none of Ethernet. */
  linkLength = 0;
  /** Octets of the datagram that were on the wire, with what stands behind it. */
  originalLength = 0;
  /** Keeps flows apart that only look alike: behind another attach, or in another VLAN. */
  zone = 0;
  /** What hooks decide is done to it: it is neither of a capture file nor met at a `tap`, where the packet itself is elsewhere. */
  isInline = false;
  /** The frame is longer than the MTU, to be cut by whoever sends it. */
  isSuper = false;

  /** Becomes the same place as another one. */
  set(other: ContextState): void {
    this.direction = other.direction;
    this.way = other.way;
    this.recvInterfaceIndex = other.recvInterfaceIndex;
    this.sendInterfaceIndex = other.sendInterfaceIndex;
    this.destinationType = other.destinationType;
    this.seconds = other.seconds;
    this.nanoseconds = other.nanoseconds;
    this.link = other.link;
    this.linkLength = other.linkLength;
    this.originalLength = other.originalLength;
    this.zone = other.zone;
    this.isInline = other.isInline;
    this.isSuper = other.isSuper;
  }

  /** Small enough (27 octets of V8's bytecode, a constant by name among them) to be put in line always: what it returns would be boxed. */
  get timestamp(): number {
    return this.seconds * 1000 + this.nanoseconds / NANOSECONDS_PER_MILLISECOND;
  }

  get timestampNs(): bigint {
    return BigInt(this.seconds) * 1_000_000_000n + BigInt(this.nanoseconds);
  }
}

/** The same as hooks see it. */
export class ContextView implements Context {
  readonly #state: ContextState;

  constructor(state: ContextState) {
    this.#state = state;
    Object.freeze(this);
  }

  get direction(): 0 | 1 {
    return this.#state.direction;
  }

  get from(): string {
    return this.#state.way.from;
  }

  get to(): string {
    return this.#state.way.to;
  }

  get side(): 'in' | 'out' {
    return this.#state.way.side;
  }

  get recvInterfaceIndex(): number {
    return this.#state.recvInterfaceIndex;
  }

  get sendInterfaceIndex(): number {
    return this.#state.sendInterfaceIndex;
  }

  set sendInterfaceIndex(index: number) {
    this.#state.sendInterfaceIndex = index;
  }

  get destinationType(): number {
    return this.#state.destinationType;
  }

  set destinationType(type: number) {
    this.#state.destinationType = type;
  }

  get timestamp(): number {
    return this.#state.timestamp;
  }

  get timestampNs(): bigint {
    return this.#state.timestampNs;
  }
}
