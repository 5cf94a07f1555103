/**
 * JavaScript for octets and for arithmetic on them: every number is a signed 32-bit one, which V8 keeps out of the heap.
 *
 * A statement `return false` refuses the packet: what is read lies outside of the captured octets, or a divisor is zero.
 *
 * Floor 1. Rule: the text holds numbers and the names of {@link PARAMETERS} and temporaries only; nothing an author wrote.
 *
 * @module
 */

import { HEADER_LENGTH } from '../wire/ethernet.ts';
import type { Facts } from './facts.ts';
import type { Load, Place, Value } from './tests.ts';

/** What a predicate takes. */
export const PARAMETERS = 'bytes, length, link, linkLength, originalLength';

/** Lines of a function, and the numbers of its temporaries. */
export class Lines {
  readonly #lines: string[] = [];
  #temporaries = 0;

  /** Adds a line. */
  add(line: string): void {
    this.#lines.push(line);
  }

  /** The name of another temporary or label. */
  name(letter: 't' | 'L'): string {
    return `${letter}${this.#temporaries++}`;
  }

  /** The text of the function's body. */
  toString(): string {
    return this.#lines.join('\n');
  }
}

/** Makes sure that the octets of a load are there. */
export function guardLoad(lines: Lines, load: Load, facts: Facts): Facts {
  const end = load.offset + load.size;
  switch (load.from) {
    case 'packet':
      if (facts.length >= end) return facts;
      lines.add(`if (length < ${end}) return false;`);
      return { ...facts, length: end };
    case 'frame': {
      let known = guardLink(lines, facts);
      if (end <= HEADER_LENGTH || known.frameLength >= end) return known;
      lines.add(`if (linkLength + length < ${end}) return false;`);
      known = { ...known, frameLength: end };
      return known;
    }
    case 'transport': {
      const known = guardHeader(lines, load.header, facts);
      if (known.transportLength >= end) return known;
      lines.add(`if (length < h + ${load.header + end}) return false;`);
      return { ...known, transportLength: end };
    }
  }
}

/** A number out of octets that are there. */
export function readLoad(load: Load): string {
  const octets = Array.from({ length: load.size }, (_, index) => octetAt(load, load.offset + index));
  return joinOctets(octets);
}

/**
 * Compares octets that are there with a number, octet by octet: the last one, in which addresses and ports differ most,
 * first.
 *
 * @returns conditions that hold where the octets are equal, and where they are not
 */
export function compareOctets(
  load: Load,
  mask: number,
  value: number,
): { readonly isTrue: string; readonly isFalse: string } {
  const octets = Array.from({ length: load.size }, (_, index) => {
    const shift = 8 * index;
    const [kept, wanted] = [(mask >>> shift) & 0xff, (value >>> shift) & 0xff];
    return { octet: octetAt(load, load.offset + load.size - 1 - index), kept, wanted };
  });
  const isTooLarge = load.size < 4 && value >= 2 ** (8 * load.size);
  const counting = octets.filter(({ kept, wanted }) => kept !== 0 || wanted !== 0);
  if (isTooLarge || counting.length === 0) return { isTrue: String(!isTooLarge), isFalse: String(isTooLarge) };
  const masked = counting.map(({ octet, kept, wanted }) => [kept === 0xff ? octet : `(${octet} & ${kept})`, wanted]);
  return {
    isTrue: masked.map(([octet, wanted]) => `${octet} === ${wanted}`).join(' && '),
    isFalse: masked.map(([octet, wanted]) => `${octet} !== ${wanted}`).join(' || '),
  };
}

/** A number as a signed 32-bit literal. */
export function literal(value: number): string {
  return String(value | 0);
}

