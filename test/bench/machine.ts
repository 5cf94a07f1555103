/**
 * Where a bench ran: machine, kernel, versions.
 *
 * @module
 */

import { spawnSync } from 'node:child_process';
import os from 'node:os';

/** Facts by name. */
export function describeMachine(): Record<string, string> {
  const firstLine = (file: string, ...args: string[]): string =>
    spawnSync(file, args, { encoding: 'utf8' }).stdout?.split('\n')[0]?.trim() ?? 'not found';
  return {
    date: new Date().toISOString().slice(0, 10),
    cpus: `${os.cpus().length} x ${os.cpus()[0]?.model.trim() ?? 'unknown'}`,
    load: os.loadavg()[0]?.toFixed(1) ?? '',
    kernel: `${os.type()} ${os.release().split('-')[0] ?? ''}`,
    node: process.versions.node,
    v8: process.versions.v8,
    nftables: firstLine('nft', '--version'),
    iperf3: firstLine('iperf3', '--version'),
    compiler: firstLine('cc', '--version'),
  };
}
