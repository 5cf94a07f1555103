/**
 * The pool against a model: any sequence of right and wrong calls, with a model of plain sets and sums beside it.
 *
 * After each step: the books are the model's, a misuse was refused with the code the model expects, and no two live
 * allocations share an octet.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ErrorCode } from '../../../src/errors.ts';
import { isFirehookError } from '../../../src/errors.ts';
import { NonPagedPool, SIZEOF_IPRCVBUF } from '../../../src/firewall/constants.ts';
import { IPRcvBuf } from '../../../src/firewall/ip-rcv-buf.ts';
import { Pool } from '../../../src/firewall/pool.ts';

const LIMIT_BYTES = 400_000;
const OWNERS = [-1, 0, 1];

interface Piece {
  /** The memory the piece may write to: the slot for data, the block itself for a block. */
  readonly memory: Buffer | null;
  readonly octets: number;
  readonly tag: string;
  owner: number;
}

interface ModelDescriptor {
  live: boolean;
  lent: boolean;
  readonly piece: Piece;
  data: Piece | null;
}

class Model {
  readonly pool = new Pool(LIMIT_BYTES);
  readonly descriptors = new Map<IPRcvBuf, ModelDescriptor>();
  readonly blocks = new Map<Buffer, Piece>();
  readonly freedBlocks: Buffer[] = [];
  readonly pieces = new Set<Piece>();
  readonly allocs = new Map<string, number>();
  faults = 0;
  leaked = 0;

  add(piece: Piece): Piece {
    this.pieces.add(piece);
    this.allocs.set(piece.tag, (this.allocs.get(piece.tag) ?? 0) + 1);
    return piece;
  }

  of(descriptor: unknown): ModelDescriptor | undefined {
    return descriptor instanceof IPRcvBuf ? this.descriptors.get(descriptor) : undefined;
  }

  /** What a DDK call on this one descriptor has to be refused with. */
  refusal(descriptor: unknown, whenFreed: ErrorCode): ErrorCode | null {
    const model = this.of(descriptor);
    if (model === undefined) return 'FIREHOOK_POOL_STRANGER';
    if (!model.live) return whenFreed;
    return model.lent && this.pool.owner !== -1 ? 'FIREHOOK_POOL_STRANGER' : null;
  }

  members(head: IPRcvBuf): { list: IPRcvBuf[]; cyclic: boolean } {
    const list: IPRcvBuf[] = [];
    for (let at: IPRcvBuf | null = head; at !== null; at = at.ipr_next) {
      if (list.includes(at)) return { list, cyclic: true };
      list.push(at);
    }
    return { list, cyclic: false };
  }

  chainRefusal(head: IPRcvBuf): ErrorCode | null {
    const first = this.refusal(head, 'FIREHOOK_POOL_DOUBLE_FREE');
    if (first !== null) return first;
    const { list, cyclic } = this.members(head);
    if (cyclic) return 'FIREHOOK_POOL_DOUBLE_FREE';
    for (const member of list) {
      const refusal = this.refusal(member, 'FIREHOOK_POOL_USE_AFTER_FREE');
      if (refusal !== null) return refusal;
    }
    for (const member of list) {
      const buffer = member.ipr_buffer;
      const isOwn = buffer === (this.of(member)?.data?.memory ?? undefined);
      const twice = list.some((other) => other !== member && buffer !== null && other.ipr_buffer === buffer);
      if (!isOwn && twice) return 'FIREHOOK_POOL_DOUBLE_FREE';
    }
    return null;
  }

  dropData(model: ModelDescriptor): void {
    if (model.data !== null) this.pieces.delete(model.data);
    model.data = null;
  }

  drop(model: ModelDescriptor): void {
    model.live = false;
    this.pieces.delete(model.piece);
  }

  dropChain(list: IPRcvBuf[]): void {
    for (const member of list) {
      const model = this.of(member);
      if (model === undefined) continue;
      this.dropData(model);
      this.drop(model);
    }
  }

  /** Runs a call that has to be refused with `code`, or to succeed when it is null. */
  expect(code: ErrorCode | null, call: () => void): boolean {
    if (code === null) {
      call();
      return true;
    }
    this.faults++;
    assert.throws(call, (error) => isFirehookError(error) && error.code === code);
    return false;
  }

