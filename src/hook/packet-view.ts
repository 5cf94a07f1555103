/**
 * The packet and the context as hooks see them: views over the datagram a lane holds, made once and used for every
 * packet.
 *
 * ```
 *   lane: parseIpLayout ─> state.begin(lent, bytes, layout) ─> hook.onPacket(view, context) ─> state.replacement
 * ```
 * Rule: getters read the datagram when they are asked and allocate nothing, those excepted whose contract says so. The
 * layout is that of the packet as it was loaded; a hook that writes other lengths into the header moves no offset. Objects and
 * prototypes are frozen, and hold no way to the state: all hooks of a lane get the same ones.
 *
 * @see contract.ts
 * @see packet-state.ts
 * @module
 */

import { IPR_FLAG_CHECKSUM_OFFLOAD, NonPagedPool, SIZEOF_IPRCVBUF } from '../firewall/constants.ts';
import { IPRcvBuf } from '../firewall/ip-rcv-buf.ts';
import { TAG_KEPT } from '../firewall/pool-tag.ts';
import { formatAddress, type Prefix } from '../wire/address.ts';
import { readU8, readU16, readU32 } from '../wire/bytes.ts';
import { completeTransportChecksum } from '../wire/datagram.ts';
import * as icmpv4 from '../wire/icmpv4.ts';
import * as icmpv6 from '../wire/icmpv6.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as ipv6 from '../wire/ipv6.ts';
import * as tcp from '../wire/tcp.ts';
import * as udp from '../wire/udp.ts';
import type { Address, Context, Packet } from './contract.ts';
import type { AddressPlace, PacketState } from './packet-state.ts';
import { isChecksumPartial } from './replacement.ts';

/** One datagram, of what the state says. A lane has one instance, which hooks cannot change. */
export class PacketView implements Packet {
  /** Address view, the same object for every packet. */
  readonly source: Address;
  /** Address view, the same object for every packet. */
  readonly destination: Address;
  readonly #state: PacketState;

  constructor(state: PacketState) {
    this.#state = state;
    this.source = new AddressView(state.source);
    this.destination = new AddressView(state.destination);
    Object.freeze(this);
  }

  replace(chain: IPRcvBuf): void {
    const state = this.#state;
    const earlier = state.replacement;
    if (chain === earlier) return;
    if (earlier !== null) state.abandoned.push(earlier);
    // A hook may come back to an earlier one: each chain ends up in one place only, or it would be freed twice.
    const index = state.abandoned.indexOf(chain);
    if (index !== -1) state.abandoned.splice(index, 1);
    state.replacement = chain;
  }

  keep(): IPRcvBuf | null {
    const { pool, layout, bytes, chain } = this.#state;
    const { length } = layout;
    const kept = pool.allocate(NonPagedPool, SIZEOF_IPRCVBUF, TAG_KEPT);
    if (!(kept instanceof IPRcvBuf)) return null;
    if (pool.allocateBuffer(kept, length) !== 1 || kept.ipr_buffer === null) {
      pool.free(kept);
      return null;
    }
    bytes.copy(kept.ipr_buffer, 0, 0, length);
    // The next hook may let the packet go with its checksum still open, and the device completes it; nobody does for a copy.
    if (isChecksumPartial(chain as IPRcvBuf) && !completeTransportChecksum(kept.ipr_buffer, length))
      kept.ipr_flags = IPR_FLAG_CHECKSUM_OFFLOAD;
    return kept;
  }

  get version(): 4 | 6 {
    return this.#state.layout.version === 4 ? 4 : 6;
  }

  get protocol(): number {
    return this.#state.layout.protocol;
  }

  get length(): number {
    return this.#state.layout.length;
  }

  get transportOffset(): number {
    return this.#state.layout.transportOffset;
  }

  get isFragment(): boolean {
    return this.#state.layout.isFragment;
  }

  get fragmentOffset(): number {
    return this.#state.layout.fragmentOffset;
  }

  get sourcePort(): number {
    return this.#state.layout.hasPorts ? readU16(this.#state.bytes, this.#state.layout.transportOffset) : -1;
  }

  get destinationPort(): number {
    return this.#state.layout.hasPorts ? readU16(this.#state.bytes, this.#state.layout.transportOffset + 2) : -1;
  }

