/**
 * The control socket, over a real unix socket: what it answers, and what it survives.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { existsSync, lstatSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { type ControlReports, ControlServer } from '../../../src/control/control-server.ts';
import { FirehookError, isFirehookError } from '../../../src/errors.ts';
import { startProcess } from '../../support/processes.ts';
import { waitFor } from '../../support/wait-for.ts';

const REPORTS: ControlReports = {
  status: () => ({ is: 'status' }),
  stats: () => ({ is: 'stats' }),
  hooks: () => ({ is: 'hooks' }),
  pool: () => ({ is: 'pool' }),
  metrics: (accept) => Promise.resolve({ type: 'text/plain', text: `is metrics for ${accept}` }),
  reload: () => Promise.resolve({ is: 'reload' }),
  upgrade: () => Promise.resolve({ is: 'upgrade' }),
  apply: (body) => Promise.resolve({ is: 'apply', body }),
  confirm: () => Promise.resolve({ is: 'confirm' }),
  cancelApply: () => Promise.resolve({ is: 'cancel' }),
  devices: (body) => Promise.resolve([200, { is: 'devices', body }]),
  trace: (body, response) => void response.end(body),
  breaker: (body) => [200, { is: 'breaker', body }],
};

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-control-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function open(
  t: TestContext,
  reports = REPORTS,
  mode = '0600',
): Promise<{ socket: string; server: ControlServer }> {
  const socket = path.join(temporaryFolder(t), 'firehook.sock');
  const server = await ControlServer.open(socket, mode, reports);
  t.after(() => server.close());
  return { socket, server };
}

function ask(socketPath: string, method: string, url: string, body = ''): Promise<{ status: number; body: unknown }> {
  return new Promise((resolve, reject) => {
    const asking = request({ socketPath, method, path: url, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (more: string) => {
        text += more;
      });
      response.on('end', () => {
        assert.equal(response.headers['content-type'], 'application/json');
        resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as unknown });
      });
    });
    asking.on('error', reject);
    asking.end(body);
  });
}

/** Sends text as it is; resolves with all that came back once the connection is closed. */
function say(socketPath: string, text: string): Promise<string> {
  return new Promise((resolve) => {
    const client = connect(socketPath, () => client.write(text));
    let answer = '';
    client.setEncoding('utf8').on('data', (more: string) => {
      answer += more;
    });
    client.on('error', () => undefined);
    client.on('close', () => resolve(answer));
  });
}

describe('the control socket', () => {
  test('hands a request to a device on, up to its bound', async (t) => {
    const { socket } = await open(t);
    assert.deepEqual(await ask(socket, 'POST', '/devices', '{"a":1}'), {
      status: 200,
      body: { is: 'devices', body: '{"a":1}' },
    });
    assert.equal((await ask(socket, 'POST', '/devices', 'x'.repeat(64 * 1024))).status, 200);
    assert.equal((await ask(socket, 'POST', '/devices', 'x'.repeat(64 * 1024 + 1))).status, 413);
    assert.equal((await ask(socket, 'GET', '/devices')).status, 404);
    assert.equal((await ask(socket, 'POST', '/status', 'x'.repeat(1_000_000))).status, 404);
  });

  test('answers each report on its own path', async (t) => {
    const { socket } = await open(t);
    for (const is of ['status', 'stats', 'hooks', 'pool']) {
      assert.deepEqual(await ask(socket, 'GET', `/${is}`), { status: 200, body: { is } });
    }
  });

  test('says what there is when asked for something else', async (t) => {
    const { socket } = await open(t);
    for (const [method, url] of [
      ['GET', '/'],
      ['GET', '/status/'],
      ['GET', '/../status'],
      ['POST', '/stats'],
      ['DELETE', '/hooks'],
      ['GET', '/reload'],
    ] as const) {
      const { status, body } = await ask(socket, method, url);
      assert.deepEqual(
        [status, body],
        [404, { error: 'there are GET /status, /stats, /hooks, /pool and /metrics' }],
        url,
      );
    }
  });

  test('says why a reload was refused, with the code of the error', async (t) => {
    const { socket } = await open(t);
    assert.deepEqual(await ask(socket, 'POST', '/reload', '{"big": "body"}'), { status: 200, body: { is: 'reload' } });
    const refusing = await open(t, {
      ...REPORTS,
      reload: () => Promise.reject(new FirehookError('FIREHOOK_RELOAD_RESTART', 'attach takes a restart')),
    });
    const { status, body } = await ask(refusing.socket, 'POST', '/reload');
    const { error, ...rest } = body as { error: string };
    assert.match(error, /attach takes a restart/);
    assert.deepEqual([status, rest], [409, { code: 'FIREHOOK_RELOAD_RESTART', exitCode: 2 }]);
  });

  test('answers with the reason when a report cannot be made, and goes on', async (t) => {
    const { socket } = await open(t, {
      ...REPORTS,
      stats: () => {
        throw new Error('no counters');
      },
    });
    assert.deepEqual(await ask(socket, 'GET', '/stats'), { status: 500, body: { error: 'no counters' } });
    assert.equal((await ask(socket, 'GET', '/status')).status, 200);
  });

  test('survives what is no request, and clients that leave before the answer', async (t) => {
    const { socket } = await open(t);
    await say(socket, 'what is this?\r\n\r\n');
    await say(socket, '\0\x01\x02'.repeat(10_000));
    await say(socket, `GET /status HTTP/1.1\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`);
    await new Promise<void>((resolve) => {
      const client = connect(socket, () => {
        client.write('GET /stats HTTP/1.1\r\nhost: x\r\n\r\n');
        client.destroy();
      });
      client.on('close', () => resolve());
    });
    assert.equal((await ask(socket, 'GET', '/status')).status, 200);
  });

  test('closes the connection of a client that does not say what it wants, and answers others meanwhile', async (t) => {
    const { socket } = await open(t);
    const silent = say(socket, '');
    const slow = say(socket, 'GET /status HT');
    assert.equal((await ask(socket, 'GET', '/status')).status, 200);
    await Promise.all([silent, slow]);
  });

  test('answers again after more clients than it serves at a time have come and gone', async (t) => {
    const { socket } = await open(t);
    const clients: Socket[] = [];
    for (let count = 0; count < 100; count++) {
      const client = connect(socket);
      client.on('error', () => undefined);
      clients.push(client);
    }
    await waitFor(() => clients.every((client) => !client.connecting), { what: 'the clients to be connected' });
    for (const client of clients) client.destroy();
    await waitFor(
      () =>
        ask(socket, 'GET', '/status').then(
          ({ status }) => status === 200,
          () => false,
        ),
      { what: 'an answer' },
    );
  });
});

