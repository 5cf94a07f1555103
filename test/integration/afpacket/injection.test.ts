/**
 * What `driver: afpacket` sends of its own on a `host`: ICMP errors and datagrams that hooks make, batched by the addon.
 *
 * Rule: the receiver counts, not the sender; every test ends with the ledger.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sendFrames } from '../../support/frames.ts';
import { assertAddsUp, assertPings, ETHERNET_HEADER, PATIENCE_MS, statsWhen, stockHook } from '../../support/live.ts';
import { hostLab, type Namespace, type RunningProcess, rootOnly, waitFor } from '../../support/netns.ts';
import { ethernet, ipv4, ipv6, type Transport, udp } from '../../support/packet-builder.ts';
import { checkIpv4, checkIpv6, destination, icmp, payload, source } from '../../support/packet-checker.ts';
import { listen, watch, wayOf } from '../host/live-host.ts';
import { ready, startAfpacket } from './live-afpacket.ts';

const HOST = '10.78.0.1';
const PEER = '10.78.0.2';
const HOST6 = 'fd78::1';
const PEER6 = 'fd78::2';
/** Documentation networks, which the lab has no route to. */
const NOWHERE = '198.51.100.9';
const NOWHERE6 = '2001:db8::9';
const MANY = 1000;

const skip = rootOnly('ping');

test('ICMP_ON_DROP gives the peer of a host with afpacket an ICMP error, IPv4 and IPv6', { skip }, async (t) => {
  const { ns } = await hostLab(t);
  const daemon = await startAfpacket(ns.host, { host: 'eth0' }, [
    stockHook('reject-port', { protocol: 'udp', ports: [4000] }),
  ]);
  await assertPings(ns.peer, HOST, HOST6);
  const seen = await watch(ns.peer, ns.host);
  const asked = udp({ destinationPort: 4000 }, Buffer.from('is anybody there?'));
  const four = ipv4({ source: PEER, destination: HOST }, asked);
  const six = ipv6({ source: PEER6, destination: HOST6 }, asked);
  await sendToHost(ns, four, six);
  await statsWhen(daemon, 'two answers', ({ total }) => total.icmpErrors === 2);
  const errors = (await seen.frames()).map((frame) => frame.subarray(ETHERNET_HEADER)).filter(isError);
  assert.equal(errors.length, 2);
  const [error4 = Buffer.alloc(0), error6 = Buffer.alloc(0)] = errors;
  checkIpv4(error4, source(HOST), destination(PEER), icmp(3, 13, payload(four)));
  checkIpv6(error6, source(HOST6), destination(PEER6), icmp(1, 1, payload(six)));
  const stats = await assertAddsUp(daemon);
  assert.deepEqual([wayOf(stats, 'eth0 in').ledger.rejected, wayOf(stats, 'eth0 out').ledger.rejected], [2, 0]);
});

test('a hook with afpacket injects from onPacket, from a timer and from teardown, IPv4 and IPv6', {
  skip,
}, async (t) => {
  const { ns } = await hostLab(t);
  const daemon = await startAfpacket(ns.host, { host: 'eth0' }, [ANSWER_THREE_TIMES]);
  for (const [index, [host, peer]] of (
    [
      [HOST, PEER],
      [HOST6, PEER6],
    ] as const
  ).entries()) {
    const listener = await listen(ns.peer, 'udp-listen', peer, '7002');
    await sendToHost(ns, datagram(host, peer, udp({ sourcePort: 7002, destinationPort: 7001 })));
    await statsWhen(daemon, 'two injections', ({ total }) => total.injected === 2 * (index + 1));
    await listened(listener, 2);
  }
  const stats = await assertAddsUp(daemon);
  assert.equal(wayOf(stats, 'eth0 out').ledger.received, 0, 'the hooks do not meet them');
  assert.equal(stats.total.injectRefused, 0);
  const last = await listen(ns.peer, 'udp-listen', PEER6, '7003');
  assert.equal(await daemon.stop(), 0);
  await listened(last, 1);
  assert.deepEqual(daemon.log.match(/(onPacket|timer|teardown) \w+/g), [
    ...['onPacket true', 'timer true', 'onPacket true', 'timer true'],
    'teardown true',
  ]);
});

