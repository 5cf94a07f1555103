/**
 * Bits of a key, which lies in four signed words, the most significant first.
 *
 * Floor 1. For whoever builds a table; a look-up takes the same bits from an address (prefix-table.ts).
 *
 * @module
 */

/** The 32 bits from bit `first` on, with a sign; behind the last word there are zeros. */
export function wordAtBit(w0: number, w1: number, w2: number, w3: number, first: number): number {
  const shift = first & 31;
  let high = w0;
  let low = w1;
  if (first >= 32) {
    high = first < 64 ? w1 : first < 96 ? w2 : first < 128 ? w3 : 0;
    low = first < 64 ? w2 : first < 96 ? w3 : 0;
  }
  return (high << shift) | ((low >>> 1) >>> (31 - shift));
}

/** `count` bits from bit `first` on, 1 to 30 of them, as a number from 0 on. */
export function bitsAt(w0: number, w1: number, w2: number, w3: number, first: number, count: number): number {
  return wordAtBit(w0, w1, w2, w3, first) >>> (32 - count);
}
