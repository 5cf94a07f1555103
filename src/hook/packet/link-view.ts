/**
 * What the frame of a packet says, as hooks see it.
 *
 * Rule: it is read and not written. The link header goes out as it came, or turned.
 *
 * @module
 */

import { readU8, readU16 } from '../../wire/bytes.ts';
import { ETHERTYPE_QINQ, ETHERTYPE_VLAN } from '../../wire/ethernet.ts';
import { LINKTYPE_ETHERNET } from '../../wire/link.ts';
import { turnLinkHeader } from '../../wire/turn-link-header.ts';
import type { Link } from './packet-contract.ts';
import type { PacketState } from './packet-state.ts';

const MAC = 6;
const TYPE_OFFSET = 12;
const TAG_OFFSET = 14;
const VLAN_MASK = 0x0fff;

/** One link header. */
export class LinkView implements Link {
  readonly #state: PacketState;

  constructor(state: PacketState) {
    this.#state = state;
    Object.freeze(this);
  }

  get isEthernet(): boolean {
    return this.#state.context.linkLength > TYPE_OFFSET;
  }

  get vlan(): number {
    const { link, linkLength } = this.#state.context;
    if (linkLength < TAG_OFFSET + 2) return -1;
    const type = readU16(link, TYPE_OFFSET);
    return type === ETHERTYPE_VLAN || type === ETHERTYPE_QINQ ? readU16(link, TAG_OFFSET) & VLAN_MASK : -1;
  }

  mac(end: 'source' | 'destination', index: number): number {
    const { link, linkLength } = this.#state.context;
    if (linkLength <= TYPE_OFFSET || !(index >= 0 && index < MAC)) return -1;
    return readU8(link, end === 'source' ? MAC + index : index);
  }

  toBytes(isTurned = false): Uint8Array {
    const { link, linkLength } = this.#state.context;
    const header = Buffer.alloc(linkLength);
    header.set(link.subarray(0, linkLength));
    if (isTurned && linkLength > TYPE_OFFSET) turnLinkHeader(header, LINKTYPE_ETHERNET);
    return header;
  }
}
