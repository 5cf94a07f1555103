/**
 * Frames of tunnels, and what is in them.
 *
 * ```
 *   tunnel('vxlan', { outer: 4, inner: 6, tags: [] }, datagram) ─> Ethernet | outer IP | UDP | VXLAN | Ethernet | datagram
 * ```
 * Rule: made by the builders of plain datagrams; checksums are added up anew, by nothing of the code under test.
 *
 * @see RFC 2784, RFC 2890, RFC 2003, RFC 7348, RFC 8926
 * @module
 */

import assert from 'node:assert/strict';
import type { VlanTag } from '../../src/wire/ethernet.ts';
import { ethernet, ipv4, ipv6, octets, type Transport, udp } from './packet-builder.ts';
import { type Check, checkIpv4, checkIpv6, destinationPort, udp as isUdp, protocol } from './packet-checker.ts';

/** Every kind that is built here. */
export const CARRIERS = ['vxlan', 'vxlan summed', 'geneve', 'gre', 'gre summed', 'gretap', 'ip'] as const;
/** Name of a kind. */
export type Carrier = (typeof CARRIERS)[number];

/** How a tunnel is addressed. */
export interface TunnelSpec {
  readonly outer: 4 | 6;
  /** @defaultValue none */
  readonly tags?: readonly VlanTag[];
  /** Identification of the outer IPv4 header. @defaultValue 0 */
  readonly identification?: number;
}

const UDP = 17;
const GRE = 47;
const ETHER_BRIDGED = 0x6558;

/** A frame with `datagram` in a tunnel. */
export function tunnel(
  carrier: Carrier,
  { outer, tags = [], identification = 0 }: TunnelSpec,
  datagram: Buffer,
): Buffer {
  const carried = carry(carrier, datagram);
  return ethernet({ tags }, outer === 4 ? ipv4({ identification }, carried) : ipv6({}, carried));
}

/** Fails unless `outer`, an IP datagram, is right to its last octet; returns the IP datagram in it. */
export function unwrap(carrier: Carrier, outer: Buffer): Buffer {
  const checks: Check[] = [];
  if (carrier === 'vxlan summed') checks.push(isUdp(destinationPort(4789)));
  if (carrier === 'vxlan') checks.push(protocol(UDP), destinationPort(4789));
  if (carrier === 'geneve') checks.push(protocol(UDP), destinationPort(6081));
  if (carrier.startsWith('gre')) checks.push(protocol(GRE));
  const isIpv4 = (outer[0] ?? 0) >>> 4 === 4;
  if (isIpv4) checkIpv4(outer, ...checks);
  else checkIpv6(outer, ...checks);
  const inside = outer.subarray(isIpv4 ? 20 : 40);
  if (carrier === 'vxlan summed') assert.notEqual(inside.readUInt16BE(6), 0);
  // None, over IPv6 as well (RFC 6935).
  if (carrier === 'vxlan' || carrier === 'geneve') assert.equal(inside.readUInt16BE(6), 0);
  if (carrier === 'gre summed') assert.equal(onesComplementSum(inside), 0xffff);
  return inside.subarray(headerLength(carrier));
}

/** Octets between the outer IP header and the inner one. */
function headerLength(carrier: Carrier): number {
  switch (carrier) {
    case 'vxlan':
    case 'vxlan summed':
      return 8 + 8 + 14;
    case 'geneve':
      return 8 + 12 + 14;
    case 'gre':
      return 4;
    case 'gre summed':
      return 12;
    case 'gretap':
      return 8 + 14;
    case 'ip':
      return 0;
  }
}

function carry(carrier: Carrier, datagram: Buffer): Transport {
  const version = (datagram[0] ?? 0) >>> 4;
  const etherType = version === 4 ? 0x0800 : 0x86dd;
  switch (carrier) {
    case 'vxlan':
    case 'vxlan summed': {
      const vxlan = Buffer.from('0800000000000700', 'hex');
      const none = carrier === 'vxlan' ? { checksum: 0 } : {};
      return udp({ destinationPort: 4789, ...none }, Buffer.concat([vxlan, ethernet({}, datagram)]));
    }
    case 'geneve': {
      // One option of four octets.
      const geneve = Buffer.from('010065580000070000000000', 'hex');
      return udp({ destinationPort: 6081, checksum: 0 }, Buffer.concat([geneve, ethernet({}, datagram)]));
    }
    case 'gre':
      return octets(GRE, Buffer.concat([gre(0, etherType), datagram]));
    case 'gre summed': {
      // Checksum, reserved, key.
      const whole = Buffer.concat([gre(0xa000, etherType), Buffer.from('0000000000000007', 'hex'), datagram]);
      whole.writeUInt16BE(~onesComplementSum(whole) & 0xffff, 4);
      return octets(GRE, whole);
    }
    case 'gretap':
      return octets(
        GRE,
        Buffer.concat([gre(0x2000, ETHER_BRIDGED), Buffer.from('00000007', 'hex'), ethernet({}, datagram)]),
      );
    case 'ip':
      return octets(version === 4 ? 4 : 41, datagram);
  }
}

function gre(flags: number, etherType: number): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt16BE(flags, 0);
  header.writeUInt16BE(etherType, 2);
  return header;
}

function onesComplementSum(bytes: Buffer): number {
  let total = 0;
  for (let at = 0; at < bytes.length; at += 2) total += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}
