/**
 * IPRcvBuf and the walks over chains: every cut of a datagram, and everything a careless hook can leave behind.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  chainLength,
  gatherChain,
  IPRcvBuf,
  isCyclic,
  isIPRcvBuf,
  recordOf,
} from '../../../src/firewall/ip-rcv-buf.ts';

function chainOf(...pieces: Uint8Array[]): IPRcvBuf {
  let head: IPRcvBuf | null = null;
  for (const piece of pieces.toReversed()) {
    const descriptor = new IPRcvBuf();
    descriptor.ipr_buffer = Buffer.from(piece);
    descriptor.ipr_size = piece.length;
    descriptor.ipr_next = head;
    head = descriptor;
  }
  assert.ok(head !== null);
  return head;
}

/** 28 octets that all differ: as long as an IPv4 and a UDP header. */
const DATAGRAM = Buffer.from(Array.from({ length: 28 }, (_, i) => i + 1));

function gathered(head: IPRcvBuf): Buffer {
  const target = Buffer.alloc(64);
  const length = gatherChain(head, target, 0);
  return target.subarray(0, length);
}

describe('IPRcvBuf', () => {
  test('has the nine members by their published names, in their order, and no other (HDR-RCVBUF-1)', () => {
    assert.deepEqual(Object.keys(new IPRcvBuf()), [
      'ipr_next',
      'ipr_owner',
      'ipr_buffer',
      'ipr_size',
      'ipr_pMdl',
      'ipr_pClientCnt',
      'ipr_RcvContext',
      'ipr_RcvOffset',
      'ipr_flags',
    ]);
  });

  test('is recognised by what it is, not by what it looks like', () => {
    const real = new IPRcvBuf();
    assert.equal(isIPRcvBuf(real), true);
    assert.equal(recordOf(real), null);
    for (const other of [{ ...real }, Object.create(IPRcvBuf.prototype), new Proxy(real, {}), null, undefined, 7]) {
      assert.equal(isIPRcvBuf(other), false);
      assert.equal(recordOf(other), undefined);
    }
  });
});

describe('a valid chain', () => {
  const cuts: [string, IPRcvBuf][] = [
    ['one buffer', chainOf(DATAGRAM)],
    ['the header alone in the first buffer', chainOf(DATAGRAM.subarray(0, 20), DATAGRAM.subarray(20))],
    ['a header cut in the middle', chainOf(DATAGRAM.subarray(0, 9), DATAGRAM.subarray(9, 23), DATAGRAM.subarray(23))],
    ['buffers of one octet', chainOf(...Array.from(DATAGRAM, (octet) => Buffer.of(octet)))],
    [
      'descriptors of size zero',
      chainOf(Buffer.alloc(0), DATAGRAM.subarray(0, 20), Buffer.alloc(0), DATAGRAM.subarray(20)),
    ],
  ];
  for (const [cut, chain] of cuts) {
    test(`adds up and gathers to the datagram: ${cut}`, () => {
      assert.equal(chainLength(chain), DATAGRAM.length);
      assert.deepEqual(gathered(chain), DATAGRAM);
    });
  }

  test('gathers to the datagram for any cut (DOC-CE-1, HDR-RCVBUF-2, HDR-RCVBUF-4)', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 20 }), { minLength: 1, maxLength: 40 }), (pieces) => {
        const whole = Buffer.concat(pieces);
        const target = Buffer.alloc(whole.length);
        assert.equal(gatherChain(chainOf(...pieces), target, 0), whole.length);
        assert.deepEqual(target, whole);
      }),
    );
  });

  test('may have a descriptor without a buffer when its size is zero', () => {
    const chain = chainOf(DATAGRAM);
    chain.ipr_next = new IPRcvBuf();
    assert.equal(chainLength(chain), 28);
    assert.deepEqual(gathered(chain), DATAGRAM);
  });

  test('counts ipr_size, not the longer buffer (HDR-RCVBUF-5)', () => {
    const chain = chainOf(DATAGRAM);
    chain.ipr_size = 5;
    assert.equal(chainLength(chain), 5);
    assert.deepEqual(gathered(chain), DATAGRAM.subarray(0, 5));
  });
});

