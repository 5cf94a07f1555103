/**
 * Flows that one table leaves to another: what they are afterwards, and what memory that means harm does.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { estateOctets, type FlowEstate, readFlows, writeFlows } from '../../../src/flow/flow-estate.ts';
import { SETTLED_DROP, SETTLED_FORWARD, UNSETTLED } from '../../../src/flow/flow-records.ts';
import { FlowTable } from '../../../src/flow/flow-table.ts';
import { IpLayout, parseIpLayout } from '../../../src/wire/ip-layout.ts';
import { ipv4, ipv6, udp } from '../../support/packet-builder.ts';

const COLUMNS = { mine: 'float64', yours: 'int32' } as const;
const OCTETS = estateOctets(2);
const layout = new IpLayout();

function track(table: FlowTable, number: number, back = false): number {
  const [here, there] = number % 2 === 0 ? ['192.0.2.1', '192.0.2.2'] : ['2001:db8::1', '2001:db8::2'];
  const addresses = back ? { source: there, destination: here } : { source: here, destination: there };
  const ports = back
    ? { sourcePort: 53, destinationPort: 1024 + number }
    : { sourcePort: 1024 + number, destinationPort: 53 };
  const bytes = (number % 2 === 0 ? ipv4 : ipv6)(addresses, udp(ports));
  assert.ok(parseIpLayout(bytes, 0, bytes.length, bytes.length, layout, false));
  return table.track(bytes, layout, bytes.length, 7);
}

function estateOf(flows: number, changes: Partial<FlowEstate> = {}): FlowEstate {
  return {
    flows,
    columns: [
      { name: 'mine', type: 'float64' },
      { name: 'yours', type: 'int32' },
    ],
    deciders: ['first', 'second', 'third'],
    clockMs: 1_000_000,
    tableMs: 5_000,
    ...changes,
  };
}

test('flows go over with their books, columns, state and age; what a decider settled goes with the decider', () => {
  const before = new FlowTable({ most: 64, columns: COLUMNS });
  before.tick(5_000);
  for (let number = 0; number < 40; number++) {
    const index = track(before, number);
    if (number % 3 === 0) track(before, number, true);
    before.column('mine')[index] = number + 0.5;
    before.column('yours')[index] = -number;
    before.records.settle(index, 0, SETTLED_FORWARD);
    before.records.settle(index, 2, SETTLED_DROP);
    before.records.begin(index);
  }
  const memory = new Uint8Array(OCTETS * 64);
  const flows = writeFlows(before, [before.column('mine'), before.column('yours')], memory);
  assert.equal(flows, 40);

  // Its clock began later, half a second has passed since, and one of the columns has another type.
  const after = new FlowTable({ most: 64, columns: { mine: 'float64', yours: 'float64' } });
  after.tick(700);
  const taken = readFlows(
    after,
    estateOf(flows),
    memory,
    1_000_500,
    700,
    (name, type) => (name === 'mine' && type === 'float64' ? after.column('mine') : null),
    (name) => ['third', 'other'].indexOf(name),
  );
  assert.equal(taken, 40);
  assert.equal(after.size, 40);
  for (let number = 0; number < 40; number++) {
    const index = track(after, number);
    assert.equal(after.isNew, 0);
    assert.ok(after.records.isBegun(index));
    assert.equal(after.records.isAnswered(index), number % 3 === 0);
    assert.equal(after.records.packetsOf(index, 0), 2);
    assert.equal(after.records.firstMsOf(index), 200);
    assert.equal(after.column('mine')[index], number + 0.5);
    assert.equal(after.column('yours')[index], 0);
    assert.equal(after.records.settledOf(index, 0), SETTLED_DROP);
    assert.equal(after.records.settledOf(index, 1), UNSETTLED);
    assert.equal(after.records.settledOf(index, 2), UNSETTLED);
  }
  // Timeouts go on: the packets above were of this moment.
  assert.equal(after.expire(700 + 30_000, 64), 0);
  assert.ok(after.expire(700 + 30_001, 64) > 0);
});

test('a table that is smaller, or has some of the flows already, takes what it can', () => {
  const before = new FlowTable({ most: 32 });
  before.tick(1);
  for (let number = 0; number < 32; number++) track(before, number);
  const memory = new Uint8Array(estateOctets(0) * 32);
  assert.equal(writeFlows(before, [], memory), 32);
  assert.equal(writeFlows(before, [], memory.subarray(0, estateOctets(0) * 10)), 10);
  const after = new FlowTable({ most: 8 });
  after.tick(1);
  track(after, 3);
  const estate = estateOf(32, { columns: [], deciders: [] });
  assert.equal(
    readFlows(
      after,
      estate,
      memory,
      0,
      0,
      () => null,
      () => -1,
    ),
    7,
  );
  assert.equal(after.size, 8);
  assert.ok(after.longestRow() <= 8);
});

test('whatever the memory holds, the table stays one: each flow is found, each end is reached', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 0, maxLength: OCTETS * 12, size: 'max' }),
      fc.integer({ min: 0, max: 100 }),
      fc.boolean(),
      (octets, flows, isVersioned) => {
        const memory = Uint8Array.from(octets);
        // Words that pass for a key, so that the rest is looked at.
        if (isVersioned)
          for (let at = 0; at + OCTETS <= memory.length; at += OCTETS)
            memory.set([17, flows % 2 === 0 ? 4 : 6, 0, 0], at + 36);
        const table = new FlowTable({ most: 16, columns: COLUMNS });
        table.tick(1_000);
        const taken = readFlows(
          table,
          estateOf(flows),
          memory,
          0,
          0,
          (name) => table.column(name),
          () => 31,
        );
        assert.equal(table.size, taken);
        let walked = 0;
        table.walk(() => {
          walked += 1;
          return true;
        });
        assert.equal(walked, taken);
        table.expire(Number.MAX_SAFE_INTEGER, 1_000);
        assert.equal(table.size, 0);
        for (let number = 0; number < 16; number++) assert.ok(track(table, number) >= 0);
      },
    ),
    { seed: 12, numRuns: 300 },
  );
});
