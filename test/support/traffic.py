"""Numbered UDP datagrams, sent and received by one process in one network namespace, with the time of each.

    traffic.py SPEC      SPEC is JSON: {"intervalMs": 10, "flows": [{"id": 1, "port": 7001, "to": ["10.0.0.2", "fd00::2"]}],
                                        "ports": [7001, 7002]}

Called by test/support/traffic.ts. Every interval each flow sends its next number, in turn to each of its addresses. What
arrives at one of the ports is noted. Prints `ready` when it listens, sends from SIGUSR1 on (others may not listen
earlier), and prints a line for each datagram:

    s FLOW NUMBER MS     sent; also when the kernel refused it: whoever sends has then lost it
    r FLOW NUMBER MS     received

Rule: the time is that of CLOCK_MONOTONIC, which is the same in all processes of a machine. A process that was not run for
a while sends no burst afterwards. SIGTERM ends the program when all is printed; it also ends with the process that
started it.

Source: clock_gettime(2), ipv6(7) (IPV6_V6ONLY), udp(7).
"""

import json
import os
import select
import signal
import socket
import struct
import sys
import time

MAGIC = 0x66684348
PAYLOAD = struct.Struct("!IIQ")
RECEIVE_BUFFER = 4 << 20
SO_RCVBUFFORCE = 33
PRINT_EVERY_S = 0.03
LOOK_FOR_PARENT_S = 1.0


def now_ms():
    return time.clock_gettime(time.CLOCK_MONOTONIC) * 1000


class Flow:
    def __init__(self, spec):
        self.id = spec["id"]
        self.number = 0
        self.targets = [
            (socket.AF_INET6 if ":" in address else socket.AF_INET, (address, spec["port"])) for address in spec["to"]
        ]

    def send(self, sockets, note):
        family, address = self.targets[self.number % len(self.targets)]
        note(b"s", self.id, self.number, now_ms())
        try:
            sockets[family].sendto(PAYLOAD.pack(MAGIC, self.id, self.number), address)
        except OSError:
            # No route, link down, dropped by a filter on the way out: it is lost, and that will be seen.
            pass
        self.number += 1


def listen(port):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
    sock.bind(("::", port))
    sock.setblocking(False)
    return sock


def receive(sock, note):
    while True:
        try:
            octets = sock.recv(2048)
        except BlockingIOError:
            return
        if len(octets) != PAYLOAD.size:
            continue
        magic, flow, number = PAYLOAD.unpack(octets)
        if magic == MAGIC:
            note(b"r", flow, number, now_ms())


def main():
    spec = json.loads(sys.argv[1])
    interval_s = spec["intervalMs"] / 1000
    flows = [Flow(flow) for flow in spec["flows"]]
    sockets = {family: socket.socket(family, socket.SOCK_DGRAM) for family in (socket.AF_INET, socket.AF_INET6)}
    for sock in sockets.values():
        sock.setblocking(False)
    listeners = [listen(port) for port in spec["ports"]]
    parent = os.getppid()
    lines = bytearray(b"ready\n")

    def note(kind, flow, number, ms):
        lines.extend(b"%s %d %d %.3f\n" % (kind, flow, number, ms))

    def stop():
        os.set_blocking(1, True)
        while lines:
            del lines[: os.write(1, lines)]
        sys.exit(0)

    stop_wanted = []
    send_wanted = []
    signal.signal(signal.SIGTERM, lambda *_: stop_wanted.append(True))
    signal.signal(signal.SIGUSR1, lambda *_: send_wanted.append(True))
    os.set_blocking(1, False)
    send_at = time.monotonic()
    print_at = look_at = 0.0
    while True:
        if stop_wanted:
            stop()
        now = time.monotonic()
        if now >= send_at:
            for flow in flows if send_wanted else []:
                flow.send(sockets, note)
            send_at = max(send_at + interval_s, now)
        if now >= print_at and lines:
            print_at = now + PRINT_EVERY_S
            try:
                del lines[: os.write(1, lines)]
            except BlockingIOError:
                pass
        if now >= look_at:
            look_at = now + LOOK_FOR_PARENT_S
            if os.getppid() != parent:
                return
        readable, _, _ = select.select(listeners, [], [], max(0.0, send_at - time.monotonic()))
        for sock in readable:
            receive(sock, note)


main()
