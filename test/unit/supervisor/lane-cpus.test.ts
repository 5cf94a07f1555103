/**
 * The CPUs of the configuration against those of the machine: what is refused, with which words, and who gets which.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isFirehookError } from '../../../src/errors.ts';
import { assertCpus, cpuAt, freePlace } from '../../../src/supervisor/lane-cpus.ts';

const LISTS = { online: '0-3,8', allowed: '1-2,8' };

function refusalOf(cpus: readonly number[]): string {
  try {
    assertCpus(cpus, LISTS);
  } catch (error) {
    assert.ok(isFirehookError(error));
    assert.deepEqual([error.code, error.exitCode], ['FIREHOOK_LANE_CPU', 2]);
    return error.message;
  }
  return '';
}

test('CPUs that are there and may be used are taken, in any order and more than once', () => {
  assert.equal(refusalOf([8, 1, 2, 1]), '');
  assertCpus(undefined, { online: '', allowed: '' });
});

test('a CPU that is not there is told apart from one that may not be used', () => {
  assert.match(refusalOf([1, 4]), /^wrong lane\.cpus: CPU 4: this machine runs with CPUs 0-3,8; .*switch/);
  assert.match(refusalOf([9]), /CPU 9: this machine runs with CPUs 0-3,8/);
  assert.match(refusalOf([0]), /CPU 0: this process may use CPUs 1-2,8 only; .*cpuset/);
  assert.match(refusalOf([2, 3]), /CPU 3: this process may use/);
});

test('the machine itself is asked where nothing else is said', () => {
  assert.throws(() => assertCpus([8191]), { code: 'FIREHOOK_LANE_CPU' });
});

test('lanes take the CPUs in turn, and any CPU without a list', () => {
  assert.deepEqual(
    [0, 1, 2, 3, 4].map((place) => cpuAt([5, 7], place)),
    [5, 7, 5, 7, 5],
  );
  assert.equal(cpuAt(undefined, 3), null);
});

test('a lane that replaces another comes to its place', () => {
  assert.equal(freePlace([]), 0);
  assert.equal(freePlace([{ place: 2 }, { place: 0 }]), 1);
  assert.equal(freePlace([{ place: 1 }, { place: 0 }]), 2);
});
