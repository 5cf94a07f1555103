/**
 * Ethernet II header codec with VLAN tags (IEEE 802.3, 802.1Q, 802.1ad).
 *
 *  octet  0             6        12     14                 18
 *         | destination | source | type | payload ...                          untagged
 *         | destination | source | 8100 | tag control | type | payload ...     one tag; 88a8, 9100, 9200, 9300 announce outer ones
 *
 * Floor 0. Reads in place and never allocates, the text helpers and `parseMac` excepted. Call `checkLength` before any
 * reader.
 *
 * @module
 */

import { readU16, writeU16 } from './bytes.ts';

/** Length of the header without tags, in octets. */
export const HEADER_LENGTH = 14;
/** Length of one VLAN tag, in octets. */
export const VLAN_TAG_LENGTH = 4;
/** Length of a MAC address, in octets. */
export const ADDRESS_LENGTH = 6;
/** Most tags that are followed; a frame with more is malformed. */
export const MAX_VLAN_TAGS = 4;
/** Octet of the destination address within the header. */
export const DESTINATION_OFFSET = 0;
/** Octet of the source address within the header. */
export const SOURCE_OFFSET = 6;
/** Octet of the first type field within the header. */
export const TYPE_OFFSET = 12;

/** Ethertype of IPv4. */
export const ETHERTYPE_IPV4 = 0x0800;
/** Ethertype of ARP. */
export const ETHERTYPE_ARP = 0x0806;
/** Ethertype of IPv6. */
export const ETHERTYPE_IPV6 = 0x86dd;
/** Ethertype that announces an 802.1Q tag. */
export const ETHERTYPE_VLAN = 0x8100;
/** Ethertype that announces an 802.1ad service tag (QinQ). */
export const ETHERTYPE_QINQ = 0x88a8;
/** Ethertypes that announced outer tags before 802.1ad, and that many switches still take. */
export const ETHERTYPE_QINQ_OLD = 0x9100;
/** See {@link ETHERTYPE_QINQ_OLD}. */
export const ETHERTYPE_QINQ_OLD_2 = 0x9200;
/** See {@link ETHERTYPE_QINQ_OLD}. */
export const ETHERTYPE_QINQ_OLD_3 = 0x9300;

/** Ethertypes that announce a tag. */
export const VLAN_TYPES: readonly number[] = [
  ETHERTYPE_VLAN,
  ETHERTYPE_QINQ,
  ETHERTYPE_QINQ_OLD,
  ETHERTYPE_QINQ_OLD_2,
  ETHERTYPE_QINQ_OLD_3,
];

/** One VLAN tag. */
export interface VlanTag {
  /**
   * Ethertype that announces the tag.
   * @defaultValue 0x8100
   */
  readonly type?: number;
  /** VLAN id, 0-4095. */
  readonly id: number;
  /**
   * Priority code point, 0-7.
   * @defaultValue 0
   */
  readonly priority?: number;
}

/** What {@link emit} writes. */
export interface EthernetFields {
  /** Six octets. */
  readonly destination: Uint8Array;
  /** Six octets. */
  readonly source: Uint8Array;
  /** Type of the payload, after all tags. */
  readonly etherType: number;
  /**
   * Tags, outermost first.
   * @defaultValue none
   */
  readonly tags?: readonly VlanTag[];
}

/** True when the header and its VLAN tags lie within the `length` octets at `offset`, and those within `bytes`. */
export function checkLength(bytes: Uint8Array, offset: number, length: number): boolean {
  return offset + length <= bytes.length && headerLength(bytes, offset, length) !== -1;
}

/**
 * Measures the header with its VLAN tags.
 *
 * @returns octets; -1 when the header runs past `length` or carries more than {@link MAX_VLAN_TAGS} tags
 */
export function headerLength(bytes: Uint8Array, offset: number, length: number): number {
  const typeOffset = skipVlanTags(bytes, offset + TYPE_OFFSET, offset + length, MAX_VLAN_TAGS);
  return typeOffset === -1 ? -1 : typeOffset + 2 - offset;
}

/** Reads the first type field: the type of the payload, or the announcement of a tag. */
export function etherType(bytes: Uint8Array, offset: number): number {
  return readU16(bytes, offset + TYPE_OFFSET);
}

