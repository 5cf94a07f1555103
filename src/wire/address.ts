/**
 * IPv4 and IPv6 addresses and prefixes as text (RFC 4291 section 2.2, RFC 5952).
 *
 * Floor 0. For configuration, logs and setup, not for every packet: everything here allocates. Rule: parsers are strict
 * and say null to anything that two readers could understand in two ways (leading zeros, zones, host bits in a prefix).
 *
 * @module
 */

import { readU8, readU16, writeU16 } from './bytes.ts';

const IPV6_GROUPS = 8;

/** An address prefix, as `192.0.2.0/24`. */
export interface Prefix {
  /** The network address, 4 or 16 octets; bits after the prefix are zero. */
  readonly bytes: Uint8Array;
  /** Leading bits that count, 0-32 or 0-128. */
  readonly prefixLength: number;
}

/** Reads an IPv4 or IPv6 address. Null when malformed; otherwise 4 or 16 octets. */
export function parseAddress(text: string): Uint8Array | null {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

/** Reads four decimal numbers, 0-255, without leading zeros. Null when malformed. */
export function parseIpv4(text: string): Uint8Array | null {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every(isDecimalOctet)) return null;
  return Uint8Array.from(parts, Number);
}

/** Reads an IPv6 address, `::` and a trailing dotted IPv4 address included; no zone. Null when malformed. */
export function parseIpv6(text: string): Uint8Array | null {
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const head = parseGroups(halves[0] ?? '', halves.length === 1);
  const tail = parseGroups(halves[1] ?? '', true);
  if (head === null || tail === null) return null;
  const missing = IPV6_GROUPS - head.length - tail.length;
  // `::` stands for one group at least.
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null;
  const bytes = new Uint8Array(16);
  head.forEach((group, index) => {
    writeU16(bytes, 2 * index, group);
  });
  tail.forEach((group, index) => {
    writeU16(bytes, 2 * (head.length + missing + index), group);
  });
  return bytes;
}

/**
 * Reads `address/length`, or an address alone, which stands for itself with its full length. Null when malformed, which
 * includes bits set after the prefix: `192.0.2.1/24` may mean a host or a network.
 */
export function parseCidr(text: string): Prefix | null {
  const [addressText = '', lengthText, ...rest] = text.split('/');
  const bytes = parseAddress(addressText);
  if (bytes === null || rest.length > 0) return null;
  const bits = 8 * bytes.length;
  if (lengthText === undefined) return { bytes, prefixLength: bits };
  if (!/^(?:0|[1-9]\d{0,2})$/.test(lengthText)) return null;
  const prefixLength = Number(lengthText);
  if (prefixLength > bits || hasHostBits(bytes, prefixLength)) return null;
  return { bytes, prefixLength };
}

/** Makes the text of the 4 or 16 octets of `bytes`. */
export function formatAddress(bytes: Uint8Array): string {
  return bytes.length === 4 ? formatIpv4(bytes) : formatIpv6(bytes);
}

/** Makes the text of the four octets at `offset`. */
export function formatIpv4(bytes: Uint8Array, offset = 0): string {
  return `${readU8(bytes, offset)}.${readU8(bytes, offset + 1)}.${readU8(bytes, offset + 2)}.${readU8(bytes, offset + 3)}`;
}

/**
 * Makes the canonical text of the sixteen octets at `offset`; IPv4-mapped addresses end in dotted form.
 *
 * @see RFC 5952 sections 4 and 5
 */
export function formatIpv6(bytes: Uint8Array, offset = 0): string {
  if (isIpv4Mapped(bytes, offset)) return `::ffff:${formatIpv4(bytes, offset + 12)}`;
  const groups = Array.from({ length: IPV6_GROUPS }, (_, index) => readU16(bytes, offset + 2 * index));
  const run = longestZeroRun(groups);
  const text = (part: readonly number[]) => part.map((group) => group.toString(16)).join(':');
  if (run.length < 2) return text(groups);
  return `${text(groups.slice(0, run.start))}::${text(groups.slice(run.start + run.length))}`;
}

function isDecimalOctet(text: string): boolean {
  return /^(?:0|[1-9]\d{0,2})$/.test(text) && Number(text) <= 255;
}

/** Groups of one side of `::`. A dotted IPv4 address may stand for the last two groups of the address only. */
function parseGroups(text: string, isEnd: boolean): number[] | null {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(part)) {
      groups.push(Number.parseInt(part, 16));
      continue;
    }
    const dotted = isEnd && index === parts.length - 1 ? parseIpv4(part) : null;
    if (dotted === null) return null;
    groups.push(readU16(dotted, 0), readU16(dotted, 2));
  }
  return groups;
}

function hasHostBits(bytes: Uint8Array, prefixLength: number): boolean {
  return bytes.some((octet, index) => {
    const kept = Math.max(0, Math.min(8, prefixLength - 8 * index));
    return (octet & (0xff >>> kept)) !== 0;
  });
}

function isIpv4Mapped(bytes: Uint8Array, offset: number): boolean {
  for (let index = 0; index < 10; index++) {
    if (bytes[offset + index] !== 0) return false;
  }
  return readU16(bytes, offset + 10) === 0xffff;
}

/** The first of the longest runs of zero groups. */
function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let length = 0;
  for (const [index, group] of groups.entries()) {
    length = group === 0 ? length + 1 : 0;
    if (length > best.length) best = { start: index + 1 - length, length };
  }
  return best;
}
