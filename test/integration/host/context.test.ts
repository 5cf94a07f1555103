/**
 * What a hook is told about where it meets a packet, through both doors, and what it can send itself.
 *
 * The fixture hooks write what they were handed into the payload; the socket at the end reads it. The expected values are
 * those of the table of decisions in `docs/windows-interface.md`.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DEST_LOCAL,
  DEST_REMOTE,
  INVALID_IF_INDEX,
  IP_RECEIVE,
  IP_TRANSMIT,
  LOCAL_IF_INDEX,
  SIZEOF_FIREWALL_CONTEXT_T,
} from '../../../src/firewall/constants.ts';
import { startDaemon } from '../../support/daemon.ts';
import { assertAddsUp, ifindexOf, statsWhen, stockHook } from '../../support/live.ts';
import type { Namespace } from '../../support/netns.ts';
import { bridgeLab, hostLab, rootOnly, routerLab, waitFor } from '../../support/netns.ts';
import { fixtureHook, listen, socket, wayOf } from './live-host.ts';

const skip = rootOnly();
/** Octets of the payload and of a stamp in it; see `_stamp.ts` among the fixture hooks. */
const PAYLOAD = 120;
const STAMP = 16;
const STAMPING = [fixtureHook('stamp-context'), fixtureHook('stamp_callback')];

test('hooks of a host attach are told arrival and departure as the table of decisions says', { skip }, async (t) => {
  const { ns } = await hostLab(t);
  const daemon = await startDaemon(ns.host, { attach: [{ host: 'eth0' }], hooks: STAMPING });
  const eth0 = await ifindexOf(ns.host, 'eth0');
  const arriving: Seen = [IP_RECEIVE, DEST_LOCAL, eth0, INVALID_IF_INDEX];
  const leaving: Seen = [IP_TRANSMIT, DEST_REMOTE, LOCAL_IF_INDEX, eth0];
  for (const [address, version] of [
    ['10.78.0.1', 4],
    ['fd78::1', 6],
  ] as const) {
    await listen(ns.host, 'udp-listen', address, '7000', '--answer');
    const stamps = await stampsOfAnswer(ns.peer, address);
    const doors = version === 4 ? (['d', 'c'] as const) : (['d'] as const);
    assert.deepEqual(
      // The callback is the IPv4 interface; what it makes of IPv6 is not promised here.
      stamps.filter(({ door }) => version === 4 || door === 'd'),
      [arriving, leaving].flatMap((seen) => doors.map((door) => stamp(door, version, ...seen))),
    );
  }
  await assertAddsUp(daemon);
});

test('a transit packet meets the hooks twice, receive then transmit, on a router attached on both sides', {
  skip,
}, async (t) => {
  const { ns } = await routerLab(t);
  const daemon = await startDaemon(ns.router, {
    attach: [{ host: 'lan0' }, { host: 'wan0' }],
    hooks: [fixtureHook('stamp-context')],
  });
  const [lan0, wan0] = [await ifindexOf(ns.router, 'lan0'), await ifindexOf(ns.router, 'wan0')];
  for (const [address, version] of [
    ['10.79.2.2', 4],
    ['fd79:2::2', 6],
  ] as const) {
    await listen(ns.outside, 'udp-listen', address, '7000', '--answer');
    const meeting = (...seen: Seen) => stamp('d', version, ...seen);
    assert.deepEqual(await stampsOfAnswer(ns.inside, address), [
      meeting(IP_RECEIVE, DEST_REMOTE, lan0, INVALID_IF_INDEX),
      meeting(IP_TRANSMIT, DEST_REMOTE, LOCAL_IF_INDEX, wan0),
      meeting(IP_RECEIVE, DEST_REMOTE, wan0, INVALID_IF_INDEX),
      meeting(IP_TRANSMIT, DEST_REMOTE, LOCAL_IF_INDEX, lan0),
    ]);
  }
  const stats = await assertAddsUp(daemon);
  for (const way of ['lan0 in', 'lan0 out', 'wan0 in', 'wan0 out']) assert.equal(wayOf(stats, way).ledger.received, 2);
});

