/**
 * Where the machine's own rules drop an ICMP error on the way out: it is counted so, said once, and there is a rule that lets it pass.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SEND_GROUP } from '../../../src/drivers/effective-group.ts';
import { startDaemon } from '../../support/daemon.ts';
import { assertAddsUp, assertPings, PATIENCE_MS, readStatus, statsWhen, stockHook } from '../../support/live.ts';
import { hostLab, type Namespace, rootOnly } from '../../support/netns.ts';
import { socket } from './live-host.ts';

const HOST = ['10.78.0.1', 'fd78::1'] as const;
const PORT = '7700';
const WARNING = /Rules of this machine dropped \d+ ICMP errors on the way out/;
const LINE = /a rule of this machine drops it in OUTPUT or POSTROUTING, most likely .*ct state invalid drop/g;

/** Without neighbours there is nobody to refuse. */
const ND = 'icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept';
/** In the way of every ICMP error that connection tracking does not know, as in the rules of many machines. */
const OUTPUT = 'type filter hook output priority filter; policy accept;';
const DROPS: Readonly<Record<string, readonly string[]>> = {
  output: [OUTPUT, 'ct state invalid drop'],
  postrouting: ['type filter hook postrouting priority filter; policy accept;', 'ct state invalid drop'],
  'the policy of output': [OUTPUT.replace('accept', 'drop'), 'ct state established,related accept', ND],
};

for (const driver of ['pcap', 'afpacket']) {
  test(`what own rules eat of ICMP errors is counted and said once, with driver: ${driver}`, {
    skip: rootOnly('ping', 'nft'),
  }, async (t) => {
    const { ns } = await hostLab(t);
    const daemon = await startDaemon(
      ns.host,
      {
        attach: [{ host: 'eth0' }],
        driver,
        hooks: [stockHook('reject-port', { protocol: 'udp', ports: [Number(PORT)] })],
      },
      { timeoutMs: PATIENCE_MS },
    );
    // Neighbours are known before rules are in the way.
    await assertPings(ns.peer, ...HOST);
    const refuse = async () => {
      for (const address of HOST) await socket(ns.peer, 'udp-send', address, PORT, '00');
    };
    await refuse();
    await statsWhen(daemon, 'two ICMP errors', ({ total }) => total.icmpErrors === 2);
    assert.doesNotMatch((await readStatus(daemon)).warnings.join(), WARNING);

    let denied = 0;
    for (const [where, rules] of Object.entries(DROPS)) {
      await rule(ns.host, rules);
      await refuse();
      denied += 2;
      const { total } = await statsWhen(daemon, `${where} to drop two`, ({ total }) => total.icmpDue === 2 + denied);
      assert.deepEqual([total.icmpErrors, total.icmpRefused, total.icmpDenied], [2, denied, denied], where);
    }
    assert.equal(daemon.log.match(LINE)?.length, 1, daemon.log);
    assert.match((await readStatus(daemon)).warnings.join(), WARNING);
    const { stdout } = await daemon.cli('stats');
    assert.match(stdout, new RegExp(`by the rules of this machine .*\\b${denied}\\b`));

    // The rule that the log names.
    assert.ok(daemon.log.includes(`meta skgid ${SEND_GROUP} accept`), daemon.log);
    await rule(ns.host, [OUTPUT, `meta skgid ${SEND_GROUP} accept`, 'ct state invalid drop']);
    await refuse();
    const { total } = await statsWhen(daemon, 'two more', ({ total }) => total.icmpErrors === 4);
    assert.equal(total.icmpDenied, denied);
    // What no route leads to is refused, and no rule's doing.
    await rule(ns.host, [OUTPUT]);
    await ns.host.output('ip', ['route', 'add', 'unreachable', '10.78.0.2/32']);
    await socket(ns.peer, 'udp-send', HOST[0], PORT, '00');
    await statsWhen(
      daemon,
      'a refusal',
      ({ total }) => total.icmpRefused === denied + 1 && total.icmpDenied === denied,
    );
    await assertAddsUp(daemon);
  });
}

/** Has the host's own rules be these and no others. */
async function rule(ns: Namespace, chain: readonly string[]): Promise<void> {
  const lines = ['table inet own', 'delete table inet own', 'table inet own {', 'chain own {', ...chain, '}', '}', ''];
  await ns.output('nft', ['-f', '-'], { input: lines.join('\n') });
}
