/**
 * The type of octets that hooks get: Node's `Buffer`, for those who have its declarations, and for everybody else.
 *
 * Floor 0, types alone. Rule: what a hook imports from `firehook` compiles without `@types/node`, which is the business of a hook's author.
 * So no public declaration names `Buffer`; it names {@link OctetBuffer}.
 *
 * @module
 */

type KnownBuffer = typeof globalThis extends { Buffer: { isBuffer(value: unknown): value is infer NodeBuffer } }
  ? NodeBuffer
  : Octets;

/**
 * A `Buffer`, to a compiler that knows Node.js (`@types/node`); to another one the part of it that {@link Octets} has.
 *
 * What comes at run time is always a `Buffer`. An interface, because an alias would be resolved where a type is inferred, and the name
 * `Buffer` would stand in the declarations.
 */
export interface OctetBuffer extends KnownBuffer {}

/** Offsets are in octets from the start; BE is network order. Reading or writing beyond the end throws a RangeError. */
export interface Octets extends Uint8Array {
  /** A view of the same octets. */
  subarray(start?: number, end?: number): Octets;
  /** Copies octets to another array; how many were copied. */
  copy(target: Uint8Array, targetStart?: number, sourceStart?: number, sourceEnd?: number): number;
  equals(other: Uint8Array): boolean;
  compare(other: Uint8Array): -1 | 0 | 1;
  /** Place of a number or of a text in UTF-8, of octets; -1 where there is none. */
  indexOf(value: number | string | Uint8Array, offset?: number): number;
  lastIndexOf(value: number | string | Uint8Array, offset?: number): number;
  includes(value: number | string | Uint8Array, offset?: number): boolean;
  /** As text: `utf8` (the default), `latin1`, `hex`, `base64` and the others that Node.js has. */
  toString(
    encoding?: 'utf8' | 'latin1' | 'ascii' | 'hex' | 'base64' | 'base64url' | 'utf16le',
    start?: number,
    end?: number,
  ): string;
  /** Writes text as UTF-8; how many octets were written. */
  write(text: string, offset?: number): number;
  readUInt8(offset?: number): number;
  readUInt16BE(offset?: number): number;
  readUInt16LE(offset?: number): number;
  readUInt32BE(offset?: number): number;
  readUInt32LE(offset?: number): number;
  readUIntBE(offset: number, length: number): number;
  readUIntLE(offset: number, length: number): number;
  readBigUInt64BE(offset?: number): bigint;
  readBigUInt64LE(offset?: number): bigint;
  readInt8(offset?: number): number;
  readInt16BE(offset?: number): number;
  readInt16LE(offset?: number): number;
  readInt32BE(offset?: number): number;
  readInt32LE(offset?: number): number;
  readIntBE(offset: number, length: number): number;
  readIntLE(offset: number, length: number): number;
  writeUInt8(value: number, offset?: number): number;
  writeUInt16BE(value: number, offset?: number): number;
  writeUInt16LE(value: number, offset?: number): number;
  writeUInt32BE(value: number, offset?: number): number;
  writeUInt32LE(value: number, offset?: number): number;
  writeUIntBE(value: number, offset: number, length: number): number;
  writeUIntLE(value: number, offset: number, length: number): number;
  writeBigUInt64BE(value: bigint, offset?: number): number;
  writeBigUInt64LE(value: bigint, offset?: number): number;
  writeInt8(value: number, offset?: number): number;
  writeInt16BE(value: number, offset?: number): number;
  writeInt16LE(value: number, offset?: number): number;
  writeInt32BE(value: number, offset?: number): number;
  writeInt32LE(value: number, offset?: number): number;
  writeIntBE(value: number, offset: number, length: number): number;
  writeIntLE(value: number, offset: number, length: number): number;
}
