/**
 * firehook's own events on a live bridge: packets that did not go on, its numbers, what happened to it, to a file, a socket and standard output at
 * once; and readers that are not there, do not read, or go.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import type { EveEvent } from '../../../src/events/eve.ts';
import { type Daemon, startDaemon } from '../../support/daemon.ts';
import { assertEve } from '../../support/eve-schema.ts';
import { assertAddsUp, PATIENCE_MS, pingsAgain, readStats, readStatus } from '../../support/live.ts';
import { bridgeLab, type Namespace, rootOnly, waitFor } from '../../support/netns.ts';

const HOOK = `
  import { DROP, FORWARD, defineHook } from 'firehook';
  export default defineHook({
    name: 'no-large-ping',
    flows: true,
    setup: (options, runtime) => ({
      onPacket(packet) {
        if (packet.icmp?.type !== 8 || packet.length < 500) return FORWARD;
        runtime.alert(packet, 'a large ping', { action: 'blocked', severity: 2 });
        return DROP;
      },
    }),
  });`;
const SERVER = '10.77.0.2';
const LARGE = 600;
/** More lines than fit a socket, and more octets than a MiB. */
const MANY = 1500;
const skip = rootOnly('ping');

type Line = EveEvent & {
  readonly engine?: unknown;
  readonly stats?: { readonly uptime: number };
  readonly firehook: Record<string, unknown>;
};

async function watched(
  t: TestContext,
  events: object,
  driver = 'afpacket',
): Promise<{ daemon: Daemon; client: Namespace }> {
  const { ns } = await bridgeLab(t);
  const config = { attach: [{ bridge: ['lan0', 'wan0'] }], driver, hooks: [{ module: './hook.ts' }], events };
  const daemon = await startDaemon(ns.fw, config, { files: { 'hook.ts': HOOK } });
  await pingsAgain(ns.client, SERVER);
  return { daemon, client: ns.client };
}

/** So many that are dropped. */
async function pingLarge(client: Namespace, count: number): Promise<void> {
  await client.run('ping', ['-c', `${count}`, '-i', '0.01', '-W', '1', '-s', `${LARGE}`, SERVER]);
}

/** Whole lines, each as Suricata has it. */
function linesOf(text: string): Line[] {
  assert.ok(text === '' || text.endsWith('\n'), 'lines are whole');
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => assertEve(`${line}\n`) as unknown as Line);
}

function ofType(lines: readonly Line[], type: string): Line[] {
  return lines.filter(({ event_type }) => String(event_type) === type);
}

/** What it has printed on standard output: the log goes elsewhere. */
function printed(daemon: Daemon): string {
  const lines = daemon.log.split('\n').filter((line) => line.startsWith('{"timestamp"'));
  return lines.map((line) => `${line}\n`).join('');
}

for (const driver of ['afpacket', 'pcap'])
  test(`${driver}: a file and standard output have each drop, alert, number and what happened`, { skip }, async (t) => {
    const events = { file: 'eve.json', stdout: true, types: ['drop', 'flow', 'stats', 'engine'], statsSeconds: 1 };
    const { daemon, client } = await watched(t, events, driver);
    const file = path.join(daemon.folder, 'eve.json');
    await pingLarge(client, 20);
    const drops = (): Line[] => ofType(linesOf(readFileSync(file, 'utf8')), 'drop');
    await waitFor(() => drops().length === 20, { what: 'the drops', timeoutMs: PATIENCE_MS });
    const [drop] = drops();
    assert.deepEqual(
      [
        drop?.in_iface,
        drop?.src_ip,
        drop?.dest_ip,
        drop?.proto,
        drop?.icmp_type,
        drop?.drop?.['len'],
        drop?.drop?.['reason'],
      ],
      ['lan0', '10.77.0.1', SERVER, 'ICMP', 8, LARGE + 28, 'hook'],
    );
    const { hook, verdict, way, lane } = drop?.firehook ?? {};
    assert.deepEqual([hook, verdict, lane], ['no-large-ping', 'DROP', 0]);
    assert.match(String(way), /lan0.*wan0/);
    const [pid = -1] = (await readStatus(daemon)).lane.pids;
    process.kill(pid, 'SIGKILL');
    await waitFor(async () => (await readStatus(daemon)).lane.restarts === 1, {
      what: 'another',
      timeoutMs: PATIENCE_MS,
    });
    await pingsAgain(client, SERVER);
    const kinds = (): unknown[] =>
      ofType(linesOf(readFileSync(file, 'utf8')), 'engine').map(({ firehook }) => firehook['event']);
    const expected = ['start', 'lane_ended', 'lane_replaced', 'lane_ready', 'lease_lost', 'lease_held'];
    const isTold = (): boolean => expected.every((kind) => kinds().includes(kind));
    await waitFor(isTold, { what: expected.join(', '), timeoutMs: PATIENCE_MS });
    const stats = await assertAddsUp(daemon);
    assert.deepEqual(
      [stats.events.lost, stats.events.suppressed, stats.events.sink?.invalid, stats.events.sink?.problem],
      [0, 0, 0, null],
    );
    assert.deepEqual(
      stats.events.sink?.sinks.map(({ kind, failed }) => [kind, failed]),
      [
        ['file', 0],
        ['stdout', 0],
      ],
    );
    assert.equal(await daemon.stop(), 0);
    const lines = linesOf(readFileSync(file, 'utf8'));
    assert.equal(kinds().at(-1), 'stop');
    assert.equal(ofType(lines, 'alert').length, 20);
    const numbers = ofType(lines, 'stats');
    assert.ok(numbers.length >= 2);
    const total = numbers.at(-1)?.firehook['total'] as Record<string, number>;
    assert.equal(total['droppedByHook'], 20);
    // Both have the same lines, in the same order.
    assert.equal(printed(daemon), readFileSync(file, 'utf8'));
  });

