/**
 * The numbers at a loopback address, over a real socket: who is answered, who is refused, and who cannot hold it up.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { openMetrics } from '../../../src/control/metrics-server.ts';
import { isFirehookError } from '../../../src/errors.ts';
import { ask, freePort, say, statusOf } from '../../support/loopback-client.ts';
import { waitFor } from '../../support/wait-for.ts';

const REPORTS = {
  metrics: (accept: string | undefined) => Promise.resolve({ type: 'text/x', text: `for ${accept}\n` }),
};

async function open(t: TestContext, host = '127.0.0.1', reports = REPORTS): Promise<number> {
  const port = await freePort(host);
  const server = await openMetrics({ host, port }, reports);
  t.after(() => server.close());
  return port;
}

describe('the numbers at a loopback address', () => {
  test('are told to GET, and to HEAD without the text, in the format that is asked for', async (t) => {
    const port = await open(t);
    const told = await ask(port, 'GET', '/metrics?x=1', 'Accept: some/thing\r\n');
    assert.match(told, /^HTTP\/1\.1 200 OK\r\n/);
    assert.match(told, /content-type: text\/x\r\n/i);
    assert.match(told, /\r\n\r\nfor some\/thing\n$/);
    const head = await ask(port, 'HEAD', '/metrics');
    assert.match(head, /^HTTP\/1\.1 200 OK\r\n(?:.*\r\n)*content-length: 14\r\n(?:.*\r\n)*\r\n$/i);
  });

  test('are told over IPv6', async (t) => {
    const port = await open(t, '::1');
    const told = await say(port, 'GET /metrics HTTP/1.1\r\nHost: [::1]:9477\r\n\r\n', '::1');
    assert.equal(statusOf(told), 200);
  });

  test('are not for other methods, other paths, or a request with a body', async (t) => {
    const port = await open(t);
    for (const [method, url, more, status] of [
      ['POST', '/metrics', '', 405],
      ['PUT', '/metrics', '', 405],
      ['OPTIONS', '/metrics', '', 405],
      ['GET', '/', '', 404],
      ['GET', '/metrics/', '', 404],
      ['GET', '/status', '', 404],
      ['GET', '/metrics', 'Content-Length: 5\r\n\r\nhello', 400],
      ['GET', '/metrics', 'Transfer-Encoding: chunked\r\n\r\n0\r\n', 400],
      ['POST', '/metrics', 'Expect: 100-continue\r\nContent-Length: 5\r\n', 400],
    ] as const)
      assert.equal(statusOf(await ask(port, method, url, more)), status, `${method} ${url} ${more}`);
  });

  test('are told to nobody who comes by a name that is not localhost', async (t) => {
    const port = await open(t);
    for (const [name, status] of [
      ['localhost', 200],
      ['LOCALHOST:9477', 200],
      ['127.0.0.1', 200],
      ['127.0.0.1:9477', 200],
      ['[::1]:9477', 200],
      ['192.0.2.7:1', 200],
      ['evil.example', 403],
      ['evil.example:9477', 403],
      ['localhost.evil.example', 403],
      ['127.0.0.1.evil.example', 403],
      ['[evil]', 403],
      ['localhost:', 403],
      ['', 403],
    ] as const)
      assert.equal(statusOf(await ask(port, 'GET', '/metrics', '', name)), status, name);
    assert.equal(statusOf(await say(port, 'GET /metrics HTTP/1.0\r\n\r\n')), 403);
  });

  test('answer with the reason when they cannot be gathered, and go on', async (t) => {
    const port = await open(t, '127.0.0.1', { metrics: () => Promise.reject(new Error('no counters')) });
    assert.match(await ask(port, 'GET', '/metrics'), /^HTTP\/1\.1 500 (?:.|\r|\n)*no counters\n$/);
    assert.equal(statusOf(await ask(port, 'GET', '/')), 404);
  });

  test('survive what is no request, a head without end, and clients that leave', async (t) => {
    const port = await open(t);
    await say(port, 'what is this?\r\n\r\n');
    await say(port, '\0\x01\x02'.repeat(10_000));
    await say(port, `GET /metrics HTTP/1.1\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`);
    await new Promise<void>((resolve) => {
      const client = connect({ port, host: '127.0.0.1' }, () => {
        client.write('GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n');
        client.destroy();
      });
      client.on('close', () => resolve());
    });
    assert.equal(statusOf(await ask(port, 'GET', '/metrics')), 200);
  });

  test('end the connection of whoever says nothing, or does not read, and answer others meanwhile', async (t) => {
    const text = 'x'.repeat(32 * 1024 * 1024);
    const port = await open(t, '127.0.0.1', { metrics: () => Promise.resolve({ type: 'text/plain', text }) });
    const silent = say(port, '');
    const slow = say(port, 'GET /metr');
    const deaf = connect({ port, host: '127.0.0.1' }, () =>
      deaf.write('GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n'),
    );
    deaf.on('error', () => undefined);
    deaf.pause();
    assert.equal(statusOf(await ask(port, 'GET', '/')), 404);
    await Promise.all([silent, slow]);
    // What it has not read is not kept for it for ever: it finds its connection closed in the middle.
    const hasEnded = new Promise<number>((resolve) => {
      deaf.once('close', () => resolve(deaf.bytesRead));
    });
    const isClosed = (): boolean => {
      // Who only listens does not hear that a connection is gone.
      if (!deaf.destroyed) deaf.write('\r\n');
      return deaf.destroyed;
    };
    await waitFor(isClosed, { what: 'the end', timeoutMs: 30_000 });
    assert.ok((await hasEnded) < text.length);
  });

  test('are told again after more have come than are served at a time', async (t) => {
    const port = await open(t);
    const clients = Array.from(
      { length: 60 },
      (): Socket => connect({ port, host: '127.0.0.1' }).on('error', () => undefined),
    );
    await waitFor(() => clients.every((client) => !client.connecting), { what: 'the clients' });
    for (const client of clients) client.destroy();
    await waitFor(() => ask(port, 'GET', '/metrics').then((answer) => statusOf(answer) === 200), { what: 'an answer' });
  });
});

test('an address that another program has is refused, with what to do', async (t) => {
  const port = await open(t);
  await assert.rejects(openMetrics({ host: '127.0.0.1', port }, REPORTS), (error) => {
    assert.ok(isFirehookError(error));
    assert.equal(error.code, 'FIREHOOK_METRICS_ADDRESS');
    assert.match(error.message, /127\.0\.0\.1:\d+: another program listens there/);
    return true;
  });
});
