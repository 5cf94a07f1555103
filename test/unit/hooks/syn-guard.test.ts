/**
 * Promises of the stock hook `syn-guard`, in the lab that hook authors have.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import synGuard from '../../../hooks/syn-guard.ts';
import {
  assertForwarded,
  assertNoAllocation,
  type From,
  fragments,
  ipv4,
  ipv6,
  type Lab,
  type Outcome,
  openLab,
  readPacket,
  type TcpFields,
  tcp,
  udp,
} from '../../../src/testing/index.ts';
import { refusal } from './drive-hook.ts';

const [FIN, SYN, RST, ACK] = [1, 2, 4, 16];
const CLIENT = '192.0.2.1';
const CLIENT6 = '2001:db8:1:2::7';
const SERVER = '198.51.100.2';
const SERVER6 = '2001:db8:99::2';
const OPTIONS = { ports: [80, '8000-8010'] };

interface Segment {
  readonly source?: string;
  readonly sourcePort?: number;
  readonly destination?: string;
  readonly destinationPort?: number;
  readonly flags?: number;
  readonly seq?: number;
  readonly ack?: number;
  readonly options?: Uint8Array;
  readonly payload?: Uint8Array;
}

function segment(given: Segment = {}): Buffer {
  const {
    source = CLIENT,
    sourcePort = 40_000,
    destinationPort = 80,
    flags = SYN,
    seq = 1_000,
    ack = 0,
    payload,
  } = given;
  const isSix = source.includes(':');
  const { destination = isSix ? SERVER6 : SERVER, options = new Uint8Array(0) } = given;
  const transport = tcp({ sourcePort, destinationPort, flags, seq, ack, options }, payload ?? new Uint8Array(0));
  return Buffer.from(isSix ? ipv6({ source, destination }, transport) : ipv4({ source, destination }, transport));
}

async function withLab(run: (lab: Lab) => Promise<void>, options: object = OPTIONS, more: object = {}): Promise<void> {
  const lab = await openLab(synGuard, { attach: 'host', options, ...more });
  try {
    await run(lab);
  } finally {
    await lab.close();
  }
}

/** Sends a SYN that is to be answered; what a client answers to that. */
async function challenge(lab: Lab, given: Segment = {}): Promise<Buffer> {
  const outcome = await lab.send(segment(given));
  assert.equal(outcome.verdict, 'replied');
  return segment({ ...given, flags: RST, seq: ackOf(outcome), payload: new Uint8Array(0) });
}

function tcpOf(octets: Uint8Array): TcpFields {
  return readPacket(octets)?.tcp ?? assert.fail('no TCP');
}

function ackOf(outcome: Outcome): number {
  const [back = assert.fail('nothing came back')] = outcome.back;
  return tcpOf(back).ack;
}

async function verdict(lab: Lab, datagram: Buffer, from?: From): Promise<string> {
  return (await lab.send(datagram, from === undefined ? {} : { from })).verdict;
}

/** Lets a source answer. */
async function prove(lab: Lab, given: Segment = {}): Promise<void> {
  assert.equal(await verdict(lab, await challenge(lab, given)), 'dropped');
}