  check(): void {
    const { pool } = this;
    const totals = pool.totals();
    let bytes = 0;
    for (const row of pool.usage()) {
      const live = [...this.pieces].filter((piece) => piece.tag === row.tag);
      const rowBytes = live.reduce((sum, piece) => sum + piece.octets, 0);
      assert.equal(row.diff, live.length, row.tag);
      assert.equal(row.bytes, rowBytes, row.tag);
      assert.equal(row.allocs, this.allocs.get(row.tag) ?? 0, row.tag);
      assert.equal(row.frees, row.allocs - row.diff, row.tag);
      assert.equal(row.perAlloc, live.length === 0 ? 0 : Math.floor(rowBytes / live.length), row.tag);
      bytes += rowBytes;
    }
    assert.equal(totals.bytesInUse, bytes);
    assert.equal(totals.faultsTotal, this.faults);
    assert.equal(totals.leakedTotal, this.leaked);
    const liveDescriptors = [...this.descriptors.values()].filter((model) => model.live).length;
    assert.ok(totals.reservedBytes + liveDescriptors * SIZEOF_IPRCVBUF <= LIMIT_BYTES);
    let faults = 0;
    for (const owner of OWNERS) {
      const usage = pool.ownerUsage(owner);
      const own = [...this.pieces].filter((piece) => piece.owner === owner);
      assert.equal(usage.outstanding, own.length);
      assert.equal(
        usage.bytes,
        own.reduce((sum, piece) => sum + piece.octets, 0),
      );
      faults += usage.faults;
    }
    assert.equal(faults, this.faults);
    this.checkNoSharedOctet();
  }

  checkNoSharedOctet(): void {
    const memories = [...this.pieces].flatMap(({ memory }) => (memory === null ? [] : [memory]));
    for (const [i, a] of memories.entries()) {
      for (const b of memories.slice(i + 1)) {
        const apart =
          a.buffer !== b.buffer || a.byteOffset + a.length <= b.byteOffset || b.byteOffset + b.length <= a.byteOffset;
        assert.ok(apart, 'two live allocations share memory');
      }
    }
  }
}

type Step = (model: Model) => void;

/** Picks a descriptor by number among all that ever were, freed ones included. */
function withDescriptor(model: Model, pick: number, use: (descriptor: IPRcvBuf, known: ModelDescriptor) => void): void {
  const all = [...model.descriptors];
  const entry = all[pick % all.length];
  if (entry !== undefined) use(...entry);
}

const size = fc.oneof(
  fc.integer({ min: -1, max: 200 }),
  fc.integer({ min: 1, max: 70_000 }),
  fc.constantFrom(0.5, 1500),
);
const pick = fc.nat(1000);

