/**
 * Behind a host attach the host's own rules and sockets see what they saw before: the packet arrives on its interface,
 * once, and conntrack, masquerade and DNAT do not notice.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDaemon } from '../../support/daemon.ts';
import { assertAddsUp, assertPingCount, stockHook } from '../../support/live.ts';
import type { Namespace } from '../../support/netns.ts';
import { hostLab, rootOnly, routerLab, waitFor } from '../../support/netns.ts';
import { listen, socket, startSocket, wayOf } from './live-host.ts';

const skip = rootOnly('ping');

test('rules on iifname count each packet once, and a socket bound to the interface receives', { skip }, async (t) => {
  const { ns } = await hostLab(t);
  await nft(
    ns.host,
    `table inet local {
      counter echo4 { }
      counter echo6 { }
      counter datagrams { }
      counter leaving { }
      counter elsewhere { }
      chain input {
        type filter hook input priority filter; policy accept;
        iifname "eth0" icmp type echo-request counter name echo4 accept
        iifname "eth0" icmpv6 type echo-request counter name echo6 accept
        iifname "eth0" udp dport 7500 counter name datagrams accept
        iifname != { "eth0", "lo" } counter name elsewhere
      }
      chain output {
        type filter hook output priority filter; policy accept;
        oifname "eth0" udp sport 7500 counter name leaving accept
        oifname != { "eth0", "lo" } counter name elsewhere
      }
    }`,
  );
  const daemon = await startDaemon(ns.host, { attach: [{ host: 'eth0' }], hooks: [stockHook('pass-all')] });
  for (const address of ['10.78.0.1', 'fd78::1']) {
    await assertPingCount(ns.peer, 5, address);
    const bound = await listen(ns.host, 'udp-listen', address, '7500', '--device', 'eth0', '--answer');
    assert.equal(await socket(ns.peer, 'udp-ask', address, '7500', 'beef'), 'beef');
    await bound.stop();
  }
  assert.deepEqual(await countersOf(ns.host, 'inet', 'local'), {
    echo4: 5,
    echo6: 5,
    datagrams: 2,
    leaving: 2,
    elsewhere: 0,
  });
  await assertAddsUp(daemon);
});

test('masquerade, DNAT and connection tracking work on a router whose outer interface is attached', {
  skip,
}, async (t) => {
  const { ns } = await routerLab(t);
  // Without a way back to the inner network, only what masquerade changed can be answered.
  for (const family of ['-4', '-6']) await ns.outside.output('ip', [family, 'route', 'del', 'default']);
  await nft(
    ns.router,
    `table inet nat {
      counter invalid { }
      chain prerouting {
        type nat hook prerouting priority dstnat; policy accept;
        iifname "wan0" tcp dport 7600 dnat ip to 10.79.1.2:7601
        iifname "wan0" tcp dport 7600 dnat ip6 to [fd79:1::2]:7601
      }
      chain postrouting {
        type nat hook postrouting priority srcnat; policy accept;
        oifname "wan0" masquerade
      }
      chain forward {
        type filter hook forward priority filter; policy drop;
        ct state invalid counter name invalid drop
        ct state established,related accept
        iifname "lan0" oifname "wan0" accept
        iifname "wan0" ct status dnat accept
      }
    }`,
  );
  const daemon = await startDaemon(ns.router, {
    attach: [{ host: 'wan0' }],
    hooks: [stockHook('reject-port', { protocol: 'tcp', ports: [7602] })],
  });
  await listen(ns.outside, 'tcp-serve', '::', '7603');
  await listen(ns.inside, 'tcp-serve', '::', '7601');
  for (const [outside, router, refusal] of [
    ['10.79.2.2', '10.79.2.1', 'EHOSTUNREACH'],
    ['fd79:2::2', 'fd79:2::1', 'EACCES'],
  ] as const) {
    await assertPingCount(ns.inside, 5, outside);
    await assertTrickles(ns.inside, outside, '7603');
    await assertTrickles(ns.outside, router, '7600');
    // The refusal quotes the packet as masquerade left it; conntrack knows it as related and brings it to the sender.
    assert.equal(await socket(ns.inside, 'tcp-connect', outside, '7602', '--timeout', '25'), refusal);
  }
  assert.deepEqual(await countersOf(ns.router, 'inet', 'nat'), { invalid: 0 });
  const stats = await assertAddsUp(daemon);
  assert.equal(wayOf(stats, 'wan0 out').ledger.rejected, 2);
});

/** Real TCP: twenty lines there and back, one by one. */
async function assertTrickles(ns: Namespace, address: string, port: string): Promise<void> {
  const client = startSocket(ns, 'tcp-trickle', address, port, '20', '--timeout', '30');
  await client.exited;
  await waitFor(() => !client.isRunning, { what: 'the end of the client' });
  assert.equal(client.stdout.trimEnd().split('\n').at(-1), '20', client.stdout + client.stderr);
}

async function nft(ns: Namespace, rules: string): Promise<void> {
  await ns.output('nft', ['-f', '-'], { input: rules });
}

async function countersOf(ns: Namespace, family: string, table: string): Promise<Record<string, number>> {
  const listed = await ns.output('nft', ['-j', 'list', 'counters', 'table', family, table]);
  const { nftables } = JSON.parse(listed) as { nftables: { counter?: { name: string; packets: number } }[] };
  return Object.fromEntries(nftables.flatMap(({ counter }) => (counter ? [[counter.name, counter.packets]] : [])));
}
