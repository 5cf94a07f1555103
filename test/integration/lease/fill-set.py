"""Fills a set of nf_tables with IPv4 addresses, as a block list does that is loaded: so many elements in each transaction.

Usage: fill-set.py ELEMENTS ELEMENTS_IN_A_TRANSACTION. Makes the table `inet stranger` with the set `addresses`.
By netlink and not by nft(8), which reads the whole set again for each transaction.
Sources: linux/netfilter/nf_tables.h, linux/netfilter/nfnetlink.h, netlink(7).
"""

import socket
import struct
import sys

NETLINK_NETFILTER = 12
SO_SNDBUFFORCE = 32
NLM_F_REQUEST, NLM_F_ACK, NLM_F_CREATE = 0x1, 0x4, 0x400
NLMSG_ERROR = 2
BATCH_BEGIN, BATCH_END = 0x10, 0x11
NFTABLES = 10
NEWTABLE, NEWSET, NEWSETELEM = 0, 9, 12
INET = 1
IPV4_ADDR = 7
# An attribute is no longer than 16 bits can say, and an element takes 16 octets.
MOST_IN_A_MESSAGE = 4000


def attribute(kind: int, body: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(body), kind) + body + bytes(-len(body) % 4)


def nested(kind: int, body: bytes) -> bytes:
    return attribute(kind | 0x8000, body)


def text(kind: int, value: str) -> bytes:
    return attribute(kind, value.encode() + b"\0")


def number(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack(">I", value))


def message(kind: int, flags: int, family: int, resource: int, body: bytes = b"") -> bytes:
    return struct.pack("=IHHII", 20 + len(body), kind, NLM_F_REQUEST | flags, 1, 0) + struct.pack(">BBH", family, 0, resource) + body


def request(kind: int, body: bytes, flags: int = 0) -> bytes:
    return message(NFTABLES << 8 | kind, NLM_F_CREATE | flags, INET, 0, body)


def element(value: int) -> bytes:
    return nested(1, nested(1, attribute(1, struct.pack(">I", value))))


def elements(first: int, count: int, flags: int = 0) -> bytes:
    names = text(1, "stranger") + text(2, "addresses")
    return request(NEWSETELEM, names + nested(3, b"".join(map(element, range(first, first + count)))), flags)


def commit(sock: socket.socket, requests: bytes) -> None:
    """Sends one transaction and waits for the kernel's word about its last request, which asks for it."""
    sock.send(message(BATCH_BEGIN, 0, 0, NFTABLES) + requests + message(BATCH_END, 0, 0, NFTABLES))
    answer = sock.recv(65536)
    _, kind, _, _, _, error = struct.unpack_from("=IHHIIi", answer)
    if kind != NLMSG_ERROR or error != 0:
        raise OSError(-error, f"transaction refused: {kind} {error}")


def main(total: int, at_a_time: int) -> None:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    sock.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 16 << 20)
    sock.bind((0, 0))
    key = number(4, IPV4_ADDR) + number(5, 4) + number(10, 1)
    commit(sock, request(NEWTABLE, text(1, "stranger")) + request(NEWSET, text(1, "stranger") + text(2, "addresses") + key, NLM_F_ACK))
    for start in range(0, total, at_a_time):
        end = min(total, start + at_a_time)
        requests = []
        for first in range(start, end, MOST_IN_A_MESSAGE):
            count = min(end - first, MOST_IN_A_MESSAGE)
            requests.append(elements(0x0B000000 + first, count, NLM_F_ACK if first + count == end else 0))
        commit(sock, b"".join(requests))
    print(f"{total} elements")


main(int(sys.argv[1]), int(sys.argv[2]))
