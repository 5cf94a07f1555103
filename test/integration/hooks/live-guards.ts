/**
 * `syn-guard` and `port-knock` on real interfaces, with the clients and servers of this kernel: what one lane knows of a source all lanes know.
 *
 * ```
 *   outside ── connects, knocks, forges ──> bridge, or the host ──> inside: a server, and what its kernel counts
 * ```
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Daemon } from '../../support/daemon.ts';
import { startDaemon } from '../../support/daemon.ts';
import { assertAddsUp, assertPings, PATIENCE_MS, statsWhen, stockHook } from '../../support/live.ts';
import { type Namespace, rootOnly, waitFor } from '../../support/netns.ts';
import { lanesOf } from '../afpacket/live-afpacket.ts';
import { layOut, listening, python } from './live-verdicts.ts';

const PORT = 80;
/** Enough that each of two lanes has some of them. */
const CONNECTIONS = 24;
const FORGED = 2_000;

/** Answers each connection with what it is sent. */
const ECHO = `
import socket, sys, threading
s = socket.create_server((sys.argv[1], 80), family=socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET, backlog=128)
print('ready', flush=True)
def serve(c):
    while True:
        data = c.recv(1000)
        if not data: break
        c.sendall(data)
while True: threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
`;

/** Connects so often, and says how often it was echoed. */
const CONNECT = `
import socket, sys
count = 0
for _ in range(int(sys.argv[2])):
    c = socket.create_connection((sys.argv[1], 80), timeout=30)
    c.sendall(b'hello')
    count += c.recv(100) == b'hello'
    c.close()
print(count)
`;

/** SYNs of sources that there are not: of made-up addresses, each of another port. */
const FORGE = `
import random, socket, struct, sys
server, count = sys.argv[1], int(sys.argv[2])
def total(octets):
    if len(octets) % 2: octets += b'\\0'
    s = sum(struct.unpack('!%dH' % (len(octets) // 2), octets))
    while s >> 16: s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff
six = ':' in server
target = socket.inet_pton(socket.AF_INET6 if six else socket.AF_INET, server)
raw = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
for i in range(count):
    source = b'\\x20\\x01\\x0d\\xb8' + random.randbytes(12) if six else bytes([203, 0, 113, random.randrange(1, 255)])
    header = struct.pack('!HHIIBBHHH', random.randrange(1024, 65536), 80, random.getrandbits(32), 0, 5 << 4, 2, 65535, 0, 0)
    pseudo = source + target + (struct.pack('!II', 20, 6) if six else struct.pack('!BBH', 0, 6, 20))
    header = header[:16] + struct.pack('!H', total(pseudo + header)) + header[18:]
    if six: ip = struct.pack('!IHBB', 6 << 28, 20, 6, 64) + source + target
    else: ip = struct.pack('!BBHHHBBH', 0x45, 0, 40, i & 0xffff, 0, 64, 6, 0) + source + target
    raw.sendto(ip + header, (server, 0))
print('sent')
`;

/** Knocks from an address and connects; says what came of it. */
const KNOCK = `
import socket, sys, time
source, server, wait = sys.argv[1], sys.argv[2], float(sys.argv[3])
for port in sys.argv[4:]:
    s = socket.socket()
    s.bind((source, 0))
    s.setblocking(False)
    s.connect_ex((server, int(port)))
    time.sleep(0.1)
    s.close()
try:
    s = socket.create_connection((server, 80), timeout=wait, source_address=(source, 0))
    s.sendall(b'hello')
    print(s.recv(100).decode())
except OSError: print('nothing')
`;

/** TCP segments that the kernel of a namespace has received. */
async function segmentsOf(ns: Namespace): Promise<number> {
  const lines = (await ns.output('cat', ['/proc/net/snmp'])).split('\n').filter((line) => line.startsWith('Tcp:'));
  const [names = [], values = []] = lines.map((line) => line.split(' '));
  return Number(values[names.indexOf('InSegs')]);
}

/** Each lane has had packets: what was seen is not the work of one alone. */
async function assertAllLanes(daemon: Daemon, lanes: number): Promise<void> {
  const stats = await assertAddsUp(daemon);
  assert.equal(stats.lanes.length, lanes);
  assert.ok(stats.lanes.every(({ packets }) => packets > 0));
  assert.equal(stats.total.hookFaults, 0, daemon.log);
}

