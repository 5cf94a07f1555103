/**
 * The ledger: what it says when a sum does not add up, and how rows are added.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addRow, checkRow, emptyRow, LEDGER_COUNTERS, LEDGER_WIDTH, rowAt } from '../../../src/lane/ledger.ts';

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
    ['received', 'received = forwarded + dropped + rejected + lost: 1 against 0'],
    ['droppedNonIp', 'dropped = by hook + by fault + malformed + not IP + unreadable: 0 against 1'],
    ['droppedUnreadable', 'dropped = by hook + by fault + malformed + not IP + unreadable: 0 against 1'],
    ['lostTruncated', 'lost = too long + send error + pool + truncated: 0 against 1'],
    ['icmpRefused', 'ICMP answers due = ICMP errors + held back + would be + refused: 0 against 1'],
    ['icmpOneWay', 'held back = over the prefix + over the total + one way: 0 against 1'],
    ['injected', 'sent = forwarded + extra fragments + ICMP errors + injected: 0 against 1'],
  ] as const) {
    assert.deepEqual(checkRow({ ...emptyRow(), [counter]: 1 }, true), [expected]);
  }
  assert.equal(checkRow({ ...emptyRow(), sent: 1 }, false).length, 1, 'a tap sends nothing');
});

test('rows are read from numbers and added counter by counter', () => {
  const numbers = Float64Array.from({ length: 2 * LEDGER_WIDTH }, (_, index) => index);
  const sum = rowAt(numbers, 0);
  addRow(sum, rowAt(numbers, LEDGER_WIDTH));
  for (const [index, name] of LEDGER_COUNTERS.entries()) assert.equal(sum[name], 2 * index + LEDGER_WIDTH);
});
