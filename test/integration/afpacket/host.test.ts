/**
 * `driver: afpacket` with `host` and `tap`: what the rest of the host does with packets goes on as if nobody were there.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertAddsUp, assertPings, pingsAgain, statsWhen, stockHook } from '../../support/live.ts';
import { hostLab, type Namespace, rootOnly, routerLab } from '../../support/netns.ts';
import { BODY, curl, ready, startAfpacket, startHttp } from './live-afpacket.ts';

const DROP_4000 = stockHook('drop-port', { protocol: 'udp', ports: [4000] });

test('masquerade and DNAT go on behind a host with afpacket', { skip: rootOnly('ping', 'curl') }, async (t) => {
  const { ns } = await routerLab(t);
  const rules = [
    'table ip nat {',
    '  chain out { type nat hook postrouting priority srcnat; oifname "wan0" masquerade; }',
    '  chain in { type nat hook prerouting priority dstnat; iifname "wan0" tcp dport 80 dnat to 10.79.1.2:8080; }',
    '}',
  ];
  await ns.router.output('nft', ['-f', '-'], { input: rules.join('\n') });
  await ns.outside.output('ip', ['route', 'del', 'default']);
  const daemon = await startAfpacket(ns.router, { host: 'wan0' }, [stockHook('pass-all')]);
  await assertPings(ns.inside, '10.79.2.2');
  await startHttp(ns.outside);
  assert.equal(await curl(ns.inside, '10.79.2.2'), BODY);
  await startHttp(ns.inside);
  assert.equal(await ns.outside.output('curl', ['-sS', '-m', '30', 'http://10.79.2.1/']), BODY);
  const { total } = await assertAddsUp(daemon);
  assert.equal(total.lost, 0);
});

test('rules by iifname and sockets bound to the device meet what arrives through afpacket', {
  skip: rootOnly('ping'),
}, async (t) => {
  const { ns } = await hostLab(t);
  const rules = [
    'table inet seen {',
    '  chain in {',
    '    type filter hook input priority 0;',
    '    icmp type echo-request iifname "eth0" counter name byname',
    '    icmp type echo-request iifname != "eth0" counter name others',
    '  }',
    '  counter byname { }',
    '  counter others { }',
    '}',
  ];
  await ns.host.output('nft', ['-f', '-'], { input: rules.join('\n') });
  const daemon = await startAfpacket(ns.host, { host: 'eth0' }, [stockHook('pass-all')]);
  await assertPings(ns.peer, '10.78.0.1', 'fd78::1');
  const counted = await ns.host.output('nft', ['list', 'counters']);
  assert.match(counted, /byname \{\s*packets 3 /);
  assert.match(counted, /others \{\s*packets 0 /);
  for (const address of ['10.78.0.1', 'fd78::1']) assert.equal(await askBound(ns, address), 'bound', address);
  await assertAddsUp(daemon);
});

test('a host with afpacket drops what a hook drops, in and out', { skip: rootOnly('ping') }, async (t) => {
  const { ns } = await hostLab(t);
  const daemon = await startAfpacket(ns.host, { host: 'eth0' }, [DROP_4000]);
  for (const [from, to] of [
    [ns.peer, '10.78.0.1'],
    [ns.peer, 'fd78::1'],
    [ns.host, '10.78.0.2'],
    [ns.host, 'fd78::2'],
  ] as const) {
    await sendTo4000(from, to);
  }
  const { ways, total } = await statsWhen(daemon, 'four drops', (stats) => stats.total.droppedByHook >= 4);
  assert.deepEqual(
    ways.map(({ ledger }) => ledger.droppedByHook),
    [2, 2],
  );
  assert.equal(total.lost, 0);
  await assertPings(ns.peer, '10.78.0.1', 'fd78::1');
  await assertAddsUp(daemon);
});

for (const lanes of [1, 2]) {
  test(`a tap with ${lanes} ${lanes === 1 ? 'lane' : 'lanes'} sees both directions once and changes nothing`, {
    skip: rootOnly('ping', 'curl'),
  }, async (t) => {
    const { ns } = await hostLab(t);
    const before = await ns.host.output('nft', ['list', 'ruleset']);
    const daemon = await startAfpacket(ns.host, { tap: 'eth0' }, [DROP_4000], { lanes });
    await startHttp(ns.host);
    assert.equal(await curl(ns.peer, '10.78.0.1'), BODY);
    for (const [from, to] of [
      [ns.peer, '10.78.0.1'],
      [ns.host, '10.78.0.2'],
    ] as const) {
      await sendTo4000(from, to);
    }
    const { ways, total } = await statsWhen(daemon, 'both datagrams', (stats) => stats.total.droppedByHook >= 2);
    assert.deepEqual(
      ways.map(({ ledger, isWouldBe }) => [ledger.droppedByHook, isWouldBe]),
      [
        [1, true],
        [1, true],
      ],
    );
    assert.deepEqual([total.sent, total.lost], [0, 0]);
    assert.ok(ways.every(({ ledger }) => ledger.received > 5));
    assert.equal(await ns.host.output('nft', ['list', 'ruleset']), before);
    await assertAddsUp(daemon);
  });
}

test('a tap goes on when its interface was down for a while', { skip: rootOnly('ping') }, async (t) => {
  const { ns } = await hostLab(t);
  const daemon = await startAfpacket(ns.host, { tap: 'eth0' }, [DROP_4000]);
  await sendTo4000(ns.peer, '10.78.0.1');
  await statsWhen(daemon, 'the first datagram', (stats) => stats.total.droppedByHook === 1);
  await ns.host.output('ip', ['link', 'set', 'eth0', 'down']);
  await ns.host.output('ip', ['link', 'set', 'eth0', 'up']);
  await pingsAgain(ns.peer, '10.78.0.1');
  await sendTo4000(ns.peer, '10.78.0.1');
  await statsWhen(daemon, 'the second datagram', (stats) => stats.total.droppedByHook === 2);
  await assertAddsUp(daemon);
});

async function sendTo4000(ns: Namespace, address: string): Promise<void> {
  const family = address.includes(':') ? 'AF_INET6' : 'AF_INET';
  const program = `import socket; socket.socket(socket.${family}, socket.SOCK_DGRAM).sendto(b"x", ("${address}", 4000))`;
  await ns.output('python3', ['-c', program]);
}

/** What a socket that is bound to eth0 of the host answers to the peer. */
async function askBound(ns: { readonly host: Namespace; readonly peer: Namespace }, address: string): Promise<string> {
  const family = address.includes(':') ? 'AF_INET6' : 'AF_INET';
  const listen = [
    'import socket',
    `s = socket.socket(socket.${family}, socket.SOCK_DGRAM)`,
    's.setsockopt(socket.SOL_SOCKET, 25, b"eth0")',
    `s.bind(("${address}", 4001))`,
    'print("ready", flush=True)',
    's.sendto(b"bound", s.recvfrom(10)[1])',
  ];
  const ask = [
    'import socket',
    `s = socket.socket(socket.${family}, socket.SOCK_DGRAM)`,
    `s.settimeout(20); s.sendto(b"?", ("${address}", 4001)); print(s.recv(10).decode(), end="")`,
  ];
  await ready(ns.host.spawn('python3', ['-c', listen.join('\n')]), 'ready');
  return ns.peer.output('python3', ['-c', ask.join('\n')]);
}
