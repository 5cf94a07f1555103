/**
 * A network interface of this namespace, as far as firehook looks at it.
 *
 * Rule: an interface is its ifindex. A name may come to mean another interface; chains and `fwd` targets do not follow.
 *
 * @module
 */

/** One interface. */
export interface Link {
  readonly ifindex: number;
  readonly name: string;
  /** Octets of IP datagram. */
  readonly mtu: number;
  /** `ether`, `loopback`, `none` ... */
  readonly type: string;
  /** MAC address as text, `02:00:00:00:00:01`; '' where there is none. */
  readonly mac: string;
  readonly isUp: boolean;
  /** Set by `ip link set promisc on`, not by a socket. */
  readonly isPromiscuous: boolean;
  /** Name of the master (a kernel bridge, a bond), '' where there is none. */
  readonly master: string;
  /** Driver of a virtual interface: `veth`, `macvlan`, `bridge` ...; '' of a card. */
  readonly kind: string;
  /** The ifindex of the interface that it stands on (a macvlan on its card, a veth on its peer); 0 where there is none. */
  readonly parent: number;
  /** What its master is: `bridge`, `bond`, `vrf` ...; '' where it has none. */
  readonly masterKind: string;
  /** How an XDP program is attached: 0 none, 1 in the driver, 2 generic, 3 in the card, 4 several. */
  readonly xdp: number;
}
