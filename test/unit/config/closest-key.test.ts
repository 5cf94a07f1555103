/**
 * "Did you mean": near keys are found, far ones are not made up.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { closestKey } from '../../../src/config/closest-key.ts';

const KEYS = ['name', 'priority', 'setup', 'onPacket', 'teardown'];

test('another case is the same key', () => assert.equal(closestKey('ONPACKET', KEYS), 'onPacket'));

test('one or two slips are forgiven: a letter too many, too few, changed', () => {
  assert.equal(closestKey('onPackett', KEYS), 'onPacket');
  assert.equal(closestKey('tardown', KEYS), 'teardown');
  assert.equal(closestKey('priorty', KEYS), 'priority');
  assert.equal(closestKey('pryoryty', KEYS), 'priority');
});

test('the nearest of several wins', () => assert.equal(closestKey('abd', ['xbd2', 'abc', 'zzz']), 'abc'));

test('three slips, or a short word that shares little, suggest nothing', () => {
  assert.equal(closestKey('pryorytyy', KEYS), undefined);
  assert.equal(closestKey('x', ['a', 'b']), undefined);
  assert.equal(closestKey('', KEYS), undefined);
  assert.equal(closestKey('onConnection', KEYS), undefined);
});
