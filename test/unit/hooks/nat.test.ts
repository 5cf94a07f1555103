/**
 * Promises of the stock hook `nat`, in the lab that hook authors have.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import nat from '../../../hooks/nat.ts';
import {
  assertForwarded,
  differsOnlyIn,
  fields,
  fragments,
  icmpv4,
  icmpv6,
  ipv4,
  ipv6,
  type Lab,
  openLab,
  readPacket,
  tcp,
  udp,
} from '../../../src/testing/index.ts';
import { refusal } from './drive-hook.ts';

const OPTIONS = {
  oneToOne: { '10.0.0.0/24': '203.0.113.0/24', '10.0.0.9': '203.0.114.1', 'fd00:1::/48': '2001:db8:77::/48' },
  forwards: [{ protocol: 'tcp', address: '203.0.115.1', port: 8080, to: '10.1.0.5', toPort: 80 }],
};
const PEER = '198.51.100.2';
const PEER6 = '2001:db8:2::2';

async function withLab(run: (lab: Lab) => Promise<void>): Promise<void> {
  const lab = await openLab(nat, { options: OPTIONS });
  try {
    await run(lab);
  } finally {
    await lab.close();
  }
}

/** What went on; every checksum of it is right. */
async function passed(lab: Lab, datagram: Uint8Array, from: 'a' | 'b'): Promise<Buffer> {
  const outcome = await lab.send(datagram, { from });
  assertForwarded(outcome);
  const [out] = outcome.out;
  assert.ok(out !== undefined);
  return Buffer.from(out);
}

