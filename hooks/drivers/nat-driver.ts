/**
 * Driver `nat-driver`: hides the hosts of a network behind one address, with a second callback that counts what went by.
 *
 * ```
 *   TranslatePacket, priority 10   inside:port -> peer  =>  outside:mapped -> peer      and back; a replacement chain
 *   CountPacket, priority 1        sees what the first one made of it
 *   KTIMER, 1 s -> DPC             sessions that were silent too long go
 * ```
 * Rules: a session belongs to one inside address and port, one peer address and port, and one protocol, and holds one outside
 * port. Both callbacks, the DPC and the table are one driver, so they share globals, under one lock. Checksums are updated
 * for what changed, not computed anew: a wrong one stays wrong, UDP without one stays without. What cannot be translated and has to be
 * (no port free, no memory, an unknown later fragment) is dropped: to pass it on would show the inside address.
 *
 * TCP, UDP and ICMP echo are translated; other packets pass as they are, ICMP errors too.
 *
 * Options: `Inside` and `InsideMask` (`10.0.0.0`, `255.0.0.0`), `Outside` (required), `PrintEvery` packets (1000; 0: never).
 *
 * @module
 */

import {
  CONTAINING_RECORD,
  DbgPrint,
  DD_IP_DEVICE_NAME,
  DROP,
  ExAllocatePoolWithTag,
  ExFreePool,
  FALSE,
  FhQueryParameter,
  FILE_READ_DATA,
  FORWARD,
  type FORWARD_ACTION,
  InitializeListHead,
  InsertHeadList,
  InterlockedIncrement,
  IO_STATUS_BLOCK,
  IOCTL_IP_SET_FIREWALL_HOOK,
  IoBuildDeviceIoControlRequest,
  IoCallDriver,
  IoGetDeviceObjectPointer,
  IPAllocBuff,
  IPFreeBuff,
  type IPPacketFirewallPtr,
  IPR_FLAG_CHECKSUM_OFFLOAD,
  type IPRcvBuf,
  KDPC,
  KeAcquireSpinLock,
  KeAcquireSpinLockAtDpcLevel,
  KeCancelTimer,
  KeFlushQueuedDpcs,
  KeInitializeDpc,
  KeInitializeSpinLock,
  KeInitializeTimer,
  KeQuerySystemTime,
  KeReleaseSpinLock,
  KeReleaseSpinLockFromDpcLevel,
  KeSetTimerEx,
  type KIRQL,
  KSPIN_LOCK,
  KTIMER,
  LIST_ENTRY,
  NonPagedPool,
  NT_SUCCESS,
  type NTSTATUS,
  ObDereferenceObject,
  PASSIVE_LEVEL,
  type PDEVICE_OBJECT,
  type PDRIVER_OBJECT,
  type PFILE_OBJECT,
  parseAddress,
  type Ref,
  RemoveEntryList,
  RtlCopyMemory,
  SIZEOF_IP_SET_FIREWALL_HOOK_INFO,
  SIZEOF_IPRCVBUF,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PARAMETER,
  STATUS_SUCCESS,
  TRUE,
  type UNICODE_STRING,
} from 'firehook/ddk';
import {
  DestinationPortOffset,
  type FLOW,
  PROTOCOL_ICMP,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  ReadFlow,
  SetAddress,
  SetPort,
  SourcePortOffset,
} from './_ipv4-flow.ts';

const PRIORITY_TRANSLATE = 10;
const PRIORITY_COUNT = 1;
const FIRST_PORT = 61_000;
const LAST_PORT = 65_095;
const BUCKETS = 256;
const MAX_FRAGMENTED = 256;
const SECOND = 10_000_000n;
/** A fragment waits no longer for its first one than a host does (RFC 1122 3.3.2). */
const FRAGMENT_LIFE = 60n * SECOND;

/** Silence after which a session goes: RFC 5382 asks for 2 hours and 4 minutes, RFC 4787 for 5 minutes, RFC 5508 for 60 s. */
const IDLE: Readonly<Record<number, bigint>> = {
  [PROTOCOL_ICMP]: 60n * SECOND,
  [PROTOCOL_TCP]: 7_440n * SECOND,
  [PROTOCOL_UDP]: 300n * SECOND,
};

class SESSION {
  readonly ByInside = new LIST_ENTRY<SESSION>(this);
  readonly ByOutside = new LIST_ENTRY<SESSION>(this);
  LastUsed = 0n;
  readonly Protocol: number;
  readonly InsideAddress: number;
  readonly InsidePort: number;
  readonly PeerAddress: number;
  readonly PeerPort: number;
  readonly OutsidePort: number;

