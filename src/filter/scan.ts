/**
 * The text of a filter as words: numbers, addresses, names and signs, each with its column.
 *
 * The longest word that fits is taken, as in pcap-filter(7): `80-90` is one name, and so is `len-5`. Words of the same
 * length are told apart in the order keyword, Ethernet address, number, IPv4 address, IPv6 address, name.
 *
 * Floor 1. Rule: the time for a word does not grow with what stands behind it.
 *
 * @module
 */

import { parseIpv6 } from '../wire/address.ts';
import { FilterError } from './filter-error.ts';
import { CONSTANTS, REFUSED } from './names.ts';

/** Longest text that is read, in characters. */
export const MAX_TEXT = 4096;

/** What a word is. `keyword` covers the signs; `refused` are keywords that firehook does not support. */
export type WordKind = 'keyword' | 'refused' | 'number' | 'ipv4' | 'ipv6' | 'mac' | 'name' | 'end';

/** One word. */
export interface Word {
  readonly kind: WordKind;
  /** As written; for keywords the one spelling that stands for all. */
  readonly text: string;
  /** Of a number. */
  readonly value: number;
  /** Counted from 1. */
  readonly column: number;
}

/** Keywords that have more than one spelling. */
const SPELLINGS: ReadonlyMap<string, string> = new Map([
  ...['ether', 'ppp', 'slip', 'fddi', 'tr', 'wlan'].map((word): [string, string] => [word, 'link']),
  ['length', 'len'],
  ['&&', 'and'],
  ['||', 'or'],
  ['not', '!'],
  ['==', '='],
  ['es-is', 'esis'],
  ['is-is', 'isis'],
]);

/** Protocols that can stand before `[`, before other qualifiers, and alone. */
export const PROTOCOL_WORDS: ReadonlySet<string> = new Set(
  (
    'link ip ip6 arp rarp sctp tcp udp icmp icmp6 igmp igrp pim vrrp carp ah esp atalk aarp decnet lat sca moprc mopdl ' +
    'iso esis isis clnp stp ipx netbeui'
  ).split(' '),
);

const OTHER_WORDS =
  'dst src host net mask port portrange proto protochain less greater byte broadcast multicast and or len ' +
  'vlan mpls pppoed pppoes';

/** Every keyword that is made of letters and supported. */
export const KEYWORDS: ReadonlySet<string> = new Set([
  ...PROTOCOL_WORDS,
  ...OTHER_WORDS.split(' '),
  ...Array.from(SPELLINGS.keys()).filter((word) => /^[a-z]/.test(word)),
]);

const BLANKS = /[ \r\n\t]*/y;
const SIGN = /&&|\|\||>=|<=|!=|==|<<|>>|[-+*/%:[\]!<>()&|^=]/y;
const NAME = /[A-Za-z0-9](?:[-_.A-Za-z0-9]*[.A-Za-z0-9])?/y;
const ESCAPED = /\\[^ !()\n\t]+/y;
const NUMBER = /0[xX][0-9A-Fa-f]+|[0-9]+/y;
const IPV4 = /(?:(?:0[xX][0-9A-Fa-f]+|[0-9]+)\.){1,3}(?:0[xX][0-9A-Fa-f]+|[0-9]+)/y;
const MAC =
  /(?:[0-9A-Fa-f]{1,2}:){5}[0-9A-Fa-f]{1,2}|(?:[0-9A-Fa-f]{1,2}-){5}[0-9A-Fa-f]{1,2}|(?:[0-9A-Fa-f]{1,2}\.){5}[0-9A-Fa-f]{1,2}|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}|[0-9A-Fa-f]{12}/y;
/** What an IPv6 address can be made of, as far as one can reach. */
const IPV6_RUN = /[0-9A-Fa-f:.]{2,60}/y;
const MAX_SHOWN = 24;
const MAX_NUMBER = 0xffffffff;

/** Hands out the words of a text, one after the other. */
export class Scanner {
  readonly text: string;
  #at = 0;

  /** @throws {@link FilterError} when the text is too long. */
  constructor(text: string) {
    this.text = text;
    if (text.length > MAX_TEXT)
      throw new FilterError(text, MAX_TEXT + 1, `the filter is longer than ${MAX_TEXT} characters`);
  }

  /**
   * Reads on.
   *
   * @returns the next word; `end` behind the last one, again and again
   * @throws {@link FilterError} at what is no word
   */
  next(): Word {
    this.#at += this.#match(BLANKS).length;
    if (this.#at === this.text.length) return this.#word('end', '', 0);
    const name = this.#match(NAME);
    const number = this.#match(NUMBER);
    const ipv4 = this.#match(IPV4);
    const mac = this.#match(MAC);
    const ipv6 = this.#ipv6();
    const longest = Math.max(name.length, ipv4.length, mac.length, ipv6.length);
    if (longest === 0) return this.#sign();
    if (name.length === longest && !/^[0-9]/.test(name)) {
      const keyword = this.#keyword(name);
      if (keyword !== null) return keyword;
    }
    if (mac.length === longest) return this.#word('mac', mac);
    if (number.length === longest) return this.#number(number);
    if (ipv4.length === longest) return this.#word('ipv4', ipv4);
    if (ipv6.length === longest) return this.#word('ipv6', ipv6);
    return this.#word('name', name);
  }

  /** The keyword or constant of that name; null for any other name. */
  #keyword(name: string): Word | null {
    if (KEYWORDS.has(name)) return this.#word('keyword', SPELLINGS.get(name) ?? name, name.length);
    if (REFUSED.has(name)) return this.#word('refused', name);
    const value = CONSTANTS.get(name);
    return value === undefined ? null : this.#word('number', name, name.length, value);
  }

  #sign(): Word {
    const escaped = this.#match(ESCAPED);
    if (escaped !== '') return this.#word('name', escaped.slice(1), escaped.length);
    const sign = this.#match(SIGN);
    if (sign !== '') return this.#word('keyword', SPELLINGS.get(sign) ?? sign, sign.length);
    const character = this.text[this.#at] ?? '';
    const shown = /[\x21-\x7e]/.test(character) ? JSON.stringify(character) : 'this character';
    throw new FilterError(this.text, this.#at + 1, `${shown} is no part of a filter`);
  }

  #number(text: string): Word {
    const isOctal = /^0[0-9]/.test(text);
    if (isOctal && /[89]/.test(text)) {
      throw new FilterError(
        this.text,
        this.#at + 1,
        `${text} begins with 0 and is read as octal, which has no 8 and 9`,
      );
    }
    const value = isOctal ? Number.parseInt(text, 8) : Number(text);
    if (value > MAX_NUMBER)
      throw new FilterError(this.text, this.#at + 1, `${shorten(text)} is more than 32 bits hold`);
    return this.#word('number', text, text.length, value);
  }

  /** The longest IPv6 address here; '' where there is none. */
  #ipv6(): string {
    const run = this.#match(IPV6_RUN);
    if (!run.includes(':')) return '';
    for (let length = run.length; length >= 2; length--) {
      const text = run.slice(0, length);
      if (parseIpv6(text) !== null) return text;
    }
    return '';
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.text)?.[0] ?? '';
  }

  #word(kind: WordKind, text: string, length = text.length, value = 0): Word {
    const column = this.#at + 1;
    this.#at += length;
    return { kind, text, value, column };
  }
}

/** A word for a message: a long one is cut, and what cannot be printed is a question mark. */
export function shorten(text: string): string {
  const printable = text.slice(0, MAX_SHOWN).replaceAll(/[^\x20-\x7e]/g, '?');
  return text.length > MAX_SHOWN ? `${printable}...` : printable;
}
