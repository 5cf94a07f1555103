/**
 * How a check of this kit fails: with an AssertionError of Node.js, which every test runner knows, and text that says what was there.
 *
 * @module
 */

import { AssertionError } from 'node:assert';
import { readPacket } from './read-packet.ts';

const OCTETS_A_LINE = 16;
const TCP_FLAGS = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG', 'ECE', 'CWR'];

/** Throws an AssertionError. `at` is the function whose callers the stack starts with. */
export function failWith(message: string, at: (...parameters: never[]) => unknown): never {
  throw new AssertionError({ message, stackStartFn: at });
}

/** A datagram in one line and its octets in hexadecimal, for messages: `192.0.2.1:49152 > 198.51.100.2:53 UDP, 36 octets, ttl 64`. */
export function showPacket(datagram: Uint8Array): string {
  return `${headOf(datagram)}\n${hexDump(datagram)}`;
}

function headOf(datagram: Uint8Array): string {
  const packet = readPacket(datagram);
  if (packet === null) return `no well-formed datagram, ${datagram.length} octets`;
  const { version, source, destination, sourcePort, destinationPort, fragment, tcp, icmp } = packet;
  const end = (address: string, port: number): string => {
    if (port === -1) return address;
    return version === 6 ? `[${address}]:${port}` : `${address}:${port}`;
  };
  const parts = [
    `${end(source, sourcePort)} > ${end(destination, destinationPort)} ${protocolName(packet.protocol)}`,
    tcp === null ? '' : TCP_FLAGS.filter((_, bit) => ((tcp.flags >>> bit) & 1) === 1).join('+'),
    icmp === null ? '' : `type ${icmp.type} code ${icmp.code}`,
    fragment === null ? '' : `fragment at ${fragment.offset}${fragment.more ? ', more follow' : ', the last'}`,
    `${packet.length} octets`,
    `ttl ${packet.ip.ttl}`,
    packet.checksumsRight ? '' : 'a checksum is wrong',
  ];
  return parts.filter((part) => part !== '').join(', ');
}

function protocolName(protocol: number): string {
  const names: Readonly<Record<number, string>> = { 1: 'ICMP', 6: 'TCP', 17: 'UDP', 58: 'ICMPv6', 132: 'SCTP' };
  return names[protocol] ?? `protocol ${protocol}`;
}

function hexDump(octets: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < octets.length; at += OCTETS_A_LINE) {
    const hex = Buffer.from(octets.subarray(at, at + OCTETS_A_LINE)).toString('hex');
    lines.push(`${at.toString(16).padStart(4, '0')}  ${hex.replace(/(..)(?!$)/g, '$1 ')}`);
  }
  return lines.join('\n');
}
