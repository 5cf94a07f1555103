/**
 * What is made of the looks of a soak, and of the round trips of an overload.
 *
 * Rule: invented numbers; nothing is measured here.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backAfterMs, tenthsOf, usualUs, within } from '../../bench/overload/round-trips.ts';
import type { Look, Told } from '../../bench/soak/soak-look.ts';
import { complaintsOf, slopeOf, summarise } from '../../bench/soak/soak-verdict.ts';

const TOLD = { problems: [] as readonly string[] } as Told;
const MINUTES = 60;

/** A look a minute. */
function cell(temper: 'steady' | 'restless', of: (minute: number) => Partial<Look>) {
  const looks = Array.from({ length: MINUTES + 1 }, (_, minute): Look => {
    return { atS: minute * 60, lane: 1, told: TOLD, ...of(minute) };
  });
  return { name: 'a cell', temper, looks, surprises: [], openAtEnd: [] };
}

test('the slope is that of the least squares line', () => {
  const points = [0, 1, 2, 3].map((x): [number, number] => [x, 10 + 2.5 * x]);
  assert.equal(slopeOf(points), 2.5);
  assert.equal(slopeOf([[1, 4]]), 0);
  assert.equal(
    slopeOf([
      [0, 0],
      [1, 3],
      [2, 0],
    ]),
    0,
  );
});

test('memory that rises in the first third and then stays is flat; memory that goes on rising is not', () => {
  assert.deepEqual(complaintsOf(cell('steady', (minute) => ({ supervisorOwn: 60 + Math.min(minute, 20) }))), []);
  const leak = cell('steady', (minute) => ({ laneOwn: 60 + 0.2 * minute }));
  assert.match(complaintsOf(leak).join(), /^a cell: laneOwn rises by 12\.0 MiB an hour; 6\.\d are allowed$/);
  const [summary] = summarise(leak);
  assert.ok(Math.abs((summary?.slope ?? 0) - 12) < 1e-9);
  // Lanes that come and go have each a memory of their own.
  assert.deepEqual(complaintsOf(cell('restless', (minute) => ({ lane: minute, laneOwn: 60 + 0.2 * minute }))), []);
});

test('of a heap the least of each ten looks is followed: what collections take back is no leak', () => {
  const saw = cell('steady', (minute) => ({ supervisorHeap: 30 + (minute % 10 === 0 ? 0 : 5 + minute / 10) }));
  assert.deepEqual(complaintsOf(saw), []);
  const leak = cell('steady', (minute) => ({ supervisorHeap: 30 + (minute % 10) + minute / 10 }));
  assert.match(complaintsOf(leak).join(), /supervisorHeap rises by 6\.0 MiB an hour/);
});

test('descriptors that come and go are none left over; those that stay are', () => {
  const busy = cell('steady', (minute) => ({ supervisorDescriptors: minute % 3 === 0 ? 40 : 60 }));
  assert.deepEqual(complaintsOf(busy), []);
  const left = cell('restless', (minute) => ({ supervisorDescriptors: minute < 30 ? 40 : 41 }));
  assert.match(complaintsOf(left).join(), /supervisorDescriptors: 41 at the end, 40 before/);
});

test('a ledger that was open once, an answer that did not come, and a surprise are told', () => {
  const open = cell('steady', (minute) => (minute === 7 ? { told: { ...TOLD, problems: ['1 is not 2.'] } } : {}));
  assert.match(complaintsOf(open).join(), /open at 1 looks, first 420 s: 1 is not 2\./);
  const silent = cell('steady', (minute) => (minute === 7 ? { told: null } : {}));
  assert.match(complaintsOf(silent).join(), /did not answer 1 of 61 looks/);
  assert.deepEqual(complaintsOf({ ...cell('steady', () => ({})), surprises: ['ended'] }), ['a cell: ended']);
});

test('a round trip belongs to the tenth in which the ping was sent, and is back when three in a row are', () => {
  const lines = (from: number, count: number, ms: number): string[] =>
    Array.from({ length: count }, (_, index) => {
      const at = (from + index * 10 + ms + 1) / 1000;
      return `[${at.toFixed(6)}] 64 bytes from 10.77.0.2: icmp_seq=${index} ttl=64 time=${ms} ms`;
    });
  const output = [
    ...lines(1000, 100, 2),
    ...lines(2000, 50, 300),
    ...lines(2500, 10, 2),
    ...lines(2600, 10, 90),
    ...lines(2700, 50, 2),
  ];
  const tenths = tenthsOf(output.join('\n'));
  assert.equal(tenths.length, 22);
  const usual = usualUs(within(tenths, 1000, 2000));
  assert.equal(usual, 2000);
  assert.equal(backAfterMs(tenths, 2450, usual), 250);
  assert.ok(Number.isNaN(backAfterMs(within(tenths, 0, 2400), 2000, usual)));
});
