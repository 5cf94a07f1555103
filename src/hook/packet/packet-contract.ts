/**
 * What a hook is handed for each packet: the packet, its layers, and where it was met.
 *
 * ```
 *   packet ─┬─ link                          Ethernet: addresses, VLAN
 *           ├─ ip ─ source, destination      IPv4 and IPv6
 *           ├─ tcp | udp | icmp ─ quoted     null where the packet has none
 *           ├─ payload                       what stands behind the transport header
 *           └─ bytes, chain                  the octets themselves, for whoever needs them
 * ```
 * Rules: nothing of it outlives the call, and all of it is the same few objects for every packet. A setter writes the field and
 * corrects every checksum that covers it (RFC 1624), so that a wrong one stays wrong; where a card will compute the checksum, it is
 * left to the card. Costs: a getter reads memory and allocates nothing; a setter writes, O(1), and allocates nothing; what costs more
 * says so. A value of 32 bits from 2^31 on may take 16 octets of heap where V8 does not put the getter in line.
 *
 * @module
 */

import type { DROP } from '../../firewall/constants.ts';
import type { IPRcvBuf } from '../../firewall/ip-rcv-buf.ts';
import type { FlowEnds } from '../../flow/flow-ends.ts';
import type { Prefix } from '../../wire/address.ts';
import type { OctetBuffer } from '../../wire/octet-buffer.ts';
import type { REPLY, Verdict } from '../contract.ts';

/**
 * One IP datagram, from the IP header on, as a hook sees it.
 *
 * Ownership: borrowed, valid during `onPacket` only. The same object is used for every packet; fields are read from the
 * datagram when they are asked for, so that every change shows at once.
 */
