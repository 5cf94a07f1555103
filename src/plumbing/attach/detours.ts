/**
 * The detours of an attachment: veth pairs that take stolen frames to the lane.
 *
 * @module
 */

import type { Link } from '../link.ts';
import { detourNames } from '../names.ts';
import type { Attachment } from './attachment.ts';

/** Ethernet header, in octets. */
export const ETHERNET_HEADER = 14;
/**
 * What a detour takes beyond the port's MTU: a stack of VLAN tags, and what ports with a larger MTU on the other end send.
 * Not more than is useful: libpcap sizes the slots of its ring by it, and bursts outlast few large slots.
 */
const DETOUR_EXTRA = 64;
/** Largest MTU of a veth. */
const MAX_MTU = 65_535;

/** A detour that an attachment needs. */
export interface DetourSpec {
  readonly port: Link;
  readonly direction: 'in' | 'out';
  /** Names of its ends. */
  readonly near: string;
  readonly far: string;
  /** What the lane sends into the far end with this mark is delivered to the host: redirected to the port's ingress. 0: nothing. */
  readonly deliveredMark: number;
}

/** The detours of an attachment: the ports it steals from and the directions. */
export function detoursOf(attachment: Attachment): DetourSpec[] {
  const spec = (port: Link, direction: 'in' | 'out', deliveredMark: number): DetourSpec => {
    return { port, direction, deliveredMark, ...detourNames(port.ifindex, direction) };
  };
  switch (attachment.kind) {
    case 'bridge':
      return attachment.takesAt === 'port' ? [] : attachment.links.map((link) => spec(link, 'in', 0));
    case 'host':
      return [spec(attachment.links[0], 'in', attachment.deliveredMark), spec(attachment.links[0], 'out', 0)];
    case 'tap':
      return [];
    default:
      return attachment satisfies never;
  }
}

/** Names of the interfaces whose loss breaks an attachment: its ports and its detours. */
export function devicesOf(attachment: Attachment): string[] {
  return [
    ...attachment.links.map(({ name }) => name),
    ...detoursOf(attachment).flatMap(({ near, far }) => [near, far]),
  ];
}

/** MTU of the detours of a port. */
export function detourMtu(port: Link): number {
  return Math.min(port.mtu + DETOUR_EXTRA, MAX_MTU);
}

/** Longest frame that can come out of a detour, in octets. */
export function captureLength(port: Link): number {
  return detourMtu(port) + ETHERNET_HEADER;
}

/** Longest frame that a tap sees, super-frames included, in octets. */
export const LONGEST_FRAME: number = MAX_MTU + ETHERNET_HEADER;
