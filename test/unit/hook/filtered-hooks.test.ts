/**
 * Promise: a hook with a filter is called with the packets of the filter, as the hooks before it have left them, and with no other.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { DROP, FORWARD } from '../../../src/firewall/constants.ts';
import { compileFilters } from '../../../src/hook/compile-filters.ts';
import { ethernet, icmpv4, ipv4, ipv6, tcp, udp } from '../../support/packet-builder.ts';
import { chainOf, filtered, hook, layRig } from '../lane/lane-rig.ts';
import { replaceWith } from './chain-hooks.ts';

const DNS = ipv4({}, udp({ destinationPort: 53 }, Buffer.from('question')));
const OTHER = ipv4({}, udp({ destinationPort: 54 }, Buffer.from('no question')));

/** How often a hook with this filter is called with each frame by itself. */
async function called(t: TestContext, filter: string, frames: readonly Buffer[]): Promise<boolean[]> {
  const rig = layRig(t, { hooks: () => [filtered('filtered', filter)] });
  const seen: boolean[] = [];
  for (const frame of frames) {
    const before = rig.hook(0);
    await rig.pass(frame);
    const after = rig.hook(0);
    assert.equal(after.seen + after.filtered, before.seen + before.filtered + 1);
    seen.push(after.seen > before.seen);
  }
  assert.equal(rig.row().forwarded, frames.length);
  return seen;
}

describe('a hook with a filter', () => {
  test('is called with the packets of it; others go on and are counted', async (t) => {
    const rig = layRig(t, {
      hooks: () => [filtered('filtered', 'udp port 53', () => DROP), hook('last', () => FORWARD)],
    });
    await rig.pass(ethernet({}, DNS), ethernet({}, OTHER), ethernet({}, ipv6({}, udp({ sourcePort: 53 }))));
    const { seen, filtered: passed, dropped, forwarded } = rig.hook(0);
    assert.deepEqual({ seen, passed, dropped, forwarded }, { seen: 2, passed: 1, dropped: 2, forwarded: 0 });
    assert.equal(rig.hook(1).seen, 1);
    assert.deepEqual([rig.row().dropped, rig.row().forwarded], [2, 1]);
  });

  test('reads the link header that the packet came behind, tags included', async (t) => {
    const frames = [
      ethernet({}, DNS),
      ethernet({ tags: [{ id: 5 }] }, DNS),
      ethernet({ tags: [{ id: 6 }] }, ipv4({}, tcp({}))),
      ethernet({ tags: [{ type: 0x88a8, id: 5 }, { id: 9 }] }, ipv4({}, icmpv4())),
    ];
    assert.deepEqual(await called(t, 'udp', frames), [true, true, false, false]);
    assert.deepEqual(await called(t, 'vlan 5', frames), [false, true, false, true]);
    assert.deepEqual(await called(t, 'vlan and not udp', frames), [false, false, true, true]);
    const source = frames[0]
      ?.subarray(6, 12)
      .toString('hex')
      .replaceAll(/(..)(?=.)/g, '$1:');
    assert.deepEqual(await called(t, `ether src ${source}`, frames), [true, true, true, true]);
    assert.deepEqual(await called(t, 'ether src 02:99:99:99:99:99', frames), [false, false, false, false]);
  });

  test('measures the frame as it was on the wire', async (t) => {
    const frames = [ethernet({ padTo: 60 }, ipv4({}, udp({}))), ethernet({}, ipv4({}, udp({}, Buffer.alloc(900))))];
    assert.deepEqual(await called(t, 'len = 60', frames), [true, false]);
    assert.deepEqual(await called(t, 'greater 900', frames), [false, true]);
  });

  test('sees what the hooks before it wrote', async (t) => {
    const rig = layRig(t, {
      hooks: () => [
        hook('writes', ({ bytes }) => {
          bytes.writeUInt16BE(53, 22);
          return FORWARD;
        }),
        filtered('filtered', 'udp port 53', () => DROP),
      ],
    });
    await rig.pass(ethernet({}, OTHER));
    assert.equal(rig.hook(1).dropped, 1);
  });

  test('sees what the hooks before it put in the place of the packet, in one buffer or several', async (t) => {
    for (const parts of [[DNS], [DNS.subarray(0, 7), DNS.subarray(7, 29), DNS.subarray(29)]]) {
      const rig = layRig(t, {
        hooks: (pool) => [
          replaceWith((own) => chainOf(own, ...parts))(pool),
          filtered('filtered', 'udp port 53 and greater 36', () => DROP),
        ],
      });
      await rig.pass(ethernet({}, OTHER));
      assert.deepEqual([rig.hook(0).replaced, rig.hook(1).dropped], [1, 1], `${parts.length} buffers`);
    }
  });

  test('is not called with a packet that is too short for what the filter reads', async (t) => {
    const short = [ethernet({ padTo: 60 }, ipv4({}, udp({})))];
    assert.deepEqual(await called(t, 'udp[200] = 0 or not udp[200] = 0', short), [false]);
  });
});

test('each of many filters has its own verdict', () => {
  const texts = Array.from({ length: 40 }, (_, index) => (index % 3 === 0 ? null : `udp dst port ${index}`));
  const matches = compileFilters(texts);
  for (const [index, text] of texts.entries()) {
    if (text === null) continue;
    const datagram = ipv4({}, udp({ destinationPort: index }));
    for (const [other, one] of texts.entries()) {
      if (one === null) continue;
      const { length } = datagram;
      assert.equal(matches(other, datagram, length, datagram, 0, length), other === index, `${other} ${index}`);
    }
  }
});
