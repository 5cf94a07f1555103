/**
 * `tls-name-filter` on real interfaces, with TLS of real clients and servers: what the client is told, and which hellos the server has read.
 *
 * ```
 *   inside: client of OpenSSL ── bridge, or the host that is inside ── outside: server of OpenSSL, says each name that it is asked for
 * ```
 * The client sends its hello as it likes: whole, one octet a segment, its last octets first, longer than a segment, with another hello over it.
 * Rule: the server is the judge. No name of the list may ever be said by it, and no name that is not on the list may be missing.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startDaemon } from '../../support/daemon.ts';
import { assertAddsUp, PATIENCE_MS, stockHook } from '../../support/live.ts';
import { bridgeLab, hostLab, type Namespace, rootOnly, waitFor } from '../../support/netns.ts';

/** Says the name of each hello that is whole, and echoes one line. */
const SERVER = `
import socket, ssl, subprocess, sys, tempfile, threading
folder = tempfile.mkdtemp()
subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', folder + '/key',
  '-out', folder + '/cert', '-subj', '/CN=test', '-days', '2'], check=True, capture_output=True)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(folder + '/cert', folder + '/key')
context.sni_callback = lambda sock, name, ctx: print('asked for', name, flush=True)
def serve(c):
    try:
        with context.wrap_socket(c, server_side=True) as tls: tls.sendall(tls.recv(1000))
    except OSError: pass
s = socket.create_server((sys.argv[1], 443), family=socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET)
print('ready', flush=True)
while True: threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
`;

/** Each argument is a name and how its hello is sent. */
const CLIENT = `
import socket, ssl, sys, time
address = sys.argv[1]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
def hello_of(name, is_long):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname = False
    c.verify_mode = ssl.CERT_NONE
    if is_long: c.set_alpn_protocols(['%03d' % i + 'x' * 240 for i in range(12)])
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = c.wrap_bio(into, out, server_hostname=None if name == '-' else name)
    try: tls.do_handshake()
    except ssl.SSLWantReadError: pass
    return tls, into, out, out.read()
def shake(s, tls, into, out):
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            s.sendall(out.read())
            data = s.recv(16384)
            if not data: return 'closed'
            into.write(data)
    tls.write(b'good')
    s.sendall(out.read())
    while True:
        try: return tls.read(100).decode()
        except ssl.SSLWantReadError:
            data = s.recv(16384)
            if not data: return 'closed'
            into.write(data)
def go(name, how):
    tls, into, out, hello = hello_of(name, how == 'long')
    s = socket.create_connection((address, 443), timeout=20)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if how == 'octets':
        for i in range(len(hello)):
            s.sendall(hello[i:i + 1])
            if i % 16 == 0: time.sleep(0.001)
    elif how == 'halves':
        s.sendall(hello[:70])
        time.sleep(0.05)
        s.sendall(hello[70:])
    elif how == 'records':
        body = hello[5:]
        for i in range(0, len(body), 40): s.sendall(hello[:3] + len(body[i:i + 40]).to_bytes(2, 'big') + body[i:i + 40])
    else: s.sendall(hello)
    return shake(s, tls, into, out)
for argument in sys.argv[2:]:
    name, how = argument.split('/')
    try: print(name, how, go(name, how), flush=True)
    except ConnectionResetError: print(name, how, 'reset', flush=True)
    except TimeoutError: print(name, how, 'silence', flush=True)
`;

const WAYS_TO_SEND = ['whole', 'octets', 'halves', 'records', 'long'];

interface Ends {
  readonly fw: Namespace;
  readonly inside: Namespace;
  readonly outside: Namespace;
  readonly attach: object;
  /** Of the server, for each family. */
  readonly addresses: readonly string[];
}

async function layOut(t: TestContext, kind: 'bridge' | 'host'): Promise<Ends> {
  if (kind === 'bridge') {
    const { ns } = await bridgeLab(t);
    const attach = { bridge: ['lan0', 'wan0'] };
    return { fw: ns.fw, inside: ns.client, outside: ns.server, attach, addresses: ['10.77.0.2', 'fd77::2'] };
  }
  const { ns } = await hostLab(t);
  const attach = { host: 'eth0' };
  return { fw: ns.host, inside: ns.host, outside: ns.peer, attach, addresses: ['10.78.0.2', 'fd78::2'] };
}

/** The tests of one attach with one driver. */
export function testTlsNames(kind: 'bridge' | 'host', driver: 'afpacket' | 'pcap', lanes: number): void {
  test(`${kind}, ${driver}, ${lanes} lane(s): no hello for a listed name is whole at the server, the others are`, {
    skip: rootOnly('python3', 'openssl'),
  }, async (t) => {
    const { fw, inside, outside, attach, addresses } = await layOut(t, kind);
    const hooks = [stockHook('tls-name-filter', { names: ['bad.example', '*.ads.example'] })];
    const daemon = await startDaemon(fw, { attach: [attach], driver, lanes, hooks }, { timeoutMs: PATIENCE_MS });
    for (const address of addresses) {
      const server = outside.spawn('python3', ['-c', SERVER, address]);
      await waitFor(() => server.stdout.includes('ready'), { what: 'a TLS server', timeoutMs: PATIENCE_MS });
      const asked = ['bad.example', 'x.ads.example', 'good.example', '-'].flatMap((name) =>
        WAYS_TO_SEND.map((how) => `${name}/${how}`),
      );
      const { stdout, stderr } = await inside.run('python3', ['-c', CLIENT, address, ...asked], {
        timeoutMs: PATIENCE_MS,
      });
      const answers = stdout.trim().split('\n');
      const expected = asked.map((one) => {
        const [name = '', how] = one.split('/');
        return `${name} ${how} ${/bad|ads/.test(name) ? 'reset' : 'good'}`;
      });
      assert.deepEqual(answers, expected, stderr);
      const names = server.stdout.match(/asked for .*/g) ?? [];
      assert.deepEqual([...new Set(names)].sort(), ['asked for None', 'asked for good.example']);
      assert.equal(names.length, 2 * WAYS_TO_SEND.length);
      await server.stop(1000);
    }
    const { total } = await assertAddsUp(daemon);
    assert.ok(total.reset >= 2 * addresses.length * WAYS_TO_SEND.length, `${total.reset}`);
    assert.equal(total.hookFaults, 0, daemon.log);
    assert.equal(await daemon.stop(), 0);
  });
}