describe('nat', () => {
  test('translates the source of what leaves and the destination of what arrives, and nothing else', async () => {
    await withLab(async (lab) => {
      for (const [inside, outside] of [
        ['10.0.0.7', '203.0.113.7'],
        ['10.0.0.9', '203.0.114.1'],
        ['10.0.0.255', '203.0.113.255'],
      ] as const) {
        for (const content of [tcp({}, 'data'), udp({}, 'odd'), udp({ checksum: 0 }, 'none'), icmpv4({}, 'ping')]) {
          const leaving = ipv4({ source: inside, destination: PEER }, content);
          const outcome = await lab.send(leaving);
          assertForwarded(outcome, fields({ source: outside }), differsOnlyIn(leaving, 'source'));
          const arriving = ipv4({ source: PEER, destination: outside }, content);
          assertForwarded(
            await lab.send(arriving, { from: 'b' }),
            fields({ destination: inside }),
            differsOnlyIn(arriving, 'destination'),
          );
        }
      }
      const six = ipv6({ source: 'fd00:1:0:5::7', destination: PEER6 }, udp({}, 'x'));
      assertForwarded(await lab.send(six), fields({ source: '2001:db8:77:5::7' }), differsOnlyIn(six, 'source'));
    });
  });

  test('leaves what it does not know as it is, and the inside addresses of the other direction', async () => {
    await withLab(async (lab) => {
      for (const [datagram, from] of [
        [ipv4({ source: '10.0.1.7', destination: PEER }, udp({}, 'x')), 'a'],
        [ipv4({ source: PEER, destination: '10.0.0.7' }, udp({}, 'x')), 'b'],
        [ipv4({ source: '203.0.113.7', destination: PEER }, udp({}, 'x')), 'a'],
        [ipv6({}, tcp({}, 'x')), 'a'],
      ] as const)
        assert.deepEqual(await passed(lab, datagram, from), Buffer.from(datagram));
    });
  });

  test('leads a port inside, and its answers out', async () => {
    await withLab(async (lab) => {
      const question = ipv4(
        { source: PEER, destination: '203.0.115.1' },
        tcp({ sourcePort: 999, destinationPort: 8080 }, 'x'),
      );
      assertForwarded(
        await lab.send(question, { from: 'b' }),
        fields({ destination: '10.1.0.5', destinationPort: 80, source: PEER, sourcePort: 999 }),
      );
      const answer = ipv4(
        { source: '10.1.0.5', destination: PEER },
        tcp({ sourcePort: 80, destinationPort: 999 }, 'x'),
      );
      assertForwarded(
        await lab.send(answer),
        fields({ source: '203.0.115.1', sourcePort: 8080, destinationPort: 999 }),
      );
      const other = ipv4(
        { source: PEER, destination: '203.0.115.1' },
        udp({ sourcePort: 999, destinationPort: 8080 }, 'x'),
      );
      assert.deepEqual(await passed(lab, other, 'b'), Buffer.from(other), 'UDP is not forwarded there');
    });
  });

  test('translates an ICMP error and what it quotes, in both directions', async () => {
    await withLab(async (lab) => {
      // A host inside gets an error about what it sent: from outside the sender was 203.0.113.7.
      const sent = ipv4({ source: '203.0.113.7', destination: PEER }, udp({ sourcePort: 5, destinationPort: 6 }, 'x'));
      const arriving = ipv4({ source: '192.0.2.99', destination: '203.0.113.7' }, icmpv4({ type: 11 }, sent));
      const own = ipv4({ source: '10.0.0.7', destination: PEER }, udp({ sourcePort: 5, destinationPort: 6 }, 'x'));
      assert.deepEqual(
        await passed(lab, arriving, 'b'),
        Buffer.from(ipv4({ source: '192.0.2.99', destination: '10.0.0.7' }, icmpv4({ type: 11 }, own))),
      );
      // A host inside refuses what came to it.
      const came = ipv4({ source: PEER, destination: '10.0.0.7' }, udp({}, 'x'));
      const leaving = ipv4({ source: '10.0.0.7', destination: PEER }, icmpv4({ type: 3, code: 3 }, came));
      const asSeen = ipv4({ source: PEER, destination: '203.0.113.7' }, udp({}, 'x'));
      assert.deepEqual(
        await passed(lab, leaving, 'a'),
        Buffer.from(ipv4({ source: '203.0.113.7', destination: PEER }, icmpv4({ type: 3, code: 3 }, asSeen))),
      );
      const six = ipv6(
        { source: 'fd00:1::7', destination: PEER6 },
        icmpv6({ type: 1 }, ipv6({ source: PEER6, destination: 'fd00:1::7' }, tcp({}, 'x'))),
      );
      const six2 = ipv6(
        { source: '2001:db8:77::7', destination: PEER6 },
        icmpv6({ type: 1 }, ipv6({ source: PEER6, destination: '2001:db8:77::7' }, tcp({}, 'x'))),
      );
      assert.deepEqual(await passed(lab, six, 'a'), Buffer.from(six2));
    });
  });

  test('translates an ICMP error about a forwarded port, the port in it too', async () => {
    await withLab(async (lab) => {
      const came = (address: string, destinationPort: number) =>
        ipv4({ source: PEER, destination: address }, tcp({ sourcePort: 9, destinationPort }));
      const leaving = ipv4(
        { source: '10.1.0.5', destination: PEER },
        icmpv4({ type: 3, code: 3 }, came('10.1.0.5', 80)),
      );
      const asSeen = ipv4(
        { source: '203.0.115.1', destination: PEER },
        icmpv4({ type: 3, code: 3 }, came('203.0.115.1', 8080)),
      );
      assert.deepEqual(await passed(lab, leaving, 'a'), Buffer.from(asSeen));
      const went = (address: string, sourcePort: number) =>
        ipv4({ source: address, destination: PEER }, tcp({ sourcePort, destinationPort: 9 }));
      const arriving = ipv4(
        { source: '192.0.2.99', destination: '203.0.115.1' },
        icmpv4({ type: 11 }, went('203.0.115.1', 8080)),
      );
      const inside = ipv4(
        { source: '192.0.2.99', destination: '10.1.0.5' },
        icmpv4({ type: 11 }, went('10.1.0.5', 80)),
      );
      assert.deepEqual(await passed(lab, arriving, 'b'), Buffer.from(inside));
    });
  });

  test('translates every fragment of a pair, and none of a forwarded port', async () => {
    await withLab(async (lab) => {
      const whole = ipv4({ source: '10.0.0.7', destination: PEER }, udp({}, Buffer.alloc(2000, 'x')));
      const expected = fragments(
        ipv4({ source: '203.0.113.7', destination: PEER }, udp({}, Buffer.alloc(2000, 'x'))),
        900,
      );
      for (const [index, part] of fragments(whole, 900).entries())
        assert.deepEqual(await passed(lab, part, 'a'), Buffer.from(expected[index] as Uint8Array));
      const forwarded = ipv4(
        { source: PEER, destination: '203.0.115.1' },
        tcp({ destinationPort: 8080 }, Buffer.alloc(2000)),
      );
      for (const part of fragments(forwarded, 900))
        assert.equal(readPacket(await passed(lab, part, 'b'))?.destination, '203.0.115.1');
    });
  });

  for (const [options, message] of [
    [{}, 'oneToOne: is missing; expected oneToOne or forwards'],
    [{ oneToOne: ['a'] }, 'oneToOne: ["a"] is not valid; expected a mapping of networks inside to networks outside'],
    [{ oneToOne: { x: '192.0.2.1' } }, 'oneToOne: "x" is not valid; expected an address or a network inside'],
    [
      { oneToOne: { '10.0.0.1': 'x' } },
      'oneToOne: "x" is not valid; expected an address or a network outside for 10.0.0.1',
    ],
    [
      { oneToOne: { '10.0.0.0/24': '192.0.2.0/25' } },
      'oneToOne: "192.0.2.0/25" is not valid; expected one of the same length and IP version as 10.0.0.0/24',
    ],
    [
      { forwards: [{ protocol: 'tcp', address: '192.0.2.1', port: 0, to: '10.0.0.1' }] },
      'forwards: 0 is not valid; expected an integer from 1 to 65535',
    ],
    [
      { forwards: [{ protocol: 'tcp', address: '192.0.2.1', port: 1, to: '::1' }] },
      'forwards: "::1" is not valid; expected a host of the IP version of 192.0.2.1',
    ],
    [
      { forwards: [{ protocol: 'sctp', address: '192.0.2.1', port: 1, to: '10.0.0.1' }] },
      'forwards: "sctp" is not valid; expected tcp or udp',
    ],
    [
      { forwards: [{ prot: 'tcp' }] },
      'forwards: "prot" is not valid; expected only protocol, address, port, to, toPort',
    ],
    [{ oneToone: {} }, 'oneToone: unknown option; expected oneToOne, forwards'],
  ] as const) {
    test(`refuses ${JSON.stringify(options).slice(0, 60)} with one exact line`, async () => {
      assert.equal(await refusal(nat, options), message);
    });
  }
});
