/**
 * Names and numbers of the Windows firewall-hook interface for IPv4.
 *
 * Floor 1. Rule: a name that Microsoft published has the published value; a number that firehook had to choose itself
 * says so. Nothing is renamed: a person who ports a driver finds each name where it was.
 *
 * Sources: `ipfirewall.h` of the public Windows 2000, Server 2003 and Windows 7 driver kits, `wdm.h`, `ntstatus.h`.
 *
 * @module
 */

import type { IPRcvBuf } from './ip-rcv-buf.ts';

/** Interface index that stands for no interface. */
export const INVALID_IF_INDEX = 0xffffffff;
/** Interface index that stands for the local host itself. */
export const LOCAL_IF_INDEX = 0;

/** Direction of a packet that leaves: this host sends it, or forwards it. */
export const IP_TRANSMIT = 0;
/** Direction of a packet that arrives. */
export const IP_RECEIVE = 1;
/** One of {@link IP_TRANSMIT} and {@link IP_RECEIVE}, in the order of the published enumeration. */
export type DIRECTION_E = typeof IP_TRANSMIT | typeof IP_RECEIVE;

/** Verdict: the packet passes on. */
export const FORWARD: 0 = 0;
/** Verdict: the packet is discarded in silence. */
export const DROP: 1 = 1;
/** Verdict: the packet is discarded and its sender is told by an ICMP error. */
export const ICMP_ON_DROP: 2 = 2;
/** What a firewall hook returns. Not the `PF_` numbers of the filter hook, where 2 means pass. */
export type FORWARD_ACTION = typeof FORWARD | typeof DROP | typeof ICMP_ON_DROP;

/** Route information class: no information besides the route. */
export const IPRouteNoInformation = 0;
/** Route information class: the firewall context of the outgoing route. */
export const IPRouteOutgoingFirewallContext = 1;
/** Route information class: the filter context of the outgoing route. */
export const IPRouteOutgoingFilterContext = 2;
/** Bound of the route information classes; itself not one of them. */
export const MaxIPRouteInfoClass = 3;
/** One of the three route information classes. */
export type IPROUTEINFOCLASS =
  | typeof IPRouteNoInformation
  | typeof IPRouteOutgoingFirewallContext
  | typeof IPRouteOutgoingFilterContext;

/** Bit of `ipr_flags`: the transport checksum in the buffer is not final. The only published flag. */
export const IPR_FLAG_CHECKSUM_OFFLOAD = 0x00000002;

/** Value of `ipr_owner` without a data buffer. Firehook's own number: Windows never published its own. */
export const IPR_OWNER_NONE = 0;
/** Value of `ipr_owner` for data the runtime lends for one call. Firehook's own number, not a Windows one. */
export const IPR_OWNER_RUNTIME = 1;
/** Value of `ipr_owner` for data from `IPAllocBuff`. Firehook's own number, not a Windows one. */
export const IPR_OWNER_POOL = 2;

/** Name of the device that takes {@link IOCTL_IP_SET_FIREWALL_HOOK} on Windows. */
export const DD_IP_DEVICE_NAME = '\\Device\\Ip';
/** Device type of the control codes of {@link DD_IP_DEVICE_NAME}: FILE_DEVICE_NETWORK. */
export const FSCTL_IP_BASE = 0x00000012;

/**
 * Makes a control code of {@link DD_IP_DEVICE_NAME}: CTL_CODE with {@link FSCTL_IP_BASE}.
 *
 * @param FunctionCode - 0 to 0xfff
 * @param Method - how buffers are passed, 0 (METHOD_BUFFERED) to 3
 * @param Access - what the handle must be open for, 0 (FILE_ANY_ACCESS) to 3
 * @returns the ULONG, as an unsigned number
 */
export function _IP_CTL_CODE(FunctionCode: number, Method: number, Access: number): number {
  return ((FSCTL_IP_BASE << 16) | (Access << 14) | (FunctionCode << 2) | Method) >>> 0;
}

/** CTL_CODE(FILE_DEVICE_NETWORK 0x12, function 12, METHOD_BUFFERED 0, FILE_WRITE_ACCESS 2). */
export const IOCTL_IP_SET_FIREWALL_HOOK = 0x00128030;

