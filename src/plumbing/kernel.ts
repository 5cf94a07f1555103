/**
 * Which kernel this is, and what older ones cannot do.
 *
 * Rule: a version stands for what cannot be tried; what can be is tried, by `firehook doctor`.
 *
 * @module
 */

import os from 'node:os';
import { liveDriver } from '../config/live-drivers.ts';
import { attachInterfaces, type Config } from '../config/schema.ts';

/** A kernel version, as two numbers. */
export type KernelVersion = readonly [major: number, minor: number];

/** Egress hooks of the netdev family. */
export const KERNEL_WITH_EGRESS: KernelVersion = [5, 16];
/** VIRTIO_NET_HDR_GSO_UDP_L4: an older packet socket drops a UDP super-datagram before its ring. */
export const KERNEL_WITH_UDP_SUPER: KernelVersion = [6, 2];
/** BPF programs at a port that no list of tc filters shows. */
export const KERNEL_WITH_TCX: KernelVersion = [6, 6];
/** NFT_TABLE_F_PERSIST: a table of one socket, which no other can change, and which outlives it. */
export const KERNEL_WITH_OWNED_TABLES: KernelVersion = [6, 9];

/**
 * True when the kernel is this one or newer.
 *
 * @param release - as `uname -r` prints it: "6.1.0-28-amd64"
 */
export function hasKernel([major, minor]: KernelVersion, release: string = os.release()): boolean {
  const [ownMajor = 0, ownMinor = 0] = release.split('.').map((part) => Number.parseInt(part, 10));
  return ownMajor > major || (ownMajor === major && ownMinor >= minor);
}

/**
 * What this kernel will not do for a configuration that it can run all the same: a sentence for each, with what to do.
 *
 * @param release - as for {@link hasKernel}
 */
export function kernelWarnings({ driver, attach }: Config, release: string = os.release()): string[] {
  // A host's detours have such datagrams cut.
  const atPorts = attach.filter((one) => !('host' in one)).flatMap(attachInterfaces);
  if (liveDriver(driver).takesAt !== 'port' || atPorts.length === 0 || hasKernel(KERNEL_WITH_UDP_SUPER, release))
    return [];
  return [
    `driver: ${driver}: Linux ${release} drops UDP super-datagrams (UDP_SEGMENT) that arrive at ${atPorts.join(', ')}; ` +
      `boot ${KERNEL_WITH_UDP_SUPER.join('.')} or newer, or let the devices that send them cut them: ` +
      'ethtool -K DEVICE tx-udp-segmentation off.',
  ];
}