/** Computes a value into an expression of a signed 32-bit number. */
export function computeValue(
  lines: Lines,
  value: Value,
  facts: Facts,
): { readonly text: string; readonly facts: Facts } {
  switch (value.kind) {
    case 'number':
      return { text: literal(value.value), facts };
    case 'length':
      return { text: '(linkLength + originalLength)', facts };
    case 'negative': {
      const of = computeValue(lines, value.of, facts);
      return {
        text: temporary(lines, `(-${of.text.startsWith('-') ? `(${of.text})` : of.text}) | 0`),
        facts: of.facts,
      };
    }
    case 'operation': {
      const left = computeValue(lines, value.left, facts);
      const right = computeValue(lines, value.right, left.facts);
      return { text: operation(lines, value.operator, left.text, right.text), facts: right.facts };
    }
    case 'octets': {
      if (value.index.kind === 'number' && value.index.value < 0x10000) {
        const load: Load = { ...value.at, offset: value.at.offset + value.index.value, size: value.size };
        const known = guardLoad(lines, load, facts);
        return { text: temporary(lines, readLoad(load)), facts: known };
      }
      return computeOctets(lines, value, facts);
    }
  }
}

/** Octets at a computed index, which counts as an unsigned number. */
function computeOctets(
  lines: Lines,
  { at, index, size }: Value & { readonly kind: 'octets' },
  before: Facts,
): { readonly text: string; readonly facts: Facts } {
  const { text, facts } = computeValue(lines, index, before);
  const known =
    at.from === 'frame'
      ? guardLink(lines, facts)
      : at.from === 'transport'
        ? guardHeader(lines, at.header, facts)
        : facts;
  // The length of the IPv4 header is added in 32 bits, as BPF does, the place of the header without a limit.
  const offset = temporary(lines, at.from === 'transport' ? `(h + ${text}) >>> 0` : `${text} >>> 0`);
  const base = at.from === 'transport' ? at.header + at.offset : at.offset;
  const available = at.from === 'frame' ? 'linkLength + length' : 'length';
  lines.add(`if (${offset} > ${available} - ${base + size}) return false;`);
  const octets = Array.from({ length: size }, (_, step) => {
    const place = `${offset} + ${base + step}`;
    return at.from === 'frame'
      ? `(${place} < linkLength ? link[${place}] : bytes[${place} - linkLength])`
      : `bytes[${place}]`;
  });
  return { text: temporary(lines, joinOctets(octets)), facts: known };
}

function guardLink(lines: Lines, facts: Facts): Facts {
  if (facts.hasLink) return facts;
  lines.add(`if (linkLength < ${HEADER_LENGTH}) return false;`);
  return { ...facts, hasLink: true };
}

/** Puts the length of the IPv4 header into `h`. */
function guardHeader(lines: Lines, header: number, facts: Facts): Facts {
  if (facts.header === header) return facts;
  const known = guardLoad(lines, { from: 'packet', offset: header, size: 1 }, facts);
  lines.add(`h = (bytes[${header}] & 15) << 2;`);
  return { ...known, header, transportLength: 0 };
}

function octetAt(place: Place, offset: number): string {
  switch (place.from) {
    case 'packet':
      return `bytes[${offset}]`;
    case 'transport':
      return `bytes[h + ${place.header + offset}]`;
    case 'frame':
      if (offset < HEADER_LENGTH) return `link[${offset}]`;
      return `(linkLength > ${offset} ? link[${offset}] : bytes[${offset} - linkLength])`;
  }
}

function joinOctets(octets: readonly string[]): string {
  const shifted = octets.map((octet, index) => {
    const shift = 8 * (octets.length - 1 - index);
    return shift === 0 ? octet : `${octet} << ${shift}`;
  });
  return shifted.length === 1 ? (shifted[0] ?? '0') : `(${shifted.join(' | ')})`;
}

function temporary(lines: Lines, text: string): string {
  const name = lines.name('t');
  lines.add(`const ${name} = ${text};`);
  return name;
}

function operation(lines: Lines, operator: string, left: string, right: string): string {
  switch (operator) {
    case '*':
      return temporary(lines, `Math.imul(${left}, ${right})`);
    case '/':
    case '%':
      lines.add(`if (${right} === 0) return false;`);
      return temporary(lines, `((${left} >>> 0) ${operator} (${right} >>> 0)) | 0`);
    case '<<':
    case '>>':
      return temporary(lines, `${right} >>> 0 > 31 ? 0 : ${left} ${operator === '<<' ? '<<' : '>>>'} ${right} | 0`);
    default:
      return temporary(lines, `(${left} ${operator} ${right}) | 0`);
  }
}
