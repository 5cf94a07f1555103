/**
 * Slabs: sizes, overlap, order of reuse and the limit.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Slot } from '../../../src/firewall/slab.ts';
import { MAX_SLOT_OCTETS, SlabStore } from '../../../src/firewall/slab.ts';

const MEBIBYTE = 1024 * 1024;

function take(store: SlabStore, size: number): Slot {
  const slot = store.acquire(size);
  assert.ok(slot !== null);
  return slot;
}

function takeAll(store: SlabStore, size: number): Slot[] {
  const slots: Slot[] = [];
  for (let slot = store.acquire(size); slot !== null; slot = store.acquire(size)) slots.push(slot);
  return slots;
}

describe('a slot', () => {
  test('is never shorter than asked for, and wastes at most a third above 64 octets', () => {
    const store = new SlabStore(MEBIBYTE);
    for (let size = 1; size <= MAX_SLOT_OCTETS; size++) {
      const slot = take(store, size);
      assert.ok(slot.view.length >= size, `${size}`);
      if (size >= 64) assert.ok((slot.view.length - size) / slot.view.length < 1 / 3, `${size}`);
      store.release(slot);
    }
  });

  test('of a size class is exactly that long', () => {
    const store = new SlabStore(MEBIBYTE);
    for (let octets = 64; octets < MAX_SLOT_OCTETS; octets *= 2) {
      for (const size of [octets, octets * 1.5]) {
        const slot = take(store, size);
        assert.equal(slot.view.length, size);
        store.release(slot);
      }
    }
  });

  test('of a full Ethernet payload is 1,536 octets', () => {
    assert.equal(take(new SlabStore(MEBIBYTE), 1500).view.length, 1536);
  });

  test('shares no octet with another', () => {
    const slots = takeAll(new SlabStore(MEBIBYTE), 1000);
    for (const [i, slot] of slots.entries()) slot.view.fill(i & 0xff);
    for (const [i, slot] of slots.entries()) assert.ok(slot.view.every((octet) => octet === (i & 0xff)));
  });

  test('is zeros in a new slab, so nothing of the process shows through', () => {
    for (const slot of takeAll(new SlabStore(MEBIBYTE), 65_536)) assert.ok(slot.view.every((octet) => octet === 0));
  });

  test('comes back last: all the others of its size are taken before it', () => {
    const store = new SlabStore(MEBIBYTE);
    const slots = takeAll(store, 2048);
    for (const slot of slots) store.release(slot);
    assert.deepEqual(
      takeAll(store, 2048).map((slot) => slots.indexOf(slot)),
      slots.map((_, i) => i),
    );
  });

  test('has one view for the life of the slab', () => {
    const store = new SlabStore(65_536);
    const first = take(store, 65_536);
    const { view } = first;
    store.release(first);
    assert.equal(take(store, 60_000).view, view);
  });
});

describe('the limit', () => {
  test('is never passed, whatever the mix of sizes, and everything below it is handed out', () => {
    const limit = 1_000_003;
    const store = new SlabStore(limit);
    let inUse = 0;
    for (const size of [65_536, 2048, 1536, 96, 64]) {
      inUse += takeAll(store, size).length * size;
      assert.ok(store.reservedBytes <= limit);
      assert.ok(limit - inUse < size, 'a slot of this size would still fit');
    }
  });

  test('counts charges too', () => {
    const store = new SlabStore(1000);
    assert.equal(store.charge(937), true);
    assert.equal(store.acquire(64), null);
    assert.equal(store.charge(64), false);
    store.discharge(1);
    assert.ok(store.acquire(64) !== null);
    assert.equal(store.charge(1), false);
  });

  test('gives slabs without a user to another size, and only those', () => {
    const store = new SlabStore(MEBIBYTE);
    const small = takeAll(store, 64);
    assert.equal(store.acquire(65_536), null);
    const kept = small.pop();
    assert.ok(kept !== undefined);
    for (const slot of small) store.release(slot);
    kept.view.fill(0xaa);
    const large = takeAll(store, 65_536);
    assert.ok(large.length >= 14);
    for (const slot of large) slot.view.fill(0xbb);
    assert.ok(kept.view.every((octet) => octet === 0xaa));
    assert.ok(store.reservedBytes <= MEBIBYTE);
    for (const slot of large) store.release(slot);
    store.release(kept);
    assert.equal(takeAll(store, 64).length, MEBIBYTE / 64);
  });

  test('may be lowered below what is in use: nothing more is handed out until enough came back', () => {
    const store = new SlabStore(MEBIBYTE);
    const slots = takeAll(store, 65_536);
    store.limitBytes = 65_536;
    for (const slot of slots.slice(1)) store.release(slot);
    assert.equal(store.acquire(96), null);
    for (const slot of slots.slice(0, 1)) store.release(slot);
    assert.ok(store.acquire(96) !== null);
    assert.ok(store.reservedBytes <= 65_536);
  });

  test('lowered below what is reserved stops free slots too, and gives unused slabs back', () => {
    const store = new SlabStore(MEBIBYTE);
    const slot = take(store, 1500);
    store.limitBytes = 1535;
    assert.equal(store.acquire(1500), null);
    store.release(slot);
    assert.equal(store.acquire(1500), null);
    assert.ok(store.acquire(64) !== null);
    assert.ok(store.reservedBytes <= 1535);
  });

  test('of zero, or of no number, hands nothing out', () => {
    for (const limit of [0, 63, -1, Number.NaN]) {
      const store = new SlabStore(limit);
      assert.equal(store.acquire(1), null);
      assert.equal(store.charge(64), false);
      assert.equal(store.slabs, 0);
    }
  });
});
