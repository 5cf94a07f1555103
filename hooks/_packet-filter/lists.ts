/**
 * Lists in a rule file: addresses, ports and numbers, one or several, in braces or behind commas, and the groups that stand for some.
 *
 * ```
 *   list of x  =  x { "," x }  |  "{" x { [ "," ] x } "}"            lines may end within braces
 *   from 192.0.2.1, @admins      port { 22 8000-8080 }
 * ```
 * Rule: what a list holds is copied at most once a file for each group that stands in it among others, and {@link MAX_ITEMS} in all: a
 * short text cannot ask for endless memory.
 *
 * @module
 */

import { type Prefix, parseAddress, parseCidr } from 'firehook';
import { type AddressList, IPV4, IPV6, type NumberRange, type OneOf } from './rule.ts';
import { show, type Word, type Words } from './words.ts';

/** Most addresses and ports that all lists of a file have together. */
export const MAX_ITEMS = 500_000;
const MAX_PORT = 65_535;
const GROUP_SIGN = '@';
/** What a group, and a counter, may be called. */
const NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;
const EXPECTED_ADDRESS = 'an address, a prefix such as 192.0.2.0/24, or @GROUP';
const EXPECTED_ITEM =
  'an address, a prefix such as 192.0.2.0/24, a port, a range of ports such as 8000-8080, or @GROUP';

/** A group by its name. A file has them before the rules that use them. */
type Group =
  | { readonly addresses: readonly Prefix[]; readonly families: number }
  | { readonly ports: readonly NumberRange[] };

/** The lists of one file. */
export class Lists {
  readonly #words: Words;
  readonly #groups = new Map<string, Group>();
  #items = 0;

  constructor(words: Words) {
    this.#words = words;
  }

