/**
 * Names of C types that sources of drivers use, for TypeScript.
 *
 * Types only. Rule: a pointer to a structure and the structure are the same type here, because an object is passed by
 * reference; a pointer to a variable is a `Ref`.
 *
 * Source: `ntdef.h`, `wdm.h`.
 *
 * @module
 */

import type { FIREWALL_CONTEXT_T, IP_SET_FIREWALL_HOOK_INFO, IPPacketFirewallPtr } from '../firewall/constants.ts';
import type { IPRcvBuf } from '../firewall/ip-rcv-buf.ts';

/** A status, as an unsigned number: bits 30 and 31 are its severity. */
export type NTSTATUS = number;
/** TRUE or FALSE. */
export type BOOLEAN = boolean;
/** 0 to 0xff. */
export type UCHAR = number;
/** 0 to 0xffff. */
export type USHORT = number;
/** 0 to 0xffffffff. */
export type UINT = number;
/** 0 to 0xffffffff. */
export type ULONG = number;
/** -0x80000000 to 0x7fffffff. */
export type LONG = number;
/** 64 bits; a bigint, because a number holds 53. As a time: units of 100 ns, absolute since 1601-01-01, or negative: from now on. */
export type LARGE_INTEGER = bigint;
/** PASSIVE_LEVEL 0, APC_LEVEL 1, DISPATCH_LEVEL 2. The levels of devices are not there: no interrupt happens here. */
export type KIRQL = 0 | 1 | 2;

/** Pointer to the descriptor. */
export type PIPRcvBuf = IPRcvBuf;
/** Pointer to the context. */
export type PFIREWALL_CONTEXT_T = FIREWALL_CONTEXT_T;
/** Pointer to the registration. */
export type PIP_SET_FIREWALL_HOOK_INFO = IP_SET_FIREWALL_HOOK_INFO;
/** Other spelling of the callback's type that samples use. */
export type PIPPacketFirewall = IPPacketFirewallPtr;
