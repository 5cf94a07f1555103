/**
 * The sockets of the afpacket driver: what takes rights to open, apart from what reads and writes them.
 *
 * ```
 *   supervisor (root): openAfpacketSockets ─> descriptors ─> lane (no rights): AfpacketDriver takes them over
 * ```
 * Rule: a port that captures has a ring, fitted to the memory that the kernel has; one whose socket cannot be opened leaves none
 * of the others open.
 *
 * @see packet(7)
 * @module
 */

import { closeSync } from 'node:fs';
import { FirehookError } from '../errors.ts';
import type { NativeModule } from '../native/native.d.ts';
import { assemble, IF_OUTGOING, TAKE, takeMarked } from './classic-bpf.ts';
import { withSendGroup } from './effective-group.ts';
import type { LiveDevice, LivePortOptions } from './live-port.ts';

/** The ring that a port is to have. Plain data: it crosses a process boundary. */
export interface RingOptions {
  /** Id of the port. */
  readonly port: number;
  /** Slots of {@link SLOT_OCTETS}, a multiple of {@link BLOCK_SLOTS}. */
  readonly slots: number;
  /** Group of PACKET_FANOUT, 0 to 65535, which all lanes of the port name; -1 for a port that is not shared. */
  readonly fanoutGroup: number;
}

/** Descriptors of sockets that are open. Plain data: they cross a process boundary. */
export interface AfpacketSockets {
  /** `slots` is what the ring has: fewer than were asked for when the kernel had no memory for them. */
  readonly rings: readonly { readonly port: number; readonly fd: number; readonly slots: number }[];
  readonly senders: readonly { readonly port: number; readonly fd: number }[];
}

/** A frame of 1,500 octets, its headers and the ring's own fit; longer ones come through an overflow buffer. */
export const SLOT_OCTETS = 2048;
/** The kernel gives the memory of a ring in blocks of 256 KiB. */
export const BLOCK_SLOTS = 128;
/** 1 MiB. */
export const SMALLEST_RING_SLOTS = 512;
/** 32 MiB. */
export const DEFAULT_RING_SLOTS = 16_384;
/** Frames longer than a slot that one batch may hold. */
export const OVERFLOW_COUNT = 64;

/** What the addon takes. */
const LARGEST_RING_SLOTS = 2 ** 20;
/** Memory of an outlet for frames that were made, in octets: as much as the addon gives. */
const MADE_OCTETS = 1024 * 1024;
/** Before each of them. */
const VNET = 10;
const MAX_U16 = 0xffff;
const MAX_U32 = 0xffff_ffff;
const MAX_IFINDEX = 0x7fff_ffff;

const NO_FILTER = new Uint8Array(0);
const OUTGOING_ONLY = assemble([...IF_OUTGOING, TAKE]);

/**
 * Opens the sockets of all ports, those that send under the group of the lanes. Needs root.
 *
 * @param rings - a port that is not named here gets a ring of 32 MiB to itself
 * @throws {@link FirehookError} FIREHOOK_DRIVER_OPEN, with the name of the device
 */
export function openAfpacketSockets(
  native: NativeModule,
  ports: readonly LivePortOptions[],
  rings: readonly RingOptions[],
): AfpacketSockets {
  checkPorts(ports, rings);
  const sockets = {
    rings: [] as AfpacketSockets['rings'][number][],
    senders: [] as AfpacketSockets['senders'][number][],
  };
  try {
    for (const port of ports) {
      const { id, send, capture, sendMark = 0 } = port;
      if (send !== null) {
        const open = (): number => native.openSenderSocket(send.ifindex, sendMark);
        sockets.senders.push({ port: id, fd: withSendGroup(() => guarded(send, open)) });
      }
      if (capture !== null) sockets.rings.push({ port: id, ...openRing(native, port, capture, rings) });
    }
    return sockets;
  } catch (error) {
    closeAfpacketSockets(sockets);
    throw error;
  }
}

