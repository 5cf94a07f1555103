"""Numbered datagrams at a rate, and what became of each: a hook on the way writes a stamp into its second four octets.

    stamped.py send ADDRESS PORT RATE              until SIGTERM; then prints the number sent
    stamped.py receive ADDRESS PORT                prints "ready"; then, after SIGTERM, one line of JSON

Rule: it notes and does not judge. A datagram: number, stamp (0 as it is sent), four octets of nothing.
"""

import array
import json
import signal
import socket
import struct
import sys
import time

SO_RCVBUFFORCE = 33
MOST = 40_000_000
LAST_MS = 500


class Order:
    is_over = False


def end(_number, _frame):
    Order.is_over = True


def send(address, port, rate):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((address, port))
    message = bytearray(12)
    sent = 0
    started = time.monotonic()
    while not Order.is_over:
        due = int((time.monotonic() - started) * rate)
        # What a busy machine has missed is not made up for in one burst.
        if due - sent > rate // 100:
            started = time.monotonic() - (sent + rate // 100) / rate
            due = sent + rate // 100
        while sent < due:
            struct.pack_into('!I', message, 0, sent)
            sock.send(message)
            sent += 1
        time.sleep(0.001)
    print(sent, flush=True)


def receive(address, port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 * 1024 * 1024)
    sock.bind((address, port))
    sock.settimeout(0.05)
    seen = bytearray(MOST)
    stamps = {}
    twice = unstamped = late = received = 0
    last = -1
    buffer = bytearray(2048)
    unpack = struct.Struct('!II').unpack_from
    print('ready', flush=True)
    over = None
    while over is None or time.monotonic() < over:
        if over is None and Order.is_over:
            over = time.monotonic() + LAST_MS / 1000
        try:
            sock.recv_into(buffer)
        except socket.timeout:
            continue
        number, stamp = unpack(buffer)
        received += 1
        if stamp == 0:
            unstamped += 1
        stamps[stamp] = stamps.get(stamp, 0) + 1
        if seen[number]:
            twice += 1
        seen[number] = 1
        if number < last:
            late += 1
        else:
            last = number
    missing = [number for number in range(last + 1) if not seen[number]] if received < last + 1 + twice else []
    print(json.dumps({'received': received, 'twice': twice, 'unstamped': unstamped, 'late': late, 'missing': len(missing),
                      'firstMissing': missing[:5], 'stamps': stamps}), flush=True)


def main():
    kind, address, port, *rest = sys.argv[1:]
    signal.signal(signal.SIGTERM, end)
    if kind == 'send':
        send(address, int(port), int(rest[0]))
    else:
        receive(address, int(port))


main()
