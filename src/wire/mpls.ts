/**
 * MPLS label stacks (RFC 3032, EtherTypes 0x8847 and 0x8848).
 *
 *  octet  0                                                        4
 *         | label 20 | traffic class 3 | bottom 1 | time to live 8 | more entries, the last with bottom 1 | payload
 *
 * Floor 0. Reads in place and never allocates. Nothing says what the payload is: as routers do, the first four bits decide,
 * 4 or 6 for IP (RFC 4928). What is no IP there, a pseudowire for example, is unreadable.
 *
 * @module
 */

import { readU8 } from './bytes.ts';
import { tooShort, unreadable } from './frame-kind.ts';

/** EtherType of MPLS. */
export const ETHERTYPE_MPLS = 0x8847;
/** EtherType of MPLS with a label that the receiver gave out (RFC 5332); once multicast. */
export const ETHERTYPE_MPLS_UPSTREAM = 0x8848;
/** Length of a label stack entry, in octets. */
export const ENTRY_LENGTH = 4;
/** Most entries that are followed; a longer stack is unreadable. */
export const MAX_ENTRIES = 16;

/** True for the EtherTypes that announce a label stack. */
export function isMplsType(type: number): boolean {
  return type === ETHERTYPE_MPLS || type === ETHERTYPE_MPLS_UPSTREAM;
}

/**
 * Says what kind of frame it is.
 *
 * @param first - octet of the first entry
 * @param etherType - the one that announced it
 * @param length - octets of the frame that are there
 * @param originalLength - octets of the frame that were on the wire
 */
export function classifyLabels(
  frame: Uint8Array,
  first: number,
  etherType: number,
  length: number,
  originalLength: number,
): number {
  let at = first;
  for (let count = 0; count < MAX_ENTRIES; count++) {
    if (at + ENTRY_LENGTH > length) return tooShort(at + ENTRY_LENGTH, originalLength);
    const isBottom = (readU8(frame, at + 2) & 1) === 1;
    at += ENTRY_LENGTH;
    if (!isBottom) continue;
    if (at >= length) return tooShort(at + 1, originalLength);
    const version = readU8(frame, at) >>> 4;
    return version === 4 || version === 6 ? at : unreadable(etherType);
  }
  return unreadable(etherType);
}
