/**
 * One line of a list: a prefix, an address or a range, and what stands behind it.
 *
 * ```
 *   # all of this is a comment
 *   192.0.2.0/24                   an address or a prefix: value 1
 *   2001:db8::/32   7   ; or so    a number behind it, after white space or a comma
 *   198.51.100.1,DE                a word behind it
 *   203.0.113.5 - 203.0.113.9      a range
 * ```
 * Floor 1. Rule: nothing is guessed. A line that two readers could understand in two ways is refused, and so is all that stands behind
 * the value.
 *
 * @module
 */

import { type Prefix, parseAddress, parseCidr } from '../wire/address.ts';
import { isOrdered, splitRange } from './split-range.ts';

/** Longest text that is quoted whole. */
const SHOWN_LENGTH = 60;

/** What a line says. */
export interface ListEntry {
  /** One, or what a range is made of. */
  readonly prefixes: Iterable<Prefix>;
  /** The text behind it; empty where there is none. */
  readonly value: string;
}

/** A line that cannot be understood: what is wrong with it, without its place. */
export class LineError extends Error {}

/**
 * Reads a line. Null where there is nothing but white space and a comment.
 *
 * @throws {@link LineError}
 */
export function parseEntry(line: string): ListEntry | null {
  const text = withoutComment(line).trim();
  if (text === '') return null;
  const [, first = '', last, value = ''] =
    /^([^\s,-]+)(?:\s*-\s*([^\s,-]+))?(?:(?:\s*,\s*|\s+)(\S+))?$/.exec(text) ?? [];
  if (first === '')
    throw new LineError(`${quoted(text)} is not an address, a prefix or a range, with one value behind it`);
  return { prefixes: last === undefined ? [prefixOf(first)] : rangeOf(first, last), value };
}

function withoutComment(line: string): string {
  for (let at = 0; at < line.length; at++) {
    const code = line.charCodeAt(at);
    if (code === 0x23 || code === 0x3b) return line.slice(0, at);
  }
  return line;
}

function prefixOf(text: string): Prefix {
  const prefix = parseCidr(text);
  if (prefix === null) throw new LineError(`${quoted(text)} ${reasonOf(text)}`);
  return prefix;
}

function rangeOf(from: string, to: string): Iterable<Prefix> {
  const [first, last] = [parseAddress(from), parseAddress(to)];
  if (first === null || last === null)
    throw new LineError(`${quoted(`${from}-${to}`)} is not a range of two addresses`);
  if (first.length !== last.length)
    throw new LineError(`${quoted(`${from}-${to}`)} is IPv4 at one end and IPv6 at the other`);
  if (!isOrdered(first, last)) throw new LineError(`${quoted(`${from}-${to}`)} ends before it starts`);
  return splitRange(first, last);
}

/** What is wrong with an entry that `parseCidr` refused. */
function reasonOf(text: string): string {
  const [address = '', ...lengths] = text.split('/');
  const bytes = parseAddress(address);
  if (bytes === null) return 'is not an IPv4 or IPv6 address or prefix';
  const most = bytes.length * 8;
  const length = lengths.length === 1 && /^(0|[1-9]\d*)$/.test(lengths[0] ?? '') ? Number(lengths[0]) : most + 1;
  // 10.0.0.0/3 for /32 would be an eighth of the Internet, and shows in the bits after the prefix.
  return length > most ? `has no prefix length from 0 to ${most}` : 'has bits set after the prefix length';
}

/** Text of a stranger, in quotes and not too long. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}...` : text);
}
