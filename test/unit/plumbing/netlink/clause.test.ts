/**
 * Clauses of rules: the words of nft and the octets of the kernel, for one of each kind. What real nft makes of them is
 * compared in `test/integration/plumbing/tables.test.ts`.
 *
 * @module
 */

import assert from 'node:assert/strict';
import os from 'node:os';
import { test } from 'node:test';
import { readAttributes, readText } from '../../../../src/netlink/octets.ts';
import {
  ACCEPT,
  bitsAre,
  count,
  DROP,
  forwardTo,
  goTo,
  hasOctet,
  interfaceInSet,
  interfaceIs,
  interfaceNameIs,
  octetBetween,
  octetsAre,
  pktTypeIs,
  priorityIs,
  ruleText,
  setMark,
  setPriority,
  socketGroupIs,
  writeExpressions,
} from '../../../../src/plumbing/netlink/clause.ts';

const skip = os.endianness() === 'LE' ? false : 'the octets are written down for little-endian machines';

test('a rule reads as nft prints it', () => {
  const rule = [
    interfaceInSet('iif', 'alive'),
    count('stolen_in'),
    setMark(0x66685453),
    forwardTo({ ifindex: 5, name: 'fh2i0' }),
  ];
  assert.equal(ruleText(rule), 'iif @alive counter name "stolen_in" meta mark set 0x66685453 fwd to "fh2i0"');
  assert.equal(ruleText([bitsAre('ll', 14, '0fff', '!=', '0000'), ACCEPT]), '@ll,112,16 & 0xfff != 0x0 accept');
  assert.equal(ruleText([octetBetween('nh', 40, 133, 137), goTo('there')]), '@nh,320,8 0x85-0x89 goto there');
  assert.equal(ruleText([hasOctet('ll', 0), pktTypeIs('!=', 'host')]), '@ll,0,8 >= 0x0 meta pkttype != host');
  assert.equal(ruleText([priorityIs(0x66685000), setPriority(0)]), 'meta priority 6668:5000 meta priority set none');
  assert.equal(
    ruleText([interfaceIs('oif', '!=', 3), interfaceNameIs('oifname', '==', 'p0')]),
    'oif != 3 oifname "p0"',
  );
  assert.equal(ruleText([socketGroupIs(7), octetsAre('ll', 12, '0800'), DROP]), 'meta skgid 7 @ll,96,16 0x800 drop');
});

test('each clause is made of the expressions that nft uses for it', () => {
  const names = (rule: Parameters<typeof writeExpressions>[0]) =>
    writeExpressions(rule).map((bytes) => readText(readAttributes(bytes.subarray(4)).get(1)));
  assert.deepEqual(names([interfaceInSet('oif', 'alive')]), ['meta', 'lookup']);
  assert.deepEqual(names([bitsAre('ll', 0, '01', '==', '01')]), ['payload', 'bitwise', 'cmp']);
  assert.deepEqual(names([forwardTo({ ifindex: 5, name: 'x' })]), ['immediate', 'fwd']);
  assert.deepEqual(names([setMark(1)]), ['immediate', 'meta']);
  assert.deepEqual(names([count('a'), ACCEPT]), ['objref', 'immediate']);
});

test('the octets of a comparison are those that nft 1.0.6 sends', { skip }, () => {
  const [load, compare] = writeExpressions([interfaceIs('iif', '==', 3)]);
  // [ meta load iif => reg 1 ]
  assert.equal(
    Buffer.from(load ?? []).toString('hex'),
    '24000180' + '090001006d65746100000000' + '14000280' + '0800020000000004' + '0800010000000001',
  );
  // [ cmp eq reg 1 0x00000003 ]
  assert.equal(
    Buffer.from(compare ?? []).toString('hex'),
    '2c000180' +
      '08000100636d7000' +
      '20000280' +
      '0800010000000001' +
      '0800020000000000' +
      '0c000380' +
      '0800010003000000',
  );
});
