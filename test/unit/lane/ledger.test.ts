/**
 * The ledger: what it says when a sum does not add up, and how rows are added.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addRow, checkRow, emptyRow, LEDGER_WIDTH, rowAt } from '../../../src/lane/ledger.ts';
import { WAY_COUNTERS } from '../../../src/telemetry/counters.ts';

test('an empty row and a right one add up', () => {
  assert.deepEqual(checkRow(emptyRow(), true), []);
  const row = { ...emptyRow(), received: 4, forwarded: 1, dropped: 1, rejected: 1, lost: 1 };
  Object.assign(row, { droppedByHook: 1, lostPool: 1, sent: 3, icmpDue: 1, icmpErrors: 1, extraFragments: 1 });
  assert.deepEqual(checkRow(row, true), []);
  assert.deepEqual(checkRow({ ...row, sent: 0 }, false), []);
  assert.deepEqual(checkRow({ ...row, probes: 7 }, true), [], 'probes are in no sum');
});

test('each sum that does not add up is named with both of its sides', () => {
  for (const [counter, expected] of [
    ['received', 'received = forwarded + dropped + rejected + replied + reset + held + lost: 1 against 0'],
    [
      'droppedNonIp',
      'dropped = droppedByHook + droppedByFault + droppedMalformed + droppedNonIp + droppedUnreadable: 0 against 1',
    ],
    [
      'droppedUnreadable',
      'dropped = droppedByHook + droppedByFault + droppedMalformed + droppedNonIp + droppedUnreadable: 0 against 1',
    ],
    ['lostTruncated', 'lost = lostTooLong + lostSendError + lostPool + lostTruncated + lostHeld: 0 against 1'],
    ['icmpRefused', 'icmpDue = icmpErrors + icmpSuppressed + icmpWouldBe + icmpRefused: 0 against 1'],
    ['icmpOneWay', 'icmpSuppressed = icmpOverPrefix + icmpOverTotal + icmpOneWay: 0 against 1'],
    ['injected', 'sent = forwarded + replied + extraFragments + icmpErrors + resets + injected: 0 against 1'],
  ] as const) {
    assert.deepEqual(checkRow({ ...emptyRow(), [counter]: 1 }, true), [expected]);
  }
  assert.equal(checkRow({ ...emptyRow(), sent: 1 }, false).length, 1, 'a tap sends nothing');
});

test('rows are read from numbers and added counter by counter', () => {
  const numbers = Float64Array.from({ length: 2 * LEDGER_WIDTH }, (_, index) => index);
  const sum = rowAt(numbers, 0);
  addRow(sum, rowAt(numbers, LEDGER_WIDTH));
  for (const [index, { name }] of WAY_COUNTERS.entries()) assert.equal(sum[name], 2 * index + LEDGER_WIDTH);
});
