/**
 * Types and numbers of the firewall hook for IPv6.
 *
 * Rule: published names and values. There is no verdict that answers with an ICMP error.
 *
 * Source: `ip6firewall.h` of the public Windows 7 driver kit.
 *
 * @module
 */

import type { BOOLEAN, UCHAR, UINT } from './types.ts';

/** Direction: this host sends it, or forwards it. */
export const DirectionTransmit = 0;
/** Direction: it arrives. */
export const DirectionReceive = 1;
/** Bound of the directions; itself not one of them. */
export const DirectionMax = 2;
/** One of the directions. */
export type IPv6Direction = typeof DirectionTransmit | typeof DirectionReceive;

/** Verdict: the packet passes. */
export const ActionAccept = 0;
/** Verdict: the packet is discarded in silence. */
export const ActionDrop = 1;
/** Bound of the verdicts; itself not one of them. */
export const ActionMax = 2;
/** One of the verdicts. */
export type IPv6Action = typeof ActionAccept | typeof ActionDrop;

/** An address: 16 octets. */
export type IPv6Addr = Uint8Array;

/**
 * A firewall hook for IPv6. Synchronous; DISPATCH_LEVEL.
 *
 * Ownership: addresses and header are copies, the driver's to keep; the context is good during the call.
 *
 * @param SourceAddress - 16 octets
 * @param DestinationAddress - 16 octets
 * @param PayloadLength - octets without the IPv6 header, extension headers counted in
 * @param HeaderType - protocol number of the transport header
 * @param HeaderData - the transport header: of TCP with its options, of UDP and ICMPv6 8 octets, of SCTP 12, of others 8; less where
 * the packet ends before
 * @param PacketContext - for IPv6ObtainPacketData
 * @param DataLength - octets that follow `HeaderData`
 * @param InterfaceIndex - of arrival, or of departure
 * @param Direction - DirectionTransmit or DirectionReceive
 * @param IsLoopBack - FALSE: loopback is not attached
 * @returns the verdict
 * @see https://learn.microsoft.com/en-us/previous-versions/windows/hardware/network/ff546496(v=vs.85)
 */
export type IPv6FirewallHookProc = (
  SourceAddress: IPv6Addr,
  DestinationAddress: IPv6Addr,
  PayloadLength: UINT,
  HeaderType: UCHAR,
  HeaderData: Uint8Array,
  PacketContext: unknown,
  DataLength: UINT,
  InterfaceIndex: UINT,
  Direction: IPv6Direction,
  IsLoopBack: BOOLEAN,
) => IPv6Action;

/** Routine that IPv6DisableFirewallHook calls when no call of the hook is under way. */
export type IPv6HookDisabledProc = () => void;