/** Reads the VLAN id of the tag whose control field is at `offset`. */
export function vlanId(bytes: Uint8Array, offset: number): number {
  return readU16(bytes, offset) & 0x0fff;
}

/** Reads the priority code point of the tag whose control field is at `offset`. */
export function vlanPriority(bytes: Uint8Array, offset: number): number {
  return readU16(bytes, offset) >>> 13;
}

/** True for the ethertypes that announce a tag. */
export function isVlanType(type: number): boolean {
  return VLAN_TYPES.includes(type);
}

/** True for the ethertypes of IPv4 and IPv6. */
export function isIpType(type: number): boolean {
  return type === ETHERTYPE_IPV4 || type === ETHERTYPE_IPV6;
}

/**
 * Steps over VLAN tags.
 *
 * @param typeOffset - octet of the first type field
 * @param end - octet after the last readable one
 * @param maxTags - tags that may be stepped over
 * @returns octet of the type field that announces no tag; -1 when it is not there or behind more tags
 */
export function skipVlanTags(bytes: Uint8Array, typeOffset: number, end: number, maxTags: number): number {
  const last = Math.min(end - 2, typeOffset + maxTags * VLAN_TAG_LENGTH);
  for (let at = typeOffset; at <= last; at += VLAN_TAG_LENGTH) {
    if (!isVlanType(readU16(bytes, at))) return at;
  }
  return -1;
}

/** True when the MAC address at `offset` is ff:ff:ff:ff:ff:ff. */
export function isBroadcast(bytes: Uint8Array, offset: number): boolean {
  for (let index = 0; index < ADDRESS_LENGTH; index++) {
    if (bytes[offset + index] !== 0xff) return false;
  }
  return true;
}

/** True when the MAC address at `offset` is a group address other than broadcast. */
export function isMulticast(bytes: Uint8Array, offset: number): boolean {
  return ((bytes[offset] as number) & 1) === 1 && !isBroadcast(bytes, offset);
}

/** Replaces the first type field. */
export function setEtherType(bytes: Uint8Array, offset: number, type: number): void {
  writeU16(bytes, offset + TYPE_OFFSET, type);
}

/** Replaces the destination address by the six octets of `address`. */
export function setDestination(bytes: Uint8Array, offset: number, address: Uint8Array): void {
  bytes.set(address, offset + DESTINATION_OFFSET);
}

/** Replaces the source address by the six octets of `address`. */
export function setSource(bytes: Uint8Array, offset: number, address: Uint8Array): void {
  bytes.set(address, offset + SOURCE_OFFSET);
}

/**
 * Writes a header with its tags. The room must be there.
 *
 * @returns octets written
 */
export function emit(bytes: Uint8Array, offset: number, fields: EthernetFields): number {
  setDestination(bytes, offset, fields.destination);
  setSource(bytes, offset, fields.source);
  let at = offset + TYPE_OFFSET;
  for (const tag of fields.tags ?? []) {
    writeU16(bytes, at, tag.type ?? ETHERTYPE_VLAN);
    writeU16(bytes, at + 2, ((tag.priority ?? 0) << 13) | tag.id);
    at += VLAN_TAG_LENGTH;
  }
  writeU16(bytes, at, fields.etherType);
  return at + 2 - offset;
}

/** Makes the text `02:00:5e:10:00:01` of the MAC address at `offset`. Allocates: not for every packet. */
export function formatMac(bytes: Uint8Array, offset = 0): string {
  return Array.from(bytes.subarray(offset, offset + ADDRESS_LENGTH), (octet) =>
    octet.toString(16).padStart(2, '0'),
  ).join(':');
}

/** Reads a MAC address: six pairs of hex digits, all joined by `:` or all by `-`. Null when malformed. */
export function parseMac(text: string): Uint8Array | null {
  if (!/^[0-9a-f]{2}([:-])[0-9a-f]{2}(?:\1[0-9a-f]{2}){4}$/i.test(text)) return null;
  return Uint8Array.from(text.split(/[:-]/), (pair) => Number.parseInt(pair, 16));
}
