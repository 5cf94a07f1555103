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
