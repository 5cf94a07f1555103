/**
 * Cuts a datagram into fragments, as its sender or a router on the way does it.
 *
 * ```
 *   IPv4   header, payload                    ─>  header with offset 0, part | header with offset n, part | ...
 *   IPv6   header, per-path headers, payload  ─>  header, per-path headers, fragment header, part | ...
 * ```
 * @see RFC 791 3.2, RFC 8200 section 4.5
 * @module
 */

import { fragmentPayload, writeFragment } from '../lane/fragment.ts';
import { IpLayout, parseIpLayout } from '../wire/ip-layout.ts';
import * as ipv6 from '../wire/ipv6.ts';
import type { OctetBuffer } from '../wire/octet-buffer.ts';
import { fragmentHeader } from './packets.ts';

/**
 * The fragments of a datagram, in order; each has `mtu` octets at most. One that fits stays whole.
 *
 * @param mtu - longest fragment, IP header included
 * @param id - of the fragment header of IPv6; IPv4 has its own
 * @throws TypeError for what is no whole datagram; RangeError when the MTU leaves no room for eight octets of payload
 */
export function fragments(datagram: Uint8Array, mtu: number, id = 1): OctetBuffer[] {
  const bytes = Buffer.from(datagram);
  const layout = new IpLayout();
  if (!parseIpLayout(bytes, 0, bytes.length, bytes.length, layout)) throw new TypeError('not a well-formed datagram');
  if (layout.isFragment) throw new TypeError('a fragment already');
  if (layout.length <= mtu) return [bytes.subarray(0, layout.length)];
  return layout.version === 4 ? ofIpv4(bytes, layout, mtu) : ofIpv6(bytes, layout, mtu, id);
}

function ofIpv4(bytes: Buffer, { headerLength, length }: IpLayout, mtu: number): OctetBuffer[] {
  const size = roomFor(headerLength, mtu);
  const made: OctetBuffer[] = [];
  for (let from = 0; from < length - headerLength; from += size) {
    const fragment = Buffer.alloc(mtu);
    made.push(fragment.subarray(0, writeFragment(bytes, headerLength, length, from, size, fragment, 0)));
  }
  return made;
}

function ofIpv6(bytes: Buffer, { length }: IpLayout, mtu: number, id: number): OctetBuffer[] {
  const { end, nextAt } = perPathPart(bytes, length);
  const size = roomFor(end + ipv6.MIN_EXTENSION_LENGTH, mtu);
  const made: OctetBuffer[] = [];
  for (let from = end; from < length; from += size) {
    const part = bytes.subarray(from, Math.min(from + size, length));
    const header = Buffer.from(fragmentHeader(from - end, from + size < length, id).octets);
    header[0] = bytes[nextAt] as number;
    const fragment = Buffer.concat([bytes.subarray(0, end), header, part]);
    fragment[nextAt] = ipv6.NEXT_FRAGMENT;
    ipv6.setPayloadLength(fragment, 0, fragment.length - ipv6.HEADER_LENGTH);
    made.push(fragment);
  }
  return made;
}

/**
 * What every fragment carries: the fixed header, hop-by-hop options and everything up to a routing header.
 *
 * @returns where it ends, and where the type of what follows it stands
 */
function perPathPart(bytes: Buffer, length: number): { end: number; nextAt: number } {
  let part = { end: ipv6.HEADER_LENGTH, nextAt: 6 };
  let type = ipv6.nextHeader(bytes, 0);
  for (let at = part.end; at < length && ipv6.isExtensionHeader(type); ) {
    const next = at + ipv6.extensionLength(bytes, at, type);
    if (type === ipv6.NEXT_HOP_BY_HOP || type === ipv6.NEXT_ROUTING) part = { end: next, nextAt: at };
    type = bytes[at] as number;
    at = next;
  }
  return part;
}

function roomFor(headers: number, mtu: number): number {
  const size = fragmentPayload(headers, mtu);
  if (size > 0) return size;
  throw new RangeError(`an MTU of ${mtu} leaves no room behind ${headers} octets of headers`);
}