export interface Packet {
  /** 4 or 6. */
  readonly version: 4 | 6;
  /** Protocol number of the transport header (IPv6: after the extension headers), for example 6 for TCP. */
  readonly protocol: number;
  /** Octets from the start of the datagram to its end, link padding excluded. */
  readonly length: number;
  /** Octet in {@link Packet.bytes} where the transport header starts. */
  readonly transportOffset: number;
  /** True for any fragment, the first included. */
  readonly isFragment: boolean;
  /** Offset of this fragment in the original payload, in octets; 0 for whole datagrams and first fragments. */
  readonly fragmentOffset: number;
  /** What its frame says. */
  readonly link: Link;
  /** The IP header. */
  readonly ip: Ip;
  /** The TCP header; null for other protocols, later fragments, and where a capture cut the header. */
  readonly tcp: Tcp | null;
  /** The UDP header; null as for TCP. */
  readonly udp: Udp | null;
  /** The ICMP or ICMPv6 header; null as for TCP. */
  readonly icmp: Icmp | null;
  /** The octets behind the transport header. */
  readonly payload: Payload;
  /**
   * The flow that it belongs to, by the packet as it came; null where it belongs to none, and {@link Packet.flowState} says why. Later
   * fragments belong to the flow of their first one, ICMP errors to that of the datagram that they quote.
   *
   * @throws TypeError where no hook of the chain says `flows` in its definition
   */
  readonly flow: Flow | null;
  /** What the flow table says of the packet; see {@link FlowState}. @throws TypeError as above */
  readonly flowState: FlowState;
  /** `ip.source`. */
  readonly source: Address;
  /** `ip.destination`. */
  readonly destination: Address;
  /** 0-65535; -1 where there is none (protocols other than TCP, UDP, SCTP, DCCP and UDP-Lite, later fragments). */
  readonly sourcePort: number;
  /** 0-65535; -1 where there is none, as above. */
  readonly destinationPort: number;
  /** The flags octet of the TCP header (FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32); -1 where there is none. */
  readonly tcpFlags: number;
  /** Octet in {@link Packet.bytes} where the payload after the transport header starts. */
  readonly payloadOffset: number;
  /**
   * The datagram, writable in place. Valid are the first {@link Packet.length} octets; the buffer itself may be longer.
   * After a change the checksums are the hook's business: {@link Packet.fillChecksums} does it.
   *
   * It is a copy, made when the first hook asks for it: about 150 ns a packet with the look whether something was changed. The
   * fields and layers of the packet cost nothing of it. A view that is kept is dead, with length 0, when the batch ends.
   */
  readonly bytes: OctetBuffer;
  /** The datagram as a chain of buffers, the Windows way. */
  readonly chain: IPRcvBuf;
  /**
   * Computes the IPv4 header checksum and that of TCP, UDP, SCTP, ICMP or ICMPv6 anew, after a change in {@link Packet.bytes}. What
   * the card will compute is left to it. Cost: O(length).
   *
   * @returns false, with nothing changed, for a fragment and for a packet that the capture cut
   */
  fillChecksums(): boolean;
  /**
   * Writes the answer to a UDP datagram over it: another payload, addresses and ports exchanged, a TTL of 64. What it returns is to be returned.
   * Cost: O(length) and a descriptor of the pool.
   *
   * @returns REPLY; DROP where {@link Payload.splice} refuses the payload
   * @example
   * ```ts
   * return packet.replyUdp(answer);
   * ```
   */
  replyUdp(payload: Uint8Array): typeof REPLY | typeof DROP;
  /**
   * Lets another chain take this packet's place. Has effect with a FORWARD verdict; later hooks see the new chain.
   *
   * Ownership: takes `chain`, whatever the verdict; the runtime frees both.
   */
  replace(chain: IPRcvBuf): void;
  /**
   * A copy of the datagram for a hook that wants it beyond its call: what {@link Packet.bytes} shows now, in one buffer
   * of the pool. Checksum offload: the copy's transport checksum is completed, so that it is a valid datagram by itself;
   * where that cannot be (a fragment, a packet that the capture cut) `ipr_flags` keeps `IPR_FLAG_CHECKSUM_OFFLOAD`.
   *
   * To be called from within `onPacket` only. Cost: a descriptor, and O(length) for the copy and its checksum.
   *
   * Ownership: returns owned, booked on the hook under the tag `'peeK'`, shown `Keep`. Free it with `IPFreeBuff`, or
   * hand it over with {@link Packet.replace} of this packet or a later one.
   * @returns null when the pool is exhausted, or for a super-frame longer than 65,535 octets
   */
  keep(): IPRcvBuf | null;
  /**
   * Lets the packet itself wait, as the hooks have written it, with its link header and what its network card has still to do: for a verdict
   * that takes time. To be returned: `return packet.hold()`. With {@link HookRuntime.release} it goes to the hooks behind this one and leaves as
   * it would have left; a super-frame stays whole. The definition bounds how many wait and for how long (`hold`); one whose time is over gets
   * `hold.onTimeout`. The packets of a flow that follow a first packet that waits are new, too.
   *
   * Cost: one copy of the frame; no allocation once as many have waited before.
   *
   * @param otherwise - the verdict where there is no room. @defaultValue DROP
   * @returns HELD, or `otherwise`
   * @throws TypeError where the definition has no `hold`
   */
  hold(otherwise?: Verdict): Verdict;
  /**
   * The same until a moment on the clock of the packets, that of `context.timestamp`; then it goes on as with FORWARD. A moment that is later than
   * `hold.timeoutMs` from now ends as `hold.onTimeout` says.
   *
   * @param time - milliseconds since 1970
   * @returns HELD; FORWARD where the moment is over; `otherwise` where there is no room
   */
  holdUntil(time: number, otherwise?: Verdict): Verdict;
  /** Number of this packet for {@link HookRuntime.release}, once it was told to wait; 0 before. A number is never used twice. */
  readonly token: number;
}

/** What a frame says of its packet. */
export interface Link {
  /** False where frames carry no Ethernet header: tunnels without one, capture files of other kinds. */
  readonly isEthernet: boolean;
  /** The VLAN (802.1Q, 0-4095) of the outermost tag; -1 without a tag. */
  readonly vlan: number;
  /** An octet, 0 to 5, of a MAC address; -1 where there is none. */
  mac(end: 'source' | 'destination', index: number): number;
  /**
   * A copy of the link header of Ethernet, tags and all that stands before the IP header included, for a frame that is sent later
   * with `runtime.inject`. Empty where there is none. Makes an object: not for every packet.
   *
   * @param isTurned - as a frame in the other direction has it, for an answer: the addresses change places. @defaultValue false
   */
  toBytes(isTurned?: boolean): Uint8Array;
}

/** The header of IPv4 or IPv6. */
export interface Ip {
  /** Where it comes from. */
  readonly source: Address;
  /** Where it goes to. */
  readonly destination: Address;
  /** Time to live, in IPv6 the hop limit: 0-255. */
  ttl: number;
  /** Differentiated services code point (RFC 2474): 0-63. */
  dscp: number;
  /** Explicit congestion notification (RFC 3168): 0-3. */
  ecn: number;
  /** Identification of IPv4, 0-65535; -1 in IPv6, where setting it changes nothing. */
  id: number;
  /** The flag of IPv4; true in IPv6, which no router cuts, and where setting it changes nothing. */
  dontFragment: boolean;
  /** Exchanges source and destination. */
  swap(): void;
}

