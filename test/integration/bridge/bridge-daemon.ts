/**
 * What only the tests of the bridge attach share: a daemon between `lan0` and `wan0`, its lane, pings that may get lost,
 * crafted frames.
 *
 * Rule: nothing here asserts a promise of its own. What is asked of a daemon of any attach is in `test/support/live.ts`.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import type { HooksReport, PoolReport } from '../../../src/control/reports.ts';
import type { Daemon, DaemonOptions } from '../../support/daemon.ts';
import { startDaemon } from '../../support/daemon.ts';
import type { Capture } from '../../support/frames.ts';
import { hex, sendFrames } from '../../support/frames.ts';
import { PATIENCE_MS, readStatus } from '../../support/live.ts';
import type { Namespace, RunningProcess } from '../../support/netns.ts';
import { waitFor } from '../../support/netns.ts';
import type { EthernetOptions } from '../../support/packet-builder.ts';
import { ethernet, ipv4, ipv6, udp } from '../../support/packet-builder.ts';

/** Addresses of `bridgeLab`. */
export const CLIENT = '10.77.0.1';
export const SERVER = '10.77.0.2';
export const CLIENT6 = 'fd77::1';
export const SERVER6 = 'fd77::2';
export const CLIENT_MAC: Buffer = Buffer.from('020000000101', 'hex');
export const SERVER_MAC: Buffer = Buffer.from('020000000202', 'hex');

export const IPV4 = 0x0800;
export const IPV6 = 0x86dd;
export const VLAN = 0x8100;

/** Path of a hook in `test/fixtures/hooks/live/`. */
export function liveHook(name: string): string {
  return fileURLToPath(new URL(`../../fixtures/hooks/live/${name}.ts`, import.meta.url));
}

/** Starts a daemon that bridges `lan0` and `wan0`, unless the config says otherwise. */
export function startBridge(
  ns: Namespace,
  config: Readonly<Record<string, unknown>> = {},
  options: DaemonOptions = {},
): Promise<Daemon> {
  return startDaemon(
    ns,
    { attach: [{ bridge: ['lan0', 'wan0'] }], driver: 'pcap', ...config },
    { timeoutMs: PATIENCE_MS, ...options },
  );
}

/**
 * Keeps client and server from saying anything by themselves that a capture would take for what the test sent: their
 * neighbours are known for good, and they report no multicast groups and no closed ports.
 */
export async function hush(client: Namespace, server: Namespace): Promise<void> {
  const types = 'icmpv6 type { mld-listener-report, mld2-listener-report, nd-router-solicit, destination-unreachable }';
  const rules = [
    'table inet hush {',
    '  chain out {',
    '    type filter hook output priority 0;',
    `    ${types} drop`,
    '    icmp type destination-unreachable drop',
    '  }',
    '}',
  ];
  for (const [ns, mac, addresses] of [
    [client, SERVER_MAC, [SERVER, SERVER6]],
    [server, CLIENT_MAC, [CLIENT, CLIENT6]],
  ] as const) {
    const text = mac.toString('hex').replaceAll(/(..)(?=.)/g, '$1:');
    const neighbours = addresses.map((address) => `neighbour replace ${address} lladdr ${text} dev eth0 nud permanent`);
    await ns.output('ip', ['-batch', '-'], { input: `${neighbours.join('\n')}\n` });
    await ns.output('nft', ['-f', '-'], { input: `${rules.join('\n')}\n` });
  }
}

/** What `firehook hooks` says now. */
export async function readHooks(daemon: Daemon): Promise<HooksReport['hooks']> {
  const { code, stdout, stderr } = await daemon.cli('hooks', '--json');
  assert.equal(code, 0, stderr);
  return (JSON.parse(stdout) as HooksReport).hooks;
}

/** What `firehook pool` says now. */
export async function readPool(daemon: Daemon): Promise<PoolReport> {
  const { code, stdout, stderr } = await daemon.cli('pool', '--json');
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as PoolReport;
}

/** Waits until a lane other than `previousPid` runs and its lease is held; returns its pid. */
export function laneAfter(daemon: Daemon, previousPid: number): Promise<number> {
  return waitFor(
    async () => {
      const { state, lease, lane } = await readStatus(daemon);
      return state === 'running' && lease === 'held' && lane.pid !== previousPid ? lane.pid : null;
    },
    { what: `a lane other than ${previousPid}`, timeoutMs: PATIENCE_MS },
  );
}

/** Process id of the running lane. */
export async function lanePid(daemon: Daemon): Promise<number> {
  const { pid } = (await readStatus(daemon)).lane;
  assert.ok(pid !== null, 'there is a lane');
  return pid;
}

/** What `ping` counted. */
export interface PingCount {
  readonly sent: number;
  readonly received: number;
  readonly duplicates: number;
}

/** Pings and returns what was counted; a lost packet is a result. */
export async function ping(ns: Namespace, address: string, count = 3, ...options: string[]): Promise<PingCount> {
  const { stdout } = await ns.run('ping', ['-n', '-c', `${count}`, '-i', '0.1', '-W', '2', ...options, address]);
  return readPing(stdout);
}

/** Starts to ping ten times a second until {@link stopPing}. */
export function startPing(ns: Namespace, address: string): RunningProcess {
  return ns.spawn('ping', ['-n', '-i', '0.1', address]);
}

/** Ends a ping of {@link startPing}. */
export async function stopPing(running: RunningProcess): Promise<PingCount> {
  running.kill('SIGINT');
  await running.exited;
  return readPing(running.stdout);
}

/** A frame from the client to the server. */
export function toServer(datagram: Uint8Array, options: EthernetOptions = {}): Buffer {
  return ethernet({ source: CLIENT_MAC, destination: SERVER_MAC, ...options }, datagram);
}

/** An IPv4 UDP datagram from the client to a port of the server. */
export function udp4(destinationPort: number, payload = 'firehook'): Buffer {
  return ipv4({ source: CLIENT, destination: SERVER }, udp({ destinationPort }, Buffer.from(payload)));
}

/** An IPv6 UDP datagram from the client to a port of the server. */
export function udp6(destinationPort: number, payload = 'firehook'): Buffer {
  return ipv6({ source: CLIENT6, destination: SERVER6 }, udp({ destinationPort }, Buffer.from(payload)));
}

/** Sends frames out of the client and returns what a capture of the test got, in hex for readable differences. */
export async function sendAndSee(
  client: Namespace,
  frames: readonly Uint8Array[],
  capture: Capture,
): Promise<string[]> {
  await sendFrames(client, 'eth0', frames);
  return hex(await capture.frames());
}

function readPing(output: string): PingCount {
  const match = /(\d+) packets transmitted, (\d+) received(?:, \+(\d+) duplicates)?/.exec(output);
  if (match === null) throw new Error(`not the summary of ping: ${output}`);
  return { sent: Number(match[1]), received: Number(match[2]), duplicates: Number(match[3] ?? 0) };
}
