"""Ordinary sockets for the tests of the host attach: what an application on either side would open.

    sockets.py udp-listen ADDRESS PORT [--device IF] [--join GROUP] [--answer]    prints `PAYLOAD-HEX` for each datagram
    sockets.py udp-send ADDRESS PORT HEX [--from ADDRESS] [--broadcast]           one datagram
    sockets.py udp-ask ADDRESS PORT HEX [--timeout S]                             prints the answer in hex, or the error
    sockets.py tcp-connect ADDRESS PORT [--timeout S]                             prints `connected`, or the error
    sockets.py tcp-serve ADDRESS PORT                                             takes connections, sends back what comes
    sockets.py tcp-trickle ADDRESS PORT COUNT [--timeout S]                       COUNT lines there and back, one by one

Rule: a listener prints `ready` on standard error once nothing can be missed any more; an error is printed by its name
(EHOSTUNREACH, ETIMEDOUT ...), because the name is what the tests promise.

Source: socket(7), ip(7), udp(7).
"""

import argparse
import errno
import socket
import sys

SO_BINDTODEVICE = 25
LARGEST = 65535


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def name_of(error):
    return "ETIMEDOUT" if isinstance(error, TimeoutError) else errno.errorcode.get(error.errno, str(error))


def ready():
    print("ready", file=sys.stderr, flush=True)


def udp_listen(args):
    sock = socket.socket(family_of(args.address), socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if args.device:
        sock.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, args.device.encode())
    if args.join:
        group, own = args.join.split("@")
        membership = socket.inet_aton(group) + socket.inet_aton(own)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    sock.bind((args.address, args.port))
    ready()
    while True:
        payload, sender = sock.recvfrom(LARGEST)
        print(payload.hex(), flush=True)
        if args.answer:
            sock.sendto(payload, sender)


def udp_send(args):
    sock = socket.socket(family_of(args.address), socket.SOCK_DGRAM)
    if args.broadcast:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    if args.source:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(args.source))
        sock.bind((args.source, 0))
    sock.sendto(bytes.fromhex(args.payload), (args.address, args.port))


def udp_ask(args):
    sock = socket.socket(family_of(args.address), socket.SOCK_DGRAM)
    sock.settimeout(args.timeout)
    sock.connect((args.address, args.port))
    try:
        sock.send(bytes.fromhex(args.payload))
        print(sock.recv(LARGEST).hex())
    except OSError as error:
        print(name_of(error))


def tcp_connect(args):
    sock = socket.socket(family_of(args.address), socket.SOCK_STREAM)
    sock.settimeout(args.timeout)
    try:
        sock.connect((args.address, args.port))
        print("connected")
    except OSError as error:
        print(name_of(error))


def tcp_serve(args):
    sock = socket.socket(family_of(args.address), socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((args.address, args.port))
    sock.listen()
    ready()
    while True:
        connection, _ = sock.accept()
        with connection:
            try:
                while octets := connection.recv(LARGEST):
                    connection.sendall(octets)
            except OSError as error:
                print(name_of(error), flush=True)


def tcp_trickle(args):
    sock = socket.create_connection((args.address, args.port), timeout=args.timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    lines = sock.makefile("r")
    answered = 0
    try:
        for number in range(args.count):
            sock.sendall(f"line {number}\n".encode())
            if lines.readline() != f"line {number}\n":
                break
            answered += 1
            print(answered, flush=True)
    except OSError as error:
        print(name_of(error), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)

    def command(name, run, *more):
        sub = commands.add_parser(name)
        sub.add_argument("address")
        sub.add_argument("port", type=int)
        for argument, options in more:
            sub.add_argument(argument, **options)
        sub.set_defaults(run=run)

    payload = ("payload", {})
    timeout = ("--timeout", {"type": float, "default": 5})
    command(
        "udp-listen", udp_listen, ("--device", {}), ("--join", {}), ("--answer", {"action": "store_true"})
    )
    command(
        "udp-send", udp_send, payload, ("--from", {"dest": "source"}), ("--broadcast", {"action": "store_true"})
    )
    command("udp-ask", udp_ask, payload, timeout)
    command("tcp-connect", tcp_connect, timeout)
    command("tcp-serve", tcp_serve)
    command("tcp-trickle", tcp_trickle, ("count", {"type": int}), timeout)

    args = parser.parse_args()
    args.run(args)


main()
