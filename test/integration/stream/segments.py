"""Segments as a script says, to a server of the kernel, and what that server has read.

    segments.py serve       reads what comes to TCP port 7000, says on port 7001 what it was: JSON, {client port: hexadecimal}
    segments.py send ADDRESS
                            scripts from standard input, one JSON a line, in order; prints what the server says in the end
                            {"port": 20000, "start": 1000, "steps": [[at, flags, hexadecimal], ["wait", at], ...]}
                            {"port": 30000, "octets": 300000}       by a socket of the kernel

A place is counted from the first octet behind the SYN. Of each connection the server keeps the first 20,000 octets; a reset is an
end as well.

Rule: it says "ready" when it serves, and fails with a trace when something does not answer that has to.
"""

import json
import selectors
import socket
import struct
import sys
import time

FIN, SYN, ACK = 1, 2, 16
KEPT = 20_000


def serve():
    selector = selectors.DefaultSelector()
    read = {}
    for port in (7000, 7001):
        listener = socket.create_server(('', port), backlog=256)
        selector.register(listener, selectors.EVENT_READ, port)
    print('ready', flush=True)
    while True:
        for key, _ in selector.select():
            if key.data == 7001:
                peer = key.fileobj.accept()[0]
                peer.sendall(json.dumps({port: octets.hex() for port, octets in read.items()}).encode())
                peer.close()
            elif key.data == 7000:
                peer, (_, port) = key.fileobj.accept()
                read[port] = bytearray()
                selector.register(peer, selectors.EVENT_READ, (port,))
            else:
                try:
                    octets = key.fileobj.recv(65536)
                except ConnectionResetError:
                    octets = b''
                kept = read[key.data[0]]
                kept += octets[: max(0, KEPT - len(kept))]
                if not octets:
                    selector.unregister(key.fileobj)
                    key.fileobj.close()


def checksum(octets):
    total = sum(struct.unpack(f'!{len(octets) // 2}H', octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Connection:
    """The client's end of a connection that no kernel knows."""

    def __init__(self, raw, address, script):
        self.raw = raw
        self.address = address
        self.port = script['port']
        self.first = script['start'] + 1
        self.server = 0
        self.acked = -1
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
            self.ends = socket.inet_aton(probe.getsockname()[0]) + socket.inet_aton(address)

    def send(self, at, flags, octets):
        header = struct.pack(
            '!HHIIBBHHH', self.port, 7000, (self.first + at) & 0xFFFFFFFF, self.server, 80, flags, 65_000, 0, 0
        )
        length = len(header) + len(octets)
        covered = self.ends + struct.pack('!HH', socket.IPPROTO_TCP, length) + header + octets + bytes(length % 2)
        header = header[:16] + struct.pack('!H', checksum(covered)) + header[18:]
        self.raw.sendto(header + octets, (self.address, 0))

    def wait(self, at):
        """Until the server has acknowledged everything before that place."""
        until = time.monotonic() + 5
        while self.acked < at:
            if time.monotonic() > until:
                raise TimeoutError(f'port {self.port}: {self.acked} of {at} is acknowledged')
            datagram = self.raw.recv(65536)
            segment = datagram[(datagram[0] & 15) * 4 :]
            source, target, sequence, acknowledged, _, flags = struct.unpack('!HHIIBB', segment[:14])
            if (source, target) != (7000, self.port):
                continue
            if flags & SYN:
                self.server = (sequence + 1) & 0xFFFFFFFF
            self.acked = max(self.acked, ((acknowledged - self.first + 0x80000000) & 0xFFFFFFFF) - 0x80000000)


def play(raw, address, script):
    connection = Connection(raw, address, script)
    for step in script['steps']:
        if step[0] == 'wait':
            connection.wait(step[1])
        else:
            connection.send(step[0], step[1], bytes.fromhex(step[2]))


def transfer(address, script):
    octets = bytes((at * 31 + (at >> 8)) & 255 for at in range(script['octets']))
    with socket.create_connection((address, 7000), timeout=10, source_address=('', script['port'])) as peer:
        at = 0
        while at < len(octets):
            # In writes of many sizes, so that segments are.
            size = 1 + (at * 7919) % 5_000
            peer.sendall(octets[at : at + size])
            at += size


def send(address):
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
    raw.settimeout(5)
    for line in sys.stdin:
        script = json.loads(line)
        if 'steps' in script:
            play(raw, address, script)
        else:
            transfer(address, script)
    # The server reads what has come before it is asked: it takes turns, and this connection is the last.
    time.sleep(0.5)
    with socket.create_connection((address, 7001), timeout=10) as peer:
        while octets := peer.recv(65536):
            sys.stdout.write(octets.decode())


if sys.argv[1] == 'serve':
    serve()
else:
    send(sys.argv[2])