/** Destination: a unicast address of this host. */
export const DEST_LOCAL = 0x00;
/** Destination: broadcast of a network, or local broadcast. */
export const DEST_BCAST = 0x01;
/** Destination: subnet broadcast. */
export const DEST_SN_BCAST = 0x03;
/** Destination: multicast that this host takes part in. */
export const DEST_MCAST = 0x05;
/** Destination: a unicast address of another host. */
export const DEST_REMOTE = 0x08;
/** Destination: broadcast of a network this host is not on. */
export const DEST_REM_BCAST = 0x0b;
/** Destination: multicast that this host takes no part in. */
export const DEST_REM_MCAST = 0x0d;
/** Destination: met in promiscuous mode. */
export const DEST_PROMIS = 0x20;
/** Destination: invalid. Satisfies every mask below, so exclude it first. */
export const DEST_INVALID = 0xff;
/** Mask: broadcast; multicast sets this bit too, so test {@link DEST_MCAST_BIT} first. */
export const DEST_BCAST_BIT = 0x01;
/** Mask: multicast when both of its bits are set. */
export const DEST_MCAST_BIT = 0x05;
/** Mask: off the network; only callers above IP use it. */
export const DEST_OFFNET_BIT = 0x10;

/** Pool that is never paged out; what a hook has to use. */
export const NonPagedPool = 0;
/** Pool that may be paged out on Windows. Here it is the same memory in another row of the books. */
export const PagedPool = 1;
/** Pool types that firehook knows. */
export type POOL_TYPE = typeof NonPagedPool | typeof PagedPool;

/** Size of an `IPRcvBuf` on 64-bit Windows, in octets: the request that `ExAllocatePoolWithTag` answers with one. */
export const SIZEOF_IPRCVBUF = 64;
/** Size of a `FIREWALL_CONTEXT_T` on 64-bit Windows, in octets: the `ContextLength` of every call. */
export const SIZEOF_FIREWALL_CONTEXT_T = 40;

/** NTSTATUS: done. */
export const STATUS_SUCCESS = 0x00000000;
/** NTSTATUS: not done yet. */
export const STATUS_PENDING = 0x00000103;
/** NTSTATUS: a parameter is wrong. As an unsigned number. */
export const STATUS_INVALID_PARAMETER = 0xc000000d;
/** NTSTATUS: the device cannot do that now. As an unsigned number. */
export const STATUS_INVALID_DEVICE_REQUEST = 0xc0000010;

/** An in-out or out parameter: where C passes the address of a variable. */
export interface Ref<T> {
  /** What the variable holds. */
  value: T;
}

/** What `pContext` points to. Only `Direction` has a published meaning; the rest is opaque. */
export interface FIREWALL_CONTEXT_T {
  /** IP_TRANSMIT or IP_RECEIVE: the one reliable source of the direction. */
  Direction: DIRECTION_E;
  /** Network table entry: opaque, null here. */
  NTE: unknown;
  /** Link context: opaque, null here. */
  LinkCtxt: unknown;
  /** NDIS handle: opaque, null here. */
  LContext1: unknown;
  /** Opaque, 0 here. */
  LContext2: number;
}

/**
 * A firewall hook, as `ipfirewall.h` declares it. Synchronous: a promise is a hook fault.
 *
 * Ownership: borrows every argument for the call. A chain left in `ppRcvBuf.value` is taken by the runtime, whatever the
 * verdict.
 *
 * @param pData - head of the chain, at the IP header; in-out
 * @param RecvInterfaceIndex - interface of arrival
 * @param pSendInterfaceIndex - interface of departure; in-out
 * @param pDestinationType - one of the `DEST_` numbers; in-out
 * @param pContext - carries the direction
 * @param ContextLength - octets of the context, {@link SIZEOF_FIREWALL_CONTEXT_T}
 * @param ppRcvBuf - null on entry; a replacement chain on return
 * @returns the verdict
 */
export type IPPacketFirewallPtr = (
  pData: Ref<IPRcvBuf | null>,
  RecvInterfaceIndex: number,
  pSendInterfaceIndex: Ref<number>,
  pDestinationType: Ref<number>,
  pContext: FIREWALL_CONTEXT_T | null,
  ContextLength: number,
  ppRcvBuf: Ref<IPRcvBuf | null>,
) => FORWARD_ACTION;

/** What {@link IOCTL_IP_SET_FIREWALL_HOOK} carries on Windows. */
export interface IP_SET_FIREWALL_HOOK_INFO {
  /** The callback. */
  FirewallPtr: IPPacketFirewallPtr;
  /** Larger runs first (firehook's decision). */
  Priority: number;
  /** True to add, false to delete. */
  Add: boolean;
}
