/**
 * Makes JavaScript of a filter: the body of a predicate that reads octets in place.
 *
 * ```
 *   udp port 53   ->   if (length < 1) return false;
 *                      L0: { L1: { if (bytes[0] >>> 4 !== 6) break L1; ... } ... }
 *                      return true;
 * ```
 * A test goes on to the next statement, or leaves a labelled block: the way that BPF jumps, without a closure or a flag.
 * `return false` in the middle refuses the packet, as a read behind its end does in BPF.
 *
 * Floor 1. Rule: the generated text holds numbers and fixed names only; no text of an author becomes part of it.
 *
 * @module
 */

import { HEADER_LENGTH } from '../wire/ethernet.ts';
import { compareOctets, computeValue, guardLoad, Lines, literal, PARAMETERS, readLoad } from './code-values.ts';
import { type Facts, isVersion, knownValue, meet, NO_FACTS, withValue, withVersion } from './facts.ts';
import type { LinkKind } from './layers.ts';
import { lowerFilter } from './lower.ts';
import { parseFilter } from './parse.ts';
import type { Filter } from './syntax.ts';
import { NO_MASK, type Test } from './tests.ts';

/**
 * Whether a packet belongs to a filter. Never throws; allocates nothing.
 *
 * @param bytes - the packet starts at octet 0: the IP header, or the frame where the filter was compiled for `frame`
 * @param length - octets of it that were captured
 * @param link - the link header starts at octet 0; not read for `raw` and `frame`
 * @param linkLength - octets of the link header; 0 where there is none, and for `raw` and `frame`
 * @param originalLength - octets of the packet that were on the wire; `length` at least
 */
export type Predicate = (
  bytes: Uint8Array,
  length: number,
  link: Uint8Array,
  linkLength: number,
  originalLength: number,
) => boolean;

/** How a filter is compiled. */
export interface FilterOptions {
  /** What the predicate is given: see layers.ts. */
  readonly link: LinkKind;
}

/** Steps along a chain of headers; a longer chain is refused. libpcap has no limit and can run for ever. */
const MAX_CHAIN = 256;

/** Where to go: on to the next statement, out of the function, or behind the block of a label. */
type Target = 'on' | 'true' | 'false' | { readonly label: string };

/** What is known on the two ways out of a test; null where nobody goes that way. */
interface Ways {
  readonly whenTrue: Facts | null;
  readonly whenFalse: Facts | null;
}

/**
 * Compiles the text of a filter.
 *
 * @throws {@link FilterError} when the text is no filter, or asks for what the link does not have
 */
export function compileFilter(text: string, options: FilterOptions): Predicate {
  const body = filterSource(parseFilter(text), options, text);
  const make = new Function(`return (${PARAMETERS}) => {\n${body}\n};`) as () => Predicate;
  return make();
}

/**
 * The body of a predicate as text, for a function whose parameters are `bytes, length, link, linkLength, originalLength`.
 *
 * @param text - what the filter was read from, for errors
 * @throws {@link FilterError} where the filter asks for what the link does not have
 */
export function filterSource(filter: Filter, { link }: FilterOptions, text = ''): string {
  const test = lowerFilter(filter, link, text);
  const writer = new Writer();
  const { whenTrue } = writer.write(test, 'on', 'false', NO_FACTS);
  if (whenTrue !== null) writer.lines.add('return true;');
  const body = writer.lines.toString();
  return body.includes('h = ') ? `let h = 0;\n${body}` : body;
}

class Writer {
  readonly lines = new Lines();

  /** Writes a test that goes to one place or the other; one of the two is the next statement. */
  write(test: Test, ifTrue: Target, ifFalse: Target, facts: Facts): Ways {
    switch (test.kind) {
      case 'constant':
        return this.#known(test.value, ifTrue, ifFalse, facts);
      case 'not': {
        const { whenTrue, whenFalse } = this.write(test.of, ifFalse, ifTrue, facts);
        return { whenTrue: whenFalse, whenFalse: whenTrue };
      }
      case 'all':
        return this.#sequence(test.of, true, ifTrue, ifFalse, facts);
      case 'any': {
        const { whenTrue, whenFalse } = this.#sequence(test.of, false, ifFalse, ifTrue, facts);
        return { whenTrue: whenFalse, whenFalse: whenTrue };
      }
      case 'version':
        return this.#version(test.version, ifTrue, ifFalse, facts);
      case 'link':
        return this.#link(ifTrue, ifFalse, facts);
      case 'load':
        return this.#load(test, ifTrue, ifFalse, facts);
      case 'among':
        return this.#among(test, ifTrue, ifFalse, facts);
      case 'values':
        return this.#values(test, ifTrue, ifFalse, facts);
      case 'chain':
        return this.#chain(test, ifTrue, ifFalse, facts);
    }
  }

