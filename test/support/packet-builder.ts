/**
 * The builders of `firehook/testing` for the project's own tests, by the names that the codecs of `src/wire/` give their fields.
 *
 * ```ts
 * ethernet({ tags: [{ id: 7 }] }, ipv4({ source: '192.0.2.1' }, udp({ destinationPort: 53 }, Buffer.from('?'))))
 * ```
 * Rule: nothing is built here; names are translated, and octets are `Buffer`.
 *
 * @module
 */

import { ethernet as buildEthernet, type EthernetOptions } from '../../src/testing/frames.ts';
import {
  extension as buildExtension,
  icmpv4 as buildIcmpv4,
  icmpv6 as buildIcmpv6,
  ipv4 as buildIpv4,
  ipv6 as buildIpv6,
  tcp as buildTcp,
  udp as buildUdp,
  type Content,
  type Extension,
  fragmentHeader,
  type IcmpOptions,
  type TcpOptions as TcpFields,
  type Transport,
  transport,
  type UdpOptions,
} from '../../src/testing/packets.ts';
import type * as ipv4Codec from '../../src/wire/ipv4.ts';
import type * as ipv6Codec from '../../src/wire/ipv6.ts';

export type { EthernetOptions, Extension, IcmpOptions, Transport, UdpOptions };

/** Fields of a TCP header; `checksum` replaces the right one. */
export interface TcpOptions extends Omit<TcpFields, 'seq' | 'ack'> {
  readonly sequence?: number;
  readonly acknowledgement?: number;
}

/** Fields of an IPv4 header, addresses as text; `totalLength`, `protocol` and `checksum` replace the right ones. */
export interface Ipv4Options extends Partial<Omit<ipv4Codec.Ipv4Fields, 'source' | 'destination'>> {
  readonly source?: string;
  readonly destination?: string;
  readonly checksum?: number;
}

/** Fields of an IPv6 header, addresses as text; `payloadLength` and `nextHeader` replace the right ones. */
export interface Ipv6Options extends Partial<Omit<ipv6Codec.Ipv6Fields, 'source' | 'destination'>> {
  readonly source?: string;
  readonly destination?: string;
  readonly extensions?: readonly Extension[];
}

/** A TCP segment. */
export function tcp({ sequence = 1, acknowledgement = 0, ...fields }: TcpOptions = {}, payload?: Content): Transport {
  return buildTcp({ ...fields, seq: sequence, ack: acknowledgement }, payload);
}

/** A UDP datagram. */
export function udp(options?: UdpOptions, payload?: Content): Transport {
  return buildUdp(options, payload);
}

/** An ICMP message for IPv4; an echo request unless told otherwise. */
export function icmpv4(options?: IcmpOptions, payload?: Content): Transport {
  return buildIcmpv4(options, payload);
}

/** An ICMPv6 message; an echo request unless told otherwise. */
export function icmpv6(options?: IcmpOptions, payload?: Content): Transport {
  return buildIcmpv6(options, payload);
}

/** Octets as they are: an unknown protocol, a later fragment, a malformed header. */
export function octets(protocol: number, payload: Uint8Array): Transport {
  return transport(protocol, payload);
}

/** An IPv4 datagram. */
export function ipv4({ tos = 0, identification = 0, ...fields }: Ipv4Options, content: Transport): Buffer {
  return asBuffer(buildIpv4({ ...fields, dscp: tos >>> 2, ecn: tos & 3, id: identification }, content));
}

/** An IPv6 datagram. */
export function ipv6({ trafficClass = 0, hopLimit = 64, ...fields }: Ipv6Options, content: Transport): Buffer {
  return asBuffer(buildIpv6({ ...fields, dscp: trafficClass >>> 2, ecn: trafficClass & 3, ttl: hopLimit }, content));
}

/** An extension header of `length` octets (a multiple of 8; authentication header: of 4), zero but for its length. */
export function extension(type: number, length?: number): Extension {
  return buildExtension(type, length);
}

/** An IPv6 fragment header. */
export function fragment(fragmentOffset: number, moreFragments: boolean, identification?: number): Extension {
  return fragmentHeader(fragmentOffset, moreFragments, identification);
}

/** An Ethernet frame around a datagram. */
export function ethernet(options: EthernetOptions, datagram: Uint8Array): Buffer {
  return asBuffer(buildEthernet(options, datagram));
}

/** The public type hides that it is one. */
function asBuffer(made: Uint8Array): Buffer {
  return made as Buffer;
}
