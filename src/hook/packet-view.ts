/**
 * The packet and the context as hooks see them: views over the datagram a lane holds, made once and used for every
 * packet.
 *
 * ```
 *   lane: parseIpLayout ─> view.load(chain, bytes, layout) ─> hook.onPacket(view, context) ─> view.replacement
 * ```
 * Rule: getters read the datagram when they are asked and allocate nothing, those excepted whose contract says so. The
 * layout is that of the packet as it was loaded; a hook that writes other lengths into the header moves no offset.
 *
 * @see contract.ts
 * @module
 */

import { IPR_FLAG_CHECKSUM_OFFLOAD, NonPagedPool, SIZEOF_IPRCVBUF } from '../firewall/constants.ts';
import { IPRcvBuf } from '../firewall/ip-rcv-buf.ts';
import type { Pool } from '../firewall/pool.ts';
import { TAG_KEPT } from '../firewall/pool-tag.ts';
import { formatAddress } from '../wire/address.ts';
import { readU8, readU16, readU32 } from '../wire/bytes.ts';
import { completeTransportChecksum } from '../wire/datagram.ts';
import * as icmpv4 from '../wire/icmpv4.ts';
import * as icmpv6 from '../wire/icmpv6.ts';
import { IpLayout } from '../wire/ip-layout.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as ipv6 from '../wire/ipv6.ts';
import * as tcp from '../wire/tcp.ts';
import * as udp from '../wire/udp.ts';
import { Arrival } from './arrival.ts';
import type { Address, Context, Packet } from './contract.ts';
import { isChecksumPartial } from './replacement.ts';

/** One datagram. A lane has one instance and loads packet after packet into it. */
export class PacketView implements Packet {
  /** The packet as it came, kept before a hook is handed what it can write into. */
  readonly arrival = new Arrival();
  /** Address view, the same object for every packet. */
  readonly source: Address;
  /** Address view, the same object for every packet. */
  readonly destination: Address;
  /**
   * Chains that a later `replace` took the place of. Nearly always empty.
   *
   * Ownership: the runtime frees them and calls `clearReplacement`; `load` leaves them alone, so that none is lost.
   */
  readonly abandoned: IPRcvBuf[] = [];
  readonly #pool: Pool;
  readonly #source = new AddressView();
  readonly #destination = new AddressView();
  #chain: IPRcvBuf | null = null;
  #bytes: Buffer = Buffer.alloc(0);
  #layout = new IpLayout();
  #replacement: IPRcvBuf | null = null;

  /**
   * @param pool - what `keep` allocates from, on the account of `pool.owner`
   */
  constructor(pool: Pool) {
    this.#pool = pool;
    this.source = this.#source;
    this.destination = this.#destination;
  }

  /**
   * Shows another datagram. Cost: no allocation.
   *
   * Ownership: borrows all three until the next call.
   *
   * @param chain - the datagram as a chain of one buffer
   * @param bytes - that buffer; the datagram starts at octet 0
   * @param layout - what `parseIpLayout` found in it, well formed
   */
  load(chain: IPRcvBuf, bytes: Buffer, layout: IpLayout): void {
    this.#chain = chain;
    this.#bytes = bytes;
    this.#layout = layout;
    this.#replacement = null;
    if (layout.version === 4) {
      this.#source.load(bytes, ipv4.SOURCE_OFFSET, 4);
      this.#destination.load(bytes, ipv4.DESTINATION_OFFSET, 4);
    } else {
      this.#source.load(bytes, ipv6.SOURCE_OFFSET, 16);
      this.#destination.load(bytes, ipv6.DESTINATION_OFFSET, 16);
    }
  }

  /**
   * The chain a hook last put in this packet's place since `load`, its own included; null when none has.
   *
   * Ownership: the runtime's.
   */
  get replacement(): IPRcvBuf | null {
    return this.#replacement;
  }

  replace(chain: IPRcvBuf): void {
    const earlier = this.#replacement;
    if (chain === earlier) return;
    if (earlier !== null) this.abandoned.push(earlier);
    // A hook may come back to an earlier one: each chain ends up in one place only, or it would be freed twice.
    const index = this.abandoned.indexOf(chain);
    if (index !== -1) this.abandoned.splice(index, 1);
    this.#replacement = chain;
  }

