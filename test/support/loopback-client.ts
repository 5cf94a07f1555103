/**
 * A client of the servers at loopback addresses that says exactly what it is given, right or wrong.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';

/** A port that nobody has just now. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  assert.ok(typeof address === 'object' && address !== null);
  return address.port;
}

/** Sends text as it is; resolves with all that came back once the connection is closed. */
export function say(port: number, text: string, host = '127.0.0.1'): Promise<string> {
  return new Promise((resolve) => {
    const client = connect({ port, host }, () => client.write(text));
    let answer = '';
    client.setEncoding('utf8').on('data', (more: string) => {
      answer += more;
    });
    client.on('error', () => undefined);
    client.on('close', () => resolve(answer));
  });
}

/**
 * Sends a request.
 *
 * @param more - lines of the head, each with its line end; what follows an empty one is the body
 * @param name - for the Host header
 */
export function ask(port: number, method: string, url: string, more = '', name = 'localhost'): Promise<string> {
  return say(port, `${method} ${url} HTTP/1.1\r\nHost: ${name}\r\n${more}\r\n`);
}

/** 0 where it is no answer. */
export function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? 0);
}
