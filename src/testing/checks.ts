/**
 * Checks on a datagram, to be put together in the assertions of `assertions.ts`.
 *
 * ```ts
 * assertForwarded(outcome, fields({ destination: '192.0.2.7', ip: { ttl: 63 } }), differsOnlyIn(sent, 'destination', 'ip.ttl'))
 * ```
 * Rule: a check is a plain function that says in words what is wrong; it throws nothing. All checks of an assertion run before it fails.
 *
 * @module
 */

import type { OctetBuffer } from '../wire/octet-buffer.ts';
import { type PacketFields, readPacket } from './read-packet.ts';

/** Says what is wrong with a datagram, one sentence each; nothing where all is right. */
export type PacketCheck = (datagram: OctetBuffer) => readonly string[];

/** What fields are to be: all that are named; a text also as a regular expression, octets also as text. */
export type FieldPattern<Value> =
  | (Value extends string ? RegExp : never)
  | (Value extends Uint8Array ? string | Uint8Array : never)
  | (Value extends Uint8Array
      ? never
      : Value extends object
        ? { readonly [Key in keyof Value]?: FieldPattern<Value[Key]> }
        : Value);

/** The fields that are named have these values. */
export function fields(expected: FieldPattern<PacketFields>): PacketCheck {
  return (datagram) => {
    const packet = readPacket(datagram);
    return packet === null ? ['no well-formed datagram'] : mismatches(expected, packet, '');
  };
}

/** It has these octets, all of them. */
export function sameAs(datagram: Uint8Array): PacketCheck {
  return (other) => (other.equals(datagram) ? [] : differences(datagram, other, []));
}

/**
 * It is like another one, but for the fields that are named, as `ip.ttl` or `destination`: those must differ. Checksums may always differ, and
 * have to be right where they were.
 */
export function differsOnlyIn(datagram: Uint8Array, ...names: readonly string[]): PacketCheck {
  return (other) => differences(datagram, other, names);
}

function differences(datagram: Uint8Array, other: OctetBuffer, names: readonly string[]): string[] {
  const before = readPacket(datagram);
  const after = readPacket(other);
  if (before === null || after === null) return ['no well-formed datagram'];
  const was = leaves(before, '');
  const is = leaves(after, '');
  const paths = [...new Set([...was.keys(), ...is.keys()])];
  const changed = paths.filter((path) => was.get(path) !== is.get(path));
  const unasked = changed.filter((path) => !names.some((name) => path === name || path.startsWith(`${name}.`)));
  const problems = unasked.map(
    (path) => `${path}: was ${was.get(path) ?? 'not there'}, is ${is.get(path) ?? 'not there'}`,
  );
  for (const name of names)
    if (!changed.some((path) => path === name || path.startsWith(`${name}.`))) problems.push(`${name}: is as it was`);
  if (problems.length > 0 || names.length > 0) return problems;
  return changed.length > 0 ? problems : ['other octets, in what no field shows'];
}

/** Every value with the way to it; the payload once, as hexadecimal digits. */
function leaves(value: unknown, path: string): Map<string, string> {
  if (value instanceof Uint8Array) return new Map([[path, Buffer.from(value).toString('hex')]]);
  if (typeof value !== 'object' || value === null) return new Map([[path, String(value)]]);
  const below = Object.entries(value).filter(([key]) => key !== 'text');
  return new Map(below.flatMap(([key, one]) => [...leaves(one, path === '' ? key : `${path}.${key}`)]));
}

function mismatches(expected: unknown, actual: unknown, path: string): string[] {
  if (expected instanceof RegExp) return expected.test(String(actual)) ? [] : [wrong(path, String(expected), actual)];
  if (actual instanceof Uint8Array) {
    const octets = Buffer.from(expected as Uint8Array);
    return octets.equals(actual) ? [] : [wrong(path, octets, actual)];
  }
  if (typeof expected !== 'object' || expected === null || typeof actual !== 'object' || actual === null)
    return Object.is(expected, actual) ? [] : [wrong(path, expected, actual)];
  return Object.entries(expected).flatMap(([key, one]) =>
    mismatches(one, (actual as Record<string, unknown>)[key], path === '' ? key : `${path}.${key}`),
  );
}

function wrong(path: string, expected: unknown, actual: unknown): string {
  return `${path}: expected ${shown(expected)}, got ${shown(actual)}`;
}

function shown(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex') || 'no octets';
  return typeof value === 'object' && value !== null ? 'something' : String(value);
}