test(`${MANY} injections of one call arrive, in order`, { skip }, async (t) => {
  const { ns } = await hostLab(t);
  const daemon = await startAfpacket(ns.host, { host: 'eth0' }, [INJECT_MANY]);
  // Whom the neighbour is has to be known: else the kernel keeps a hundred of them and drops the others.
  await assertPings(ns.host, PEER, PEER6);
  for (const [index, [host, peer]] of (
    [
      [HOST, PEER],
      [HOST6, PEER6],
    ] as const
  ).entries()) {
    const listener = ns.peer.spawn('python3', ['-c', NUMBERS_HEARD, peer]);
    await ready(listener, 'ready');
    await sendToHost(ns, datagram(host, peer, udp({ sourcePort: 7002, destinationPort: 7001 })));
    await statsWhen(daemon, 'the injections', ({ total }) => total.injected === MANY * (index + 1));
    await ready(listener, 'done');
    const numbers = listener.stdout.replace('done', '').trim().split(' ').map(Number);
    assert.deepEqual(
      numbers,
      Array.from({ length: MANY }, (_, number) => number),
    );
  }
  const { total } = await assertAddsUp(daemon);
  assert.equal(total.injectRefused, 0);
});

test('what the kernel refuses is counted as refused and not as sent', { skip }, async (t) => {
  const { ns } = await hostLab(t);
  const daemon = await startAfpacket(ns.host, { host: 'eth0' }, [
    ANSWER_THREE_TIMES,
    stockHook('reject-port', { protocol: 'udp', ports: [4000] }),
  ]);
  await assertPings(ns.peer, HOST);
  const ask = udp({ sourcePort: 7002, destinationPort: 7001 });
  const refuse = udp({ sourcePort: 7002, destinationPort: 4000 });
  // There is no route for the answers to these.
  await sendToHost(
    ns,
    ...[ask, refuse].flatMap((one) => [datagram(HOST, NOWHERE, one), datagram(HOST6, NOWHERE6, one)]),
  );
  const { total } = await statsWhen(daemon, 'four refusals', (stats) => stats.total.injectRefused === 4);
  assert.deepEqual([total.injected, total.icmpErrors], [0, 0]);
  // Within a call a datagram is only taken; outside one the answer is the kernel's.
  await waitFor(() => daemon.log.match(/(onPacket true|timer false)/g)?.length === 4, { what: 'what send returned' });

  const listener = await listen(ns.peer, 'udp-listen', PEER, '7002');
  // One batch, most likely: the one that can go does, whatever becomes of those before and behind it.
  await sendToHost(ns, datagram(HOST, NOWHERE, ask), datagram(HOST, PEER, ask), datagram(HOST, NOWHERE, ask));
  await listened(listener, 2);
  await statsWhen(daemon, 'the rest', (stats) => stats.total.injected === 2 && stats.total.injectRefused === 8);
  const last = await assertAddsUp(daemon);
  assert.deepEqual([last.total.rejected, last.total.icmpErrors], [2, 0]);
});

/** Sends a datagram to port 7001 back to its sender: at once, from a timer, and at the end to port 7003. */
const ANSWER_THREE_TIMES = `
  import { defineHook, DROP, fillChecksums, FORWARD } from 'firehook';
  let runtime = null;
  let answer = null;
  const send = (where, datagram) => runtime.log('info', where + ' ' + runtime.send(datagram));
  export default defineHook({
    name: 'answer-three-times',
    setup(_options, given) { runtime = given; },
    onPacket(packet) {
      if (packet.protocol !== 17 || packet.destinationPort !== 7001) return FORWARD;
      answer = answerTo(packet);
      send('onPacket', answer);
      setTimeout(send, 1, 'timer', answer);
      return DROP;
    },
    teardown() {
      if (answer === null) return;
      answer.writeUInt16BE(7003, answer.length - 6);
      fillChecksums(answer, answer.length);
      send('teardown', answer);
    },
  });
  ${answerTo()}`;

