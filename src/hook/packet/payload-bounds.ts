/**
 * Where the payload of a packet starts and ends.
 *
 * Rule: both lie within the datagram, whatever its headers say, and the end is never before the start.
 *
 * @module
 */

import { readU8 } from '../../wire/bytes.ts';
import * as icmpv4 from '../../wire/icmpv4.ts';
import * as icmpv6 from '../../wire/icmpv6.ts';
import type { IpLayout } from '../../wire/ip-layout.ts';
import * as ipv4 from '../../wire/ipv4.ts';
import * as ipv6 from '../../wire/ipv6.ts';
import * as sctp from '../../wire/sctp.ts';
import * as tcp from '../../wire/tcp.ts';
import * as udp from '../../wire/udp.ts';

/** RFC 4340 5.1: the short form, and the octet that says in words of four how long the header is. */
const DCCP_HEADER_LENGTH = 12;
const DCCP_DATA_OFFSET = 4;

/** Octet of the first one behind the transport header. */
export function payloadStart(bytes: Uint8Array, layout: IpLayout): number {
  return Math.min(layout.length, layout.transportOffset + transportHeaderLength(bytes, layout));
}

/** Octet behind the last one: what a UDP length leaves out is no payload. */
export function payloadEnd(bytes: Uint8Array, layout: IpLayout): number {
  const { protocol, fragmentOffset, isFragment, length, transportOffset } = layout;
  if (protocol !== ipv4.PROTOCOL_UDP || fragmentOffset !== 0 || isFragment) return length;
  const start = transportOffset + udp.HEADER_LENGTH;
  if (start > length) return length;
  // 0 stands for the rest, in a super-frame.
  const declared = udp.length(bytes, transportOffset);
  return declared < udp.HEADER_LENGTH ? length : Math.min(length, transportOffset + declared);
}

/** Octets; may reach past the datagram when the capture cut it. */
function transportHeaderLength(bytes: Uint8Array, layout: IpLayout): number {
  const { fragmentOffset, length, protocol, transportOffset, version } = layout;
  if (fragmentOffset !== 0) return 0;
  switch (protocol) {
    case ipv4.PROTOCOL_TCP: {
      const isCut = transportOffset + tcp.HEADER_LENGTH > length;
      return isCut ? tcp.HEADER_LENGTH : tcp.headerLength(bytes, transportOffset);
    }
    case ipv4.PROTOCOL_UDP:
    case ipv4.PROTOCOL_UDPLITE:
      return udp.HEADER_LENGTH;
    case ipv4.PROTOCOL_DCCP: {
      const isCut = transportOffset + DCCP_DATA_OFFSET >= length;
      return isCut
        ? DCCP_HEADER_LENGTH
        : Math.max(DCCP_HEADER_LENGTH, 4 * readU8(bytes, transportOffset + DCCP_DATA_OFFSET));
    }
    case ipv4.PROTOCOL_SCTP:
      return sctp.HEADER_LENGTH;
    case ipv4.PROTOCOL_ICMP:
      return version === 4 ? icmpv4.HEADER_LENGTH : 0;
    case ipv6.NEXT_ICMPV6:
      return version === 6 ? icmpv6.HEADER_LENGTH : 0;
    default:
      return 0;
  }
}
