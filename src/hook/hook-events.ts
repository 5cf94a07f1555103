/**
 * Events of hooks, from the call to the ring.
 *
 * ```
 *   runtime.event(type, packet, fields) ─> addresses, ports, time and fields, copied ─> ring ─> whoever writes lines of it
 *                                                                               └─ no room, or nobody who reads: counted
 * ```
 * Rule: no text is made here, and nothing waits: what an event looks like is the business of another process. An event whose fields are numbers
 * allocates nothing. What a hook hands over wrongly is an error of the call, and no part of it is in the ring.
 *
 * @see ../events/event-layout.ts
 * @module
 */

import { EVENT_TYPES, type EventType, MAX_FIELD_NAME } from '../events/event-layout.ts';
import { RingWriter } from '../events/ring-writer.ts';
import type { Sampler } from '../events/sampler.ts';
import { parseAddress } from '../wire/address.ts';
import { readU32 } from '../wire/bytes.ts';
import type { EventFields } from './contract.ts';
import type { ContextState } from './packet/context-view.ts';
import { RecordView } from './packet/flow-view.ts';
import type { Address } from './packet/packet-contract.ts';
import { PacketView } from './packet/packet-view.ts';

/** What a {@link HookEvents} is made of. */
export interface HookEventsOptions {
  /** A ring that somebody reads; null where nobody does. */
  readonly memory: ArrayBuffer | null;
  /** A reader in the same process may make room. @defaultValue nothing */
  readonly whenFull?: () => void;
  /** Nanoseconds since 1970, for what is about no packet. */
  readonly now: () => bigint;
}

const SECOND_NS = 1_000_000_000n;
const MADE = 0;
const LOST = 1;
const LETTER_A = 0x61;
const LETTER_Z = 0x7a;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const UNDERSCORE = 0x5f;

/** The events of all hooks of a lane. */
export class HookEvents {
  readonly #writer: RingWriter | null;
  readonly #now: () => bigint;
  /** Doubles in an array, which no change boxes. */
  readonly #counted = new Float64Array(2);
  #chain: { readonly context: ContextState | null } | null = null;
  #isWriting = false;
  readonly #samplers: Sampler[] = [];

  constructor({ memory, whenFull, now }: HookEventsOptions) {
    this.#writer = memory === null ? null : new RingWriter(memory, whenFull);
    this.#now = now;
  }

  /** Events that were made, those that were lost included. */
  get made(): number {
    return this.#counted[MADE] as number;
  }

  /** Events that found no room. */
  get lost(): number {
    return this.#counted[LOST] as number;
  }

  /** Events of firehook's own that were left out. */
  get suppressed(): number {
    let sum = 0;
    for (const sampler of this.#samplers) sum += sampler.total;
    return sum;
  }

  /** What this leaves out is counted here, too. */
  watch(sampler: Sampler): void {
    this.#samplers.push(sampler);
  }

  /** From now on packets are met in this chain. */
  attach(chain: { readonly context: ContextState | null }): void {
    this.#chain = chain;
  }

  /**
   * Takes an event. See `HookRuntime.event`.
   *
   * @param owner - place of the hook in the configuration
   * @throws TypeError for what is no event
   */
  add(owner: number, type: EventType, about: unknown, fields: EventFields | undefined): void {
    const number = EVENT_TYPES.indexOf(type);
    if (number === -1)
      throw new TypeError(`event: there is no type ${String(type)}; there are ${EVENT_TYPES.join(', ')}`);
    const writer = this.#writer;
    if (writer === null) {
      this.#count(MADE);
      return;
    }
    // A getter among the fields could make another one in the middle of this one.
    if (this.#isWriting) throw new TypeError('event: the fields of an event make no event');
    if (!writer.begin(owner, number)) {
      this.#count(MADE);
      this.#count(LOST);
      return;
    }
    this.#isWriting = true;
    try {
      if (about instanceof PacketView) this.#packet(writer, about);
      else this.#beside(writer, about);
      if (fields !== undefined) write(writer, fields);
    } finally {
      this.#isWriting = false;
    }
    writer.commit();
    this.#count(MADE);
  }

  /**
   * Begins an event of firehook's own, and counts it; `commit` of the writer ends it. Never throws.
   *
   * @param owner - place of the hook in the configuration; `NO_HOOK` for none
   * @returns null where nobody reads, or there is no room
   */
  open(owner: number, type: number): RingWriter | null {
    const writer = this.#writer;
    if (writer === null || this.#isWriting) return null;
    this.#count(MADE);
    if (writer.begin(owner, type)) return writer;
    this.#count(LOST);
    return null;
  }

  #packet(writer: RingWriter, packet: PacketView): void {
    const context = this.#chain?.context ?? null;
    if (context === null) throw new TypeError('event: no packet has come yet');
    writer.time(context.seconds, context.nanoseconds);
    writer.arrival(context.recvInterfaceIndex);
    writer.ends(packet.version, packet.protocol, packet.sourcePort, packet.destinationPort);
    writeAddress(writer, true, packet.source);
    writeAddress(writer, false, packet.destination);
  }

  #beside(writer: RingWriter, about: unknown): void {
    const now = this.#now();
    writer.time(Number(now / SECOND_NS), Number(now % SECOND_NS));
    if (about === null) return;
    if (!(about instanceof RecordView))
      throw new TypeError('event: the second argument has to be the packet, a flow, or null');
    const { version, protocol, source, destination, sourcePort, destinationPort } = about.ends();
    writer.ends(version, protocol, sourcePort, destinationPort);
    writeText(writer, true, source);
    writeText(writer, false, destination);
  }

  #count(place: number): void {
    this.#counted[place] = (this.#counted[place] as number) + 1;
  }
}

function writeAddress(writer: RingWriter, isSource: boolean, address: Address): void {
  const words = address.length >>> 2;
  for (let index = 0; index < words; index++) writer.addressWord(isSource, index, address.signedWord(index));
}

function writeText(writer: RingWriter, isSource: boolean, text: string): void {
  const octets = parseAddress(text) ?? new Uint8Array(0);
  for (let at = 0; at < octets.length; at += 4) writer.addressWord(isSource, at >>> 2, readU32(octets, at));
}

function write(writer: RingWriter, fields: EventFields): void {
  for (const name in fields) {
    const value: unknown = fields[name];
    if (value === undefined) continue;
    if (!isName(name))
      throw new TypeError(
        `event: a field cannot be called ${JSON.stringify(name.slice(0, 64))}; expected 1 to ${MAX_FIELD_NAME} small letters, digits and underscores, a letter first`,
      );
    if (typeof value === 'string') writer.text(name, value);
    else if (typeof value !== 'number') throw new TypeError(`event: the field ${name} is neither text nor a number`);
    // JSON has no such number.
    else if (Number.isFinite(value)) writer.number(name, value);
  }
}

function isName(name: string): boolean {
  const { length } = name;
  if (length === 0 || length > MAX_FIELD_NAME) return false;
  for (let index = 0; index < length; index++) {
    const code = name.charCodeAt(index);
    if (code >= LETTER_A && code <= LETTER_Z) continue;
    if (index === 0 || !((code >= DIGIT_0 && code <= DIGIT_9) || code === UNDERSCORE)) return false;
  }
  return true;
}