/** Answers a datagram to port 7001 a thousand times, with a number in each. */
const INJECT_MANY = `
  import { defineHook, DROP, fillChecksums, FORWARD } from 'firehook';
  let runtime = null;
  export default defineHook({
    name: 'inject-many',
    setup(_options, given) { runtime = given; },
    onPacket(packet) {
      if (packet.protocol !== 17 || packet.destinationPort !== 7001) return FORWARD;
      const answer = answerTo(packet);
      for (let number = 0; number < ${MANY}; number++) {
        // The source port: the datagram has no payload.
        answer.writeUInt16BE(number, packet.transportOffset);
        fillChecksums(answer, answer.length);
        runtime.send(answer);
      }
      return DROP;
    },
  });
  ${answerTo()}`;

/** The source of a function that makes an empty datagram back to the sender of another one, for both hooks. */
function answerTo(): string {
  return `function answerTo(packet) {
    const answer = Buffer.from(packet.bytes.subarray(0, packet.length));
    const [at, length] = packet.version === 4 ? [12, 4] : [8, 16];
    packet.bytes.copy(answer, at, at + length, at + 2 * length);
    packet.bytes.copy(answer, at + length, at, at + length);
    packet.bytes.copy(answer, packet.transportOffset, packet.transportOffset + 2, packet.transportOffset + 4);
    packet.bytes.copy(answer, packet.transportOffset + 2, packet.transportOffset, packet.transportOffset + 2);
    fillChecksums(answer, answer.length);
    return answer;
  }`;
}

/** Prints the source ports of a thousand datagrams to port 7002. 33: SO_RCVBUFFORCE. */
const NUMBERS_HEARD = `
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, 33, 8 * 1024 * 1024)
s.settimeout(${PATIENCE_MS / 1000})
s.bind((sys.argv[1], 7002))
print("ready", file=sys.stderr, flush=True)
print(*[s.recvfrom(100)[1][1] for _ in range(${MANY})], "done", flush=True)`;

/** A datagram of that version to the host, as from `from`. */
function datagram(host: string, from: string, transport: Transport): Buffer {
  const addresses = { source: from, destination: host };
  return host.includes(':') ? ipv6(addresses, transport) : ipv4(addresses, transport);
}

/** Has the peer send datagrams to the host, one frame each. */
async function sendToHost(
  ns: { readonly host: Namespace; readonly peer: Namespace },
  ...datagrams: Buffer[]
): Promise<void> {
  const [to = Buffer.alloc(6), from = Buffer.alloc(6)] = await Promise.all(
    [ns.host, ns.peer].map(async (end) => {
      const text = await end.output('cat', ['/sys/class/net/eth0/address']);
      return Buffer.from(text.trim().replaceAll(':', ''), 'hex');
    }),
  );
  await sendFrames(
    ns.peer,
    'eth0',
    datagrams.map((one) => ethernet({ destination: to, source: from }, one)),
  );
}

/** Waits until a listener has printed that many lines, and fails if there are more. */
async function listened(listener: RunningProcess, count: number): Promise<void> {
  const lines = () => listener.stdout.split('\n').length - 1;
  await waitFor(() => lines() >= count, { what: `${count} datagrams`, timeoutMs: PATIENCE_MS });
  assert.equal(lines(), count);
}

/** ICMP and ICMPv6 "destination unreachable". */
function isError(packet: Buffer): boolean {
  const isIpv4 = (packet[0] ?? 0) >>> 4 === 4;
  return isIpv4 ? packet[9] === 1 && packet[20] === 3 : packet[6] === 58 && packet[40] === 1;
}
