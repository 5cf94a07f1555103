/**
 * The server name of a TLS ClientHello, read where its octets stand.
 *
 * ```
 *   stream     | record header 5 | part of the message | record header 5 | the rest |
 *   message    | 1 | length 3 | version 2 | random 32 | session id | cipher suites | compression | extensions |
 *   extension  | type 2 | length 2 | ... |      server_name (0): | list length 2 | type 1: 0 | length 2 | name |
 * ```
 * Not a hook (leading underscore). Rules:
 * - It is read to its end before anything is said. A list of extensions that could be read in two ways is malformed: two server names, lengths
 *   that do not meet, octets behind the last one.
 * - Nothing is allocated but the name.
 *
 * @see RFC 8446 sections 4.1.2, 4.2 and 5.1; RFC 5246 section 7.4.1.2; RFC 6066 section 3; RFC 8701 (GREASE: values that mean nothing)
 * @module
 */

/** Octets in order. */
export interface Octets {
  readonly length: number;
  /** -1 beyond the end. */
  u8(at: number): number;
}

/** What a stream begins with: not enough octets to say, a ClientHello with or without a name, a broken one, or something else. */
export type HelloKind = 'more' | 'named' | 'unnamed' | 'malformed' | 'other';

const RECORD_HEADER = 5;
const HANDSHAKE = 22;
const MAJOR_VERSION = 3;
/** Octets of a record that is not encrypted. */
const MOST_IN_RECORD = 1 << 14;
/** No client cuts a hello into more. */
const MOST_RECORDS = 64;
const CLIENT_HELLO = 1;
const VERSION_AND_RANDOM = 34;
const MOST_SESSION_ID = 32;
const SERVER_NAME = 0;
const HOST_NAME = 0;
const MOST_NAME = 255;
/** Letters, digits and dashes in labels; an underscore is in use. */
const NAME = /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/;

/** Reads one hello after the other. */
export class ClientHello {
  /** Of the last one that is `named`: small letters, without a dot at the end. */
  name = '';
  #octets: Octets = { length: 0, u8: () => -1 };
  /** Place in the stream of the next octet. */
  #at = 0;
  /** Octets that the record has left. */
  #inRecord = 0;
  #records = 0;
  /** Octets that the message has left. */
  #left = 0;
  #isShort = false;
  #isBroken = false;

  /** Reads from the start of a stream. Cost: O(records + extensions), and the name. */
  read(octets: Octets): HelloKind {
    this.#octets = octets;
    this.#at = 0;
    this.#inRecord = 0;
    this.#records = 0;
    this.#left = 1 + 3;
    this.#isShort = false;
    this.#isBroken = false;
    this.name = '';
    if (octets.length === 0) return 'more';
    if (octets.u8(0) !== HANDSHAKE) return 'other';
    const type = this.#u8();
    const length = (this.#u8() << 16) | this.#u16();
    if (!this.#isShort && type !== CLIENT_HELLO) this.#isBroken = true;
    this.#left = length;
    const kind = this.#readBody();
    if (this.#isBroken) return 'malformed';
    return this.#isShort ? 'more' : kind;
  }

  #readBody(): HelloKind {
    this.#skip(VERSION_AND_RANDOM);
    const sessionId = this.#u8();
    this.#expect(sessionId <= MOST_SESSION_ID);
    this.#skip(sessionId);
    const suites = this.#u16();
    this.#expect(suites >= 2 && suites % 2 === 0);
    this.#skip(suites);
    const methods = this.#u8();
    this.#expect(methods >= 1);
    this.#skip(methods);
    // Before TLS 1.3 there may be no extensions at all.
    if (this.#left === 0) return 'unnamed';
    const extensions = this.#u16();
    this.#expect(extensions === this.#left);
    return this.#readExtensions();
  }

  #readExtensions(): HelloKind {
    let isNamed = false;
    while (this.#left > 0 && !this.#isShort && !this.#isBroken) {
      const type = this.#u16();
      const length = this.#u16();
      this.#expect(length <= this.#left);
      if (type !== SERVER_NAME) this.#skip(length);
      else {
        // Two of them could be read in two ways.
        this.#expect(!isNamed);
        isNamed = true;
        this.#readName(length);
      }
    }
    return isNamed ? 'named' : 'unnamed';
  }

  /** The list of names has one, of the only type that there is. */
  #readName(length: number): void {
    const list = this.#u16();
    const type = this.#u8();
    const octets = this.#u16();
    this.#expect(list === length - 2 && octets === list - 3 && type === HOST_NAME);
    this.#expect(octets >= 1 && octets <= MOST_NAME);
    let name = '';
    for (let octet = 0; octet < octets && !this.#isShort && !this.#isBroken; octet++)
      name += String.fromCharCode(this.#u8());
    this.name = name.toLowerCase().replace(/\.$/, '');
    this.#expect(NAME.test(this.name));
  }

  /** What is missing is not wrong: nothing is said of what was not there to be read. */
  #expect(isRight: boolean): void {
    if (!isRight && !this.#isShort) this.#isBroken = true;
  }

  #u8(): number {
    if (!this.#need(1)) return 0;
    const octet = this.#octets.u8(this.#at);
    this.#advance(1);
    return octet;
  }

  #u16(): number {
    const high = this.#u8();
    return (high << 8) | this.#u8();
  }

  #skip(count: number): void {
    for (let left = count; left > 0; ) {
      if (!this.#need(left)) return;
      const step = Math.min(left, this.#inRecord);
      if (this.#at + step > this.#octets.length) {
        this.#isShort = true;
        return;
      }
      this.#advance(step);
      left -= step;
    }
  }

  /** False where so many octets are not part of the message, or the next one has not come. */
  #need(count: number): boolean {
    if (this.#isShort || this.#isBroken) return false;
    if (count > this.#left) this.#isBroken = true;
    else if (this.#inRecord === 0) this.#enterRecord();
    if (this.#isBroken) return false;
    if (this.#at >= this.#octets.length) this.#isShort = true;
    return !this.#isShort;
  }

  #advance(count: number): void {
    this.#at += count;
    this.#inRecord -= count;
    this.#left -= count;
  }

  /** Records of other types must not stand between the parts of a message, and an empty one is none (RFC 8446 5.1). */
  #enterRecord(): void {
    const octets = this.#octets;
    const type = octets.u8(this.#at);
    const major = octets.u8(this.#at + 1);
    const high = octets.u8(this.#at + 3);
    const low = octets.u8(this.#at + 4);
    if ((type !== -1 && type !== HANDSHAKE) || (major !== -1 && major !== MAJOR_VERSION)) this.#isBroken = true;
    else if (low === -1) this.#isShort = true;
    else {
      const length = (high << 8) | low;
      this.#records += 1;
      if (length === 0 || length > MOST_IN_RECORD || this.#records > MOST_RECORDS) this.#isBroken = true;
      this.#inRecord = length;
      this.#at += RECORD_HEADER;
    }
  }
}
