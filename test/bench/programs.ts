/**
 * The programs that the benches need: those in C of this folder, compiled, and peers that are found on PATH.
 *
 * @module
 */

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** Compiled C programs of this folder. */
export interface Programs {
  readonly flood: string;
  readonly pcapForward: string;
  readonly afpacketForward: string;
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
    pcapForward: compile('pcap-forward', '-lpcap'),
    afpacketForward: compile('afpacket-forward'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** A peer and whether it is here. */
export interface Peer {
  readonly name: 'daqtest' | 'python NetfilterQueue' | 'scapy';
  readonly isFound: boolean;
}

/** Looks for the peers. */
export function findPeers(): Peer[] {
  const runs = (file: string, ...args: string[]): boolean => spawnSync(file, args, { stdio: 'ignore' }).status === 0;
  return [
    { name: 'daqtest', isFound: runs('sh', '-c', 'command -v daqtest') },
    { name: 'python NetfilterQueue', isFound: runs('python3', '-c', 'import netfilterqueue') },
    { name: 'scapy', isFound: runs('python3', '-c', 'import scapy') },
  ];
}
