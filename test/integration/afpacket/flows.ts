/**
 * Which lane meets which direction of a flow: a hook that says so, flows to an echo server, and what was said.
 *
 * Rule: nothing here decides whether a test passes. A flow is known by its port at the client, so every round takes ports
 * that none before it had.
 *
 * @module
 */

import type { Daemon } from '../../support/daemon.ts';
import { PATIENCE_MS } from '../../support/live.ts';
import { type Namespace, waitFor } from '../../support/netns.ts';
import { ready } from './live-afpacket.ts';

/** Flows of one round. */
export const FLOWS = 24;

/** Says which flows came by in which directions, several at a time: lines are limited to a few a second. */
export const LOG_FLOWS = `
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

/** Of each flow, by its port: which lane saw which directions of it, 3 for both. */
export type Flows = ReadonlyMap<string, ReadonlyMap<number, number>>;

/** Starts the server that answers the flows. */
export async function startEcho(ns: Namespace): Promise<void> {
  await ready(ns.node(['-e', ECHO]), 'ready');
}

/**
 * Sends one datagram of each of {@link FLOWS} flows, waits for its answer, and returns what the lanes said of them.
 *
 * @param round - 0 or more; each has its own ports
 */
export async function meetFlows(
  daemon: Daemon,
  client: Namespace,
  from: string,
  to: string,
  round = 0,
): Promise<Flows> {
  const first = 20_000 + round * FLOWS;
  const program = [
    'import socket',
    `for port in range(${first}, ${first + FLOWS}):`,
    '    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)',
    `    s.settimeout(20); s.bind(("${from}", port)); s.sendto(b"?", ("${to}", 9)); s.recv(10)`,
  ];
  await client.output('python3', ['-c', program.join('\n')]);
  return await waitFor(
    () => {
      const read = readFlows(daemon, first);
      return read.size === FLOWS && read;
    },
    { what: 'every flow to be logged', timeoutMs: PATIENCE_MS },
  );
}

function readFlows(daemon: Daemon, first: number): Flows {
  const flows = new Map<string, Map<number, number>>();
  for (const [, pid, list = ''] of daemon.log.matchAll(/lane (\d+): ([\d= ]+);/g)) {
    for (const entry of list.split(' ')) {
      const [port = '', ways] = entry.split('=');
      if (Number(port) < first || Number(port) >= first + FLOWS) continue;
      const lanes = flows.get(port) ?? new Map<number, number>();
      flows.set(port, lanes.set(Number(pid), Number(ways)));
    }
  }
  // A flow is there when an answer was seen too.
  return new Map([...flows].filter(([, lanes]) => [...lanes.values()].reduce((sum, ways) => sum | ways, 0) === 3));
}
