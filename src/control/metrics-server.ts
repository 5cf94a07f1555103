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

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { isIP, type Socket } from 'node:net';
import type { LoopbackAddress } from '../config/loopback-address.ts';
import { FirehookError } from '../errors.ts';
import type { ControlReports } from './control-server.ts';

/** Connections at a time. */
const MAX_CONNECTIONS = 16;
/** Octets of the head of a request. */
const MAX_HEAD = 8 * 1024;
/** A client may take this long to say what it wants. */
const REQUEST_TIMEOUT_MS = 5_000;
/** A connection is there for this long at most, whoever is slow. */
const CONNECTION_MS = 10_000;

type Metrics = Pick<ControlReports, 'metrics'>;

/** Answers at the address. */
export class MetricsServer {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /**
   * Opens the address.
   *
   * @throws {@link FirehookError} FIREHOOK_METRICS_ADDRESS where it cannot be had
   */
  static async open({ host, port }: LoopbackAddress, reports: Metrics): Promise<MetricsServer> {
    const options = {
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: REQUEST_TIMEOUT_MS / 5,
      maxHeaderSize: MAX_HEAD,
    };
    const server = createServer(options, (request, response) => void answer(request, response, reports));
    server.maxConnections = MAX_CONNECTIONS;
    server.on('connection', endInTime);
    server.on('clientError', (_error, connection) => connection.destroy());
    // Nobody is to be told twice to go on: a body is not wanted.
    server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) =>
      refuse(request, response, 400, 'no body is taken'),
    );
    await listen(server, host, port);
    server.on('error', () => undefined);
    return new MetricsServer(server);
  }

  /** Closes the address and every connection. */
  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

function endInTime(connection: Socket): void {
  const timer = setTimeout(() => connection.destroy(), CONNECTION_MS);
  timer.unref();
  connection.once('close', () => clearTimeout(timer));
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const shown = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
      const isTaken = cause.code === 'EADDRINUSE';
      reject(
        new FirehookError(
          'FIREHOOK_METRICS_ADDRESS',
          `${shown}: ${isTaken ? 'another program listens there' : cause.message}`,
          {
            advice: isTaken ? 'stop it, or give metrics.listen another port' : 'check metrics.listen',
            cause,
          },
        ),
      );
    });
    server.listen({ host, port, exclusive: true }, resolve);
  });
}

async function answer(request: IncomingMessage, response: ServerResponse, reports: Metrics): Promise<void> {
  const { method, headers } = request;
  if (!isOwnHost(headers.host))
    return refuse(request, response, 403, 'the Host header has to be localhost or an IP address');
  if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0)
    return refuse(request, response, 400, 'no body is taken');
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

/** Whether a Host header names this machine by number, or as localhost: any other name may be somebody's who wants a browser to come here. */
function isOwnHost(host: string | undefined): boolean {
  if (host === undefined) return false;
  const [, six, other] = /^(?:\[([^\]]*)\]|([^:]*))(?::[0-9]{1,5})?$/.exec(host) ?? [];
  if (six !== undefined) return isIP(six) === 6;
  return other !== undefined && (other.toLowerCase() === 'localhost' || isIP(other) === 4);
}
