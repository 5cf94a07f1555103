/**
 * What an attach of the configuration stands on, once its interfaces have been found.
 *
 * @module
 */

import type { Link } from '../link.ts';

/** Where a lane captures what is stolen: at the end of a detour, or at the port itself (bridge only), where it needs the fence. */
export type TakesAt = 'detour' | 'port';

/** An attach of the config whose interfaces have been found. */
export type Attachment =
  | { readonly kind: 'bridge'; readonly links: readonly [Link, Link]; readonly takesAt: TakesAt }
  | { readonly kind: 'host'; readonly links: readonly [Link] }
  | { readonly kind: 'tap'; readonly links: readonly [Link] };
