/**
 * What an attachment needs of a lane: its ways, and the driver ports they begin and end at. One file a kind has the ways.
 *
 * @module
 */

import type { LivePortOptions } from '../../drivers/live-port.ts';
import type { Way } from '../../lane/way.ts';
import type { Link } from '../link.ts';
import type { Attachment } from './attachment.ts';
import { layOutBridge } from './bridge.ts';
import { ETHERNET_HEADER } from './detours.ts';
import { layOutHost } from './host.ts';
import { layOutTap } from './tap.ts';

/** What an attach needs of a lane. */
export interface LaidOut {
  readonly ways: readonly Way[];
  readonly ports: readonly LivePortOptions[];
}

/**
 * The ways through an attachment and the driver ports they need, numbered from `firstPort` on.
 *
 * @param links - as they are now, with the detours
 */
export function layOut(attachment: Attachment, firstPort: number, links: ReadonlyMap<string, Link>): LaidOut {
  switch (attachment.kind) {
    case 'bridge':
      return layOutBridge(attachment, firstPort, links);
    case 'host':
      return layOutHost(attachment, firstPort, links);
    case 'tap':
      return layOutTap(attachment.links[0], firstPort);
    default:
      return attachment satisfies never;
  }
}

/** A port that only sends, for what hooks make; without a device where there is none of that name, or its frames are not Ethernet's. */
export function layOutOutlet(name: string, id: number, links: ReadonlyMap<string, Link>): LivePortOptions {
  const link = links.get(name);
  const isThere = link !== undefined && link.type === 'ether';
  return {
    id,
    capture: null,
    direction: 'any',
    send: isThere ? { name, ifindex: link.ifindex } : null,
    maxFrameLength: isThere ? link.mtu + ETHERNET_HEADER : 0,
    captureLength: 0,
  };
}
