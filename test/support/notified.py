"""Receives datagrams as a service manager would: argument 1 is a path, or an abstract name after "@". One line of JSON each."""
import json
import socket
import sys

address = sys.argv[1]
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.bind("\0" + address[1:] if address.startswith("@") else address)
print(json.dumps("bound"), flush=True)
while True:
    print(json.dumps(manager.recv(4096).decode()), flush=True)
