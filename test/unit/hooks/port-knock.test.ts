/**
 * Promises of the stock hook `port-knock`, in the lab that hook authors have.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import portKnock from '../../../hooks/port-knock.ts';
import { ipv4, ipv6, type Lab, openLab, tcp, udp } from '../../../src/testing/index.ts';
import { refusal } from './drive-hook.ts';

const [SYN, ACK] = [2, 16];
const OPTIONS = { port: 22, sequence: [7000, 8000, 7000, 9000], patience: 5, open: 20 };
const SOURCE = '192.0.2.1';
const SERVER = '198.51.100.2';
let client = 40_000;

const syn = (port: number, source = SOURCE): Buffer => {
  client += 1;
  return ipv4({ source, destination: SERVER }, tcp({ sourcePort: client, destinationPort: port, flags: SYN }));
};

async function withLab(run: (lab: Lab) => Promise<void>, options: object = OPTIONS): Promise<void> {
  const lab = await openLab(portKnock, { options });
  try {
    await run(lab);
  } finally {
    await lab.close();
  }
}

async function verdict(lab: Lab, datagram: Buffer, from: 'a' | 'b' = 'a'): Promise<string> {
  return (await lab.send(datagram, { from })).verdict;
}

async function knock(lab: Lab, ports: readonly number[], source?: string): Promise<void> {
  for (const port of ports) assert.equal(await verdict(lab, syn(port, source)), 'dropped', `knock ${port}`);
}

describe('port-knock', () => {
  test('opens the port for whoever knocked in order, and for nobody else, for a while', async () => {
    await withLab(async (lab) => {
      assert.equal(await verdict(lab, syn(22)), 'dropped');
      await knock(lab, OPTIONS.sequence);
      assert.equal(await verdict(lab, syn(22)), 'forwarded');
      assert.equal(await verdict(lab, syn(22, '192.0.2.2')), 'dropped');
      await lab.tick(19_000);
      assert.equal(await verdict(lab, syn(22)), 'forwarded');
      await lab.tick(2_000);
      assert.equal(await verdict(lab, syn(22)), 'dropped');
    });
  });

  test('does not open for another order, a gap, or one that took too long', async () => {
    await withLab(async (lab) => {
      for (const ports of [
        [7000, 8000, 9000],
        [8000, 7000, 9000],
        [7000, 7000, 8000, 9000],
        [7000, 8000, 7000],
        [9000],
      ] as const) {
        await knock(lab, ports);
        assert.equal(await verdict(lab, syn(22)), 'dropped', ports.join());
        await lab.tick(60_000);
      }
      await knock(lab, [7000, 8000]);
      await lab.tick(6_000);
      await knock(lab, [7000, 9000]);
      assert.equal(await verdict(lab, syn(22)), 'dropped');
      // The first one counts again wherever it comes.
      await knock(lab, [7000, 8000, 7000, 8000, 7000, 9000]);
      assert.equal(await verdict(lab, syn(22)), 'dropped', '7000, 8000, 7000, 8000: started over with nothing');
    });
  });

  test('lets a connection that began go on when the port is shut, with its answers, and no other segment', async () => {
    await withLab(async (lab) => {
      await knock(lab, OPTIONS.sequence);
      const [sourcePort, destinationPort] = [1234, 22];
      const segment = (flags: number, seq: number, ack = 0) =>
        ipv4({ source: SOURCE, destination: SERVER }, tcp({ sourcePort, destinationPort, flags, seq, ack }));
      const answer = ipv4(
        { source: SERVER, destination: SOURCE },
        tcp({ sourcePort: destinationPort, destinationPort: sourcePort, flags: SYN | ACK, seq: 500, ack: 101 }),
      );
      assert.equal(await verdict(lab, segment(SYN, 100)), 'forwarded');
      assert.equal(await verdict(lab, answer, 'b'), 'forwarded');
      assert.equal(await verdict(lab, segment(ACK, 101, 501)), 'forwarded');
      await lab.tick(600_000);
      assert.equal(await verdict(lab, segment(ACK, 101, 501)), 'forwarded');
      const stray = ipv4(
        { source: '192.0.2.9', destination: SERVER },
        tcp({ sourcePort, destinationPort, flags: ACK, seq: 1, ack: 1 }),
      );
      assert.equal(await verdict(lab, stray), 'dropped');
      assert.equal(await verdict(lab, stray), 'dropped');
    });
  });

  test('leaves everything else alone', async () => {
    await withLab(async (lab) => {
      for (const datagram of [
        syn(80),
        ipv4({}, udp({ destinationPort: 22 })),
        ipv4({ source: SERVER, destination: SOURCE }, tcp({ sourcePort: 80, destinationPort: 7000, flags: SYN | ACK })),
      ])
        assert.equal(await verdict(lab, datagram), 'forwarded');
      const six = (port: number) => ipv6({}, tcp({ sourcePort: 1000 + port, destinationPort: port, flags: SYN }));
      for (const port of OPTIONS.sequence) assert.equal(await verdict(lab, six(port)), 'dropped');
      assert.equal(await verdict(lab, six(22)), 'forwarded');
      assert.equal(await verdict(lab, syn(22)), 'dropped');
    });
  });

  test('remembers so many sources and no more: the first ones are forgotten', async () => {
    await withLab(
      async (lab) => {
        for (const source of ['192.0.2.11', '192.0.2.12', '192.0.2.13']) await knock(lab, [7000], source);
        assert.equal(await verdict(lab, syn(22, '192.0.2.11')), 'dropped');
        assert.equal(await verdict(lab, syn(22, '192.0.2.12')), 'forwarded');
        assert.equal(await verdict(lab, syn(22, '192.0.2.13')), 'forwarded');
      },
      { port: 22, sequence: [7000], sources: 2 },
    );
  });

  test('counts the time of a port that is open from the last knock, whatever the patience is', async () => {
    await withLab(
      async (lab) => {
        await knock(lab, [7000]);
        await lab.tick(1_500);
        assert.equal(await verdict(lab, syn(22)), 'dropped');
        await knock(lab, [7000]);
        await lab.tick(500);
        assert.equal(await verdict(lab, syn(22)), 'forwarded');
      },
      { port: 22, sequence: [7000], patience: 60, open: 1, sources: 100 },
    );
  });

  for (const [options, message] of [
    [{}, 'port: is missing; expected an integer from 1 to 65535'],
    [{ port: 22 }, 'sequence: is missing; expected a list of 1 to 16 ports'],
    [{ port: 22, sequence: [] }, 'sequence: [] is not valid; expected a list of 1 to 16 ports'],
    [{ port: 22, sequence: [0] }, 'sequence: 0 is not valid; expected an integer from 1 to 65535'],
    [{ port: 22, sequence: [7, 22] }, 'sequence: 22 is not valid; expected ports other than the one that is kept'],
    [
      { port: 22, sequence: [7, 8, 8] },
      'sequence: 8 is not valid; expected no port twice in a row: a client sends its SYN again',
    ],
    [{ port: 22, sequence: [7], open: 0 }, 'open: 0 is not valid; expected an integer from 1 to 86400'],
    [{ ports: 22 }, 'ports: unknown option; expected port, sequence, patience, open, sources'],
  ] as const) {
    test(`refuses ${JSON.stringify(options)} with one exact line`, async () => {
      assert.equal(await refusal(portKnock, options), message);
    });
  }
});
