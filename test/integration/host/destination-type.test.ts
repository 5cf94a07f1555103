/**
 * `pDestinationType` at a host attach: told by the destination address, against the host's own table, also when it changes.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DEST_BCAST,
  DEST_LOCAL,
  DEST_MCAST,
  DEST_REM_BCAST,
  DEST_REM_MCAST,
  DEST_REMOTE,
  DEST_SN_BCAST,
} from '../../../src/firewall/constants.ts';
import { type Daemon, startDaemon } from '../../support/daemon.ts';
import { assertAddsUp, PATIENCE_MS } from '../../support/live.ts';
import { hostLab, type Namespace, rootOnly, waitFor } from '../../support/netns.ts';

/** Says of each datagram to port 9 what it was told, through both doors; the first octet of the payload names it. */
const HOOK = `
  import { defineHook, FORWARD } from 'firehook';
  let log;
  export default defineHook({
    name: 'tell',
    setup(_, runtime) { log = runtime.log; },
    onPacket(packet, { direction, destinationType }) {
      if (packet.destinationPort !== 9) return FORWARD;
      log('info', 'met ' + packet.payload.u8(0) + ' ' + direction + ' ' + destinationType);
      return FORWARD;
    },
  });`;

/** One UDP datagram of one octet to port 9. */
async function send(ns: Namespace, number: number, address: string): Promise<void> {
  const program = [
    'import socket',
    `s = socket.socket(socket.AF_INET${address.includes(':') ? '6' : ''}, socket.SOCK_DGRAM)`,
    's.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)',
    's.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")',
    `s.sendto(bytes([${number}]), ("${address}", 9))`,
  ];
  await ns.output('python3', ['-c', program.join('\n')]);
}

type Told = (from: Namespace, address: string, direction: 0 | 1) => Promise<number>;

/** What the hook was told of a datagram that is sent until it is seen: by the first one that it says something about. */
function teller(daemon: Daemon): Told {
  let number = 0;
  return async (from, address, direction) => {
    number += 1;
    const said = new RegExp(`met ${number} ${direction} (\\d+)`);
    // Again and again: a frame may be lost while its neighbour is asked for, and the log takes five lines a second.
    const match = await waitFor(
      async () => {
        await send(from, number, address);
        return said.exec(daemon.log);
      },
      { what: `a datagram to ${address}`, timeoutMs: PATIENCE_MS, intervalMs: 300 },
    );
    return Number(match[1]);
  };
}

const config = (attach: object, driver: string) => ({ attach: [attach], driver, hooks: [{ module: './tell.ts' }] });
const options = { files: { 'tell.ts': HOOK }, timeoutMs: PATIENCE_MS };

for (const driver of ['afpacket', 'pcap'] as const) {
  test(`a host tells itself, its network and others apart, also when its addresses change (${driver})`, {
    skip: rootOnly(),
  }, async (t) => {
    const { ns } = await hostLab(t);
    await ns.peer.output('ip', ['route', 'add', '203.0.113.0/24', 'via', '10.78.0.1']);
    const daemon = await startDaemon(ns.host, config({ host: 'eth0' }, driver), options);
    const told = teller(daemon);
    assert.equal(await told(ns.peer, '10.78.0.1', 1), DEST_LOCAL);
    assert.equal(await told(ns.peer, '10.78.0.255', 1), DEST_SN_BCAST);
    assert.equal(await told(ns.peer, '203.0.113.9', 1), DEST_REMOTE);
    assert.equal(await told(ns.peer, 'fd78::1', 1), DEST_LOCAL);
    assert.equal(await told(ns.host, '10.78.0.2', 0), DEST_REMOTE);
    assert.equal(await told(ns.host, '10.78.0.255', 0), DEST_REM_BCAST);
    const becomes = async (expected: number): Promise<void> => {
      await waitFor(async () => (await told(ns.peer, '203.0.113.9', 1)) === expected, {
        what: `type ${expected}`,
        timeoutMs: PATIENCE_MS,
      });
    };
    await ns.host.output('ip', ['addr', 'add', '203.0.113.9/32', 'dev', 'lo']);
    await becomes(DEST_LOCAL);
    await ns.host.output('ip', ['addr', 'del', '203.0.113.9/32', 'dev', 'lo']);
    await becomes(DEST_REMOTE);
    await assertAddsUp(daemon);
    assert.equal(await daemon.stop(), 0);
  });

  test(`a tap tells groups and the limited broadcast as well (${driver})`, { skip: rootOnly() }, async (t) => {
    const { ns } = await hostLab(t);
    const daemon = await startDaemon(ns.host, config({ tap: 'eth0' }, driver), options);
    const told = teller(daemon);
    for (const [address, arriving, leaving] of [
      ['255.255.255.255', DEST_BCAST, DEST_REM_BCAST],
      ['224.0.0.251', DEST_MCAST, DEST_REM_MCAST],
      ['ff02::fb', DEST_MCAST, DEST_REM_MCAST],
    ] as const) {
      assert.equal(await told(ns.peer, address, 1), arriving, address);
      assert.equal(await told(ns.host, address, 0), leaving, address);
    }
    assert.equal(await told(ns.peer, '10.78.0.1', 1), DEST_LOCAL);
    assert.equal(await daemon.stop(), 0);
  });
}
