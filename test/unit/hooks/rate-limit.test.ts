/**
 * Promises of the stock hook `rate-limit`. Every time in here is a timestamp of a packet; nothing waits.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import rateLimit from '../../../hooks/rate-limit.ts';
import { DROP, FORWARD, ICMP_ON_DROP, IP_TRANSMIT } from '../../../src/firewall/constants.ts';
import { icmpv4, icmpv6, ipv4, ipv6, octets, tcp, udp } from '../../support/packet-builder.ts';
import { type DrivenHook, driveHook, refusal } from './drive-hook.ts';

const [FIN, SYN, RST, PSH, ACK, ECE, CWR] = [1, 2, 4, 8, 16, 64, 128];
const START = 1_700_000_000_000;
const packet = ipv4({}, udp());

/** How many of `count` packets pass at one moment. */
function passing(hook: DrivenHook, count: number, atMs: number, datagram = packet): number {
  let passed = 0;
  for (let index = 0; index < count; index++) if (hook.verdict(datagram, START + atMs) === FORWARD) passed += 1;
  return passed;
}

function from(index: number): Buffer {
  return ipv4({ source: `10.${index >>> 16}.${(index >>> 8) & 0xff}.${index & 0xff}` }, udp());
}

describe('rate-limit', () => {
  test('passes a burst, then the rate, and never more than a burst after a pause', async () => {
    const hook = await driveHook(rateLimit, { packetsPerSecond: 10, burst: 5 });
    assert.equal(passing(hook, 20, 0), 5);
    assert.equal(passing(hook, 20, 99), 0);
    assert.equal(passing(hook, 20, 100), 1);
    assert.equal(passing(hook, 20, 350), 2);
    assert.equal(passing(hook, 20, 3_600_000), 5);
  });

  test('gives a source that sends all the time exactly its rate', async () => {
    const hook = await driveHook(rateLimit, { packetsPerSecond: 30, burst: 5 });
    let passed = 0;
    for (let atMs = 0; atMs < 20_000; atMs += 1) passed += passing(hook, 1, atMs);
    // The burst, and the whole tokens of 19,999 ms.
    assert.equal(passed, 5 + 599);
  });

  test('loses nothing to rounding at the exact interval, whatever the rate', async () => {
    for (const packetsPerSecond of [3, 7, 30, 999, 9973]) {
      const hook = await driveHook(rateLimit, { packetsPerSecond, burst: 1 });
      for (let index = 0; index < 1000; index++) {
        assert.equal(passing(hook, 1, (index * 1000) / packetsPerSecond), 1, `packet ${index} at ${packetsPerSecond}`);
      }
    }
  });

  test('agrees with a bucket of counted tokens on any traffic', async () => {
    await fc.assert(
      fc.asyncProperty(
        // A power of two: the counted tokens of the model are then exact.
        fc.constantFrom(1, 4, 64, 1024),
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 2000 })), { maxLength: 200 }),
        async (packetsPerSecond, burst, traffic) => {
          const hook = await driveHook(rateLimit, { packetsPerSecond, burst });
          const buckets = new Map<number, { tokens: number; atMs: number }>();
          let atMs = 0;
          for (const [source, pauseMs] of traffic) {
            atMs += pauseMs / 8;
            const bucket = buckets.get(source) ?? { tokens: burst, atMs };
            const tokens = Math.min(burst, bucket.tokens + ((atMs - bucket.atMs) * packetsPerSecond) / 1000);
            // The hook is exact to a microsecond; a hair's breadth is no disagreement.
            const isClose = Math.abs(tokens - 1) < packetsPerSecond * 2e-6;
            const isWithin = passing(hook, 1, atMs, from(source)) === 1;
            if (!isClose) assert.equal(isWithin, tokens >= 1);
            buckets.set(source, { tokens: isWithin ? tokens - 1 : tokens, atMs });
          }
        },
      ),
    );
  });

  test('keeps a bucket for each IPv4 address and for each IPv6 /64', async () => {
    const hook = await driveHook(rateLimit, { packetsPerSecond: 1, burst: 2 });
    assert.equal(passing(hook, 3, 0, ipv4({ source: '192.0.2.1' }, udp())), 2);
    assert.equal(passing(hook, 3, 0, ipv4({ source: '192.0.2.2' }, udp())), 2);
    assert.equal(passing(hook, 1, 0, ipv6({ source: '2001:db8:0:1::1' }, udp())), 1);
    assert.equal(passing(hook, 3, 0, ipv6({ source: '2001:db8:0:1:ffff::9' }, udp())), 1);
    assert.equal(passing(hook, 3, 0, ipv6({ source: '2001:db8:0:2::1' }, udp())), 2);
  });

  test('takes an IPv6 source that has the bits of an IPv4 one for another source', async () => {
    // One group, so that nothing but the comparison keeps them apart.
    const hook = await driveHook(rateLimit, { packetsPerSecond: 1, burst: 2, sources: 16 });
    assert.equal(passing(hook, 3, 0, ipv4({ source: '192.0.2.1' }, udp())), 2);
    assert.equal(passing(hook, 3, 0, ipv6({ source: 'c000:201::1' }, udp())), 2);
  });

  test('takes the burst from the rate when none is given', async () => {
    assert.equal(passing(await driveHook(rateLimit, { packetsPerSecond: 2.5 }), 9, 0), 3);
    assert.equal(passing(await driveHook(rateLimit, { packetsPerSecond: 0.1 }), 9, 0), 1);
  });

  test('gains nothing and loses nothing when the clock is set back', async () => {
    const hook = await driveHook(rateLimit, { packetsPerSecond: 10, burst: 5 });
    assert.equal(passing(hook, 3, 0), 3);
    assert.equal(passing(hook, 9, -1), 1, 'a millisecond back: out of order, the bucket lacks more than it did');
    assert.equal(passing(hook, 9, -3_600_000), 1, 'time goes on from the latest moment that was seen');
    assert.equal(passing(hook, 9, -3_600_000 + 99), 0);
    assert.equal(passing(hook, 9, -3_600_000 + 1000), 5, 'the rate holds from the new time on');
    assert.equal(passing(hook, 9, 7_200_000), 5);
  });

  test('counts what arrives, and what this host sends only where it is told to', async () => {
    const hook = await driveHook(rateLimit, { packetsPerSecond: 1 });
    for (let sent = 0; sent < 100; sent++) assert.equal(hook.verdict(packet, START, IP_TRANSMIT), FORWARD);
    assert.equal(passing(hook, 5, 0), 1, 'the bucket of the source is full: what was sent took nothing out of it');
    const strict = await driveHook(rateLimit, { packetsPerSecond: 1, includeOwn: true });
    const verdicts = [strict.verdict(packet, START, IP_TRANSMIT), strict.verdict(packet, START, IP_TRANSMIT)];
    assert.deepEqual(verdicts, [FORWARD, DROP]);
  });

  test('counts the packets that open a connection alone, and passes connections that are there', async () => {
    const hook = await driveHook(rateLimit, { packetsPerSecond: 1, protocol: 'tcp', newConnections: true });
    for (const flags of [ACK, SYN | ACK, ACK | PSH, FIN | ACK, RST]) {
      assert.equal(passing(hook, 100, 0, ipv4({}, tcp({ flags }))), 100);
      assert.equal(passing(hook, 100, 0, ipv6({}, tcp({ flags }))), 100);
    }
    assert.equal(passing(hook, 5, 0, ipv4({}, tcp({ flags: SYN }))), 1);
    assert.equal(passing(hook, 5, 0, ipv6({}, tcp({ flags: SYN | ECE | CWR }))), 1, 'a SYN that asks for ECN');
    assert.equal(passing(hook, 5, 0, ipv4({}, udp())), 5);
  });

  test('always passes neighbour discovery of the link, and counts what only looks like it', async () => {
    const hook = await driveHook(rateLimit, { packetsPerSecond: 1 });
    for (let type = 133; type <= 137; type++) {
      assert.equal(passing(hook, 20, 0, ipv6({ source: 'fe80::1', hopLimit: 255 }, icmpv6({ type }))), 20);
    }
    assert.equal(passing(hook, 5, 0, ipv6({ source: 'fe80::2', hopLimit: 64 }, icmpv6({ type: 135 }))), 1);
    assert.equal(passing(hook, 5, 0, ipv6({ source: 'fe80::3', hopLimit: 255 }, icmpv6({ type: 128 }))), 1);
  });

  test('keeps a bucket for each link-local address: all hosts of a link have the same /64', async () => {
    const hook = await driveHook(rateLimit, { packetsPerSecond: 1, burst: 2 });
    for (const source of ['fe80::1', 'fe80::2', 'fe80::ff:fe00:1', 'febf::1:0:0:1']) {
      assert.equal(passing(hook, 5, 0, ipv6({ source }, udp())), 2, source);
    }
    assert.equal(passing(hook, 5, 0, ipv6({ source: 'fec0::1' }, udp())), 2);
    assert.equal(passing(hook, 5, 0, ipv6({ source: 'fec0::2' }, udp())), 0, 'no link-local address: one /64');
  });

  test('counts a super-frame as the packets it was put together from', async () => {
    const hook = await driveHook(rateLimit, { packetsPerSecond: 10, burst: 5 });
    // 30,000 octets of data with its headers: 21 packets of 1,500 octets.
    const long = ipv4({}, udp({}, Buffer.alloc(30_000)));
    assert.equal(passing(hook, 5, 0, long), 1, 'one token is enough to pass');
    assert.equal(passing(hook, 5, 1600), 0, 'what it cost besides is owed');
    assert.equal(passing(hook, 5, 1700), 1);
  });

  test('limits one protocol, or ports of it, and passes the rest uncounted', async () => {
    const hook = await driveHook(rateLimit, { packetsPerSecond: 1, protocol: 'udp', ports: [53, '5000-5010'] });
    assert.equal(passing(hook, 5, 0, ipv4({}, udp({ destinationPort: 54 }))), 5);
    assert.equal(passing(hook, 5, 0, ipv4({}, udp({ sourcePort: 53, destinationPort: 54 }))), 5);
    assert.equal(passing(hook, 5, 0, ipv4({}, tcp({ destinationPort: 53 }))), 5);
    assert.equal(passing(hook, 5, 0, ipv4({ fragmentOffset: 800 }, octets(17, Buffer.alloc(8)))), 5);
    assert.equal(passing(hook, 5, 0, ipv4({}, udp({ destinationPort: 53 }))), 1);
    const all = await driveHook(rateLimit, { packetsPerSecond: 1, protocol: 'tcp' });
    assert.equal(passing(all, 5, 0, ipv4({}, icmpv4())), 5);
    assert.equal(passing(all, 5, 0, ipv4({}, tcp())), 1);
  });

  test('drops what is too much, or asks for an ICMP error when reject is set', async () => {
    const silent = await driveHook(rateLimit, { packetsPerSecond: 1 });
    assert.deepEqual([silent.verdict(packet), silent.verdict(packet)], [FORWARD, DROP]);
    const loud = await driveHook(rateLimit, { packetsPerSecond: 1, reject: true });
    assert.deepEqual([loud.verdict(packet), loud.verdict(packet)], [FORWARD, ICMP_ON_DROP]);
  });

  test('keeps every bucket while there are half as many sources as slots', async () => {
    const hook = await driveHook(rateLimit, { packetsPerSecond: 1, burst: 1, sources: 4096 });
    for (let index = 0; index < 1024; index++) assert.equal(passing(hook, 1, 0, from(index)), 1);
    for (let index = 0; index < 1024; index++) assert.equal(passing(hook, 1, 0, from(index)), 0);
    assert.deepEqual(hook.log, []);
  });

  test('gives up the bucket that has been full for the longest, without a loss', async () => {
    const hook = await driveHook(rateLimit, { packetsPerSecond: 1, burst: 1, sources: 16 });
    for (let index = 0; index < 16; index++) assert.equal(passing(hook, 1, index, from(index)), 1);
    assert.equal(passing(hook, 1, 1000, from(0)), 1);
    // Source 1 has its token back, the others lack some of theirs: a new source takes the slot of 1.
    assert.equal(passing(hook, 1, 1001, from(100)), 1);
    assert.deepEqual(hook.log, []);
    for (const index of [0, 2, 15]) assert.equal(passing(hook, 1, 1001, from(index)), 0);
  });

  test('gives up the fullest bucket when none is full, and says so once', async () => {
    const hook = await driveHook(rateLimit, { packetsPerSecond: 1, burst: 1, sources: 16 });
    for (let index = 0; index < 16; index++) assert.equal(passing(hook, 1, index, from(index)), 1);
    assert.equal(passing(hook, 1, 20, from(100)), 1);
    assert.equal(passing(hook, 1, 20, from(15)), 0, 'the emptiest stays');
    assert.equal(passing(hook, 1, 20, from(101)), 1);
    assert.deepEqual(hook.log, [
      'warn: More sources than slots: buckets that were not full are given up; raise sources.',
    ]);
    assert.equal(passing(hook, 1, 20, from(0)), 1, 'the fullest was given up');
  });

  for (const [options, message] of [
    [{}, 'packetsPerSecond: is missing; expected a number from 0.001 to 1000000'],
    [{ packetsPerSecond: 0 }, 'packetsPerSecond: 0 is not valid; expected a number from 0.001 to 1000000'],
    [{ packetsPerSecond: '5' }, 'packetsPerSecond: "5" is not valid; expected a number from 0.001 to 1000000'],
    [{ packetsPerSecond: 5, burst: 0 }, 'burst: 0 is not valid; expected an integer from 1 to 1000000'],
    [{ packetsPerSecond: 5, burst: 1.5 }, 'burst: 1.5 is not valid; expected an integer from 1 to 1000000'],
    [{ packetsPerSecond: 5, sources: 8 }, 'sources: 8 is not valid; expected an integer from 16 to 4194304'],
    [{ packetsPerSecond: 5, protocol: 'sctp' }, 'protocol: "sctp" is not valid; expected tcp or udp'],
    [{ packetsPerSecond: 5, ports: [53] }, 'ports: needs protocol; expected tcp or udp'],
    [
      { packetsPerSecond: 5, protocol: 'udp', ports: ['dns'] },
      'ports: "dns" is not valid; expected ports from 0 to 65535 and ranges such as "6000-6063"',
    ],
    [
      { packetsPerSecond: 5, newConnections: true },
      'newConnections: needs protocol: tcp; no other protocol says in a packet that it begins',
    ],
    [{ packetsPerSecond: 5, includeOwn: 'yes' }, 'includeOwn: "yes" is not valid; expected true or false'],
    [{ packetsPerSecond: 5, reject: 1 }, 'reject: 1 is not valid; expected true or false'],
    [
      { rate: 5 },
      'rate: unknown option; expected packetsPerSecond, burst, sources, protocol, ports, newConnections, includeOwn, reject',
    ],
  ] as const) {
    test(`refuses ${JSON.stringify(options)} with one exact line`, async () => {
      assert.equal(await refusal(rateLimit, options), message);
    });
  }
});
