/**
 * What the test of a hook imports: the package `firehook/testing`.
 *
 * ```ts
 * const lab = await openLab(hook, { options: { port: 23 } });
 * assertDropped(await lab.send(ipv4({}, tcp({ destinationPort: 23 }))));
 * await lab.close();
 * ```
 * Builders of packets, a lab, a reader, and assertions as plain functions. Rule: nothing here belongs to a test runner, and nothing needs
 * root, a network or `@types/node`. A hook itself cannot import it.
 *
 * @module
 */

export type { VlanTag } from '../wire/ethernet.ts';
export { ACK, CWR, FIN, PSH, RST, SYN, URG } from '../wire/tcp.ts';
export { allocationPerPacket, assertNoAllocation } from './allocation.ts';
export {
  assertDropped,
  assertForwarded,
  assertHeld,
  assertLost,
  assertPacket,
  assertRejected,
  assertReplied,
  assertReset,
} from './assertions.ts';
export { differsOnlyIn, type FieldPattern, fields, type PacketCheck, sameAs } from './checks.ts';
export { type Connection, type ConnectionOptions, connection, type SegmentOptions } from './connection.ts';
export { showPacket } from './fail.ts';
export { fragments } from './fragments.ts';
export { type EthernetOptions, ethernet } from './frames.ts';
export type {
  Departure,
  Fate,
  From,
  HookUnderTest,
  Lab,
  LabEvent,
  LabFault,
  LabGrant,
  LabHook,
  LabLine,
  LabOptions,
  Outcome,
  Passage,
  SendOptions,
  To,
} from './lab-contract.ts';
export { openLab } from './open-lab.ts';
export {
  type Content,
  type Extension,
  extension,
  fragmentHeader,
  type IcmpOptions,
  type Ipv4Options,
  type Ipv6Options,
  icmpv4,
  icmpv6,
  ipv4,
  ipv6,
  type TcpOptions,
  type Transport,
  tcp,
  transport,
  type UdpOptions,
  udp,
} from './packets.ts';
export {
  type FragmentFields,
  type FrameFields,
  type IcmpFields,
  type IpFields,
  type PacketFields,
  type QuotedFields,
  readFrame,
  readPacket,
  type TcpFields,
} from './read-packet.ts';
