/**
 * Routes: LookupRouteInformation for IPv4, IPv6GetBestRouteInfo for IPv6, over the kernel's own table.
 *
 * ```
 *   192.0.2.1 ─> in memory c0 00 02 01 ─> ULONG 0x010200c0    as on x64 Windows, which stores the low octet first
 * ```
 * Rules: addresses in structures are ULONGs in network byte order in memory, so what a driver reads from a packet with
 * `readUInt32LE` goes in as it is. Members the kernel has no value for hold what RFC 1213 says of an unused one. Statuses that
 * Microsoft did not publish are firehook's choice, and each function lists them.
 *
 * Source: `ipinfo.h`, `ipfirewall.h`, `ip6firewall.h`; RFC 1213, ipRouteTable.
 *
 * @see https://learn.microsoft.com/en-us/previous-versions/windows/hardware/network/ff549228(v=vs.85)
 *
 * @module
 */

import {
  type FIREWALL_CONTEXT_T,
  IP_TRANSMIT,
  type IPROUTEINFOCLASS,
  IPRouteNoInformation,
  IPRouteOutgoingFilterContext,
  IPRouteOutgoingFirewallContext,
  type Ref,
  SIZEOF_FIREWALL_CONTEXT_T,
  STATUS_INVALID_PARAMETER,
  STATUS_SUCCESS,
} from '../firewall/constants.ts';
import type { DriverHost, Route } from './host.ts';
import { isUlong } from './io-manager.ts';
import type { WarnOnce } from './once.ts';
import {
  IP_BAD_ROUTE,
  IP_DEST_NO_ROUTE,
  IP_NO_RESOURCES,
  IP_PARAMETER_PROBLEM,
  IP_SUCCESS,
  type IP6RouteEntry,
  type IPRouteEntry,
  type IPRouteLookupData,
  IRE_PROTO_BGP,
  IRE_PROTO_ICMP,
  IRE_PROTO_LOCAL,
  IRE_PROTO_NETMGMT,
  IRE_PROTO_OSPF,
  IRE_PROTO_OTHER,
  IRE_PROTO_RIP,
  IRE_TYPE_DIRECT,
  IRE_TYPE_INDIRECT,
  SIZEOF_IP6_ROUTE_ENTRY,
} from './route-types.ts';
import {
  STATUS_BUFFER_TOO_SMALL,
  STATUS_NETWORK_UNREACHABLE,
  STATUS_NOT_SUPPORTED,
  STATUS_UNSUCCESSFUL,
} from './status.ts';
import type { NTSTATUS, UINT, ULONG } from './types.ts';

/** What RFC 1213 has in a metric that is not used: -1. */
const UNUSED_METRIC = 0xffffffff;
/** RTN_ numbers of a route that leads nowhere: blackhole, unreachable, prohibit, throw. */
const LEADS_NOWHERE = [6, 7, 8, 9];
/** RTPROT_ number to IRE_PROTO_ number. */
const PROTOCOLS: Readonly<Record<number, number>> = {
  1: IRE_PROTO_ICMP,
  2: IRE_PROTO_LOCAL,
  3: IRE_PROTO_NETMGMT,
  4: IRE_PROTO_NETMGMT,
  186: IRE_PROTO_BGP,
  188: IRE_PROTO_OSPF,
  189: IRE_PROTO_RIP,
};

