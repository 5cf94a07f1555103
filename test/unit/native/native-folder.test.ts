/**
 * What is said where no addon fits: which of the reasons it is, and the command for it.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { adviceFor, glibcVersion } from '../../../src/native/native-folder.ts';

const ABSENT = [{ file: '/opt/firehook/prebuilds/x/firehook.node', reason: 'not there' }];
const BUILD = 'build it here, with a C++ compiler, make and python3: cd /opt/firehook && npm run build:native';
const advise = (cpu: string, glibc: string, attempts = ABSENT): string =>
  adviceFor(attempts, { cpu, glibc }, '/opt/firehook');

test('a machine that could load it is told how to build it', () => {
  assert.equal(advise('x64', '2.36'), BUILD);
});

test('a glibc that is too old is named with the one that is needed', () => {
  const reason = "/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.35' not found (required by /opt/firehook.node)";
  const said = advise('x64', '2.31', [...ABSENT, { file: 'firehook.node', reason }]);
  assert.equal(said, `the prebuilt files are for glibc 2.35 or newer and this system has 2.31, so ${BUILD}`);
});

test('another C library is told from an old glibc', () => {
  assert.equal(
    advise('arm64', ''),
    `the prebuilt files are for glibc and this system has another C library, so ${BUILD}`,
  );
});

test('a CPU that the filter of system calls is not written for gets no advice that cannot help', () => {
  assert.equal(advise('riscv64', '2.36'), 'firehook runs on x64 and arm64, and this machine is riscv64');
});

test('the glibc of this process is found', () => {
  assert.match(glibcVersion(), /^2\.\d+$/);
});