test('a sample leaves drops out, and what it says of them fits the ledger', { skip }, async (t) => {
  const { daemon, client } = await watched(t, {
    file: 'eve.json',
    types: ['drop'],
    sample: { oneIn: 10, perSecond: 0 },
  });
  const file = path.join(daemon.folder, 'eve.json');
  await pingLarge(client, 45);
  await waitFor(async () => (await readStats(daemon)).total.droppedByHook === 45, {
    what: 'the drops',
    timeoutMs: PATIENCE_MS,
  });
  await waitFor(async () => (await readStats(daemon)).events.suppressed === 40, {
    what: 'what was left out',
    timeoutMs: PATIENCE_MS,
  });
  assert.equal(await daemon.stop(), 0);
  const drops = ofType(linesOf(readFileSync(file, 'utf8')), 'drop');
  assert.deepEqual(
    drops.map(({ firehook }) => firehook['suppressed']),
    [undefined, 9, 9, 9, 9],
  );
});

for (const driver of ['afpacket', 'pcap'])
  test(`${driver}: a reload leaves drops told, and the sample as it was`, { skip }, async (t) => {
    const events = { file: 'eve.json', types: ['drop', 'flow'], sample: { oneIn: 3, perSecond: 0 } };
    const { daemon, client } = await watched(t, events, driver);
    const lines = (type: string): Line[] =>
      ofType(linesOf(readFileSync(path.join(daemon.folder, 'eve.json'), 'utf8')), type);
    const { code, stderr } = await daemon.cli('reload');
    assert.equal(code, 0, stderr);
    await pingLarge(client, 9);
    await waitFor(async () => (await readStats(daemon)).total.droppedByHook === 9, {
      what: 'the drops',
      timeoutMs: PATIENCE_MS,
    });
    await waitFor(() => lines('drop').length === 3, { what: 'their lines', timeoutMs: PATIENCE_MS });
    assert.deepEqual(
      lines('drop').map(({ firehook }) => firehook['suppressed']),
      [undefined, 2, 2],
    );
    assert.equal(await daemon.stop(), 0);
  });

interface Listener {
  readonly server: Server;
  readonly sockets: Socket[];
  text: string;
  close(): void;
}

async function listen(name: string, isReading = true): Promise<Listener> {
  const sockets: Socket[] = [];
  const listener: Listener = {
    sockets,
    text: '',
    server: createServer({ pauseOnConnect: !isReading }, (socket) => {
      sockets.push(socket);
      socket.on('error', () => undefined);
      if (isReading) socket.on('data', (octets) => (listener.text += octets.toString('utf8')));
    }),
    close() {
      for (const socket of sockets) socket.destroy();
      listener.server.close();
    },
  };
  rmSync(name, { force: true });
  await new Promise<void>((resolve) => listener.server.listen(name, resolve));
  return listener;
}