describe('syn-guard', () => {
  for (const source of [CLIENT, CLIENT6])
    test(`lets ${source} connect once it has answered, and not before`, async () => {
      await withLab(async (lab) => {
        const reset = await challenge(lab, { source });
        assert.equal(await verdict(lab, segment({ source, sourcePort: 40_001 })), 'replied');
        assert.equal(await verdict(lab, reset), 'dropped');
        assertForwarded(await lab.send(segment({ source })));
        assertForwarded(await lab.send(segment({ source, sourcePort: 40_002, destinationPort: 8_005 })));
        await lab.tick(599_000);
        assertForwarded(await lab.send(segment({ source })));
        await lab.tick(2_000);
        assert.equal(await verdict(lab, segment({ source })), 'replied');
      });
    });

  test('answers a SYN as nobody does who has seen it, with the octets of the SYN', async () => {
    await withLab(async (lab) => {
      const options = Buffer.from('020405b40402080a000000010000000001030307', 'hex');
      const sent = segment({ options, seq: 0xffff_fff0 });
      const { back } = await lab.send(sent);
      const [octets = assert.fail()] = back;
      const packet = readPacket(octets) ?? assert.fail();
      const header = tcpOf(octets);
      assert.equal(octets.length, sent.length);
      assert.deepEqual(
        [packet.source, packet.destination, packet.sourcePort, packet.destinationPort],
        [SERVER, CLIENT, 80, 40_000],
      );
      assert.equal(header.flags, SYN | ACK);
      const beyond = (header.ack - 0xffff_fff0) >>> 0;
      assert.ok(beyond > 1);
    });
  });

  test('makes numbers that differ by each end, and that nobody can use for another', async () => {
    await withLab(async (lab) => {
      const reset = await challenge(lab);
      const numbers = new Set<number>();
      for (const other of [
        {},
        { sourcePort: 40_001 },
        { source: '192.0.2.2' },
        { destination: '198.51.100.3' },
        { destinationPort: 8_000 },
      ]) {
        numbers.add(ackOf(await lab.send(segment(other))));
        if (Object.keys(other).length === 0) continue;
        const stolen = segment({ ...other, flags: RST, seq: tcpOf(reset).seq });
        assert.equal(await verdict(lab, stolen), 'forwarded', 'a RST like any other');
        assert.equal(await verdict(lab, segment(other)), 'replied');
      }
      assert.equal(numbers.size, 5);
    });
  });

  test('takes a number for some seconds only, and no RST that acknowledges something', async () => {
    await withLab(async (lab) => {
      const reset = await challenge(lab);
      const seq = tcpOf(reset).seq;
      assert.equal(await verdict(lab, segment({ flags: RST | ACK, seq })), 'forwarded');
      assert.equal(await verdict(lab, segment({ flags: RST, seq: (seq + 1) >>> 0 })), 'forwarded');
      await lab.tick(16_000);
      assert.equal(await verdict(lab, reset), 'forwarded');
      assert.equal(await verdict(lab, segment()), 'replied');
      const late = await challenge(lab);
      await lab.tick(7_000);
      assert.equal(await verdict(lab, late), 'dropped');
      assert.equal(await verdict(lab, segment()), 'forwarded');
    });
  });

  test('never acknowledges what the client has sent, whatever its number is', async () => {
    await withLab(
      async (lab) => {
        const number = ackOf(await lab.send(segment()));
        for (let beyond = 0; beyond <= 5; beyond++) {
          const seq = (number - beyond) >>> 0;
          const payload = Buffer.alloc(Math.max(0, beyond - 1));
          const ack = ackOf(await lab.send(segment({ seq, payload })));
          assert.equal(ack, (number ^ (1 << 31)) >>> 0, `${beyond} beyond`);
          const twin = segment({ flags: RST, seq: ack });
          assert.equal(await verdict(lab, twin), 'dropped');
          if (beyond < 5) await forget(lab);
        }
      },
      { ...OPTIONS, remember: 1, sources: 1 },
    );
  });

  test('knows the /64 of an address of IPv6, and an address of the link by itself', async () => {
    await withLab(async (lab) => {
      await prove(lab, { source: CLIENT6 });
      assert.equal(await verdict(lab, segment({ source: '2001:db8:1:2:ffff::1' })), 'forwarded');
      assert.equal(await verdict(lab, segment({ source: '2001:db8:1:3::7' })), 'replied');
      await prove(lab, { source: 'fe80::1' });
      assert.equal(await verdict(lab, segment({ source: 'fe80::1' })), 'forwarded');
      assert.equal(await verdict(lab, segment({ source: 'fe80::2' })), 'replied');
    });
  });

  test('leaves everything alone that is no SYN to a server from outside', async () => {
    await withLab(
      async (lab) => {
        for (const datagram of [
          segment({ destinationPort: 22 }),
          segment({ destination: '198.51.101.2' }),
          segment({ flags: ACK }),
          segment({ flags: SYN | ACK }),
          segment({ flags: FIN | ACK }),
          segment({ flags: RST }),
          segment({ flags: SYN | RST }),
          Buffer.from(ipv4({ source: CLIENT, destination: SERVER }, udp({ destinationPort: 80 }))),
        ])
          assert.equal(await verdict(lab, datagram), 'forwarded');
        assert.equal(await verdict(lab, segment({ source: SERVER, destination: CLIENT }), 'out'), 'forwarded');
        assert.equal(await verdict(lab, segment({ flags: SYN | FIN })), 'replied');
        assert.equal(await verdict(lab, segment({ source: CLIENT6 })), 'replied');
      },
      { ports: 80, servers: ['198.51.100.0/24', SERVER6] },
    );
  });

  test('drops SYNs of unknown sources that no client sends', async () => {
    await withLab(async (lab) => {
      for (const source of ['0.0.0.1', '127.0.0.1', '224.0.0.1', '255.255.255.255', '::1', 'ff02::1'])
        assert.equal(await verdict(lab, segment({ source })), 'dropped', source);
      const [first = assert.fail()] = fragments(segment({ payload: Buffer.alloc(64) }), 40);
      assert.equal(await verdict(lab, Buffer.from(first)), 'dropped');
    });
  });

  test('asks nobody before there are too many, and all for ten seconds after', async () => {
    await withLab(
      async (lab) => {
        for (let count = 0; count < 3; count++)
          assert.equal(await verdict(lab, segment({ source: `192.0.2.${count}` })), 'forwarded');
        assert.equal(await verdict(lab, segment({ source: '192.0.2.9' })), 'replied');
        await prove(lab);
        for (let second = 0; second < 10; second++) {
          await lab.tick(1_000);
          assert.equal(await verdict(lab, segment({ source: '192.0.2.10' })), 'replied');
          assert.equal(await verdict(lab, segment()), 'forwarded');
        }
        await lab.tick(1_000);
        assert.equal(await verdict(lab, segment({ source: '192.0.2.10' })), 'forwarded');
        assert.deepEqual(
          lab.log.map(({ message }) => message),
          ['more than 3 SYNs of unknown sources in a second: they have to answer first'],
        );
      },
      { ...OPTIONS, above: 6 },
      { lanes: 2 },
    );
  });

  test('has room for so many sources, and no more', async () => {
    await withLab(
      async (lab) => {
        for (const source of ['192.0.2.11', '192.0.2.12', '192.0.2.13']) {
          await lab.tick(10);
          await prove(lab, { source });
        }
        assert.equal(await verdict(lab, segment({ source: '192.0.2.11' })), 'replied');
        assert.equal(await verdict(lab, segment({ source: '192.0.2.12' })), 'forwarded');
        assert.equal(await verdict(lab, segment({ source: '192.0.2.13' })), 'forwarded');
      },
      { ...OPTIONS, sources: 2 },
    );
  });

  test('leaves nothing on the heap', async () => {
    await withLab(async (lab) => {
      await prove(lab);
      const packets = [
        segment(),
        segment({ source: '203.0.113.200' }),
        segment({ source: CLIENT6 }),
        segment({ source: '203.0.113.200', flags: RST, seq: 0x1234_5678 }),
        segment({ flags: ACK }),
      ];
      assertNoAllocation(lab, packets);
    });
  });

  for (const [options, message] of [
    [{}, 'ports: is missing; expected ports from 0 to 65535 and ranges such as "6000-6063"'],
    [{ ports: 80, servers: [] }, 'servers: [] is not valid; expected 1 to 64 addresses and prefixes'],
    [
      { ports: 80, servers: ['host'] },
      'servers: "host" is not valid; expected an address or a prefix such as "192.0.2.0/24"',
    ],
    [{ ports: 80, remember: 0 }, 'remember: 0 is not valid; expected an integer from 1 to 86400'],
    [{ ports: 80, sources: 0 }, 'sources: 0 is not valid; expected an integer from 1 to 1000000'],
    [{ ports: 80, above: -1 }, 'above: -1 is not valid; expected an integer from 0 to 10000000'],
    [{ port: 80 }, 'port: unknown option; expected ports, servers, remember, sources, above'],
  ] as const) {
    test(`refuses ${JSON.stringify(options)} with one exact line`, async () => {
      assert.equal(await refusal(synGuard, options), message);
    });
  }
});

/** Another source takes the only place. */
async function forget(lab: Lab): Promise<void> {
  await prove(lab, { source: '192.0.2.99' });
}
