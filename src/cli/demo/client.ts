/**
 * The client of the demo, a program of its own in a namespace of its own: one thing asked for, one line of JSON answered.
 *
 * ```
 *   get URL                  {"status": 200, "body": "..."}
 *   connect HOST PORT        {"error": "EHOSTUNREACH" or null, "icmp": [{"type": 3, "code": 13, "from": "..."}]}
 *   talk HOST PORT           {"said": "..."}: what the server says of itself
 *   echo HOST PORT TEXT      {"reply": "..." or null}
 *   burst HOST PORT COUNT    {"sent": 200}
 * ```
 * @module
 */

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { openAfpacket } from '../../drivers/afpacket.ts';
import { SMALLEST_RING_SLOTS } from '../../drivers/afpacket-sockets.ts';
import { formatAddress } from '../../wire/address.ts';
import { ETHERTYPE_IPV4 } from '../../wire/ethernet.ts';

/** What a refused connection looks like from the client. */
export interface ConnectAnswer {
  /** Name of the error; null when the connection stands. */
  readonly error: string | null;
  /** The ICMP messages that arrived meanwhile. */
  readonly icmp: readonly { readonly type: number; readonly code: number; readonly from: string }[];
}

/** The client's only interface; its frames have an Ethernet header of 14 octets. */
const INTERFACE = 'eth0';
const IP_AT = 14;
const PROTOCOL_ICMP = 1;
const CONNECT_TIMEOUT_MS = 10_000;
/** The socket may hear of an ICMP error before the ring hands it out. */
const ICMP_TIMEOUT_MS = 2_000;
const ECHO_TIMEOUT_MS = 2_000;
/** UDP may lose a datagram. */
const ECHO_TRIES = 3;

async function get(url: string): Promise<object> {
  const response = await fetch(url, { signal: AbortSignal.timeout(CONNECT_TIMEOUT_MS) });
  return { status: response.status, body: await response.text() };
}

async function tryConnect(host: string, port: number): Promise<ConnectAnswer> {
  const icmp: ConnectAnswer['icmp'][number][] = [];
  const capture = captureIcmp((message) => icmp.push(message));
  const socket = connect({ host, port, timeout: CONNECT_TIMEOUT_MS });
  const error = await new Promise<string | null>((resolve) => {
    socket.once('connect', () => resolve(null));
    socket.once('timeout', () => resolve('ETIMEDOUT'));
    socket.once('error', (cause: NodeJS.ErrnoException) => resolve(cause.code ?? cause.message));
  });
  socket.destroy();
  const deadlineMs = performance.now() + ICMP_TIMEOUT_MS;
  while (error !== null && icmp.length === 0 && performance.now() < deadlineMs) await sleep(10);
  capture.stop();
  return { error, icmp };
}

/** Connects and hears the server out, as telnet would. */
async function talk(host: string, port: number): Promise<object> {
  let said = '';
  const socket = connect({ host, port, timeout: CONNECT_TIMEOUT_MS });
  socket.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  socket.once('timeout', () => socket.destroy(new Error('no answer')));
  await once(socket, 'close');
  return { said };
}

/** Looks at what arrives at the client: an ICMP error is nothing that a TCP socket of Node.js tells of. */
function captureIcmp(heard: (message: ConnectAnswer['icmp'][number]) => void): { stop(): void } {
  const device = { name: INTERFACE, ifindex: Number(readFileSync(`/sys/class/net/${INTERFACE}/ifindex`, 'utf8')) };
  const port = {
    id: 0,
    capture: device,
    direction: 'inbound',
    send: null,
    maxFrameLength: 0,
    captureLength: 2048,
  } as const;
  const driver = openAfpacket({ ports: [port], rings: [{ port: 0, slots: SMALLEST_RING_SLOTS, fanoutGroup: -1 }] });
  void driver.start({
    onFrame({ octets: frame, length }) {
      const at = IP_AT + ((frame[IP_AT] ?? 0) & 0x0f) * 4;
      if (frame.readUInt16BE(IP_AT - 2) !== ETHERTYPE_IPV4 || frame[IP_AT + 9] !== PROTOCOL_ICMP || length < at + 2)
        return;
      const from = formatAddress(frame.subarray(IP_AT + 12, IP_AT + 16));
      heard({ type: frame[at] ?? -1, code: frame[at + 1] ?? -1, from });
    },
    onBatchEnd: () => undefined,
  });
  return driver;
}

async function echo(host: string, port: number, text: string): Promise<object> {
  const socket = createSocket('udp4');
  let reply: string | null = null;
  socket.on('message', (message) => {
    reply = message.toString();
  });
  for (let attempt = 0; attempt < ECHO_TRIES && reply === null; attempt++) {
    const answered = once(socket, 'message', { signal: AbortSignal.timeout(ECHO_TIMEOUT_MS) });
    socket.send(text, port, host);
    await answered.catch(() => undefined);
  }
  socket.close();
  return { reply };
}

async function burst(host: string, port: number, count: number): Promise<object> {
  const socket = createSocket('udp4');
  await Promise.all(
    Array.from(
      { length: count },
      (_unused, index) => new Promise((sent) => socket.send(`datagram ${index}`, port, host, sent)),
    ),
  );
  socket.close();
  return { sent: count };
}

async function main([what, target = '', port = '', argument = '']: readonly string[]): Promise<object> {
  switch (what) {
    case 'get':
      return get(target);
    case 'connect':
      return tryConnect(target, Number(port));
    case 'talk':
      return talk(target, Number(port));
    case 'echo':
      return echo(target, Number(port), argument);
    case 'burst':
      return burst(target, Number(port), Number(argument));
    default:
      throw new Error(`${what}: get, connect, talk, echo or burst`);
  }
}

process.stdout.write(`${JSON.stringify(await main(process.argv.slice(2)))}\n`);
