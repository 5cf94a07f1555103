"""Real ends for the eleven hooks: servers, clients, and a forger.

    eleven-ends.py outside ADDRESS...           servers: UDP 53 (DNS), 5007, 5300 and 9001 echo; TCP 443 (TLS), 8080 (HTTP), 8081 and 9001
    eleven-ends.py inside ADDRESS...            servers: TCP 2222, 8081, 8090
    eleven-ends.py policy ADDRESS               HTTP 9100: who may be reached; not an address that ends with 9
    eleven-ends.py go-out OTHER REFUSED LISTED PRIVATE      uses what is outside
    eleven-ends.py come-in OWN PUBLIC SOURCE    uses what is inside
    eleven-ends.py forge OWN COUNT              SYNs to port 8090 of sources that there are not

Servers say "ready", and then what they were asked, a line each. TCP servers answer with the address that they see, then echo.
Rule: a client prints one line a step, with what it was told; it judges nothing.
"""

import errno
import random
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

PATIENCE = 20
BURST = 50
ENOUGH_ECHOES = 60
REFUSALS = {errno.EHOSTUNREACH, errno.EACCES}


def say(*words):
    print(*words, flush=True)


def family(address):
    return socket.AF_INET6 if ':' in address else socket.AF_INET


def background(run, *arguments):
    threading.Thread(target=run, args=arguments, daemon=True).start()


# Servers


def serve_tcp(address, port, talk):
    listener = socket.create_server((address, port), family=family(address), backlog=128)

    def accept():
        while True:
            peer, end = listener.accept()
            background(guarded, talk, peer, end[0], address, port)

    background(accept)


def guarded(talk, peer, *about):
    try:
        with peer:
            talk(peer, *about)
    except OSError:
        pass


def greet(peer, end, address, port):
    say('tcp', address, port)
    peer.sendall(end.encode())
    while octets := peer.recv(1000):
        peer.sendall(octets)


def http(peer, end, address, port):
    request = b''
    while b'\r\n\r\n' not in request:
        octets = peer.recv(1000)
        if not octets:
            return
        request += octets
    say('http', address, request.split(b' ')[1].decode())
    peer.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')


def policy(peer, end, address, port):
    about = peer.recv(1000).split(b' ')[1].decode().removeprefix('/').replace('%3A', ':')
    say('asked', about)
    status = '403 Forbidden' if about.endswith('9') else '200 OK'
    peer.sendall(f'HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'.encode())


