/**
 * Promise: what `firehook-launch` starts has no io_uring, whatever it asks for, and every other system call as before.
 *
 * Node.js 22 and newer make a ring at their start; the lane's own filter comes too late for that (src/native/launcher.c).
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findLauncher } from '../../src/native/launcher.ts';
import { finish, startProcess } from '../support/processes.ts';

/** Says the error number of a system call with rubbish as its arguments; 0 where it succeeds. */
const ASK = `
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
for call in sys.argv[1:]:
    ctypes.set_errno(0)
    libc.syscall(int(call), -1, 0, 0, 0, 0, 0)
    print(ctypes.get_errno())
`;
const IO_URING = ['425', '426', '427'];
/** pidfd_send_signal and open_tree: the neighbours; their arguments are refused, which the filter must not do. */
const NEIGHBOURS = ['424', '428'];
const ENOSYS = '38';

async function ask(command: string, args: readonly string[]): Promise<string[]> {
  const { code, stdout, stderr } = await finish(startProcess(command, [...args, ...IO_URING, ...NEIGHBOURS]), 20_000);
  assert.equal(code, 0, stderr);
  return stdout.trim().split('\n');
}

test('io_uring is not there, and its neighbours are', async () => {
  const python = ['-c', ASK];
  const program = (await finish(startProcess('sh', ['-c', 'command -v python3']), 20_000)).stdout.trim();
  const before = await ask(program, python);
  const after = await ask(findLauncher(), ['--descriptors', '3', '--', program, ...python]);
  assert.deepEqual(after.slice(0, IO_URING.length), [ENOSYS, ENOSYS, ENOSYS]);
  assert.deepEqual(after.slice(IO_URING.length), before.slice(IO_URING.length));
});
