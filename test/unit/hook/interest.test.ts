/**
 * What a chain of hooks is interested in, by their filters.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FORWARD } from '../../../src/firewall/constants.ts';
import { chainInterests } from '../../../src/hook/interest.ts';
import { loadedHook } from '../../support/loaded-hook.ts';
import { callback, filtered } from '../lane/lane-rig.ts';

describe('a chain', () => {
  test('is interested in what any of its filters takes', () => {
    const hooks = [filtered('a', 'tcp'), filtered('b', 'ip and udp port 53'), filtered('c', 'icmp6')];
    assert.deepEqual(chainInterests(hooks), [
      { protocols: [6] },
      { versions: [4], protocols: [17], ports: [53] },
      { versions: [6], protocols: [58] },
    ]);
    assert.equal(chainInterests([filtered('a', 'udp port 53'), filtered('b', 'not udp')]), null);
  });

  test('is interested in everything when one hook has no filter, or has seven arguments, or there is none', () => {
    const narrow = filtered('a', 'tcp');
    assert.equal(chainInterests([narrow, loadedHook({ name: 'b', onPacket: () => FORWARD })]), null);
    assert.equal(chainInterests([narrow, callback('c', () => FORWARD)]), null);
    assert.equal(chainInterests([]), null);
  });
});
