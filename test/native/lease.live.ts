/**
 * The thread that holds the lease: the fence is open only while the kernel certainly withholds what arrives.
 *
 * Not a test file by itself: `addon.test.ts` and `asan.test.ts` run it in a namespace with `p0` and `q0`. With a path as its
 * argument it takes the addon from there.
 *
 * Rule: where a test asks whether the lease was ended, its elements would live for a minute: only the batch that ends it, not
 * the time, can have emptied the set.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { loadNative } from '../../src/native/load-native.ts';
import type { NativeLease, NativeModule, NativeNetlink } from '../../src/native/native.d.ts';
import { waitFor } from '../support/wait-for.ts';
import {
  batch,
  deleteTable,
  dumpElements,
  dumpLinks,
  errorsOf,
  type LeasePort,
  lapse,
  NETLINK_NETFILTER,
  NETLINK_ROUTE,
  NFT_MSG_NEWSETELEM,
  newSet,
  newTable,
  OWNED,
  RTNLGRP_LINK,
  readAttributes,
  readMessages,
  renewal,
} from './netlink-messages.ts';

const ENOENT = 2;
const EPERM = 1;
const MINUTE_MS = 60_000;
const PATIENCE_MS = 30_000;
const NONE = new Uint8Array(0);
const WRONG = [undefined, null, -1, 0.5, 'x', {}, [], () => undefined, Symbol('x'), 1n];

type Anything = (...args: unknown[]) => unknown;

const file = process.argv[2];
const addon = file ?? new URL('../../src/native/build/Release/firehook.node', import.meta.url).pathname;
const native = file === undefined ? loadNative() : (createRequire(import.meta.url)(file) as NativeModule);

interface State {
  readonly held: boolean;
  readonly epoch: number;
  readonly renewals: number;
  readonly refusals: number;
  readonly lastErrno: number;
  readonly longestGapMs: number;
  readonly lapses: number;
  readonly lanesMs: readonly number[];
}

/** A lease over a port, with a lane that moves and a main loop that lives until the test says otherwise. */
interface Rig {
  readonly netlink: NativeNetlink;
  readonly other: NativeNetlink;
  readonly lease: NativeLease;
  readonly port: LeasePort;
  readonly fence: number;
  readonly lane: number;
  /** What renews and what ends it. */
  readonly batches: readonly [Buffer, Buffer];
  /** Calls of `onChange`. */
  changes(): number;
  /** The lane's packet path gets on, or does not. */
  letLaneMove(moves: boolean): void;
  beat(beats: boolean): void;
}

let tables = 0;
const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function rig(timeoutMs = MINUTE_MS): Promise<Rig> {
  tables += 1;
  const port = { table: `lease${tables}`, set: 'alive', ifindex: tables };
  const netlink = native.openNetlink(NETLINK_NETFILTER, []);
  const other = native.openNetlink(NETLINK_NETFILTER, []);
  await make(netlink, port);
  const fence = native.createMemory('fence', 24);
  const lane = native.createMemory('lane', 4096);
  let calls = 0;
  const lease = native.openLease(netlink, fence, false, () => {
    calls += 1;
  });
  const batches = [renewal([port], timeoutMs), lapse([port])] as const;
  native.setLeaseBatches(lease, ...batches);
  native.setLeaseLanes(lease, [lane]);
  let count = 0n;
  let moves = true;
  let beats = true;
  const timer = setInterval(() => {
    count += 1n;
    if (moves) move(lane, count);
    if (beats) native.beatLease(lease);
  }, 20);
  closing.push(() => {
    clearInterval(timer);
    native.closeLease(lease, true);
    for (const socket of [netlink, other]) native.closeNetlink(socket);
    for (const fd of [fence, lane]) closeSync(fd);
  });
  return {
    netlink,
    other,
    lease,
    port,
    fence,
    lane,
    batches,
    changes: () => calls,
    letLaneMove(on) {
      moves = on;
    },
    beat(on) {
      beats = on;
    },
  };
}

