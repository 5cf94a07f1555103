"""Does at the ends of a host's detours what a lane does that changes nothing: sends on what it captures.

    echo-lane.py GROUP IN_FAR OUT_FAR PORT     frames of IN_FAR back into IN_FAR, frames of OUT_FAR out of PORT

The sockets that send are opened with the group that the chains know the lane by.
"""

import os
import selectors
import socket
import sys

ETH_P_ALL = 0x0003
SOL_PACKET = 263
PACKET_IGNORE_OUTGOING = 23

group, in_far, out_far, port = int(sys.argv[1]), *sys.argv[2:5]


def capture(name):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    sock.bind((name, ETH_P_ALL))
    return sock


def sender(name):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.bind((name, 0))
    return sock


selector = selectors.DefaultSelector()
captures = [capture(in_far), capture(out_far)]
os.setegid(group)
for source, target in zip(captures, (sender(in_far), sender(port))):
    selector.register(source, selectors.EVENT_READ, target)
print("ready", flush=True)
while True:
    for key, _ in selector.select():
        key.data.send(key.fileobj.recv(65536))
