/**
 * The control socket: HTTP with JSON over a unix socket, so that `firehook` and `curl --unix-socket` can both ask.
 *
 * ```
 *   GET  /status /stats /hooks /pool       200
 *   GET  /metrics                          200, text for Prometheus or OpenMetrics by the Accept header
 *   POST /breaker                          opens or closes the breaker of a hook
 *   POST /devices                          a request to a device of a driver, where control.devices is true
 *   POST /trace                            live packets, a line of JSON each, until the client leaves
 *   POST /reload                           200: what is in force now; 409: why it is what it was
 *   POST /upgrade                          200: another firehookd has taken over; 409: why this one goes on
 *   POST /apply /confirm /cancel           200: what is in force now; 409: why it is what it was
 * ```
 * Rule: it only answers. Nothing a client sends changes a packet's fate, but that the operator's own files are read again, that hooks are taken
 * out for their faults or brought back, and what the operator lets it ask the drivers. Nothing it sends can end the daemon. The file mode of
 * the socket says who may ask.
 *
 * @module
 */

import { chmodSync, existsSync, lstatSync, mkdirSync, unlinkSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import path from 'node:path';
import { FirehookError, isFirehookError } from '../errors.ts';
import { printableJson } from '../telemetry/printable.ts';
import { MAX_APPLY_OCTETS } from './apply-request.ts';
import { MAX_BREAKER_OCTETS } from './breaker-control.ts';
import { MAX_REQUEST_OCTETS } from './device-control.ts';
import type { MetricsText } from './metrics-report.ts';
import { MAX_TRACE_REQUEST } from './trace-control.ts';

/** What can be asked for. */
export interface ControlReports {
  status(): object | Promise<object>;
  stats(): object | Promise<object>;
  hooks(): object | Promise<object>;
  pool(): object | Promise<object>;
  /** @param accept - the Accept header of whoever asks */
  metrics(accept: string | undefined): Promise<MetricsText>;
  /** Loads the configuration anew. @throws FirehookError why not */
  reload(): Promise<object>;
  /** Has another firehookd take over. @throws FirehookError why not */
  upgrade(): Promise<object>;
  /** Puts a file in force for a while. @throws FirehookError why not */
  apply(body: string): Promise<object>;
  /** Keeps it. @throws FirehookError why not */
  confirm(): Promise<object>;
  /** Goes back from it. @throws FirehookError why not */
  cancelApply(): Promise<object>;
  /** A request to a device of a driver. @returns HTTP status and body */
  devices(body: string): Promise<[number, object]>;
  /** A trace of live packets: answers in lines, for as long as somebody reads them. */
  trace(body: string, response: ServerResponse): void;
  /** What is to become of the breaker of a hook. @returns HTTP status and body */
  breaker(body: string): [number, object];
}

/** A client may take this long to say what it wants. */
const REQUEST_TIMEOUT_MS = 5_000;
/** Longest path of a unix socket, in octets (unix(7)); a longer one would be cut in silence. */
const MAX_SOCKET_PATH = 107;
/** Connections at a time: a client that opens many costs itself, not the daemon. */
const MAX_CONNECTIONS = 64;

/** Longest body of a request that has one. */
const MOST_OCTETS: Readonly<Record<string, number>> = {
  'POST /devices': MAX_REQUEST_OCTETS,
  'POST /trace': MAX_TRACE_REQUEST,
  'POST /apply': MAX_APPLY_OCTETS,
  'POST /breaker': MAX_BREAKER_OCTETS,
};

const TOO_LONG: [number, object] = [413, { error: `more than ${MAX_REQUEST_OCTETS} octets` }];

/** Answers on the control socket. */
export class ControlServer {
  readonly #server: Server;
  readonly #socket: string;
  /** Of the socket that this server has made. */
  readonly #inode: number;

  private constructor(server: Server, socket: string) {
    this.#server = server;
    this.#socket = socket;
    this.#inode = lstatSync(socket).ino;
  }

  /**
   * Opens the socket. One that a killed daemon left is replaced; one that is answered on is not.
   *
   * @param mode - octal file mode as text, for example `0600`
   * @throws {@link FirehookError} FIREHOOK_CONTROL_SOCKET
   */
  static async open(socket: string, mode: string, reports: ControlReports): Promise<ControlServer> {
    if (Buffer.byteLength(socket) > MAX_SOCKET_PATH) {
      throw new FirehookError('FIREHOOK_CONTROL_SOCKET', `${socket}: longer than ${MAX_SOCKET_PATH} octets`, {
        advice: 'give control.socket a shorter path',
      });
    }
    if (existsSync(socket)) {
      if (!lstatSync(socket).isSocket()) {
        throw new FirehookError('FIREHOOK_CONTROL_SOCKET', `${socket}: is there, and is no socket`, {
          advice: 'give control.socket another path',
        });
      }
      if (await isAnswered(socket)) {
        throw new FirehookError('FIREHOOK_CONTROL_SOCKET', `${socket}: another firehookd answers there`, {
          advice: 'stop it, or give this one another control.socket',
        });
      }
      unlinkSync(socket);
    }
    const timeouts = {
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: REQUEST_TIMEOUT_MS,
      // Node looks for clients that are late only this often, and by default every 30 s.
      connectionsCheckingInterval: REQUEST_TIMEOUT_MS / 5,
    };
    const server = createServer(timeouts, (request, response) => void answer(request, response, reports));
    server.maxConnections = MAX_CONNECTIONS;
    await listen(server, socket, mode);
    server.on('error', () => undefined);
    server.on('clientError', (_error, connection) => connection.destroy());
    return new ControlServer(server, socket);
  }

  /** Takes no more clients, and removes the socket: whoever has asked is still answered. */
  stopListening(): void {
    this.#server.close();
    this.#remove();
  }

  /** Closes and removes the socket. */
  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
    this.#remove();
  }

  /** What somebody else has put there meanwhile is not ours to remove, and no reason to fail. */
  #remove(): void {
    try {
      if (lstatSync(this.#socket).ino === this.#inode) unlinkSync(this.#socket);
    } catch {
      // It is gone.
    }
  }
}

async function answer(request: IncomingMessage, response: ServerResponse, reports: ControlReports): Promise<void> {
  const wanted = `${request.method} ${request.url}`;
  if (wanted === 'GET /metrics') {
    await answerMetrics(request, response, reports);
    return;
  }
  const text = await read(request, MOST_OCTETS[wanted] ?? 0);
  if (wanted === 'POST /trace' && text !== null) {
    if (!response.destroyed) reports.trace(text, response);
    return;
  }
  const [status, body] = text === null ? TOO_LONG : await route(wanted, text, reports);
  answerJson(response, status, body);
}

async function answerMetrics(
  request: IncomingMessage,
  response: ServerResponse,
  reports: Pick<ControlReports, 'metrics'>,
): Promise<void> {
  request.resume();
  try {
    const { type, text } = await reports.metrics(request.headers.accept);
    if (response.destroyed) return;
    response.writeHead(200, { 'content-type': type });
    response.end(text);
  } catch (error) {
    answerJson(response, 500, { error: error instanceof Error ? error.message : String(error) });
  }
}

function answerJson(response: ServerResponse, status: number, body: object): void {
  // Whoever asked may have left meanwhile.
  if (response.destroyed) return;
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(`${printableJson(JSON.stringify(body))}\n`);
}

/** The body of a request; null when it is longer than `most` octets. Where none is wanted it is not looked at. */
async function read(request: IncomingMessage, most: number): Promise<string | null> {
  if (most === 0) {
    request.resume();
    return '';
  }
  const parts: Buffer[] = [];
  let length = 0;
  try {
    for await (const part of request as AsyncIterable<Buffer>) {
      length += part.length;
      if (length <= most) parts.push(part);
    }
  } catch {
    // Whoever asked left in the middle.
    return null;
  }
  return length > most ? null : Buffer.concat(parts).toString('utf8');
}

async function route(wanted: string, body: string, reports: ControlReports): Promise<[number, object]> {
  try {
    switch (wanted) {
      case 'GET /status':
        return [200, await reports.status()];
      case 'GET /stats':
        return [200, await reports.stats()];
      case 'GET /hooks':
        return [200, await reports.hooks()];
      case 'GET /pool':
        return [200, await reports.pool()];
      case 'POST /devices':
        return await reports.devices(body);
      case 'POST /breaker':
        return reports.breaker(body);
      case 'POST /reload':
        return [200, await reports.reload()];
      case 'POST /upgrade':
        return [200, await reports.upgrade()];
      case 'POST /apply':
        return [200, await reports.apply(body)];
      case 'POST /confirm':
        return [200, await reports.confirm()];
      case 'POST /cancel':
        return [200, await reports.cancelApply()];
      default:
        return [404, { error: 'there are GET /status, /stats, /hooks, /pool and /metrics' }];
    }
  } catch (error) {
    if (isFirehookError(error)) return [409, { error: error.message, code: error.code, exitCode: error.exitCode }];
    return [500, { error: error instanceof Error ? error.message : String(error) }];
  }
}

async function listen(server: Server, socket: string, mode: string): Promise<void> {
  try {
    mkdirSync(path.dirname(socket), { recursive: true, mode: 0o755 });
    // Nobody may connect before the mode is set.
    const umask = process.umask(0o177);
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(socket, resolve);
      });
    } finally {
      process.umask(umask);
    }
    chmodSync(socket, Number.parseInt(mode, 8));
  } catch (cause) {
    server.close();
    throw new FirehookError('FIREHOOK_CONTROL_SOCKET', `${socket}: ${(cause as Error).message}`, { cause });
  }
}

function isAnswered(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const client = connect(socket);
    client.once('connect', () => {
      client.destroy();
      resolve(true);
    });
    // Only a refusal says that nobody listens; a full queue, for one, is somebody's.
    client.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'));
  });
}
