/**
 * What a hook may declare as its interest, and what a chain of hooks is interested in.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FORWARD } from '../../../src/firewall/constants.ts';
import { chainInterests, interestProblem } from '../../../src/hook/interest.ts';
import type { LoadedHook } from '../../../src/hook/load-hook.ts';
import type { Interest } from '../../../src/wire/interest.ts';
import { loadedHook } from '../../support/loaded-hook.ts';
import { callback, filtered } from '../lane/lane-rig.ts';

const HAVING = '6, 17, 33, 132, 136';

describe('an interest', () => {
  test('may leave out what it does not narrow, and be one or several', () => {
    const right: unknown[] = [
      {},
      { versions: [4] },
      { protocols: [0, 255] },
      { versions: [4, 6], protocols: [6, 17], ports: [0, 53, 65_535] },
      [{ versions: [6] }, { protocols: [58] }],
    ];
    for (const one of right) assert.equal(interestProblem(one), '');
  });

  test('is refused with the key, the value and what was expected', () => {
    const wrong: [unknown, string][] = [
      ['udp', 'interest: "udp" is not valid; expected { versions, protocols, ports } or a list of such'],
      [null, 'interest: null is not valid; expected { versions, protocols, ports } or a list of such'],
      [[], 'interest: is empty; leave it out, or name at least one'],
      [[{}, 7], 'interest[1]: 7 is not valid; expected { versions, protocols, ports } or a list of such'],
      [[[{}]], 'interest[0]: [ {} ] is not valid; expected { versions, protocols, ports } or a list of such'],
      [{ protocol: [6] }, 'interest.protocol: did you mean protocols?'],
      [{ address: '::1' }, 'interest.address: unknown key; expected versions, protocols, ports'],
      [{ versions: 4 }, 'interest.versions: 4 is not valid; expected a list of 4 and 6'],
      [{ versions: [5] }, 'interest.versions[0]: 5 is not valid; expected 4 and 6'],
      [{ versions: [] }, 'interest.versions: is empty; leave it out, or name at least one'],
      [{ protocols: [6, 256] }, 'interest.protocols[1]: 256 is not valid; expected numbers from 0 to 255'],
      [{ protocols: ['tcp'] }, 'interest.protocols[0]: "tcp" is not valid; expected numbers from 0 to 255'],
      [[{ protocols: [6.5] }], 'interest[0].protocols[0]: 6.5 is not valid; expected numbers from 0 to 255'],
      [{ protocols: [6], ports: [-1] }, 'interest.ports[0]: -1 is not valid; expected numbers from 0 to 65535'],
      [{ ports: [53] }, `interest.ports: needs protocols that have ports: ${HAVING}`],
      [{ protocols: [17, 1], ports: [53] }, `interest.ports: protocol 1 has none; those that have are ${HAVING}`],
    ];
    for (const [value, problem] of wrong) assert.equal(interestProblem(value), problem);
    // A hole is a value too.
    assert.match(interestProblem({ protocols: new Array(1) }), /^interest\.protocols\[0\]: undefined/);
  });
});

describe('a chain', () => {
  const hook = (name: string, interest?: Interest | readonly Interest[]): LoadedHook =>
    loadedHook({ name, onPacket: () => FORWARD, ...(interest === undefined ? {} : { interest }) });

  test('is interested in what any of its hooks is', () => {
    const hooks = [hook('a', { protocols: [6] }), hook('b', [{ versions: [6] }, { protocols: [17], ports: [53] }])];
    assert.deepEqual(chainInterests(hooks), [{ protocols: [6] }, { versions: [6] }, { protocols: [17], ports: [53] }]);
  });

  test('is interested in what a filter takes', () => {
    assert.deepEqual(chainInterests([hook('a', { protocols: [58] }), filtered('filtered', 'ip and udp port 53')]), [
      { protocols: [58] },
      { versions: [4], protocols: [17], ports: [53] },
    ]);
    assert.equal(chainInterests([filtered('filtered', 'udp port 53'), filtered('filtered', 'not udp')]), null);
  });

  test('is interested in everything when one hook declares nothing, or has seven arguments, or there is none', () => {
    const narrow = hook('a', { protocols: [6] });
    assert.equal(chainInterests([narrow, hook('b')]), null);
    assert.equal(chainInterests([narrow, callback('c', () => FORWARD)]), null);
    assert.equal(chainInterests([]), null);
  });
});
