/**
 * The server of the demo, a program of its own in a namespace of its own.
 *
 * ```
 *   TCP 80   HTTP: "/" greets, "/received" says how many datagrams the discard port got
 *   TCP 23   greets whoever connects: a refusal of this port is the firewall's, not the server's
 *   UDP 7    echo (RFC 862)
 *   UDP 9    discard (RFC 863), counted
 * ```
 * Says "ready" on standard output once every port is open.
 *
 * @module
 */

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { GREETING } from './greeting.ts';

let received = 0;

const web = createHttpServer((request, response) => {
  response.end(request.url === '/received' ? String(received) : GREETING);
}).listen(80);
const telnet = createServer((connection) => connection.end(GREETING)).listen(23);
const echo = createSocket('udp4', (message, from) => echo.send(message, from.port, from.address)).bind(7);
const discard = createSocket('udp4', () => {
  received += 1;
}).bind(9);

await Promise.all([web, telnet, echo, discard].map((server) => once(server, 'listening')));
process.stdout.write('ready\n');