test('a socket is connected to when somebody listens, again when he goes, and has whole lines', { skip }, async (t) => {
  const { daemon, client } = await watched(t, { socket: 'eve.sock', types: ['drop', 'engine'] });
  const name = path.join(daemon.folder, 'eve.sock');
  const problem = async (): Promise<string | null> => (await readStats(daemon)).events.sink?.problem ?? null;
  await waitFor(async () => /eve\.sock: ENOENT/.test((await problem()) ?? ''), {
    what: 'nobody',
    timeoutMs: PATIENCE_MS,
  });
  await pingLarge(client, 5);
  const first = await listen(name);
  t.after(() => first.close());
  // What was made before waits for him.
  await waitFor(() => ofType(linesOf(wholeOf(first.text)), 'drop').length === 5, {
    what: 'what waited',
    timeoutMs: PATIENCE_MS,
  });
  assert.equal(await problem(), null);
  first.close();
  const second = await listen(name);
  t.after(() => second.close());
  await waitFor(
    async () => {
      await pingLarge(client, 1);
      return ofType(linesOf(wholeOf(second.text)), 'drop').length > 0;
    },
    { what: 'lines for another one', timeoutMs: PATIENCE_MS },
  );
  assert.equal(await daemon.stop(), 0);
  await waitFor(() => second.text.endsWith('\n') && second.text.includes('"event":"stop"'), {
    what: 'the end',
    timeoutMs: PATIENCE_MS,
  });
  linesOf(second.text);
});

/** All but a line that has not come whole yet. */
function wholeOf(text: string): string {
  return text.slice(0, text.lastIndexOf('\n') + 1);
}

test('a reader that stands still costs no packet and no line of the file', { skip }, async (t) => {
  const { daemon, client } = await watched(t, {
    file: 'eve.json',
    socket: 'eve.sock',
    types: ['drop', 'stats'],
    statsSeconds: 1,
    sample: { perSecond: 0 },
  });
  const still = await listen(path.join(daemon.folder, 'eve.sock'), false);
  t.after(() => still.close());
  await waitFor(() => still.sockets.length === 1, { what: 'the connection', timeoutMs: PATIENCE_MS });
  // As many drops and as many alerts are more than a socket has room for.
  await client.run('ping', ['-i', '0.001', '-c', `${MANY}`, '-W', '1', '-s', `${LARGE}`, SERVER]);
  const file = path.join(daemon.folder, 'eve.json');
  const stats = async () => (await readStats(daemon)).events.sink?.sinks ?? [];
  const written = async (kind: string): Promise<number> =>
    (await stats()).find((sink) => sink.kind === kind)?.written ?? 0;
  await waitFor(async () => (await written('file')) >= 2 * MANY, { what: 'the file', timeoutMs: PATIENCE_MS });
  assert.ok((await written('socket')) < (await written('file')));
  await pingsAgain(client, SERVER);
  assert.equal((await readStatus(daemon)).lane.restarts, 0);
  assert.equal(await daemon.stop(), 0);
  assert.ok(linesOf(readFileSync(file, 'utf8')).length >= 2 * MANY);
});

test('a file is rotated by its size, and opened anew at SIGHUP', { skip }, async (t) => {
  const { daemon, client } = await watched(t, {
    file: 'eve.json',
    rotate: { mib: 1, keep: 2 },
    types: ['drop'],
    sample: { perSecond: 0 },
  });
  const file = path.join(daemon.folder, 'eve.json');
  await client.run('ping', ['-i', '0.001', '-c', `${MANY}`, '-W', '1', '-s', `${LARGE}`, SERVER]);
  await waitFor(() => existsSync(`${file}.1`), { what: 'a renamed file', timeoutMs: PATIENCE_MS });
  assert.ok(statSync(`${file}.1`).size >= 1024 * 1024);
  rmSync(file);
  process.kill(daemon.pid, 'SIGHUP');
  await waitFor(() => existsSync(file), { what: 'another file', timeoutMs: PATIENCE_MS });
  await pingLarge(client, 3);
  await waitFor(() => ofType(linesOf(readFileSync(file, 'utf8')), 'drop').length === 3, {
    what: 'its lines',
    timeoutMs: PATIENCE_MS,
  });
  assert.equal(await daemon.stop(), 0);
  for (const name of [file, `${file}.1`]) linesOf(readFileSync(name, 'utf8'));
});
