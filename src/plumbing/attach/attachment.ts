/**
 * What an attach of the configuration stands on, once its interfaces have been found.
 *
 * @module
 */

import type { Link } from '../link.ts';

/** Where a lane captures what is stolen: at the end of a detour, or at the port itself (bridge only), where it needs the fence. */
export type TakesAt = 'detour' | 'port';

/**
 * How the lane's frames are told from everybody else's at a detour: by the marks that the driver's own sockets look for and
 * set (`afpacket`), or by the group that opened the sockets (`pcap`: the npm package can do nothing with marks).
 */
export type KnownBy = 'mark' | 'group';

/** An attach of the config whose interfaces have been found. */
export type Attachment =
  | {
      readonly kind: 'bridge';
      readonly links: readonly [Link, Link];
      readonly takesAt: TakesAt;
      readonly isEnforced?: boolean;
    }
  | {
      readonly kind: 'host';
      readonly links: readonly [Link];
      readonly knownBy: KnownBy;
      /** Of the frames that the lane delivers to the host. */
      readonly deliveredMark: number;
    }
  | { readonly kind: 'tap'; readonly links: readonly [Link] };
