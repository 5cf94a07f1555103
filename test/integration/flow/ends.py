"""Traffic of real ends for the comparison with the kernel's connection tracking.

    ends.py serve                        a server: TCP 8001 echo, 8002 reset, 8003 two megabytes; UDP 9001 echo, 9002 silent
    ends.py use ADDRESS...               a client that uses all of it, and what is not there, once for each address
    ends.py send NAMESPACE               datagrams as they are, from lines "here HEX" and "there HEX" of standard input;
                                         "there" is in the network namespace of that name

Rule: it says "ready" when it serves, and fails with a trace when something does not answer that has to.
"""

import ctypes
import os
import socket
import struct
import sys
import threading
import time

OCTETS = 2_000_000
RESET = struct.pack('ii', 1, 0)
CLONE_NEWNET = 0x4000_0000


def serve():
    def listen(port, talk):
        listener = socket.create_server(('::', port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)

        def accept():
            while True:
                threading.Thread(target=talk, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()

    def echo(peer):
        while octets := peer.recv(65536):
            peer.sendall(octets)
        peer.close()

    def reset(peer):
        peer.recv(1)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        peer.close()

    def flood(peer):
        peer.sendall(bytes(OCTETS))
        peer.close()

    for port, talk in ((8001, echo), (8002, reset), (8003, flood)):
        listen(port, talk)
    answering = udp(socket.AF_INET6)
    silent = udp(socket.AF_INET6)
    for ear, port in ((answering, 9001), (silent, 9002)):
        ear.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        ear.bind(('::', port))
    print('ready', flush=True)
    while True:
        octets, peer = answering.recvfrom(65536)
        answering.sendto(octets, peer)


def udp(family):
    return socket.socket(family, socket.SOCK_DGRAM)


def use(address):
    def connect(port):
        return socket.create_connection((address, port), timeout=10)

    # A question, its answer, and the end from the client's side.
    with connect(8001) as peer:
        peer.sendall(bytes(200_000))
        peer.shutdown(socket.SHUT_WR)
        assert read_all(peer) == 200_000
    # The end from the server's side, and a long transfer.
    with connect(8003) as peer:
        assert read_all(peer) == OCTETS
    # Reset by the server, by the client, and refused.
    with connect(8002) as peer:
        peer.sendall(b'?')
        try:
            assert peer.recv(1) == b''
        except ConnectionResetError:
            pass
    peer = connect(8001)
    peer.sendall(b'?')
    assert peer.recv(1) == b'?'
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    peer.close()
    try:
        connect(8009)
        raise AssertionError('nobody listens there')
    except ConnectionRefusedError:
        pass
    # Half open: the answer never comes. Two SYNs at least.
    try:
        socket.create_connection((address, 8010), timeout=1.3)
        raise AssertionError('SYNs are dropped there')
    except TimeoutError:
        pass
    # One port for two connections in a row.
    family = socket.AF_INET6 if ':' in address else socket.AF_INET
    for _ in range(2):
        peer = socket.socket(family)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        peer.bind(('', 33_333))
        peer.settimeout(10)
        peer.connect((address, 8001))
        peer.sendall(b'?')
        peer.shutdown(socket.SHUT_WR)
        assert read_all(peer) == 1
        # Without a time of waiting: the second one may come at once.
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        peer.close()
    # Answered, answered in fragments, silent, refused by ICMP.
    for port, octets, answers in ((9001, 100, True), (9001, 4_000, True), (9002, 100, False), (9003, 100, False)):
        peer = udp(family)
        peer.settimeout(10)
        peer.connect((address, port))
        for _ in range(2):
            peer.send(bytes(octets))
            if answers:
                assert len(peer.recv(65536)) == octets
            elif port == 9003:
                try:
                    peer.recv(1)
                    raise AssertionError('nobody listens there')
                except ConnectionRefusedError:
                    pass
        peer.close()


def read_all(peer):
    total = 0
    while octets := peer.recv(65536):
        total += len(octets)
    return total


def send(namespace):
    def sockets():
        return {
            4: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW),
            6: socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW),
        }

    here = sockets()
    with open(f'/run/netns/{namespace}') as handle:
        if ctypes.CDLL(None, use_errno=True).setns(handle.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    there = sockets()
    for line in sys.stdin:
        place, text = line.split()
        datagram = bytes.fromhex(text)
        version = datagram[0] >> 4
        to = socket.inet_ntop(*((socket.AF_INET, datagram[16:20]) if version == 4 else (socket.AF_INET6, datagram[24:40])))
        (here if place == 'here' else there)[version].sendto(datagram, (to, 0))
        # Until the router has it behind itself: the next one may come from the other side.
        time.sleep(0.003)


if sys.argv[1] == 'serve':
    serve()
elif sys.argv[1] == 'use':
    for destination in sys.argv[2:]:
        use(destination)
else:
    send(sys.argv[2])
