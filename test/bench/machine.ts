/**
 * Where a bench ran: machine, kernel, versions.
 *
 * @module
 */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import os from 'node:os';
import type { Peer } from './peers.ts';

const NOT_FOUND = 'not found';
const OCTETS_PER_GIB = 2 ** 30;
/** What the package lock calls npm `pcap`. */
const LOCK = new URL('../../package-lock.json', import.meta.url);

/** Facts by name; a peer that is not here says why. */
export function describeMachine(peers: readonly Peer[]): Record<string, string> {
  const peer = (name: Peer['name']): string => {
    const found = peers.find((one) => one.name === name);
    return found?.version ?? `${NOT_FOUND}: ${found?.note ?? ''}`;
  };
  return {
    date: new Date().toISOString().slice(0, 10),
    cpus: `${os.cpus().length} x ${os.cpus()[0]?.model.trim() ?? 'unknown'}`,
    memory: `${(os.totalmem() / OCTETS_PER_GIB).toFixed(0)} GiB`,
    load: os.loadavg()[0]?.toFixed(1) ?? '',
    system: distribution(),
    kernel: `${os.type()} ${os.release().split('-')[0] ?? ''}`,
    node: process.versions.node,
    v8: process.versions.v8,
    'npm pcap': npmPcap(),
    libpcap: firstLine('pcap-config', '--version'),
    nftables: firstLine('nft', '--version'),
    iperf3: firstLine('iperf3', '--version'),
    compiler: firstLine('cc', '--version'),
    libdaq: peer('daqtest'),
    netfilterqueue: peer('python NetfilterQueue'),
    scapy: peer('scapy'),
  };
}

function firstLine(file: string, ...args: string[]): string {
  const { status, stdout } = spawnSync(file, args, { encoding: 'utf8' });
  return status === 0 ? (stdout.split('\n')[0]?.trim() ?? NOT_FOUND) : NOT_FOUND;
}

function distribution(): string {
  try {
    return /^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? NOT_FOUND;
  } catch {
    return NOT_FOUND;
  }
}

function npmPcap(): string {
  const lock = JSON.parse(readFileSync(LOCK, 'utf8')) as {
    readonly packages: Readonly<Record<string, { readonly version?: string }>>;
  };
  return lock.packages['node_modules/pcap']?.version ?? NOT_FOUND;
}
