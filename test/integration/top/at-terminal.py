"""Runs a command at a terminal of its own whose keys, size and signals a test decides about, line by line on standard input.

    at-terminal.py COMMAND ARGUMENT...

    {"keys": "q"}   {"size": [rows, columns]}   {"signal": "SIGTERM"}

What the command writes goes to standard output. At its end a line of JSON on standard error says how it ended, and whether the modes of
the terminal are those that it found. Source: pty(7), termios(3), ioctl_tty(2).
"""

import fcntl
import json
import os
import pty
import select
import signal
import struct
import sys
import termios


def resize(terminal, rows, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


master, slave = pty.openpty()
resize(slave, 24, 100)
found = termios.tcgetattr(slave)
pid = os.fork()
if pid == 0:
    os.close(master)
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for descriptor in (0, 1, 2):
        os.dup2(slave, descriptor)
    os.execvp(sys.argv[1], sys.argv[1:])

status = None
orders = b""
inputs = [master, 0]
while True:
    if status is None:
        ended, wait = os.waitpid(pid, os.WNOHANG)
        if ended:
            status = wait
    ready = select.select(inputs, [], [], 0.05)[0]
    if master in ready:
        octets = os.read(master, 65536)
        sys.stdout.buffer.write(octets)
        sys.stdout.buffer.flush()
    elif status is not None:
        break
    if 0 in ready:
        more = os.read(0, 65536)
        if not more:
            inputs.remove(0)
        *lines, orders = (orders + more).split(b"\n")
        for line in lines:
            order = json.loads(line)
            if "keys" in order:
                os.write(master, order["keys"].encode())
            elif "size" in order:
                resize(master, *order["size"])
            elif "signal" in order:
                os.kill(pid, getattr(signal, order["signal"]))
code = os.waitstatus_to_exitcode(status)
print(json.dumps({"code": code, "restored": termios.tcgetattr(slave) == found}), file=sys.stderr)
