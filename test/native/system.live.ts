/**
 * Sealed memory, file locks, writes that never wait, probe frames: what the addon asks of the system outside of a lane.
 *
 * Not a test file by itself: `addon.test.ts` and `asan.test.ts` run it in a namespace with `p0` and `q0`. With a path as its
 * argument it takes the addon from there.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { release, tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { loadNative } from '../../src/native/load-native.ts';
import type { NativeModule } from '../../src/native/native.d.ts';
import { waitFor } from '../support/wait-for.ts';

const NOBODY = 65_534;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const WRONG = [undefined, null, -1, 0.5, Number.NaN, true, {}, [], () => undefined, Symbol('x'), 1n];

/** Loads a program that lets every packet pass (`r0 = 0; exit`) and attaches it to a device: bpf(2), BPF_TCX_INGRESS. */
const ATTACH_TCX = `
import ctypes, platform, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
number = {'x86_64': 321, 'aarch64': 280}[platform.machine()]
def bpf(command, attributes):
    memory = ctypes.create_string_buffer(attributes, 128)
    result = libc.syscall(number, command, memory, 128)
    if result < 0: sys.exit(f'bpf {command}: errno {ctypes.get_errno()}')
    return result
code = ctypes.create_string_buffer(bytes([0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]))
name = ctypes.create_string_buffer(b'GPL')
program = bpf(5, struct.pack('=IIQQ', 3, 2, ctypes.addressof(code), ctypes.addressof(name)))
bpf(8, struct.pack('=IIII', int(sys.argv[1]), program, 46, 0))`;

type Anything = (...args: unknown[]) => unknown;

