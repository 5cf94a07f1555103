/**
 * Reads events out of a ring that somebody else writes.
 *
 * ```
 *   head - tail slots ─> each copied, then looked at ─> record, or counted as no event ─> the tail moves on
 * ```
 * Floor 1. Rule: the writer runs hooks, and is believed nothing. A slot is copied before it is looked at, so that it does not change meanwhile;
 * no length, number or name counts that cannot be; and what is read in one go is never more than a ring holds. The tail that counts is the
 * reader's own.
 *
 * @see event-layout.ts
 * @module
 */

import { formatAddress } from '../wire/address.ts';
import {
  AT_DESTINATION,
  AT_DESTINATION_PORT,
  AT_FIELDS,
  AT_FLAGS,
  AT_HOOK,
  AT_INTERFACE,
  AT_LENGTH,
  AT_NANOSECONDS,
  AT_PROTOCOL,
  AT_SECONDS,
  AT_SOURCE,
  AT_SOURCE_PORT,
  AT_TYPE,
  AT_VERSION,
  EVENT_TYPES,
  type EventType,
  FLAG_CUT,
  HEAD,
  KIND_NUMBER,
  KIND_TEXT,
  MAX_FIELD_NAME,
  MAX_TEXT,
  RING_HEADER,
  RING_OCTETS,
  SLOT_OCTETS,
  SLOTS,
  TAIL,
  TYPE_DROP,
  TYPE_FLOW,
} from './event-layout.ts';
import type { DropRecord, FlowEndRecord } from './own-event.ts';
import { dropIn, flowEndIn } from './own-records.ts';

/** What an event is about. */
export interface EventEnds {
  readonly version: 4 | 6;
  readonly protocol: number;
  readonly source: string;
  readonly destination: string;
  /** 0-65535; -1 where there is none. */
  readonly sourcePort: number;
  /** 0-65535; -1 where there is none. */
  readonly destinationPort: number;
}

/** One event. */
export interface EventRecord {
  readonly type: EventType | 'drop';
  /** Place of its hook in the configuration, from 0; it may be one that there is not. */
  readonly hook: number;
  /** Whole seconds since 1970. */
  readonly seconds: number;
  /** 0-999999999. */
  readonly nanoseconds: number;
  /** Index of the interface of arrival; -1 where there is none. */
  readonly interfaceIndex: number;
  /** Null where it is about no packet and no flow. */
  readonly ends: EventEnds | null;
  /** Something of it was cut. */
  readonly isCut: boolean;
  /** In the order of the hook; names are those of `FIELD_NAME`. */
  readonly fields: readonly (readonly [name: string, value: string | number])[];
  /** Of `drop`. */
  readonly drop?: DropRecord;
  /** Of `flow` where firehook itself tells of one. */
  readonly flowEnd?: FlowEndRecord;
}

/** What a field may be called. */
export const FIELD_NAME: RegExp = /^[a-z][a-z0-9_]{0,31}$/;

const SECOND_NS = 1_000_000_000;
const MAX_PORT = 0xffff;

/** One reader. */
export class RingReader {
  /** Slots that were none, since it was made. */
  invalid = 0;
  readonly #places: Int32Array;
  readonly #ring: Uint8Array;
  readonly #slot = Buffer.alloc(SLOT_OCTETS);
  #tail: number;

  /** @param memory - {@link RING_OCTETS} of it; borrowed for as long as the reader is used */
  constructor(memory: ArrayBuffer) {
    this.#places = new Int32Array(memory, 0, RING_HEADER / Int32Array.BYTES_PER_ELEMENT);
    this.#ring = new Uint8Array(memory, 0, RING_OCTETS);
    this.#tail = Atomics.load(this.#places, TAIL);
  }

