/**
 * Pool tags, as Windows writes and shows them.
 *
 * ```
 *   source 'fPCT' = ULONG 0x66504354 ─> in memory 54 43 50 66 ─> shown TCPf
 * ```
 * Floor 1. Rule: one number per tag, 1 to 0x7e7e7e7e; every octet is 0x20-0x7e, and a short tag is padded with zeros on
 * the side of the high octets.
 *
 * Source: the pages of ExAllocatePoolWithTag and of PoolMon's display.
 *
 * @module
 */

/** A tag as a caller gives it: the ULONG, or the 1 to 4 characters between the quotes of the C source. */
export type PoolTag = number | string;

/** Tag of packet descriptors: `'fPCT'`, shown `TCPf`. */
export const TAG_DESCRIPTOR = 0x66504354;
/** Tag of data buffers from `IPAllocBuff`: `'bPCT'`, shown `TCPb`. Firehook's own choice. */
export const TAG_DATA = 0x62504354;
/** Tag of the descriptor of a copy that `packet.keep` made: `'peeK'`, shown `Keep`. Firehook's own choice. */
export const TAG_KEPT = 0x7065654b;

const FIRST_CHARACTER = 0x20;
const LAST_CHARACTER = 0x7e;
const MAX_CHARACTERS = 4;

/**
 * Turns a tag into its number. Never throws, allocates nothing.
 *
 * @returns the ULONG; 0 for a bad tag
 */
export function parseTag(tag: PoolTag): number {
  if (typeof tag === 'number') return isTagNumber(tag) ? tag : 0;
  if (typeof tag !== 'string' || tag.length > MAX_CHARACTERS) return 0;
  let value = 0;
  for (let i = 0; i < tag.length; i++) {
    const octet = tag.charCodeAt(i);
    if (octet < FIRST_CHARACTER || octet > LAST_CHARACTER) return 0;
    value = (value << 8) | octet;
  }
  return value;
}

/** Shows a valid tag the way PoolMon does: the octets in memory order. */
export function formatTag(tag: number): string {
  let text = '';
  for (let rest = tag; rest !== 0; rest >>>= 8) text += String.fromCharCode(rest & 0xff);
  return text;
}

function isTagNumber(value: number): boolean {
  if (!Number.isInteger(value) || value <= 0 || value > 0x7e7e7e7e) return false;
  for (let rest = value; rest !== 0; rest >>>= 8) {
    const octet = rest & 0xff;
    if (octet < FIRST_CHARACTER || octet > LAST_CHARACTER) return false;
  }
  return true;
}
