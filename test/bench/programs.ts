/**
 * The programs in C of this folder, compiled for a run.
 *
 * @module
 */

import { execFileSync } from 'node:child_process';
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

const LIBRARIES = { flood: [], 'pcap-forward': ['-lpcap'], 'afpacket-forward': [] } as const;

/**
 * Compiles the C programs into a folder of their own.
 *
 * @param wanted - those that are used: the others need not compile here
 */
export function compilePrograms(
  wanted: readonly (keyof typeof LIBRARIES)[] = ['flood', 'pcap-forward', 'afpacket-forward'],
): Programs {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-bench-'));
  const compile = (name: keyof typeof LIBRARIES): string => {
    const binary = path.join(folder, name);
    if (!wanted.includes(name)) return binary;
    const source = fileURLToPath(new URL(`./${name}.c`, import.meta.url));
    execFileSync('cc', ['-O2', '-Wall', '-Wextra', '-o', binary, source, ...LIBRARIES[name]], { stdio: 'inherit' });
    return binary;
  };
  return {
    flood: compile('flood'),
    pcapForward: compile('pcap-forward'),
    afpacketForward: compile('afpacket-forward'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
