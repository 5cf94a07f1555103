/**
 * What every HTTP server at a loopback address has in common: who may come, and bounds for whoever is slow.
 *
 * ```
 *   Host: localhost, 127.0.0.1, [::1]     answered            Host: a name     refused: somebody may have led a browser here (DNS rebinding)
 * ```
 * Rule: connections, octets of a request and its time are bounded; a body is never taken.
 *
 * @see RFC 9110, section 7.2
 * @module
 */

import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { isIP, type Socket } from 'node:net';
import type { LoopbackAddress } from '../config/loopback-address.ts';
import { type ErrorCode, FirehookError } from '../errors.ts';

/** Connections at a time. */
const MAX_CONNECTIONS = 16;
/** Octets of the head of a request. */
const MAX_HEAD = 8 * 1024;
/** A client may take this long to say what it wants. */
const REQUEST_TIMEOUT_MS = 5_000;

/** What is open at an address. */
export interface LoopbackServer {
  /** Closes the address and every connection. */
  close(): void;
}

/**
 * Opens the address.
 *
 * @param code - of the error where it cannot be had
 * @param key - of the configuration, for the advice
 */
export async function openLoopback(
  { host, port }: LoopbackAddress,
  code: ErrorCode,
  key: string,
  answer: RequestListener,
): Promise<LoopbackServer> {
  const options = {
    requestTimeout: REQUEST_TIMEOUT_MS,
    headersTimeout: REQUEST_TIMEOUT_MS,
    connectionsCheckingInterval: REQUEST_TIMEOUT_MS / 5,
    maxHeaderSize: MAX_HEAD,
  };
  const server = createServer(options, answer);
  server.maxConnections = MAX_CONNECTIONS;
  server.on('clientError', (_error, connection) => connection.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const shown = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
      const isTaken = cause.code === 'EADDRINUSE';
      const detail = `${shown}: ${isTaken ? 'another program listens there' : cause.message}`;
      const advice = isTaken ? `stop it, or give ${key} another port` : `check ${key}`;
      reject(new FirehookError(code, detail, { advice, cause }));
    });
    server.listen({ host, port, exclusive: true }, resolve);
  });
  server.on('error', () => undefined);
  // Nobody is told to go on with a body: whoever asks whether to send one is answered as if it were there.
  server.on('checkContinue', answer);
  return {
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/**
 * Closes a connection after a time, whoever is slow.
 *
 * @returns lets it be for good
 */
export function endInTime(connection: Socket, timeMs: number): () => void {
  const timer = setTimeout(() => connection.destroy(), timeMs);
  timer.unref();
  connection.once('close', () => clearTimeout(timer));
  return () => clearTimeout(timer);
}

/** Whether a request has, or announces, a body. */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0;
}

/** Whether a Host header names this machine by number, or as localhost: any other name may be somebody's who wants a browser to come here. */
export function isOwnHost(host: string | undefined): boolean {
  if (host === undefined) return false;
  const [, six, other] = /^(?:\[([^\]]*)\]|([^:]*))(?::[0-9]{1,5})?$/.exec(host) ?? [];
  if (six !== undefined) return isIP(six) === 6;
  return other !== undefined && (other.toLowerCase() === 'localhost' || isIP(other) === 4);
}
