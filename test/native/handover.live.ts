/**
 * Memory that nobody can change, and how its descriptor reaches a process that runs already, confined as a lane is.
 *
 * Not a test file by itself: `addon.test.ts` and `asan.test.ts` run it. With a path as its argument it takes the addon from there.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  writeSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import { loadNative } from '../../src/native/load-native.ts';
import type { NativeModule } from '../../src/native/native.d.ts';
import { waitFor } from '../support/wait-for.ts';

const WRONG = [undefined, null, -1, 0.5, Number.NaN, true, {}, [], () => undefined, Symbol('x'), 1n];
const O_CLOEXEC = 0o2000000;

type Anything = (...args: unknown[]) => unknown;

const file = process.argv[2];
const addon = file ?? new URL('../../src/native/build/Release/firehook.node', import.meta.url).pathname;
const native = file === undefined ? loadNative() : (createRequire(import.meta.url)(file) as NativeModule);

function refuses(name: keyof NativeModule, ...args: unknown[]): void {
  assert.throws(() => (native[name] as Anything)(...args), { name: 'TypeError', message: new RegExp(`^${name}`) });
}

function isOpen(fd: number): boolean {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
}

function descriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

/** Lines of this process's memory map that name a file in memory. */
function mapped(name: string): number {
  return readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter((line) => line.includes(name)).length;
}

