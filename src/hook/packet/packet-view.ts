/**
 * The packet as hooks see it: a view over the datagram a lane holds, made once and used for every packet.
 *
 * ```
 *   lane: parseIpLayout ─> state.begin(lent, bytes, layout) ─> hook.onPacket(view, context) ─> state.replacement
 * ```
 * Rule: getters read the datagram when they are asked and allocate nothing, those excepted whose contract says so. The
 * layout is that of the packet as it was loaded; a hook that writes other lengths into the header moves no offset. Objects and
 * prototypes are frozen, and hold no way to the state: all hooks of a lane get the same ones.
 *
 * @see packet-contract.ts
 * @see packet-state.ts
 * @module
 */

import { DROP, FORWARD, IPR_FLAG_CHECKSUM_OFFLOAD } from '../../firewall/constants.ts';
import type { IPRcvBuf } from '../../firewall/ip-rcv-buf.ts';
import { readU16 } from '../../wire/bytes.ts';
import { completeTransportChecksum, fillChecksums } from '../../wire/datagram.ts';
import * as ipv4 from '../../wire/ipv4.ts';
import * as ipv6 from '../../wire/ipv6.ts';
import * as tcp from '../../wire/tcp.ts';
import * as udp from '../../wire/udp.ts';
import { type ChainFlows, NO_FLOW } from '../chain-flows.ts';

import { HELD, REPLY, type Verdict } from '../contract.ts';
import type { HoldList } from '../hold-list.ts';
import { StreamHandle } from '../stream/stream-handle.ts';

import { AddressView } from './address-view.ts';
import { ContextView } from './context-view.ts';
import { ColumnView, EndedFlowView, FlowView, flowStateOf, RecordView } from './flow-view.ts';
import { IcmpView, QuotedView } from './icmp-view.ts';
import { IpView } from './ip-view.ts';
import { LinkView } from './link-view.ts';
import type { Address, Flow, FlowState, Icmp, Packet, Tcp, Udp } from './packet-contract.ts';
import type { PacketState } from './packet-state.ts';
import { payloadStart } from './payload-bounds.ts';
import { PayloadView } from './payload-view.ts';
import { TcpView, UdpView } from './transport-views.ts';

/** One datagram, of what the state says. A lane has one instance, which hooks cannot change. */
export class PacketView implements Packet {
  readonly link: LinkView;
  readonly ip: IpView;
  readonly payload: PayloadView;
  readonly source: Address;
  readonly destination: Address;
  readonly #state: PacketState;
  readonly #tcp: TcpView;
  readonly #udp: UdpView;
  readonly #icmp: IcmpView;
  readonly #flow: FlowView | null;

  constructor(state: PacketState) {
    const { datagram } = state;
    this.#state = state;
    this.#tcp = new TcpView(datagram);
    this.#udp = new UdpView(datagram);
    this.#icmp = new IcmpView(datagram, state);
    this.#flow = state.flows === null ? null : new FlowView(state.flows);
    this.link = new LinkView(state);
    this.ip = new IpView(datagram);
    this.payload = new PayloadView(state);
    this.source = this.ip.source;
    this.destination = this.ip.destination;
    Object.freeze(this);
  }

