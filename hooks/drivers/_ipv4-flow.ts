/**
 * Part of `nat-driver`: reads what a translation depends on out of an IPv4 datagram, and writes addresses and ports.
 *
 * Not a driver (leading underscore). Rule: checksums are updated for the words that change (RFC 1624), so a wrong one stays wrong.
 *
 * @module
 */

import { updateChecksum16, updateTransportChecksum16 } from 'firehook/ddk';

/** Protocol number of ICMP. */
export const PROTOCOL_ICMP = 1;
/** Protocol number of TCP. */
export const PROTOCOL_TCP = 6;
/** Protocol number of UDP. */
export const PROTOCOL_UDP = 17;

const ICMP_ECHO_REPLY = 0;
const ICMP_ECHO_REQUEST = 8;

/** What the translation of a packet depends on. Ports of ICMP echo: its identifier on the inside, 0 on the peer's side. */
export interface FLOW {
  HeaderLength: number;
  Protocol: number;
  Identification: number;
  IsFirstFragment: boolean;
  IsLaterFragment: boolean;
  /** False: nothing to find a session by. */
  HasPorts: boolean;
  Source: number;
  Destination: number;
  SourcePort: number;
  DestinationPort: number;
}

/** Reads what a translation needs. Null for what is no IPv4 datagram. */
export function ReadFlow(packet: Buffer, length: number): FLOW | null {
  if (length < 20) return null;
  const HeaderLength = (packet.readUInt8(0) & 0x0f) * 4;
  if (HeaderLength < 20 || HeaderLength > length) return null;
  const fragment = packet.readUInt16BE(6);
  const IsLaterFragment = (fragment & 0x1fff) !== 0;
  const flow: FLOW = {
    HeaderLength,
    Protocol: packet.readUInt8(9),
    Identification: packet.readUInt16BE(4),
    IsFirstFragment: !IsLaterFragment && (fragment & 0x2000) !== 0,
    IsLaterFragment,
    HasPorts: false,
    Source: packet.readUInt32BE(12),
    Destination: packet.readUInt32BE(16),
    SourcePort: 0,
    DestinationPort: 0,
  };
  // The checksum has to lie in the packet as well: that of TCP ends at octet 18.
  const needed = flow.Protocol === PROTOCOL_TCP ? 18 : 8;
  if (IsLaterFragment || length < HeaderLength + needed) return flow;
  if (flow.Protocol === PROTOCOL_ICMP) ReadEcho(packet, flow);
  else {
    flow.HasPorts = true;
    flow.SourcePort = packet.readUInt16BE(HeaderLength);
    flow.DestinationPort = packet.readUInt16BE(HeaderLength + 2);
  }
  return flow;
}

/** The identifier is the port of who asks: the source's in a request, the destination's in a reply. */
function ReadEcho(packet: Buffer, flow: FLOW): void {
  const type = packet.readUInt8(flow.HeaderLength);
  const identifier = packet.readUInt16BE(flow.HeaderLength + 4);
  flow.HasPorts = type === ICMP_ECHO_REQUEST || type === ICMP_ECHO_REPLY;
  if (type === ICMP_ECHO_REQUEST) flow.SourcePort = identifier;
  if (type === ICMP_ECHO_REPLY) flow.DestinationPort = identifier;
}

/** Octet of the source port, or of the identifier of an ICMP echo. */
export function SourcePortOffset(flow: FLOW): number {
  return flow.HeaderLength + (flow.Protocol === PROTOCOL_ICMP ? 4 : 0);
}

/** Octet of the destination port, or of the identifier of an ICMP echo. */
export function DestinationPortOffset(flow: FLOW): number {
  return flow.HeaderLength + (flow.Protocol === PROTOCOL_ICMP ? 4 : 2);
}

/** Writes a port, and updates the transport checksum where it is final. */
export function SetPort(packet: Buffer, flow: FLOW, offset: number, port: number, isFinal: boolean): void {
  const before = packet.readUInt16BE(offset);
  packet.writeUInt16BE(port, offset);
  if (isFinal) updateTransportChecksum16(packet, flow.HeaderLength, flow.Protocol, before, port);
}

/**
 * Writes the address at octet 12 or 16, and updates the checksums: that of the header, and that of the transport, unless it
 * is not final, ICMP's, which does not cover addresses, or of a later fragment, which has none.
 */
export function SetAddress(packet: Buffer, flow: FLOW, offset: number, address: number, isFinal: boolean): void {
  const hasTransport = isFinal && !flow.IsLaterFragment && flow.Protocol !== PROTOCOL_ICMP;
  for (const [at, word] of [
    [offset, address >>> 16],
    [offset + 2, address & 0xffff],
  ] as const) {
    const before = packet.readUInt16BE(at);
    packet.writeUInt16BE(word, at);
    packet.writeUInt16BE(updateChecksum16(packet.readUInt16BE(10), before, word), 10);
    if (hasTransport) updateTransportChecksum16(packet, flow.HeaderLength, flow.Protocol, before, word);
  }
}
