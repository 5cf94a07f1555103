/**
 * Cuts an IPv4 datagram into fragments that fit the way out (RFC 791 3.2, "Fragmentation and Reassembly").
 *
 * Rule: the datagram is read in place and each fragment is written after a link header of its own into one target
 * buffer, one at a time; nothing is allocated.
 *
 * @module
 */

import { fold, sum } from '../wire/checksum.ts';

const FLAG_MORE = 0x2000;
const FLAG_DONT = 0x4000;
const OFFSET_MASK = 0x1fff;
/** Options with this bit go into every fragment, the others only into the first. */
const OPTION_COPIED = 0x80;

/** True when the IPv4 header at octet 0 forbids fragments. */
export function forbidsFragments(datagram: Uint8Array): boolean {
  return (readU16(datagram, 6) & FLAG_DONT) !== 0;
}

/**
 * Octets of payload that each fragment but the last carries; 0 when the MTU leaves no room.
 *
 * @param headerLength - of the IPv4 header, in octets
 * @param mtu - octets of IP datagram that fit
 */
export function fragmentPayload(headerLength: number, mtu: number): number {
  return Math.max(0, (mtu - headerLength) & ~7);
}

/**
 * Writes the fragment that carries the payload octets from `from` on to `target` at octet `at`.
 *
 * @param datagram - IPv4 datagram at octet 0
 * @param headerLength - of its header
 * @param length - of the whole datagram
 * @param from - offset in its payload, a multiple of 8
 * @param size - most payload octets to carry, a multiple of 8
 * @returns octets written
 */
export function writeFragment(
  datagram: Uint8Array,
  headerLength: number,
  length: number,
  from: number,
  size: number,
  target: Buffer,
  at: number,
): number {
  const payloadLength = length - headerLength;
  const carried = Math.min(size, payloadLength - from);
  const newHeader =
    from === 0 ? copyHeader(datagram, headerLength, target, at) : copyLater(datagram, headerLength, target, at);
  const field = readU16(datagram, 6);
  const isLast = from + carried >= payloadLength && (field & FLAG_MORE) === 0;
  target.writeUInt16BE(newHeader + carried, at + 2);
  target.writeUInt16BE((isLast ? 0 : FLAG_MORE) | (((field & OFFSET_MASK) + (from >>> 3)) & OFFSET_MASK), at + 6);
  target.set(datagram.subarray(headerLength + from, headerLength + from + carried), at + newHeader);
  target.writeUInt16BE(0, at + 10);
  target.writeUInt16BE(fold(sum(target, at, newHeader, 0)) ^ 0xffff, at + 10);
  return newHeader + carried;
}

function copyHeader(datagram: Uint8Array, headerLength: number, target: Buffer, at: number): number {
  target.set(datagram.subarray(0, headerLength), at);
  return headerLength;
}

/** The header of a later fragment: the fixed part and the options whose copied bit is set, padded to 4 octets. */
function copyLater(datagram: Uint8Array, headerLength: number, target: Buffer, at: number): number {
  target.set(datagram.subarray(0, 20), at);
  let end = 20;
  let option = 20;
  while (option < headerLength) {
    const kind = datagram[option] ?? 0;
    if (kind === 0) break;
    const size = kind === 1 ? 1 : (datagram[option + 1] ?? 0);
    if (size < 1 || (kind !== 1 && size < 2) || option + size > headerLength) break;
    if ((kind & OPTION_COPIED) !== 0) {
      target.set(datagram.subarray(option, option + size), at + end);
      end += size;
    }
    option += size;
  }
  while ((end & 3) !== 0) target[at + end++] = 0;
  target[at] = 0x40 | (end >>> 2);
  return end;
}

function readU16(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);
}
