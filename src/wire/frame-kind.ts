/**
 * The five kinds of frame, as one number.
 *
 * ```
 *   0 and more   IP: the octet where the IP header starts
 *   -1           not IP: a protocol that is known to carry none (ether-types.ts)
 *   -2           malformed: contradicts itself, or ends within its own header
 *   -3           cut: the capture kept too little of it to say; only in files, where the rest was on the wire
 *   -4 and less  unreadable: IP may be inside of something that is not taken apart; -4 - EtherType
 * ```
 * Floor 0. A number, because it is made for every packet and nothing may be allocated for one.
 *
 * @module
 */

/** The frame carries a protocol that is known to carry no IP. */
export const NOT_IP = -1;
/** The frame contradicts itself, or ends within its own header. */
export const MALFORMED = -2;
/** The capture ends within the headers of the frame, and nothing of what it kept is wrong. */
export const CUT = -3;
/** Stands for the EtherType of a frame that has none: IEEE 802.2 LLC, a protocol family, an unknown linktype. */
export const NO_ETHERTYPE = 0;

const FIRST_UNREADABLE = -4;

/** The kind of a frame in which IP may be, and is not found by firehook. */
export function unreadable(etherType: number): number {
  return FIRST_UNREADABLE - etherType;
}

/** The EtherType of what cannot be read, from the kind of a frame; -1 for the other kinds. */
export function unreadableType(kind: number): number {
  return kind <= FIRST_UNREADABLE ? FIRST_UNREADABLE - kind : -1;
}

/**
 * The kind of a frame of which less was captured than it takes to read its headers.
 *
 * @param needed - octets that the headers take
 * @param originalLength - octets of the frame that were on the wire
 */
export function tooShort(needed: number, originalLength: number): number {
  return needed <= originalLength ? CUT : MALFORMED;
}
