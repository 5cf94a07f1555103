/**
 * Unsigned integers in network byte order, read and written in place.
 *
 * Floor 0. By byte index and not through a DataView or `readUInt16BE`: measured fastest, and it takes any Uint8Array.
 * Rule: nothing is checked here. The codec that calls has checked that the octets are there; past the end, readers
 * yield 0 octets and writers do nothing.
 *
 * @module
 */

/** Reads one octet. Cost: no allocation. */
export function readU8(bytes: Uint8Array, offset: number): number {
  return (bytes[offset] as number) | 0;
}

/** Reads two octets as a number from 0 to 65535. Cost: no allocation. */
export function readU16(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] as number) << 8) | (bytes[offset + 1] as number);
}

/**
 * Reads four octets as a number with a sign, from -2^31 to 2^31 - 1. Cost: no allocation, ever: for the packet path.
 */
export function readWord(bytes: Uint8Array, offset: number): number {
  return (
    ((bytes[offset] as number) << 24) |
    ((bytes[offset + 1] as number) << 16) |
    ((bytes[offset + 2] as number) << 8) |
    (bytes[offset + 3] as number)
  );
}

/**
 * Reads four octets as a number from 0 to 4294967295. Cost: from 2^31 on 16 octets of heap wherever V8 does not put the call in line, which
 * depends on what else is there.
 */
export function readU32(bytes: Uint8Array, offset: number): number {
  return (
    (((bytes[offset] as number) << 24) |
      ((bytes[offset + 1] as number) << 16) |
      ((bytes[offset + 2] as number) << 8) |
      (bytes[offset + 3] as number)) >>>
    0
  );
}

/** Writes the low 16 bits of `value`. */
export function writeU16(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 8;
  bytes[offset + 1] = value;
}

/** Writes the low 32 bits of `value`. */
export function writeU32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 24;
  bytes[offset + 1] = value >>> 16;
  bytes[offset + 2] = value >>> 8;
  bytes[offset + 3] = value;
}
