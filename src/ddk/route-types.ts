/**
 * Structures and numbers of routes.
 *
 * Rule: published names, values and units; `new X()` stands where C declares a variable, and its members are 0.
 *
 * Source: `ipinfo.h`, `ip6firewall.h`, `ipexport.h`.
 *
 * @module
 */

import type { UCHAR, ULONG } from './types.ts';

/** Type of a route: none of the others. */
export const IRE_TYPE_OTHER = 1;
/** Type of a route: not valid. */
export const IRE_TYPE_INVALID = 2;
/** Type of a route: the destination is on the link. */
export const IRE_TYPE_DIRECT = 3;
/** Type of a route: by a gateway. */
export const IRE_TYPE_INDIRECT = 4;

/** Origin of a route: none of the others. */
export const IRE_PROTO_OTHER = 1;
/** Origin of a route: the host itself, such as by an address of an interface. */
export const IRE_PROTO_LOCAL = 2;
/** Origin of a route: set by hand. */
export const IRE_PROTO_NETMGMT = 3;
/** Origin of a route: an ICMP redirect. */
export const IRE_PROTO_ICMP = 4;
/** Origin of a route: RIP. */
export const IRE_PROTO_RIP = 8;
/** Origin of a route: OSPF. */
export const IRE_PROTO_OSPF = 13;
/** Origin of a route: BGP. */
export const IRE_PROTO_BGP = 14;

/** IP_STATUS: done. */
export const IP_SUCCESS = 0;
/** IP_STATUS: unreachable. */
export const IP_DEST_NO_ROUTE = 11002;
/** IP_STATUS: not enough resources. */
export const IP_NO_RESOURCES = 11006;
/** IP_STATUS: no address to send from. */
export const IP_BAD_ROUTE = 11012;
/** IP_STATUS: a parameter is wrong. */
export const IP_PARAMETER_PROBLEM = 11015;

/** Octets of an IP6RouteEntry in the form for Windows XP SP2 and Server 2003 SP1. */
export const SIZEOF_IP6_ROUTE_ENTRY = 52;

/** What LookupRouteInformation is asked. Addresses are ULONGs as they lie in memory: 192.0.2.1 is 0x010200c0. */
export class IPRouteLookupData {
  /** Not looked at. */
  Version: ULONG = 0;
  /** Destination. */
  DestAdd: ULONG = 0;
  /** Source; 0: any. */
  SrcAdd: ULONG = 0;
  /** Not looked at. */
  Info: UCHAR[] = [];
}

/** A route. Addresses and mask are ULONGs as they lie in memory. A metric of 0xffffffff is not used. */
export class IPRouteEntry {
  /** Network. */
  ire_dest: ULONG = 0;
  /** Interface of departure. */
  ire_index: ULONG = 0;
  ire_metric1: ULONG = 0;
  ire_metric2: ULONG = 0;
  ire_metric3: ULONG = 0;
  ire_metric4: ULONG = 0;
  /** Gateway; on the link, the address the host would send from. */
  ire_nexthop: ULONG = 0;
  /** IRE_TYPE_ number. */
  ire_type: ULONG = 0;
  /** IRE_PROTO_ number. */
  ire_proto: ULONG = 0;
  /** Seconds; 0 here. */
  ire_age: ULONG = 0;
  /** Mask of the network. */
  ire_mask: ULONG = 0;
  ire_metric5: ULONG = 0;
}

/**
 * A route of IPv6.
 *
 * @see https://learn.microsoft.com/en-us/previous-versions/windows/hardware/network/ff548978(v=vs.85)
 */
export class IP6RouteEntry {
  /** Octets of this structure: 52. */
  ire_Length: ULONG = 0;
  /** IRE_TYPE_ number. */
  ire_Type: ULONG = 0;
  /** Interface of departure. */
  ire_IfIndex: ULONG = 0;
  /** Interface of a link-local source, else 0. */
  ire_SourceScopeId: ULONG = 0;
  /** Interface of a link-local next hop, else 0. */
  ire_NextHopScopeId: ULONG = 0;
  /** Address to send from, 16 octets. */
  ire_Source: Uint8Array = new Uint8Array(16);
  /** Gateway; on the link, the destination. 16 octets. */
  ire_NextHop: Uint8Array = new Uint8Array(16);
}

/** Pointer to a route. */
export type PIPRouteEntry = IPRouteEntry;
/** Pointer to a route of IPv6. */
export type PIP6RouteEntry = IP6RouteEntry;
