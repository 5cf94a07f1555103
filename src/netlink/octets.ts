/**
 * Numbers and names as netlink writes them, and the attributes they travel in.
 *
 * ```
 *   attribute = length (2) type (2) value, filled up to a multiple of 4; lengths and types in the order of this machine
 * ```
 * Rule: pure, and what is read is checked against the bounds first: what the kernel of tomorrow sends must not be misread.
 * rtnetlink writes its numbers in the order of this machine, nf_tables in network order.
 *
 * @see netlink(7)
 * @module
 */

import os from 'node:os';

const IS_LITTLE = os.endianness() === 'LE';
/** Header of an attribute, in octets. */
const ATTRIBUTE_HEADER = 4;
/** The value of the attribute is a list of attributes. */
const NESTED = 0x8000;
/** What of the type is the type: the two upper bits say how it is written. */
const TYPE_MASK = 0x3fff;

/** Attributes by type; where one comes more than once, the last. */
export type Attributes = ReadonlyMap<number, Uint8Array>;

/** One octet. */
export function u8(value: number): Uint8Array {
  return Uint8Array.of(value);
}

/** 16 bits in the order of this machine. */
export function u16(value: number): Uint8Array {
  const bytes = new Uint8Array(2);
  view(bytes).setUint16(0, value, IS_LITTLE);
  return bytes;
}

/** 32 bits in the order of this machine; a negative number as its two's complement. */
export function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  view(bytes).setUint32(0, value, IS_LITTLE);
  return bytes;
}

/** 16 bits in network order. */
export function be16(value: number): Uint8Array {
  const bytes = new Uint8Array(2);
  view(bytes).setUint16(0, value);
  return bytes;
}

/** 32 bits in network order; a negative number as its two's complement. */
export function be32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  view(bytes).setUint32(0, value);
  return bytes;
}

/** 64 bits in network order. */
export function be64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  view(bytes).setBigUint64(0, BigInt(value));
  return bytes;
}

/** Octets written as hexadecimal digits. */
export function hex(digits: string): Uint8Array {
  return Uint8Array.from(Buffer.from(digits, 'hex'));
}

/** A text and the zero that ends it. */
export function text(value: string): Uint8Array {
  return Uint8Array.from(Buffer.from(`${value}\0`));
}

/** All parts in one. */
export function join(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

/** The next multiple of 4. */
export function align(length: number): number {
  return (length + 3) & ~3;
}

/** An attribute with a value of one or more parts. */
export function attribute(type: number, ...value: readonly Uint8Array[]): Uint8Array {
  const content = join(value);
  const length = ATTRIBUTE_HEADER + content.length;
  const bytes = new Uint8Array(align(length));
  view(bytes).setUint16(0, length, IS_LITTLE);
  view(bytes).setUint16(2, type, IS_LITTLE);
  bytes.set(content, ATTRIBUTE_HEADER);
  return bytes;
}

/** An attribute whose value is a list of attributes. */
export function nested(type: number, ...attributes: readonly Uint8Array[]): Uint8Array {
  return attribute(type | NESTED, ...attributes);
}

/**
 * A list of attributes in their order. What is shorter than it says ends the list.
 *
 * @param bytes - the list; undefined for one that is not there
 */
export function readAttributeList(bytes: Uint8Array | undefined): [type: number, value: Uint8Array][] {
  const found: [number, Uint8Array][] = [];
  if (bytes === undefined) return found;
  for (let offset = 0; offset + ATTRIBUTE_HEADER <= bytes.length; ) {
    const length = view(bytes).getUint16(offset, IS_LITTLE);
    if (length < ATTRIBUTE_HEADER || offset + length > bytes.length) break;
    const type = view(bytes).getUint16(offset + 2, IS_LITTLE) & TYPE_MASK;
    found.push([type, bytes.subarray(offset + ATTRIBUTE_HEADER, offset + length)]);
    offset += align(length);
  }
  return found;
}

/** A list of attributes by type; see {@link readAttributeList}. */
export function readAttributes(bytes: Uint8Array | undefined): Attributes {
  return new Map(readAttributeList(bytes));
}

/** 8 bits; 0 where there are none. */
export function readU8(bytes: Uint8Array | undefined, offset = 0): number {
  return bytes?.[offset] ?? 0;
}

/** 16 bits in the order of this machine; 0 where they are not all there. */
export function readU16(bytes: Uint8Array | undefined, offset = 0): number {
  return bytes === undefined || bytes.length < offset + 2 ? 0 : view(bytes).getUint16(offset, IS_LITTLE);
}

/** 32 bits in the order of this machine; 0 where they are not all there. */
export function readU32(bytes: Uint8Array | undefined, offset = 0): number {
  return bytes === undefined || bytes.length < offset + 4 ? 0 : view(bytes).getUint32(offset, IS_LITTLE);
}

/** 32 bits in the order of this machine, with a sign; 0 where they are not all there. */
export function readI32(bytes: Uint8Array | undefined, offset = 0): number {
  return readU32(bytes, offset) | 0;
}

/** 32 bits in network order; 0 where they are not all there. */
export function readBe32(bytes: Uint8Array | undefined, offset = 0): number {
  return bytes === undefined || bytes.length < offset + 4 ? 0 : view(bytes).getUint32(offset);
}

/** 64 bits in network order, as a number; 0 where they are not all there. */
export function readBe64(bytes: Uint8Array | undefined, offset = 0): number {
  return bytes === undefined || bytes.length < offset + 8 ? 0 : Number(view(bytes).getBigUint64(offset));
}

/** A text, with or without the zero that ends it; '' where there is none. */
export function readText(bytes: Uint8Array | undefined): string {
  if (bytes === undefined) return '';
  const end = bytes.indexOf(0);
  return Buffer.from(end === -1 ? bytes : bytes.subarray(0, end)).toString();
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
