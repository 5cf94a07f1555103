/**
 * Frames that hooks send on real interfaces: copies of `mirror`, and what `runtime.inject` sends from a timer.
 *
 * ```
 *   client ── lan0 fw wan0 ── server        bridge                peer ── eth0 host         host
 *                 ids0 ── eth0 ids                                    ids0 ── eth0 ids
 * ```
 * Rule: what left is told by a capture at the other end, what was meant to leave by the ledger. A frame that a hook sent meets no hook.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type FrameFields, readFrame } from '../../../src/testing/index.ts';
import { startDaemon } from '../../support/daemon.ts';
import { startCapture } from '../../support/frames.ts';
import { createLab } from '../../support/lab.ts';
import { assertAddsUp, assertPings, PATIENCE_MS, statsWhen, stockHook } from '../../support/live.ts';
import { type Namespace, rootOnly, waitFor } from '../../support/netns.ts';

const WAKE_UP = 0x0842;
const TRANSFER = 3_000_000;
/** What a card sends on a wire at most, here. */
const LONGEST_FRAME = 1514;

interface Stage {
  readonly firewall: Namespace;
  readonly client: Namespace;
  readonly server: Namespace;
  readonly ids: Namespace;
  readonly attach: object;
  /** Of the server; IPv4. */
  readonly address: string;
  /** Where the client is. */
  readonly toClient: string;
}

async function layOut(t: TestContext, kind: 'bridge' | 'host'): Promise<Stage> {
  if (kind === 'bridge') {
    const { ns } = await createLab(t, {
      namespaces: { client: {}, fw: {}, server: {}, ids: {} },
      links: [
        [
          { in: 'client', name: 'eth0', addresses: ['10.77.0.1/24', 'fd77::1/64'] },
          { in: 'fw', name: 'lan0' },
        ],
        [
          { in: 'fw', name: 'wan0' },
          { in: 'server', name: 'eth0', addresses: ['10.77.0.2/24', 'fd77::2/64'] },
        ],
        [
          { in: 'fw', name: 'ids0' },
          { in: 'ids', name: 'eth0' },
        ],
      ],
    });
    const { fw: firewall, client, server, ids } = ns;
    return {
      firewall,
      client,
      server,
      ids,
      attach: { bridge: ['lan0', 'wan0'] },
      address: '10.77.0.2',
      toClient: 'lan0',
    };
  }
  const { ns } = await createLab(t, {
    namespaces: { host: {}, peer: {}, ids: {} },
    links: [
      [
        { in: 'peer', name: 'eth0', addresses: ['10.78.0.2/24', 'fd78::2/64'] },
        { in: 'host', name: 'eth0', addresses: ['10.78.0.1/24', 'fd78::1/64'] },
      ],
      [
        { in: 'host', name: 'ids0' },
        { in: 'ids', name: 'eth0' },
      ],
    ],
  });
  const { host, peer, ids } = ns;
  return {
    firewall: host,
    client: peer,
    server: host,
    ids,
    attach: { host: 'eth0' },
    address: '10.78.0.1',
    toClient: 'eth0',
  };
}

/** Sends so many octets by TCP to an address; resolves when the other end has them all. */
async function transfer({ client, server, address }: Stage): Promise<void> {
  const sink = server.spawn('python3', ['-c', SINK, address]);
  await waitFor(() => sink.stdout.includes('ready'), { what: 'a listener', timeoutMs: PATIENCE_MS });
  await client.output('python3', ['-c', SOURCE, address, `${TRANSFER}`], { timeoutMs: PATIENCE_MS });
  await waitFor(() => sink.stdout.includes(`got ${TRANSFER}`), { what: 'all octets', timeoutMs: PATIENCE_MS });
}

const SINK = `
import socket, sys
s = socket.create_server((sys.argv[1], 80))
print('ready', flush=True)
c, _ = s.accept()
n = 0
while True:
    data = c.recv(1 << 16)
    if not data: break
    n += len(data)
print('got', n, flush=True)
`;
const SOURCE = `
import socket, sys
s = socket.create_connection((sys.argv[1], 80), timeout=30)
s.sendall(b'x' * int(sys.argv[2]))
s.shutdown(socket.SHUT_WR)
s.recv(1)
`;

/** Copies of everything go to another interface, and packets go on. */
export function testMirror(kind: 'bridge' | 'host', driver: 'afpacket' | 'pcap'): void {
  test(`${kind}, ${driver}: the copies of mirror are whole, have final checksums, and meet no hook`, {
    skip: rootOnly('python3', 'ethtool'),
  }, async (t) => {
    const stage = await layOut(t, kind);
    const { firewall, ids } = stage;
    // As a card without segmentation: the kernel cuts super-frames and completes checksums before they leave.
    await firewall.output('ethtool', ['-K', 'ids0', 'tso', 'off', 'gso', 'off', 'tx', 'off']);
    await ids.output('ethtool', ['-K', 'eth0', 'gro', 'off']);
    const mirror = { ...stockHook('mirror', { to: 'ids0', filter: 'ip' }), allow: { interfaces: ['ids0'] } };
    const daemon = await startDaemon(
      firewall,
      { attach: [stage.attach], driver, hooks: [mirror] },
      { timeoutMs: PATIENCE_MS },
    );
    const capture = await startCapture(ids, 'eth0', { count: 1_000_000, timeoutMs: 20_000, etherTypes: [0x0800] });
    await transfer(stage);
    const { total } = await assertAddsUp(daemon);
    assert.ok(total.injected > 0, daemon.log);
    assert.equal(total.injectRefused, 0);
    const { stdout } = await daemon.cli('hooks', '--json');
    const [hook] = (JSON.parse(stdout) as { hooks: { forwarded: number }[] }).hooks;
    assert.equal(hook?.forwarded, total.injected, 'a copy meets no hook');
    const copies = (await capture.frames()).map((frame) => [frame, readFrame(frame)] as const);
    for (const [frame, fields] of copies) {
      assert.ok(frame.length <= LONGEST_FRAME, `${frame.length} octets`);
      assert.equal(fields?.packet?.checksumsRight, true, frame.toString('hex', 0, 60));
    }
    assert.equal(
      octetsOf(
        copies.map(([, fields]) => fields),
        stage.address,
      ),
      TRANSFER,
    );
    assert.equal(await daemon.stop(), 0);
  });
}

