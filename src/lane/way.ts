/**
 * A way: one direction through an attach, from the port where frames arrive to the port where they leave.
 *
 * The supervisor lays the ways out when it builds the plumbing; the lane looks a frame's way up by its port of arrival.
 * Plain data: it crosses a process boundary as JSON.
 *
 * @module
 */

/** How an ICMP error (ICMP_ON_DROP, packet too big) gets back to the sender of a packet on this way. */
export type RejectRoute =
  /** As a frame with its MAC addresses swapped, out of `rejectPort`. */
  | 'link'
  /** As a datagram through the host's routing table, by a raw socket. */
  | 'raw'
  /** As a datagram by the lane's sender, which knows the packet at hand and writes it to a capture (replay). */
  | 'written'
  /** Not at all: it is counted only (tap). */
  | 'count';

/** What an interface is called that is this host itself. */
export const LOCAL_NAME = 'local';

/** One direction through an attach. */
export interface Way {
  /** For reports: `lan0 > wan0`, `eth0 in`. */
  readonly name: string;
  /** Name of the interface that its packets come from; `local` for this host. */
  readonly from: string;
  /** Name of the interface that they go to; `local` for this host. */
  readonly to: string;
  /** `out`: from this host, or from the first port of a bridge, which is the inside; `in`: the other way. */
  readonly side: 'in' | 'out';
  /** The same number for the ways of one attach: their packets can be of one flow. */
  readonly zone: number;
  /** Driver port where its frames arrive. */
  readonly inPort: number;
  /** Driver port where they leave; -1 in `tap`. */
  readonly outPort: number;
  /** Driver port that `sendInterfaceIndex` = `otherIndex` leads to; -1 where there is none. */
  readonly otherPort: number;
  /** IP_TRANSMIT 0 or IP_RECEIVE 1. */
  readonly direction: 0 | 1;
  readonly recvInterfaceIndex: number;
  readonly sendInterfaceIndex: number;
  /** The other index that a hook may set; equal to `sendInterfaceIndex` where there is none. */
  readonly otherIndex: number;
  /** DEST_LOCAL where packets arrive at this host, which may be their destination or a router; else DEST_REMOTE. */
  readonly unicastType: number;
  readonly reject: RejectRoute;
  /** Driver port for `reject: 'link'`, else -1. */
  readonly rejectPort: number;
  /**
   * Its frames come out of a detour, so that a probe frame is the supervisor's and goes on whatever the policies say.
   * @defaultValue false
   */
  readonly carriesProbes?: boolean;
  /**
   * Its frames go on as they came, whatever hooks say (`enforce: false`). Another way of the same port shows copies of them to the hooks.
   * @defaultValue false
   */
  readonly passes?: boolean;
}

/** What hooks make can be sent by the routes of this host: wherever anything is sent, and so not in `tap` alone. */
export function sendsByRoutes(ways: readonly Way[]): boolean {
  return ways.some(({ outPort }) => outPort >= 0);
}

/** The indexes of interfaces by name, as the context of their packets has them. */
export function interfacesOf(ways: readonly Way[]): Record<string, number> {
  return Object.fromEntries(
    ways.flatMap(({ from, to, recvInterfaceIndex, sendInterfaceIndex }) => [
      [from, recvInterfaceIndex],
      [to, sendInterfaceIndex],
    ]),
  );
}
