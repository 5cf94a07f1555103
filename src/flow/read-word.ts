/**
 * Four octets as a signed word.
 *
 * Floor 1. Why not `readU32`: a number from 2^31 on is boxed when it is returned by a function that the compiler does not
 * inline, and whether it inlines depends on what else is there. A signed word is never boxed.
 *
 * @module
 */

/** Reads four octets in network order as a number from -2^31 to 2^31 - 1. Cost: no allocation, ever. */
export function readWord(bytes: Uint8Array, offset: number): number {
  return (
    ((bytes[offset] as number) << 24) |
    ((bytes[offset + 1] as number) << 16) |
    ((bytes[offset + 2] as number) << 8) |
    (bytes[offset + 3] as number)
  );
}
