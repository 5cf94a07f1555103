/**
 * One rule: the conditions behind its action, in any order, each of them once.
 *
 * ```
 *   condition = "in" | "out" | "on" interfaces | "to-interface" interfaces
 *             | "ip" | "ip6" | protocols | "proto" ( protocols | numbers )
 *             | "from" end | "to" end | "type" types [ "code" numbers ]
 *             | "syn" | "flags" flags "/" flags | [ "not" ] "fragment" | "fragment" ( "first" | "later" )
 *             | "state" states | "count" name
 *   end       = "any" | [ "not" ] addresses | ... each with or without  "port" [ "not" ] ports
 * ```
 * Rule: this file reads and nothing else; whether the conditions go together is the business of check-rule.ts.
 *
 * @module
 */

import type { Verdict } from 'firehook';
import { type Lists, readRange } from './lists.ts';
import {
  ALL_TCP_FLAGS,
  ICMP_TYPES,
  ICMPV6_TYPES,
  PROTOCOL_ICMP,
  PROTOCOL_ICMPV6,
  PROTOCOLS,
  STATES,
  SYN,
  TCP_FLAGS,
} from './names.ts';
import {
  type AddressList,
  ANY_DIRECTION,
  ANY_FRAGMENT,
  FIRST_FRAGMENT,
  type FlagTest,
  type IcmpTest,
  IN,
  IPV4,
  IPV6,
  LATER_FRAGMENT,
  type NamedInterface,
  type NumberRange,
  type OneOf,
  OUT,
  type Protocol,
  type StateTest,
  WHOLE,
} from './rule.ts';
import { show, type Word, type Words } from './words.ts';

/** A rule while it is read. Its members are those of `Rule`. */
export class RuleDraft {
  readonly line: number;
  readonly column: number;
  readonly verdict: Verdict;
  families = IPV4 | IPV6;
  protocols: Protocol[] | null = null;
  source: AddressList | null = null;
  destination: AddressList | null = null;
  sourcePorts: OneOf<NumberRange> | null = null;
  destinationPorts: OneOf<NumberRange> | null = null;
  icmp: IcmpTest | null = null;
  flags: FlagTest | null = null;
  fragments = ANY_FRAGMENT;
  directions = ANY_DIRECTION;
  arrival: NamedInterface[] | null = null;
  departure: NamedInterface[] | null = null;
  states: StateTest | null = null;
  /** What is to be counted; null for nothing. */
  count: Word | null = null;
  /** The words that conditions begin with, by what they are about: each once, and the place for an error. */
  readonly said = new Map<string, Word>();

  constructor(action: Word, verdict: Verdict) {
    this.line = action.line;
    this.column = action.column;
    this.verdict = verdict;
  }
}

type Read = (reader: RuleReader, draft: RuleDraft, word: Word) => void;

/** What a condition is about, and how it is read, by the word that it begins with. */
const CONDITIONS: ReadonlyMap<string, readonly [about: string, read: Read]> = new Map<string, [string, Read]>([
  ['in', ['direction', (_, draft) => (draft.directions = IN)]],
  ['out', ['direction', (_, draft) => (draft.directions = OUT)]],
  ['on', ['on', (reader, draft) => (draft.arrival = reader.interfaces())]],
  ['to-interface', ['to-interface', (reader, draft) => (draft.departure = reader.interfaces())]],
  ['ip', ['version', (_, draft) => (draft.families = IPV4)]],
  ['ip6', ['version', (_, draft) => (draft.families = IPV6)]],
  ['proto', ['protocol', (reader, draft) => (draft.protocols = reader.protocols(null))]],
  ['from', ['from', (reader, draft, word) => reader.end(draft, word)]],
  ['to', ['to', (reader, draft, word) => reader.end(draft, word)]],
  ['type', ['type', (reader, draft, word) => (draft.icmp = reader.types(draft, word))]],
  ['syn', ['flags', (_, draft) => (draft.flags = SYN)]],
  ['flags', ['flags', (reader, draft) => (draft.flags = reader.flags())]],
  ['fragment', ['fragment', (reader, draft) => (draft.fragments = reader.fragments())]],
  ['not', ['fragment', (reader, draft) => (draft.fragments = reader.notFragment())]],
  ['state', ['state', (reader, draft, word) => (draft.states = reader.states(word))]],
  ['count', ['count', (reader, draft) => (draft.count = reader.name())]],
]);