const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.constantFrom(...OWNERS).map(
    (owner): Step =>
      (model) => {
        model.pool.owner = owner;
      },
  ),
  fc.constantFrom('fPCT', 'Fred', 0x41).map(
    (tag): Step =>
      (model) => {
        const made = model.pool.allocate(NonPagedPool, SIZEOF_IPRCVBUF, tag);
        if (made === null) return;
        assert.ok(made instanceof IPRcvBuf && !model.descriptors.has(made));
        const shown = tag === 'fPCT' ? 'TCPf' : tag === 'Fred' ? 'derF' : 'A';
        const piece = model.add({ memory: null, octets: SIZEOF_IPRCVBUF, tag: shown, owner: model.pool.owner });
        model.descriptors.set(made, { live: true, lent: false, piece, data: null });
      },
  ),
  fc.tuple(pick, size).map(
    ([which, octets]): Step =>
      (model) => {
        withDescriptor(model, which, (descriptor, known) => {
          const { ipr_next } = descriptor;
          const refusal = model.refusal(descriptor, 'FIREHOOK_POOL_USE_AFTER_FREE');
          model.expect(refusal, () => {
            const result = model.pool.allocateBuffer(descriptor, octets);
            if (known.data !== null) model.faults++;
            const mayServe = known.data === null && Number.isInteger(octets) && octets >= 1 && octets <= 65_535;
            if (!mayServe) assert.equal(result, 0);
            if (result !== 1) return;
            assert.equal(descriptor.ipr_size, octets);
            assert.ok(descriptor.ipr_buffer !== null && descriptor.ipr_buffer.length >= octets);
            known.data = model.add({ memory: descriptor.ipr_buffer, octets, tag: 'TCPb', owner: model.pool.owner });
          });
          if (known.live) assert.equal(descriptor.ipr_next, ipr_next);
        });
      },
  ),
  pick.map(
    (which): Step =>
      (model) => {
        withDescriptor(model, which, (descriptor, known) => {
          let refusal = model.refusal(descriptor, 'FIREHOOK_POOL_USE_AFTER_FREE');
          if (refusal === null && known.data === null) refusal = 'FIREHOOK_POOL_DOUBLE_FREE';
          if (model.expect(refusal, () => model.pool.freeBuffer(descriptor))) model.dropData(known);
        });
      },
  ),
  pick.map(
    (which): Step =>
      (model) => {
        withDescriptor(model, which, (descriptor, known) => {
          if (!model.expect(model.refusal(descriptor, 'FIREHOOK_POOL_DOUBLE_FREE'), () => model.pool.free(descriptor)))
            return;
          if (known.data !== null) model.leaked++;
          known.data = null;
          model.drop(known);
        });
      },
  ),
  pick.map(
    (which): Step =>
      (model) => {
        withDescriptor(model, which, (head) => {
          const { list } = model.members(head);
          if (model.expect(model.chainRefusal(head), () => model.pool.freeChain(head))) model.dropChain(list);
        });
      },
  ),
  fc.tuple(pick, fc.boolean()).map(
    ([which, adopt]): Step =>
      (model) => {
        withDescriptor(model, which, (head) => {
          const { list, cyclic } = model.members(head);
          const good = !cyclic && list.every((member) => model.of(member)?.live === true);
          assert.equal(adopt ? model.pool.adopt(head) : model.pool.release(head), good);
          if (!good) return;
          if (!adopt) return model.dropChain(list);
          for (const member of list) {
            const known = model.of(member);
            if (known === undefined) continue;
            known.lent = true;
            known.piece.owner = -1;
            if (known.data !== null) known.data.owner = -1;
          }
        });
      },
  ),
  fc.tuple(pick, pick).map(
    ([from, to]): Step =>
      (model) => {
        withDescriptor(model, from, (a) => {
          withDescriptor(model, to, (b) => {
            a.ipr_next = to % 7 === 0 ? null : b;
          });
        });
      },
  ),
  fc.tuple(pick, pick, fc.nat(3)).map(
    ([which, other, how]): Step =>
      (model) => {
        withDescriptor(model, which, (descriptor) => {
          if (how === 0) descriptor.ipr_buffer = null;
          if (how === 1) descriptor.ipr_size = 1e9;
          if (how === 2) descriptor.ipr_buffer = Buffer.alloc(3);
          if (how === 3) withDescriptor(model, other, (b) => Object.assign(descriptor, { ipr_buffer: b.ipr_buffer }));
        });
      },
  ),
  size.map(
    (octets): Step =>
      (model) => {
        if (octets === SIZEOF_IPRCVBUF) return;
        const made = model.pool.allocate(NonPagedPool, octets, 'kooH');
        if (!Number.isInteger(octets) || octets < 1 || octets > 65_536) assert.equal(made, null);
        if (made === null) return;
        assert.ok(made instanceof Buffer && made.length === octets);
        model.blocks.set(made, model.add({ memory: made, octets, tag: 'Hook', owner: model.pool.owner }));
      },
  ),
  pick.map(
    (which): Step =>
      (model) => {
        const live = [...model.blocks];
        const entry = live[which % live.length];
        if (entry !== undefined) {
          model.pool.free(entry[0]);
          model.pieces.delete(entry[1]);
          model.blocks.delete(entry[0]);
          model.freedBlocks.push(entry[0]);
        }
        const freed = model.freedBlocks[which % model.freedBlocks.length];
        if (freed !== undefined) model.expect('FIREHOOK_POOL_DOUBLE_FREE', () => model.pool.free(freed));
      },
  ),
  pick.map(
    (which): Step =>
      (model) => {
        withDescriptor(model, which, (descriptor) => {
          const copy = Object.assign(new IPRcvBuf(), descriptor);
          model.expect('FIREHOOK_POOL_STRANGER', () => model.pool.freeChain(copy));
          model.expect('FIREHOOK_POOL_STRANGER', () => model.pool.free({ ...descriptor } as IPRcvBuf));
        });
      },
  ),
);

test('books always add up, misuse is always refused, and live allocations never share an octet', () => {
  fc.assert(
    fc.property(fc.array(steps, { minLength: 20, maxLength: 120, size: 'max' }), (sequence) => {
      const model = new Model();
      for (const step of sequence) {
        step(model);
        model.check();
      }
    }),
    { numRuns: 200 },
  );
});
