/**
 * Reads the text of a filter into a tree: the whole language of pcap-filter(7) that does without a name server.
 *
 * ```
 *   tcp port 80 or 443 and not src net 10.1     ->     ((tcp port 80) or (tcp port 443)) and (not src net 10.1.0.0/16)
 * ```
 * `and` and `or` have equal precedence and go from left to right. An identifier without qualifiers inherits those of the
 * primitive before it; behind parentheses those from before the parentheses count, as in libpcap.
 *
 * Floor 1. Rule: takes what libpcap's grammar takes; the tests compare the two on random words.
 *
 * @module
 */

import { isComparison, isOperator, readArithmetic, readOctets, takeComparison } from './arithmetic.ts';
import {
  ofIpv4,
  ofIpv4Net,
  ofIpv6,
  ofMac,
  ofName,
  ofNumber,
  type Qualifiers,
  TYPES,
  type Type,
} from './identifiers.ts';
import { PROTOCOL_WORDS, type Word } from './scan.ts';
import type { Arithmetic, Comparison, Direction, Filter } from './syntax.ts';
import { Words } from './words.ts';

/** A part of a filter, and the qualifiers that it hands on; null where it has none. */
interface Part {
  readonly filter: Filter;
  readonly qualifiers: Qualifiers | null;
  /** It is an identifier that inherits its qualifiers, or `not` of one. */
  readonly isBare?: boolean;
}

/** What stands between two parentheses can turn out to be a number only behind them: `(80) = ip[0]`. */
type Piece = Part | { readonly arithmetic: Arithmetic } | { readonly number: Word };

const IDENTIFIERS: readonly string[] = ['name', 'ipv4', 'ipv6', 'mac'];
const TAGS: Readonly<Record<string, { readonly most: number; readonly what: string }>> = {
  vlan: { most: 0xfff, what: 'the number of a VLAN' },
  mpls: { most: 0xfffff, what: 'an MPLS label' },
  pppoes: { most: 0xffff, what: 'the number of a PPPoE session' },
};
const PRIMITIVE = 'a protocol, or a primitive such as host, net, port, vlan or ip[0] = 1';
const IDENTIFIER = 'an address, a number or a name';

/**
 * Reads a filter. An empty text takes everything.
 *
 * @throws {@link FilterError} when the text is none, or says what firehook does not support
 */
export function parseFilter(text: string): Filter {
  const words = new Words(text);
  if (words.isEnd()) return { kind: 'everything' };
  const { filter } = new Parser(words).chain(null);
  if (!words.isEnd()) words.fail('and, or, or the end');
  return filter;
}

class Parser {
  readonly #words: Words;

  constructor(words: Words) {
    this.#words = words;
  }

  /** Terms with `and` and `or` between them. */
  chain(inherited: Qualifiers | null): Part {
    return this.#restOfChain(this.#term(inherited));
  }

