/**
 * The index of addresses finds the interval that a walk along all of them finds.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { AddressIndex } from '../../../../hooks/_packet-filter/address-index.ts';
import { AddressView } from '../../../../src/hook/packet/address-view.ts';
import { Datagram, type OctetsOwner } from '../../../../src/hook/packet/datagram.ts';
import { IpLayout } from '../../../../src/wire/ip-layout.ts';
import * as ipv4 from '../../../../src/wire/ipv4.ts';
import * as ipv6 from '../../../../src/wire/ipv6.ts';

/** A datagram of which nothing is there but its source. */
const place: OctetsOwner & { bytes: Buffer } = { bytes: Buffer.alloc(0), isPartial: false, edit: () => place.bytes };
const datagram = new Datagram(place, new IpLayout(), null);
const view = new AddressView(datagram, true);

function bytesOf(number: bigint, length: number): Buffer {
  return Buffer.from(number.toString(16).padStart(2 * length, '0'), 'hex');
}

/** Addresses near each other, and near the ends of sixteen bits. */
function addresses(length: 4 | 16): fc.Arbitrary<bigint> {
  const word = fc.constantFrom<bigint>(0n, 1n, 0x7fffn, 0x8000n, 0xfffen, 0xffffn);
  return fc
    .array(word, { minLength: length / 2, maxLength: length / 2 })
    .map((words) => words.reduce((number, next) => (number << 16n) | next, 0n));
}

describe('an address has the answer of its interval', () => {
  for (const length of [4, 16] as const) {
    test(`with ${length} octets, for any cuts and any answers`, () => {
      const answers = fc.array(fc.nat(3), { minLength: 50, maxLength: 50 });
      fc.assert(
        fc.property(fc.array(addresses(length), { maxLength: 40 }), answers, (cuts, values) => {
          const starts = [...new Set([0n, ...cuts])].sort((a, b) => (a < b ? -1 : 1));
          const index = new AddressIndex(
            starts,
            Int32Array.from(starts, (_, at) => values[at] ?? 0),
            length,
          );
          const last = (1n << BigInt(8 * length)) - 1n;
          for (const address of starts.flatMap((start) => [start - 1n, start, start + 1n, start ^ 0x10000n])) {
            if (address < 0n || address > last) continue;
            place.bytes = bytesOf(address, length);
            datagram.layout.version = length === 4 ? 4 : 6;
            datagram.start = length === 4 ? -ipv4.SOURCE_OFFSET : -ipv6.SOURCE_OFFSET;
            const interval = starts.findLastIndex((start) => start <= address);
            assert.equal(index.find(view), values[interval], address.toString(16));
          }
        }),
        { numRuns: 1_000 },
      );
    });
  }
});
