/**
 * Interests as data: what they leave open, and how they are shown.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatInterests, versionsOf } from '../../../src/wire/interest.ts';

test('an interest without versions is one in both', () => {
  assert.deepEqual(versionsOf({}), [4, 6]);
  assert.deepEqual(versionsOf({ versions: [6] }), [6]);
});

test('a list is shown in one line, each set once, long lists of numbers cut', () => {
  assert.equal(formatInterests([{}]), 'IP');
  assert.equal(
    formatInterests([
      { versions: [4], protocols: [6, 17], ports: [53] },
      { versions: [6] },
      { versions: [6, 4], protocols: [1] },
      { versions: [6] },
    ]),
    'IPv4 protocol 6, 17 port 53; IPv6; IP protocol 1',
  );
  const ports = Array.from({ length: 10 }, (_, port) => port);
  assert.equal(
    formatInterests([{ versions: [4], protocols: [6], ports }]),
    'IPv4 protocol 6 port 0, 1, 2, 3, 4, 5, 6, 7 and 2 more',
  );
});
