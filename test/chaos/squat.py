"""A local user without any right who takes the names of firehook's locks as abstract unix sockets.

    squat.py FIRST LAST MS      for MS milliseconds, the names firehook/FIRST to firehook/LAST

Prints `ready` once, and `taken NAME` for each name that it got. Called by disturbances/machine.ts inside a network
namespace. Rule: it is user 65534 before it takes the first name.

Source: unix(7), abstract sockets.
"""

import os
import socket
import sys
import time

first, last, milliseconds = map(int, sys.argv[1:])
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
print("ready", flush=True)
held = {}
deadline = time.monotonic() + milliseconds / 1000
while time.monotonic() < deadline:
    for ifindex in range(first, last + 1):
        if ifindex in held:
            continue
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.bind("\0firehook/%d" % ifindex)
            sock.listen()
        except OSError:
            sock.close()
            continue
        held[ifindex] = sock
        print("taken firehook/%d" % ifindex, flush=True)
    time.sleep(0.005)
