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
import type { LiveDevice, LivePortOptions } from '../drivers/live-port.ts';
import { FirehookError } from '../errors.ts';
import {
  DEST_LOCAL,
  DEST_REMOTE,
  INVALID_IF_INDEX,
  IP_RECEIVE,
  IP_TRANSMIT,
  LOCAL_IF_INDEX,
} from '../firewall/constants.ts';
import type { Way } from '../lane/way.ts';
import type { Attachment } from './attach/attachment.ts';
import { hasKernel, KERNEL_WITH_UDP_SUPER } from './kernel.ts';
import { type Link, readLinks } from './links.ts';
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

/** Ethernet header, in octets. */
const ETHERNET_HEADER = 14;
/**
 * What a detour takes beyond the port's MTU: a stack of VLAN tags, and what ports with a larger MTU on the other end send.
 * Not more than is useful: libpcap sizes the slots of its ring by it, and bursts outlast few large slots.
 */
const DETOUR_EXTRA = 64;
/** Largest MTU of a veth. */
const MAX_MTU = 65_535;

type Direction = 'in' | 'out';

/** The detours of an attach: the ports it steals from and the directions. */
function detoursOf(attachment: Attachment): { link: Link; direction: Direction }[] {
  switch (attachment.kind) {
    case 'bridge':
      return attachment.takesAt === 'port' ? [] : attachment.links.map((link) => ({ link, direction: 'in' }));
    case 'host':
      return [
        { link: attachment.links[0], direction: 'in' },
        { link: attachment.links[0], direction: 'out' },
      ];
    case 'tap':
      return [];
    default:
      return attachment satisfies never;
  }
}

/**
 * Makes the detours of an attach. What a killed run left of them is replaced.
 *
 * @param superFrames - `cut` has the kernel cut them before the lane sees them, for a driver that cannot take them
 * @throws {@link FirehookError} FIREHOOK_ATTACH_TOOL
 */
