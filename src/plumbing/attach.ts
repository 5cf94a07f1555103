/**
 * Makes an attach real in the kernel, and takes it back: detours, offloads, promiscuity, tc redirect, nftables.
 *
 * ```
 *   prepare: detours, redirect            touches nothing that carries traffic
 *   engage:  promiscuity, LRO, table      from here on the port is firehook's: alive -> lane, else onDown
 *   undo:    table, then what engage switched, then the detours
 * ```
 * Rule: every step can be repeated and every undo works on what a killed run left. Everything carries the port's ifindex,
 * so that several attaches and several daemons do not touch each other's things.
 *
 * @module
 */

import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import type { Attachment } from './attach/attachment.ts';
import { detourMtu, detoursOf } from './attach/detours.ts';
import { hasKernel, KERNEL_WITH_UDP_SUPER } from './kernel.ts';
import { readLinks } from './links.ts';
import {
  detourNames,
  emptyRuleset,
  type PortMemory,
  portRuleset,
  readMemory,
  removalRuleset,
  tableName,
} from './ruleset.ts';
import { runTool, tryTool } from './run-tool.ts';

export type { Attachment } from './attach/attachment.ts';
export { devicesOf } from './attach/detours.ts';
export { findLinks } from './attach/find-links.ts';
export { layOut } from './attach/lay-out.ts';

/**
 * Makes the detours of an attach. What a killed run left of them is replaced.
 *
 * @param superFrames - `cut` has the kernel cut them before the lane sees them, for a driver that cannot take them
 * @throws {@link FirehookError} FIREHOOK_ATTACH_TOOL
 */
export function prepare(attachment: Attachment, superFrames: 'cut' | 'whole'): void {
  for (const { port: link, near, far, delivers: deliversToHost } of detoursOf(attachment)) {
    tryTool('ip', ['link', 'del', near]);
    runTool('ip', ['link', 'add', near, 'type', 'veth', 'peer', 'name', far]);
    const mtu = String(detourMtu(link));
    for (const end of [near, far]) {
      runTool('ip', ['link', 'set', end, 'addrgenmode', 'none', 'arp', 'off', 'mtu', mtu]);
      silence(end);
    }
    // The stack takes a redirected frame for its own only if the MAC address of the device it came in by says so.
    if (deliversToHost) runTool('ip', ['link', 'set', near, 'address', link.mac]);
    if (superFrames === 'cut') {
      // With these off the kernel cuts super-frames and completes checksums on the way into the detour.
      runTool('ethtool', ['-K', near, 'tx', 'off', 'tso', 'off', 'gso', 'off', 'gro', 'off']);
      runTool('ethtool', ['-K', far, 'gro', 'off']);
    } else {
      // A packet socket drops the super-frames that a virtio-net header has no word for, unless they are cut here.
      runTool('ethtool', ['-K', near, 'tx-sctp-segmentation', 'off']);
      if (!hasKernel(KERNEL_WITH_UDP_SUPER)) runTool('ethtool', ['-K', near, 'tx-udp-segmentation', 'off']);
    }
    for (const end of [far, near]) runTool('ip', ['link', 'set', end, 'up']);
    if (deliversToHost) redirectToHost(near, link.name);
  }
}

/**
 * Makes the ports firehook's. From here on traffic goes to the lane, or where `onDown` says.
 *
 * @param earlier - what leftover tables remembered, by ifindex: it has to be put back at the end all the same
 */
export function engage(
  attachment: Attachment,
  onDown: 'drop' | 'forward',
  earlier: ReadonlyMap<number, PortMemory>,
): void {
  if (attachment.kind === 'tap') return;
  const takesAt = attachment.kind === 'bridge' ? attachment.takesAt : 'detour';
  for (const link of attachment.links) {
    const other = attachment.links.find(({ ifindex }) => ifindex !== link.ifindex);
    const before = earlier.get(link.ifindex);
    const isPort = attachment.kind === 'bridge';
    const memory: PortMemory = {
      kind: attachment.kind,
      peer: other?.ifindex ?? 0,
      setPromiscuous: before?.setPromiscuous === true || (isPort && !link.isPromiscuous),
      unsetLro: before?.unsetLro === true || hasLro(link.name),
    };
    // The table first: its comment is the memory of what is switched next.
    runTool(
      'nft',
      ['-f', '-'],
      portRuleset({ ifindex: link.ifindex, name: link.name, memory, onDown, peerName: other?.name ?? '', takesAt }),
    );
    if (memory.setPromiscuous) runTool('ip', ['link', 'set', link.name, 'promisc', isPort ? 'on' : 'off']);
    if (memory.unsetLro) tryTool('ethtool', ['-K', link.name, 'lro', 'off']);
  }
}