/** A client connects by itself, forged SYNs never arrive, and a client that is known stays known. */
export function testSynGuard(kind: 'bridge' | 'host', driver: 'afpacket' | 'pcap', lanes: number): void {
  test(`syn-guard: ${kind}, ${driver}, ${lanes} lane(s): clients get through, and no forged SYN does`, {
    skip: rootOnly('ping', 'python3'),
  }, async (t) => {
    const { fw, inside, outside, attach, addresses } = await layOut(t, kind);
    const hooks = [stockHook('syn-guard', { ports: PORT, remember: 3600 })];
    const daemon = await startDaemon(fw, { attach: [attach], driver, lanes, hooks }, { timeoutMs: PATIENCE_MS });
    const pids = lanes > 1 ? await lanesOf(daemon, lanes) : [];
    for (const [own, other] of addresses) {
      await assertPings(inside, other);
      await listening(inside, ECHO, own);
      const before = (await assertAddsUp(daemon)).total;
      const segments = await segmentsOf(inside);
      assert.equal(await python(outside, FORGE, own, `${FORGED}`), 'sent');
      await statsWhen(daemon, 'the forged SYNs', ({ total }) => total.replied + total.lost >= before.replied + FORGED);
      assert.equal(await segmentsOf(inside), segments, 'the kernel of the server has seen nothing of them');

      const flooded = (await assertAddsUp(daemon)).total.replied;
      assert.equal(await python(outside, CONNECT, own, '1'), '1');
      const asked = (await assertAddsUp(daemon)).total.replied;
      assert.ok(asked > flooded, 'a client that is new is asked');
      assert.equal(await python(outside, CONNECT, own, `${CONNECTIONS}`), `${CONNECTIONS}`);
      assert.equal((await assertAddsUp(daemon)).total.replied, asked, 'and one that is known is not, in any lane');
    }
    await assertAllLanes(daemon, lanes);
    if (lanes > 1) {
      // What was known is known to the lane that takes the place of another.
      for (const pid of pids) process.kill(pid, 'SIGKILL');
      await waitFor(async () => (await lanesOf(daemon, lanes)).every((pid) => !pids.includes(pid)), {
        what: 'other lanes',
        timeoutMs: PATIENCE_MS,
      });
      const before = (await assertAddsUp(daemon)).total.replied;
      for (const [own] of addresses) assert.equal(await python(outside, CONNECT, own, '8'), '8');
      assert.equal((await assertAddsUp(daemon)).total.replied, before);
    }
    assert.equal(await daemon.stop(), 0);
  });
}

/** Knocks of one source meet several lanes. */
export function testPortKnock(kind: 'bridge' | 'host', driver: 'afpacket' | 'pcap', lanes: number): void {
  test(`port-knock: ${kind}, ${driver}, ${lanes} lane(s): who knocks in order comes in`, {
    skip: rootOnly('ping', 'python3'),
  }, async (t) => {
    const { fw, inside, outside, attach, addresses } = await layOut(t, kind);
    const [[own, other] = assert.fail()] = addresses;
    const sources = Array.from({ length: 8 }, (_, index) => other.replace(/\d+$/, `${index + 100}`));
    for (const source of sources) await outside.output('ip', ['addr', 'add', `${source}/24`, 'dev', 'eth0']);
    const hooks = [stockHook('port-knock', { port: PORT, sequence: [7000, 8000, 9000, 7000], patience: 60, open: 60 })];
    const daemon = await startDaemon(fw, { attach: [attach], driver, lanes, hooks }, { timeoutMs: PATIENCE_MS });
    if (lanes > 1) await lanesOf(daemon, lanes);
    await assertPings(inside, other);
    await listening(inside, ECHO, own);
    assert.equal(await python(outside, KNOCK, other, own, '1', '7000', '9000', '8000', '7000'), 'nothing');
    for (const source of sources)
      assert.equal(await python(outside, KNOCK, source, own, '30', '7000', '8000', '9000', '7000'), 'hello', source);
    await assertAllLanes(daemon, lanes);
    assert.equal(await daemon.stop(), 0);
  });
}
