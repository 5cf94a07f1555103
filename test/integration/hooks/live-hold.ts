/**
 * Packets that wait, on real interfaces with real connections.
 *
 * ```
 *   inside ── bridge, or the host that is inside ── outside        each packet waits 25 ms, the first of a connection for a verdict, too
 * ```
 * Rule: what arrives is what was sent, octet for octet, and the ledger has every packet. No upper bound of a time is asserted; that a packet cannot
 * be early is.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { HooksReport } from '../../../src/control/reports.ts';
import { startDaemon } from '../../support/daemon.ts';
import {
  assertAddsUp,
  assertPings,
  PATIENCE_MS,
  readStats,
  readStatus,
  statsWhen,
  stockHook,
} from '../../support/live.ts';
import { bridgeLab, hostLab, type Namespace, rootOnly, waitFor } from '../../support/netns.ts';

const DELAY_MS = 25;

/** The first packet of each flow waits until a timer has decided: what goes to port 81 is refused. */
const HOOK = `
  import { FORWARD, RESET, DROP, defineHook } from 'firehook';
  export default defineHook({
    name: 'asks',
    flows: true,
    hold: { packets: 64, mib: 1, timeoutMs: 5000 },
    setup(options, runtime) {
      return {
        onFlow(packet) {
          if (packet.tcp === null) return FORWARD;
          const verdict = packet.hold();
          const { token, destinationPort } = packet;
          runtime.after(20, () => void runtime.release(token, destinationPort === 81 ? RESET : FORWARD));
          return verdict;
        },
      };
    },
  });`;

/** Sends back what it gets, until the other end has ended. */
const SERVER = `
import socket, sys
s = socket.create_server((sys.argv[1], 80), family=socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET)
print('ready', flush=True)
c, _ = s.accept()
while True:
    data = c.recv(1 << 20)
    if not data: break
    c.sendall(data)
c.close()
print('closed', flush=True)
`;

/** A million octets there and back. */
const CLIENT = `
import socket, sys, threading, random
octets = random.Random(7).randbytes(1_000_000)
s = socket.create_connection((sys.argv[1], 80), timeout=40)
def send():
    s.sendall(octets)
    s.shutdown(socket.SHUT_WR)
threading.Thread(target=send).start()
back = bytearray()
while True:
    data = s.recv(1 << 20)
    if not data: break
    back += data
print('same' if bytes(back) == octets else 'other', len(back))
`;

const REFUSED = `
import socket, sys
try: socket.create_connection((sys.argv[1], 81), timeout=20); print('connected')
except ConnectionRefusedError: print('refused')
`;

/** The round trip of one ping, in milliseconds. */
async function roundTrip(ns: Namespace, address: string): Promise<number> {
  const { stdout } = await ns.run('ping', ['-n', '-c', '1', '-W', '20', address]);
  return Number(/time=([\d.]+) ms/.exec(stdout)?.[1]);
}

async function packetsOnLoopback(ns: Namespace): Promise<number> {
  const { stdout } = await ns.run('ip', ['-j', '-s', 'link', 'show', 'lo']);
  return (JSON.parse(stdout) as { stats64: { rx: { packets: number } } }[])[0]?.stats64.rx.packets ?? Number.NaN;
}

async function layOut(t: TestContext, kind: 'bridge' | 'host') {
  if (kind === 'bridge') {
    const { ns } = await bridgeLab(t);
    const attach = { bridge: ['lan0', 'wan0'] };
    return { fw: ns.fw, inside: ns.client, outside: ns.server, attach, others: ['10.77.0.2', 'fd77::2'] };
  }
  const { ns } = await hostLab(t);
  return { fw: ns.host, inside: ns.host, outside: ns.peer, attach: { host: 'eth0' }, others: ['10.78.0.2', 'fd78::2'] };
}

