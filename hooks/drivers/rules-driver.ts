/**
 * Driver `rules-driver`: a list of rules that a program sets by control code, in the structure that firewall-hook drivers of 2004 have.
 *
 * ```
 *   DriverEntry ─> \Device\RulesDriver, \DosDevices\RulesDriver
 *   a program ──── IOCTL_RULES_ADD, _CLEAR, _QUERY, _START, _STOP ──> DispatchControl ──> RuleList
 *   a packet ───── FilterPacket ──> first rule that matches ──> its verdict; none: FORWARD
 * ```
 * Rules of the house: the list is read and changed under its lock only; what is allocated for a rule is freed with it; the
 * hook counts as set only after the request for it succeeded. A packet without a whole IPv4 header is dropped. Later
 * fragments have no ports: no rule with a port matches them.
 *
 * `docs/porting.md` walks through this file beside its C shape.
 *
 * @module
 */

import {
  CONTAINING_RECORD,
  CTL_CODE,
  DbgPrint,
  DD_IP_DEVICE_NAME,
  DROP,
  ExAllocatePoolWithTag,
  Executive,
  ExFreePoolWithTag,
  ExInterlockedInsertTailList,
  ExInterlockedRemoveHeadList,
  FALSE,
  FhQueryParameter,
  FILE_ANY_ACCESS,
  FILE_DEVICE_NETWORK,
  FILE_READ_DATA,
  FILE_WRITE_ACCESS,
  FORWARD,
  type FORWARD_ACTION,
  ICMP_ON_DROP,
  InitializeListHead,
  IO_NO_INCREMENT,
  IO_STATUS_BLOCK,
  IOCTL_IP_SET_FIREWALL_HOOK,
  IoBuildDeviceIoControlRequest,
  IoCallDriver,
  IoCompleteRequest,
  IoCreateDevice,
  IoCreateSymbolicLink,
  IoDeleteDevice,
  IoDeleteSymbolicLink,
  IoGetCurrentIrpStackLocation,
  IoGetDeviceObjectPointer,
  type IP_SET_FIREWALL_HOOK_INFO,
  IP_TRANSMIT,
  type IPPacketFirewallPtr,
  type IPRcvBuf,
  IRP_MJ_CLEANUP,
  IRP_MJ_CLOSE,
  IRP_MJ_CREATE,
  IRP_MJ_DEVICE_CONTROL,
  KEVENT,
  KeAcquireSpinLock,
  KeAcquireSpinLockAtDpcLevel,
  KeInitializeEvent,
  KeInitializeSpinLock,
  KeReleaseSpinLock,
  KeReleaseSpinLockFromDpcLevel,
  KernelMode,
  KeWaitForSingleObject,
  type KIRQL,
  KSPIN_LOCK,
  LIST_ENTRY,
  METHOD_BUFFERED,
  NonPagedPool,
  NotificationEvent,
  NT_SUCCESS,
  type NTSTATUS,
  ObDereferenceObject,
  PASSIVE_LEVEL,
  type PDEVICE_OBJECT,
  type PDRIVER_OBJECT,
  type PFILE_OBJECT,
  type PIRP,
  type Ref,
  RtlCopyMemory,
  RtlZeroMemory,
  SIZEOF_IP_SET_FIREWALL_HOOK_INFO,
  STATUS_BUFFER_OVERFLOW,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_DEVICE_REQUEST,
  STATUS_INVALID_PARAMETER,
  STATUS_PENDING,
  STATUS_SUCCESS,
  TRUE,
  type UNICODE_STRING,
} from 'firehook/ddk';

const DEVICE_NAME = '\\Device\\RulesDriver';
const LINK_NAME = '\\DosDevices\\RulesDriver';
/** Shown as `Rule`. */
const TAG = 'eluR';

/** Puts the filter into the chain. No input, no output. */
export const IOCTL_RULES_START = CTL_CODE(FILE_DEVICE_NETWORK, 0x900, METHOD_BUFFERED, FILE_ANY_ACCESS);
/** Takes the filter out of the chain. No input, no output. */
export const IOCTL_RULES_STOP = CTL_CODE(FILE_DEVICE_NETWORK, 0x901, METHOD_BUFFERED, FILE_ANY_ACCESS);
/** Appends one RULE. */
export const IOCTL_RULES_ADD = CTL_CODE(FILE_DEVICE_NETWORK, 0x902, METHOD_BUFFERED, FILE_WRITE_ACCESS);
/** Deletes every rule. */
export const IOCTL_RULES_CLEAR = CTL_CODE(FILE_DEVICE_NETWORK, 0x903, METHOD_BUFFERED, FILE_WRITE_ACCESS);
/** Reads the rules with their hits, as many as fit. STATUS_BUFFER_OVERFLOW, a warning, when that is not all. */
export const IOCTL_RULES_QUERY = CTL_CODE(FILE_DEVICE_NETWORK, 0x904, METHOD_BUFFERED, FILE_ANY_ACCESS);

