/**
 * Whether this kernel does what the plumbing asks of it: tried in a network namespace that is thrown away.
 *
 * ```
 *   namespace ─> veth pair p0, p1 ─> each part by itself ─> the plumbing of a host and of a bridge, as firehookd makes it
 * ```
 * Rule: nothing of the machine's own network is touched. The parts say what the kernel refused; the whole says whether
 * firehookd would run.
 *
 * @module
 */

import os from 'node:os';
import { hasKernel, KERNEL_WITH_EGRESS } from '../../plumbing/kernel.ts';
import { KernelPlumbing } from '../../plumbing/kernel-plumbing.ts';
import { detourNames, tableName } from '../../plumbing/names.ts';
import { isPortHeld } from '../../plumbing/port-locks.ts';
import { isTimeout, saidBy, type ToolResult, TRY_AGAIN, tryTool } from '../../plumbing/run-tool.ts';
import { addNamespace, inNamespace, nodeCommand } from '../namespaces.ts';
import { type Check, type CheckResult, fail, mayAttach, ok, type Subject, warn } from './check.ts';
import { NO_ANSWER } from './no-answer.ts';

/** Node.js starts, makes the whole plumbing and takes it back: on a machine that is busy that is many seconds. */
const TRY_TIMEOUT_MS = 120_000;

interface Part {
  readonly name: string;
  /** The attach that cannot do without it. */
  readonly kind: 'bridge' | 'host';
  /** Argument of `try-plumbing`. */
  readonly part: string;
  readonly advice: string;
}

const PARTS: readonly Part[] = [
  {
    name: 'nft ingress',
    kind: 'bridge',
    part: 'ingress',
    advice: 'needs CONFIG_NFT_FWD_NETDEV and CONFIG_NETFILTER_INGRESS; try modprobe nft_fwd_netdev',
  },
  {
    name: 'nft egress',
    kind: 'host',
    part: 'egress',
    advice: 'needs Linux 5.16 with CONFIG_NETFILTER_EGRESS',
  },
  {
    name: 'nft marks',
    kind: 'host',
    part: 'marks',
    advice: 'needs CONFIG_NFT_META; try modprobe nf_tables',
  },
  {
    name: 'nft inet',
    kind: 'bridge',
    part: 'wall',
    advice: 'needs CONFIG_NF_TABLES_INET; try modprobe nf_tables',
  },
  {
    name: 'tc redirect',
    kind: 'host',
    part: 'redirect',
    advice:
      'needs CONFIG_NET_SCH_INGRESS, CONFIG_NET_CLS_BPF and CONFIG_NET_ACT_MIRRED; try modprobe act_mirred cls_bpf',
  },
  {
    name: 'offloads',
    kind: 'bridge',
    part: 'offloads',
    advice: 'this kernel cannot switch the offloads of a veth: upgrade it',
  },
  ...(['host', 'bridge'] as const).map(
    (kind): Part => ({
      name: `${kind} plumbing`,
      kind,
      part: kind,
      advice: 'the failed lines above name the part of the kernel that is missing',
    }),
  ),
];

/** The checks of this file. */
export const kernelChecks: readonly Check[] = [
  { name: 'kernel', run: (subject) => [checkVersion(os.release(), subject)] },
  { name: 'kernel features', run: probe },
  { name: 'leftovers', run: checkLeftovers },
];

/**
 * Judges a kernel version.
 *
 * @internal
 */
export function checkVersion(release: string, subject: Subject): CheckResult {
  if (hasKernel(KERNEL_WITH_EGRESS, release)) return ok('kernel', release);
  const report = mayAttach('host', subject) ? fail : warn;
  return report(
    'kernel',
    `${release} has no egress hooks, so host cannot work`,
    `boot ${KERNEL_WITH_EGRESS.join('.')} or newer`,
  );
}

function probe(subject: Subject): CheckResult[] {
  if (!subject.isRoot) return [];
  const namespace = `firehook-doctor-${process.pid}`;
  let remove: () => void;
  try {
    remove = addNamespace(namespace);
  } catch (error) {
    if (isTimeout(error)) throw error;
    const detail = `not tried: no network namespace to try them in (${(error as Error).message.split('; ')[0]})`;
    return [warn('kernel features', detail, 'run doctor where root has CAP_SYS_ADMIN')];
  }
  try {
    return probeInside(namespace, subject);
  } finally {
    remove();
  }
}

function probeInside(namespace: string, subject: Subject): CheckResult[] {
  const made = run(namespace, ['ip', 'link', 'add', 'p0', 'type', 'veth', 'peer', 'name', 'p1']);
  if (!made.ok)
    return [fail('veth pairs', `the kernel refuses: ${said(made)}`, 'needs CONFIG_VETH; try modprobe veth')];
  for (const end of ['p0', 'p1']) run(namespace, ['ip', 'link', 'set', end, 'up']);
  return [ok('veth pairs', 'work'), ...PARTS.map((part) => tryPart(namespace, part, subject))];
}

function tryPart(namespace: string, { name, kind, part, advice }: Part, subject: Subject): CheckResult {
  const result = run(namespace, [...nodeCommand('./try-plumbing', import.meta.url), part]);
  if (result.ok) return ok(name, 'works');
  if (result.code === NO_ANSWER) return warn(name, `not examined: ${said(result)}`, TRY_AGAIN);
  // A kernel without it will still do for the attaches that are wanted.
  const report = mayAttach(kind, subject) ? fail : warn;
  return report(name, `refused, and ${kind} needs it: ${said(result)}`, advice);
}

function run(namespace: string, command: readonly string[]): ToolResult {
  const [program, args] = inNamespace(namespace, command);
  return tryTool(program, args, '', TRY_TIMEOUT_MS);
}

function said({ stderr, stdout }: ToolResult): string {
  return saidBy(`${stderr}\n${stdout}`);
}

/** Tables and detours in this namespace that no running daemon answers for. */
async function checkLeftovers({ isRoot, configFile }: Subject): Promise<CheckResult[]> {
  if (!isRoot) return [];
  const plumbing = new KernelPlumbing();
  let names: ReadonlyMap<number, string>;
  let traces: readonly number[];
  try {
    names = new Map([...(await plumbing.readLinks()).values()].map(({ ifindex, name }) => [ifindex, name]));
    traces = await plumbing.findTraces();
  } finally {
    plumbing.close();
  }
  const results: CheckResult[] = [];
  for (const ifindex of traces) {
    if (isPortHeld(ifindex)) continue;
    const port = names.get(ifindex) ?? `interface ${ifindex}, which is gone`;
    const { near, far } = detourNames(ifindex, 'in');
    results.push(
      warn(
        'leftovers',
        `${port}: table netdev ${tableName(ifindex)} or detours like ${near} and ${far} are there, and no firehookd runs on it`,
        `take them back: firehookd -c ${configFile ?? 'FILE'} --undo`,
      ),
    );
  }
  return results.length > 0 ? results : [ok('leftovers', 'none')];
}