  /**
   * Tests one after the other, as long as each turns out as `goOn`; written from the view of `all`.
   *
   * @param through - where to go when every one did
   * @param out - where to go when one did not
   * @returns `whenTrue`: every one did; `whenFalse`: one did not
   */
  #sequence(tests: readonly Test[], goOn: boolean, through: Target, out: Target, facts: Facts): Ways {
    const label = out === 'on' ? this.lines.name('L') : '';
    const leave: Target = out === 'on' ? { label } : out;
    if (out === 'on') this.lines.add(`${label}: {`);
    let onward: Facts | null = facts;
    let left: Facts | null = null;
    for (const [index, test] of tests.entries()) {
      if (onward === null) break;
      // The last test of a block falls out of it where it would leave.
      const isLast = index === tests.length - 1;
      const onTrue: Target = isLast ? through : 'on';
      const onFalse: Target = isLast && through !== 'on' ? 'on' : leave;
      const ways: Ways = goOn ? this.write(test, onTrue, onFalse, onward) : this.write(test, onFalse, onTrue, onward);
      left = meet(left, goOn ? ways.whenFalse : ways.whenTrue);
      onward = goOn ? ways.whenTrue : ways.whenFalse;
    }
    if (out === 'on') this.lines.add('}');
    return { whenTrue: onward, whenFalse: left };
  }

  #known(value: boolean, ifTrue: Target, ifFalse: Target, facts: Facts): Ways {
    this.#jump(value ? ifTrue : ifFalse);
    return { whenTrue: value ? facts : null, whenFalse: value ? null : facts };
  }

  #version(version: 4 | 6, ifTrue: Target, ifFalse: Target, facts: Facts): Ways {
    const known = isVersion(facts, version);
    if (known !== null) return this.#known(known, ifTrue, ifFalse, facts);
    const guarded = guardLoad(this.lines, { from: 'packet', offset: 0, size: 1 }, facts);
    this.#branch(`bytes[0] >>> 4 === ${version}`, `bytes[0] >>> 4 !== ${version}`, ifTrue, ifFalse);
    return {
      whenTrue: withVersion(guarded, version, true),
      whenFalse: withVersion(guarded, version, false),
    };
  }

  #link(ifTrue: Target, ifFalse: Target, facts: Facts): Ways {
    if (facts.hasLink) return this.#known(true, ifTrue, ifFalse, facts);
    this.#branch(`linkLength >= ${HEADER_LENGTH}`, `linkLength < ${HEADER_LENGTH}`, ifTrue, ifFalse);
    return { whenTrue: { ...facts, hasLink: true }, whenFalse: facts };
  }

  #load(test: Test & { readonly kind: 'load' }, ifTrue: Target, ifFalse: Target, facts: Facts): Ways {
    const { load, mask, is, value } = test;
    const guarded = guardLoad(this.lines, load, facts);
    const isPlain = is === '=' && mask === NO_MASK;
    const known = isPlain ? knownValue(guarded, load) : undefined;
    if (known !== undefined) return this.#known(known === value, ifTrue, ifFalse, guarded);
    if (is === '=') {
      const { isTrue, isFalse } = compareOctets(load, mask, value);
      this.#branch(isTrue, isFalse, ifTrue, ifFalse);
      return { whenTrue: isPlain ? withValue(guarded, load, value) : guarded, whenFalse: guarded };
    }
    const read = readLoad(load);
    switch (is) {
      case 'bits':
        this.#branch(`(${read} & ${literal(value)}) !== 0`, `(${read} & ${literal(value)}) === 0`, ifTrue, ifFalse);
        break;
      case '>':
        this.#branch(`${read} > ${value}`, `${read} <= ${value}`, ifTrue, ifFalse);
        break;
      case '>=':
        this.#branch(`${read} >= ${value}`, `${read} < ${value}`, ifTrue, ifFalse);
    }
    return { whenTrue: guarded, whenFalse: guarded };
  }

  #among({ load, values }: Test & { readonly kind: 'among' }, ifTrue: Target, ifFalse: Target, facts: Facts): Ways {
    const guarded = guardLoad(this.lines, load, facts);
    const known = knownValue(guarded, load);
    if (known !== undefined) return this.#known(values.includes(known), ifTrue, ifFalse, guarded);
    const name = this.lines.name('t');
    this.lines.add(`const ${name} = ${readLoad(load)};`);
    const isTrue = values.map((value) => `${name} === ${literal(value)}`).join(' || ');
    const isFalse = values.map((value) => `${name} !== ${literal(value)}`).join(' && ');
    this.#branch(isTrue, isFalse, ifTrue, ifFalse);
    return { whenTrue: guarded, whenFalse: guarded };
  }

  #values(test: Test & { readonly kind: 'values' }, ifTrue: Target, ifFalse: Target, facts: Facts): Ways {
    // The temporaries of one comparison are out of sight of the next.
    const left = computeValue(this.lines, test.left, facts);
    const right = computeValue(this.lines, test.right, left.facts);
    const known = right.facts;
    if (test.is === '=') {
      this.#branch(`${left.text} === ${right.text}`, `${left.text} !== ${right.text}`, ifTrue, ifFalse);
    } else {
      const [one, other] = [`${left.text} >>> 0`, `${right.text} >>> 0`];
      const contrary = test.is === '>' ? '<=' : '<';
      this.#branch(`${one} ${test.is} ${other}`, `${one} ${contrary} ${other}`, ifTrue, ifFalse);
    }
    return { whenTrue: known, whenFalse: known };
  }

  /** Follows next headers: those of IPv6 add up; behind an authentication header libpcap counts from its own length. */
  #chain(test: Test & { readonly kind: 'chain' }, ifTrue: Target, ifFalse: Target, facts: Facts): Ways {
    const { version, header, protocol } = test;
    const guarded = guardLoad(this.lines, { from: 'packet', offset: header + (version === 4 ? 9 : 6), size: 1 }, facts);
    const at = this.lines.name('t');
    const next = this.lines.name('t');
    const steps = this.lines.name('t');
    const octet = (offset: number): string => `bytes[${at} + ${header + offset}]`;
    const step = (advance: string): string =>
      `{ if (++${steps} > ${MAX_CHAIN} || ${at} > length - ${header + 2}) return false; ` +
      `const n = ${octet(0)}; ${at} = ${advance}; ${next} = n; }`;
    this.lines.add(`let ${at} = ${version === 4 ? `(bytes[${header}] & 15) << 2` : 40}, ${steps} = 0;`);
    this.lines.add(`let ${next} = bytes[${header + (version === 4 ? 9 : 6)}];`);
    this.lines.add(`while (${next} !== ${literal(protocol)} && ${next} !== 59) {`);
    if (version === 6) {
      const isExtension = [0, 60, 43, 44].map((type) => `${next} === ${type}`).join(' || ');
      this.lines.add(`if (${isExtension}) ${step(`${at} + (${octet(1)} + 1) * 8`)} else`);
    }
    this.lines.add(`if (${next} === 51) ${step(`(${octet(1)} + 2) * 4`)} else break;`);
    this.lines.add('}');
    this.#branch(`${next} === ${literal(protocol)}`, `${next} !== ${literal(protocol)}`, ifTrue, ifFalse);
    return { whenTrue: guarded, whenFalse: guarded };
  }

  #branch(isTrue: string, isFalse: string, ifTrue: Target, ifFalse: Target): void {
    if (ifFalse === 'on') {
      if (ifTrue !== 'on') this.#jump(ifTrue, `if (${isTrue}) `);
    } else if (ifTrue === 'on') this.#jump(ifFalse, `if (${isFalse}) `);
    else {
      this.#jump(ifTrue, `if (${isTrue}) `);
      this.#jump(ifFalse);
    }
  }

  #jump(target: Target, when = ''): void {
    if (target === 'on') return;
    this.lines.add(`${when}${typeof target === 'string' ? `return ${target};` : `break ${target.label};`}`);
  }
}
