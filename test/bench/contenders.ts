/**
 * What stands in the middle of a bench: firehook, the yardstick in C, or the kernel alone, each in a bridge of its own.
 *
 * ```
 *   client ── lan0 [ contender ] wan0 ── server           three namespaces each, alike for all
 * ```
 * Rule: contenders stay up for the whole run and take turns, so that none pays for its start and all meet the same noise.
 *
 * @module
 */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { bridgeLab, hostLab, type Lab, type Namespace, type RunningProcess, waitFor } from '../support/netns.ts';

/** A contender in its lab, ready for traffic. */
export interface Contender {
  readonly name: string;
  /** Where traffic is made. */
  readonly source: Namespace;
  /** Where it ends. */
  readonly target: Namespace;
  /** Process that forwards, null where it is the kernel. */
  readonly pid: number | null;
  /** Any process in `target`: its /proc shows the counters there. */
  readonly probe: number;
  /** The daemon, where there is one. */
  readonly daemon: Daemon | null;
  /** Takes everything down. */
  remove(): Promise<void>;
}

/** One hook that matches nothing the benches send. */
const DROP_PORT = fileURLToPath(new URL('../../hooks/drop-port.ts', import.meta.url));
const HOOKS = [{ module: DROP_PORT, options: { protocol: 'tcp', ports: [23] } }];
const PLUMB = fileURLToPath(new URL('./plumb.ts', import.meta.url));

/** Compiled C programs of this folder. */
export interface Programs {
  readonly flood: string;
  readonly forward: string;
  remove(): void;
}

/** Compiles the C programs into a folder of their own. */
export function compilePrograms(): Programs {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-bench-'));
  const compile = (name: string, ...libraries: string[]): string => {
    const binary = path.join(folder, name);
    const source = fileURLToPath(new URL(`./${name}.c`, import.meta.url));
    execFileSync('cc', ['-O2', '-Wall', '-Wextra', '-o', binary, source, ...libraries], { stdio: 'inherit' });
    return binary;
  };
  return {
    flood: compile('flood'),
    forward: compile('pcap-forward', '-lpcap'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/**
 * The daemon with one stock hook, in a bridge.
 *
 * @param moreHooks - paths of hooks that run after it
 */
export async function firehookBridge(...moreHooks: string[]): Promise<Contender> {
  const lab = await bridgeLab();
  const hooks = [...HOOKS, ...moreHooks.map((module) => ({ module }))];
  const daemon = await startDaemon(lab.ns.fw, { attach: [{ bridge: ['lan0', 'wan0'] }], hooks });
  return contender('firehook', lab, lab.ns.client, lab.ns.server, await lanePid(daemon), daemon);
}

/** pcap_dispatch and pcap_inject in C, behind the same detours and tables. */
export async function yardstickBridge(programs: Programs): Promise<Contender> {
  const lab = await bridgeLab();
  const plumbing = lab.ns.fw.node([PLUMB, 'lan0', 'wan0']);
  await waitFor(() => plumbing.stdout.includes('\n'), { what: 'the plumbing', timeoutMs: 30_000 });
  const laidOut = JSON.parse(plumbing.stdout) as {
    readonly snaplen: number;
    readonly pairs: readonly { readonly capture: string; readonly inject: string }[];
  };
  const devices = laidOut.pairs.flatMap(({ capture, inject }) => [capture, inject]);
  const forward = lab.ns.fw.spawn(programs.forward, [String(laidOut.snaplen), ...devices]);
  await waitFor(() => forward.stderr.includes('ready'), { what: 'pcap-forward', timeoutMs: 30_000 });
  return contender('C', lab, lab.ns.client, lab.ns.server, forward.pid, null);
}

/** The kernel's bridge. */
export async function kernelBridge(): Promise<Contender> {
  const lab = await bridgeLab();
  await lab.ns.fw.output('sh', [
    '-ec',
    'ip link add br0 type bridge; ip link set lan0 master br0; ip link set wan0 master br0; ip link set br0 up',
  ]);
  return contender('kernel bridge', lab, lab.ns.client, lab.ns.server, null, null);
}

/** The daemon with one stock hook, on a host that is the target. */
export async function firehookHost(): Promise<Contender> {
  const lab = await hostLab();
  const daemon = await startDaemon(lab.ns.host, { attach: [{ host: 'eth0' }], hooks: HOOKS });
  return contender('firehook', lab, lab.ns.peer, lab.ns.host, await lanePid(daemon), daemon);
}

/** A host without a firewall. */
export async function bareHost(): Promise<Contender> {
  const lab = await hostLab();
  return contender('no firewall', lab, lab.ns.peer, lab.ns.host, null, null);
}

async function contender(
  name: string,
  lab: Lab<string>,
  source: Namespace,
  target: Namespace,
  pid: number | null,
  daemon: Daemon | null,
): Promise<Contender> {
  const probe: RunningProcess = target.spawn('sleep', ['infinity']);
  // Resolves the neighbours, and shows that the way is open.
  const address = lab.ns['server'] === undefined ? '10.78.0.1' : '10.77.0.2';
  await waitFor(async () => (await source.run('ping', ['-c', '1', '-W', '1', address])).code === 0, {
    what: `the way through ${name}`,
    timeoutMs: 30_000,
  });
  return { name, source, target, pid, probe: probe.pid, daemon, remove: () => lab.remove() };
}

async function lanePid(daemon: Daemon): Promise<number> {
  const status = (await daemon.status()) as { readonly lane: { readonly pid: number } };
  return status.lane.pid;
}
