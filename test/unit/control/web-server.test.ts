/**
 * The page's server, over a real socket: who is answered, who is refused, with which headers, and who cannot hold it up.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { Reports } from '../../../src/control/reports.ts';
import { openPage, openWeb, type WebReports } from '../../../src/control/web-server.ts';
import { WebToken } from '../../../src/control/web-token.ts';
import { isFirehookError } from '../../../src/errors.ts';
import { ask, freePort, say, statusOf } from '../../support/loopback-client.ts';
import { waitFor } from '../../support/wait-for.ts';
import { wholeDaemon } from '../../support/whole-daemon.ts';

const TOKEN = WebToken.random();
const BEARER = `Authorization: Bearer ${TOKEN.fragment.replace('#token=', '')}\r\n`;

async function open(t: TestContext, changes: Partial<WebReports> = {}): Promise<number> {
  const port = await freePort();
  const real = new Reports(wholeDaemon());
  const reports: WebReports = {
    sample: () => real.sample(),
    trace: (body, response) => real.trace(body, response),
    ...changes,
  };
  const server = await openPage({ host: '127.0.0.1', port }, TOKEN, reports);
  t.after(() => server.close());
  return port;
}

describe('the page', () => {
  test('is the four files for everybody, with headers that let nothing else in', async (t) => {
    const port = await open(t);
    for (const [url, type, part] of [
      ['/', 'text/html', '<title>firehook</title>'],
      ['/style.css', 'text/css', '--ground'],
      ['/page.js', 'text/javascript', 'textContent'],
      ['/plot.js', 'text/javascript', 'plotOf'],
    ] as const) {
      const answer = await ask(port, 'GET', url);
      assert.equal(statusOf(answer), 200, url);
      const [head = '', body = ''] = answer.split('\r\n\r\n');
      assert.match(head, new RegExp(`^content-type: ${type}; charset=utf-8$`, 'm'));
      assert.ok(body.includes(part), url);
      assert.doesNotMatch(
        body,
        /innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|style="|onclick|https?:\/\/(?!www\.w3\.org)/,
      );
    }
  });

  test('has the same headers with every answer, also with refusals', async (t) => {
    const port = await open(t);
    for (const [url, more] of [
      ['/', ''],
      ['/api/sample', BEARER],
      ['/api/sample', ''],
      ['/nothing', ''],
      ['/api/trace?expression=)', BEARER],
    ] as const) {
      const answer = await ask(port, 'GET', url, more);
      for (const header of [
        /^content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'\r$/m,
        /^cache-control: no-store\r$/m,
        /^x-content-type-options: nosniff\r$/m,
        /^x-frame-options: DENY\r$/m,
        /^referrer-policy: no-referrer\r$/m,
        /^cross-origin-resource-policy: same-origin\r$/m,
      ])
        assert.match(answer, header, url);
      assert.doesNotMatch(answer, /^(?:set-cookie|access-control-)/im);
    }
  });

  test('tells numbers to nobody without the token', async (t) => {
    const port = await open(t);
    const told = await ask(port, 'GET', '/api/sample', BEARER);
    assert.equal(statusOf(told), 200);
    const sample = JSON.parse(told.split('\r\n\r\n')[1] ?? '') as { total: { received: number } };
    assert.equal(sample.total.received, 30);
    for (const header of [
      '',
      'Authorization: Bearer \r\n',
      'Authorization: Bearer x\r\n',
      BEARER.replace(/.\r\n/, '\r\n'),
      BEARER.replace('\r\n', 'x\r\n'),
      BEARER.replace('Bearer', 'Basic'),
      `Cookie: token=${BEARER}`,
      `Authorization: Bearer ${'x'.repeat(4000)}\r\n`,
    ])
      for (const url of ['/api/sample', '/api/trace']) {
        const refused = await ask(port, 'GET', url, header);
        assert.equal(statusOf(refused), 401, header);
        assert.doesNotMatch(refused, /lan0/);
      }
    const { fragment } = TOKEN;
    assert.equal(statusOf(await ask(port, 'GET', `/api/sample?${fragment.slice(1)}`)), 401, 'not in the address');
  });

  test('is for GET alone, without a body, by a name of this machine, and for no page of others', async (t) => {
    const port = await open(t);
    for (const [method, url, more, name, status] of [
      ['HEAD', '/', '', 'localhost', 405],
      ['POST', '/api/sample', BEARER, 'localhost', 405],
      ['OPTIONS', '/api/sample', BEARER, 'localhost', 405],
      ['DELETE', '/', '', 'localhost', 405],
      ['GET', '/', 'Content-Length: 5\r\n\r\nhello', 'localhost', 400],
      ['GET', '/api/sample', `${BEARER}Transfer-Encoding: chunked\r\n`, 'localhost', 400],
      ['GET', '/api/sample', BEARER, 'evil.example', 403],
      ['GET', '/', '', '127.0.0.1.evil.example', 403],
      ['GET', '/', '', 'localhost:9478', 200],
      ['GET', '/', '', '[::1]:9478', 200],
      ['GET', '/api/sample', `${BEARER}Sec-Fetch-Site: cross-site\r\n`, 'localhost', 403],
      ['GET', '/page.js', 'Sec-Fetch-Site: same-site\r\n', 'localhost', 403],
      ['GET', '/api/sample', `${BEARER}Sec-Fetch-Site: same-origin\r\n`, 'localhost', 200],
      [
        'GET',
        '/',
        'Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n',
        'localhost',
        200,
      ],
      ['GET', '/../package.json', '', 'localhost', 404],
      ['GET', '//style.css', '', 'localhost', 404],
      ['GET', '/%2e%2e/package.json', '', 'localhost', 404],
      ['GET', '/status', BEARER, 'localhost', 404],
      ['GET', '/api/reload', BEARER, 'localhost', 404],
    ] as const)
      assert.equal(statusOf(await ask(port, method, url, more, name)), status, `${method} ${url} ${more} ${name}`);
  });

  test('asks for a bounded trace, whatever the query says', async (t) => {
    const asked: unknown[] = [];
    const port = await open(t, {
      trace: (body: string, response: ServerResponse) => {
        asked.push(JSON.parse(body));
        response.end();
      },
    });
    for (const query of [
      '',
      '?expression=tcp%20port%2023&most=5',
      '?most=1e9',
      '?most=-1&hook=a',
      '?most=x&expression=%FF',
    ])
      await ask(port, 'GET', `/api/trace${query}`, BEARER);
    assert.deepEqual(asked, [
      { expression: '', most: 500, hook: null },
      { expression: 'tcp port 23', most: 5, hook: null },
      { expression: '', most: 500, hook: null },
      { expression: '', most: 500, hook: 'a' },
      { expression: '\ufffd', most: 500, hook: null },
    ]);
  });

  test('says why there is no sample, and goes on; survives clients that say nothing, rubbish, or leave', async (t) => {
    const port = await open(t, { sample: () => Promise.reject(new Error('no counters')) });
    assert.match(await ask(port, 'GET', '/api/sample', BEARER), /^HTTP\/1\.1 500 (?:.|\r|\n)*no counters\n$/);
    const silent = say(port, '');
    const slow = say(port, 'GET /api');
    await say(port, '\0\x01\x02'.repeat(10_000));
    await say(port, `GET / HTTP/1.1\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`);
    assert.equal(statusOf(await ask(port, 'GET', '/')), 200);
    await Promise.all([silent, slow]);
    assert.equal(statusOf(await ask(port, 'GET', '/')), 200);
  });

  test('ends the connection of whoever does not read, and answers others meanwhile', async (t) => {
    const real = new Reports(wholeDaemon());
    const problems = ['x'.repeat(32 * 1024 * 1024)];
    const port = await open(t, { sample: async () => ({ ...(await real.sample()), problems }) });
    const deaf = connect({ port, host: '127.0.0.1' }, () =>
      deaf.write(`GET /api/sample HTTP/1.1\r\nHost: localhost\r\n${BEARER}\r\n`),
    );
    deaf.on('error', () => undefined);
    deaf.pause();
    assert.equal(statusOf(await ask(port, 'GET', '/')), 200);
    const isClosed = (): boolean => {
      // Who only listens does not hear that a connection is gone.
      if (!deaf.destroyed) deaf.write('\r\n');
      return deaf.destroyed;
    };
    await waitFor(isClosed, { what: 'the end of the connection', timeoutMs: 45_000, intervalMs: 200 });
    assert.ok(deaf.bytesRead < 32 * 1024 * 1024);
  });

  test('ends its traces when it is closed', async (t) => {
    const port = await freePort();
    const real = new Reports(wholeDaemon());
    const server = await openPage({ host: '127.0.0.1', port }, TOKEN, real);
    t.after(() => server.close());
    const client = connect({ port, host: '127.0.0.1' }, () =>
      client.write(`GET /api/trace?expression=tcp HTTP/1.1\r\nHost: localhost\r\n${BEARER}\r\n`),
    );
    const closed = new Promise((resolve) => {
      client.once('close', resolve);
    });
    client.on('error', () => undefined);
    const head = await new Promise<string>((resolve) => {
      client.once('data', (part: Buffer) => resolve(part.toString()));
    });
    assert.match(head, /^HTTP\/1\.1 200 OK\r\n(?:.|\r\n)*x-ndjson/);
    const second = await ask(port, 'GET', '/api/trace', BEARER);
    assert.equal(statusOf(second), 409, 'there is one at a time');
    server.close();
    await closed;
  });

  test('is not opened where nothing asks for it, and where it is the log says the address with the token', async (t) => {
    const lines: string[] = [];
    const log = { info: (line: unknown) => void lines.push(String(line)) };
    const real = new Reports(wholeDaemon());
    assert.equal(await openWeb({}, real, log), null);
    assert.deepEqual(lines, []);
    const listen = `127.0.0.1:${await freePort()}`;
    const server = await openWeb({ listen }, real, log);
    t.after(() => server?.close());
    assert.match(lines.join(), new RegExp(`^The page is at http://${listen}/#token=[\\w-]{43}$`));
    await assert.rejects(
      openWeb({ listen }, real, log),
      (error) => isFirehookError(error) && error.code === 'FIREHOOK_WEB_ADDRESS',
    );
  });
});

test('a token of a file is taken where its owner alone may read it, and refused elsewhere', (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-token-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'token');
  const text = 'a-token_of-22-letters-and-more';
  const tokenOf = (content: string, mode = 0o600): WebToken => {
    writeFileSync(file, content);
    chmodSync(file, mode);
    return WebToken.fromFile(file);
  };
  assert.equal(tokenOf(`${text}\nmore`).isIn(`Bearer ${text}`), true);
  assert.equal(tokenOf(text).isIn(`Bearer ${text}x`), false);
  const link = path.join(folder, 'link');
  symlinkSync(file, link);
  for (const refused of [
    () => tokenOf('too-short'),
    () => tokenOf(''),
    () => tokenOf(`${text} ${text}`),
    () => tokenOf(text, 0o640),
    () => tokenOf(text, 0o604),
    () => WebToken.fromFile(folder),
    () => WebToken.fromFile(path.join(folder, 'none')),
    () => WebToken.fromFile(link),
  ])
    assert.throws(refused, (error) => isFirehookError(error) && error.code === 'FIREHOOK_WEB_TOKEN');
});
