/**
 * The words of an address as numbers that are never an object.
 *
 * Not a hook (leading underscore). Rule: words have a sign. `Address.word` is unsigned, and from 2^31 on such a number takes an
 * object of 16 octets wherever V8 does not put the call in line: for a hook with much in it, at each packet.
 *
 * @module
 */

import type { Address } from 'firehook';

/** Word number `index` of an address, with its sign. Never allocates. */
export function wordOf(address: Address, index: number): number {
  const octet = index * 4;
  const high = (address.at(octet) << 24) | (address.at(octet + 1) << 16);
  return high | (address.at(octet + 2) << 8) | address.at(octet + 3);
}