const KNOWN = [...CONDITIONS.keys(), ...PROTOCOLS.keys()];
const EXPECTED = `a protocol such as tcp, ${[...CONDITIONS.keys()].join(', ')} or the end of the line`;
const EXPECTED_PROTOCOL = [...PROTOCOLS.keys()].join(', ');
const MAX_OCTET = 255;
const EXPECTED_FLAGS = `flags such as syn/syn,ack: those that are set, a slash, those that are looked at (${[...TCP_FLAGS.keys()].join(', ')}, none, all)`;
/** IFNAMSIZ of the kernel, less the octet at the end. */
const MAX_INTERFACE_NAME = 15;

/** Reads conditions. */
export class RuleReader {
  readonly #words: Words;
  readonly #lists: Lists;

  constructor(words: Words, lists: Lists) {
    this.#words = words;
    this.#lists = lists;
  }

  /** Reads conditions up to the end of the line. */
  read(draft: RuleDraft): void {
    while (!this.#words.isAtEnd) {
      const word = this.#words.take();
      const protocol = PROTOCOLS.has(word.text);
      const [about, read] = CONDITIONS.get(word.text) ?? [protocol ? 'protocol' : '', null];
      if (about === '') throw this.#unknown(word);
      const before = draft.said.get(about);
      if (before !== undefined)
        throw this.#words.error(word, `${show(word)} cannot stand here; ${show(before)} stands in the rule already`);
      draft.said.set(about, word);
      if (read !== null) read(this, draft, word);
      else draft.protocols = this.protocols(word);
    }
  }

  name(): Word {
    return this.#lists.readName('the name of a counter');
  }

