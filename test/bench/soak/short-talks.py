"""Short conversations, one after the other: what makes flows begin and end.

    short-talks.py serve ADDRESS                       prints "ready"; answers at TCP 443, UDP 5000 and UDP 53
    short-talks.py call ADDRESS PER_SECOND HELLO       until SIGTERM; then prints one line of JSON: {"done": N, "failed": N}

Of eight calls four are connections that say a ClientHello (HELLO, hexadecimal) and 4,096 octets, get them back and close; one is reset in
the middle; two are datagrams from a port of their own that are answered; one asks for a name. Rule: it notes and does not judge. A call that has
no answer within a second has failed, and the next one comes.
"""

import json
import selectors
import signal
import socket
import struct
import sys
import time

TCP_PORT = 443
UDP_PORT = 5000
DNS_PORT = 53
PATIENCE_S = 1.0
FILL = bytes(4096)
QUERY = bytes.fromhex('12340100000100000000000003777777076578616d706c650000010001')
RESET = struct.pack('ii', 1, 0)


class Order:
    is_over = False


def end(_number, _frame):
    Order.is_over = True


def serve(address):
    chosen = selectors.DefaultSelector()
    listener = socket.create_server((address, TCP_PORT), backlog=128)
    chosen.register(listener, selectors.EVENT_READ, 'accept')
    for port in (UDP_PORT, DNS_PORT):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((address, port))
        chosen.register(sock, selectors.EVENT_READ, 'datagram')
    print('ready', flush=True)
    while not Order.is_over:
        for key, _ in chosen.select(0.5):
            sock = key.fileobj
            try:
                if key.data == 'accept':
                    connection = listener.accept()[0]
                    connection.settimeout(PATIENCE_S)
                    # Whoever is lost on the way stays open for a minute here, as in life.
                    chosen.register(connection, selectors.EVENT_READ, 'stream')
                elif key.data == 'datagram':
                    octets, sender = sock.recvfrom(2048)
                    sock.sendto(octets, sender)
                else:
                    octets = sock.recv(65536)
                    if octets:
                        sock.sendall(octets)
                    else:
                        chosen.unregister(sock)
                        sock.close()
            except OSError:
                if key.data == 'stream':
                    chosen.unregister(sock)
                    sock.close()


def connect(address, hello, is_reset):
    with socket.create_connection((address, TCP_PORT), timeout=PATIENCE_S) as sock:
        if is_reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            sock.sendall(hello)
            return
        sock.sendall(hello + FILL)
        left = len(hello) + len(FILL)
        while left > 0:
            octets = sock.recv(65536)
            if not octets:
                raise ConnectionError
            left -= len(octets)


def ask(address, port, question):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE_S)
        sock.sendto(question, (address, port))
        sock.recv(2048)


def call(address, per_second, hello):
    counts = {'done': 0, 'failed': 0}
    hello = bytes.fromhex(hello)
    number = 0
    due = time.monotonic()
    while not Order.is_over:
        kind = number % 8
        number += 1
        try:
            if kind < 5:
                connect(address, hello, kind == 4)
            elif kind < 7:
                ask(address, UDP_PORT, FILL[:100])
            else:
                ask(address, DNS_PORT, QUERY)
            counts['done'] += 1
        except OSError:
            counts['failed'] += 1
        # What a busy machine has missed is not made up for.
        due = max(due + 1 / float(per_second), time.monotonic() - 0.1)
        time.sleep(max(0.0, due - time.monotonic()))
    print(json.dumps(counts), flush=True)


signal.signal(signal.SIGTERM, end)
{'serve': serve, 'call': call}[sys.argv[1]](*sys.argv[2:])