const file = process.argv[2];
const addon = file ?? new URL('../../src/native/build/Release/firehook.node', import.meta.url).pathname;
const native = file === undefined ? loadNative() : (createRequire(import.meta.url)(file) as NativeModule);
const folder = mkdtempSync(path.join(tmpdir(), 'firehook-native-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function refuses(name: keyof NativeModule, ...args: unknown[]): void {
  assert.throws(() => (native[name] as Anything)(...args), { name: 'TypeError', message: new RegExp(`^${name}`) });
}

function hasTcx(): boolean {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  return major > 6 || (major === 6 && minor >= 6);
}

function flagsOf(fd: number): number {
  return Number.parseInt(/flags:\s*(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '', 8);
}

function indexOf(name: string): number {
  return Number(readFileSync(`/sys/class/net/${name}/ifindex`, 'utf8'));
}

/** Writes until there is no room; octets written. */
function fill(fd: number): number {
  const some = new Uint8Array(5000).fill(0x78);
  let total = 0;
  for (;;) {
    const written = native.writeNow(fd, some);
    if (written === 0) return total;
    total += written;
  }
}

/** A FIFO, open at both ends. */
function fifo(name: string): { readonly reader: number; readonly writer: number } {
  const place = path.join(folder, name);
  execFileSync('mkfifo', [place]);
  const reader = openSync(place, constants.O_RDONLY | constants.O_NONBLOCK);
  return { reader, writer: openSync(place, 'w') };
}

/** Waits for a line that the child prints. */
async function lineOf(child: ChildProcess): Promise<string> {
  let text = '';
  child.stdout?.on('data', (some: Buffer) => {
    text += some.toString();
  });
  return await waitFor(() => text.includes('\n') && text.trim(), { what: 'a line of a child' });
}

describe('an extended attribute', () => {
  const place = path.join(folder, 'attributes');
  const set = (name: string, value: string) =>
    execFileSync('python3', [
      '-c',
      'import os, sys; os.setxattr(*sys.argv[1:3], sys.argv[3].encode())',
      place,
      name,
      value,
    ]);

  test('is read octet by octet, and null where there is none', () => {
    writeFileSync(place, '');
    set('user.delegate', '1');
    set('user.empty', '');
    set('user.long', 'x'.repeat(256));
    set('user.most', 'x'.repeat(255));
    assert.equal(native.readAttribute(place, 'user.delegate'), '1');
    assert.equal(native.readAttribute(place, 'user.empty'), '');
    assert.equal(native.readAttribute(place, 'user.most'), 'x'.repeat(255));
    assert.equal(native.readAttribute(place, 'user.none'), null);
    assert.equal(native.readAttribute('/proc/self/status', 'user.delegate'), null);
    assert.throws(() => native.readAttribute(place, 'user.long'), { syscall: 'getxattr', code: 'ERANGE' });
    assert.throws(() => native.readAttribute(`${place}-gone`, 'user.delegate'), {
      syscall: 'getxattr',
      code: 'ENOENT',
    });
  });

  test('needs a path and a name', () => {
    for (const wrong of WRONG) {
      refuses('readAttribute', wrong, 'user.delegate');
      refuses('readAttribute', place, wrong);
    }
    refuses('readAttribute', place, 'x'.repeat(256));
    refuses('readAttribute', 'x'.repeat(4096), 'user.delegate');
  });
});

describe('a file in memory', () => {
  test('is zeroed, has its size for ever, and is not left to children', () => {
    const fd = native.createMemory('firehook-test', 10_000);
    assert.equal(readFileSync(`/proc/self/fd/${fd}`).compare(Buffer.alloc(10_000)), 0);
    for (const size of [0, 9999, 10_001, 1 << 20]) {
      assert.throws(() => ftruncateSync(fd, size), { code: 'EPERM' }, `${size}`);
    }
    assert.throws(() => writeSync(fd, Buffer.alloc(1), 0, 1, 10_000), { code: 'EPERM' });
    assert.equal(fstatSync(fd).size, 10_000);
    writeSync(fd, Buffer.from('hello'), 0, 5, 4096);
    const octets = Buffer.alloc(5);
    assert.equal(readSync(fd, octets, 0, 5, 4096), 5);
    assert.equal(octets.toString(), 'hello');
    assert.equal(flagsOf(fd) & O_CLOEXEC, O_CLOEXEC);
    closeSync(fd);
  });

  test('of root cannot be opened for writing by another user who was given it for reading', () => {
    const fd = native.createMemory('firehook-test', 24);
    const readOnly = openSync(`/proc/self/fd/${fd}`, 'r');
    assert.throws(() => writeSync(readOnly, Buffer.alloc(1)), { code: 'EBADF' });
    const program = "require('fs').openSync('/proc/self/fd/3', 'r+')";
    const run = (uid: number) =>
      spawnSync(process.execPath, ['-e', program], {
        uid,
        gid: uid,
        stdio: ['ignore', 'ignore', 'pipe', readOnly],
        encoding: 'utf8',
      });
    assert.match(run(NOBODY).stderr, /EACCES/);
    assert.equal(run(0).status, 0);
    for (const one of [fd, readOnly]) closeSync(one);
  });

  test('shows at once to whoever reads it what is written into its mapping, and stays when it is closed', () => {
    const fd = native.createMemory('firehook-test', 5000);
    const reader = openSync(`/proc/self/fd/${fd}`, 'r');
    const numbers = new Int32Array(native.mapMemory(fd, 5000), 4992, 2);
    closeSync(fd);
    numbers[1] = 0x01020304;
    const octets = Buffer.alloc(8);
    assert.equal(readSync(reader, octets, 0, 8, 4992), 8);
    assert.equal(octets.readInt32LE(4), 0x01020304);
    closeSync(reader);
  });

  test('is not mapped beyond its end, nor is a file that could become shorter', () => {
    const fd = native.createMemory('firehook-test', 16);
    assert.throws(() => native.mapMemory(fd, 17), { code: 'EINVAL' });
    closeSync(fd);
    const plain = openSync(path.join(folder, 'plain'), 'w+');
    writeSync(plain, Buffer.alloc(16));
    assert.throws(() => native.mapMemory(plain, 16), { code: 'EINVAL' });
    closeSync(plain);
    refuses('mapMemory');
    for (const wrong of [...WRONG, -1]) refuses('mapMemory', wrong, 16);
    for (const wrong of [...WRONG, 0, 2 ** 30 + 1]) refuses('mapMemory', 0, wrong);
  });

  test('is refused without a name or with a size that is none', () => {
    refuses('createMemory');
    refuses('createMemory', 'x');
    for (const wrong of [...WRONG, '', 'a\0b', 'x'.repeat(250)]) refuses('createMemory', wrong, 24);
    for (const wrong of [...WRONG, 0, 2 ** 30 + 1]) refuses('createMemory', 'x', wrong);
  });
});

describe('a lock', () => {
  test('is had by one process at a time, and again when that has gone', async () => {
    const place = path.join(folder, 'lock');
    const holder = spawn('flock', [place, 'sh', '-c', 'echo held; cat']);
    await lineOf(holder);
    assert.equal(native.lockFile(place), -1);
    holder.kill('SIGKILL');
    holder.stdin.end();
    const fd = await waitFor(
      () => {
        const got = native.lockFile(place);
        return got >= 0 && got;
      },
      { what: 'the lock' },
    );
    assert.equal(native.lockFile(place), -1);
    assert.equal(spawnSync('flock', ['-n', place, 'true']).status, 1);
    assert.equal(flagsOf(fd) & O_CLOEXEC, O_CLOEXEC);
    closeSync(fd);
    assert.equal(spawnSync('flock', ['-n', place, 'true']).status, 0);
  });

  test('is on a plain file that only its owner can open, made where there is none', () => {
    const place = path.join(folder, 'made');
    const before = process.umask(0);
    const fd = native.lockFile(place);
    process.umask(before);
    assert.equal(statSync(place).mode & 0o7777, 0o600);
    closeSync(fd);
    symlinkSync(place, path.join(folder, 'link'));
    assert.throws(() => native.lockFile(path.join(folder, 'link')), { syscall: 'open', code: 'ELOOP' });
    assert.throws(() => native.lockFile(folder), { syscall: 'open', code: 'EISDIR' });
    execFileSync('mkfifo', [path.join(folder, 'fifo')]);
    assert.throws(() => native.lockFile(path.join(folder, 'fifo')), { syscall: 'open', code: 'EINVAL' });
    assert.throws(() => native.lockFile(path.join(folder, 'none/lock')), { syscall: 'open', code: 'ENOENT' });
    for (const wrong of [...WRONG, '', 'a\0b', 'x'.repeat(4096)]) refuses('lockFile', wrong);
    refuses('lockFile');
  });

  test('on a file that was removed holds nobody back from the one that has its name', () => {
    const place = path.join(folder, 'again');
    const first = native.lockFile(place);
    unlinkSync(place);
    const second = native.lockFile(place);
    assert.ok(second >= 0);
    assert.equal(native.lockFile(place), -1);
    for (const fd of [first, second]) closeSync(fd);
  });
});

describe('a write that never waits', () => {
  test('fills a pipe, says 0 where it is full, goes on when somebody has read, and leaves its flags alone', () => {
    const { reader, writer } = fifo('full');
    const before = flagsOf(writer);
    assert.equal(before & O_NONBLOCK, 0);
    const total = fill(writer);
    assert.ok(total >= 4096, `${total} octets`);
    assert.equal(native.writeNow(writer, new Uint8Array(1)), 0);
    assert.equal(readSync(reader, Buffer.alloc(8192), 0, 8192, null), 8192);
    const more = native.writeNow(writer, new Uint8Array(100_000));
    assert.ok(more >= 4096 && more < 100_000, `${more} octets`);
    assert.equal(native.writeNow(writer, new Uint8Array(0)), 0);
    assert.equal(flagsOf(writer), before);
    for (const fd of [reader, writer]) closeSync(fd);
  });

  test('throws EPIPE where nobody reads any more, and the process lives', () => {
    const { reader, writer } = fifo('gone');
    closeSync(reader);
    assert.throws(() => native.writeNow(writer, Buffer.from('x')), { syscall: 'write', code: 'EPIPE', errno: 32 });
    closeSync(writer);
  });

  for (const [what, start] of [
    ['a socket', 'exec "$@"'],
    ['a pipe without a name', '"$@" | sleep 60'],
  ] as const) {
    test(`says 0 where ${what} is full and its reader stands still`, async () => {
      // What a child is given as its standard output is a socket; between two commands of a shell there is a pipe.
      const program = `
        const native = require(${JSON.stringify(addon)});
        let total = 0;
        for (let some; (some = native.writeNow(1, new Uint8Array(5000))) > 0; ) total += some;
        require('fs').writeSync(2, 'written ' + total);
        setInterval(() => undefined, 1000);`;
      const child = spawn('sh', ['-c', start, 'sh', process.execPath, '-e', program], { detached: true });
      let text = '';
      child.stderr.on('data', (some: Buffer) => {
        text += some.toString();
      });
      await waitFor(() => /written [1-9]/.test(text), { what: 'the end of its writing', timeoutMs: 30_000 });
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    });
  }

  test('says 0 on a terminal whose reader stands still, and goes on with it', async () => {
    const program = `
import os, sys
master, slave = os.openpty()
print(os.ttyname(slave), flush=True)
sys.stdin.readline()
total = 0
while total < 4000: total += len(os.read(master, 4096))
print('read', flush=True)
sys.stdin.readline()`;
    const child = spawn('python3', ['-c', program]);
    const name = await lineOf(child);
    const terminal = openSync(name, constants.O_WRONLY | constants.O_NOCTTY);
    const before = flagsOf(terminal);
    assert.ok(fill(terminal) > 0);
    assert.equal(native.writeNow(terminal, Buffer.from('x')), 0);
    child.stdin.write('\n');
    await lineOf(child);
    await waitFor(() => native.writeNow(terminal, Buffer.from('x')) === 1, { what: 'room in the terminal' });
    assert.equal(flagsOf(terminal), before);
    child.kill('SIGKILL');
    await once(child, 'exit');
    assert.throws(() => native.writeNow(terminal, Buffer.from('x')), { code: 'EIO' });
    closeSync(terminal);
  });

  test('adds to a file, and refuses what is no descriptor', () => {
    const place = path.join(folder, 'log');
    const fd = openSync(place, 'a');
    assert.equal(native.writeNow(fd, Buffer.from('one ')), 4);
    assert.equal(native.writeNow(fd, Buffer.from('two')), 3);
    assert.equal(readFileSync(place, 'utf8'), 'one two');
    closeSync(fd);
    const readOnly = openSync(place, 'r');
    assert.throws(() => native.writeNow(readOnly, Buffer.from('x')), { syscall: 'write', code: 'EBADF' });
    assert.throws(() => native.writeNow(0x7fff_ffff, Buffer.from('x')), { syscall: 'fstat', code: 'EBADF' });
    closeSync(readOnly);
    refuses('writeNow');
    for (const wrong of [...WRONG, 2 ** 31, 'x']) refuses('writeNow', wrong, Buffer.from('x'));
    for (const wrong of [...WRONG, 'x', new Uint16Array(1)]) refuses('writeNow', 1, wrong);
  });
});

describe('a device', () => {
  test('gets a probe frame with its mark', () => {
    const rules = `table netdev marks {
      counter seen { }
      chain out { type filter hook egress device "p0" priority 0; meta mark 0x1234 ether type 0x88b6 counter name seen; }
    }`;
    execFileSync('nft', ['-f', '-'], { input: rules });
    const frame = Buffer.concat([Buffer.alloc(12, 2), Buffer.from([0x88, 0xb6]), Buffer.from('firehook probe')]);
    native.sendFrame(indexOf('p0'), 0x1234, frame);
    native.sendFrame(indexOf('p0'), 0x1234, frame);
    native.sendFrame(indexOf('p0'), 0, frame);
    assert.match(
      execFileSync('nft', ['list', 'counter', 'netdev', 'marks', 'seen'], { encoding: 'utf8' }),
      /packets 2 /,
    );
    execFileSync('nft', ['delete', 'table', 'netdev', 'marks']);
    assert.throws(() => native.sendFrame(0x7fff_fff0, 0, frame), { syscall: 'sendto', code: 'ENXIO' });
    refuses('sendFrame', 1, 0);
    for (const wrong of [...WRONG, 0, 2 ** 31]) refuses('sendFrame', wrong, 0, frame);
    for (const wrong of WRONG) refuses('sendFrame', 1, wrong, frame);
    for (const wrong of [...WRONG, frame.subarray(0, 13), Buffer.alloc(65_536)]) refuses('sendFrame', 1, 0, wrong);
  });

  test('says how many tcx programs run on it', { skip: hasTcx() ? false : 'needs Linux 6.6 for tcx' }, () => {
    assert.deepEqual([native.countTcxPrograms(indexOf('p0')), native.countTcxPrograms(indexOf('q1'))], [0, 0]);
    const attached = spawnSync('python3', ['-c', ATTACH_TCX, String(indexOf('q1'))], { encoding: 'utf8' });
    assert.equal(attached.status, 0, attached.stderr);
    assert.deepEqual([native.countTcxPrograms(indexOf('p0')), native.countTcxPrograms(indexOf('q1'))], [0, 1]);
    assert.throws(() => native.countTcxPrograms(0x7fff_fff0), { syscall: 'bpf', code: 'ENODEV' });
    refuses('countTcxPrograms');
    for (const wrong of [...WRONG, 0, 2 ** 31]) refuses('countTcxPrograms', wrong);
  });
});