  interfaces(): NamedInterface[] {
    const names: NamedInterface[] = [];
    this.#lists.readList((word) => {
      if (!/^[^/:@]+$/.test(word.text) || word.text.length > MAX_INTERFACE_NAME || word.text.trim() === '')
        throw this.#words.unexpected(word, 'the name of an interface');
      names.push({ name: word.text, line: word.line, column: word.column });
    });
    return names;
  }

  /** @param first - the name of a protocol that has been taken; null for a list behind `proto`, which may have numbers */
  protocols(first: Word | null): Protocol[] {
    const protocols: Protocol[] = [];
    const add = (word: Word): void => {
      const number = first === null ? readRange(word.text, MAX_OCTET) : null;
      const protocol =
        number?.first === number?.last && number !== null
          ? { number: number.first, families: IPV4 | IPV6 }
          : PROTOCOLS.get(word.text);
      if (protocol === undefined)
        throw this.#words.unknown(
          word,
          PROTOCOLS.keys(),
          first === null ? `a number from 0 to 255, ${EXPECTED_PROTOCOL}` : EXPECTED_PROTOCOL,
        );
      protocols.push(protocol);
    };
    if (first === null) this.#lists.readList(add);
    else {
      add(first);
      while (this.#words.takeIf(',')) add(this.#words.take());
    }
    return protocols;
  }

  /** Addresses and ports behind `from` or `to`. */
  end(draft: RuleDraft, side: Word): void {
    const words = this.#words;
    if (!words.isAt('port') && !words.takeIf('any')) {
      const addresses = this.#lists.readAddresses();
      if (side.text === 'from') draft.source = addresses;
      else draft.destination = addresses;
    }
    if (!words.isAt('port')) return;
    draft.said.set('port', words.take());
    const ports = this.#lists.readPorts();
    if (side.text === 'from') draft.sourcePorts = ports;
    else draft.destinationPorts = ports;
  }

  /** Types of ICMP or of ICMPv6: by name the protocol has to be known, so it stands before `type`. */
  types(draft: RuleDraft, type: Word): IcmpTest {
    const [protocol, ...others] = draft.protocols ?? [];
    const names =
      protocol?.number === PROTOCOL_ICMP ? ICMP_TYPES : protocol?.number === PROTOCOL_ICMPV6 ? ICMPV6_TYPES : null;
    if (names === null || others.length > 0)
      throw this.#words.error(
        type,
        '"type" cannot stand here; expected icmp or icmpv6 before it, and no other protocol',
      );
    const types: NumberRange[] = [];
    const known = `a number from 0 to 255, ${[...names.keys()].join(', ')}`;
    this.#lists.readList((word) => types.push(this.#octet(word, names, known)));
    if (!this.#words.takeIf('code')) return { types, codes: [{ first: 0, last: MAX_OCTET }] };
    const codes: NumberRange[] = [];
    this.#lists.readList((word) => codes.push(this.#octet(word, null, 'a number from 0 to 255, or a range of them')));
    return { types, codes };
  }

  /** `syn/syn,ack`: of the flags behind the slash those before it are set, and no others. */
  flags(): FlagTest {
    const words = this.#words;
    const first = words.word;
    let text = '';
    do text += words.take().text;
    while (!words.isAtEnd && (words.isAt(',') || words.word.text.startsWith('/') || /[,/]$/.test(text)));
    const [set, mask, ...more] = text.split('/').map((list) => flagsIn(list));
    if (set === undefined || mask === undefined || set < 0 || mask < 0 || more.length > 0)
      throw words.unexpected({ ...first, text }, EXPECTED_FLAGS);
    return { set, mask };
  }

  fragments(): number {
    if (this.#words.takeIf('first')) return FIRST_FRAGMENT;
    if (this.#words.takeIf('later')) return LATER_FRAGMENT;
    return FIRST_FRAGMENT | LATER_FRAGMENT;
  }

  notFragment(): number {
    if (!this.#words.takeIf('fragment')) throw this.#words.unexpected(this.#words.word, '"fragment" behind "not"');
    return WHOLE;
  }

  states({ line, column }: Word): StateTest {
    let mask = 0;
    this.#lists.readList((word) => {
      const state = word.text === '' ? -1 : STATES.indexOf(word.text);
      if (state < 0) throw this.#words.unknown(word, STATES.slice(1), STATES.slice(1).join(', '));
      mask |= 1 << state;
    });
    return { mask, line, column };
  }

  #unknown(word: Word): Error {
    if (word.text === 'port') return this.#words.unexpected(word, 'it behind from or to, as in: to port 22');
    if (word.text === 'code') return this.#words.unexpected(word, 'it behind type, as in: icmp type 3 code 4');
    if (/^\d+$/.test(word.text)) return this.#words.unexpected(word, `"proto ${word.text}", if it is a protocol`);
    return this.#words.unknown(word, KNOWN, EXPECTED);
  }

  #octet(word: Word, names: ReadonlyMap<string, number> | null, expected: string): NumberRange {
    const number = names?.get(word.text);
    const range = number === undefined ? readRange(word.text, MAX_OCTET) : { first: number, last: number };
    if (range === null) throw this.#words.unknown(word, names?.keys() ?? [], expected);
    return range;
  }
}

/** The flags of a list; -1 where one of them is none. */
function flagsIn(list: string): number {
  if (list === 'none') return 0;
  if (list === 'all') return ALL_TCP_FLAGS;
  return list.split(',').reduce((flags, name) => {
    const flag = TCP_FLAGS.get(name);
    return flag === undefined || flags < 0 ? -1 : flags | flag;
  }, 0);
}