  /**
   * Takes what is there, at most as much as a ring holds, and gives its room back.
   *
   * @returns how many there were, those included that were none
   */
  read(take: (event: EventRecord) => void): number {
    const head = Atomics.load(this.#places, HEAD);
    let count = (head - this.#tail) >>> 0;
    if (count > SLOTS) {
      // No writer of ours gets there: what the slots hold is anybody's guess.
      this.invalid += 1;
      this.#tail = head;
      count = 0;
    }
    for (let index = 0; index < count; index++) {
      const at = RING_HEADER + ((this.#tail + index) & (SLOTS - 1)) * SLOT_OCTETS;
      this.#slot.set(this.#ring.subarray(at, at + SLOT_OCTETS));
      const event = decode(this.#slot);
      if (event === null) this.invalid += 1;
      else take(event);
    }
    this.#tail = (this.#tail + count) | 0;
    Atomics.store(this.#places, TAIL, this.#tail);
    return count;
  }

  /** Gives the room of what is there back unread. Allocates nothing. */
  skip(): void {
    this.#tail = Atomics.load(this.#places, HEAD);
    Atomics.store(this.#places, TAIL, this.#tail);
  }
}

/** The event in a slot; null where there is none. */
function decode(slot: Buffer): EventRecord | null {
  const length = slot.readUInt16LE(AT_LENGTH);
  const number = slot.readUInt8(AT_TYPE);
  const nanoseconds = slot.readUInt32LE(AT_NANOSECONDS);
  if (length < AT_FIELDS || length > SLOT_OCTETS || nanoseconds >= SECOND_NS) return null;
  const common = {
    hook: slot.readUInt16LE(AT_HOOK),
    seconds: slot.readUInt32LE(AT_SECONDS),
    nanoseconds,
    interfaceIndex: slot.readInt32LE(AT_INTERFACE),
    isCut: (slot.readUInt8(AT_FLAGS) & FLAG_CUT) !== 0,
  };
  if (number === TYPE_DROP) {
    const drop = dropIn(slot);
    return drop === null ? null : { ...common, type: 'drop', ends: null, fields: [], drop };
  }
  const ends = endsIn(slot);
  if (ends === undefined) return null;
  if (number === TYPE_FLOW) {
    const flowEnd = flowEndIn(slot);
    return flowEnd === null || ends === null ? null : { ...common, type: 'flow', ends, fields: [], flowEnd };
  }
  const type = EVENT_TYPES[number];
  const fields = fieldsIn(slot.subarray(0, length));
  return type === undefined || fields === null ? null : { ...common, type, ends, fields };
}

/** Null where there are none, undefined where there cannot be such. */
function endsIn(slot: Buffer): EventEnds | null | undefined {
  const version = slot.readUInt8(AT_VERSION);
  if (version === 0) return null;
  if (version !== 4 && version !== 6) return undefined;
  const sourcePort = slot.readInt32LE(AT_SOURCE_PORT);
  const destinationPort = slot.readInt32LE(AT_DESTINATION_PORT);
  for (const port of [sourcePort, destinationPort]) if (port < -1 || port > MAX_PORT) return undefined;
  const octets = version === 4 ? 4 : 16;
  return {
    version,
    protocol: slot.readUInt8(AT_PROTOCOL),
    source: formatAddress(slot.subarray(AT_SOURCE, AT_SOURCE + octets)),
    destination: formatAddress(slot.subarray(AT_DESTINATION, AT_DESTINATION + octets)),
    sourcePort,
    destinationPort,
  };
}

/** The fields up to the end of what is in use; null where they do not end there, or one of them cannot be. */
function fieldsIn(slot: Buffer): [string, string | number][] | null {
  const fields: [string, string | number][] = [];
  let at = AT_FIELDS;
  while (at < slot.length) {
    if (at + 2 > slot.length) return null;
    const kind = slot.readUInt8(at);
    const nameLength = slot.readUInt8(at + 1);
    at += 2;
    if (nameLength > MAX_FIELD_NAME || at + nameLength > slot.length) return null;
    const name = slot.toString('latin1', at, at + nameLength);
    if (!FIELD_NAME.test(name)) return null;
    at += nameLength;
    const field = valueAt(slot, at, kind);
    if (field === null) return null;
    fields.push([name, field.value]);
    at += field.octets;
  }
  return fields;
}

function valueAt(slot: Buffer, at: number, kind: number): { value: string | number; octets: number } | null {
  if (kind === KIND_NUMBER) {
    if (at + 8 > slot.length) return null;
    const value = slot.readDoubleLE(at);
    return Number.isFinite(value) ? { value, octets: 8 } : null;
  }
  if (kind !== KIND_TEXT || at + 2 > slot.length) return null;
  const length = slot.readUInt16LE(at);
  if (length > MAX_TEXT || at + 2 + length > slot.length) return null;
  // What is no UTF-8 comes out as U+FFFD.
  return { value: slot.toString('utf8', at + 2, at + 2 + length), octets: 2 + length };
}
