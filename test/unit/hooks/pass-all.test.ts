/**
 * Promises of the stock hook `pass-all`.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import passAll from '../../../hooks/pass-all.ts';
import { FORWARD } from '../../../src/firewall/constants.ts';
import { icmpv6, ipv4, ipv6, octets, tcp, udp } from '../../support/packet-builder.ts';
import { driveHook, refusal } from './drive-hook.ts';

describe('pass-all', () => {
  test('forwards every packet with its octets unchanged', async () => {
    const hook = await driveHook(passAll);
    for (const datagram of [
      ipv4({}, tcp()),
      ipv4({ moreFragments: true }, udp({}, Buffer.alloc(8))),
      ipv4({}, octets(253, Buffer.from('?'))),
      ipv6({}, icmpv6()),
    ]) {
      assert.deepEqual(hook.pass(datagram), { verdict: FORWARD, datagram, replacement: [] });
    }
  });

  test('refuses any option', async () => {
    assert.equal(await refusal(passAll, { fast: true }), 'fast: unknown option; expected none');
    assert.equal(await refusal(passAll, 'fast'), 'options: "fast" is not valid; expected a mapping');
  });
});