/** Makes the functions over one host. */
export function createRouteFunctions(host: DriverHost, warnOnce: WarnOnce) {
  /** Undefined: the kernel could not be asked. */
  function lookUp(destination: Uint8Array, source: Uint8Array | null, index: number): Route | null | undefined {
    try {
      const route = host.lookUpRoute(destination, source, index);
      return route === null || LEADS_NOWHERE.includes(route.type) ? null : route;
    } catch (error) {
      warnOnce('route', `routes cannot be looked up: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  }

  return {
    /**
     * Looks up the route that a datagram would take, in the kernel's table, now.
     *
     * Ownership: borrows everything for the call.
     * @param RouteLookupData - `DestAdd` and `SrcAdd` (0: any) as ULONGs in memory order; the rest is not looked at
     * @param RouteEntry - takes the route; null: only the answer counts. For a destination on the link, `ire_nexthop` is the address
     * the host would send from
     * @param RouteInfoClass - IPRouteNoInformation; IPRouteOutgoingFirewallContext to fill a FIREWALL_CONTEXT_T with the direction
     * IP_TRANSMIT and nothing else; IPRouteOutgoingFilterContext, which nothing here has
     * @param RouteInformation - takes the context of class 1; null for none
     * @param RouteInfoLength - in: octets of room; out: octets needed. May be null where `RouteInformation` is
     * @returns STATUS_SUCCESS; STATUS_NETWORK_UNREACHABLE where no route leads; STATUS_INVALID_PARAMETER without lookup data, for an
     * address that is no ULONG, a class out of range, or information without its length; STATUS_BUFFER_TOO_SMALL, with the length
     * set, for less room than 40 octets; STATUS_NOT_SUPPORTED for information of class 2; STATUS_UNSUCCESSFUL where the kernel cannot be asked
     * @see https://learn.microsoft.com/en-us/previous-versions/windows/hardware/network/ff549228(v=vs.85)
     */
    LookupRouteInformation(
      RouteLookupData: IPRouteLookupData,
      RouteEntry: IPRouteEntry | null,
      RouteInfoClass: IPROUTEINFOCLASS,
      RouteInformation: FIREWALL_CONTEXT_T | null,
      RouteInfoLength: Ref<UINT> | null,
    ): NTSTATUS {
      const { DestAdd, SrcAdd } = RouteLookupData ?? {};
      if (!isUlong(DestAdd) || !isUlong(SrcAdd)) return STATUS_INVALID_PARAMETER;
      const problem = informationProblem(RouteInfoClass, RouteInformation, RouteInfoLength);
      if (problem !== STATUS_SUCCESS) return problem;
      const route = lookUp(octetsOf(DestAdd), SrcAdd === 0 ? null : octetsOf(SrcAdd), 0);
      if (route === undefined) return STATUS_UNSUCCESSFUL;
      if (route === null) return STATUS_NETWORK_UNREACHABLE;
      if (RouteEntry !== null) fillEntry(RouteEntry, route, DestAdd);
      if (RouteInformation !== null) {
        Object.assign(RouteInformation, {
          Direction: IP_TRANSMIT,
          NTE: null,
          LinkCtxt: null,
          LContext1: null,
          LContext2: 0,
        });
      }
      return STATUS_SUCCESS;
    },

    /**
     * Looks up the best route to an IPv6 address, in the kernel's table, now.
     *
     * Ownership: borrows both for the call; `ire_Source` and `ire_NextHop` become new arrays.
     * @param Addr - 16 octets
     * @param ScopeId - of a link-local address: its interface, where `Index` is 0
     * @param Index - interface; 0: any
     * @param Ire - takes the route in the form for Windows XP SP2 and Server 2003 SP1, 52 octets
     * @returns IP_SUCCESS; IP_PARAMETER_PROBLEM for no address, no entry or a bad index; IP_DEST_NO_ROUTE where no route leads;
     * IP_BAD_ROUTE where the host has no address to send from; IP_NO_RESOURCES where the kernel cannot be asked
     * @see https://learn.microsoft.com/en-us/previous-versions/windows/hardware/network/ff549002(v=vs.85)
     */
    IPv6GetBestRouteInfo(Addr: Uint8Array, ScopeId: ULONG, Index: ULONG, Ire: IP6RouteEntry): number {
      const isAddress = Addr instanceof Uint8Array && Addr.length === 16;
      if (!isAddress || !isUlong(ScopeId) || !isUlong(Index) || typeof Ire !== 'object' || Ire === null) {
        return IP_PARAMETER_PROBLEM;
      }
      const index = Index === 0 && isLinkLocal(Addr) ? ScopeId : Index;
      const route = lookUp(Uint8Array.from(Addr), null, index);
      if (route === undefined) return IP_NO_RESOURCES;
      if (route === null) return IP_DEST_NO_ROUTE;
      if (route.source === null) return IP_BAD_ROUTE;
      const nextHop = route.gateway ?? Addr;
      Ire.ire_Length = SIZEOF_IP6_ROUTE_ENTRY;
      Ire.ire_Type = route.gateway === null ? IRE_TYPE_DIRECT : IRE_TYPE_INDIRECT;
      Ire.ire_IfIndex = route.interfaceIndex;
      Ire.ire_SourceScopeId = isLinkLocal(route.source) ? route.interfaceIndex : 0;
      Ire.ire_NextHopScopeId = isLinkLocal(nextHop) ? route.interfaceIndex : 0;
      Ire.ire_Source = Uint8Array.from(route.source);
      Ire.ire_NextHop = Uint8Array.from(nextHop);
      return IP_SUCCESS;
    },
  };
}

function informationProblem(routeInfoClass: unknown, information: unknown, length: Ref<UINT> | null): NTSTATUS {
  switch (routeInfoClass) {
    case IPRouteNoInformation:
      return information === null ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
    case IPRouteOutgoingFirewallContext: {
      if (length === null) return information === null ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
      const room = length.value;
      length.value = SIZEOF_FIREWALL_CONTEXT_T;
      return information === null || room >= SIZEOF_FIREWALL_CONTEXT_T ? STATUS_SUCCESS : STATUS_BUFFER_TOO_SMALL;
    }
    case IPRouteOutgoingFilterContext:
      return information === null ? STATUS_SUCCESS : STATUS_NOT_SUPPORTED;
    default:
      return STATUS_INVALID_PARAMETER;
  }
}

function fillEntry(entry: IPRouteEntry, route: Route, destination: ULONG): void {
  entry.ire_dest = ulongOf(route.destination);
  entry.ire_index = route.interfaceIndex;
  entry.ire_metric1 = route.metric;
  entry.ire_metric2 = UNUSED_METRIC;
  entry.ire_metric3 = UNUSED_METRIC;
  entry.ire_metric4 = UNUSED_METRIC;
  entry.ire_nexthop =
    route.gateway !== null ? ulongOf(route.gateway) : route.source === null ? destination : ulongOf(route.source);
  entry.ire_type = route.gateway === null ? IRE_TYPE_DIRECT : IRE_TYPE_INDIRECT;
  entry.ire_proto = PROTOCOLS[route.protocol] ?? IRE_PROTO_OTHER;
  entry.ire_age = 0;
  entry.ire_mask = maskOf(route.prefixLength);
  entry.ire_metric5 = UNUSED_METRIC;
}

function octetsOf(address: ULONG): Uint8Array {
  const octets = Buffer.alloc(4);
  octets.writeUInt32LE(address);
  return octets;
}

function ulongOf(octets: Uint8Array): ULONG {
  return Buffer.from(octets).readUInt32LE();
}

function maskOf(prefixLength: number): ULONG {
  const mask = Buffer.alloc(4);
  mask.writeUInt32BE(prefixLength === 0 ? 0 : (0xffffffff << (32 - prefixLength)) >>> 0);
  return mask.readUInt32LE();
}

function isLinkLocal(address: Uint8Array): boolean {
  return address[0] === 0xfe && ((address[1] ?? 0) & 0xc0) === 0x80;
}