/** Octets of a RULE: see {@link RULE}. */
export const SIZEOF_RULE = 28;

/**
 * Octets of the members of a RULE. Addresses and ports are in network byte order; 0 in a mask, port, protocol or direction means any.
 *
 * ```c
 * typedef struct _RULE {
 *     ULONG  Source, SourceMask, Destination, DestinationMask;
 *     USHORT SourcePort, DestinationPort;
 *     UCHAR  Protocol, Direction, Verdict, Reserved;
 *     ULONG  Hits;
 * } RULE;
 * ```
 */
export const RULE = {
  Source: 0,
  SourceMask: 4,
  Destination: 8,
  DestinationMask: 12,
  SourcePort: 16,
  DestinationPort: 18,
  Protocol: 20,
  Direction: 21,
  Verdict: 22,
  Hits: 24,
} as const;

/** `Direction` of a RULE: packets that arrive. */
export const RULE_RECEIVE = 1;
/** `Direction` of a RULE: packets that leave. */
export const RULE_TRANSMIT = 2;

const MAX_RULES = 1024;
const MIN_HEADER = 20;
const PROTOCOL_TCP = 6;
const PROTOCOL_UDP = 17;

class RULE_ENTRY {
  readonly Link = new LIST_ENTRY<RULE_ENTRY>(this);
  /** Nonpaged pool, {@link SIZEOF_RULE} octets. */
  readonly Rule: Buffer;

  constructor(rule: Buffer) {
    this.Rule = rule;
  }
}

// Globals of the driver, as in C. The header is what C has on the stack of the callback; no two callbacks run at once.
const RuleList = new LIST_ENTRY<RULE_ENTRY>();
const RuleLock = new KSPIN_LOCK();
const Header = Buffer.alloc(MIN_HEADER);
const Ports = Buffer.alloc(4);
let RuleCount = 0;
let IsHooked = false;

/** Makes the device. With the option `Start: true` the filter runs from the beginning. */
export function DriverEntry(DriverObject: PDRIVER_OBJECT, RegistryPath: UNICODE_STRING): NTSTATUS {
  const deviceObject: Ref<PDEVICE_OBJECT | null> = { value: null };

  InitializeListHead(RuleList);
  KeInitializeSpinLock(RuleLock);
  RuleCount = 0;
  IsHooked = false;

  let status = IoCreateDevice(DriverObject, 0, DEVICE_NAME, FILE_DEVICE_NETWORK, 0, FALSE, deviceObject);
  if (!NT_SUCCESS(status) || deviceObject.value === null) return status;

  status = IoCreateSymbolicLink(LINK_NAME, DEVICE_NAME);
  if (!NT_SUCCESS(status)) {
    IoDeleteDevice(deviceObject.value);
    return status;
  }

  DriverObject.MajorFunction[IRP_MJ_CREATE] = DispatchOpen;
  DriverObject.MajorFunction[IRP_MJ_CLEANUP] = DispatchOpen;
  DriverObject.MajorFunction[IRP_MJ_CLOSE] = DispatchOpen;
  DriverObject.MajorFunction[IRP_MJ_DEVICE_CONTROL] = DispatchControl;
  DriverObject.DriverUnload = DriverUnload;

  if (FhQueryParameter(RegistryPath, 'Start') === 1) {
    status = SetHook(TRUE);
    if (!NT_SUCCESS(status)) {
      IoDeleteSymbolicLink(LINK_NAME);
      IoDeleteDevice(deviceObject.value);
    }
  }
  return status;
}

function DriverUnload(DriverObject: PDRIVER_OBJECT): void {
  if (IsHooked) SetHook(FALSE);
  ClearRules();
  IoDeleteSymbolicLink(LINK_NAME);
  if (DriverObject.DeviceObject !== null) IoDeleteDevice(DriverObject.DeviceObject);
}

function DispatchOpen(_DeviceObject: PDEVICE_OBJECT, Irp: PIRP): NTSTATUS {
  return Complete(Irp, STATUS_SUCCESS, 0);
}

