/**
 * The page: what `firehook top` shows, with plots, and a live trace, at an address of the loopback interface.
 *
 * ```
 *   GET /  /style.css  /page.js  /plot.js      the page: the same for everybody, and nothing of the daemon in it
 *   GET /api/sample                            401 without the token      200: a sample, JSON
 *   GET /api/trace?expression=&most=           401 without the token      200: live packets, a line of JSON each, 500 at most, for five minutes at most
 * ```
 * Rule: it only answers, to GET alone. The token comes in the Authorization header, which no page of others can make a browser send; a name that
 * leads here is refused by its Host header. Nothing runs or is loaded that is not one of the four files.
 *
 * @see CSP Level 3; Trusted Types; Fetch Metadata Request Headers; RFC 9110, sections 11.6 and 15.5
 * @module
 */

import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type LoopbackAddress, parseLoopback } from '../config/loopback-address.ts';
import type { Config } from '../config/schema.ts';
import type { Logger } from '../telemetry/logger.ts';
import { printableJson } from '../telemetry/printable.ts';
import { endInTime, hasBody, isOwnHost, type LoopbackServer, openLoopback } from './loopback-server.ts';
import type { Sample } from './sample.ts';
import { WebToken } from './web-token.ts';

/** What the page asks the daemon for. */
export interface WebReports {
  sample(): Promise<Sample>;
  trace(body: string, response: ServerResponse): void;
}

/** A connection is there for this long at most, whoever is slow; one with a trace longer. */
const CONNECTION_MS = 10_000;
const TRACE_MS = 300_000;
/** Packets of a trace. */
const MOST_PACKETS = 500;

/** Source and built file are as deep below the folder of the package. */
const FOLDER = new URL('../../web/', import.meta.url);
const FILES: Readonly<Record<string, readonly [name: string, type: string]>> = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/style.css': ['style.css', 'text/css; charset=utf-8'],
  '/page.js': ['page.js', 'text/javascript; charset=utf-8'],
  '/plot.js': ['plot.js', 'text/javascript; charset=utf-8'],
};

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ');

const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': POLICY,
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  connection: 'close',
};

type Answer = readonly [status: number, type: string, body: string | Buffer];

/**
 * Opens the address.
 *
 * @throws FirehookError FIREHOOK_WEB_ADDRESS where it cannot be had
 */
export function openPage(address: LoopbackAddress, token: WebToken, reports: WebReports): Promise<LoopbackServer> {
  const desk = new Desk(token, reports);
  return openLoopback(
    address,
    'FIREHOOK_WEB_ADDRESS',
    'web.listen',
    (request, response) => void desk.answer(request, response),
  );
}

/**
 * Opens the page that the configuration asks for, and says in the log where it is.
 *
 * @returns null where none is asked for
 * @throws FirehookError FIREHOOK_WEB_ADDRESS, FIREHOOK_WEB_TOKEN
 */
export async function openWeb(
  { listen, tokenFile }: Config['web'],
  reports: WebReports,
  log: Pick<Logger, 'info'>,
): Promise<LoopbackServer | null> {
  const address = parseLoopback(listen ?? '');
  if (address === null) return null;
  const token = tokenFile === undefined ? WebToken.random() : WebToken.fromFile(tokenFile);
  const server = await openPage(address, token, reports);
  const shown = tokenFile === undefined ? token.fragment : `#token=... with the token of ${tokenFile}`;
  log.info(`The page is at http://${listen}/${shown}`);
  return server;
}

/** Who answers. */
class Desk {
  readonly #token: WebToken;
  readonly #reports: WebReports;
  readonly #files = new Map<string, Answer>(
    Object.entries(FILES).map(([url, [name, type]]) => [url, [200, type, readFileSync(new URL(name, FOLDER))]]),
  );

  constructor(token: WebToken, reports: WebReports) {
    this.#token = token;
    this.#reports = reports;
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const keep = endInTime(request.socket, CONNECTION_MS);
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    const refusal = refusalOf(request);
    if (refusal !== null) return write(response, refusal);
    const [path = '', query = ''] = (request.url ?? '').split('?', 2);
    const file = this.#files.get(path);
    if (file !== undefined) return write(response, file);
    if (path !== '/api/sample' && path !== '/api/trace') return write(response, text(404, 'there is no such page'));
    if (!this.#token.isIn(request.headers.authorization)) {
      response.setHeader('www-authenticate', 'Bearer realm="firehook"');
      return write(response, text(401, 'the token is missing or wrong'));
    }
    if (path === '/api/sample') return write(response, await this.#sample());
    keep();
    endInTime(request.socket, TRACE_MS);
    this.#reports.trace(traceRequest(query), response);
  }

  async #sample(): Promise<Answer> {
    try {
      return [200, 'application/json', printableJson(JSON.stringify(await this.#reports.sample()))];
    } catch (error) {
      return text(500, error instanceof Error ? error.message : String(error));
    }
  }
}

/** Why a request is not looked at; null where it is. */
function refusalOf(request: IncomingMessage): Answer | null {
  const { method, headers } = request;
  if (!isOwnHost(headers.host)) return text(403, 'the Host header has to be localhost or an IP address');
  const site = headers['sec-fetch-site'];
  const isOpened = headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document';
  if (site !== undefined && site !== 'same-origin' && site !== 'none' && !isOpened)
    return text(403, 'this is for no page but its own');
  if (hasBody(request)) return text(400, 'no body is taken');
  return method === 'GET' ? null : text(405, 'there is GET');
}

/** As `POST /trace` takes it; what is no number of packets is the most there are. */
function traceRequest(query: string): string {
  const parameters = new URLSearchParams(query);
  const most = Number(parameters.get('most') ?? MOST_PACKETS);
  return JSON.stringify({
    expression: parameters.get('expression') ?? '',
    most: Number.isInteger(most) && most >= 1 ? Math.min(most, MOST_PACKETS) : MOST_PACKETS,
    hook: parameters.get('hook'),
  });
}

function text(status: number, why: string): Answer {
  return [status, 'text/plain; charset=utf-8', `${why}\n`];
}

function write(response: ServerResponse, [status, type, body]: Answer): void {
  // Whoever asked may have left meanwhile.
  if (response.destroyed) return;
  if (status === 405) response.setHeader('allow', 'GET');
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}
