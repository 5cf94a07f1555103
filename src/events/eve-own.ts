/**
 * What events of firehook's own say below their type, with the names that Suricata has for it.
 *
 * ```
 *   drop    len tos ttl ipid | len tc hoplimit flowlbl     tcpseq ... tcpurgp | udplen | icmp_id icmp_seq     reason
 *   flow    pkts_toserver ... start end age state reason alerted                tcp: syn fin rst ack state
 * ```
 * Floor 1. Rule: a name of Suricata has the meaning and the type that it has there; what only firehook knows stands below `firehook`.
 *
 * @see the Suricata user guide, "Eve JSON Format"; etc/schema.json of Suricata
 * @module
 */

import { readU16, readU32 } from '../wire/bytes.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as tcp from '../wire/tcp.ts';
import type { DropRecord, FlowEndRecord, FlowNumber } from './own-event.ts';

/** Text, numbers and truths by name. */
export type EveValues = Readonly<Record<string, string | number | boolean>>;

/** What the transport header of a packet says of its ends. */
export interface PacketPorts {
  readonly src_port?: number;
  readonly dest_port?: number;
  readonly icmp_type?: number;
  readonly icmp_code?: number;
}

const ICMPV6 = 58;
const SCTP = 132;
const UDPLITE = 136;
const DCCP = 33;
const WITH_PORTS: readonly number[] = [6, 17, SCTP, UDPLITE, DCCP];
const UDP_HEADER = 8;
const ECHO = 8;
/** Types of ICMP with an identifier and a sequence number: echo, and its replies. */
const ECHOES: Readonly<Record<number, readonly number[]>> = { 1: [8, 0], [ICMPV6]: [128, 129] };
const MAC_OCTETS = 6;

/** Numbers that flows of several lanes do not share: 6 bits of the lane, 22 of the index, 24 of the generation. */
export function flowId(lane: number, { index, generation }: FlowNumber): number {
  return (lane * 2 ** 22 + index) * 2 ** 24 + (generation & 0xff_ffff);
}

/** Ports, or type and code. */
export function portsOf({ start, protocol, transport, octets }: DropRecord): PacketPorts {
  if (start !== 'ip' || transport < 0 || transport + 4 > octets.length) return {};
  if (WITH_PORTS.includes(protocol))
    return { src_port: readU16(octets, transport), dest_port: readU16(octets, transport + 2) };
  if (protocol !== ipv4.PROTOCOL_ICMP && protocol !== ICMPV6) return {};
  return { icmp_type: octets[transport] as number, icmp_code: octets[transport + 1] as number };
}

/** The object `drop`. */
export function dropValues(drop: DropRecord): EveValues {
  return { ...headerValues(drop), ...transportValues(drop), reason: drop.reason };
}

/** The object `ether` of a frame of Ethernet without a readable datagram; null of others. */
export function etherValues({ start, octets }: DropRecord): EveValues | null {
  if (start !== 'ethernet' || octets.length < 2 * MAC_OCTETS) return null;
  return { dest_mac: macAt(octets, 0), src_mac: macAt(octets, MAC_OCTETS) };
}

function headerValues({ start, version, length, octets }: DropRecord): EveValues {
  if (start !== 'ip') return { len: length };
  if (version === 4)
    return {
      len: ipv4.totalLength(octets, 0),
      tos: ipv4.tos(octets, 0),
      ttl: ipv4.ttl(octets, 0),
      ipid: ipv4.identification(octets, 0),
    };
  const first = readU32(octets, 0);
  return {
    // Of IPv6 it is the payload length there, too.
    len: readU16(octets, 4),
    tc: (first >>> 20) & 0xff,
    hoplimit: octets[7] as number,
    flowlbl: first & 0xf_ffff,
  };
}