describe('memory that nobody can change', () => {
  test('has the octets it was made of, for whoever has it, and stays as it is', () => {
    const octets = Buffer.alloc(100_000, 'table');
    const fd = native.createConstant('firehook-constant', octets);
    const memory = native.mapConstant(fd, octets.length);
    octets.fill(0);
    assert.ok(Buffer.from(memory).equals(Buffer.alloc(100_000, 'table')));
    assert.throws(() => writeSync(fd, Buffer.alloc(1), 0, 1, 0), { code: 'EPERM' });
    for (const size of [0, 99_999, 100_001]) assert.throws(() => ftruncateSync(fd, size), { code: 'EPERM' });
    const again = openSync(`/proc/self/fd/${fd}`, constants.O_RDWR);
    assert.throws(() => writeSync(again, Buffer.alloc(1), 0, 1, 0), { code: 'EPERM' });
    assert.throws(() => native.mapMemory(fd, 16), { syscall: 'mmap', code: 'EPERM' });
    assert.equal(fstatSync(fd).mode & 0o777, 0o600);
    const flags = /flags:\s*(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '';
    assert.equal(Number.parseInt(flags, 8) & O_CLOEXEC, O_CLOEXEC);
    for (const one of [fd, again]) closeSync(one);
    assert.equal(Buffer.from(memory).toString('latin1', 0, 5), 'table');
    native.unmapConstant(memory);
  });

  test('is gone when it is unmapped, with every view of it, and is unmapped once', () => {
    const fd = native.createConstant('firehook-gone', Buffer.alloc(8_192, 7));
    const memory = native.mapConstant(fd, 8_192);
    const view = new Int32Array(memory);
    closeSync(fd);
    assert.equal(mapped('firehook-gone'), 1);
    native.unmapConstant(memory);
    assert.deepEqual([memory.byteLength, view.length, view[0], mapped('firehook-gone')], [0, 0, undefined, 0]);
    refuses('unmapConstant', memory);
    refuses('unmapConstant', new ArrayBuffer(16));
    refuses('unmapConstant', new ArrayBuffer(0));
    refuses('unmapConstant', Buffer.alloc(16));
    refuses('unmapConstant');
    for (const wrong of WRONG) refuses('unmapConstant', wrong);
  });

  test('is not mapped beyond its end, nor is a file that somebody could change', () => {
    const fd = native.createConstant('firehook-test', Buffer.alloc(16));
    assert.throws(() => native.mapConstant(fd, 17), { code: 'EINVAL' });
    const changing = native.createMemory('firehook-test', 16);
    assert.throws(() => native.mapConstant(changing, 16), { syscall: 'F_GET_SEALS', code: 'EINVAL' });
    for (const one of [fd, changing]) closeSync(one);
    refuses('mapConstant');
    for (const wrong of [...WRONG, -1]) refuses('mapConstant', wrong, 16);
    for (const wrong of [...WRONG, 0, 2 ** 30 + 1]) refuses('mapConstant', 0, wrong);
  });

  test('is refused without a name, without octets and with what is none', () => {
    refuses('createConstant');
    for (const wrong of [...WRONG, '', 'a\0b', 'x'.repeat(250)]) refuses('createConstant', wrong, Buffer.alloc(1));
    for (const wrong of [...WRONG, Buffer.alloc(0), new Int32Array(4), new ArrayBuffer(8)])
      refuses('createConstant', 'x', wrong);
  });
});

describe('a descriptor', () => {
  test('comes out at the other end with its number, one after the other', () => {
    const [here, there] = native.openHandover();
    const before = descriptors();
    assert.equal(native.receiveDescriptor(there), null);
    const fds = [1, 2, 3].map((octet) => native.createConstant(`firehook-${octet}`, Buffer.alloc(4, octet)));
    for (const [index, fd] of fds.entries()) assert.equal(native.sendDescriptor(here, 0xffff_fff0 + index, fd), true);
    for (const fd of fds) closeSync(fd);
    for (const octet of [1, 2, 3]) {
      const [number, fd] = native.receiveDescriptor(there) ?? [];
      assert.equal(number, 0xffff_fff0 + octet - 1);
      assert.ok(fd !== undefined && isOpen(fd));
      const memory = native.mapConstant(fd, 4);
      assert.deepEqual(
        [...new Uint8Array(memory)],
        Array.from({ length: 4 }, () => octet),
      );
      native.unmapConstant(memory);
      closeSync(fd);
    }
    assert.equal(native.receiveDescriptor(there), null);
    assert.equal(descriptors(), before);
    for (const fd of [here, there]) closeSync(fd);
  });

  test('is not waited for: a full socket says no, and a closed one that nothing comes', () => {
    const [here, there] = native.openHandover();
    const fd = native.createConstant('firehook-test', Buffer.alloc(1));
    let sent = 0;
    while (native.sendDescriptor(here, sent, fd)) sent += 1;
    assert.ok(sent > 5, `${sent}`);
    closeSync(here);
    for (let number = 0; number < sent; number++) {
      const [got, received] = native.receiveDescriptor(there) ?? [];
      assert.equal(got, number);
      closeSync(received as number);
    }
    assert.equal(native.receiveDescriptor(there), null);
    closeSync(there);
    closeSync(fd);
  });

  test('is refused where the other end is gone, where it is none, and where the socket is none', () => {
    const [here, there] = native.openHandover();
    closeSync(there);
    assert.throws(() => native.sendDescriptor(here, 1, 0), { syscall: 'sendmsg', code: 'EPIPE' });
    assert.throws(() => native.sendDescriptor(here, 1, 1_000_000), { syscall: 'sendmsg', code: 'EBADF' });
    closeSync(here);
    const memory = native.createMemory('firehook-test', 16);
    assert.throws(() => native.receiveDescriptor(memory), { syscall: 'recvmsg', code: 'ENOTSOCK' });
    closeSync(memory);
    for (const wrong of [...WRONG, -1]) {
      refuses('receiveDescriptor', wrong);
      refuses('sendDescriptor', wrong, 1, 1);
      refuses('sendDescriptor', 1, wrong, 1);
      refuses('sendDescriptor', 1, 1, wrong);
    }
  });

  test('reaches a process that is confined as a lane is, and whose code can neither read nor write the socket', async () => {
    const [here, there] = native.openHandover();
    const child = spawn(process.execPath, ['-e', RECEIVER, addon], { stdio: ['pipe', 'pipe', 'inherit', there] });
    closeSync(there);
    const lines = linesOf(child);
    assert.equal(await lines(), 'confined: read EPERM, write EPERM');
    const fd = native.createConstant('firehook-test', Buffer.from('the table'));
    assert.equal(native.sendDescriptor(here, 42, fd), true);
    closeSync(fd);
    child.stdin?.write('take\n');
    assert.equal(await lines(), '42: the table');
    child.kill('SIGKILL');
    await once(child, 'close');
    closeSync(here);
  });
});

/** Descriptor 3 is the socket. */
const RECEIVER = `
const { readSync, writeSync, fstatSync } = require('fs');
const native = require(process.argv[1]);
const attempt = (task) => { try { task(); return 'allowed'; } catch (error) { return error.code; } };
native.confine(Int32Array.of(3), false, false);
console.log('confined: read ' + attempt(() => readSync(3, Buffer.alloc(8))) + ', write ' + attempt(() => writeSync(3, Buffer.alloc(8))));
process.stdin.once('data', () => {
  const [number, fd] = native.receiveDescriptor(3);
  console.log(number + ': ' + Buffer.from(native.mapConstant(fd, fstatSync(fd).size)).toString());
});`;

/** The lines that a child prints, one a call. */
function linesOf(child: ChildProcess): () => Promise<string> {
  let text = '';
  child.stdout?.on('data', (some: Buffer) => {
    text += some.toString();
  });
  return async () => {
    const line = await waitFor(() => text.includes('\n') && text.slice(0, text.indexOf('\n')), { what: 'a line' });
    text = text.slice(line.length + 1);
    return line;
  };
}