  /** Reads what stands behind the word `group`. */
  readGroup(): void {
    const name = this.readName('the name of the group');
    if (this.#groups.has(name.text)) throw this.#words.error(name, `there is a group ${show(name)} already`);
    if (!this.#words.takeIf('=')) throw this.#words.unexpected(this.#words.word, '=');
    if (!this.#words.isAt('{')) throw this.#words.unexpected(this.#words.word, '{');
    const addresses: Prefix[] = [];
    const ports: NumberRange[] = [];
    this.readList((word) => {
      this.#readMember(word, addresses, ports);
      if (addresses.length > 0 && ports.length > 0)
        throw this.#words.error(word, `${show(word)} cannot stand here; a group has addresses or ports, not both`);
    });
    this.#groups.set(name.text, ports.length > 0 ? { ports } : { addresses, families: familiesOf(addresses) });
  }

  /** Reads one or several addresses, `not` in front of them or not. */
  readAddresses(): AddressList {
    const isNot = this.#words.takeIf('not');
    const items: Prefix[] = [];
    const { first, group } = this.#first();
    const isWord = first !== null && /^[A-Za-z]*$/.test(first.text.trim());
    if (isWord) throw this.#words.unexpected(first, `${isNot ? '' : 'any, '}${EXPECTED_ADDRESS}`);
    if (group !== undefined && 'addresses' in group) return { isNot, items: group.addresses, families: group.families };
    this.#readItems(first, (word) => this.#addAddress(word, items));
    return { isNot, items, families: familiesOf(items) };
  }

  /** Reads one or several ports or ranges of ports, `not` in front of them or not. */
  readPorts(): OneOf<NumberRange> {
    const isNot = this.#words.takeIf('not');
    const items: NumberRange[] = [];
    const { first, group } = this.#first();
    if (group !== undefined && 'ports' in group) return { isNot, items: group.ports };
    this.#readItems(first, (word) => this.#addPorts(word, items));
    return { isNot, items };
  }

  /** Reads a list. @param read - called with each item, which has been taken */
  readList(read: (word: Word) => void): void {
    this.#readItems(this.#first().first, read);
  }

  /** Takes the first item of a list without braces, and finds the group that it is, where nothing stands beside it. */
  #first(): { first: Word | null; group?: Group | undefined } {
    if (this.#words.isAt('{')) return { first: null };
    const first = this.#words.take();
    const isAlone = first.text.startsWith(GROUP_SIGN) && !this.#words.isAt(',');
    return { first, group: isAlone ? this.#groups.get(first.text.slice(1)) : undefined };
  }

  /** @param first - taken already; null where the list is in braces */
  #readItems(first: Word | null, read: (word: Word) => void): void {
    const words = this.#words;
    if (first !== null) {
      read(first);
      while (words.takeIf(',')) read(words.take());
      return;
    }
    words.take();
    do {
      words.skipLines();
      read(words.take());
      words.skipLines();
      words.takeIf(',');
      words.skipLines();
    } while (!words.takeIf('}'));
  }

  /** Takes a name of a group or of a counter. */
  readName(what: string): Word {
    const name = this.#words.word;
    if (!NAME.test(name.text))
      throw this.#words.unexpected(name, `${what}: a letter, then letters, digits, "_" and "-", 64 at most`);
    return this.#words.take();
  }

  #readMember(word: Word, addresses: Prefix[], ports: NumberRange[]): void {
    if (word.text.startsWith(GROUP_SIGN)) {
      const group = this.#find(word);
      if ('ports' in group) this.#addPorts(word, ports);
      else this.#addAddress(word, addresses);
    } else if (/^\d+(?:-\d*)?$/.test(word.text)) this.#addPorts(word, ports);
    else if (/[.:/]/.test(word.text)) this.#addAddress(word, addresses);
    else throw this.#words.unexpected(word, EXPECTED_ITEM);
  }

  #addAddress(word: Word, into: Prefix[]): void {
    if (word.text.startsWith(GROUP_SIGN)) {
      const group = this.#find(word);
      if (!('addresses' in group)) throw this.#words.error(word, `the group ${show(word)} has ports, not addresses`);
      this.#count(word, group.addresses.length);
      for (const prefix of group.addresses) into.push(prefix);
      return;
    }
    const prefix = parseCidr(word.text);
    if (prefix === null) throw this.#words.error(word, `${show(word)} ${reasonOf(word.text)}`);
    this.#count(word, 1);
    into.push(prefix);
  }

  #addPorts(word: Word, into: NumberRange[]): void {
    if (word.text.startsWith(GROUP_SIGN)) {
      const group = this.#find(word);
      if (!('ports' in group)) throw this.#words.error(word, `the group ${show(word)} has addresses, not ports`);
      this.#count(word, group.ports.length);
      for (const range of group.ports) into.push(range);
      return;
    }
    const range = readRange(word.text, MAX_PORT);
    if (range === null)
      throw this.#words.unexpected(word, 'a port from 0 to 65535, a range such as 8000-8080, or @GROUP');
    this.#count(word, 1);
    into.push(range);
  }

  #find(word: Word): Group {
    const group = this.#groups.get(word.text.slice(1));
    if (group === undefined)
      throw this.#words.error(word, `there is no group ${show(word)}; a group stands above the rules that use it`);
    return group;
  }

  #count(word: Word, more: number): void {
    this.#items += more;
    if (this.#items > MAX_ITEMS)
      throw this.#words.error(word, `the lists have more than ${MAX_ITEMS} addresses and ports in all`);
  }
}

/** Reads `22` or `8000-8080`, numbers from 0 to `most` without leading zeros. Null when it is neither. */
export function readRange(text: string, most: number): NumberRange | null {
  const parts = /^(0|[1-9]\d{0,4})(?:-(0|[1-9]\d{0,4}))?$/.exec(text);
  if (parts === null) return null;
  const first = Number(parts[1]);
  const last = Number(parts[2] ?? parts[1]);
  return first <= last && last <= most ? { first, last } : null;
}

/** What is wrong with a text that `parseCidr` refused. */
function reasonOf(text: string): string {
  const [address = '', length, ...more] = text.split('/');
  const bytes = parseAddress(address);
  if (bytes === null) return `cannot stand here; expected ${EXPECTED_ADDRESS}`;
  const most = bytes.length * 8;
  const isLength = more.length === 0 && /^(?:0|[1-9]\d{0,2})$/.test(length ?? '') && Number(length) <= most;
  return isLength ? 'has bits set after the prefix length' : `has no prefix length from 0 to ${most}`;
}

function familiesOf(prefixes: readonly Prefix[]): number {
  return prefixes.reduce((families, { bytes }) => families | (bytes.length === 4 ? IPV4 : IPV6), 0);
}