export function prepare(attachment: Attachment, superFrames: 'cut' | 'whole'): void {
  for (const { link, direction } of detoursOf(attachment)) {
    const { near, far } = detourNames(link.ifindex, direction);
    const deliversToHost = attachment.kind === 'host' && direction === 'in';
    tryTool('ip', ['link', 'del', near]);
    runTool('ip', ['link', 'add', near, 'type', 'veth', 'peer', 'name', far]);
    const mtu = String(Math.min(link.mtu + DETOUR_EXTRA, MAX_MTU));
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

/** What an attach needs of a lane: its ways, and the driver ports they begin and end at. */
export interface LaidOut {
  readonly ways: readonly Way[];
  readonly ports: readonly LivePortOptions[];
}

/**
 * The ways through an attach and the driver ports they need, numbered from `firstPort` on.
 *
 * @param links - as they are now, with the detours
 */
export function layOut(attachment: Attachment, firstPort: number, links: ReadonlyMap<string, Link>): LaidOut {
  switch (attachment.kind) {
    case 'bridge':
      return layOutBridge(attachment, firstPort, links);
    case 'host':
      return layOutHost(attachment.links[0], firstPort, links);
    case 'tap':
      return layOutTap(attachment.links[0], firstPort);
    default:
      return attachment satisfies never;
  }
}

/** Names of the devices whose loss breaks an attach: its ports and its detours. */
export function devicesOf(attachment: Attachment): string[] {
  const detours = detoursOf(attachment).flatMap(({ link, direction }) =>
    Object.values(detourNames(link.ifindex, direction)),
  );
  return [...attachment.links.map(({ name }) => name), ...detours];
}

function layOutBridge(
  { links: [a, b], takesAt }: Attachment & { kind: 'bridge' },
  first: number,
  links: ReadonlyMap<string, Link>,
): LaidOut {
  const isAtPort = takesAt === 'port';
  const port = (id: number, link: Link): LivePortOptions => ({
    id,
    capture: device(isAtPort ? link.name : detourNames(link.ifindex, 'in').far, links),
    direction: isAtPort ? 'inbound' : 'any',
    isFenced: isAtPort,
    send: device(link.name, links),
    maxFrameLength: link.mtu + ETHERNET_HEADER,
    captureLength: captureLength(link),
  });
  const way = (from: Link, to: Link, inPort: number, outPort: number): Way => ({
    name: `${from.name} > ${to.name}`,
    inPort,
    outPort,
    otherPort: inPort,
    direction: IP_RECEIVE,
    recvInterfaceIndex: from.ifindex,
    sendInterfaceIndex: to.ifindex,
    otherIndex: from.ifindex,
    unicastType: DEST_REMOTE,
    reject: 'link',
    rejectPort: inPort,
  });
  return {
    ports: [port(first, a), port(first + 1, b)],
    ways: [way(a, b, first, first + 1), way(b, a, first + 1, first)],
  };
}

function layOutHost(link: Link, first: number, links: ReadonlyMap<string, Link>): LaidOut {
  const inbound = device(detourNames(link.ifindex, 'in').far, links);
  const outbound = device(detourNames(link.ifindex, 'out').far, links);
  const port = {
    direction: 'any' as const,
    maxFrameLength: link.mtu + ETHERNET_HEADER,
    captureLength: captureLength(link),
  };
  return {
    ports: [
      { ...port, id: first, capture: inbound, send: inbound },
      { ...port, id: first + 1, capture: outbound, send: device(link.name, links) },
    ],
    ways: [
      {
        name: `${link.name} in`,
        inPort: first,
        outPort: first,
        otherPort: -1,
        direction: IP_RECEIVE,
        recvInterfaceIndex: link.ifindex,
        sendInterfaceIndex: INVALID_IF_INDEX,
        otherIndex: INVALID_IF_INDEX,
        unicastType: DEST_LOCAL,
        reject: 'raw',
        rejectPort: -1,
      },
      {
        name: `${link.name} out`,
        inPort: first + 1,
        outPort: first + 1,
        otherPort: -1,
        direction: IP_TRANSMIT,
        recvInterfaceIndex: LOCAL_IF_INDEX,
        sendInterfaceIndex: link.ifindex,
        otherIndex: link.ifindex,
        unicastType: DEST_REMOTE,
        // Back to the host, like a packet that arrives.
        reject: 'link',
        rejectPort: first,
      },
    ],
  };
}

function layOutTap(link: Link, first: number): LaidOut {
  const port = (id: number, direction: 'inbound' | 'outbound'): LivePortOptions => ({
    id,
    capture: { name: link.name, ifindex: link.ifindex },
    direction,
    send: null,
    maxFrameLength: 0,
    // A tap sees super-frames whole.
    captureLength: MAX_MTU + ETHERNET_HEADER,
  });
  const way = { outPort: -1, otherPort: -1, reject: 'count', rejectPort: -1 } as const;
  return {
    ports: [port(first, 'inbound'), port(first + 1, 'outbound')],
    ways: [
      {
        ...way,
        name: `${link.name} in`,
        inPort: first,
        direction: IP_RECEIVE,
        recvInterfaceIndex: link.ifindex,
        sendInterfaceIndex: INVALID_IF_INDEX,
        otherIndex: INVALID_IF_INDEX,
        unicastType: DEST_LOCAL,
      },
      {
        ...way,
        name: `${link.name} out`,
        inPort: first + 1,
        direction: IP_TRANSMIT,
        recvInterfaceIndex: LOCAL_IF_INDEX,
        sendInterfaceIndex: link.ifindex,
        otherIndex: link.ifindex,
        unicastType: DEST_REMOTE,
      },
    ],
  };
}

function device(name: string, links: ReadonlyMap<string, Link>): LiveDevice {
  return { name, ifindex: links.get(name)?.ifindex ?? 0 };
}

/** Longest frame that can come out of a detour, in octets. */
function captureLength(link: Link): number {
  return Math.min(link.mtu + DETOUR_EXTRA, MAX_MTU) + ETHERNET_HEADER;
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

/**
 * Finds the interfaces of an attach.
 *
 * @throws {@link FirehookError} FIREHOOK_ATTACH_INTERFACE when one does not exist, has no Ethernet header, or belongs to a
 * kernel bridge or bond
 */
export function findLinks(
  names: readonly string[],
  kind: Attachment['kind'],
  links: ReadonlyMap<string, Link>,
): Link[] {
  return names.map((name) => {
    const link = links.get(name);
    if (link === undefined) {
      throw new FirehookError('FIREHOOK_ATTACH_INTERFACE', `"${name}": no such interface`, { interfaceName: name });
    }
    if (link.type !== 'ether') {
      const why =
        kind === 'host'
          ? 'host puts packets back with the link header they came with'
          : 'its frames cannot be told from their datagrams';
      throw new FirehookError(
        'FIREHOOK_ATTACH_INTERFACE',
        `"${name}": it has no Ethernet header (it is "${link.type}", as tun, ppp and wireguard are), and ${why}`,
        { interfaceName: name, advice: 'attach the Ethernet interface below it' },
      );
    }
    if (kind === 'bridge' && link.master !== '') {
      throw new FirehookError('FIREHOOK_ATTACH_INTERFACE', `"${name}": it is a port of "${link.master}" already`, {
        interfaceName: name,
        advice: `take it out first: ip link set ${name} nomaster`,
      });
    }
    return link;
  });
}