function DispatchControl(_DeviceObject: PDEVICE_OBJECT, Irp: PIRP): NTSTATUS {
  const irpSp = IoGetCurrentIrpStackLocation(Irp);
  const { InputBufferLength, OutputBufferLength, IoControlCode } = irpSp.Parameters.DeviceIoControl;
  const systemBuffer = Irp.AssociatedIrp.SystemBuffer;
  let status: NTSTATUS = STATUS_SUCCESS;
  const information: Ref<number> = { value: 0 };

  switch (IoControlCode) {
    case IOCTL_RULES_START:
      status = SetHook(TRUE);
      break;
    case IOCTL_RULES_STOP:
      status = SetHook(FALSE);
      break;
    case IOCTL_RULES_ADD:
      if (InputBufferLength !== SIZEOF_RULE || systemBuffer === null) status = STATUS_INVALID_PARAMETER;
      else status = AddRule(systemBuffer);
      break;
    case IOCTL_RULES_CLEAR:
      ClearRules();
      break;
    case IOCTL_RULES_QUERY:
      status = QueryRules(systemBuffer, OutputBufferLength, information);
      break;
    default:
      status = STATUS_INVALID_DEVICE_REQUEST;
  }
  return Complete(Irp, status, information.value);
}

function Complete(Irp: PIRP, Status: NTSTATUS, Information: number): NTSTATUS {
  Irp.IoStatus.Status = Status;
  Irp.IoStatus.Information = Information;
  IoCompleteRequest(Irp, IO_NO_INCREMENT);
  return Status;
}

/** Adds the callback to the chain, or deletes it. */
function SetHook(Add: boolean): NTSTATUS {
  const fileObject: Ref<PFILE_OBJECT | null> = { value: null };
  const ipDevice: Ref<PDEVICE_OBJECT | null> = { value: null };
  const event = new KEVENT();
  const ioStatus = new IO_STATUS_BLOCK();

  let status = IoGetDeviceObjectPointer(DD_IP_DEVICE_NAME, FILE_READ_DATA, fileObject, ipDevice);
  if (!NT_SUCCESS(status) || fileObject.value === null || ipDevice.value === null) return status;

  const info: IP_SET_FIREWALL_HOOK_INFO = { FirewallPtr: FilterPacket, Priority: 1, Add };
  KeInitializeEvent(event, NotificationEvent, FALSE);
  const irp = IoBuildDeviceIoControlRequest(
    IOCTL_IP_SET_FIREWALL_HOOK,
    ipDevice.value,
    info,
    SIZEOF_IP_SET_FIREWALL_HOOK_INFO,
    null,
    0,
    FALSE,
    event,
    ioStatus,
  );
  if (irp === null) {
    status = STATUS_INSUFFICIENT_RESOURCES;
  } else {
    status = IoCallDriver(ipDevice.value, irp);
    if (status === STATUS_PENDING) {
      KeWaitForSingleObject(event, Executive, KernelMode, FALSE, null);
      status = ioStatus.Status;
    }
  }
  ObDereferenceObject(fileObject.value);

  if (NT_SUCCESS(status)) IsHooked = Add;
  else DbgPrint('RulesDriver: %s the hook failed: 0x%08x\n', Add ? 'adding' : 'deleting', status);
  return status;
}

function AddRule(Input: Buffer): NTSTATUS {
  if (Input.readUInt8(RULE.Verdict) > ICMP_ON_DROP) return STATUS_INVALID_PARAMETER;
  if (RuleCount >= MAX_RULES) return STATUS_INSUFFICIENT_RESOURCES;
  const memory = ExAllocatePoolWithTag(NonPagedPool, SIZEOF_RULE, TAG);
  if (memory === null) return STATUS_INSUFFICIENT_RESOURCES;
  RtlCopyMemory(memory, Input, SIZEOF_RULE);
  RtlZeroMemory(memory.subarray(RULE.Hits), 4);
  ExInterlockedInsertTailList(RuleList, new RULE_ENTRY(memory).Link, RuleLock);
  RuleCount++;
  return STATUS_SUCCESS;
}

function ClearRules(): void {
  let entry = ExInterlockedRemoveHeadList(RuleList, RuleLock);
  while (entry !== null) {
    ExFreePoolWithTag(CONTAINING_RECORD(entry).Rule, TAG);
    RuleCount--;
    entry = ExInterlockedRemoveHeadList(RuleList, RuleLock);
  }
}

