"""Connections that talk: one end says a number ten times a second, the other one says it again.

    talk.py answer ADDRESS PORT                          prints "ready"; answers whoever connects
    talk.py ask ADDRESS PORT FROM-PORT FROM-PORT...      a connection from each port; prints a line for each answer: its port and the number
    talk.py sshd COMMAND ARGUMENT...                     calls itself sshd, has a connection that it accepted and one that it made, and runs a command;
                                                         prints one line of JSON: the process, both ends of what it accepted

Rule: it notes and does not judge. A connection that stands is not given up: TCP says it again.
"""

import ctypes
import json
import selectors
import socket
import subprocess
import sys
import time

PR_SET_NAME = 15


def family_of(address):
    return socket.AF_INET6 if ':' in address else socket.AF_INET


def answer(address, port):
    listener = socket.socket(family_of(address), socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, int(port)))
    listener.listen()
    chosen = selectors.DefaultSelector()
    chosen.register(listener, selectors.EVENT_READ)
    print('ready', flush=True)
    while True:
        for key, _ in chosen.select():
            if key.fileobj is listener:
                chosen.register(listener.accept()[0], selectors.EVENT_READ)
                continue
            octets = key.fileobj.recv(4096)
            if octets:
                key.fileobj.sendall(octets)
            else:
                chosen.unregister(key.fileobj)


def ask(address, port, *own_ports):
    chosen = selectors.DefaultSelector()
    connections = []
    for own in own_ports:
        connection = socket.socket(family_of(address), socket.SOCK_STREAM)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        connection.bind(('', int(own)))
        connection.connect((address, int(port)))
        connection.setblocking(False)
        chosen.register(connection, selectors.EVENT_READ, own)
        connections.append(connection)
    number = 0
    while True:
        number += 1
        for connection in connections:
            connection.send(b'%d\n' % number)
        until = time.monotonic() + 0.1
        while time.monotonic() < until:
            for key, _ in chosen.select(max(0, until - time.monotonic())):
                for said in key.fileobj.recv(4096).split():
                    print(key.data, said.decode(), flush=True)


def sshd(*command):
    ctypes.CDLL(None).prctl(PR_SET_NAME, b'sshd', 0, 0, 0)
    listener = socket.create_server(('127.0.0.1', 0))
    other = socket.create_server(('127.0.0.1', 0))
    client = socket.create_connection(listener.getsockname())
    accepted, _ = listener.accept()
    # As a forwarding for its user; the end that accepts it is somebody else's.
    forwarded = socket.create_connection(other.getsockname())
    child = subprocess.Popen(command)
    print(json.dumps({
        'pid': child.pid,
        'client': accepted.getpeername()[1],
        'server': accepted.getsockname()[1],
        'forwarded': forwarded.getsockname()[1],
    }), flush=True)
    # The client is another process's in life.
    client.detach()
    child.wait()


{'answer': answer, 'ask': ask, 'sshd': sshd}[sys.argv[1]](*sys.argv[2:])
