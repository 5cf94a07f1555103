/**
 * The octets behind the transport header, as hooks see them.
 *
 * ```
 *   | IP | transport header | payload ...        | what the UDP length leaves out | link padding |
 *                           ^ start              ^ end
 * ```
 * Rule: what is behind the end is neither read nor written nor found, however long the buffer is. A setter corrects the checksum; in a later
 * fragment, whose checksum stands in another packet, it changes nothing.
 *
 * @module
 */

import { IPR_FLAG_CHECKSUM_OFFLOAD } from '../../firewall/constants.ts';
import { readU8, readU16, readU32 } from '../../wire/bytes.ts';
import { completeTransportChecksum } from '../../wire/datagram.ts';
import { IpLayout, parseIpLayout } from '../../wire/ip-layout.ts';
import * as ipv4 from '../../wire/ipv4.ts';
import * as ipv6 from '../../wire/ipv6.ts';
import * as udp from '../../wire/udp.ts';
import { MAX_DATAGRAM } from '../replacement.ts';
import { COVERED_BY_TRANSPORT } from './datagram.ts';
import type { Payload } from './packet-contract.ts';
import type { PacketState } from './packet-state.ts';
import { payloadEnd, payloadStart } from './payload-bounds.ts';

/** A buffer that is so much longer than what is searched costs less than a view of it. */
const FEW_MORE = 4096;

/** One payload. */
export class PayloadView implements Payload {
  readonly #state: PacketState;
  /** Of a datagram that `splice` put together. */
  readonly #layout = new IpLayout();

  constructor(state: PacketState) {
    this.#state = state;
    Object.freeze(this);
  }

  get length(): number {
    const { bytes, layout } = this.#state;
    return payloadEnd(bytes, layout) - payloadStart(bytes, layout);
  }

  u8(at: number): number {
    const { bytes } = this.#state;
    const place = this.#place(at, 1);
    return place < 0 ? -1 : readU8(bytes, place);
  }

  u16(at: number): number {
    const { bytes } = this.#state;
    const place = this.#place(at, 2);
    return place < 0 ? -1 : readU16(bytes, place);
  }

  u32(at: number): number {
    const { bytes } = this.#state;
    const place = this.#place(at, 4);
    return place < 0 ? -1 : readU32(bytes, place);
  }

  setU8(at: number, value: number): void {
    const { datagram } = this.#state;
    const place = this.#place(at, 1);
    if (place >= 0 && datagram.hasTransport) datagram.write8(place, value, COVERED_BY_TRANSPORT);
  }

  setU16(at: number, value: number): void {
    const { datagram } = this.#state;
    const place = this.#place(at, 2);
    if (place < 0 || !datagram.hasTransport) return;
    // Each by itself: a checksum may cover the first of them only (UDP-Lite).
    datagram.write8(place, value >>> 8, COVERED_BY_TRANSPORT);
    datagram.write8(place + 1, value, COVERED_BY_TRANSPORT);
  }

  indexOf(needle: Uint8Array, from = 0): number {
    const { bytes, layout } = this.#state;
    const start = payloadStart(bytes, layout);
    const end = payloadEnd(bytes, layout);
    const first = start + Math.max(0, Math.trunc(from) || 0);
    if (first + needle.length > end) return -1;
    const searched = bytes.length - end > FEW_MORE ? bytes.subarray(0, end) : bytes;
    const found = searched.indexOf(needle, first);
    // The first one that reaches beyond the end: before it there is none.
    return found < 0 || found + needle.length > end ? -1 : found - start;
  }

  startsWith(needle: Uint8Array): boolean {
    const { bytes, layout } = this.#state;
    const start = payloadStart(bytes, layout);
    if (start + needle.length > payloadEnd(bytes, layout)) return false;
    for (let index = 0; index < needle.length; index++) {
      if (needle[index] !== bytes[start + index]) return false;
    }
    return true;
  }

  copyTo(target: Uint8Array, at = 0): number {
    const { bytes, layout } = this.#state;
    const place = this.#place(at, 0);
    return place < 0 ? 0 : bytes.copy(target, 0, place, payloadEnd(bytes, layout));
  }

  toBytes(from = 0, to: number = this.length): Uint8Array {
    const start = this.#place(from, 0);
    if (start < 0) return new Uint8Array(0);
    return Uint8Array.from(this.#state.bytes.subarray(start, this.#endOf(to)));
  }

  text(from = 0, to: number = this.length): string {
    const start = this.#place(from, 0);
    return start < 0 ? '' : this.#state.bytes.toString('latin1', start, this.#endOf(to));
  }

  splice(at: number, remove: number, insert: Uint8Array): boolean {
    const state = this.#state;
    const { bytes, layout } = state;
    const isWhole = !layout.isFragment && !layout.truncated && !state.context.isSuper;
    if (layout.protocol !== ipv4.PROTOCOL_UDP || !isWhole) return false;
    const first = this.#place(at, 0);
    const end = payloadEnd(bytes, layout);
    if (first < 0 || !Number.isInteger(remove) || remove < 0 || first + remove > end) return false;
    const length = end - remove + insert.length;
    if (length > MAX_DATAGRAM) return false;
    const chain = state.allocate(length);
    const made = chain?.ipr_buffer ?? null;
    if (chain === null || made === null) return false;
    bytes.copy(made, 0, 0, first);
    made.set(insert, first);
    bytes.copy(made, first + insert.length, first + remove, end);
    this.#setLengths(made as Buffer, length);
    if (!parseIpLayout(made, 0, length, length, this.#layout)) {
      state.pool.free(chain);
      return false;
    }
    if (state.isPartial) chain.ipr_flags = IPR_FLAG_CHECKSUM_OFFLOAD;
    // What had no checksum gets none.
    else if (udp.checksum(made, layout.transportOffset) !== 0) completeTransportChecksum(made, length);
    state.stand(chain, made as Buffer, this.#layout);
    return true;
  }

  #setLengths(made: Buffer, length: number): void {
    const { layout } = this.#state;
    udp.setLength(made, layout.transportOffset, length - layout.transportOffset);
    if (layout.version === 6) {
      ipv6.setPayloadLength(made, 0, length - ipv6.HEADER_LENGTH);
      return;
    }
    ipv4.setTotalLength(made, 0, length);
    ipv4.fillChecksum(made, 0);
  }

  /** Octet of the packet where `size` octets of the payload stand from `at` on; -1 where they do not. */
  #place(at: number, size: number): number {
    const { bytes, layout } = this.#state;
    const place = payloadStart(bytes, layout) + at;
    return at >= 0 && Number.isInteger(at) && place + size <= payloadEnd(bytes, layout) ? place : -1;
  }

  #endOf(to: number): number {
    const { bytes, layout } = this.#state;
    return Math.min(payloadStart(bytes, layout) + Math.max(0, to), payloadEnd(bytes, layout));
  }
}
