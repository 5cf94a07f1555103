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