/** What the tables of earlier runs on these ports remember, by ifindex; a bridge's other port included. */
export function readLeftovers(ifindexes: readonly number[]): Map<number, PortMemory> {
  const found = new Map<number, PortMemory>();
  const queue = [...ifindexes];
  for (let ifindex = queue.shift(); ifindex !== undefined; ifindex = queue.shift()) {
    if (found.has(ifindex)) continue;
    const memory = readPortMemory(ifindex);
    if (memory === null) continue;
    found.set(ifindex, memory);
    if (memory.peer !== 0) queue.push(memory.peer);
  }
  return found;
}

function readPortMemory(ifindex: number): PortMemory | null {
  const table = tryTool('nft', ['list', 'table', 'netdev', tableName(ifindex)]);
  return table.ok ? readMemory(table.stdout) : null;
}

/** The ifindexes that any table or detour of firehook's in this namespace carries. */
export function findTraces(): number[] {
  const tables = tryTool('nft', ['list', 'tables', 'netdev']).stdout.matchAll(/firehook_(\d+)/g);
  const detours = readdirSync('/sys/class/net').flatMap((name) => [...name.matchAll(/^fh(\d+)[io][01]$/g)]);
  return [...new Set([...tables, ...detours].map((match) => Number(match[1])))].sort((a, b) => a - b);
}

/** Ends all stealing from a port; what else was changed waits for {@link undoPort}. */
export function disengagePort(ifindex: number): void {
  const memory = readPortMemory(ifindex);
  if (memory !== null) tryTool('nft', ['-f', '-'], emptyRuleset(ifindex, memory));
}

/**
 * Takes a port back: its table, what was switched on it, its detours. Works on whatever is left of them.
 *
 * @param ifindex - of the port, which may be gone
 * @returns true when there was something to take back
 */
export function undoPort(ifindex: number): boolean {
  const table = tryTool('nft', ['list', 'table', 'netdev', tableName(ifindex)]);
  const memory = table.ok ? readMemory(table.stdout) : null;
  let found = table.ok;
  if (table.ok) runTool('nft', ['-f', '-'], removalRuleset(ifindex));
  const link = [...readLinks().values()].find((candidate) => candidate.ifindex === ifindex);
  if (link !== undefined && memory?.setPromiscuous === true) {
    tryTool('ip', ['link', 'set', link.name, 'promisc', 'off']);
  }
  if (link !== undefined && memory?.unsetLro === true) tryTool('ethtool', ['-K', link.name, 'lro', 'on']);
  for (const direction of ['in', 'out'] as const) {
    const { near, far } = detourNames(ifindex, direction);
    // A veth goes with its other end; either may have been taken away by hand.
    for (const end of [near, far]) {
      if (existsSync(`/sys/class/net/${end}`)) found = tryTool('ip', ['link', 'del', end]).ok || found;
    }
  }
  return found;
}

/** Takes an attach back. */
export function undo(attachment: Attachment): void {
  if (attachment.kind !== 'tap') for (const link of attachment.links) undoPort(link.ifindex);
}

/** The host's stack must not speak on a detour, nor take part in what passes there. */
function silence(device: string): void {
  const setting = `/proc/sys/net/ipv6/conf/${device}/disable_ipv6`;
  // Absent where the kernel runs without IPv6.
  if (existsSync(setting)) writeFileSync(setting, '1');
}

/** What the lane puts into the far end arrives on the port itself, so that `iifname` rules and bound sockets match. */
function redirectToHost(near: string, port: string): void {
  runTool('tc', ['qdisc', 'add', 'dev', near, 'ingress']);
  const target = ['action', 'mirred', 'ingress', 'redirect', 'dev', port];
  // u32 is in every kernel that has tc filters at all; matchall came later and is a module of its own.
  runTool('tc', [
    'filter',
    'add',
    'dev',
    near,
    'ingress',
    'protocol',
    'all',
    'u32',
    'match',
    'u32',
    '0',
    '0',
    ...target,
  ]);
}

/** True when the device merges packets in hardware in a way that cannot be undone when they are sent on. */
function hasLro(device: string): boolean {
  return /^large-receive-offload: on$/m.test(tryTool('ethtool', ['-k', device]).stdout);
}