/** An address inside a packet. */
export interface Address {
  /** 4 or 16. */
  readonly length: 4 | 16;
  /** The octet at `index`, 0 to `length` - 1. */
  at(index: number): number;
  /** 32-bit word number `index` as an unsigned number; IPv4 has word 0, IPv6 words 0 to 3. */
  word(index: number): number;
  /** The same with a sign, from -2^31 on: such a number never takes an object. */
  signedWord(index: number): number;
  /** True when the octets are those of `other`, which may be an address of the packet. */
  equals(other: Uint8Array | Address): boolean;
  /** True when it is in this prefix, of its own family, as `parseCidr` gives it. Cost: O(length of the prefix). */
  isIn(prefix: Prefix): boolean;
  /**
   * Writes another address.
   *
   * @throws RangeError when it is one of the other family
   */
  set(address: Uint8Array | Address): void;
  /**
   * Writes 32-bit word number `index`.
   *
   * @throws RangeError when the address has no such word
   */
  setWord(index: number, value: number): void;
  /** A copy of the octets that outlives the call. */
  toBytes(): Uint8Array;
  /** Text form (RFC 5952 for IPv6). Makes a string: not for every packet. */
  toString(): string;
}

/** A TCP header (RFC 9293). */
export interface Tcp {
  sourcePort: number;
  destinationPort: number;
  /** Sequence number, 32 bits. */
  seq: number;
  /** Acknowledgement number, 32 bits. */
  ack: number;
  /** The flags octet: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128. */
  flags: number;
  /** Not scaled. */
  window: number;
  /** Octets of the header with its options. */
  readonly headerLength: number;
  /** True when all of these flags are set. */
  has(flags: number): boolean;
  /** Octet in {@link Packet.bytes} where the option of this kind starts; -1 without it. Cost: O(options). */
  option(kind: number): number;
  /** Largest segment (option 2, in a SYN); -1 without the option, where setting it changes nothing. */
  mss: number;
}

/** A UDP header (RFC 768). */
export interface Udp {
  sourcePort: number;
  destinationPort: number;
}

/** An ICMP (RFC 792) or ICMPv6 (RFC 4443) header. */
export interface Icmp {
  type: number;
  code: number;
  /** True for the types that report what became of a datagram. */
  readonly isError: boolean;
  /** Identifier of an echo request or reply, 0-65535; -1 in other types, where setting it changes nothing. */
  id: number;
  /** The datagram that an error quotes; null where it quotes none that can be read. Cost: it is looked at anew at each read. */
  readonly quoted: Quoted | null;
}

/**
 * The start of a datagram that an ICMP error quotes. It travels against the error: its source is where the error goes. A setter corrects
 * the checksums of the quoted headers, where the quotation reaches that far, and that of the error.
 */
export interface Quoted {
  /** Protocol number of its transport header. */
  readonly protocol: number;
  /** Its IP header. */
  readonly ip: Ip;
  /** 0-65535; -1 where there is none, where setting it changes nothing. */
  sourcePort: number;
  /** 0-65535; -1 where there is none, where setting it changes nothing. */
  destinationPort: number;
}

/** The octets behind the transport header, to the end of what the datagram carries. Offsets count from its start. */
export interface Payload {
  /** Octets. */
  readonly length: number;
  /** One octet; -1 beyond the end. */
  u8(at: number): number;
  /** Two octets in network order; -1 beyond the end. */
  u16(at: number): number;
  /** Four octets in network order; -1 beyond the end. */
  u32(at: number): number;
  /** Writes one octet. Beyond the end nothing is changed. */
  setU8(at: number, value: number): void;
  /** Writes two octets in network order. Beyond the end nothing is changed. */
  setU16(at: number, value: number): void;
  /** Where these octets stand for the first time, not before `from`; -1 where they do not. Cost: O(length). */
  indexOf(needle: Uint8Array, from?: number): number;
  /** True when it starts with these octets. Cost: O(length of the needle). */
  startsWith(needle: Uint8Array): boolean;
  /** Copies octets from `at` on; how many there were and had room. Cost: O(length). */
  copyTo(target: Uint8Array, at?: number): number;
  /** A copy that outlives the call. Makes an object. */
  toBytes(from?: number, to?: number): Uint8Array;
  /** As text, one character an octet (latin1). Makes a string: not for every packet. */
  text(from?: number, to?: number): string;
  /**
   * Puts other octets in the place of some: lengths and checksums follow. UDP alone; **a TCP stream would lose its count, and is refused**.
   * The packet then stands in a buffer of the pool, as after {@link Packet.replace}.
   *
   * Cost: O(length) and a descriptor of the pool.
   * @returns false, with nothing changed: for another protocol, a fragment, a super-frame or a packet that the capture cut, when the pool is
   * exhausted, or when the datagram would be longer than 65,535 octets
   */
  splice(at: number, remove: number, insert: Uint8Array): boolean;
}

