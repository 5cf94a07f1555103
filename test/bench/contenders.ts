/**
 * What stands in the middle of a bench: firehook, a yardstick in C or the kernel alone, each in a lab of its own; peers.ts has
 * the others.
 *
 * ```
 *   client ── lan0 [ contender ] wan0 ── server           three namespaces each, alike for all
 *   peer ── eth0 [ contender ] host                       two
 * ```
 * Rule: contenders stay up while they are compared and take turns, so that none pays for its start and all meet the same
 * noise.
 *
 * @module
 */

import { fileURLToPath } from 'node:url';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { bridgeLab, hostLab, type Lab, type Namespace, waitFor } from '../support/netns.ts';
import type { Programs } from './programs.ts';
import { trivialHooks } from './trivial-hooks.ts';

/** Where a contender stands. */
export type Attach = 'bridge' | 'host';

/** Drivers of firehook. */
export type DriverName = 'pcap' | 'afpacket';

/** A contender in its lab, ready for traffic. */
export interface Contender {
  readonly name: string;
  readonly attach: Attach;
  /** Where traffic is made. */
  readonly source: Namespace;
  /** Where it ends. */
  readonly target: Namespace;
  /** Processes that forward; none where it is the kernel. */
  readonly pids: readonly number[];
  /** Process that does not forward but belongs to it: the supervisor. */
  readonly supervisor: number | null;
  /** Any process in `target`: its /proc shows the counters there. */
  readonly probe: number;
  /** MAC address that frames are sent to: the host's own, or in a bridge one that nobody has. */
  readonly mac: string;
  /** IPv4 address of the source and of the target. */
  readonly addresses: readonly [string, string];
  /** The daemon, where there is one. */
  readonly daemon: Daemon | null;
  /** Takes everything down. */
  remove(): Promise<void>;
}

/** The frame crosses the bridge, and the server's kernel drops it first thing. */
const NOBODY = '02:00:00:00:00:99';
const ADDRESSES = { bridge: ['10.77.0.1', '10.77.0.2'], host: ['10.78.0.2', '10.78.0.1'] } as const;
const READY_MS = 30_000;
const PLUMB = fileURLToPath(new URL('./plumb.ts', import.meta.url));
const DROP_PORT = fileURLToPath(new URL('../../hooks/drop-port.ts', import.meta.url));
/** Matches nothing that the benches send. */
const FILTERING_HOOK = { module: DROP_PORT, options: { protocol: 'tcp', ports: [23] } };

/** How to start firehook. */
export interface FirehookOptions {
  readonly driver: DriverName;
  /** The first one filters, the others are trivial. */
  readonly hooks: number;
  /** Paths of hooks that run after them. */
  readonly moreHooks?: readonly string[];
  /** Shown in the name where it is given. @defaultValue 1 */
  readonly lanes?: number;
}

/** The daemon. */
export async function firehook(attach: Attach, options: FirehookOptions): Promise<Contender> {
  const { driver, hooks: count, moreHooks = [], lanes } = options;
  const files = trivialHooks(count - 1);
  const chosen = count === 0 ? [] : [FILTERING_HOOK, ...Object.keys(files).map((file) => ({ module: `./${file}` }))];
  const hooks = [...chosen, ...moreHooks.map((module) => ({ module }))];
  const spread = lanes === undefined ? '' : `, ${lanes} ${lanes === 1 ? 'lane' : 'lanes'}`;
  const name = `firehook ${driver}, ${count} ${count === 1 ? 'hook' : 'hooks'}${spread}`;
  const start = async (ns: Namespace, what: Readonly<Record<string, unknown>>): Promise<Middle> => {
    const daemon = await startDaemon(ns, { attach: [what], driver, hooks, lanes }, { files });
    const status = (await daemon.status()) as { readonly lane: { readonly pids: readonly number[] } };
    return { pids: status.lane.pids, daemon, ended: () => (daemon.isRunning ? null : daemon.log) };
  };
  if (attach === 'bridge') {
    const lab = await bridgeLab();
    return inBridge(name, lab, () => start(lab.ns.fw, { bridge: ['lan0', 'wan0'] }));
  }
  const lab = await hostLab();
  return onHost(name, lab, () => start(lab.ns.host, { host: 'eth0' }));
}

/** pcap_dispatch and pcap_inject in C, behind the same detours and tables. */
export function pcapForward(programs: Programs): Promise<Contender> {
  return onPlumbing('C pcap', 'cut', programs.pcapForward, (snaplen) => [String(snaplen)]);
}

/** A ring and sendmmsg in C, at the ports, as firehook's own ring takes frames in a bridge. */
export function afpacketForward(programs: Programs): Promise<Contender> {
  return onPlumbing('C afpacket', 'port', programs.afpacketForward, () => []);
}

/** The same behind detours, as on a host. */
export function afpacketBehindDetours(programs: Programs): Promise<Contender> {
  return onPlumbing('C afpacket behind detours', 'whole', programs.afpacketForward, () => []);
}

