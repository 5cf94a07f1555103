/**
 * Which connection firehookd was started over: real sockets, and real processes that call themselves sshd.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { KeptSession } from '../../../src/plumbing/kept-session.ts';
import { endText, findSshSession, isLoopback } from '../../../src/plumbing/ssh-session.ts';

const SCRIPT = fileURLToPath(new URL('../../support/talk.py', import.meta.url));

/** A connection from this process to itself. @returns its client's end */
async function connection(t: TestContext, address: string): Promise<{ client: Socket; server: number }> {
  const server = createServer((socket) => socket.on('error', () => undefined)).listen(0, address);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = connect(port, address);
  await once(client, 'connect');
  t.after(() => {
    client.destroy();
    server.close();
  });
  return { client, server: port };
}

function found(answer: KeptSession | string): readonly [string, string] {
  assert.ok(typeof answer !== 'string', String(answer));
  return [endText(answer.client), endText(answer.server)];
}

for (const address of ['127.0.0.1', '::1']) {
  test(`the connection that SSH_CONNECTION names, where it is established: ${address}`, async (t) => {
    const { client, server } = await connection(t, address);
    const own = client.localPort ?? 0;
    const SSH_CONNECTION = `${address} ${own} ${address} ${server}`;
    const text = address.includes(':') ? `[${address}]` : address;
    const session = findSshSession({ SSH_CONNECTION }, 1);
    assert.deepEqual(found(session), [`${text}:${own}`, `${text}:${server}`]);
    assert.ok(typeof session !== 'string' && isLoopback(session));
    // One octet beside it is another connection.
    const other = findSshSession({ SSH_CONNECTION: `${address} ${own === 1 ? 2 : 1} ${address} ${server}` }, 1);
    assert.equal(other, 'the connection in SSH_CONNECTION is not established here');
  });
}

test('an IPv4 client of a socket of IPv6 is an IPv4 client', async (t) => {
  const { server, client } = await new Promise<{ server: number; client: Socket }>((resolve) => {
    const listener = createServer((socket) => socket.on('error', () => undefined)).listen(0, '::', () => {
      const { port } = listener.address() as AddressInfo;
      const socket = connect(port, '127.0.0.1', () => resolve({ server: port, client: socket }));
      t.after(() => {
        socket.destroy();
        listener.close();
      });
    });
  });
  for (const address of ['127.0.0.1', '::ffff:127.0.0.1']) {
    const SSH_CONNECTION = `${address} ${client.localPort} ${address} ${server}`;
    assert.deepEqual(found(findSshSession({ SSH_CONNECTION }, 1)), [
      `127.0.0.1:${client.localPort}`,
      `127.0.0.1:${server}`,
    ]);
  }
});

test('what is no connection in the environment is none', () => {
  for (const SSH_CONNECTION of [
    '',
    'x',
    '1.2.3.4 1 1.2.3.4',
    '1.2.3.4 1 ::1 22',
    '1.2.3.4 -1 1.2.3.4 22',
    '1.2.3.4 1 host 22',
  ])
    assert.equal(findSshSession({ SSH_CONNECTION }, 1), 'firehookd was not started from an SSH session');
});

interface Told {
  readonly pid: number;
  readonly client: number;
  readonly server: number;
}

/** A process that calls itself sshd, and what it runs. */
async function startSshd(t: TestContext, ...command: string[]): Promise<Told> {
  const child: ChildProcess = spawn('python3', [SCRIPT, 'sshd', ...command], { stdio: ['ignore', 'pipe', 'inherit'] });
  let told: Told | null = null;
  t.after(() => {
    if (told !== null) process.kill(told.pid, 'SIGKILL');
    child.kill('SIGKILL');
  });
  assert.ok(child.stdout !== null);
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  told = JSON.parse(line) as Told;
  return told;
}

test('the connection of the sshd above it, and not what that one forwards', async (t) => {
  const { pid, client, server } = await startSshd(t, 'sleep', '600');
  assert.deepEqual(found(findSshSession({}, pid)), [`127.0.0.1:${client}`, `127.0.0.1:${server}`]);
  // A session that is over, as tmux keeps it, is no reason to keep none.
  const SSH_CONNECTION = '192.0.2.7 40000 192.0.2.1 22';
  assert.deepEqual(found(findSshSession({ SSH_CONNECTION }, pid)), [`127.0.0.1:${client}`, `127.0.0.1:${server}`]);
});

test('ends are written as people write them', () => {
  assert.equal(endText({ address: 'c0000207', port: 22 }), '192.0.2.7:22');
  assert.equal(endText({ address: '20010db8000000000000000000000007', port: 22 }), '[2001:db8::7]:22');
});
