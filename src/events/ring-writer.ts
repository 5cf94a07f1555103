/**
 * Writes events into a ring.
 *
 * ```
 *   begin ─> number, text ... ─> commit: the head moves on, and the reader may look
 *     └─ false: no room; counted
 * ```
 * Floor 1. Rule: it never waits and allocates nothing. Numbers are as the machine has them: x64 and arm64 are little-endian. An event is in the ring as soon as the head has moved: who kills the writer then, loses
 * nothing of it.
 *
 * @see event-layout.ts
 * @module
 */

import {
  AT_DESTINATION,
  AT_DESTINATION_PORT,
  AT_FIELDS,
  AT_FLAGS,
  AT_INTERFACE,
  AT_NANOSECONDS,
  AT_PROTOCOL,
  AT_SECONDS,
  AT_SOURCE,
  AT_SOURCE_PORT,
  AT_VERSION,
  FLAG_CUT,
  HEAD,
  KIND_NUMBER,
  KIND_TEXT,
  MAX_TEXT,
  RING_HEADER,
  RING_OCTETS,
  SLOT_OCTETS,
  SLOTS,
  TAIL,
} from './event-layout.ts';

const FLOAT64 = 8;
/** Kind and length of the name. */
const FIELD_HEAD = 2;
/** Length of a text. */
const TEXT_HEAD = 2;
/** What stands for half a character, as encoders have it (WHATWG Encoding). */
const REPLACEMENT = 0xfffd;

/** One writer. */
export class RingWriter {
  readonly #places: Int32Array;
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  readonly #octets: Uint8Array;
  readonly #double = new Float64Array(1);
  readonly #doubleOctets = new Uint8Array(this.#double.buffer);
  readonly #whenFull: () => void;
  #head: number;
  /** The tail as it was last looked at. */
  #tail: number;
  /** Octet where the slot at hand begins, where its next field goes, and where it ends. */
  #slot = 0;
  #at = 0;
  #end = 0;

  /**
   * @param memory - {@link RING_OCTETS} of it, zeroed; borrowed for as long as the writer is used
   * @param whenFull - a reader in the same process may make room
   */
  constructor(memory: ArrayBuffer, whenFull: () => void = () => undefined) {
    this.#places = new Int32Array(memory, 0, RING_HEADER / Int32Array.BYTES_PER_ELEMENT);
    this.#words = new Int32Array(memory, 0, RING_OCTETS / Int32Array.BYTES_PER_ELEMENT);
    this.#doubles = new Float64Array(memory, 0, RING_OCTETS / Float64Array.BYTES_PER_ELEMENT);
    this.#octets = new Uint8Array(memory, 0, RING_OCTETS);
    this.#whenFull = whenFull;
    this.#head = Atomics.load(this.#places, HEAD);
    this.#tail = Atomics.load(this.#places, TAIL);
  }

