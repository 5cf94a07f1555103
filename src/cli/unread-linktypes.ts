/**
 * The link types of a capture that firehook does not read, and how many packets were of them.
 *
 * Rule: a packet that hooks cannot see passes, and is warned of; the warnings are bounded, whatever the file describes.
 *
 * @module
 */

import { isKnownLinktype } from '../wire/link.ts';
import { linktypeName } from '../wire/linktype-names.ts';

/** Linktypes that are warned of by name; a file may have any number. */
const MOST_NAMED = 16;

/** The linktypes of the file that firehook does not read, and how many packets were of them. */
export class UnreadLinktypes {
  readonly #linktypes = new Set<number>();
  readonly #ports = new Set<number>();
  packets = 0;

  /** Looks at an interface, before the first packet of it is counted. */
  look(port: number, linktype: number): void {
    if (isKnownLinktype(linktype)) return;
    this.#ports.add(port);
    this.#linktypes.add(linktype);
  }

  count(port: number): void {
    if (this.#ports.has(port)) this.packets += 1;
  }

  get warnings(): string[] {
    const all = [...this.#linktypes].sort((a, b) => a - b);
    const more = all.length - MOST_NAMED;
    return [
      ...all
        .slice(0, MOST_NAMED)
        .map(
          (linktype) =>
            `link type ${linktype} (${linktypeName(linktype) ?? 'unknown'}) is not read: its packets pass unseen by hooks`,
        ),
      ...(more > 0 ? [`${more} more link types are not read: their packets pass unseen by hooks`] : []),
    ];
  }
}
