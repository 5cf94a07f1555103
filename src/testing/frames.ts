/**
 * Ethernet frames for tests, around a datagram or anything else.
 *
 * @see IEEE 802.3, IEEE 802.1Q
 * @module
 */

import * as codec from '../wire/ethernet.ts';
import type { OctetBuffer } from '../wire/octet-buffer.ts';

/** Fields of an Ethernet header. */
export interface EthernetOptions {
  /** As text, `02:00:00:00:00:01`, or six octets. @defaultValue 02:00:00:00:00:02 */
  readonly destination?: Uint8Array | string;
  /** As text or six octets. @defaultValue 02:00:00:00:00:01 */
  readonly source?: Uint8Array | string;
  /** Type of what stands behind the tags. @defaultValue that of the version of the datagram */
  readonly etherType?: number;
  /** VLAN tags, outermost first. @defaultValue none */
  readonly tags?: readonly codec.VlanTag[];
  /** Least length of the frame in octets; zeros fill it up. @defaultValue 0 */
  readonly padTo?: number;
}

/** MAC addresses of the two ends of a test's link. */
export const MACS = ['02:00:00:00:00:01', '02:00:00:00:00:02'] as const;

/**
 * An Ethernet frame.
 *
 * @param content - a datagram; with an `etherType` anything
 * @throws TypeError for a MAC address that is none
 */
export function ethernet(options: EthernetOptions, content: Uint8Array): OctetBuffer {
  const { tags = [], padTo = 0 } = options;
  const header = Buffer.alloc(codec.HEADER_LENGTH + codec.VLAN_TAG_LENGTH * tags.length);
  const isIpv6 = (content[0] ?? 0) >>> 4 === 6;
  codec.emit(header, 0, {
    destination: macOf(options.destination ?? MACS[1]),
    source: macOf(options.source ?? MACS[0]),
    etherType: options.etherType ?? (isIpv6 ? codec.ETHERTYPE_IPV6 : codec.ETHERTYPE_IPV4),
    tags,
  });
  const missing = Math.max(0, padTo - header.length - content.length);
  return Buffer.concat([header, content, Buffer.alloc(missing)]);
}

function macOf(address: Uint8Array | string): Uint8Array {
  const octets = typeof address === 'string' ? codec.parseMac(address) : address;
  if (octets?.length !== codec.ADDRESS_LENGTH) throw new TypeError(`not a MAC address: ${String(address)}`);
  return octets;
}