function transportValues({ start, protocol, transport, octets }: DropRecord): EveValues {
  if (start !== 'ip' || transport < 0) return {};
  const has = (count: number): boolean => transport + count <= octets.length;
  if (protocol === ipv4.PROTOCOL_TCP && has(tcp.HEADER_LENGTH)) return tcpValues(octets, transport);
  if (protocol === ipv4.PROTOCOL_UDP && has(UDP_HEADER)) return { udplen: readU16(octets, transport + 4) };
  if (ECHOES[protocol]?.includes(octets[transport] ?? -1) === true && has(ECHO))
    return { icmp_id: readU16(octets, transport + 4), icmp_seq: readU16(octets, transport + 6) };
  return {};
}

function tcpValues(octets: Uint8Array, at: number): EveValues {
  const flags = tcp.flags(octets, at);
  const has = (flag: number): boolean => (flags & flag) !== 0;
  return {
    tcpseq: tcp.sequence(octets, at),
    tcpack: tcp.acknowledgement(octets, at),
    tcpwin: tcp.window(octets, at),
    syn: has(tcp.SYN),
    ack: has(tcp.ACK),
    psh: has(tcp.PSH),
    rst: has(tcp.RST),
    urg: has(tcp.URG),
    fin: has(tcp.FIN),
    tcpres: (octets[at + 12] as number) & 0x0f,
    tcpurgp: tcp.urgentPointer(octets, at),
  };
}

function macAt(octets: Uint8Array, at: number): string {
  return Buffer.from(octets.subarray(at, at + MAC_OCTETS))
    .toString('hex')
    .replace(/(..)(?!$)/g, '$1:');
}

/** By `FlowState`; Suricata knows no state between. */
const STATES = ['new', 'established', 'established', 'closed'] as const;
/** The same for TCP, where Suricata tells more; a flow that closes has seen a FIN. */
const TCP_STATES = ['syn_sent', 'established', 'fin_wait1', 'closed'] as const;
/** By `EndReason`: a closed flow stays for a while, and ends by its timeout there, too. */
const END_REASONS = ['timeout', 'timeout', 'tcp_reuse', 'forced', 'forced'] as const;
const MS = 1000;

/** The object `flow`. */
export function flowValues(flow: FlowEndRecord): EveValues {
  return {
    pkts_toserver: flow.packets[0],
    pkts_toclient: flow.packets[1],
    bytes_toserver: flow.octets[0],
    bytes_toclient: flow.octets[1],
    start: timestamp(Math.floor(flow.firstMs / MS), (flow.firstMs % MS) * 1e6),
    end: timestamp(Math.floor(flow.lastMs / MS), (flow.lastMs % MS) * 1e6),
    age: Math.max(0, Math.floor((flow.lastMs - flow.firstMs) / MS)),
    state: STATES[flow.state] as string,
    reason: END_REASONS[flow.reason] as string,
    alerted: false,
  };
}

/** The object `tcp` beside it. PSH and URG are not remembered. */
export function tcpFlowValues({ flags: [there, back, either], state }: FlowEndRecord): EveValues {
  const all = there | back | either;
  const named = { syn: tcp.SYN, fin: tcp.FIN, rst: tcp.RST, ack: tcp.ACK };
  return {
    tcp_flags: hex(all),
    tcp_flags_ts: hex(there),
    tcp_flags_tc: hex(back),
    // There, too, a flag that was not seen is left out.
    ...Object.fromEntries(Object.entries(named).flatMap(([name, flag]) => ((all & flag) === 0 ? [] : [[name, true]]))),
    state: TCP_STATES[state] as string,
  };
}

function hex(flags: number): string {
  return flags.toString(16).padStart(2, '0');
}

/** UTC, in microseconds. @param nanoseconds - into the second */
export function timestamp(seconds: number, nanoseconds: number): string {
  const whole = new Date(seconds * MS).toISOString().slice(0, -'.000Z'.length);
  return `${whole}.${String(Math.floor(nanoseconds / 1000)).padStart(6, '0')}+0000`;
}