describe('the file of the socket', () => {
  test('has the mode that was asked for, and goes when the server closes', async (t) => {
    for (const mode of ['0600', '0660', '0666']) {
      const { socket, server } = await open(t, REPORTS, mode);
      assert.equal((statSync(socket).mode & 0o777).toString(8).padStart(4, '0'), mode);
      server.close();
      assert.equal(existsSync(socket), false);
    }
  });

  test('leaves the umask of the process as it was', async (t) => {
    const before = process.umask();
    await open(t);
    assert.equal(process.umask(), before);
  });

  test('gets the folders it needs', async (t) => {
    const socket = path.join(temporaryFolder(t), 'a/b/firehook.sock');
    const server = await ControlServer.open(socket, '0600', REPORTS);
    assert.equal((await ask(socket, 'GET', '/pool')).status, 200);
    server.close();
  });

  test('is replaced when a killed daemon left it', async (t) => {
    const socket = path.join(temporaryFolder(t), 'firehook.sock');
    const script = `require('node:net').createServer().listen(${JSON.stringify(socket)}, () => process.kill(process.pid, 'SIGKILL'))`;
    await startProcess(process.execPath, ['-e', script]).exited;
    assert.ok(statSync(socket).isSocket());
    const server = await ControlServer.open(socket, '0600', REPORTS);
    assert.equal((await ask(socket, 'GET', '/status')).status, 200);
    server.close();
  });

  const refused = (expected: RegExp) => (error: unknown) => {
    assert.ok(isFirehookError(error));
    assert.equal(error.code, 'FIREHOOK_CONTROL_SOCKET');
    assert.match(error.message, expected);
    return true;
  };

  test('is left alone when somebody answers there', async (t) => {
    const { socket } = await open(t);
    await assert.rejects(ControlServer.open(socket, '0600', REPORTS), refused(/another firehookd answers there/));
    assert.equal((await ask(socket, 'GET', '/status')).status, 200);
  });

  test('is left alone when it belongs to something that is no firehookd', async (t) => {
    const socket = path.join(temporaryFolder(t), 'other.sock');
    const other = createServer((connection) => connection.destroy()).listen(socket);
    t.after(() => other.close());
    await waitFor(() => existsSync(socket), { what: 'the socket' });
    await assert.rejects(ControlServer.open(socket, '0600', REPORTS), refused(/answers there/));
  });

  test('is never made in the place of a file or a folder', async (t) => {
    const folder = temporaryFolder(t);
    const file = path.join(folder, 'precious');
    writeFileSync(file, 'precious');
    for (const place of [file, folder]) {
      await assert.rejects(ControlServer.open(place, '0600', REPORTS), refused(/is no socket/));
    }
    assert.equal(statSync(file).size, 8);
  });

  test('that cannot be made is refused with the path', async (t) => {
    const folder = temporaryFolder(t);
    const long = path.join(folder, 'x'.repeat(200));
    await assert.rejects(ControlServer.open(long, '0600', REPORTS), refused(/x{200}: longer than 107 octets/));
    writeFileSync(path.join(folder, 'file'), '');
    const below = path.join(folder, 'file/firehook.sock');
    await assert.rejects(ControlServer.open(below, '0600', REPORTS), refused(/file\/firehook\.sock/));
  });
});

test('what somebody else has put in the place of the socket stays, and its end does not fail for it', async (t) => {
  const { socket, server } = await open(t);
  rmSync(socket);
  mkdirSync(socket);
  server.stopListening();
  server.close();
  assert.ok(lstatSync(socket).isDirectory());
});
