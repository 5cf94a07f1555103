/**
 * One set-up of the self-test: namespaces, both ends of the wire, and a real firehookd between them.
 *
 * ```
 *   bridge   client 192.0.2.10 ── lan0  firewall  wan0 ── server 192.0.2.80
 *   host     client 192.0.2.10 ── eth0  firewall 192.0.2.80, which is the server too
 * ```
 * Rule: whatever is made here goes with the process, also on Ctrl-C. The network of the machine is not touched.
 *
 * @module
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { StatsReport, StatusReport } from '../../control/reports.ts';
import { ask } from '../client.ts';
import { cable, type End, isRunning, start, stop } from '../demo/stage.ts';
import { addNamespace, inNamespace, nodeCommand } from '../namespaces.ts';
import { undoAtExit } from '../undo-at-exit.ts';
import { HOOK } from './ports.ts';

const SERVER = '192.0.2.80';
const CLIENT = '192.0.2.10';
const FIREHOOKD = fileURLToPath(new URL('../../../bin/firehookd', import.meta.url));
const LOOK_EVERY_MS = 20;
const PATIENCE_MS = 30_000;

/** What is tried. */
export interface SetUp {
  readonly attach: 'bridge' | 'host';
  readonly driver: 'pcap' | 'afpacket';
}

/** What arrived at the server. */
export interface Arrived {
  readonly udp: Readonly<Record<string, { readonly received: number; readonly twice: number }>>;
  readonly tcp: readonly string[];
}

/** A set-up that stands. */
export interface Wired {
  /** Has the client send so many datagrams to a port of the server. */
  send(port: number, count: number, gapMs: number): Promise<void>;
  /** Has the client send octets by TCP; their number and sum, or what went wrong. */
  bulk(octets: number): Promise<string>;
  arrived(): Promise<Arrived>;
  status(): Promise<StatusReport>;
  stats(): Promise<StatsReport>;
  /** Process id of the daemon. */
  readonly daemonPid: number;
  /** Takes everything away; the exit code of the daemon. */
  strike(): Promise<number | null>;
}

/** Asks until it is so; null where it has not become so. */
export async function until<Value>(look: () => Promise<Value | null | false>): Promise<Value | null> {
  const endMs = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found !== null && found !== false) return found;
    if (performance.now() > endMs) return null;
    await sleep(LOOK_EVERY_MS);
  }
}

/**
 * Makes a set-up.
 *
 * @throws {@link FirehookError} when the kernel refuses something, or the daemon does not start
 */
export async function wire({ attach, driver }: SetUp): Promise<Wired> {
  const host = (name: string): string => `firehook-selftest-${process.pid}-${name}`;
  const isBridge = attach === 'bridge';
  const names = ['client', 'firewall', ...(isBridge ? ['server'] : [])];
  const removals = names.map((name) => addNamespace(host(name)));
  const clientEnd: End = [host('client'), 'eth0', `${CLIENT}/24`];
  if (isBridge) {
    cable(clientEnd, [host('firewall'), 'lan0', null]);
    cable([host('firewall'), 'wan0', null], [host('server'), 'eth0', `${SERVER}/24`]);
  } else cable(clientEnd, [host('firewall'), 'eth0', `${SERVER}/24`]);

  const folder = mkdtempSync(path.join(tmpdir(), `firehook-selftest-${process.pid}-`));
  removals.push(undoAtExit(() => rmSync(folder, { recursive: true, force: true })));
  chmodSync(folder, 0o755);
  const socket = path.join(folder, 'firehook.sock');
  const configFile = path.join(folder, 'firehook.yaml');
  writeFileSync(path.join(folder, 'hook.mjs'), HOOK);
  const attaches = [isBridge ? { bridge: ['lan0', 'wan0'] } : { host: 'eth0' }];
  // Every JSON text is a YAML text.
  const config = { attach: attaches, driver, hooks: [{ module: './hook.mjs' }], control: { socket } };
  writeFileSync(configFile, JSON.stringify(config));
  const command = [process.execPath, FIREHOOKD, '-c', configFile];
  const daemon = await start(host('firewall'), command, () => isRunning(socket));
  const server = talker(host(isBridge ? 'server' : 'firewall'), ['serve']);
  const client = talker(host('client'), ['ask', SERVER]);
  await Promise.all([server.next(), client.next()]);
  return {
    send: async (port, count, gapMs) => void (await client.ask(`udp ${port} ${count} ${gapMs}`)),
    bulk: async (octets) => ((await client.ask(`tcp ${octets}`)) as { sum: string }).sum,
    arrived: async () => (await server.ask('report')) as Arrived,
    status: async () => (await ask(socket, 'GET', '/status')).body as StatusReport,
    stats: async () => (await ask(socket, 'GET', '/stats')).body as StatsReport,
    daemonPid: daemon.pid ?? -1,
    async strike() {
      for (const { child } of [server, client]) child.kill('SIGKILL');
      const code = await stop(daemon);
      for (const remove of removals.reverse()) remove();
      return code;
    },
  };
}

interface Talker {
  readonly child: ChildProcess;
  /** The next line that it says. */
  next(): Promise<string>;
  ask(line: string): Promise<unknown>;
}

/** An end of the wire, which answers each line with a line. */
function talker(namespace: string, args: readonly string[]): Talker {
  const [program, all] = inNamespace(namespace, [...nodeCommand('./wire', import.meta.url), ...args]);
  const child = spawn(program, all, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const line: IteratorResult<string, unknown> = await lines.next();
    if (line.done === true) throw new Error(`an end of the wire has ended: ${args.join(' ')}`);
    return line.value;
  };
  return {
    child,
    next,
    async ask(line) {
      child.stdin.write(`${line}\n`);
      return JSON.parse(await next()) as unknown;
    },
  };
}
