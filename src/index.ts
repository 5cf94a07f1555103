/**
 * What a hook imports: the package `firehook`.
 *
 * The hook contract and `defineHook`; the Windows firewall-hook interface under its published names; the few wire functions
 * that a hook needs to read addresses and to keep checksums right; and a hash with a key, which allocates nothing. Rule: nothing else is public. Whatever a hook
 * can import from here keeps its name and meaning within a major version.
 *
 * @module
 */

export type { EventType } from './events/event-layout.ts';
export * from './firewall/constants.ts';
export {
  ExAllocatePoolWithTag,
  ExFreePool,
  ExFreePoolWithTag,
  FreeIprBuff,
  IPAllocBuff,
  IPFreeBuff,
} from './firewall/ddk.ts';
export { IPRcvBuf } from './firewall/ip-rcv-buf.ts';
export { halfSipHash } from './flow/half-sip-hash.ts';
export type {
  Counter,
  DecisionSignal,
  Decisions,
  DefinedHook,
  EventFields,
  FinalVerdict,
  Handlers,
  HoldRule,
  HookDefinition,
  HookNeeds,
  HookRuntime,
  PlainVerdict,
  PrefixTable,
  Reason,
  ReasonedVerdict,
  StandardSchema,
  Table,
  TableKey,
  TableRule,
  Verdict,
} from './hook/contract.ts';
export { ACCEPT, HELD, HOOK_META, REPLY, RESET } from './hook/contract.ts';
export { defineHook } from './hook/define-hook.ts';
export type {
  Address,
  Column,
  Context,
  EndedFlow,
  Flow,
  FlowRecord,
  FlowState,
  Icmp,
  Ip,
  Link,
  Packet,
  Payload,
  Quoted,
  Tcp,
  Udp,
} from './hook/packet/packet-contract.ts';
export {
  MORE,
  type Stream,
  type StreamOptions,
  type StreamPolicy,
  type StreamVerdict,
} from './hook/stream/stream-contract.ts';
export { formatAddress, type Prefix, parseAddress, parseCidr } from './wire/address.ts';
export { updateChecksum16 } from './wire/checksum.ts';
export { fillChecksums, updateTransportChecksum16 } from './wire/datagram.ts';
export { findOption as findTcpOption } from './wire/tcp.ts';
