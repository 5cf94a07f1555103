/**
 * What a lane may say on its channel to the supervisor, live: whatever it is, it costs that lane and nothing else.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDaemon } from '../../support/daemon.ts';
import { PATIENCE_MS, pingsAgain, readStatus } from '../../support/live.ts';
import { bridgeLab, rootOnly, waitFor } from '../../support/netns.ts';
import { assertHarmless, HOSTILE, lanesOf, linesOf, order } from './attack.ts';

const SERVER = '10.77.0.2';
const NO_MESSAGE = /A lane ended: the lane failed: it sent a message that is none\./;

/** Few at a time: after each lane that dies, the next one is waited for longer. */
const GROUPS: readonly (readonly (readonly [attack: string, reason: RegExp])[])[] = [
  [
    ['null', NO_MESSAGE],
    ['array', NO_MESSAGE],
    ['broken JSON', NO_MESSAGE],
    ['Node message', NO_MESSAGE],
  ],
  [
    ['endless line', /A lane ended: the lane failed: it sent a message of more than 393216 octets\./],
    ['many lines', /A lane ended: the lane failed: it sent the message "opened" out of place\./],
    ['second ready', /A lane ended: the lane failed: it sent the message "ready" out of place\./],
    ['bad code', NO_MESSAGE],
  ],
  [
    ['huge number', NO_MESSAGE],
    ['failed with escapes', /A lane ended: .*owned/],
    ['failed and stays', /A lane ended: as I please/],
    ['closed channel', /A lane ended: the lane failed: it closed the channel to the supervisor\./],
  ],
];

for (const group of GROUPS) {
  const names = group.map(([attack]) => attack).join(', ');
  test(`costs one lane of two, and is logged once: ${names}`, { skip: rootOnly('ping', 'bash') }, async (t) => {
    const { ns } = await bridgeLab(t);
    const daemon = await startDaemon(ns.fw, {
      attach: [{ bridge: ['lan0', 'wan0'] }],
      driver: 'afpacket',
      lanes: 2,
      hooks: [HOSTILE],
      policy: { onDown: 'drop' },
    });
    let before = await lanesOf(daemon, 2);
    for (const [attack, reason] of group) {
      const ends = (): Record<string, unknown>[] =>
        linesOf(daemon.log).filter(({ msg }) => /^A lane ended/.test(String(msg)));
      const known = ends().length;
      await order(ns.client, SERVER, attack);
      const [line] = await waitFor(() => ends().length > known && ends().slice(known), {
        what: `the end of a lane by "${attack}"`,
        timeoutMs: PATIENCE_MS,
      });
      assert.match(String(line?.['msg']), reason);
      assert.ok(before.includes(Number(line?.['pid'])), 'the line says which lane it was');
      assert.equal(line?.['level'], 'error');
      const others = before.filter((pid) => pid !== line?.['pid']);
      before = await lanesOf(daemon, 2, Number(line?.['pid']));
      for (const other of others) assert.ok(before.includes(other), 'the other lane is still the same');
      assert.equal(ends().length, known + 1, 'it is said once, and the other lane lives');
      await pingsAgain(ns.client, SERVER);
    }
    for (const text of daemon.log.split('\n')) assertHarmless(text);
    const { stdout } = await daemon.cli('status');
    for (const text of stdout.split('\n')) assertHarmless(text);
    // A lane that gets no processor for 400 ms lapses it too: on a busy machine that says nothing about the attack.
    t.diagnostic(`the lease lapsed ${(await readStatus(daemon)).leaseHistory.lapses} times`);
    assert.equal(await daemon.stop(), 0);
  });
}