/** The kernel's bridge; where the kernel has none, frames that nftables sends from port to port. */
export async function kernelBridge(): Promise<Contender> {
  const lab = await bridgeLab();
  const hasBridge = (await lab.ns.fw.run('ip', ['link', 'add', 'br0', 'type', 'bridge'])).code === 0;
  return inBridge(hasBridge ? 'kernel bridge' : 'kernel fwd', lab, async () => {
    const script = hasBridge
      ? 'ip link set lan0 master br0; ip link set wan0 master br0; ip link set br0 up'
      : `nft 'table netdev bench {
           chain lan { type filter hook ingress device "lan0" priority 0; fwd to "wan0"; }
           chain wan { type filter hook ingress device "wan0" priority 0; fwd to "lan0"; } }'`;
    await lab.ns.fw.output('sh', ['-ec', script]);
    return NOTHING;
  });
}

/** A host without a firewall. */
export async function bareHost(): Promise<Contender> {
  return onHost('no firewall', await hostLab(), () => Promise.resolve(NOTHING));
}

/** What was started in the middle. */
export interface Middle {
  readonly pids: readonly number[];
  readonly daemon: Daemon | null;
  /** Why it does not run any more, or null. */
  ended(): string | null;
}

const NOTHING: Middle = { pids: [], daemon: null, ended: () => null };

/**
 * Starts a program that forwards.
 *
 * @param word - what it says on standard error when it is ready; empty for one that says nothing, where the first ping tells
 */
export async function program(ns: Namespace, file: string, args: readonly string[], word: string): Promise<Middle> {
  const running = ns.spawn(file, args);
  await waitFor(() => running.stderr.includes(word), { what: file, timeoutMs: READY_MS });
  return {
    pids: [running.pid],
    daemon: null,
    ended: () => (running.isRunning ? null : `${file} has ended\n${running.stdout}${running.stderr}`),
  };
}

/** A program on the supervisor's own plumbing: at detours that cut super-frames or leave them whole, or at the ports. */
async function onPlumbing(
  name: string,
  mode: 'cut' | 'whole' | 'port',
  file: string,
  first: (snaplen: number) => string[],
): Promise<Contender> {
  const lab = await bridgeLab();
  return inBridge(name, lab, async () => {
    const plumbing = lab.ns.fw.node([PLUMB, mode, 'lan0', 'wan0']);
    await waitFor(() => plumbing.stdout.includes('\n'), { what: 'the plumbing', timeoutMs: READY_MS });
    const laidOut = JSON.parse(plumbing.stdout) as {
      readonly snaplen: number;
      readonly pairs: readonly { readonly capture: string; readonly inject: string }[];
    };
    const devices = laidOut.pairs.flatMap(({ capture, inject }) => [capture, inject]);
    return program(lab.ns.fw, file, [...first(laidOut.snaplen), ...devices], 'ready');
  });
}

/** Starts it in the middle of a bridge; the lab goes with the contender, or when it cannot be started. */
export function inBridge(
  name: string,
  lab: Lab<'client' | 'fw' | 'server'>,
  start: () => Promise<Middle>,
): Promise<Contender> {
  return contender(name, 'bridge', lab, lab.ns.client, lab.ns.server, start);
}

function onHost(name: string, lab: Lab<'host' | 'peer'>, start: () => Promise<Middle>): Promise<Contender> {
  return contender(name, 'host', lab, lab.ns.peer, lab.ns.host, start);
}

async function contender(
  name: string,
  attach: Attach,
  lab: Lab<string>,
  source: Namespace,
  target: Namespace,
  start: () => Promise<Middle>,
): Promise<Contender> {
  try {
    const { pids, daemon, ended } = await start();
    const probe = target.spawn('sleep', ['infinity']);
    const server = target.spawn('iperf3', ['-s', '--forceflush']);
    const addresses = ADDRESSES[attach];
    // Resolves the neighbours, and shows that the way is open.
    const isDecided = async (): Promise<boolean> =>
      ended() !== null || (await source.run('ping', ['-c', '1', '-W', '1', addresses[1]])).code === 0;
    await waitFor(isDecided, { what: `the way through ${name}`, timeoutMs: READY_MS });
    const reason = ended();
    if (reason !== null) throw new Error(reason);
    await waitFor(() => server.stdout.includes('listening'), { what: 'iperf3 -s', timeoutMs: READY_MS });
    const own = (await target.output('cat', ['/sys/class/net/eth0/address'])).trim();
    const mac = attach === 'host' ? own : NOBODY;
    const supervisor = daemon?.pid ?? null;
    return {
      name,
      attach,
      source,
      target,
      pids,
      supervisor,
      probe: probe.pid,
      mac,
      addresses,
      daemon,
      remove: () => lab.remove(),
    };
  } catch (error) {
    await lab.remove();
    throw error;
  }
}
