/**
 * The stage of the demo: three hosts made of network namespaces, a server on one and a real firehookd on another.
 *
 * ```
 *   before:  client 192.0.2.10 ── a plain cable ── server 192.0.2.80
 *   after:   client 192.0.2.10 ── lan0  firewall  wan0 ── server 192.0.2.80
 *                                       firehookd, bridge: [lan0, wan0]
 * ```
 * Rule: whatever is made here goes with the process, also on Ctrl-C. The network of the machine is not touched.
 *
 * @module
 */

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { loadConfig } from '../../config/load-config.ts';
import type { StatsReport, StatusReport } from '../../control/reports.ts';
import { FirehookError } from '../../errors.ts';
import { runTool } from '../../plumbing/run-tool.ts';
import { ask } from '../client.ts';
import { addNamespace, inNamespace, nodeCommand } from '../namespaces.ts';
import { undoAtExit } from '../undo-at-exit.ts';

/** Address of the server. */
export const SERVER = '192.0.2.80';
const CLIENT = '192.0.2.10';
const FIREHOOKD = fileURLToPath(new URL('../../../bin/firehookd', import.meta.url));
const DEMO_CONFIG = fileURLToPath(new URL('../../../config/demo.yaml', import.meta.url));
/** Longer than firehookd lets a lane take: it says itself what took too long. */
const START_TIMEOUT_MS = 180_000;
const LOOK_EVERY_MS = 50;
const STOP_TIMEOUT_MS = 15_000;
const COMMAND_TIMEOUT_MS = 30_000;
/** Of the daemon's log, this much is shown when it fails, in characters. */
const LOG_TAIL = 2_000;

const run = promisify(execFile);

/** A stage. Everything but firehookd runs on it at first. Made by {@link setStage}. */
export interface Stage {
  /** Runs a program of this machine on the client; its standard output. */
  onClient(command: readonly string[]): Promise<string>;
  /** Has the demo's client do something; its answer. */
  askClient(...args: string[]): Promise<unknown>;
  /** Takes the plain cable away and puts the host with firehookd in its place. */
  insertFirewall(): Promise<void>;
  /** The daemon's ledger. */
  stats(): Promise<StatsReport>;
  /** Stops the daemon with SIGTERM and takes everything away; the daemon's exit code. */
  strike(): Promise<number | null>;
}

/**
 * Makes the hosts and starts the server.
 *
 * @throws {@link FirehookError} when the kernel refuses something
 */
export async function setStage(): Promise<Stage> {
  const host = (name: string): string => `firehook-demo-${process.pid}-${name}`;
  const removals = ['client', 'firewall', 'server'].map((name) => addNamespace(host(name)));
  const client: End = [host('client'), 'eth0', `${CLIENT}/24`];
  const serverEnd: End = [host('server'), 'eth0', `${SERVER}/24`];
  cable(client, serverEnd);

  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-demo-'));
  removals.push(undoAtExit(() => rmSync(folder, { recursive: true, force: true })));
  chmodSync(folder, 0o755);
  const socket = path.join(folder, 'firehook.sock');
  const configFile = path.join(folder, 'firehook.yaml');
  const { config } = loadConfig(DEMO_CONFIG);
  // Where the options stood in the file is no part of it.
  const hooks = config.hooks.map(({ places: _places, ...hook }) => hook);
  // Every JSON text is a YAML text.
  writeFileSync(configFile, JSON.stringify({ ...config, hooks, control: { socket } }, null, 2));

  const server = await start(host('server'), nodeCommand('./server', import.meta.url), (text) =>
    text.includes('ready'),
  );
  let daemon: ChildProcess | null = null;
  const onClient = async (command: readonly string[]): Promise<string> => {
    const [program, args] = inNamespace(host('client'), command);
    return (await run(program, args, { timeout: COMMAND_TIMEOUT_MS })).stdout;
  };
  return {
    onClient,
    askClient: async (...args) =>
      JSON.parse(await onClient([...nodeCommand('./client', import.meta.url), ...args])) as unknown,
    async insertFirewall() {
      // Both ends of a veth pair go together.
      runTool('ip', ['-n', host('client'), 'link', 'delete', 'eth0']);
      cable(client, [host('firewall'), 'lan0', null]);
      cable([host('firewall'), 'wan0', null], serverEnd);
      daemon = await start(host('firewall'), [process.execPath, FIREHOOKD, '-c', configFile], () => isRunning(socket));
    },
    stats: async () => (await ask(socket, 'GET', '/stats')).body as StatsReport,
    async strike() {
      server.kill('SIGKILL');
      const code = daemon === null ? null : await stop(daemon);
      for (const remove of removals.reverse()) remove();
      return code;
    },
  };
}

/** An end of a cable: where, as what, with which address. */
export type End = readonly [namespace: string, name: string, address: string | null];

/** Joins two namespaces by a veth pair. */
export function cable(a: End, b: End): void {
  const [[here, left], [there, right]] = [a, b];
  // Made in its own namespace: Linux 6.12, unlike 6.18, refuses a name that the caller's namespace has.
  runTool('ip', ['-n', here, 'link', 'add', 'name', left, 'type', 'veth', 'peer', 'name', right, 'netns', there]);
  for (const [namespace, name, address] of [a, b]) {
    // Router solicitations of idle interfaces would only blur the ledger.
    runTool('ip', ['-n', namespace, 'link', 'set', name, 'addrgenmode', 'none']);
    if (address !== null) runTool('ip', ['-n', namespace, 'address', 'add', address, 'dev', name]);
    runTool('ip', ['-n', namespace, 'link', 'set', name, 'up']);
  }
}

/** Starts a program in a namespace and waits until it is ready. */
export async function start(
  namespace: string,
  command: readonly string[],
  isReady: (output: string) => boolean | Promise<boolean>,
): Promise<ChildProcess> {
  const [program, args] = inNamespace(namespace, command);
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = `${output}${text}`.slice(-LOG_TAIL);
    });
  }
  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  while (!(await isReady(output))) {
    if (child.exitCode === null && child.signalCode === null && performance.now() < deadlineMs) {
      await sleep(LOOK_EVERY_MS);
      continue;
    }
    const isLate = child.exitCode === null && child.signalCode === null;
    child.kill('SIGKILL');
    const said = isLate ? `it is not ready after ${START_TIMEOUT_MS / 1000} s` : lastWords(output);
    throw new FirehookError('FIREHOOK_LANE_FAILED', `${path.basename(command[1] ?? '')} does not start: ${said}`, {
      advice: 'firehook doctor names what is missing',
    });
  }
  return child;
}

/** The last line of a log as text. */
function lastWords(output: string): string {
  const line = output.trim().split('\n').at(-1) ?? '';
  try {
    return String((JSON.parse(line) as { msg?: unknown }).msg ?? line);
  } catch {
    return line;
  }
}

/** Whether a daemon says of itself that it runs. */
export async function isRunning(socket: string): Promise<boolean> {
  try {
    return ((await ask(socket, 'GET', '/status')).body as StatusReport).state === 'running';
  } catch {
    return false;
  }
}

/** Stops a daemon with SIGTERM; its exit code. */
export async function stop(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const ended = once(child, 'exit') as Promise<[code: number | null]>;
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  child.kill('SIGTERM');
  const [code] = await ended;
  clearTimeout(timer);
  return code;
}