  fillChecksums(): boolean {
    const { layout } = this.#state;
    if (layout.isFragment || layout.truncated) return false;
    this.#state.open();
    const { bytes } = this.#state;
    if (!this.#state.isPartial) return fillChecksums(bytes, layout.length);
    if (layout.version === 4) ipv4.fillChecksum(bytes, 0);
    return true;
  }

  replyUdp(payload: Uint8Array): typeof REPLY | typeof DROP {
    if (!this.payload.splice(0, this.payload.length, payload)) return DROP;
    const layer = this.#udp;
    const { sourcePort } = layer;
    layer.sourcePort = layer.destinationPort;
    layer.destinationPort = sourcePort;
    this.ip.swap();
    this.ip.ttl = REPLY_HOPS;
    return REPLY;
  }

  replace(chain: IPRcvBuf): void {
    this.#state.replaceBy(chain);
  }

  keep(): IPRcvBuf | null {
    const state = this.#state;
    const { length } = state.layout;
    const kept = state.allocate(length);
    if (kept === null || kept.ipr_buffer === null) return null;
    state.bytes.copy(kept.ipr_buffer, 0, 0, length);
    // The next hook may let the packet go with its checksum still open, and the device completes it; nobody does for a copy.
    if (state.isPartial && !completeTransportChecksum(kept.ipr_buffer, length))
      kept.ipr_flags = IPR_FLAG_CHECKSUM_OFFLOAD;
    return kept;
  }

  hold(otherwise: Verdict = DROP): Verdict {
    return this.#holds().reserve(this.#state.pool.owner, this.#frameOctets()) ? HELD : otherwise;
  }

  holdUntil(time: number, otherwise: Verdict = DROP): Verdict {
    if (typeof time !== 'number' || Number.isNaN(time))
      throw new TypeError(`a packet cannot wait until ${String(time)}`);
    const holds = this.#holds();
    const delay = time - this.#state.context.timestamp;
    if (!(delay > 0)) return FORWARD;
    return holds.reserve(this.#state.pool.owner, this.#frameOctets(), delay) ? HELD : otherwise;
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

  get tcp(): Tcp | null {
    return this.#has(ipv4.PROTOCOL_TCP, tcp.HEADER_LENGTH) ? this.#tcp : null;
  }

  get udp(): Udp | null {
    return this.#has(ipv4.PROTOCOL_UDP, udp.HEADER_LENGTH) ? this.#udp : null;
  }

  get icmp(): Icmp | null {
    const protocol = this.#state.layout.version === 4 ? ipv4.PROTOCOL_ICMP : ipv6.NEXT_ICMPV6;
    return this.#has(protocol, ICMP_LENGTH) ? this.#icmp : null;
  }

  get flow(): Flow | null {
    return this.#flowsAtHand().index === NO_FLOW ? null : this.#flow;
  }

  get flowState(): FlowState {
    return flowStateOf(this.#flowsAtHand());
  }

  get sourcePort(): number {
    return this.#state.layout.hasPorts ? readU16(this.#state.bytes, this.#state.layout.transportOffset) : -1;
  }

  get destinationPort(): number {
    return this.#state.layout.hasPorts ? readU16(this.#state.bytes, this.#state.layout.transportOffset + 2) : -1;
  }

  get tcpFlags(): number {
    const { bytes, layout } = this.#state;
    const hasFlags = this.#has(ipv4.PROTOCOL_TCP, tcp.FLAGS_OFFSET + 1);
    return hasFlags ? tcp.flags(bytes, layout.transportOffset) : -1;
  }

  get payloadOffset(): number {
    return payloadStart(this.#state.bytes, this.#state.layout);
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

  get token(): number {
    return this.#state.holds?.token ?? 0;
  }

  #holds(): HoldList {
    const { holds, pool } = this.#state;
    if (holds === null || !holds.isAllowed(pool.owner))
      throw new TypeError('no packet may wait: say hold: { packets, mib, timeoutMs } in the definition of the hook');
    return holds;
  }

  /** Octets of the frame, or a few more. */
  #frameOctets(): number {
    const { context, layout } = this.#state;
    return (
      (context.linkLength === 0 ? LINK_ROOM : context.linkLength) + Math.max(context.originalLength, layout.length)
    );
  }

  #flowsAtHand(): ChainFlows {
    const { flows } = this.#state;
    if (flows === null) throw new TypeError('there are no flows: say flows: true in the definition of the hook');
    return flows;
  }

  /** Whether these octets of the header of a protocol are there. */
  #has(protocol: number, octets: number): boolean {
    const { layout } = this.#state;
    return (
      layout.protocol === protocol && layout.fragmentOffset === 0 && layout.transportOffset + octets <= layout.length
    );
  }
}

/** TTL of an answer: as if it came from the end that was asked. */
const REPLY_HOPS = 64;
/** Room for a link header that is none of Ethernet. */
const LINK_ROOM = 128;
/** Type, code and checksum. */
const ICMP_LENGTH = 4;

/** A class whose instances hooks are handed. */
export interface View {
  readonly prototype: object;
  /** What an instance is called. */
  readonly what: string;
  /** What instances have beside what stands on the prototype. */
  readonly fields: readonly string[];
}

/** All of them. */
export const VIEWS: readonly View[] = [
  {
    prototype: PacketView.prototype,
    what: 'a packet',
    fields: ['link', 'ip', 'payload', 'source', 'destination'],
  },
  { prototype: ContextView.prototype, what: 'the context', fields: [] },
  { prototype: AddressView.prototype, what: 'an address', fields: [] },
  { prototype: LinkView.prototype, what: 'a link header', fields: [] },
  { prototype: IpView.prototype, what: 'an IP header', fields: ['source', 'destination'] },
  { prototype: TcpView.prototype, what: 'a TCP header', fields: [] },
  { prototype: UdpView.prototype, what: 'a UDP header', fields: [] },
  { prototype: IcmpView.prototype, what: 'an ICMP header', fields: [] },
  { prototype: QuotedView.prototype, what: 'a quoted datagram', fields: ['ip'] },
  { prototype: PayloadView.prototype, what: 'a payload', fields: [] },
  { prototype: RecordView.prototype, what: 'a flow', fields: ['isNew', 'isAnswered', 'direction', 'settle'] },
  { prototype: FlowView.prototype, what: 'a flow', fields: [] },
  { prototype: EndedFlowView.prototype, what: 'a flow', fields: [] },
  { prototype: ColumnView.prototype, what: 'a column', fields: [] },
  { prototype: StreamHandle.prototype, what: 'a stream', fields: ['flow'] },
];

/** From now on no hook changes what the next one reads through them. */
export function freezeViews(): void {
  for (const { prototype } of VIEWS) Object.freeze(prototype);
}
