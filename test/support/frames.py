"""Raw Ethernet frames for the tests: sends crafted ones, prints those that arrive.

    frames.py send IF [--vnet] [--mark M]      frames from standard input, one in hex a line
    frames.py capture IF --count N --timeout S [--filter-ethertype T]... [--direction in|out|both] [--vnet]
    frames.py udp-gso HOST PORT SIZE GSO       one super-datagram that the kernel cuts into pieces of GSO octets

Called by test/support/frames.ts inside a network namespace. Rule: what is printed is the frame as it was on the wire;
the kernel takes the outer VLAN tag out of it and hands it over beside the frame, so it is put back here. With --vnet a
virtio-net header stands before each frame, in network byte order; its lengths count the tag that was put back.

Source: packet(7) (PACKET_AUXDATA, PACKET_IGNORE_OUTGOING), udp(7) (UDP_SEGMENT), linux/if_packet.h, virtio 1.2 (5.1.6).
"""

import argparse
import socket
import struct
import sys
import time

ETH_P_ALL = 0x0003
SOL_PACKET = 263
PACKET_AUXDATA = 8
PACKET_VNET_HDR = 15
PACKET_OUTGOING = 4
SO_RCVBUFFORCE = 33
SO_MARK = 36
# The default holds a few hundred frames: a burst would be lost.
RECEIVE_BUFFER = 32 << 20
TPACKET_AUXDATA = struct.Struct("=IIIHHHH")
TP_STATUS_VLAN_VALID = 0x10
TP_STATUS_VLAN_TPID_VALID = 0x40
UDP_SEGMENT = 103
ADDRESSES_LENGTH = 12
VLAN_TAG_LENGTH = 4
# Flags, kind of super-frame, octets of headers, octets of a segment, where the checksum starts, and where in it it stands.
VNET = struct.Struct("=BBHHHH")
VNET_WIRE = struct.Struct("!BBHHHH")
NEEDS_CSUM = 1
MAX_FRAME_LENGTH = 1 << 17


def open_packet_socket(interface, protocol, vnet):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
    sock.setsockopt(SOL_PACKET, PACKET_VNET_HDR, int(vnet))
    sock.bind((interface, protocol))
    return sock


def send(args):
    sock = open_packet_socket(args.interface, 0, args.vnet)
    sock.setsockopt(socket.SOL_SOCKET, SO_MARK, struct.pack("=I", args.mark))
    for line in sys.stdin:
        if line.strip():
            octets = bytes.fromhex(line)
            if args.vnet:
                octets = VNET.pack(*VNET_WIRE.unpack_from(octets)) + octets[VNET.size :]
            sock.send(octets)


def split_vnet(octets, vnet):
    """The virtio-net header as a list of its fields, empty where there is none, and the frame."""
    if not vnet:
        return [], octets
    return list(VNET.unpack_from(octets)), octets[VNET.size :]


def moved_by_tag(header):
    if not header:
        return header
    flags, kind, length, size, start, offset = header
    start += VLAN_TAG_LENGTH if flags & NEEDS_CSUM else 0
    return [flags, kind, length + VLAN_TAG_LENGTH if length else 0, size, start, offset]


def with_vlan_tag(frame, ancillary):
    for level, kind, data in ancillary:
        if level != SOL_PACKET or kind != PACKET_AUXDATA:
            continue
        status, _, _, _, _, tci, tpid = TPACKET_AUXDATA.unpack(data[: TPACKET_AUXDATA.size])
        if not status & TP_STATUS_VLAN_VALID:
            continue
        if not status & TP_STATUS_VLAN_TPID_VALID:
            tpid = 0x8100
        tag = struct.pack("!HH", tpid, tci)
        return frame[:ADDRESSES_LENGTH] + tag + frame[ADDRESSES_LENGTH:]
    return frame


def is_wanted(frame, outgoing, args):
    if args.direction != "both" and outgoing != (args.direction == "out"):
        return False
    if not args.filter_ethertype:
        return True
    ethertype = int.from_bytes(frame[ADDRESSES_LENGTH : ADDRESSES_LENGTH + 2], "big")
    return ethertype in args.filter_ethertype


def capture(args):
    sock = open_packet_socket(args.interface, ETH_P_ALL, args.vnet)
    sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
    print("ready", file=sys.stderr, flush=True)
    deadline = time.monotonic() + args.timeout
    count = 0
    while count < args.count:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            break
        sock.settimeout(remaining)
        try:
            octets, ancillary, _, address = sock.recvmsg(MAX_FRAME_LENGTH, 256)
        except TimeoutError:
            break
        header, untagged = split_vnet(octets, args.vnet)
        frame = with_vlan_tag(untagged, ancillary)
        if len(frame) > len(untagged):
            header = moved_by_tag(header)
        if is_wanted(frame, address[2] == PACKET_OUTGOING, args):
            print((VNET_WIRE.pack(*header) if header else b"").hex() + frame.hex(), flush=True)
            count += 1


def udp_gso(args):
    family, kind, protocol, _, address = socket.getaddrinfo(args.host, args.port, type=socket.SOCK_DGRAM)[0]
    sock = socket.socket(family, kind, protocol)
    sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, args.gso)
    sock.sendto(bytes(index % 251 for index in range(args.size)), address)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)

    command = commands.add_parser("send")
    command.add_argument("interface")
    command.add_argument("--vnet", action="store_true", help="a virtio-net header stands before each frame")
    command.add_argument("--mark", type=int, default=0)
    command.set_defaults(run=send)

    command = commands.add_parser("capture")
    command.add_argument("interface")
    command.add_argument("--count", type=int, required=True)
    command.add_argument("--timeout", type=float, required=True, help="seconds")
    command.add_argument("--filter-ethertype", type=lambda text: int(text, 0), action="append")
    command.add_argument("--direction", choices=["in", "out", "both"], default="in")
    command.add_argument("--vnet", action="store_true", help="print a virtio-net header before each frame")
    command.set_defaults(run=capture)

    command = commands.add_parser("udp-gso")
    command.add_argument("host")
    command.add_argument("port", type=int)
    command.add_argument("size", type=int)
    command.add_argument("gso", type=int)
    command.set_defaults(run=udp_gso)

    args = parser.parse_args()
    args.run(args)


main()