  #restOfChain(first: Part): Part {
    let left = first;
    while (this.#words.is('and') || this.#words.is('or')) {
      const kind = this.#words.take().text === 'and' ? 'all' : 'any';
      const right = this.#termOrIdentifier(left.qualifiers);
      left = { filter: joined(kind, left.filter, right.filter), qualifiers: right.qualifiers };
    }
    return left;
  }

  #term(inherited: Qualifiers | null): Part {
    const { column } = this.#words.word;
    if (this.#words.skip('!')) return negated(this.#words.nested(column, () => this.#term(inherited)));
    return this.#complete(this.#piece(inherited, false));
  }

  /** Behind `and` and `or`, a bare identifier inherits the qualifiers before it. */
  #termOrIdentifier(inherited: Qualifiers | null): Part {
    const words = this.#words;
    const { kind, column } = words.word;
    if (words.skip('!')) return negated(words.nested(column, () => this.#termOrIdentifier(inherited)));
    if (IDENTIFIERS.includes(kind)) return this.#bareIdentifier(inherited);
    const piece = this.#piece(inherited, true);
    if ('number' in piece) return bare(ofNumber(words, piece.number, inherited), inherited);
    return this.#complete(piece);
  }

  /** Refuses arithmetic that is compared with nothing. */
  #complete(piece: Piece): Part {
    if ('filter' in piece) return piece;
    return this.#words.fail('a comparison such as = or >');
  }

  /**
   * What can begin a term. Numbers with an operator behind them are read to the end of the comparison.
   *
   * @param mayInherit - parentheses may hold bare identifiers
   */
  #piece(inherited: Qualifiers | null, mayInherit: boolean): Piece {
    const words = this.#words;
    const { word } = words;
    if (word.kind === 'number') return this.#afterValue({ number: words.take() });
    if (words.is('-') || words.is('len')) return this.#afterValue({ arithmetic: readArithmetic(words) });
    if (words.is('(')) {
      words.take();
      const inner = words.nested(word.column, () => this.#inParentheses(inherited, mayInherit));
      return 'filter' in inner ? inner : this.#afterValue(inner);
    }
    if (word.kind !== 'keyword') return words.fail(PRIMITIVE);
    return this.#primitive();
  }

  /** Goes on behind a number or a piece of arithmetic. */
  #afterValue(value: Exclude<Piece, Part>): Piece {
    const words = this.#words;
    if (!isOperator(words) && !isComparison(words)) return value;
    const first = arithmeticOf(value);
    const column = 'number' in value ? value.number.column : words.word.column;
    const left = isOperator(words) ? readArithmetic(words, first) : first;
    if (!isComparison(words)) return { arithmetic: left };
    return unqualified({ kind: 'comparison', ...this.#comparison(left), column });
  }

  #comparison(left: Arithmetic): { comparison: Comparison; left: Arithmetic; right: Arithmetic } {
    const comparison = takeComparison(this.#words);
    return { comparison, left, right: readArithmetic(this.#words) };
  }

  /** What stands behind `(`, and the `)`. */
  #inParentheses(inherited: Qualifiers | null, mayInherit: boolean): Piece {
    const words = this.#words;
    if (mayInherit && IDENTIFIERS.includes(words.word.kind))
      return this.#identifiers(inherited, this.#bareIdentifier(inherited).filter);
    if (words.is('!')) {
      const first = mayInherit ? this.#termOrIdentifier(inherited) : this.#term(inherited);
      if (first.isBare) return this.#identifiers(inherited, first.filter);
      return this.#closed(this.#restOfChain(first), inherited);
    }
    const piece = this.#piece(inherited, false);
    if ('filter' in piece) return this.#closed(this.#restOfChain(piece), inherited);
    const isList = words.is('and') || words.is('or');
    if (mayInherit && 'number' in piece && isList)
      return this.#identifiers(inherited, ofNumber(words, piece.number, inherited));
    words.expect(')');
    return piece;
  }

  #closed({ filter }: Part, qualifiers: Qualifiers | null): Part {
    this.#words.expect(')');
    return { filter, qualifiers };
  }

  /** Identifiers behind the first one, with `and` and `or` between them, and the `)` behind them. */
  #identifiers(of: Qualifiers | null, first: Filter): Part {
    const words = this.#words;
    let filter = first;
    while (words.is('and') || words.is('or')) {
      const kind = words.take().text === 'and' ? 'all' : 'any';
      filter = joined(kind, filter, this.#identifier(of).filter);
    }
    words.expect(')');
    return bare(filter, of);
  }

  /** What stands behind qualifiers: an identifier, `not` of one, or several in parentheses. */
  #identifier(of: Qualifiers | null): Part {
    const words = this.#words;
    const { kind, column } = words.word;
    if (words.skip('!')) return negated(words.nested(column, () => this.#identifier(of)));
    if (kind === 'number') return bare(ofNumber(words, words.take(), of), of);
    if (words.skip('(')) return words.nested(column, () => this.#identifierList(of));
    return this.#bareIdentifier(of);
  }

  #identifierList(of: Qualifiers | null): Part {
    const words = this.#words;
    if (IDENTIFIERS.includes(words.word.kind) || words.is('!'))
      return this.#identifiers(of, this.#identifier(of).filter);
    const number = ofNumber(words, this.#parenthesizedNumber(), of);
    return this.#identifiers(of, number);
  }

  #bareIdentifier(of: Qualifiers | null): Part {
    const words = this.#words;
    switch (words.word.kind) {
      case 'ipv4': {
        const address = words.take();
        if (words.skip('/')) return bare(ofIpv4Net(words, address, words.number('a prefix length'), of), of);
        if (!words.skip('mask')) return bare(ofIpv4(words, address, of), of);
        if (words.word.kind !== 'ipv4') return words.fail('a mask such as 255.255.0.0');
        return bare(ofIpv4Net(words, address, words.take(), of), of);
      }
      case 'ipv6': {
        const address = words.take();
        const length = words.skip('/') ? words.number('a prefix length') : null;
        return bare(ofIpv6(words, address, length, of), of);
      }
      case 'mac':
        return bare(ofMac(words, words.take(), of), of);
      case 'name':
        return bare(ofName(words, words.take(), of), of);
      default:
        return words.fail(IDENTIFIER);
    }
  }

  /** A number, in parentheses or not. */
  #parenthesizedNumber(): Word {
    const words = this.#words;
    const { column } = words.word;
    if (!words.skip('(')) return words.number(IDENTIFIER);
    const number = words.nested(column, () => this.#parenthesizedNumber());
    words.expect(')');
    return number;
  }

  /** A primitive that begins with a keyword. */
  #primitive(): Piece {
    const words = this.#words;
    const { text, column } = words.word;
    if (PROTOCOL_WORDS.has(text)) return this.#afterProtocol(words.take());
    switch (text) {
      case 'less':
      case 'greater': {
        words.take();
        const right: Arithmetic = { kind: 'number', value: words.number('a length in octets').value };
        const comparison = text === 'less' ? '<=' : '>=';
        return unqualified({ kind: 'comparison', comparison, left: { kind: 'length' }, right, column });
      }
      case 'byte':
        words.take();
        return this.#byte(column);
      case 'vlan':
      case 'mpls':
      case 'pppoes':
        words.take();
        return unqualified({ kind: text, number: this.#tagNumber(text), column });
      case 'pppoed':
        words.take();
        return unqualified({ kind: 'pppoed', column });
      default:
        return this.#qualified('', column);
    }
  }

  #afterProtocol(protocol: Word): Piece {
    const words = this.#words;
    const { text, column } = protocol;
    if (words.is('[')) return this.#afterValue({ arithmetic: readArithmetic(words, readOctets(words, protocol)) });
    const isHead = ['src', 'dst', 'proto', 'protochain', 'broadcast', 'multicast', ...TYPES].some((word) =>
      words.is(word),
    );
    // The word says itself why it does not go with the protocol.
    if (isHead || words.word.kind === 'refused') return this.#qualified(text, column);
    if (text === 'link') return words.fail('host, src, dst, proto, broadcast, multicast or [ behind ether');
    return unqualified({ kind: 'protocol', protocol: text, column });
  }

  /** Qualifiers behind an optional protocol, and what they qualify. */
  #qualified(protocol: string, column: number): Part {
    const words = this.#words;
    if (words.skip('broadcast')) return this.#broadcast(protocol, column);
    if (words.skip('multicast')) return this.#multicast(protocol, column);
    if (words.is('proto') || words.is('protochain')) {
      const type = words.take().text as Type;
      return at(column, this.#identifier({ protocol, direction: undefined, type }));
    }
    const direction = this.#direction();
    let type: Type = '';
    if (TYPES.some((word) => words.is(word))) type = words.take().text as Type;
    else if (direction === undefined) return words.fail(PRIMITIVE);
    return at(column, this.#identifier({ protocol, direction, type }));
  }

  /** `src`, `dst`, or both of them with `and` or `or` between; undefined where nothing is said. */
  #direction(): Direction | undefined {
    const words = this.#words;
    if (!words.is('src') && !words.is('dst')) return undefined;
    const first = words.take().text;
    if (!words.is('and') && !words.is('or')) return first === 'src' ? 'source' : 'destination';
    const direction = words.take().text === 'and' ? 'both' : 'either';
    words.expect(first === 'src' ? 'dst' : 'src');
    return direction;
  }

  #broadcast(protocol: string, column: number): Part {
    if (protocol === '' || protocol === 'link') return unqualified({ kind: 'broadcast', column });
    const why =
      protocol === 'ip'
        ? 'ip broadcast needs the mask of a net, which a filter does not know: write dst host 255.255.255.255, or the address'
        : `${protocol} has no broadcast; ether has`;
    return this.#words.failAt(column, why);
  }

  #multicast(protocol: string, column: number): Part {
    const of = protocol === '' ? 'link' : protocol;
    if (of === 'link' || of === 'ip' || of === 'ip6') return unqualified({ kind: 'multicast', of, column });
    return this.#words.failAt(column, `${protocol} has no multicast; ether, ip and ip6 have`);
  }

  #tagNumber(kind: 'vlan' | 'mpls' | 'pppoes'): number | null {
    const words = this.#words;
    if (words.word.kind !== 'number' && !words.is('(')) return null;
    const { value, column } = this.#parenthesizedNumber();
    const { most = 0, what = '' } = TAGS[kind] ?? {};
    if (value > most) words.failAt(column, `${what} is ${most} at most`);
    return value;
  }

  /** `byte 9 = 6`: an octet of the frame. */
  #byte(column: number): Part {
    const words = this.#words;
    const index: Arithmetic = { kind: 'number', value: words.number('the offset of an octet').value };
    if (!['=', '<', '>'].some((sign) => words.is(sign))) words.fail('=, < or >');
    const comparison = takeComparison(words);
    const right: Arithmetic = { kind: 'number', value: words.number('a number').value };
    const left: Arithmetic = { kind: 'octets', protocol: 'link', index, size: 1, column };
    return unqualified({ kind: 'comparison', comparison, left, right, column });
  }
}

function unqualified(filter: Filter): Part {
  return { filter, qualifiers: null };
}

function bare(filter: Filter, qualifiers: Qualifiers | null): Part {
  return { filter, qualifiers, isBare: true };
}

function negated(part: Part): Part {
  return { ...part, filter: { kind: 'not', of: part.filter } };
}

/** A primitive begins where its qualifiers do. */
function at(column: number, { filter, qualifiers }: Part): Part {
  return 'column' in filter ? { filter: { ...filter, column }, qualifiers } : { filter, qualifiers };
}

/** Chains of the same word become one list, so that a long one is not deep. */
function joined(kind: 'all' | 'any', left: Filter, right: Filter): Filter {
  return { kind, of: left.kind === kind ? [...left.of, right] : [left, right] };
}

function arithmeticOf(value: Exclude<Piece, Part>): Arithmetic {
  return 'number' in value ? { kind: 'number', value: value.number.value } : value.arithmetic;
}