describe('gatherChain', () => {
  test('starts at the offset and touches nothing around', () => {
    const target = Buffer.alloc(32, 0xee);
    assert.equal(gatherChain(chainOf(DATAGRAM), target, 2), 28);
    assert.deepEqual(target, Buffer.concat([Buffer.alloc(2, 0xee), DATAGRAM, Buffer.alloc(2, 0xee)]));
  });

  test('leaves the target alone when the chain does not fit or the offset is wrong', () => {
    for (const offset of [5, 33, -1, 0.5, Number.NaN]) {
      const target = Buffer.alloc(32, 0xee);
      assert.equal(gatherChain(chainOf(DATAGRAM), target, offset), -1);
      assert.deepEqual(target, Buffer.alloc(32, 0xee));
    }
  });
});

describe('an invalid chain', () => {
  const broken: [string, (chain: IPRcvBuf) => void][] = [
    ['a size larger than the buffer', (chain) => Object.assign(chain, { ipr_size: 29 })],
    ['a negative size', (chain) => Object.assign(chain, { ipr_size: -1 })],
    ['a size that is no integer', (chain) => Object.assign(chain, { ipr_size: 1.5 })],
    ['a size that is not a number', (chain) => Object.assign(chain, { ipr_size: '28' })],
    ['a size without a buffer', (chain) => Object.assign(chain, { ipr_buffer: null })],
    [
      'a buffer that only looks like one',
      (chain) => Object.assign(chain, { ipr_buffer: Object.create(Buffer.prototype as object) as Buffer }),
    ],
    ['a buffer that is a bare Uint8Array', (chain) => Object.assign(chain, { ipr_buffer: new Uint8Array(28) })],
    ['a buffer that is a plain object', (chain) => Object.assign(chain, { ipr_buffer: { length: 99 } })],
    ['a next that is a plain object', (chain) => Object.assign(chain, { ipr_next: { ...new IPRcvBuf() } })],
    ['a next that is undefined', (chain) => Object.assign(chain, { ipr_next: undefined })],
    ['a next that is itself', (chain) => Object.assign(chain, { ipr_next: chain })],
    ['a freed member', (chain) => Object.assign(chain, { ipr_next: new IPRcvBuf({ live: false }) })],
  ];
  for (const [fault, breakIt] of broken) {
    test(`is answered with -1 and copies nothing: ${fault}`, () => {
      const chain = chainOf(DATAGRAM);
      breakIt(chain);
      const target = Buffer.alloc(64, 0xee);
      assert.equal(chainLength(chain), -1);
      assert.equal(gatherChain(chain, target, 0), -1);
      assert.deepEqual(target, Buffer.alloc(64, 0xee));
    });
  }

  test('is answered with -1 when there is no chain', () => {
    assert.equal(chainLength(null), -1);
    assert.equal(gatherChain(null, Buffer.alloc(1), 0), -1);
  });

  test('is known for a cycle of any length behind a tail of any length', () => {
    for (let tail = 0; tail < 12; tail++) {
      for (let loop = 1; loop < 12; loop++) {
        const members = Array.from({ length: tail + loop }, () => new IPRcvBuf());
        for (const [i, member] of members.entries()) member.ipr_next = members[i + 1] ?? members[tail] ?? null;
        assert.equal(isCyclic(members[0]), true, `${tail} + ${loop}`);
        assert.equal(chainLength(members[0] ?? null), -1);
      }
    }
  });

  test('is not suspected for a straight chain of any length', () => {
    for (let length = 1; length < 70; length++) {
      assert.equal(isCyclic(chainOf(...Array.from({ length }, () => DATAGRAM))), false);
    }
  });
});