  keep(): IPRcvBuf | null {
    const pool = this.#pool;
    const { length } = this.#layout;
    const kept = pool.allocate(NonPagedPool, SIZEOF_IPRCVBUF, TAG_KEPT);
    if (!(kept instanceof IPRcvBuf)) return null;
    if (pool.allocateBuffer(kept, length) !== 1 || kept.ipr_buffer === null) {
      pool.free(kept);
      return null;
    }
    this.#bytes.copy(kept.ipr_buffer, 0, 0, length);
    // The next hook may let the packet go with its checksum still open, and the device completes it; nobody does for a copy.
    if (isChecksumPartial(this.#chain as IPRcvBuf) && !completeTransportChecksum(kept.ipr_buffer, length))
      kept.ipr_flags = IPR_FLAG_CHECKSUM_OFFLOAD;
    return kept;
  }

  /** Forgets the replacement and what was abandoned, once the runtime has taken or freed them. */
  clearReplacement(): void {
    this.#replacement = null;
    this.abandoned.length = 0;
  }

  get version(): 4 | 6 {
    return this.#layout.version === 4 ? 4 : 6;
  }

  get protocol(): number {
    return this.#layout.protocol;
  }

  get length(): number {
    return this.#layout.length;
  }

  get transportOffset(): number {
    return this.#layout.transportOffset;
  }

  get isFragment(): boolean {
    return this.#layout.isFragment;
  }

  get fragmentOffset(): number {
    return this.#layout.fragmentOffset;
  }

  get sourcePort(): number {
    return this.#layout.hasPorts ? readU16(this.#bytes, this.#layout.transportOffset) : -1;
  }

  get destinationPort(): number {
    return this.#layout.hasPorts ? readU16(this.#bytes, this.#layout.transportOffset + 2) : -1;
  }

  get tcpFlags(): number {
    const layout = this.#layout;
    const hasFlags =
      layout.protocol === ipv4.PROTOCOL_TCP &&
      layout.fragmentOffset === 0 &&
      layout.transportOffset + tcp.FLAGS_OFFSET < layout.length;
    return hasFlags ? tcp.flags(this.#bytes, layout.transportOffset) : -1;
  }

  get payloadOffset(): number {
    const { length, transportOffset } = this.#layout;
    return Math.min(length, transportOffset + this.#transportHeaderLength());
  }

  get payload(): Buffer {
    this.arrival.keep();
    return this.#bytes.subarray(this.payloadOffset, this.#layout.length);
  }

  get bytes(): Buffer {
    this.arrival.keep();
    return this.#bytes;
  }

  get chain(): IPRcvBuf {
    this.arrival.keep();
    // Null only before the first `load`, when no hook has the view yet.
    return this.#chain as IPRcvBuf;
  }

  /** Octets; may reach past the datagram when the capture cut it. */
  #transportHeaderLength(): number {
    const { fragmentOffset, length, protocol, transportOffset, version } = this.#layout;
    if (fragmentOffset !== 0) return 0;
    switch (protocol) {
      case ipv4.PROTOCOL_TCP: {
        const isCut = transportOffset + tcp.HEADER_LENGTH > length;
        return isCut ? tcp.HEADER_LENGTH : tcp.headerLength(this.#bytes, transportOffset);
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

/** Where a packet was met. A lane has one instance and writes its fields before each packet. */
export class ContextView implements Context {
  direction: 0 | 1 = 0;
  recvInterfaceIndex = 0;
  sendInterfaceIndex = 0;
  destinationType = 0;
  /** Whole seconds since 1970 when the kernel saw the packet. */
  seconds = 0;
  /** Nanoseconds into that second, 0-999999999. */
  nanoseconds = 0;

  get timestamp(): number {
    return this.seconds * 1000 + this.nanoseconds / 1_000_000;
  }

  get timestampNs(): bigint {
    return BigInt(this.seconds) * 1_000_000_000n + BigInt(this.nanoseconds);
  }
}

/** An address read where it stands in the datagram. */
export class AddressView implements Address {
  length: 4 | 16 = 4;
  #bytes: Uint8Array = new Uint8Array(16);
  #offset = 0;

  load(bytes: Uint8Array, offset: number, length: 4 | 16): void {
    this.#bytes = bytes;
    this.#offset = offset;
    this.length = length;
  }

  at(index: number): number {
    return readU8(this.#bytes, this.#offset + index);
  }

  word(index: number): number {
    return readU32(this.#bytes, this.#offset + 4 * index);
  }

  equals(other: Uint8Array): boolean {
    if (other.length !== this.length) return false;
    for (let index = 0; index < other.length; index++) {
      if (other[index] !== this.#bytes[this.#offset + index]) return false;
    }
    return true;
  }

  toBytes(): Uint8Array {
    return Uint8Array.from(this.#bytes.subarray(this.#offset, this.#offset + this.length));
  }

  toString(): string {
    return formatAddress(this.toBytes());
  }
}