def tls_context():
    folder = tempfile.mkdtemp()
    command = 'openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=test -days 2'
    files = ['-keyout', f'{folder}/key', '-out', f'{folder}/cert']
    subprocess.run([*command.split(), *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f'{folder}/cert', f'{folder}/key')
    context.sni_callback = lambda _socket, name, _context: say('tls', name)
    return context


def tls(context):
    def talk(peer, *_about):
        with context.wrap_socket(peer, server_side=True) as secured:
            secured.sendall(secured.recv(1000))

    return talk


def serve_udp(address, port, answer):
    ear = socket.socket(family(address), socket.SOCK_DGRAM)
    ear.bind((address, port))

    def listen():
        while True:
            octets, end = ear.recvfrom(2000)
            say('udp', address, port)
            ear.sendto(answer(octets), end)

    background(listen)


def answer_dns(query):
    """One address record for whatever is asked (RFC 1035)."""
    return query[:2] + b'\x84\x00\0\1\0\1\0\0\0\0' + query[12:] + b'\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\x35'


def outside(*addresses):
    context = tls_context()
    for address in addresses:
        serve_udp(address, 53, answer_dns)
        for port in (5007, 5300, 9001):
            serve_udp(address, port, bytes)
        for port, talk in ((443, tls(context)), (8080, http), (8081, greet), (9001, greet)):
            serve_tcp(address, port, talk)


def inside(*addresses):
    for address in addresses:
        for port in (2222, 8081, 8090):
            serve_tcp(address, port, greet)


# Clients


def attempt(run):
    """What a step was told, or what stopped it."""
    try:
        return run()
    except ConnectionResetError:
        return 'reset'
    except ConnectionRefusedError:
        return 'refused'
    except TimeoutError:
        return 'silence'
    except OSError as error:
        return 'prohibited' if error.errno in REFUSALS else repr(error)


def connect(address, port, source=None, patience=PATIENCE):
    """The address that the server sees, once it has echoed something."""
    end = None if source is None else (source, 0)
    with socket.create_connection((address, port), patience, source_address=end) as s:
        seen = s.recv(100).decode()
        s.sendall(b'hello')
        return seen if s.recv(100) == b'hello' else 'nothing'


def ask_udp(address, port, octets):
    with socket.socket(family(address), socket.SOCK_DGRAM) as s:
        s.settimeout(PATIENCE)
        s.connect((address, port))
        s.send(octets)
        return s.recv(2000)


def ask_dns(address, name):
    labels = b''.join(bytes([len(label)]) + label.encode() for label in name.split('.'))
    answer = ask_udp(address, 53, b'\x12\x34\1\0\0\1\0\0\0\0\0\0' + labels + b'\0\0\1\0\1')
    return f'code {answer[3] & 15}, {answer[7]} answers'


def ask_tls(address, name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection((address, 443), PATIENCE) as s:
        with context.wrap_socket(s, server_hostname=name) as secured:
            secured.sendall(b'good')
            return secured.recv(100).decode()


def ask_http(address, path, header):
    with socket.create_connection((address, 8080), PATIENCE) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # In pieces: the header is in the second one.
        s.sendall(f'GET {path} HTTP/1.1\r\nHost: test\r\n'.encode())
        time.sleep(0.02)
        s.sendall(f'{header}\r\n'.encode())
        return s.recv(1000).split(b' ')[1].decode()


def burst(address, port):
    """Datagrams of one flow at once; how many came back."""
    with socket.socket(family(address), socket.SOCK_DGRAM) as s:
        s.settimeout(PATIENCE)
        s.connect((address, port))
        for index in range(BURST):
            s.send(bytes([index]))
        return len({s.recv(100) for _ in range(BURST)})


def delays(address):
    """Echoes until there are enough of them: milliseconds that the fastest one took."""
    sent = {}
    times = []
    with socket.socket(family(address), socket.SOCK_DGRAM) as s:
        s.connect((address, 5007))
        s.settimeout(0.005)
        while len(times) < ENOUGH_ECHOES:
            sent[len(sent)] = time.monotonic()
            s.send(struct.pack('!I', len(sent) - 1))
            try:
                number = struct.unpack('!I', s.recv(100))[0]
                times.append(time.monotonic() - sent[number])
            except TimeoutError:
                pass
    return f'{1000 * min(times):.3f}'


def knock(address, source, *ports):
    for port in ports:
        with socket.socket(family(address)) as s:
            s.bind((source, 0))
            s.setblocking(False)
            s.connect_ex((address, port))
            # Lanes are not in step, and a second SYN of one socket is no knock.
            time.sleep(0.1)
    return 'knocked'


def go_out(other, refused, listed, private):
    steps = (
        ('dns good.example', lambda: ask_dns(other, 'good.example')),
        ('dns ads.bad.example', lambda: ask_dns(other, 'ads.bad.example')),
        ('tls good.example', lambda: ask_tls(other, 'good.example')),
        ('tls bad.example', lambda: ask_tls(other, 'bad.example')),
        ('http with the header', lambda: ask_http(other, '/with', 'X-Token: 1\r\n')),
        ('http without it', lambda: ask_http(other, '/without', '')),
        ('out', lambda: connect(other, 8081)),
        ('translated', lambda: connect(other, 8081, private)),
        ('burst', lambda: burst(other, 9001)),
        ('allowed', lambda: connect(other, 9001)),
        ('not allowed', lambda: connect(refused, 9001)),
        ('not allowed again', lambda: connect(refused, 9001)),
        ('listed', lambda: listed_and_not(listed, other)),
        ('attack', lambda: [ask_udp(other, 5300, b'an ATTACK') for _ in range(3)][0].decode()),
        ('delays', lambda: delays(other)),
    )
    for name, run in steps:
        say(f'{name}: {attempt(run)}')


def listed_and_not(listed, other):
    with socket.socket(family(listed), socket.SOCK_DGRAM) as s:
        for _ in range(5):
            s.sendto(b'hello', (listed, 5300))
    return ask_udp(other, 5300, b'hello').decode()


def come_in(own, public, source):
    steps = (
        ('in', lambda: connect(own, 8081, source)),
        ('translated', lambda: connect(public, 8081, source)),
        ('shut', lambda: connect(own, 2222, source, patience=0.5)),
        ('in another order', lambda: knock(own, source, 7001, 7003, 7002)),
        ('still shut', lambda: connect(own, 2222, source, patience=0.5)),
        ('in order', lambda: knock(own, source, 7001, 7002, 7003)),
        ('open', lambda: connect(own, 2222, source)),
        ('guarded', lambda: connect(own, 8090, source)),
        ('guarded again', lambda: connect(own, 8090, source)),
    )
    for name, run in steps:
        say(f'{name}: {attempt(run)}')


# Forger


def checksum(octets):
    total = sum(struct.unpack(f'!{len(octets) // 2}H', octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def forge(own, count):
    six = ':' in own
    target = socket.inet_pton(family(own), own)
    raw = socket.socket(family(own), socket.SOCK_RAW, socket.IPPROTO_RAW)
    for index in range(int(count)):
        source = b'\x20\x01\x0d\xb8' + random.randbytes(12) if six else bytes([203, 0, 113, random.randrange(1, 255)])
        ports = random.randrange(1024, 65536), 8090
        header = struct.pack('!HHIIBBHHH', *ports, random.getrandbits(32), 0, 5 << 4, 2, 65535, 0, 0)
        pseudo = source + target + (struct.pack('!II', 20, 6) if six else struct.pack('!BBH', 0, 6, 20))
        header = header[:16] + struct.pack('!H', checksum(pseudo + header)) + header[18:]
        if six:
            ip = struct.pack('!IHBB', 6 << 28, 20, 6, 64) + source + target
        else:
            ip = struct.pack('!BBHHHBBH', 0x45, 0, 40, index & 0xFFFF, 0, 64, 6, 0) + source + target
        raw.sendto(ip + header, (own, 0))
    say('sent')


role, *arguments = sys.argv[1:]
clients = {'go-out': go_out, 'come-in': come_in, 'forge': forge}
if role in clients:
    clients[role](*arguments)
else:
    if role == 'policy':
        serve_tcp(arguments[0], 9100, policy)
    else:
        {'outside': outside, 'inside': inside}[role](*arguments)
    say('ready')
    threading.Event().wait()