/**
 * What the flow table says of a packet.
 *
 * - `new`, `established`, `closing`, `closed`: the state of its flow, the packet included. Without TCP a flow is established by an answer.
 * - `related`: an ICMP error about its flow.
 * - `invalid`: it can belong to no flow: a TCP segment outside of the window, an answer to nothing, an ICMP error that quotes no datagram of a
 *   flow, a header that is cut off.
 * - `fragment`: a later fragment whose first one was not seen.
 * - `untracked`: neighbour and router discovery and multicast listeners, which have no flows.
 * - `full`: the table is full of flows in use.
 */
export type FlowState =
  | 'new'
  | 'established'
  | 'closing'
  | 'closed'
  | 'related'
  | 'invalid'
  | 'fragment'
  | 'untracked'
  | 'full';

/** The books of a flow: all datagrams between two ends of one protocol, in both directions. Borrowed like the packet. */
export interface FlowRecord {
  /** Packets in both directions, the one at hand included. */
  readonly packets: number;
  /** Their octets. */
  readonly octets: number;
  /** Packets in one direction: 0 as the first one went, 1 back. */
  packetsOf(direction: 0 | 1): number;
  /** Octets in one direction. */
  octetsOf(direction: 0 | 1): number;
  /** When it started: milliseconds on the clock of the flow table, which counts from the start of the lane; in replay those of the file. */
  readonly startedAt: number;
  /** When its last packet came, on the same clock. */
  readonly lastAt: number;
  /** Its ends, as the first packet went. Makes an object and text: not for every packet. */
  ends(): FlowEnds;
}

/** The flow of a packet. */
export interface Flow extends FlowRecord {
  /** The packet at hand starts it. */
  readonly isNew: boolean;
  /** A packet came back. */
  readonly isAnswered: boolean;
  /** 0: the packet goes as the first one did; 1: back. */
  readonly direction: 0 | 1;
  /**
   * What this hook does with the packets of the flow from the next one on, without being called: FORWARD or DROP. It holds until the flow ends.
   * Invalid packets are none of its packets. The first 32 hooks of a chain can do that; of others nothing is remembered.
   */
  settle(verdict: 0 | 1): void;
}

/** A flow that ends. */
export interface EndedFlow extends FlowRecord {
  /** No packet came for its timeout; TCP was closed; a new connection took its place; the table was full. */
  readonly reason: 'expired' | 'closed' | 'replaced' | 'evicted';
}

/** Numbers that a hook keeps with each flow: 0 in a new one. They are there as long as the flow is at hand. */
export interface Column {
  /** The number of the flow at hand. */
  get(flow: FlowRecord): number;
  /** Sets it; a column of `int32` keeps the low 32 bits. */
  set(flow: FlowRecord, value: number): void;
  /** Adds to it. */
  add(flow: FlowRecord, value: number): void;
}

/** Where a packet was met. Borrowed like the packet. */
export interface Context {
  /** IP_TRANSMIT 0 or IP_RECEIVE 1. */
  readonly direction: 0 | 1;
  /** Name of the interface that the packet comes from; `local` for this host. In replay `interface N`, N its number in the file. */
  readonly from: string;
  /** Name of the interface that it goes to; `local` for this host. */
  readonly to: string;
  /** `out`: from this host, or on a bridge from the port that the configuration names first, which is the inside; `in`: the other way. */
  readonly side: 'in' | 'out';
  /** Index of the interface of arrival; LOCAL_IF_INDEX for packets this host sends. */
  readonly recvInterfaceIndex: number;
  /** Index of the interface it will leave by; INVALID_IF_INDEX for packets to this host. A bridge port may be set. */
  sendInterfaceIndex: number;
  /** DEST_LOCAL, DEST_REMOTE and their kin. */
  destinationType: number;
  /**
   * When the kernel saw the packet: milliseconds since 1970 with a fraction, CLOCK_REALTIME. In replay, the file's; 0 where
   * the file has none (a simple packet block of pcapng).
   */
  readonly timestamp: number;
  /** The same, exact, in nanoseconds. Makes a bigint: not for every packet. */
  readonly timestampNs: bigint;
}
