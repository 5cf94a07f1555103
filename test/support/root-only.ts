/**
 * What tests of the running system need, and how they say that it is not there.
 *
 * Rule: a test that cannot run names what is missing; it never passes without having run. `test/run` turns such skips
 * into failures where nothing may be missing.
 *
 * @module
 */

import { spawnSync } from 'node:child_process';

const BASE = ['ip', 'tc', 'nft', 'ethtool', 'python3'] as const;

const missing = new Map<string, string | false>();

/**
 * The value for the `skip` option of a test that needs root: false, or what is missing.
 *
 * @param commands - programs the test calls besides ip, tc, nft, ethtool and python3
 *
 * @example
 * ```ts
 * test('drops telnet on a bridge', { skip: rootOnly('iperf3') }, async (t) => { ... });
 * ```
 */
export function rootOnly(...commands: string[]): string | false {
  if (process.getuid?.() !== 0) return 'needs root';
  for (const command of [...BASE, ...commands]) {
    if (!isInstalled(command)) return `needs the program ${command}`;
  }
  return once('kernel', probeKernel);
}

function isInstalled(command: string): boolean {
  return once(command, () => spawnSync('sh', ['-c', `command -v ${command}`]).status !== 0 && command) === false;
}

/** Tries what every lab does: a namespace, a veth pair in it, a netdev chain on it. */
function probeKernel(): string | false {
  const name = `fht-${process.pid}-probe`;
  const chain = 'table netdev probe { chain in { type filter hook ingress device "p0" priority 0; }; }';
  const steps: readonly (readonly [command: string, args: string[], what: string])[] = [
    ['ip', ['netns', 'add', name], 'network namespaces'],
    ['ip', ['-n', name, 'link', 'add', 'name', 'p0', 'type', 'veth', 'peer', 'name', 'p1'], 'veth pairs'],
    ['ip', ['netns', 'exec', name, 'nft', chain], 'nftables netdev chains'],
  ];
  try {
    for (const [command, args, what] of steps) {
      const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
      if (status !== 0) return `needs ${what} in the kernel: ${stderr.trim()}`;
    }
    return false;
  } finally {
    spawnSync('ip', ['netns', 'del', name]);
  }
}

function once(what: string, probe: () => string | false): string | false {
  const known = missing.get(what);
  if (known !== undefined) return known;
  const answer = probe();
  missing.set(what, answer);
  return answer;
}
