"""Runs a command at a terminal of its own and shows what it prints; on SIGUSR1 it reads no more, on SIGUSR2 it reads again.

    terminal.py COMMAND ARGUMENT...       what is typed into the terminal, and echoed by it, is printed too

The exit code is that of the command. SIGTERM goes on to the command. Source: pty(7).
"""

import os
import pty
import select
import signal
import sys

is_reading = True


def stand(*_):
    global is_reading
    is_reading = False


def go_on(*_):
    global is_reading
    is_reading = True


signal.signal(signal.SIGUSR1, stand)
signal.signal(signal.SIGUSR2, go_on)
pid, master = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGTERM))
ended = status = 0
while True:
    if not ended:
        ended, status = os.waitpid(pid, os.WNOHANG)
    ready = select.select([master], [], [], 0.05)[0] if is_reading or ended else select.select([], [], [], 0.05)[0]
    if ready:
        try:
            octets = os.read(master, 65536)
        except OSError:
            octets = b""
        sys.stdout.buffer.write(octets)
        sys.stdout.buffer.flush()
        if octets:
            continue
    if ended:
        sys.exit(os.waitstatus_to_exitcode(status) & 0xFF)
