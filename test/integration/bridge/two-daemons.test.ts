/**
 * Two daemons in one network namespace: the same interface is refused, different ones go side by side.
 *
 * Rule: a ping through the first daemon runs across everything that the second one does.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertAddsUp, assertPings, stockHook } from '../../support/live.ts';
import { createLab, rootOnly } from '../../support/netns.ts';
import { lanePid, ping, startBridge, startPing, stopPing } from './bridge-daemon.ts';

const HOOKS = [stockHook('pass-all')];

test('daemons do not touch what is another one’s', { skip: rootOnly('ping') }, async (t) => {
  const { ns } = await createLab(t, {
    namespaces: { a: {}, b: {}, fw: {}, c: {}, d: {} },
    links: [
      [
        { in: 'a', name: 'eth0', addresses: ['10.77.1.1/24'] },
        { in: 'fw', name: 'a0' },
      ],
      [
        { in: 'b', name: 'eth0', addresses: ['10.77.1.2/24'] },
        { in: 'fw', name: 'b0' },
      ],
      [
        { in: 'c', name: 'eth0', addresses: ['10.77.1.3/24'] },
        { in: 'fw', name: 'c0' },
      ],
      [
        { in: 'd', name: 'eth0', addresses: ['10.77.1.4/24'] },
        { in: 'fw', name: 'd0' },
      ],
    ],
  });
  const first = await startBridge(ns.fw, { attach: [{ bridge: ['a0', 'b0'] }], hooks: HOOKS });
  const pinging = startPing(ns.a, '10.77.1.2');
  const lane = await lanePid(first);

  await t.test('a second daemon on an interface is refused, and the first goes on undisturbed', async () => {
    const rules = await ruleset();
    const refused = await startBridge(
      ns.fw,
      { attach: [{ bridge: ['c0', 'b0'] }], hooks: HOOKS },
      { waitUntilRunning: false },
    );
    assert.deepEqual(await refused.exited, { code: 1, signal: null });
    assert.match(
      refused.log,
      /"level":"fatal".*"code":"FIREHOOK_ATTACH_BUSY".*\\"b0\\": another firehookd is attached to it/,
    );
    assert.equal(
      refused.log
        .trimEnd()
        .split('\n')
        .filter((line) => line.startsWith('{"level":"fatal"')).length,
      1,
    );
    const undo = await ns.fw.run('bin/firehookd', ['-c', first.configFile, '--undo']);
    assert.equal(undo.code, 1, 'nor is its plumbing taken back under its feet');
    assert.equal(await ruleset(), rules);
    assert.equal(await lanePid(first), lane);
  });

  await t.test('daemons on different interfaces run side by side, and one ends alone', async () => {
    const second = await startBridge(ns.fw, { attach: [{ bridge: ['c0', 'd0'] }], hooks: HOOKS });
    await assertPings(ns.c, '10.77.1.4');
    await assertPings(ns.a, '10.77.1.2');
    assert.equal((await ping(ns.a, '10.77.1.4', 1, '-W', '1')).received, 0, 'the bridges are apart');
    await assertAddsUp(first);

    const { sent, received, duplicates } = await stopPing(pinging);
    assert.equal(duplicates, 0);
    assert.ok(received >= sent - 2, `${received} of ${sent}`);

    assert.equal(await first.stop(), 0);
    await assertPings(ns.c, '10.77.1.4');
    assert.equal((await ping(ns.a, '10.77.1.2', 1, '-W', '1')).received, 0, 'the first one has ended');
    await assertAddsUp(second);
    assert.equal(await second.stop(), 0);
    assert.equal(await ruleset(), '');
    assert.doesNotMatch(await ns.fw.output('ip', ['link']), /fh\d/);
  });

  /** The rules without what counts and runs down. */
  async function ruleset(): Promise<string> {
    const text = await ns.fw.output('nft', ['-s', 'list', 'ruleset']);
    return text.replaceAll(/ expires \w+/g, '');
  }
});