/** What another process would have: the same socket by another descriptor, and the fence. */
function inherit({ netlink, fence }: Rig): { readonly lease: NativeLease } {
  const [here, there] = native.openHandover();
  assert.equal(native.sendDescriptor(here, 1, native.netlinkDescriptor(netlink)), true);
  const [, descriptor] = native.receiveDescriptor(there) ?? assert.fail();
  const socket = native.adoptNetlink(descriptor);
  assert.equal(socket.portId, netlink.portId);
  const lease = native.openLease(socket, fence, true, () => undefined);
  const timer = setInterval(() => native.beatLease(lease), 20);
  closing.push(() => {
    clearInterval(timer);
    native.closeLease(lease, true);
    native.closeNetlink(socket);
    for (const fd of [here, there]) closeSync(fd);
  });
  return { lease };
}

async function make(netlink: NativeNetlink, port: LeasePort): Promise<void> {
  const made = batch(newTable(port.table, OWNED), newSet(port.table, port.set));
  assert.deepEqual(errorsOf(await native.requestNetlink(netlink, made)), [0, 0]);
}

/** Writes the word that the thread compares. */
function move(lane: number, count: bigint): void {
  writeSync(lane, new BigUint64Array([count]), 0, 8, 8);
}

function stateOf(lease: NativeLease): State {
  const [held, epoch = 0, renewals = 0, refusals = 0, lastErrno = 0, longestGapMs = 0, lapses = 0, ...lanesMs] =
    native.leaseState(lease);
  return { held: held === 1, epoch, renewals, refusals, lastErrno, longestGapMs, lapses, lanesMs };
}

/** The fence as a ring sees it. */
function pageOf(fence: number): { readonly epoch: number; readonly untilNs: bigint; readonly isOpen: boolean } {
  const words = new BigUint64Array(3);
  assert.equal(readSync(fence, words, 0, 24, 0), 24);
  const [epoch = 0n, untilNs = 0n, sum] = words;
  return { epoch: Number(epoch), untilNs, isOpen: sum === epoch + untilNs && process.hrtime.bigint() < untilNs };
}

/** Interface numbers that have a lease in the kernel. */
async function leased({ other, port }: Rig): Promise<number[]> {
  const answer = await native.requestNetlink(other, dumpElements(port.table, port.set));
  return readMessages(answer)
    .filter(({ type }) => type === NFT_MSG_NEWSETELEM)
    .flatMap(({ body }) => {
      const list = readAttributes(body.subarray(4)).get(3);
      const first = list === undefined ? undefined : readAttributes(list).get(1);
      const key = first === undefined ? undefined : readAttributes(first).get(1);
      return key === undefined ? [] : [readAttributes(key).get(1)?.readUInt32LE(0) ?? 0];
    });
}

async function untilHeld({ lease }: Rig): Promise<State> {
  return await waitFor(() => stateOf(lease).held && stateOf(lease), { what: 'the lease', timeoutMs: PATIENCE_MS });
}

async function untilLost({ lease }: Rig): Promise<State> {
  return await waitFor(() => !stateOf(lease).held && stateOf(lease), {
    what: 'the end of the lease',
    timeoutMs: PATIENCE_MS,
  });
}

async function untilRenewed({ lease }: Rig, times: number): Promise<void> {
  const wanted = stateOf(lease).renewals + times;
  await waitFor(() => stateOf(lease).renewals >= wanted, { what: `${times} renewals`, timeoutMs: PATIENCE_MS });
}

function refuses(name: keyof NativeModule, ...args: unknown[]): void {
  assert.throws(() => (native[name] as Anything)(...args), { name: 'TypeError', message: new RegExp(`^${name}`) });
}

