/**
 * Builds the TCP segments that end a connection at both of its ends, out of one segment that is not to pass.
 *
 * ```
 *   the segment in hand:   A ──────────────> B        is dropped
 *   to A, as if from B:    RST, sequence = what A acknowledged           (RFC 9293 3.5.2; without ACK: 0, and an acknowledgement)
 *   to B, as if from A:    RST, sequence = that of the segment           (the next one that B expects, where nothing is missing)
 * ```
 * Rules: a reset answers no reset. B is told nothing of a SYN that it never saw. A receiver takes a reset whose number is exactly the next
 * one; about another one in its window it asks first (RFC 5961 3.2), and that question finds an end that knows of no connection.
 *
 * @module
 */

import { readU8, readU16, writeU16 } from '../wire/bytes.ts';
import { pseudoHeaderSumIpv4, pseudoHeaderSumIpv6 } from '../wire/checksum.ts';
import type { IpLayout } from '../wire/ip-layout.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as ipv6 from '../wire/ipv6.ts';
import * as tcp from '../wire/tcp.ts';

/** TTL and hop limit: as if it came from the end itself. */
const HOPS = 64;
const IPV4_FIRST = 0x4500;
const DONT_FRAGMENT = 0x4000;

/** Octets that a reset has at most. */
export const MAX_RESET: number = ipv6.HEADER_LENGTH + tcp.HEADER_LENGTH;

/** True for a segment whose connection can be reset: the fixed TCP header is there, and it is no reset itself. */
export function mayReset(bytes: Uint8Array, layout: IpLayout): boolean {
  const { protocol, fragmentOffset, transportOffset, length } = layout;
  if (protocol !== ipv4.PROTOCOL_TCP || fragmentOffset !== 0 || transportOffset + tcp.HEADER_LENGTH > length)
    return false;
  return (tcp.flags(bytes, transportOffset) & tcp.RST) === 0;
}

/**
 * Writes the reset for whoever sent the segment. Cost: O(1), no allocation.
 *
 * @param bytes - the segment as it came, at octet 0
 * @param target - from octet `at` on it has {@link MAX_RESET} octets
 * @returns octets written
 */
export function buildResetBack(bytes: Uint8Array, layout: IpLayout, target: Buffer, at: number): number {
  const from = layout.transportOffset;
  const flags = tcp.flags(bytes, from);
  const isAcknowledging = (flags & tcp.ACK) !== 0;
  const size = writeHead(bytes, layout, true, target, at);
  const transport = at + size - tcp.HEADER_LENGTH;
  const headerLength = tcp.headerLength(bytes, from);
  const payload = Math.max(0, layout.declaredLength - layout.transportOffset - headerLength);
  const next = (tcp.sequence(bytes, from) + payload + ((flags & tcp.SYN) >>> 1) + (flags & tcp.FIN)) >>> 0;
  tcp.setSequence(target, transport, isAcknowledging ? tcp.acknowledgement(bytes, from) : 0);
  tcp.setAcknowledgement(target, transport, isAcknowledging ? 0 : next);
  tcp.setFlags(target, transport, isAcknowledging ? tcp.RST : tcp.RST | tcp.ACK);
  fill(target, at, layout.version, size);
  return size;
}

/**
 * Writes the reset for whom the segment was to reach. Cost: O(1), no allocation.
 *
 * @param bytes - the segment as the hooks left it, at octet 0
 * @param target - from octet `at` on it has {@link MAX_RESET} octets
 * @returns octets written; 0 for a SYN, of which nobody need be told
 */
export function buildResetOn(bytes: Uint8Array, layout: IpLayout, target: Buffer, at: number): number {
  const from = layout.transportOffset;
  const flags = tcp.flags(bytes, from);
  if ((flags & (tcp.SYN | tcp.ACK)) === tcp.SYN) return 0;
  const size = writeHead(bytes, layout, false, target, at);
  const transport = at + size - tcp.HEADER_LENGTH;
  tcp.setSequence(target, transport, tcp.sequence(bytes, from));
  tcp.setAcknowledgement(target, transport, tcp.acknowledgement(bytes, from));
  tcp.setFlags(target, transport, tcp.RST | (flags & tcp.ACK));
  fill(target, at, layout.version, size);
  return size;
}

/** The IP header, and a TCP header with nothing but ports. @param isBack - addresses and ports change places */
function writeHead(bytes: Uint8Array, layout: IpLayout, isBack: boolean, target: Buffer, at: number): number {
  const isIpv4 = layout.version === 4;
  const header = isIpv4 ? ipv4.HEADER_LENGTH : ipv6.HEADER_LENGTH;
  const size = header + tcp.HEADER_LENGTH;
  target.fill(0, at, at + size);
  const source = isIpv4 ? ipv4.SOURCE_OFFSET : ipv6.SOURCE_OFFSET;
  const octets = isIpv4 ? 4 : 16;
  if (isIpv4) {
    writeU16(target, at, IPV4_FIRST);
    ipv4.setTotalLength(target, at, size);
    writeU16(target, at + 6, DONT_FRAGMENT);
    target[at + 8] = HOPS;
    target[at + 9] = ipv4.PROTOCOL_TCP;
  } else {
    target[at] = 0x60;
    ipv6.setPayloadLength(target, at, tcp.HEADER_LENGTH);
    target[at + 6] = ipv4.PROTOCOL_TCP;
    target[at + 7] = HOPS;
  }
  const from = isBack ? source + octets : source;
  const to = isBack ? source : source + octets;
  for (let octet = 0; octet < octets; octet++) {
    target[at + source + octet] = readU8(bytes, from + octet);
    target[at + source + octets + octet] = readU8(bytes, to + octet);
  }
  const ports = layout.transportOffset;
  writeU16(target, at + header, readU16(bytes, isBack ? ports + 2 : ports));
  writeU16(target, at + header + 2, readU16(bytes, isBack ? ports : ports + 2));
  tcp.setHeaderLength(target, at + header, tcp.HEADER_LENGTH);
  return size;
}

function fill(target: Buffer, at: number, version: number, size: number): void {
  const transport = at + size - tcp.HEADER_LENGTH;
  const sum =
    version === 4
      ? pseudoHeaderSumIpv4(target, at, ipv4.PROTOCOL_TCP, tcp.HEADER_LENGTH)
      : pseudoHeaderSumIpv6(target, at, ipv4.PROTOCOL_TCP, tcp.HEADER_LENGTH);
  tcp.fillChecksum(target, transport, tcp.HEADER_LENGTH, sum);
  if (version === 4) ipv4.fillChecksum(target, at);
}