/** The tests of one attach with one driver. */
export function testHold(kind: 'bridge' | 'host', driver: 'afpacket' | 'pcap', lanes: number): void {
  test(`${kind}, ${driver}, ${lanes} lane(s): packets wait, and arrive as they were sent`, {
    skip: rootOnly('ping', 'python3', 'ip'),
  }, async (t) => {
    const { fw, inside, outside, attach, others } = await layOut(t, kind);
    await fw.run('ip', ['link', 'set', 'lo', 'up']);
    const hooks = [{ module: './asks.ts' }, stockHook('impair', { delayMs: DELAY_MS, queue: 4000 })];
    const daemon = await startDaemon(
      fw,
      { attach: [attach], driver, lanes, hooks, flows: { most: 1000 } },
      { files: { 'asks.ts': HOOK }, timeoutMs: PATIENCE_MS },
    );
    for (const other of others) {
      await assertPings(inside, other);
      const before = await packetsOnLoopback(fw);
      const ms = await roundTrip(inside, other);
      // Each of the two packets waits; the clock of the packets and that of ping differ by less than one of them.
      assert.ok(ms >= DELAY_MS, `${ms} ms`);
      const server = outside.spawn('python3', ['-c', SERVER, other]);
      await waitFor(() => server.stdout.includes('ready'), { what: 'a server', timeoutMs: PATIENCE_MS });
      const { stdout, stderr } = await inside.run('python3', ['-c', CLIENT, other]);
      assert.equal(`${stdout.trim()}${stderr}`, 'same 1000000');
      await waitFor(() => server.stdout.includes('closed'), { what: 'its end', timeoutMs: PATIENCE_MS });
      assert.equal((await inside.run('python3', ['-c', REFUSED, other])).stdout.trim(), 'refused');
      assert.equal(await packetsOnLoopback(fw), before, 'nothing goes by lo');
    }
    await statsWhen(daemon, 'all that waited', ({ total }) => total.held === 0);
    const { total } = await assertAddsUp(daemon);
    const { hooks: counted } = JSON.parse((await daemon.cli('hooks', '--json')).stdout) as HooksReport;
    assert.equal(total.hookFaults, 0, daemon.log);
    assert.ok(total.reset >= 2, `${total.reset}`);
    const rows = new Map(counted.map((row) => [row.name, row]));
    assert.ok((rows.get('impair')?.held ?? 0) > 100);
    assert.ok((rows.get('asks')?.held ?? 0) >= 4);
    assert.equal(await daemon.stop(), 0);
  });
}

/** What waits in a lane that is killed is lost, and in the ledger. */
export function testKilledLane(): void {
  test('bridge: what waits in a lane that is killed is lost, and told', { skip: rootOnly('ping', 'ip') }, async (t) => {
    const { fw, inside, attach } = await layOut(t, 'bridge');
    const hooks = [stockHook('impair', { delayMs: 60_000 })];
    const daemon = await startDaemon(fw, { attach: [attach], hooks }, { timeoutMs: PATIENCE_MS });
    const ping = inside.spawn('ping', ['-n', '-c', '3', '-i', '0.2', '-W', '1', '10.77.0.2']);
    await statsWhen(daemon, 'three that wait', ({ total }) => total.held >= 3);
    await ping.stop(5000);
    const { total } = await readStats(daemon);
    const [lane] = (await readStatus(daemon)).lanes;
    // Not -1 where there is none: that is every process there is.
    assert.ok(lane !== undefined);
    process.kill(lane.pid, 'SIGKILL');
    await statsWhen(daemon, 'the loss', ({ total: now }) => now.lostHeld >= 3 && now.held === 0);
    const after = await assertAddsUp(daemon);
    assert.ok(after.total.lostHeld >= total.held);
    assert.equal(await daemon.stop(), 0);
  });

  test('bridge: a lane that is stopped sends what waits first', {
    skip: rootOnly('ping', 'ip', 'python3'),
  }, async (t) => {
    const { fw, inside, outside, attach } = await layOut(t, 'bridge');
    const hooks = [stockHook('impair', { delayMs: 60_000, side: 'out' })];
    const daemon = await startDaemon(fw, { attach: [attach], hooks }, { timeoutMs: PATIENCE_MS });
    const listener = outside.spawn('python3', [
      '-c',
      "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.bind(('10.77.0.2', 5353))\nprint('ready', flush=True)\nprint(s.recv(100).decode(), flush=True)",
    ]);
    await waitFor(() => listener.stdout.includes('ready'), { what: 'a listener', timeoutMs: PATIENCE_MS });
    await inside.run('python3', [
      '-c',
      "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.sendto(b'late', ('10.77.0.2', 5353))",
    ]);
    await statsWhen(daemon, 'one that waits', ({ total }) => total.held >= 1);
    assert.equal(await daemon.stop(), 0);
    await waitFor(() => listener.stdout.includes('late'), { what: 'the datagram', timeoutMs: PATIENCE_MS });
  });
}
