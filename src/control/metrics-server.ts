/**
 * The numbers over HTTP at an address of the loopback interface, for Prometheus, which asks no unix socket.
 *
 * ```
 *   GET, HEAD /metrics   200      another path 404      another method 405      a body, or a Host that is a name 4xx
 * ```
 * Whoever has a process on this machine may ask: the numbers tell names of interfaces and hooks, and no address of a packet.
 * A page in a browser on this machine may not: a name that leads here is refused by its Host header (DNS rebinding), and no answer is for
 * pages of others.
 *
 * Rule: it only answers, one request a connection. Connections, octets of a request and the time of both are bounded, so that nobody who
 * asks slowly, or reads slowly, keeps anything of the daemon for long.
 *
 * @see RFC 9110, sections 7.2 and 15.5
 * @module
 */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { LoopbackAddress } from '../config/loopback-address.ts';
import type { ControlReports } from './control-server.ts';
import { endInTime, hasBody, isOwnHost, type LoopbackServer, openLoopback } from './loopback-server.ts';

/** A connection is there for this long at most, whoever is slow. */
const CONNECTION_MS = 10_000;

type Metrics = Pick<ControlReports, 'metrics'>;

/**
 * Opens the address.
 *
 * @throws {@link FirehookError} FIREHOOK_METRICS_ADDRESS where it cannot be had
 */
export function openMetrics(address: LoopbackAddress, reports: Metrics): Promise<LoopbackServer> {
  return openLoopback(
    address,
    'FIREHOOK_METRICS_ADDRESS',
    'metrics.listen',
    (request, response) => void answer(request, response, reports),
  );
}

async function answer(request: IncomingMessage, response: ServerResponse, reports: Metrics): Promise<void> {
  endInTime(request.socket, CONNECTION_MS);
  const { method, headers } = request;
  if (!isOwnHost(headers.host))
    return refuse(request, response, 403, 'the Host header has to be localhost or an IP address');
  if (hasBody(request)) return refuse(request, response, 400, 'no body is taken');
  if (method !== 'GET' && method !== 'HEAD') return refuse(request, response, 405, 'there are GET and HEAD');
  if (request.url?.split('?', 1)[0] !== '/metrics') return refuse(request, response, 404, 'there is /metrics');
  try {
    const { type, text } = await reports.metrics(headers.accept);
    write(request, response, 200, type, text);
  } catch (error) {
    refuse(request, response, 500, error instanceof Error ? error.message : String(error));
  }
}

function refuse(request: IncomingMessage, response: ServerResponse, status: number, why: string): void {
  if (status === 405) response.setHeader('allow', 'GET, HEAD');
  write(request, response, status, 'text/plain; charset=utf-8', `${why}\n`);
}

function write(
  { method }: IncomingMessage,
  response: ServerResponse,
  status: number,
  type: string,
  text: string,
): void {
  // Whoever asked may have left meanwhile.
  if (response.destroyed) return;
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    connection: 'close',
  });
  response.end(method === 'HEAD' ? undefined : text);
}
