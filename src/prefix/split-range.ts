/**
 * From a range of addresses to the fewest prefixes that cover it, and nothing else.
 *
 * Floor 1. For lists that write `192.0.2.5-192.0.2.9`. Control plane only: it counts in bigints.
 *
 * @module
 */

import type { Prefix } from '../wire/address.ts';

/**
 * The prefixes, in ascending order: at most 62 for IPv4, 254 for IPv6.
 *
 * @param first - 4 or 16 octets
 * @param last - as many, and not below `first`
 */
export function* splitRange(first: Uint8Array, last: Uint8Array): Generator<Prefix> {
  const bits = first.length * 8;
  const end = toNumber(last);
  for (let start = toNumber(first); start <= end; ) {
    // As wide as where it starts allows, and as what is left needs.
    let hostBits = 0;
    while (hostBits < bits && isLowBitZero(start, hostBits) && start + (1n << BigInt(hostBits + 1)) - 1n <= end)
      hostBits += 1;
    yield { bytes: toOctets(start, first.length), prefixLength: bits - hostBits };
    start += 1n << BigInt(hostBits);
  }
}

/** True when `octets` are not above `others`, which are as many. */
export function isOrdered(octets: Uint8Array, others: Uint8Array): boolean {
  return toNumber(octets) <= toNumber(others);
}

function isLowBitZero(number: bigint, bit: number): boolean {
  return ((number >> BigInt(bit)) & 1n) === 0n;
}

function toNumber(octets: Uint8Array): bigint {
  return octets.reduce((number, octet) => (number << 8n) | BigInt(octet), 0n);
}

function toOctets(number: bigint, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => Number((number >> BigInt(8 * (length - 1 - index))) & 0xffn));
}