/** What goes into the addon is in range before it is asked; the addon checks again. */
export function checkPorts(ports: readonly LivePortOptions[], rings: readonly RingOptions[]): void {
  for (const { port, slots, fanoutGroup } of rings) {
    checkWhole(`port ${port}: slots`, slots, SMALLEST_RING_SLOTS, LARGEST_RING_SLOTS);
    checkWhole(`port ${port}: fanoutGroup`, fanoutGroup, -1, MAX_U16);
  }
  for (const { id, capture, captureMark = 0, send, sendMark = 0, maxFrameLength } of ports) {
    checkWhole('port', id, 0, MAX_U16);
    checkWhole(`port ${id}: captureMark`, captureMark, 0, MAX_U32);
    checkWhole(`port ${id}: sendMark`, sendMark, 0, MAX_U32);
    checkWhole(`port ${id}: maxFrameLength`, maxFrameLength, 0, MADE_OCTETS - VNET);
    for (const device of [capture, send]) {
      if (device !== null) checkWhole(`${device.name}: ifindex`, device.ifindex, 1, MAX_IFINDEX);
    }
  }
}

function checkWhole(what: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new FirehookError(
    'FIREHOOK_DRIVER_OPEN',
    `${what}: ${value} is not valid; expected a whole number from ${least} to ${most}`,
  );
}

/** Closes descriptors that nobody has taken over. */
export function closeAfpacketSockets({ rings, senders }: AfpacketSockets): void {
  for (const { fd } of [...rings, ...senders]) closeSync(fd);
}

/** The ring that was asked for, or the largest that the kernel has memory for. */
function openRing(
  native: NativeModule,
  port: LivePortOptions,
  device: LiveDevice,
  rings: readonly RingOptions[],
): { fd: number; slots: number } {
  const { slots: wanted, fanoutGroup } = rings.find((ring) => ring.port === port.id) ?? {
    slots: DEFAULT_RING_SLOTS,
    fanoutGroup: -1,
  };
  const ignoresOutgoing = port.direction !== 'outbound';
  const filter = filterOf(port);
  for (let slots = wanted; ; slots = Math.max(SMALLEST_RING_SLOTS, wholeBlocks(slots / 2))) {
    try {
      const sizes = [SLOT_OCTETS, slots, OVERFLOW_COUNT] as const;
      const fd = native.openRingSocket(device.ifindex, ...sizes, fanoutGroup, ignoresOutgoing, filter);
      return { fd, slots: Math.ceil(slots / BLOCK_SLOTS) * BLOCK_SLOTS };
    } catch (cause) {
      const { code, syscall } = cause as NodeJS.ErrnoException;
      if (code === 'ENOMEM' && slots > SMALLEST_RING_SLOTS) continue;
      // packet(7): a group has one device and one way to share; a device that is down joins none before Linux 6.14.
      const isForeign = syscall === 'PACKET_FANOUT' && code === 'EINVAL';
      throw refusal(device, cause, isForeign ? foreignGroup(device, fanoutGroup) : undefined);
    }
  }
}

/** What the ring leaves alone from its first frame on. */
function filterOf({ direction, captureMark }: LivePortOptions): Uint8Array {
  if (captureMark !== undefined) return assemble(takeMarked(captureMark));
  return direction === 'outbound' ? OUTGOING_ONLY : NO_FILTER;
}

function wholeBlocks(slots: number): number {
  return Math.floor(slots / BLOCK_SLOTS) * BLOCK_SLOTS;
}

function foreignGroup({ name }: LiveDevice, group: number): string {
  return `another program has the fanout group ${group}, or the interface is down: ip link set ${name} up, and start again; another group is drawn`;
}

/** Runs what may be refused; the refusal names the device. */
export function guarded<T>(device: LiveDevice, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    throw refusal(device, cause);
  }
}

function refusal(device: LiveDevice, cause: unknown, advice?: string): FirehookError {
  return new FirehookError('FIREHOOK_DRIVER_OPEN', `${device.name}: ${(cause as Error).message}`, {
    cause,
    interfaceName: device.name,
    ...(advice === undefined ? {} : { advice }),
  });
}