  get tcpFlags(): number {
    const layout = this.#state.layout;
    const hasFlags =
      layout.protocol === ipv4.PROTOCOL_TCP &&
      layout.fragmentOffset === 0 &&
      layout.transportOffset + tcp.FLAGS_OFFSET < layout.length;
    return hasFlags ? tcp.flags(this.#state.bytes, layout.transportOffset) : -1;
  }

  get payloadOffset(): number {
    const { length, transportOffset } = this.#state.layout;
    return Math.min(length, transportOffset + this.#transportHeaderLength());
  }

  get payload(): Buffer {
    this.#state.open();
    return this.#state.bytes.subarray(this.payloadOffset, this.#state.layout.length);
  }

  get bytes(): Buffer {
    this.#state.open();
    return this.#state.bytes;
  }

  get chain(): IPRcvBuf {
    this.#state.open();
    // Null only before the first `load`, when no hook has the view yet.
    return this.#state.chain as IPRcvBuf;
  }

  /** Octets; may reach past the datagram when the capture cut it. */
  #transportHeaderLength(): number {
    const { fragmentOffset, length, protocol, transportOffset, version } = this.#state.layout;
    if (fragmentOffset !== 0) return 0;
    switch (protocol) {
      case ipv4.PROTOCOL_TCP: {
        const isCut = transportOffset + tcp.HEADER_LENGTH > length;
        return isCut ? tcp.HEADER_LENGTH : tcp.headerLength(this.#state.bytes, transportOffset);
      }
      case ipv4.PROTOCOL_UDP:
        return udp.HEADER_LENGTH;
      case ipv4.PROTOCOL_ICMP:
        return version === 4 ? icmpv4.HEADER_LENGTH : 0;
      case ipv6.NEXT_ICMPV6:
        return version === 6 ? icmpv6.HEADER_LENGTH : 0;
      default:
        return 0;
    }
  }
}

const NANOSECONDS_PER_MILLISECOND = 1_000_000;

const NO_OCTETS = new Uint8Array(0);

/** Where a packet was met. A lane has one instance and writes its fields before each packet. */
export class ContextState {
  direction: 0 | 1 = 0;
  recvInterfaceIndex = 0;
  sendInterfaceIndex = 0;
  destinationType = 0;
  /** Whole seconds since 1970 when the kernel saw the packet. */
  seconds = 0;
  /** Nanoseconds into that second, 0-999999999. */
  nanoseconds = 0;
  /** The frame, which starts with the link header. Borrowed from the driver. */
  link: Uint8Array = NO_OCTETS;
  /** Octets of the link header; 0 where it is none of Ethernet. */
  linkLength = 0;
  /** Octets of the datagram that were on the wire, with what stands behind it. */
  originalLength = 0;

  /** Small enough (27 octets of V8's bytecode, a constant by name among them) to be put in line always: what it returns would be boxed. */
  get timestamp(): number {
    return this.seconds * 1000 + this.nanoseconds / NANOSECONDS_PER_MILLISECOND;
  }

  get timestampNs(): bigint {
    return BigInt(this.seconds) * 1_000_000_000n + BigInt(this.nanoseconds);
  }
}

/** The same as hooks see it: they may set the interface of departure and the destination type, and nothing else. */
export class ContextView implements Context {
  readonly #state: ContextState;

  constructor(state: ContextState) {
    this.#state = state;
    Object.freeze(this);
  }

  get direction(): 0 | 1 {
    return this.#state.direction;
  }

  get recvInterfaceIndex(): number {
    return this.#state.recvInterfaceIndex;
  }

  get sendInterfaceIndex(): number {
    return this.#state.sendInterfaceIndex;
  }

  set sendInterfaceIndex(index: number) {
    this.#state.sendInterfaceIndex = index;
  }

  get destinationType(): number {
    return this.#state.destinationType;
  }

  set destinationType(type: number) {
    this.#state.destinationType = type;
  }

  get timestamp(): number {
    return this.#state.timestamp;
  }

  get timestampNs(): bigint {
    return this.#state.timestampNs;
  }
}

/** An address read where it stands in the datagram. */
export class AddressView implements Address {
  readonly #place: AddressPlace;

  constructor(place: AddressPlace) {
    this.#place = place;
    Object.freeze(this);
  }

  get length(): 4 | 16 {
    return this.#place.length;
  }

  at(index: number): number {
    const place = this.#place;
    return readU8(place.bytes, place.offset + index);
  }

  word(index: number): number {
    const place = this.#place;
    return readU32(place.bytes, place.offset + 4 * index);
  }

  equals(other: Uint8Array): boolean {
    const { bytes, offset, length } = this.#place;
    if (other.length !== length) return false;
    for (let index = 0; index < length; index++) {
      if (other[index] !== bytes[offset + index]) return false;
    }
    return true;
  }

  isIn({ bytes: network, prefixLength }: Prefix): boolean {
    const { bytes, offset, length } = this.#place;
    if (network.length !== length || !(prefixLength >= 0 && prefixLength <= 8 * length)) return false;
    const whole = prefixLength >>> 3;
    for (let index = 0; index < whole; index++) {
      if (network[index] !== bytes[offset + index]) return false;
    }
    const rest = 8 - (prefixLength & 7);
    // The first octet of which some bits do not count; there is none behind the last one.
    return rest === 8 || (network[whole] as number) >>> rest === (bytes[offset + whole] as number) >>> rest;
  }

  toBytes(): Uint8Array {
    const { bytes, offset, length } = this.#place;
    return Uint8Array.from(bytes.subarray(offset, offset + length));
  }

  toString(): string {
    return formatAddress(this.toBytes());
  }
}

/** What a hook is handed has these for prototypes: from now on no hook changes what the next one reads through them. */
export function freezeViews(): void {
  for (const { prototype } of [PacketView, ContextView, AddressView]) Object.freeze(prototype);
}