test('a datagram that a hook sends leaves the host, and does not meet the hooks again', { skip }, async (t) => {
  const { ns } = await hostLab(t);
  const daemon = await startDaemon(ns.host, { attach: [{ host: 'eth0' }], hooks: [fixtureHook('send-echo')] });
  for (const [index, [host, peer]] of [
    ['10.78.0.1', '10.78.0.2'],
    ['fd78::1', 'fd78::2'],
  ].entries()) {
    const answered = await listen(ns.peer, 'udp-listen', peer ?? '', '7002');
    // Nobody may refuse it: the answer of the kernel's would be one more packet of the host's.
    await listen(ns.host, 'udp-listen', host ?? '', '7001');
    await socket(ns.peer, 'udp-send', host ?? '', '7001', 'cafe');
    await waitFor(() => answered.stdout === 'cafe\n', { what: `the datagram of the hook's own making to ${peer}` });
    await statsWhen(daemon, 'it to be counted', ({ total }) => total.injected === index + 1);
  }
  assert.match(daemon.log, /send returned true/);
  assert.doesNotMatch(daemon.log, /met its own datagram/);
  const stats = await assertAddsUp(daemon);
  assert.deepEqual([stats.total.received, stats.total.injected, stats.total.injectRefused], [2, 2, 0]);
  assert.equal(wayOf(stats, 'eth0 out').ledger.received, 0);
});

for (const [driver, answer] of [
  ['pcap', false],
  // Within a call the datagram is only taken; what the kernel says at the end of the batch is counted.
  ['afpacket', true],
] as const) {
  test(`what a hook sends in a bridge whose machine has no route is counted as refused: ${driver}`, {
    skip,
  }, async (t) => {
    const { ns } = await bridgeLab(t);
    const daemon = await startDaemon(ns.fw, {
      attach: [{ bridge: ['lan0', 'wan0'] }],
      driver,
      hooks: [fixtureHook('send-echo'), stockHook('pass-all')],
    });
    const asked = await listen(ns.server, 'udp-listen', '10.77.0.2', '7001');
    await socket(ns.client, 'udp-send', '10.77.0.2', '7001', 'cafe');
    await waitFor(() => asked.stdout === 'cafe\n', { what: 'the datagram to pass' });
    await waitFor(() => daemon.log.includes(`send returned ${answer}`), { what: 'what send returned' });
    const stats = await statsWhen(daemon, 'the refusal', ({ total }) => total.injectRefused === 1);
    assert.equal(stats.total.injected, 0);
    await assertAddsUp(daemon);
  });
}

/** A stamp as the fixture hooks write it. */
interface Stamp {
  readonly door: string;
  readonly direction: number;
  readonly destinationType: number;
  readonly version: number;
  readonly recvInterfaceIndex: number;
  readonly sendInterfaceIndex: number;
  readonly contextLength: number;
}

/** Direction, destination type, receive index, send index. */
type Seen = readonly [direction: number, type: number, recvIndex: number, sendIndex: number];

function stamp(door: 'c' | 'd', version: 4 | 6, ...seen: Seen): Stamp {
  const [direction, destinationType, recvInterfaceIndex, sendInterfaceIndex] = seen;
  // Only the callback is told how long its context is.
  const contextLength = door === 'c' ? SIZEOF_FIREWALL_CONTEXT_T : 0;
  return { door, direction, destinationType, version, recvInterfaceIndex, sendInterfaceIndex, contextLength };
}

/** Sends one datagram to an echo and reads what was stamped on it on its way there and back. */
async function stampsOfAnswer(ns: Namespace, address: string): Promise<Stamp[]> {
  const answer = await socket(ns, 'udp-ask', address, '7000', '00'.repeat(PAYLOAD), '--timeout', '20');
  const payload = Buffer.from(answer, 'hex');
  assert.equal(payload.length, PAYLOAD, answer);
  return Array.from({ length: payload.readUInt8(0) }, (_, number) => {
    const at = 1 + number * STAMP;
    return {
      door: String.fromCharCode(payload.readUInt8(at)),
      direction: payload.readUInt8(at + 1),
      destinationType: payload.readUInt8(at + 2),
      version: payload.readUInt8(at + 3),
      recvInterfaceIndex: payload.readUInt32BE(at + 4),
      sendInterfaceIndex: payload.readUInt32BE(at + 8),
      contextLength: payload.readUInt32BE(at + 12),
    };
  });
}
