/**
 * The counter of traffic tells what arrived, what did not, and what came twice.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bridgeLab, hostLab, rootOnly, waitFor } from '../../support/netns.ts';
import { type Arrival, type Flow, type FlowSpec, monotonicMs, startTraffic } from '../../support/traffic.ts';

const PORT = 7002;

test('all that is sent over IPv4 and IPv6 arrives once, at a time after it was sent', {
  skip: rootOnly(),
}, async (t) => {
  const { ns } = await hostLab(t);
  const addresses = ['10.78.0.1', 'fd78::1'];
  // The first datagrams of a link that has just come up may be lost while its neighbours are asked for.
  for (const address of addresses) await ns.peer.output('ping', ['-c', '1', '-w', '10', address]);
  const flow: Omit<FlowSpec, 'from' | 'to' | 'name'> = { port: PORT, addresses };
  const beforeMs = monotonicMs();
  const traffic = await startTraffic([{ ...flow, name: 'peer to host', from: ns.peer, to: ns.host }]);
  const [only] = traffic.flows;
  assert.ok(only !== undefined);
  await waitFor(() => only.arrivals.length >= 50, { what: '50 datagrams' });
  await traffic.stop();
  assert.deepEqual(only.duplicates, []);
  for (const [index, { number, atMs }] of only.arrivals.entries()) {
    assert.equal(number, index);
    assert.ok(atMs >= (only.sentAtMs[number] ?? Number.POSITIVE_INFINITY), `${number}`);
    assert.ok(atMs > beforeMs && atMs < monotonicMs());
  }
});

test('what a filter drops is missing for the flow that it drops, and for no other', {
  skip: rootOnly(),
}, async (t) => {
  const { ns } = await hostLab(t);
  const ends = { from: ns.peer, to: ns.host, addresses: ['10.78.0.1', 'fd78::1'] };
  const rules = `table inet t { chain in { type filter hook input priority 0; udp dport ${PORT} drop; }; }`;
  await ns.host.output('nft', ['-f', '-'], { input: rules });
  const traffic = await startTraffic([
    { ...ends, name: 'dropped', port: PORT },
    { ...ends, name: 'accepted', port: PORT + 1 },
  ]);
  const [dropped, accepted] = traffic.flows as [Flow, Flow];
  await waitFor(() => accepted.arrivals.length >= 20, { what: '20 datagrams' });
  await traffic.stop();
  assert.ok(dropped.sentAtMs.length >= 20);
  assert.deepEqual(dropped.arrivals, []);
  assert.equal(dropped.hasArrived(0), false);
});

test('a datagram that comes a second time is a duplicate of its flow', { skip: rootOnly() }, async (t) => {
  const { ns } = await hostLab(t);
  const traffic = await startTraffic([
    { name: 'peer to host', from: ns.peer, to: ns.host, port: PORT, addresses: ['10.78.0.1'] },
  ]);
  const [only] = traffic.flows as [Flow];
  // On a busy machine the first ones are sent before the link is up.
  await waitFor(() => only.arrivals.length > 0, { what: 'a datagram' });
  const { number } = only.arrivals[0] as Arrival;
  const again = [
    'import socket, struct',
    `socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(struct.pack("!IIQ", 0x66684348, 0, ${number}), ("10.78.0.1", ${PORT}))`,
  ];
  await ns.peer.output('python3', ['-c', again.join('\n')]);
  await waitFor(() => only.duplicates.length > 0, { what: 'the duplicate' });
  await traffic.stop();
  assert.deepEqual(
    only.duplicates.map((duplicate) => duplicate.number),
    [number],
  );
});

test('nothing arrives where nothing connects the two', { skip: rootOnly() }, async (t) => {
  const { ns } = await bridgeLab(t);
  const traffic = await startTraffic([
    { name: 'client to server', from: ns.client, to: ns.server, port: PORT, addresses: ['10.77.0.2', 'fd77::2'] },
  ]);
  const [only] = traffic.flows as [Flow];
  await waitFor(() => only.sentAtMs.length >= 20, { what: '20 datagrams' });
  await traffic.stop();
  assert.deepEqual(only.arrivals, []);
});
