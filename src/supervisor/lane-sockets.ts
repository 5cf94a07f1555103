/**
 * The sockets of a lane: opened here, by root, and handed over when the lane starts. The supervisor reads nothing from them.
 *
 * ```
 *   open ─> lane ─ reload ─> the same sockets for its successor, whose ring goes on where the lane stood
 * ```
 * Rule: they stay open here for as long as a lane that has them lives, so that another one can be given them; and not a moment longer: the
 * kernel would go on putting packets into a ring that nobody reads.
 *
 * @module
 */

import { closeSync } from 'node:fs';
import { liveDriver } from '../config/live-drivers.ts';
import { closeAfpacketSockets, openAfpacketSockets } from '../drivers/afpacket-sockets.ts';
import { withSendGroup } from '../drivers/effective-group.ts';
import { openDatagramSockets } from '../drivers/queued-sender.ts';
import type { LaneSockets, LaneSpec } from '../lane/messages.ts';
import { sendsByRoutes } from '../lane/way.ts';
import { loadNative } from '../native/load-native.ts';

/**
 * Opens what a lane of this spec needs, in the order of its ports. Null for a lane that opens its sockets itself: those of npm
 * `pcap` cannot be handed over.
 *
 * @throws FirehookError FIREHOOK_DRIVER_OPEN
 */
export function openLaneSockets({ mode, driver, ports, rings, ways }: LaneSpec): LaneSockets | null {
  if (mode !== 'run' || !liveDriver(driver).isHandedSockets) return null;
  const native = loadNative();
  const afpacket = openAfpacketSockets(native, ports, rings);
  try {
    return { afpacket, datagrams: sendsByRoutes(ways) ? withSendGroup(() => openDatagramSockets(native)) : null };
  } catch (error) {
    closeAfpacketSockets(afpacket);
    throw error;
  }
}

/** Sockets that one lane has, or two while one takes the place of the other. */
export class HeldSockets {
  readonly sockets: LaneSockets;
  #lanes = 0;

  constructor(sockets: LaneSockets) {
    this.sockets = sockets;
  }

  /** One more lane has them. */
  retain(): void {
    this.#lanes += 1;
  }

  /** A lane that had them is gone; after the last one they are closed. */
  release(): void {
    this.#lanes -= 1;
    if (this.#lanes === 0) closeLaneSockets(this.sockets);
  }
}

/** Closes them. */
export function closeLaneSockets({ afpacket, datagrams }: LaneSockets): void {
  closeAfpacketSockets(afpacket);
  if (datagrams !== null) for (const fd of [datagrams.ipv4, datagrams.ipv6]) if (fd >= 0) closeSync(fd);
}

/** The same sockets by the numbers that they have in the lane, where `first` is the first of them, and their numbers here in that order. */
export function renumber(
  sockets: LaneSockets,
  first: number,
): { readonly sockets: LaneSockets; readonly here: readonly number[] } {
  const here: number[] = [];
  const move = (fd: number): number => (fd < 0 ? fd : first + here.push(fd) - 1);
  return { sockets: changeSockets(sockets, move), here };
}

/** The same sockets with each descriptor exchanged by `change`. */
export function changeSockets({ afpacket, datagrams }: LaneSockets, change: (fd: number) => number): LaneSockets {
  return {
    afpacket: {
      rings: afpacket.rings.map((ring) => ({ ...ring, fd: change(ring.fd) })),
      senders: afpacket.senders.map((sender) => ({ ...sender, fd: change(sender.fd) })),
    },
    datagrams: datagrams === null ? null : { ipv4: change(datagrams.ipv4), ipv6: change(datagrams.ipv6) },
  };
}