describe('the lease', () => {
  test('is not held before it is allowed; then the kernel has it, the fence is open, and one epoch lasts', async () => {
    const own = await rig();
    assert.deepEqual([stateOf(own.lease).held, pageOf(own.fence)], [false, { epoch: 0, untilNs: 0n, isOpen: false }]);
    native.allowLease(own.lease, true);
    await untilHeld(own);
    assert.deepEqual([pageOf(own.fence).isOpen, await leased(own)], [true, [own.port.ifindex]]);
    await untilRenewed(own, 6);
    const state = stateOf(own.lease);
    assert.deepEqual([state.held, state.epoch, state.refusals, state.lapses], [true, 1, 0, 0]);
    assert.equal(pageOf(own.fence).epoch, 1);
    await waitFor(() => own.changes() > 0, { what: 'the word of the change' });
    assert.ok(state.longestGapMs > 0);
    assert.equal(state.lanesMs.length, 1);
  });

  test('is certain for 900 ms from before it was asked for, and the kernel has it longer', async () => {
    const own = await rig(1000);
    const before = process.hrtime.bigint();
    native.allowLease(own.lease, true);
    await untilHeld(own);
    const { untilNs } = pageOf(own.fence);
    const now = process.hrtime.bigint();
    assert.ok(untilNs > before + 900_000_000n && untilNs < now + 900_000_000n, `${before} ${untilNs} ${now}`);
    native.closeLease(own.lease, false);
    assert.deepEqual(await leased(own), [own.port.ifindex]);
    // It lapses without anybody.
    await waitFor(async () => (await leased(own)).length === 0, { what: 'the end of its second' });
    assert.ok(process.hrtime.bigint() > untilNs, 'not before the fence would have closed');
  });

  test('that is no longer allowed is closed when the call returns, and ended in the kernel; then comes a new epoch', async () => {
    const own = await rig();
    native.allowLease(own.lease, true);
    await untilHeld(own);
    native.allowLease(own.lease, false);
    assert.deepEqual(pageOf(own.fence), { epoch: 1, untilNs: 0n, isOpen: false });
    assert.equal(stateOf(own.lease).held, false);
    await waitFor(async () => (await leased(own)).length === 0, { what: 'its end in the kernel' });
    assert.equal(pageOf(own.fence).untilNs, 0n);
    native.allowLease(own.lease, true);
    assert.equal((await untilHeld(own)).epoch, 2);
    assert.equal(stateOf(own.lease).lapses, 0, 'nothing was lost');
  });

  test('is lost while a lane stands, whatever the others do, and comes back with it', async () => {
    const own = await rig();
    const second = native.createMemory('lane', 16);
    native.setLeaseLanes(own.lease, [own.lane, second]);
    let count = 0n;
    const timer = setInterval(() => move(second, ++count), 20);
    native.allowLease(own.lease, true);
    await untilHeld(own);
    await untilRenewed(own, 3);
    own.letLaneMove(false);
    const lost = await untilLost(own);
    assert.deepEqual([lost.lapses, lost.refusals, lost.lanesMs.length], [1, 0, 2]);
    await waitFor(async () => (await leased(own)).length === 0, { what: 'its end in the kernel' });
    assert.equal(pageOf(own.fence).untilNs, 0n);
    // Being named once more is no sign of life.
    for (let i = 0; i < 20; i++) native.setLeaseLanes(own.lease, [second, own.lane]);
    await setImmediate();
    assert.equal(stateOf(own.lease).held, false);
    own.letLaneMove(true);
    assert.equal((await untilHeld(own)).epoch, 2);
    own.letLaneMove(false);
    await untilLost(own);
    // The lane that stands was replaced.
    native.setLeaseLanes(own.lease, [second]);
    assert.equal((await untilHeld(own)).epoch, 3);
    clearInterval(timer);
    await untilLost(own);
    native.setLeaseLanes(own.lease, []);
    assert.equal((await untilHeld(own)).epoch, 4);
    closeSync(second);
  });

  test('is lost when the main loop has said nothing for seconds, and comes back with its word', async () => {
    const own = await rig();
    native.allowLease(own.lease, true);
    await untilHeld(own);
    own.beat(false);
    const lost = await untilLost(own);
    assert.deepEqual([lost.lapses, lost.refusals], [1, 0]);
    await waitFor(async () => (await leased(own)).length === 0, { what: 'its end in the kernel' });
    own.beat(true);
    assert.equal((await untilHeld(own)).epoch, 2);
  });

  test('does not need the event loop: it is held while JavaScript does nothing else', async () => {
    const own = await rig(1000);
    native.setLeaseLanes(own.lease, []);
    native.allowLease(own.lease, true);
    await untilHeld(own);
    const { renewals } = stateOf(own.lease);
    const end = process.hrtime.bigint() + 2_000_000_000n;
    while (process.hrtime.bigint() < end) assert.equal(pageOf(own.fence).isOpen, true);
    const after = stateOf(own.lease);
    assert.ok(after.renewals >= renewals + 3);
    assert.deepEqual([after.held, after.epoch, after.lapses], [true, 1, 0]);
  });

  test('that the kernel refuses is closed, counted and told with its error; with its table it comes back', async () => {
    const own = await rig();
    native.allowLease(own.lease, true);
    await untilHeld(own);
    await waitFor(() => own.changes() > 0, { what: 'the word of the lease' });
    const before = own.changes();
    assert.deepEqual(errorsOf(await native.requestNetlink(own.netlink, batch(deleteTable(own.port.table)))), [0]);
    const lost = await untilLost(own);
    assert.deepEqual([lost.lapses, lost.lastErrno, lost.refusals > 0], [1, ENOENT, true]);
    assert.deepEqual(pageOf(own.fence), { epoch: 1, untilNs: 0n, isOpen: false });
    await waitFor(() => own.changes() > before, { what: 'the word of the refusal' });
    await make(own.netlink, own.port);
    assert.equal((await untilHeld(own)).epoch, 2);
    assert.equal(stateOf(own.lease).lapses, 1);
  });

  test('of another socket on an owned table is refused', async () => {
    const own = await rig();
    const fence = native.createMemory('fence', 24);
    const lease = native.openLease(own.other, fence, false, () => undefined);
    native.setLeaseBatches(lease, renewal([own.port]), lapse([own.port]));
    native.allowLease(lease, true);
    await waitFor(() => stateOf(lease).refusals > 1, { what: 'the refusal' });
    assert.deepEqual([stateOf(lease).lastErrno, stateOf(lease).held, pageOf(fence).untilNs], [EPERM, false, 0n]);
    native.closeLease(lease, true);
    closeSync(fence);
  });

  test('is left to another one: neither the fence nor the kernel lets go of it in between, and it is the same epoch', async () => {
    const own = await rig();
    native.allowLease(own.lease, true);
    await untilHeld(own);
    const heir = inherit(own);
    const before = pageOf(own.fence);
    assert.deepEqual([before.epoch, before.isOpen], [1, true]);
    assert.equal(native.leaveLease(own.lease, renewal([own.port], 20_000), 15_000), true);
    const left = pageOf(own.fence);
    assert.deepEqual([left.epoch, left.isOpen, (await leased(own)).length], [1, true, 1]);
    assert.ok(left.untilNs - before.untilNs > 10_000_000_000n);
    // Who has left says nothing more.
    native.allowLease(own.lease, false);
    assert.equal(pageOf(own.fence).isOpen, true);
    native.setLeaseBatches(heir.lease, ...own.batches);
    native.setLeaseLanes(heir.lease, [own.lane]);
    assert.equal(pageOf(own.fence).isOpen, true);
    native.allowLease(heir.lease, true);
    await waitFor(() => stateOf(heir.lease).held, { what: 'the lease of the other one' });
    assert.deepEqual([stateOf(heir.lease).epoch, stateOf(heir.lease).lapses, pageOf(own.fence).epoch], [1, 0, 1]);
    native.closeLease(heir.lease, true);
    assert.deepEqual([pageOf(own.fence).isOpen, await leased(own)], [false, []]);
  });

  test('stays with who has it when the other one ends before it was left', async () => {
    const own = await rig();
    native.allowLease(own.lease, true);
    await untilHeld(own);
    const heir = inherit(own);
    native.closeLease(heir.lease, true);
    assert.deepEqual([pageOf(own.fence).isOpen, stateOf(own.lease).held, (await leased(own)).length], [true, true, 1]);
    const { renewals } = stateOf(own.lease);
    await waitFor(() => stateOf(own.lease).renewals > renewals + 2, { what: 'renewals' });
    assert.deepEqual([pageOf(own.fence).epoch, stateOf(own.lease).lapses], [1, 0]);
  });

  test('that is not held, or that the kernel refuses, is not left', async () => {
    const idle = await rig();
    assert.equal(native.leaveLease(idle.lease, renewal([idle.port], 20_000), 15_000), false);
    assert.deepEqual([pageOf(idle.fence).isOpen, await leased(idle)], [false, []]);
    assert.equal(native.leaveLease(idle.lease, renewal([idle.port], 20_000), 15_000), false);
    const own = await rig();
    native.allowLease(own.lease, true);
    await untilHeld(own);
    const missing = { ...own.port, table: 'nowhere' };
    assert.equal(native.leaveLease(own.lease, renewal([missing], 20_000), 15_000), false);
    const { untilNs } = pageOf(own.fence);
    assert.ok(untilNs - process.hrtime.bigint() < 1_000_000_000n);
  });

  test('over two ports is had for both or for none', async () => {
    const own = await rig();
    const missing = { ...own.port, table: 'nowhere' };
    native.setLeaseBatches(own.lease, renewal([own.port, missing], MINUTE_MS), lapse([own.port, missing]));
    native.allowLease(own.lease, true);
    await waitFor(() => stateOf(own.lease).refusals > 1, { what: 'the refusal' });
    assert.deepEqual([stateOf(own.lease).held, pageOf(own.fence).epoch, await leased(own)], [false, 0, []]);
  });

  test('goes on with the same batches as if nothing were said, begins anew with others, and ends with none', async () => {
    const own = await rig();
    native.allowLease(own.lease, true);
    await untilHeld(own);
    for (let i = 0; i < 50; i++) {
      native.setLeaseBatches(own.lease, ...own.batches);
      assert.equal(pageOf(own.fence).isOpen, true);
    }
    const second = { ...own.port, table: 'second' };
    await make(own.netlink, second);
    native.setLeaseBatches(own.lease, renewal([own.port, second], MINUTE_MS), lapse([own.port, second]));
    // Either still closed or open with the kernel's word about both: then the epoch is another.
    const { epoch, isOpen } = pageOf(own.fence);
    assert.ok(!isOpen || epoch === 2);
    assert.equal((await untilHeld(own)).epoch, 2);
    assert.deepEqual(await leased({ ...own, port: second }), [own.port.ifindex]);
    native.setLeaseBatches(own.lease, NONE, NONE);
    assert.deepEqual([stateOf(own.lease).held, pageOf(own.fence).untilNs], [false, 0n]);
    for (const port of [own.port, second]) {
      await waitFor(async () => (await leased({ ...own, port })).length === 0, { what: 'its end in the kernel' });
    }
    await native.requestNetlink(own.netlink, batch(deleteTable('second')));
  });

  test('is not opened by the ack of a renewal that was under way when it was closed, and is ended after it', async () => {
    const own = await rig();
    // Batches that are waited for in the kernel: one transaction at a time, and this one takes a while.
    const many = Array.from({ length: 40_000 }, (_, index) => ({ table: 'slow', set: 's', ifindex: index + 1 }));
    await native.requestNetlink(own.other, batch(newTable('slow'), newSet('slow', 's')));
    const slow = renewal(many, MINUTE_MS);
    for (let round = 0; round < 5; round++) {
      const isDone = native.requestNetlink(own.other, slow);
      native.allowLease(own.lease, true);
      await setImmediate();
      native.allowLease(own.lease, false);
      assert.equal(pageOf(own.fence).untilNs, 0n);
      await isDone;
      // Whatever was sent has been answered when the lapse that follows it has: the set is empty and stays so.
      await waitFor(async () => (await leased(own)).length === 0, { what: 'its end in the kernel' });
      const { epoch, untilNs } = pageOf(own.fence);
      assert.deepEqual([untilNs, stateOf(own.lease).held, epoch], [0n, false, stateOf(own.lease).epoch]);
    }
    assert.equal(stateOf(own.lease).lapses, 0);
    await native.requestNetlink(own.other, batch(deleteTable('slow')));
  });

  test('is closed after every call that says so, however fast they come and whatever else the socket does', async () => {
    const own = await rig();
    let isOver = false;
    const requests = (async () => {
      while (!isOver) {
        const [first] = errorsOf(await native.requestNetlink(own.netlink, batch(newTable(own.port.table, OWNED))));
        assert.equal(first, 0);
      }
    })();
    for (let round = 0; round < 400; round++) {
      native.allowLease(own.lease, true);
      if (round % 3 === 0) await untilHeld(own);
      else if (round % 3 === 1) await setImmediate();
      native.allowLease(own.lease, false);
      for (let look = 0; look < 20; look++) assert.equal(pageOf(own.fence).untilNs, 0n);
      await setImmediate();
      assert.equal(pageOf(own.fence).untilNs, 0n);
    }
    isOver = true;
    await requests;
    await waitFor(async () => (await leased(own)).length === 0, { what: 'its end in the kernel' });
    const state = stateOf(own.lease);
    assert.deepEqual([state.refusals, state.lapses], [0, 0]);
    assert.ok(state.epoch >= 134, `${state.epoch} epochs`);
  });

  test('goes on when its socket is closed for others, and needs no turn of theirs', async () => {
    const own = await rig();
    native.allowLease(own.lease, true);
    await untilHeld(own);
    native.closeNetlink(own.netlink);
    await untilRenewed(own, 3);
    assert.equal(stateOf(own.lease).epoch, 1);
  });

  test('that is closed with a lapse leaves the kernel none, without one it leaves it its time', async () => {
    for (const [isLapsed, left] of [
      [true, 0],
      [false, 1],
    ] as const) {
      const own = await rig();
      native.allowLease(own.lease, true);
      await untilHeld(own);
      native.closeLease(own.lease, isLapsed);
      assert.deepEqual([(await leased(own)).length, pageOf(own.fence).untilNs], [left, 0n]);
      // A closed lease takes every call.
      native.closeLease(own.lease, true);
      native.allowLease(own.lease, true);
      native.beatLease(own.lease);
      native.setLeaseLanes(own.lease, [own.lane]);
      native.setLeaseBatches(own.lease, ...own.batches);
      assert.deepEqual([stateOf(own.lease).held, stateOf(own.lease).epoch], [false, 1]);
      assert.equal((await leased(own)).length, left);
    }
  });

  test('of a process that has nothing more to do is ended; of one that exits or is killed it lapses by itself', async () => {
    const own = await rig();
    const program = (end: string) => `
      const native = require(${JSON.stringify(addon)});
      const batches = ['${hex(renewal([own.port], MINUTE_MS))}', '${hex(lapse([own.port]))}'];
      const netlink = native.openNetlink(${NETLINK_NETFILTER}, []);
      const lease = native.openLease(netlink, native.createMemory('fence', 24), false, () => {
        if (native.leaseState(lease)[0] === 1) { ${end} }
      });
      native.setLeaseBatches(lease, ...batches.map((one) => new Uint8Array(Buffer.from(one, 'hex'))));
      native.allowLease(lease, true);
      const timer = setInterval(() => native.beatLease(lease), 100);`;
    await native.requestNetlink(own.netlink, batch(deleteTable(own.port.table)));
    const plain = batch(newTable(own.port.table), newSet(own.port.table, own.port.set));
    await native.requestNetlink(own.other, plain);
    for (const [end, left] of [
      ['clearInterval(timer);', 0],
      ['process.exit(0);', 1],
      ["process.kill(process.pid, 'SIGKILL');", 1],
    ] as const) {
      const { stderr } = spawnSync(process.execPath, ['-e', program(end)], { encoding: 'utf8', timeout: PATIENCE_MS });
      assert.equal(stderr, '');
      assert.equal((await leased(own)).length, left, end);
    }
    await native.requestNetlink(own.other, batch(deleteTable(own.port.table)));
  });

  test('refuses wrong arguments, and files that could become shorter under it', async () => {
    const own = await rig();
    const ignore = () => undefined;
    const groups = native.openNetlink(NETLINK_ROUTE, [RTNLGRP_LINK]);
    refuses('openLease', own.netlink, own.fence, false);
    for (const wrong of [...WRONG, true, groups, own.lease]) refuses('openLease', wrong, own.fence, false, ignore);
    for (const wrong of [...WRONG, true, 2 ** 31]) refuses('openLease', own.netlink, wrong, false, ignore);
    for (const wrong of WRONG) refuses('openLease', own.netlink, own.fence, wrong, ignore);
    for (const wrong of [...WRONG, true]) refuses('leaveLease', wrong, own.batches[0], 1);
    for (const wrong of [...WRONG, true]) refuses('leaveLease', own.lease, wrong, 1);
    for (const wrong of [...WRONG, true, -1]) refuses('leaveLease', own.lease, own.batches[0], wrong);
    for (const wrong of [...WRONG, true, -1]) refuses('adoptNetlink', wrong);
    for (const wrong of [...WRONG, true]) refuses('netlinkDescriptor', wrong);
    for (const wrong of [...WRONG.filter((one) => typeof one !== 'function'), true]) {
      refuses('openLease', own.netlink, own.fence, false, wrong);
    }
    native.closeNetlink(groups);
    const short = native.createMemory('fence', 23);
    const plain = path.join(tmpdir(), `firehook-native-${process.pid}`);
    const unsealed = openSync(plain, 'wx+', 0o600);
    writeSync(unsealed, Buffer.alloc(4096));
    const lane = native.createMemory('lane', 15);
    assert.throws(() => native.openLease(own.netlink, short, false, ignore), { syscall: 'fstat', code: 'EINVAL' });
    assert.throws(() => native.openLease(own.netlink, unsealed, false, ignore), {
      syscall: 'F_GET_SEALS',
      code: 'EINVAL',
    });
    const readOnly = openSync(`/proc/self/fd/${own.fence}`, 'r');
    assert.throws(() => native.openLease(own.netlink, readOnly, false, ignore), { syscall: 'mmap', code: 'EACCES' });
    assert.throws(() => native.setLeaseLanes(own.lease, [own.lane, lane]), { syscall: 'fstat', code: 'EINVAL' });
    assert.throws(() => native.setLeaseLanes(own.lease, [unsealed]), { syscall: 'F_GET_SEALS', code: 'EINVAL' });
    assert.throws(() => native.setLeaseLanes(own.lease, [0x7fff_ffff]), { syscall: 'fstat', code: 'EBADF' });
    assert.equal(stateOf(own.lease).lanesMs.length, 1);
    rmSync(plain);
    for (const fd of [short, unsealed, lane, readOnly]) closeSync(fd);

    const lists = [
      ...WRONG.filter((one) => !Array.isArray(one)),
      true,
      ['x'],
      [-1],
      [2 ** 31],
      Array(1025).fill(own.lane),
    ];
    for (const wrong of lists) refuses('setLeaseLanes', own.lease, wrong);
    const good = dumpLinks();
    for (const wrong of [...WRONG, true, good.subarray(1), new Uint16Array(8)]) {
      refuses('setLeaseBatches', own.lease, wrong, good);
      refuses('setLeaseBatches', own.lease, good, wrong);
    }
    for (const wrong of WRONG) {
      refuses('allowLease', own.lease, wrong);
      refuses('closeLease', own.lease, wrong);
    }
    for (const wrong of [...WRONG, own.netlink, { opaque: true }]) {
      refuses('setLeaseBatches', wrong, good, good);
      refuses('setLeaseLanes', wrong, []);
      refuses('allowLease', wrong, true);
      refuses('beatLease', wrong);
      refuses('leaseState', wrong);
      refuses('closeLease', wrong, true);
    }
    assert.equal(stateOf(own.lease).held, false);
  });
});

function hex(octets: Buffer): string {
  return octets.toString('hex');
}
