/**
 * What takes frames of a port before firehook's chains see them.
 *
 * ```
 *   card ─> XDP ─> taps ─> tcx, tc ingress ─> nf_tables ingress (firehook) ─> bridge, bond, macvlan, ipvlan ─> IP stack
 * ```
 * Rule: what is not known to leave frames alone is taken to take them. A macvlan stands behind the chains, but its frames are
 * for another MAC address, which the chains leave alone.
 *
 * @see net/core/dev.c, tc-mirred(8), tc-actions(8)
 * @module
 */

import { loadNative } from '../native/load-native.ts';
import { isRefusal, type NetlinkSocket } from '../netlink/socket.ts';
import type { Attachment } from './attach/attachment.ts';
import type { EarlierTaker } from './contract.ts';
import { hasKernel, KERNEL_WITH_TCX } from './kernel.ts';
import type { Link } from './link.ts';
import { listFilters, MIRRED, readFilters, type TcAction, type TcFilter } from './netlink/tc-messages.ts';

/** Error numbers, errno(3). */
const ENOENT = 2;
const ENODEV = 19;
const EINVAL = 22;

/** Actions that change, count, delay or drop a frame, and do not take it anywhere else. */
const SAFE_ACTIONS = new Set([
  'connmark',
  'csum',
  'ct',
  'ctinfo',
  'gact',
  'gate',
  'nat',
  'pedit',
  'police',
  'sample',
  'skbedit',
  'skbmod',
  'tunnel_key',
  'vlan',
]);

type Taker = Omit<EarlierTaker, 'isTolerated'>;

/** Everything that takes frames of the ports of an attachment first; `isTolerated` says what the configuration allows. */
export async function findEarlierTakers(
  route: NetlinkSocket,
  attachment: Attachment,
  links: ReadonlyMap<string, Link>,
  tolerated: readonly string[],
): Promise<EarlierTaker[]> {
  if (attachment.kind === 'tap') return [];
  const found: Taker[] = [];
  for (const port of attachment.links) {
    const now = links.get(port.name);
    if (now === undefined || now.ifindex !== port.ifindex) continue;
    found.push(
      ...takersOfLink(now, attachment.kind, links),
      ...takersOfFilters(now, await readIngress(route, now), links),
    );
    found.push(...takersByTcx(now));
  }
  // tcx is the newer form of a tc classifier: one word stands for both.
  return found.map((taker) => ({
    ...taker,
    isTolerated: tolerated.includes(taker.kind === 'tcx' ? 'tc' : taker.kind),
  }));
}

/** What the list of interfaces shows. @internal */
export function takersOfLink(port: Link, kind: 'bridge' | 'host', links: ReadonlyMap<string, Link>): Taker[] {
  const found: Taker[] = [];
  const interfaceName = port.name;
  if (port.xdp !== 0) {
    found.push({
      kind: 'xdp',
      interfaceName,
      text: `${interfaceName}: an XDP program sees its frames first and may take them`,
    });
  }
  // A VRF gives frames another routing table, not another way.
  if (kind === 'host' && port.master !== '' && port.masterKind !== 'vrf') {
    const text = `${interfaceName} is a port of ${port.master} (${port.masterKind === '' ? 'unknown kind' : port.masterKind}), which takes its frames: attach ${port.master} instead`;
    found.push({ kind: 'master', interfaceName, text });
  }
  for (const other of links.values()) {
    if (other.parent !== port.ifindex) continue;
    const stands = /^(macvlan|macvtap)$/.test(other.kind)
      ? 'macvlan'
      : /^(ipvlan|ipvtap)$/.test(other.kind)
        ? 'ipvlan'
        : null;
    if (stands === null) continue;
    const text = `${other.name} (${other.kind}) on ${interfaceName} gets frames that no hook sees`;
    found.push({ kind: stands, interfaceName, text });
  }
  return found;
}

/**
 * BPF programs of Linux 6.6 and newer, which no list of filters shows. Where bpf(2) is not permitted they are not known, so they are taken
 * to be there; an older kernel that refuses bpf(2) has none.
 *
 * @param count - asks the kernel
 * @internal
 */
export function takersByTcx(
  { ifindex, name: interfaceName }: Pick<Link, 'ifindex' | 'name'>,
  count: (ifindex: number) => number = (port) => loadNative().countTcxPrograms(port),
  canHaveTcx: boolean = hasKernel(KERNEL_WITH_TCX),
): Taker[] {
  let text: string;
  try {
    const programs = count(ifindex);
    if (programs === 0) return [];
    text = `${programs} BPF program(s) attached by tcx see its frames first and may take them`;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EPERM') throw error;
    if (!canHaveTcx) return [];
    text = 'BPF programs attached by tcx may take its frames first, and bpf(2), which tells, is not permitted here';
  }
  return [{ kind: 'tcx', interfaceName, text: `${interfaceName}: ${text}` }];
}

/** What its ingress filters do. @internal */
export function takersOfFilters(port: Link, filters: readonly TcFilter[], links: ReadonlyMap<string, Link>): Taker[] {
  const nameOf = (ifindex: number): string =>
    [...links.values()].find((link) => link.ifindex === ifindex)?.name ?? `interface ${ifindex}`;
  const reasons = filters.flatMap(({ kind, actions }) => {
    if (kind === 'bpf') return ['a BPF classifier sees its frames first and may take them'];
    if (actions === null) return [`a tc filter of kind ${kind} is at its ingress, and what it does is not known`];
    return actions.flatMap((action) => reasonOf(action, nameOf) ?? []);
  });
  return [...new Set(reasons)].map((reason) => ({
    kind: 'tc',
    interfaceName: port.name,
    text: `${port.name}: ${reason}`,
  }));
}

function reasonOf({ kind, mirred, ifindex }: TcAction, nameOf: (ifindex: number) => string): string | null {
  if (SAFE_ACTIONS.has(kind)) return null;
  if (kind !== 'mirred') return `a tc action of kind ${kind} is at its ingress, and what it does is not known`;
  // A copy that leaves by another interface takes nothing away.
  if (mirred === MIRRED.egressMirror) return null;
  if (mirred === MIRRED.ingressMirror)
    return `a tc filter hands copies of its frames to the ingress of ${nameOf(ifindex)}`;
  return `a tc filter redirects its frames to ${nameOf(ifindex)}`;
}

async function readIngress(route: NetlinkSocket, { ifindex, name }: Link): Promise<TcFilter[]> {
  try {
    return readFilters(await route.dump(`list the filters of ${name}`, listFilters(ifindex, 'ingress')));
  } catch (error) {
    if (isRefusal(error, ENOENT, EINVAL, ENODEV)) return [];
    throw error;
  }
}