  constructor(flow: FLOW, outsidePort: number) {
    this.Protocol = flow.Protocol;
    this.InsideAddress = flow.Source;
    this.InsidePort = flow.SourcePort;
    this.PeerAddress = flow.Destination;
    this.PeerPort = flow.DestinationPort;
    this.OutsidePort = outsidePort;
  }
}

/** A datagram that comes in fragments: later ones have no port to find its session by. */
interface FRAGMENTED {
  Peer: number;
  Identification: number;
  Protocol: number;
  InsideAddress: number;
  Seen: bigint;
}

const buckets = () => Array.from({ length: BUCKETS }, () => new LIST_ENTRY<SESSION>());

const Lock = new KSPIN_LOCK();
const InsideTable = buckets();
const OutsideTable = buckets();
const Fragmented: FRAGMENTED[] = [];
const Timer = new KTIMER();
const TimerDpc = new KDPC();
const Packets: Ref<number> = { value: 0 };
let Inside = 0;
let InsideMask = 0;
let Outside = 0;
let PrintEvery = 0;
let SessionCount = 0;
let NextPort = FIRST_PORT;

/** Reads the options, sets both callbacks and the timer. */
export function DriverEntry(DriverObject: PDRIVER_OBJECT, RegistryPath: UNICODE_STRING): NTSTATUS {
  const inside = AddressParameter(RegistryPath, 'Inside', '10.0.0.0');
  const mask = AddressParameter(RegistryPath, 'InsideMask', '255.0.0.0');
  const outside = AddressParameter(RegistryPath, 'Outside', null);
  const every = FhQueryParameter(RegistryPath, 'PrintEvery') ?? 1000;
  if (inside === null || mask === null || outside === null || typeof every !== 'number') {
    return STATUS_INVALID_PARAMETER;
  }
  Inside = (inside & mask) >>> 0;
  InsideMask = mask;
  Outside = outside;
  PrintEvery = every;
  Packets.value = 0;
  SessionCount = 0;
  NextPort = FIRST_PORT;
  Fragmented.length = 0;
  for (const head of [...InsideTable, ...OutsideTable]) InitializeListHead(head);
  KeInitializeSpinLock(Lock);
  KeInitializeTimer(Timer);
  KeInitializeDpc(TimerDpc, ExpireSessions, null);
  DriverObject.DriverUnload = DriverUnload;

  let status = SetHook(TranslatePacket, PRIORITY_TRANSLATE, TRUE);
  if (!NT_SUCCESS(status)) return status;
  status = SetHook(CountPacket, PRIORITY_COUNT, TRUE);
  if (!NT_SUCCESS(status)) {
    SetHook(TranslatePacket, PRIORITY_TRANSLATE, FALSE);
    return status;
  }
  KeSetTimerEx(Timer, -SECOND, 1000, TimerDpc);
  return STATUS_SUCCESS;
}

function DriverUnload(_DriverObject: PDRIVER_OBJECT): void {
  KeCancelTimer(Timer);
  KeFlushQueuedDpcs();
  SetHook(CountPacket, PRIORITY_COUNT, FALSE);
  SetHook(TranslatePacket, PRIORITY_TRANSLATE, FALSE);
  const oldIrql: Ref<KIRQL> = { value: PASSIVE_LEVEL };
  KeAcquireSpinLock(Lock, oldIrql);
  RemoveSessions(() => true);
  KeReleaseSpinLock(Lock, oldIrql.value);
}

function AddressParameter(RegistryPath: UNICODE_STRING, Name: string, Default: string | null): number | null {
  const value = FhQueryParameter(RegistryPath, Name) ?? Default;
  const address = typeof value === 'string' ? parseAddress(value) : null;
  return address?.length === 4 ? Buffer.from(address).readUInt32BE() : null;
}

function SetHook(FirewallPtr: IPPacketFirewallPtr, Priority: number, Add: boolean): NTSTATUS {
  const fileObject: Ref<PFILE_OBJECT | null> = { value: null };
  const ipDevice: Ref<PDEVICE_OBJECT | null> = { value: null };
  const ioStatus = new IO_STATUS_BLOCK();
  let status = IoGetDeviceObjectPointer(DD_IP_DEVICE_NAME, FILE_READ_DATA, fileObject, ipDevice);
  if (!NT_SUCCESS(status) || fileObject.value === null || ipDevice.value === null) return status;
  const irp = IoBuildDeviceIoControlRequest(
    IOCTL_IP_SET_FIREWALL_HOOK,
    ipDevice.value,
    { FirewallPtr, Priority, Add },
    SIZEOF_IP_SET_FIREWALL_HOOK_INFO,
    null,
    0,
    FALSE,
    null,
    ioStatus,
  );
  status = irp === null ? STATUS_INSUFFICIENT_RESOURCES : IoCallDriver(ipDevice.value, irp);
  ObDereferenceObject(fileObject.value);
  return status;
}