function QueryRules(Output: Buffer | null, OutputLength: number, Information: Ref<number>): NTSTATUS {
  const oldIrql: Ref<KIRQL> = { value: PASSIVE_LEVEL };
  let status: NTSTATUS = STATUS_SUCCESS;

  KeAcquireSpinLock(RuleLock, oldIrql);
  for (let entry = RuleList.Flink; entry !== RuleList; entry = entry.Flink) {
    if (Output === null || Information.value + SIZEOF_RULE > OutputLength) {
      status = STATUS_BUFFER_OVERFLOW;
      break;
    }
    RtlCopyMemory(Output.subarray(Information.value), CONTAINING_RECORD(entry).Rule, SIZEOF_RULE);
    Information.value += SIZEOF_RULE;
  }
  KeReleaseSpinLock(RuleLock, oldIrql.value);
  return status;
}

const FilterPacket: IPPacketFirewallPtr = (
  pData,
  _RecvInterfaceIndex,
  _pSendInterfaceIndex,
  _pDestinationType,
  pContext,
  _ContextLength,
  _ppRcvBuf,
) => {
  if (pData.value === null) return FORWARD;
  if (!ReadChain(pData.value, 0, Header, MIN_HEADER)) return DROP;
  const headerLength = (Header.readUInt8(0) & 0x0f) * 4;
  if (headerLength < MIN_HEADER) return DROP;

  const protocol = Header.readUInt8(9);
  const isLaterFragment = (Header.readUInt16BE(6) & 0x1fff) !== 0;
  const hasPorts =
    (protocol === PROTOCOL_TCP || protocol === PROTOCOL_UDP) &&
    !isLaterFragment &&
    ReadChain(pData.value, headerLength, Ports, 4);
  const direction = pContext?.Direction === IP_TRANSMIT ? RULE_TRANSMIT : RULE_RECEIVE;

  KeAcquireSpinLockAtDpcLevel(RuleLock);
  const verdict = Match(direction, hasPorts);
  KeReleaseSpinLockFromDpcLevel(RuleLock);
  return verdict;
};

/** The verdict for what is in the globals Header and Ports. The lock is held. */
function Match(Direction: number, HasPorts: boolean): FORWARD_ACTION {
  for (let entry = RuleList.Flink; entry !== RuleList; entry = entry.Flink) {
    const rule = CONTAINING_RECORD(entry).Rule;
    if (!MatchesRule(rule, Direction, HasPorts)) continue;
    rule.writeUInt32LE((rule.readUInt32LE(RULE.Hits) + 1) >>> 0, RULE.Hits);
    return rule.readUInt8(RULE.Verdict) as FORWARD_ACTION;
  }
  return FORWARD;
}

function MatchesRule(rule: Buffer, Direction: number, HasPorts: boolean): boolean {
  const protocol = rule.readUInt8(RULE.Protocol);
  if (protocol !== 0 && protocol !== Header.readUInt8(9)) return false;
  const direction = rule.readUInt8(RULE.Direction);
  if (direction !== 0 && (direction & Direction) === 0) return false;
  const source = Header.readUInt32BE(12) ^ rule.readUInt32BE(RULE.Source);
  if ((source & rule.readUInt32BE(RULE.SourceMask)) !== 0) return false;
  const destination = Header.readUInt32BE(16) ^ rule.readUInt32BE(RULE.Destination);
  if ((destination & rule.readUInt32BE(RULE.DestinationMask)) !== 0) return false;
  const sourcePort = rule.readUInt16BE(RULE.SourcePort);
  const destinationPort = rule.readUInt16BE(RULE.DestinationPort);
  if (sourcePort === 0 && destinationPort === 0) return true;
  if (!HasPorts) return false;
  if (sourcePort !== 0 && sourcePort !== Ports.readUInt16BE(0)) return false;
  return destinationPort === 0 || destinationPort === Ports.readUInt16BE(2);
}

/** Copies octets out of a chain, wherever it is cut. False when it ends before. */
function ReadChain(Head: IPRcvBuf, Offset: number, Target: Buffer, Length: number): boolean {
  let skip = Offset;
  let copied = 0;
  for (let part: IPRcvBuf | null = Head; part !== null && copied < Length; part = part.ipr_next) {
    const take = Math.min(part.ipr_size - skip, Length - copied);
    if (take <= 0) {
      skip -= part.ipr_size;
      continue;
    }
    if (part.ipr_buffer === null) return false;
    RtlCopyMemory(Target.subarray(copied), part.ipr_buffer.subarray(skip), take);
    copied += take;
    skip = 0;
  }
  return copied === Length;
}
