/**
 * Several lanes at one port: a flow keeps to one of them, one that dies is replaced, and the numbers stay whole.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Daemon } from '../../support/daemon.ts';
import {
  assertAddsUp,
  assertPings,
  PATIENCE_MS,
  pingsAgain,
  readStats,
  readStatus,
  stockHook,
} from '../../support/live.ts';
import { bridgeLab, type Namespace, rootOnly, waitFor } from '../../support/netns.ts';
import { iperf, lanesOf, ready, startAfpacket, startIperf } from './live-afpacket.ts';

const BRIDGE = { bridge: ['lan0', 'wan0'] };
const FIRST_PORT = 20_000;
const FLOWS = 24;
/** Of 50 MB: what four senders still have in their buffers at the end of a run, up to 4 MB each, is not counted as received. */
const MOST_OCTETS = 30_000_000;
/** Says which flows came by in which directions, several at a time: lines are limited to a few a second. */
const LOG_FLOWS = `
  import { defineHook, FORWARD } from 'firehook';
  const flows = new Map();
  let isNew = false;
  export default defineHook({
    name: 'log-flows',
    setup(_options, runtime) {
      setInterval(() => {
        if (!isNew) return;
        isNew = false;
        runtime.log('info', 'lane ' + process.pid + ': ' + [...flows].map(([port, ways]) => port + '=' + ways).join(' ') + ';');
      }, 500).unref();
    },
    onPacket(packet) {
      if (packet.protocol !== 17) return FORWARD;
      const isThere = packet.destinationPort === 9;
      if (!isThere && packet.sourcePort !== 9) return FORWARD;
      const port = isThere ? packet.sourcePort : packet.destinationPort;
      const ways = (flows.get(port) ?? 0) | (isThere ? 1 : 2);
      if (flows.get(port) === ways) return FORWARD;
      flows.set(port, ways);
      isNew = true;
      return FORWARD;
    },
  });`;

/** Answers what comes to UDP port 9. */
const ECHO = `
  const socket = require('node:dgram').createSocket('udp4');
  socket.on('message', (data, { port, address }) => socket.send(data, port, address));
  socket.bind(9, '0.0.0.0', () => console.log('ready'));`;

test('both directions of a flow meet the same lane, and every lane has its share', { skip: rootOnly() }, async (t) => {
  const { ns } = await bridgeLab(t);
  const daemon = await startAfpacket(ns.fw, BRIDGE, [LOG_FLOWS], { lanes: 2 });
  const pids = await lanesOf(daemon, 2);
  assert.equal(new Set(pids).size, 2);
  await ready(ns.server.node(['-e', ECHO]), 'ready');
  await ask(ns.client);
  const flows = await waitFor(
    () => {
      const read = readFlows(daemon);
      return read.size === FLOWS && read;
    },
    { what: 'every flow to be logged', timeoutMs: PATIENCE_MS },
  );
  for (const [port, lanes] of flows) {
    assert.deepEqual([...lanes.values()], [3], `flow ${port} met ${JSON.stringify([...lanes])}`);
  }
  const used = new Set([...flows.values()].flatMap((lanes) => [...lanes.keys()]));
  assert.deepEqual([...used].sort(), [...pids].sort());
  const { lanes, total } = await assertAddsUp(daemon);
  assert.equal(
    lanes.reduce((sum, lane) => sum + lane.total.received, 0),
    total.received,
  );
  assert.ok(lanes.every((lane) => lane.packets > 0));
  assert.equal(total.lost, 0);
});

test('a lane that is killed leaves its share to the other, and another one starts', {
  skip: rootOnly('ping', 'iperf3'),
}, async (t) => {
  const { ns } = await bridgeLab(t);
  const daemon = await startAfpacket(ns.fw, BRIDGE, [stockHook('pass-all')], { lanes: 2 });
  await startIperf(ns.server);
  const [first = -1, second = -1] = await lanesOf(daemon, 2);
  assert.ok((await iperf(ns.client, '10.77.0.2', '-P', '4')) > MOST_OCTETS);
  for (const killed of [first, second]) {
    process.kill(killed, 'SIGKILL');
    // Each ping has an identifier of its own and so may be any lane's.
    for (let i = 0; i < 4; i++) await pingsAgain(ns.client, '10.77.0.2');
    assert.ok(!(await lanesOf(daemon, 2, killed)).includes(killed));
  }
  assert.ok((await iperf(ns.client, 'fd77::2', '-P', '4')) > MOST_OCTETS);
  await assertPings(ns.client, '10.77.0.2', 'fd77::2');
  assert.equal((await readStatus(daemon)).lane.restarts, 2);
  assert.match(daemon.log, /2 of 2 lanes run/);
  await assertAddsUp(daemon);
  assert.equal(await daemon.stop(), 0);
});

test('under flood the lease is kept and stats answers', { skip: rootOnly('ping', 'iperf3') }, async (t) => {
  const { ns } = await bridgeLab(t);
  const daemon = await startAfpacket(ns.fw, BRIDGE, [stockHook('pass-all')], { policy: { onDown: 'drop' } });
  await startIperf(ns.server);
  const flood = ns.client.spawn('iperf3', ['-c', '10.77.0.2', '-u', '-b', '0', '-l', '64', '-t', '6', '-P', '2']);
  let answers = 0;
  while (flood.isRunning) {
    const { lease } = await readStatus(daemon);
    assert.equal(lease, 'held');
    await readStats(daemon);
    answers += 1;
  }
  assert.ok(answers > 1);
  const { total, ways } = await assertAddsUp(daemon);
  assert.ok(total.received > 10_000);
  assert.equal((await readStatus(daemon)).lane.restarts, 0);
  assert.deepEqual(
    ways.map(({ port }) => port?.whileDown),
    [0, 0],
  );
  await assertPings(ns.client, '10.77.0.2');
});

/** One datagram of each flow to the echo server, and its answer. */
async function ask(ns: Namespace): Promise<void> {
  const program = [
    'import socket',
    `for port in range(${FIRST_PORT}, ${FIRST_PORT + FLOWS}):`,
    '    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)',
    '    s.settimeout(20); s.bind(("10.77.0.1", port)); s.sendto(b"?", ("10.77.0.2", 9)); s.recv(10)',
  ];
  await ns.output('python3', ['-c', program.join('\n')]);
}

/** What the hook has logged: of each flow, which lane saw which directions of it. */
function readFlows(daemon: Daemon): Map<string, Map<number, number>> {
  const flows = new Map<string, Map<number, number>>();
  for (const [, pid, list = ''] of daemon.log.matchAll(/lane (\d+): ([\d= ]+);/g)) {
    for (const entry of list.split(' ')) {
      const [port = '', ways] = entry.split('=');
      const lanes = flows.get(port) ?? new Map<number, number>();
      flows.set(port, lanes.set(Number(pid), Number(ways)));
    }
  }
  // A flow is there when an answer was seen too.
  return new Map([...flows].filter(([, lanes]) => [...lanes.values()].reduce((sum, ways) => sum | ways, 0) === 3));
}
