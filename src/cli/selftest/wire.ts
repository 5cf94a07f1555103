/**
 * Either end of the wire in a self-test, a program of its own in a namespace of its own: told what to do by lines, answering by lines of JSON.
 *
 * ```
 *   wire serve      report                         {"udp": {"7000": {"received": 50, "twice": 0}}, "tcp": ["<octets> <sha256>"]}
 *   wire ask HOST   udp PORT COUNT GAP_MS          {"sent": 50}
 *                   tcp OCTETS                     {"sum": "<octets> <sha256>"}
 * ```
 * @module
 */

import { createHash, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { BULK, UDP_PORTS } from './ports.ts';

const PIECE_OCTETS = 1 << 16;
const TCP_TIMEOUT_MS = 20_000;

function answer(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

async function serve(): Promise<void> {
  const udp: Record<string, { received: number; twice: number }> = {};
  const tcp: string[] = [];
  for (const port of UDP_PORTS) {
    const seen = new Set<string>();
    const counted = { received: 0, twice: 0 };
    udp[port] = counted;
    const socket = createSocket('udp4').on('message', (octets) => {
      const number = octets.toString('latin1');
      counted.received += 1;
      if (seen.has(number)) counted.twice += 1;
      seen.add(number);
    });
    socket.bind(port);
    await once(socket, 'listening');
  }
  const server = createServer((socket) => {
    const hash = createHash('sha256');
    let octets = 0;
    socket.on('data', (piece) => {
      octets += piece.length;
      hash.update(piece);
    });
    socket.on('error', () => undefined);
    socket.on('end', () => {
      tcp.push(`${octets} ${hash.digest('hex')}`);
      socket.end();
    });
  }).listen(BULK);
  await once(server, 'listening');
  process.stdout.write('ready\n');
  for await (const _line of createInterface(process.stdin)) answer({ udp, tcp });
}

async function ask(host: string): Promise<void> {
  const socket = createSocket('udp4');
  let number = 0;
  process.stdout.write('ready\n');
  for await (const line of createInterface(process.stdin)) {
    const [what = '', first = '0', second = '0', third = '0'] = line.split(' ');
    if (what === 'udp') {
      for (let sent = 0; sent < Number(second); sent++) {
        number += 1;
        socket.send(`${number}`, Number(first), host, () => undefined);
        await sleep(Number(third));
      }
      answer({ sent: Number(second) });
    } else answer({ sum: await bulk(host, Number(first)) });
  }
}

async function bulk(host: string, octets: number): Promise<string> {
  const hash = createHash('sha256');
  const socket = connect({ host, port: BULK, timeout: TCP_TIMEOUT_MS });
  try {
    await once(socket, 'connect');
    const piece = randomBytes(PIECE_OCTETS);
    for (let left = octets; left > 0; left -= piece.length) {
      const now = piece.subarray(0, Math.min(piece.length, left));
      hash.update(now);
      if (!socket.write(now)) await once(socket, 'drain', { signal: AbortSignal.timeout(TCP_TIMEOUT_MS) });
    }
    socket.end();
    socket.resume();
    await once(socket, 'close', { signal: AbortSignal.timeout(TCP_TIMEOUT_MS) });
    return `${octets} ${hash.digest('hex')}`;
  } catch (error) {
    socket.destroy();
    return error instanceof Error ? error.message : String(error);
  }
}

const [mode = '', host = ''] = process.argv.slice(2);
await (mode === 'serve' ? serve() : ask(host));