  /** The slot at hand begins. @returns false when there is no room */
  begin(hook: number, type: number): boolean {
    if (!this.#hasRoom()) return false;
    const slot = RING_HEADER + (this.#head & (SLOTS - 1)) * SLOT_OCTETS;
    const words = this.#words;
    const first = slot >> 2;
    this.#slot = slot;
    this.#at = slot + AT_FIELDS;
    this.#end = slot + SLOT_OCTETS;
    words[first] = hook << 16;
    words[first + 1] = type;
    words[first + (AT_INTERFACE >> 2)] = -1;
    words[first + (AT_SOURCE_PORT >> 2)] = -1;
    words[first + (AT_DESTINATION_PORT >> 2)] = -1;
    return true;
  }

  /** When it was: seconds since 1970, and nanoseconds into that second. */
  time(seconds: number, nanoseconds: number): void {
    this.#words[(this.#slot + AT_SECONDS) >> 2] = seconds;
    this.#words[(this.#slot + AT_NANOSECONDS) >> 2] = nanoseconds;
  }

  /** Index of the interface of arrival. */
  arrival(interfaceIndex: number): void {
    this.#words[(this.#slot + AT_INTERFACE) >> 2] = interfaceIndex;
  }

  /** What it is about. @param version - 4 or 6; ports are -1 where there are none */
  ends(version: number, protocol: number, sourcePort: number, destinationPort: number): void {
    const slot = this.#slot;
    this.#octets[slot + AT_VERSION] = version;
    this.#octets[slot + AT_PROTOCOL] = protocol;
    this.#words[(slot + AT_SOURCE_PORT) >> 2] = sourcePort;
    this.#words[(slot + AT_DESTINATION_PORT) >> 2] = destinationPort;
  }

  /** 32-bit word number `index` of an address. */
  addressWord(isSource: boolean, index: number, word: number): void {
    const octets = this.#octets;
    let at = this.#slot + (isSource ? AT_SOURCE : AT_DESTINATION) + 4 * index;
    octets[at++] = word >>> 24;
    octets[at++] = word >>> 16;
    octets[at++] = word >>> 8;
    octets[at++] = word;
  }

  /** A word of a record of firehook's own. @param at - octet of the slot, a multiple of 4 */
  word(at: number, value: number): void {
    this.#words[(this.#slot + at) >> 2] = value;
  }

  /** Four octets of such a record, the first one in the lowest bits. @param at - a multiple of 4 */
  octets(at: number, first: number, second: number, third: number): void {
    this.#words[(this.#slot + at) >> 2] = first | (second << 8) | (third << 16);
  }

  /** A number of such a record. @param at - octet of the slot, a multiple of 8 */
  double(at: number, value: number): void {
    this.#doubles[(this.#slot + at) >> 3] = value;
  }

  /** Octets of such a record. Cost: a look at each; a view of a part would be an object. */
  copy(at: number, source: Uint8Array, count: number): void {
    const octets = this.#octets;
    const first = this.#slot + at;
    for (let index = 0; index < count; index++) octets[first + index] = source[index] as number;
  }

  /** Text of ASCII from this octet of the slot on. */
  ascii(at: number, text: string): void {
    const octets = this.#octets;
    const first = this.#slot + at;
    for (let index = 0; index < text.length; index++) octets[first + index] = text.charCodeAt(index);
  }

  /** One octet. */
  octet(at: number, value: number): void {
    this.#octets[this.#slot + at] = value;
  }

  /** Such a record ends before this octet of the slot. */
  endAt(at: number): void {
    this.#at = this.#slot + at;
  }

  /** A field. @param name - 1 to 32 characters of ASCII */
  number(name: string, value: number): void {
    if (!this.#name(KIND_NUMBER, name, FLOAT64)) return;
    const octets = this.#octets;
    this.#double[0] = value;
    // A field lies anywhere, and an array of doubles has them at multiples of 8 only.
    for (let index = 0; index < FLOAT64; index++) octets[this.#at + index] = this.#doubleOctets[index] as number;
    this.#at += FLOAT64;
  }

  /** A field. What has no room is cut between two characters. */
  text(name: string, value: string): void {
    if (!this.#name(KIND_TEXT, name, TEXT_HEAD)) return;
    const lengthAt = this.#at;
    const first = lengthAt + TEXT_HEAD;
    this.#at = first;
    const end = Math.min(first + MAX_TEXT, this.#end);
    for (let index = 0; index < value.length; index++) {
      const code = codeAt(value, index);
      if (!this.#character(code, end)) {
        this.#cut();
        break;
      }
      if (code > 0xffff) index += 1;
    }
    this.#octets[lengthAt] = this.#at - first;
    this.#octets[lengthAt + 1] = (this.#at - first) >> 8;
  }

  /** The event is whole: the reader may have it. */
  commit(): void {
    // With the hook in its upper half.
    const words = this.#words;
    words[this.#slot >> 2] = (words[this.#slot >> 2] as number) | (this.#at - this.#slot);
    this.#head = (this.#head + 1) | 0;
    Atomics.store(this.#places, HEAD, this.#head);
  }

  #hasRoom(): boolean {
    // The tail as it is known can only be behind the truth: where there seems to be room there is.
    if (this.#isRoomBehind()) return true;
    this.#tail = Atomics.load(this.#places, TAIL);
    if (this.#isRoomBehind()) return true;
    this.#whenFull();
    this.#tail = Atomics.load(this.#places, TAIL);
    return this.#isRoomBehind();
  }

  #isRoomBehind(): boolean {
    const used = (this.#head - this.#tail) | 0;
    return used >= 0 && used < SLOTS;
  }

  /** Begins a field of which so many octets follow at least. @returns false, with nothing written, when it has no room */
  #name(kind: number, name: string, rest: number): boolean {
    const { length } = name;
    if (this.#at + FIELD_HEAD + length + rest > this.#end) {
      this.#cut();
      return false;
    }
    const octets = this.#octets;
    let at = this.#at;
    octets[at++] = kind;
    octets[at++] = length;
    for (let index = 0; index < length; index++) octets[at++] = name.charCodeAt(index);
    this.#at = at;
    return true;
  }

  /** A character in UTF-8 (RFC 3629). @returns false when it would reach beyond `end` */
  #character(code: number, end: number): boolean {
    const octets = this.#octets;
    let at = this.#at;
    if (code < 0x80) {
      if (at + 1 > end) return false;
      octets[at++] = code;
    } else if (code < 0x800) {
      if (at + 2 > end) return false;
      octets[at++] = 0xc0 | (code >> 6);
      octets[at++] = 0x80 | (code & 0x3f);
    } else if (code < 0x1_0000) {
      if (at + 3 > end) return false;
      octets[at++] = 0xe0 | (code >> 12);
      octets[at++] = 0x80 | ((code >> 6) & 0x3f);
      octets[at++] = 0x80 | (code & 0x3f);
    } else {
      if (at + 4 > end) return false;
      octets[at++] = 0xf0 | (code >> 18);
      octets[at++] = 0x80 | ((code >> 12) & 0x3f);
      octets[at++] = 0x80 | ((code >> 6) & 0x3f);
      octets[at++] = 0x80 | (code & 0x3f);
    }
    this.#at = at;
    return true;
  }

  #cut(): void {
    this.#octets[this.#slot + AT_FLAGS] = FLAG_CUT;
  }
}

/** The code point at `index`; half a pair of surrogates is none. */
function codeAt(text: string, index: number): number {
  const code = text.charCodeAt(index);
  if (code < 0xd800 || code > 0xdfff) return code;
  const next = index + 1 < text.length ? text.charCodeAt(index + 1) : 0;
  const isPair = code <= 0xdbff && next >= 0xdc00 && next <= 0xdfff;
  return isPair ? 0x1_0000 + ((code - 0xd800) << 10) + (next - 0xdc00) : REPLACEMENT;
}