// ------------------------------------------------------------------------------------------------------ callbacks

const TranslatePacket: IPPacketFirewallPtr = (pData, _Recv, _pSend, _pType, _pContext, _Length, ppRcvBuf) => {
  if (pData.value === null) return FORWARD;
  const copy = CopyChain(pData.value);
  if (copy === null) return DROP;
  const verdict = Translate(copy);
  if (verdict === REPLACED) {
    ppRcvBuf.value = copy;
    return FORWARD;
  }
  IPFreeBuff(copy);
  return verdict;
};

const CountPacket: IPPacketFirewallPtr = (pData) => {
  const count = InterlockedIncrement(Packets);
  if (PrintEvery > 0 && count % PrintEvery === 1 % PrintEvery) {
    DbgPrint('NatDriver: %u packets, %u sessions, %u octets now\n', count, SessionCount, ChainLength(pData.value));
  }
  return FORWARD;
};

/** Not a verdict: the copy was changed and takes the packet's place. */
const REPLACED = -1;

function Translate(Copy: IPRcvBuf): FORWARD_ACTION | typeof REPLACED {
  const packet = Copy.ipr_buffer;
  if (packet === null) return DROP;
  const flow = ReadFlow(packet, Copy.ipr_size);
  if (flow === null) return DROP;
  const isOutbound = IsInside(flow.Source) && !IsInside(flow.Destination);
  if (!isOutbound && flow.Destination !== Outside) return FORWARD;
  if (!(flow.Protocol in IDLE) || (!flow.HasPorts && !flow.IsLaterFragment)) {
    // ICMP that is no echo passes; TCP or UDP too short for its ports is nothing that a host sends.
    return flow.Protocol === PROTOCOL_TCP || flow.Protocol === PROTOCOL_UDP ? DROP : FORWARD;
  }
  const isFinal = (Copy.ipr_flags & IPR_FLAG_CHECKSUM_OFFLOAD) === 0;
  KeAcquireSpinLockAtDpcLevel(Lock);
  const verdict = isOutbound ? TranslateOut(packet, flow, isFinal) : TranslateIn(packet, flow, isFinal);
  KeReleaseSpinLockFromDpcLevel(Lock);
  return verdict;
}

function TranslateOut(packet: Buffer, flow: FLOW, isFinal: boolean): FORWARD_ACTION | typeof REPLACED {
  if (!flow.IsLaterFragment) {
    const session = FindByInside(flow) ?? AddSession(flow);
    if (session === null) return DROP;
    session.LastUsed = Now();
    SetPort(packet, flow, SourcePortOffset(flow), session.OutsidePort, isFinal);
  }
  SetAddress(packet, flow, 12, Outside, isFinal);
  return REPLACED;
}

function TranslateIn(packet: Buffer, flow: FLOW, isFinal: boolean): FORWARD_ACTION | typeof REPLACED {
  if (flow.IsLaterFragment) {
    const whole = Fragmented.find((one) => IsSameDatagram(one, flow));
    if (whole === undefined) return DROP;
    SetAddress(packet, flow, 16, whole.InsideAddress, isFinal);
    return REPLACED;
  }
  const session = FindByOutside(flow);
  // Nobody inside asked for it: it is for the outside address itself.
  if (session === null) return FORWARD;
  session.LastUsed = Now();
  if (flow.IsFirstFragment) RememberFragmented(flow, session.InsideAddress);
  SetPort(packet, flow, DestinationPortOffset(flow), session.InsidePort, isFinal);
  SetAddress(packet, flow, 16, session.InsideAddress, isFinal);
  return REPLACED;
}

// -------------------------------------------------------------------------------------------------------- packets

/** One descriptor with one buffer that holds the whole chain. Null when memory is short, or the chain is too long. */
function CopyChain(Head: IPRcvBuf): IPRcvBuf | null {
  const copy = ExAllocatePoolWithTag(NonPagedPool, SIZEOF_IPRCVBUF, 'fPCT');
  if (copy === null) return null;
  if (IPAllocBuff(copy, ChainLength(Head)) !== 1 || copy.ipr_buffer === null) {
    ExFreePool(copy);
    return null;
  }
  copy.ipr_next = null;
  copy.ipr_flags = Head.ipr_flags;
  let offset = 0;
  for (let part: IPRcvBuf | null = Head; part !== null; part = part.ipr_next) {
    if (part.ipr_buffer === null || part.ipr_size === 0) continue;
    RtlCopyMemory(copy.ipr_buffer.subarray(offset), part.ipr_buffer, part.ipr_size);
    offset += part.ipr_size;
  }
  return copy;
}

