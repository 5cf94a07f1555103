"""Says which numbered frames of test/support/frame-generator.ts arrive, and where.

    arrivals.py sockets IF GROUP4 GROUP6 PORT...   what the IP stack delivers: UDP sockets, and raw sockets of the other
                                                   protocols; beside that ARP, as the stack gets it
    arrivals.py wire IF                            every frame that comes in at the interface

Called by test/support/arrivals.ts inside a network namespace. Prints `ready` on standard error once nothing can be missed,
and a line `RECEIVER NUMBER` for each sighting. Ends on SIGTERM, after it has read what had arrived by then.

Rule: a socket hands out what the stack delivered to it and nothing else, so that what is printed here has arrived.

Source: raw(7) for ICMP_FILTER, RFC 3542 for ICMP6_FILTER, ipv6(7), packet(7), signal(7).
"""

import select
import signal
import socket
import struct
import sys

MAGIC = b"proof\x01\x02\x03"
NUMBER = struct.Struct("!I")
SOL_PACKET = 263
PACKET_IGNORE_OUTGOING = 23
SO_RCVBUFFORCE = 33
SOL_RAW = 255
ICMP_FILTER = 1
ICMP6_FILTER = 1
# Unreachable, quench, redirect, time exceeded, parameter problem; unreachable, too big, time exceeded, parameter problem.
ERRORS4 = (3, 4, 5, 11, 12)
ERRORS6 = (1, 2, 3, 4)
RECEIVE_BUFFER = 64 << 20
MAX_PACKET = 1 << 17
ETH_P_ALL = 0x0003
ETH_P_ARP = 0x0806
# Every protocol that a generated packet may have in the eyes of the stack.
PROTOCOLS4 = (1, 4, 6, 17, 47, 50, 253)
PROTOCOLS6 = (6, 17, 41, 50, 51, 58, 135, 139, 140, 253)


def open_raw(family, protocol):
    sock = socket.socket(family, socket.SOCK_RAW, protocol)
    # An error of this machine to itself quotes what it is about, number and all: nothing has arrived again.
    if protocol == socket.IPPROTO_ICMP and family == socket.AF_INET:
        sock.setsockopt(SOL_RAW, ICMP_FILTER, struct.pack("=I", sum(1 << kind for kind in ERRORS4)))
    if protocol == socket.IPPROTO_ICMPV6:
        blocked = sum(1 << kind for kind in ERRORS6)
        sock.setsockopt(socket.IPPROTO_ICMPV6, ICMP6_FILTER, struct.pack("=8I", blocked, *[0] * 7))
    return sock


def open_udp4(port, group, index):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + struct.pack("=4si", bytes(4), index))
    sock.bind(("0.0.0.0", port))
    return sock


def open_udp6(port, group, index):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    membership = socket.inet_pton(socket.AF_INET6, group) + struct.pack("=I", index)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, membership)
    sock.bind(("::", port))
    return sock


def open_packet(interface, protocol):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    sock.bind((interface, protocol))
    return sock


def open_sockets(interface, group4, group6, ports):
    index = socket.if_nametoindex(interface)
    receivers = {}
    for port in map(int, ports):
        receivers[f"udp4:{port}"] = open_udp4(port, group4, index)
        receivers[f"udp6:{port}"] = open_udp6(port, group6, index)
    for protocol in PROTOCOLS4:
        receivers[f"ip4:{protocol}"] = open_raw(socket.AF_INET, protocol)
    for protocol in PROTOCOLS6:
        receivers[f"ip6:{protocol}"] = open_raw(socket.AF_INET6, protocol)
    receivers["arp"] = open_packet(interface, ETH_P_ARP)
    return receivers


def read_all(name, sock):
    """Prints what waits in one socket; false when there was nothing."""
    lines = []
    while True:
        try:
            octets = sock.recv(MAX_PACKET)
        except BlockingIOError:
            break
        except OSError:
            continue  # An ICMP error that waited for this socket.
        at = octets.find(MAGIC)
        if at != -1 and at + len(MAGIC) + NUMBER.size <= len(octets):
            lines.append(f"{name} {NUMBER.unpack_from(octets, at + len(MAGIC))[0]}\n")
        if len(lines) == 256:
            break
    sys.stdout.write("".join(lines))
    sys.stdout.flush()
    return bool(lines)


def main():
    kind, interface, *more = sys.argv[1:]
    if kind == "wire":
        receivers = {"wire": open_packet(interface, ETH_P_ALL)}
    else:
        receivers = open_sockets(interface, more[0], more[1], more[2:])
    poll = select.poll()
    by_descriptor = {}
    for name, sock in receivers.items():
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
        sock.setblocking(False)
        by_descriptor[sock.fileno()] = (name, sock)
        poll.register(sock, select.POLLIN)

    # A signal that comes between a look at a flag and the wait would be missed: it comes as an octet to wait for.
    waking, woken = socket.socketpair()
    waking.setblocking(False)
    signal.set_wakeup_fd(waking.fileno())
    signal.signal(signal.SIGTERM, lambda *_: None)
    poll.register(woken, select.POLLIN)
    print("ready", file=sys.stderr, flush=True)

    while True:
        ready = [descriptor for descriptor, _ in poll.poll()]
        for descriptor in ready:
            if descriptor in by_descriptor:
                read_all(*by_descriptor[descriptor])
        if woken.fileno() in ready:
            break
    for name, sock in by_descriptor.values():
        while read_all(name, sock):
            pass


main()
