/**
 * What an attach of the configuration stands on, once its interfaces have been found.
 *
 * @module
 */

import type { Link } from '../link.ts';
import type { TakesAt } from '../ruleset.ts';

/** An attach of the config whose interfaces have been found. */
export type Attachment =
  | { readonly kind: 'bridge'; readonly links: readonly [Link, Link]; readonly takesAt: TakesAt }
  | { readonly kind: 'host'; readonly links: readonly [Link] }
  | { readonly kind: 'tap'; readonly links: readonly [Link] };
