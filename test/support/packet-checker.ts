/**
 * Assertions on datagrams by composition; a failure shows the packet decoded and in hex.
 *
 * ```ts
 * checkIpv4(datagram, source('192.0.2.1'), ttl(63), udp(destinationPort(53), payload('?')))
 * ```
 * Rule: a check looks at one thing and says in words what it wanted; all of them run before the assertion fails.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { formatAddress } from '../../src/wire/address.ts';
import { checksum, pseudoHeaderSumIpv4, pseudoHeaderSumIpv6 } from '../../src/wire/checksum.ts';
import { IpLayout, parseIpLayout } from '../../src/wire/ip-layout.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import * as ipv6 from '../../src/wire/ipv6.ts';
import * as tcpCodec from '../../src/wire/tcp.ts';

/** A datagram that was parsed without fault. */
interface Parsed {
  readonly bytes: Buffer;
  readonly layout: IpLayout;
}

/** Says what is wrong with a packet; empty when nothing is. */
export type Check = (packet: Parsed) => string[];

/** Fails unless `bytes` is one well-formed IPv4 datagram with a right header checksum that passes all checks. */
export function checkIpv4(bytes: Buffer, ...checks: readonly Check[]): void {
  check(bytes, 4, [headerChecksum, ...checks]);
}

/** Fails unless `bytes` is one well-formed IPv6 datagram that passes all checks. */
export function checkIpv6(bytes: Buffer, ...checks: readonly Check[]): void {
  check(bytes, 6, checks);
}

/** The source address is `text`. */
export function source(text: string): Check {
  return wants('source', text, (packet) => addresses(packet).source);
}

/** The destination address is `text`. */
export function destination(text: string): Check {
  return wants('destination', text, (packet) => addresses(packet).destination);
}

/** The time to live, or hop limit, is `value`. */
export function ttl(value: number): Check {
  return wants('ttl', value, ({ bytes, layout }) =>
    layout.version === 4 ? ipv4.ttl(bytes, 0) : ipv6.hopLimit(bytes, 0),
  );
}

/** The transport protocol is `value`. */
export function protocol(value: number): Check {
  return wants('protocol', value, ({ layout }) => layout.protocol);
}

/** The datagram is a fragment with these fields. */
export function isFragment(fragmentOffset: number, moreFragments: boolean): Check {
  return (packet) => [
    ...wants('isFragment', true, ({ layout }) => layout.isFragment)(packet),
    ...wants('fragmentOffset', fragmentOffset, ({ layout }) => layout.fragmentOffset)(packet),
    ...wants('moreFragments', moreFragments, ({ layout }) => layout.moreFragments)(packet),
  ];
}

/** It is TCP, its checksum is right, and the checks pass. */
export function tcp(...checks: readonly Check[]): Check {
  return all([protocol(ipv4.PROTOCOL_TCP), transportChecksum, ...checks]);
}

/** It is UDP, its checksum is right or none, and the checks pass. */
export function udp(...checks: readonly Check[]): Check {
  return all([protocol(ipv4.PROTOCOL_UDP), transportChecksum, ...checks]);
}

/** It is ICMP of the datagram's version with this type and code, its checksum is right, and the checks pass. */
export function icmp(type: number, code: number, ...checks: readonly Check[]): Check {
  return (packet) =>
    all([
      protocol(packet.layout.version === 4 ? ipv4.PROTOCOL_ICMP : ipv6.NEXT_ICMPV6),
      transportChecksum,
      wants('type', type, ({ bytes, layout }) => bytes[layout.transportOffset]),
      wants('code', code, ({ bytes, layout }) => bytes[layout.transportOffset + 1]),
      ...checks,
    ])(packet);
}

/** The source port is `value`. */
export function sourcePort(value: number): Check {
  return wants('sourcePort', value, ({ bytes, layout }) => bytes.readUInt16BE(layout.transportOffset));
}

/** The destination port is `value`. */
export function destinationPort(value: number): Check {
  return wants('destinationPort', value, ({ bytes, layout }) => bytes.readUInt16BE(layout.transportOffset + 2));
}

/** The TCP flags octet is `value`. */
export function flags(value: number): Check {
  return wants('flags', value, ({ bytes, layout }) => tcpCodec.flags(bytes, layout.transportOffset));
}

/** What follows the transport header (TCP with its options, else 8 octets) is `octets`. */
export function payload(octets: string | Uint8Array): Check {
  return wants('payload', Buffer.from(octets).toString('hex'), ({ bytes, layout }) => {
    const isTcp = layout.protocol === ipv4.PROTOCOL_TCP;
    const headerLength = isTcp ? tcpCodec.headerLength(bytes, layout.transportOffset) : 8;
    return bytes.toString('hex', layout.transportOffset + headerLength, layout.length);
  });
}

function check(bytes: Buffer, version: 4 | 6, checks: readonly Check[]): void {
  const layout = new IpLayout();
  const isSound = parseIpLayout(bytes, 0, bytes.length, bytes.length, layout);
  if (!isSound) assert.fail(`not a well-formed IP datagram\n${hexDump(bytes)}`);
  const packet = { bytes, layout };
  const faults = all([wants('version', version, ({ layout }) => layout.version), ...checks])(packet);
  if (faults.length > 0) assert.fail(`${faults.join('\n')}\n${decode(packet)}\n${hexDump(bytes)}`);
}

function wants<Value>(name: string, expected: Value, read: (packet: Parsed) => Value): Check {
  return (packet) => {
    const actual = read(packet);
    return Object.is(actual, expected) ? [] : [`${name}: expected ${String(expected)}, got ${String(actual)}`];
  };
}

function all(checks: readonly Check[]): Check {
  return (packet) => checks.flatMap((check) => check(packet));
}

function headerChecksum({ bytes }: Parsed): string[] {
  return ipv4.verifyChecksum(bytes, 0) ? [] : ['header checksum: wrong'];
}

function transportChecksum({ bytes, layout }: Parsed): string[] {
  const { protocol, transportOffset, version } = layout;
  const length = layout.length - transportOffset;
  const isUdp = protocol === ipv4.PROTOCOL_UDP;
  if (version === 4 && isUdp && bytes.readUInt16BE(transportOffset + 6) === 0) return [];
  const pseudoSum = version === 4 ? pseudoHeaderSumIpv4 : pseudoHeaderSumIpv6;
  const seed = protocol === ipv4.PROTOCOL_ICMP ? 0 : pseudoSum(bytes, 0, protocol, length);
  return checksum(bytes, transportOffset, length, seed) === 0 ? [] : ['transport checksum: wrong'];
}

function addresses({ bytes, layout }: Parsed): { source: string; destination: string } {
  const [first, length] = layout.version === 4 ? [12, 4] : [8, 16];
  return {
    source: formatAddress(bytes.subarray(first, first + length)),
    destination: formatAddress(bytes.subarray(first + length, first + 2 * length)),
  };
}

function decode(packet: Parsed): string {
  const { source, destination } = addresses(packet);
  const fields = Object.entries(packet.layout).map(([name, value]) => `${name} ${String(value)}`);
  return `${source} > ${destination}\n${fields.join(', ')}`;
}

function hexDump(bytes: Buffer): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const hex = bytes.toString('hex', at, at + 16).replace(/(..)/g, '$1 ');
    lines.push(`${at.toString(16).padStart(4, '0')}  ${hex}`);
  }
  return lines.join('\n');
}