function ChainLength(Head: IPRcvBuf | null): number {
  let length = 0;
  for (let part = Head; part !== null; part = part.ipr_next) length += part.ipr_size;
  return length;
}

// ------------------------------------------------------------------------------------- sessions; the lock is held

function Bucket(table: readonly LIST_ENTRY<SESSION>[], ...values: readonly number[]): LIST_ENTRY<SESSION> {
  let hash = 0;
  for (const value of values) hash = Math.imul(hash ^ value ^ (value >>> 16), 0x9e3779b1);
  const head = table[hash >>> 24];
  // BUCKETS is 256, so eight bits always hit one.
  if (head === undefined) throw new RangeError('no bucket');
  return head;
}

function InsideBucket(one: { Protocol: number }, address: number, port: number): LIST_ENTRY<SESSION> {
  return Bucket(InsideTable, one.Protocol, address, port);
}

function OutsideBucket(one: { Protocol: number }, port: number): LIST_ENTRY<SESSION> {
  return Bucket(OutsideTable, one.Protocol, port);
}

function FindByInside(flow: FLOW): SESSION | null {
  const head = InsideBucket(flow, flow.Source, flow.SourcePort);
  for (let entry = head.Flink; entry !== head; entry = entry.Flink) {
    const session = CONTAINING_RECORD(entry);
    if (
      session.Protocol === flow.Protocol &&
      session.InsideAddress === flow.Source &&
      session.InsidePort === flow.SourcePort &&
      session.PeerAddress === flow.Destination &&
      session.PeerPort === flow.DestinationPort
    ) {
      return session;
    }
  }
  return null;
}

function FindByOutside(flow: FLOW): SESSION | null {
  const session = FindByPort(flow.Protocol, flow.DestinationPort);
  return session?.PeerAddress === flow.Source && session.PeerPort === flow.SourcePort ? session : null;
}

function FindByPort(protocol: number, port: number): SESSION | null {
  const head = OutsideBucket({ Protocol: protocol }, port);
  for (let entry = head.Flink; entry !== head; entry = entry.Flink) {
    const session = CONTAINING_RECORD(entry);
    if (session.Protocol === protocol && session.OutsidePort === port) return session;
  }
  return null;
}

/** Null when every port of the protocol is taken. A reply is no reason for a session. */
function AddSession(flow: FLOW): SESSION | null {
  if (flow.Protocol === PROTOCOL_ICMP && flow.SourcePort === 0 && flow.DestinationPort !== 0) return null;
  for (let tries = FIRST_PORT; tries <= LAST_PORT; tries++) {
    const port = NextPort;
    NextPort = port === LAST_PORT ? FIRST_PORT : port + 1;
    if (FindByPort(flow.Protocol, port) !== null) continue;
    const session = new SESSION(flow, port);
    InsertHeadList(InsideBucket(session, session.InsideAddress, session.InsidePort), session.ByInside);
    InsertHeadList(OutsideBucket(session, session.OutsidePort), session.ByOutside);
    SessionCount++;
    return session;
  }
  return null;
}

function RemoveSessions(isOver: (session: SESSION) => boolean): void {
  for (const head of InsideTable) {
    for (let entry = head.Flink; entry !== head; entry = entry.Flink) {
      const session = CONTAINING_RECORD(entry);
      if (!isOver(session)) continue;
      RemoveEntryList(session.ByInside);
      RemoveEntryList(session.ByOutside);
      SessionCount--;
    }
  }
}

function IsSameDatagram(one: FRAGMENTED, flow: FLOW): boolean {
  return one.Peer === flow.Source && one.Identification === flow.Identification && one.Protocol === flow.Protocol;
}

function RememberFragmented(flow: FLOW, InsideAddress: number): void {
  const { Source: Peer, Identification, Protocol } = flow;
  const at = Fragmented.findIndex((one) => IsSameDatagram(one, flow));
  if (at !== -1) Fragmented.splice(at, 1);
  else if (Fragmented.length >= MAX_FRAGMENTED) Fragmented.shift();
  Fragmented.push({ Peer, Identification, Protocol, InsideAddress, Seen: Now() });
}

function ExpireSessions(): void {
  const now = Now();
  KeAcquireSpinLockAtDpcLevel(Lock);
  RemoveSessions((session) => now - session.LastUsed > (IDLE[session.Protocol] ?? 0n));
  // Oldest first.
  while (Fragmented[0] !== undefined && now - Fragmented[0].Seen > FRAGMENT_LIFE) Fragmented.shift();
  KeReleaseSpinLockFromDpcLevel(Lock);
}

function IsInside(address: number): boolean {
  return (address & InsideMask) >>> 0 === Inside;
}

function Now(): bigint {
  const time: Ref<bigint> = { value: 0n };
  KeQuerySystemTime(time);
  return time.value;
}