/** TCP payload that went to an address, each octet once. */
function octetsOf(frames: readonly (FrameFields | null)[], address: string): number {
  const segments = new Map<number, number>();
  for (const packet of frames.map((fields) => fields?.packet ?? null)) {
    if (packet?.tcp == null || packet.destination !== address) continue;
    segments.set(packet.tcp.seq, Math.max(segments.get(packet.tcp.seq) ?? 0, packet.payload.length));
  }
  return Array.from(segments.values()).reduce((sum, octets) => sum + octets, 0);
}

/** Takes a question by UDP, and answers it from a timer, with a wake-up frame behind it. */
const ANSWERS = `
  import { DROP, FORWARD, defineHook, fillChecksums } from 'firehook';
  export default defineHook({
    name: 'answers',
    setup(options, runtime) {
      const wakeUp = Buffer.concat([Buffer.from('ffffffffffff0200000000010842', 'hex'), Buffer.alloc(102, 0xff)]);
      return {
        onPacket(packet, { from }) {
          if (packet.udp === null || packet.udp.destinationPort !== 5300) return FORWARD;
          const { ip, udp, payload } = packet;
          const port = udp.sourcePort;
          payload.splice(0, payload.length, Buffer.from('later: ' + payload.text()));
          ip.swap();
          udp.sourcePort = 5300;
          udp.destinationPort = port;
          const datagram = Buffer.from(packet.bytes.subarray(0, packet.length));
          // Who asked left the checksum to its card, and for an answer there is none.
          fillChecksums(datagram, datagram.length);
          const frame = Buffer.concat([packet.link.toBytes(true), datagram]);
          runtime.after(30, () => {
            runtime.log('info', 'answer ' + runtime.inject(frame, from) + ', wake-up ' + runtime.inject(wakeUp, from));
            runtime.log('info', 'too long ' + runtime.inject(Buffer.alloc(4000), from));
          });
          return DROP;
        },
      };
    },
  });`;

const ASK = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(20)
s.connect((sys.argv[1], 5300))
s.send(b'question')
print(s.recv(1000).decode())
`;

/** A hook answers later, when no batch of packets is under way. */
export function testInject(kind: 'bridge' | 'host', driver: 'afpacket' | 'pcap'): void {
  test(`${kind}, ${driver}: an answer from a timer reaches who asked, a wake-up frame its link, and no hook meets them`, {
    skip: rootOnly('python3'),
  }, async (t) => {
    const stage = await layOut(t, kind);
    const daemon = await startDaemon(
      stage.firewall,
      { attach: [stage.attach], driver, hooks: [{ module: './answers.ts' }], log: { level: 'info' } },
      { files: { 'answers.ts': ANSWERS }, timeoutMs: PATIENCE_MS },
    );
    const capture = await startCapture(stage.client, 'eth0', { count: 1, timeoutMs: 20_000, etherTypes: [WAKE_UP] });
    assert.equal(await stage.client.output('python3', ['-c', ASK, stage.address]), 'later: question\n');
    assert.equal((await capture.frames()).length, 1);
    const { total } = await statsWhen(
      daemon,
      'what the hook sent',
      ({ total: sums, addsUp }) => addsUp && sums.injected === 2 && sums.injectRefused === 1,
    );
    assert.equal(total.hookFaults, 0, daemon.log);
    assert.match(daemon.log, /answer true, wake-up true/);
    assert.match(daemon.log, /too long false/);
    assert.equal(await daemon.stop(), 0);
  });
}

/** The analyser's interface may come later, and go. */
export function testMissingOutlet(driver: 'afpacket' | 'pcap'): void {
  test(`bridge, ${driver}: packets pass while the interface for copies is missing, and copies go once it is there`, {
    skip: rootOnly('ping', 'ip'),
  }, async (t) => {
    const { firewall, client, attach, address } = await layOut(t, 'bridge');
    await firewall.output('ip', ['link', 'del', 'ids0']);
    const mirror = { ...stockHook('mirror', { to: 'ids0' }), allow: { interfaces: ['ids0'] } };
    const daemon = await startDaemon(
      firewall,
      { attach: [attach], driver, hooks: [mirror] },
      { timeoutMs: PATIENCE_MS },
    );
    await assertPings(client, address);
    assert.match(daemon.log, /Interface ids0 of allow\.interfaces is not there/);
    const before = await assertAddsUp(daemon);
    assert.equal(before.total.injected, 0);
    assert.ok(before.total.injectRefused > 0);
    await firewall.output('ip', ['link', 'add', 'ids0', 'type', 'veth', 'peer', 'name', 'ids1']);
    for (const name of ['ids0', 'ids1']) await firewall.output('ip', ['link', 'set', name, 'up']);
    await statsWhen(daemon, 'copies', ({ total }) => {
      void client.run('ping', ['-n', '-c', '1', '-W', '1', address]);
      return total.injected > 0;
    });
    assert.equal(await daemon.stop(), 0);
  });
}
