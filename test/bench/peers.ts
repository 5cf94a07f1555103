/**
 * Peers of firehook that may be installed: where they are, which version, and how each stands in a bridge.
 *
 * ```
 *   daqtest                  libdaq's own test program, its afpacket module inline, every packet passed unseen
 *   python NetfilterQueue    the kernel's bridge with a queue to Python that accepts everything
 *   scapy                    bridge_and_sniff
 * ```
 * Rule: every peer gets what its own documents recommend, and frames that it can carry: those that know nothing of
 * offloads (libdaq, Scapy) stand between hosts that cut and sum before they send.
 *
 * @module
 */

import { spawnSync } from 'node:child_process';
import { bridgeLab, type Lab, type Namespace } from '../support/netns.ts';
import { type Contender, inBridge, program } from './contenders.ts';

/** A peer, here or not. */
export interface Peer {
  readonly name: 'daqtest' | 'python NetfilterQueue' | 'scapy';
  /** Null where it is not to be found. */
  readonly version: string | null;
  /** Why it is not to be found, or where it is. */
  readonly note: string;
  /** Puts it between two hosts; fails where it is not to be found. */
  start(): Promise<Contender>;
}

/** In this order; Debian's own modules belong to Debian's own interpreter. */
const PYTHONS = ['python3', '/usr/bin/python3'] as const;
/** Longest frame of the benches: a full MTU, the Ethernet header and a VLAN tag. libdaq's default. */
const SNAPLEN = 1518;
/** What Snort asks libdaq for in one call; daqtest alone would ask for 16. */
const DAQ_BATCH = 64;
/** Packet memory of both interfaces together. libdaq's default. */
const DAQ_BUFFER_MB = 128;
const QUEUE_LENGTH = 65_536;
const NFQ_SCRIPT = `from netfilterqueue import NetfilterQueue as Q; q = Q(); q.bind(1, lambda p: p.accept(), ${QUEUE_LENGTH}); q.run()`;
const SCAPY_SCRIPT = 'from scapy.all import *; bridge_and_sniff("lan0", "wan0", store=False)';

/** Looks for all of them. */
export function findPeers(): Peer[] {
  return [findDaqtest(), findNetfilterQueue(), findScapy()];
}

function findDaqtest(): Peer {
  const name = 'daqtest';
  // Names every module that it finds, and the version of its interface.
  const { status, stdout } = spawnSync('daqtest', ['-l'], { encoding: 'utf8' });
  if (status !== 0) return absent(name, 'daqtest is not on PATH, or `daqtest -l` fails');
  const found = /^\[afpacket\]\n\s*Version: (\d+)/m.exec(stdout);
  if (found === null) return absent(name, 'daqtest -l does not list the module afpacket: give it the folder with -m');
  const library = spawnSync('pkg-config', ['--modversion', 'libdaq'], { encoding: 'utf8' });
  const release = library.status === 0 ? `${library.stdout.trim()}, ` : '';
  return { name, version: `${release}afpacket module ${found[1]}`, note: 'on PATH', start: startDaqtest };
}

function findNetfilterQueue(): Peer {
  const name = 'python NetfilterQueue';
  const found = findPython('netfilterqueue', 'netfilterqueue.__version__');
  if (found === null) return absent(name, `none of ${PYTHONS.join(', ')} can import netfilterqueue`);
  return { name, version: found.version, note: found.python, start: () => startNetfilterQueue(found.python) };
}

function findScapy(): Peer {
  const name = 'scapy';
  const found = findPython('scapy', 'scapy.__version__');
  if (found === null) return absent(name, `none of ${PYTHONS.join(', ')} can import scapy`);
  return { name, version: found.version, note: found.python, start: () => startScapy(found.python) };
}

function absent(name: Peer['name'], reason: string): Peer {
  return { name, version: null, note: reason, start: () => Promise.reject(new Error(`${name}: ${reason}`)) };
}

/** The first interpreter that has the module. */
function findPython(module: string, version: string): { python: string; version: string } | null {
  for (const python of PYTHONS) {
    const { status, stdout } = spawnSync(python, ['-c', `import ${module}; print(${version})`], { encoding: 'utf8' });
    if (status === 0) return { python, version: stdout.trim() };
  }
  return null;
}

/** In performance mode: nothing is decoded, everything passed. */
async function startDaqtest(): Promise<Contender> {
  const lab = await bridgeLab();
  const variables = ['-C', `buffer_size_mb=${DAQ_BUFFER_MB}`];
  const sizes = ['-s', String(SNAPLEN), '-b', String(DAQ_BATCH)];
  const args = ['-d', 'afpacket', ...variables, '-M', 'inline', '-i', 'lan0:wan0', '-p', ...sizes];
  return inBridge('daqtest afpacket', lab, async () => {
    await cutAtTheHosts(lab);
    return program(lab.ns.fw, 'daqtest', args, '');
  });
}

async function startScapy(python: string): Promise<Contender> {
  const lab = await bridgeLab();
  return inBridge('scapy', lab, async () => {
    await cutAtTheHosts(lab);
    return program(lab.ns.fw, python, ['-c', SCAPY_SCRIPT], '');
  });
}

async function startNetfilterQueue(python: string): Promise<Contender> {
  const lab = await bridgeLab();
  return inBridge('python NetfilterQueue', lab, async () => {
    const bridge = 'ip link add br0 type bridge; for port in lan0 wan0; do ip link set $port master br0; done';
    await lab.ns.fw.output('sh', ['-ec', `${bridge}; ip link set br0 up`]);
    await queueForwarded(lab.ns.fw);
    return program(lab.ns.fw, python, ['-c', NFQ_SCRIPT], '');
  });
}

/** Queue 1 for what the bridge forwards: by nftables, or where the kernel lacks its `queue`, by iptables. */
async function queueForwarded(ns: Namespace): Promise<void> {
  const table = 'table bridge bench {\n chain forward {\n type filter hook forward priority 0; queue num 1\n }\n}\n';
  const tried = await ns.run('nft', ['-f', '-'], { input: table });
  if (tried.code === 0) return;
  const fallback = 'echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables; iptables -A FORWARD -j NFQUEUE --queue-num 1';
  await ns.output('sh', ['-ec', fallback]);
}

/**
 * Both hosts segment and sum before the wire, as hosts behind real cards appear to whoever stands between. Otherwise these
 * peers would see super-frames longer than their buffer and checksums that nobody has filled in.
 */
async function cutAtTheHosts(lab: Lab<'client' | 'fw' | 'server'>): Promise<void> {
  for (const host of [lab.ns.client, lab.ns.server]) {
    await host.output('ethtool', ['-K', 'eth0', 'tx', 'off', 'tso', 'off']);
  }
}
