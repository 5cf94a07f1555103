/**
 * `firehook record` on a bridge, live: the file has the very octets that were sent and that arrived, what hooks decided, and nothing else; a client
 * that does not read loses packets and the lanes go on; and however a record ends, its file is whole.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { TraceLine } from '../../../src/control/trace-control.ts';
import { type Daemon, startDaemon } from '../../support/daemon.ts';
import { hex, sendFrames, startCapture } from '../../support/frames.ts';
import { assertAddsUp, PATIENCE_MS, pingsAgain } from '../../support/live.ts';
import { bridgeLab, type Namespace, rootOnly, waitFor } from '../../support/netns.ts';
import { ethernet, ipv4, udp } from '../../support/packet-builder.ts';
import { type ReadPacket, readCapture } from '../../support/read-capture.ts';

const SERVER = '10.77.0.2';
const FIREHOOK = fileURLToPath(new URL('../../../bin/firehook', import.meta.url));
const IPV4 = 0x0800;
/** Code of the ICMP errors of firehook; the server sends some of its own, because nobody listens there (RFC 1812 5.2.7.1). */
const ADMINISTRATIVELY_PROHIBITED = 13;
const skip = rootOnly('ping', 'tcpdump');

/** By the port of a datagram: dropped, rewritten, rejected, held for a moment; all others go on as they are. */
const HOOK = `
  import { DROP, FORWARD, ICMP_ON_DROP, defineHook } from 'firehook';
  export default defineHook({
    name: 'ports',
    filter: 'udp',
    hold: { packets: 8, mib: 1, timeoutMs: 5000 },
    setup(_options, { reason, after, release }) {
      const dropped = reason('port one');
      const rejected = reason('port three');
      return {
        onPacket(packet) {
          if (packet.destinationPort === 1001) return dropped.drop;
          if (packet.destinationPort === 1003) return rejected.reject;
          if (packet.destinationPort === 1002) packet.ip.ttl = 33;
          if (packet.destinationPort === 1004) {
            const verdict = packet.hold();
            const { token } = packet;
            after(50, () => release(token, FORWARD));
            return verdict;
          }
          return FORWARD;
        },
      };
    },
  });`;

interface Stage {
  readonly daemon: Daemon;
  readonly ns: Record<'client' | 'fw' | 'server', Namespace>;
  /** Datagrams from client to server, by their ports, as frames. */
  frames(...ports: readonly number[]): Promise<Buffer[]>;
}

async function layOut(t: TestContext, config: object): Promise<Stage> {
  const { ns } = await bridgeLab(t);
  const options = { attach: [{ bridge: ['lan0', 'wan0'] }], hooks: [{ module: './ports.ts' }], ...config };
  const daemon = await startDaemon(ns.fw, options, { files: { 'ports.ts': HOOK } });
  await pingsAgain(ns.client, SERVER);
  const macOf = async (of: Namespace): Promise<string> =>
    (await of.output('cat', ['/sys/class/net/eth0/address'])).trim();
  const [source, destination] = [await macOf(ns.client), await macOf(ns.server)];
  return {
    daemon,
    ns,
    frames: async (...ports) =>
      ports.map((destinationPort, index) =>
        ethernet(
          { source, destination },
          ipv4(
            { source: '10.77.0.1', destination: SERVER, identification: index + 1 },
            udp({ sourcePort: 4000, destinationPort }, Buffer.from(`datagram ${index} with some octets of its own`)),
          ),
        ),
      ),
  };
}

/** Runs a record until it is there, does something, and waits for its end. */
async function recording(
  { daemon, ns }: Stage,
  args: readonly string[],
  during: (signal: (name: NodeJS.Signals) => void) => Promise<void>,
): Promise<{ code: number | null; stderr: string }> {
  const running = ns.fw.spawn(FIREHOOK, ['record', ...args, '--socket', daemon.socket]);
  const file = args[args.indexOf('-w') + 1] as string;
  await waitFor(() => existsSync(file) && statSync(file).size > 0, { what: 'the file', timeoutMs: PATIENCE_MS });
  // The lanes are told when the file is there, and take the order between two batches.
  await new Promise((resolve) => setTimeout(resolve, 500));
  await during((name) => running.kill(name));
  const { code } = await running.exited;
  return { code, stderr: running.stderr };
}

const of = (packets: readonly ReadPacket[], direction: 'in' | 'out'): ReadPacket[] =>
  packets.filter((packet) => packet.direction === direction);

for (const [driver, lanes] of [
  ['afpacket', 2],
  ['pcap', 1],
] as const)
  test(`${driver}, ${lanes} lanes: octets in and out are those that were sent and that arrived`, {
    skip,
  }, async (t) => {
    const stage = await layOut(t, { driver, lanes });
    const { daemon, ns } = stage;
    const file = path.join(daemon.folder, 'r.pcapng');
    const sent = await stage.frames(1000, 1001, 1002, 1003, 1000);
    const atServer = await startCapture(ns.server, 'eth0', { count: 3, etherTypes: [IPV4] });
    const atClient = await startCapture(ns.client, 'eth0', { count: 4, timeoutMs: 4000, etherTypes: [IPV4] });
    const { code, stderr } = await recording(stage, ['udp', 'port', '4000', '-w', file, '-n', '5'], () =>
      sendFrames(ns.client, 'eth0', sent),
    );
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^firehook: 5 packets recorded$/m);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const packets = readCapture(readFileSync(file));
    const byDatagram = (a: ReadPacket, b: ReadPacket): number => a.octets.readUInt16BE(18) - b.octets.readUInt16BE(18);
    const came = of(packets, 'in').sort(byDatagram);
    assert.deepEqual(hex(came.map(({ octets }) => octets)), hex(sent));
    assert.deepEqual(
      came.map(({ comment }) => comment),
      [
        'forwarded',
        'hook ports: verdict DROP, reason port one; dropped',
        'hook ports: changed 2 octets from 8 on, 66 afterwards; forwarded',
        'hook ports: verdict ICMP_ON_DROP, reason port three; rejected; ICMP errors 1',
        'forwarded',
      ],
    );
    assert.ok(
      packets.every(
        ({ interfaceName, direction }) =>
          ['lan0 in', 'wan0 out', 'lan0 out'].includes(interfaceName) && interfaceName.endsWith(direction),
      ),
    );
    const out = of(packets, 'out');
    const arrived = await atServer.frames();
    const forward = out.filter(({ interfaceName }) => interfaceName === 'wan0 out').sort(byDatagram);
    assert.deepEqual(
      hex(forward.map(({ octets }) => octets)),
      hex(arrived.sort((a, b) => a.readUInt16BE(18) - b.readUInt16BE(18))),
    );
    assert.equal(arrived[1]?.[22], 33, 'the hook has written the time to live');
    const back = out.filter(({ interfaceName }) => interfaceName === 'lan0 out');
    assert.deepEqual(
      hex(back.map(({ octets }) => octets)),
      hex((await atClient.frames()).filter((frame) => frame[35] === ADMINISTRATIVELY_PROHIBITED)),
    );
    assert.match(back[0]?.comment ?? '', /^ICMP error; hook ports: verdict ICMP_ON_DROP, reason port three/);
    for (const packet of out) {
      const cause = came.find(({ packetId }) => packetId === packet.packetId);
      assert.ok(cause !== undefined && cause.nanoseconds <= packet.nanoseconds, 'what goes out comes later');
    }
    // Another reader, of libpcap, sees the same packets.
    const { stdout } = await ns.fw.run('tcpdump', ['-r', file, '-n', '--count']);
    assert.match(stdout, /^9 packets$/m);
    await assertAddsUp(daemon);
  });

test('Ctrl-C and SIGTERM end a whole file; what is there is not written over; a link is not followed', {
  skip,
}, async (t) => {
  const stage = await layOut(t, { driver: 'afpacket' });
  const { daemon, ns } = stage;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    const file = path.join(daemon.folder, `${signal}.pcapng`);
    const { code, stderr } = await recording(stage, ['udp', 'port', '4000', '-w', file], async (kill) => {
      const start = statSync(file).size;
      await sendFrames(ns.client, 'eth0', await stage.frames(1000, 1001, 1000));
      await waitFor(() => statSync(file).size > start && readCapture(readFileSync(file)).length === 5, {
        what: 'five frames',
        timeoutMs: PATIENCE_MS,
      });
      kill(signal);
    });
    assert.deepEqual([code, stderr.trim()], [0, 'firehook: 3 packets recorded']);
    assert.equal(readCapture(readFileSync(file)).length, 5);
  }
  const file = path.join(daemon.folder, 'SIGINT.pcapng');
  const before = readFileSync(file);
  const there = await daemon.cli('record', '-w', file);
  assert.deepEqual([there.code, readFileSync(file).equals(before)], [2, true]);
  assert.match(there.stderr, /FIREHOOK_SAVEFILE_UNWRITABLE.*--force/);
  const link = path.join(daemon.folder, 'link');
  const target = path.join(daemon.folder, 'target');
  writeFileSync(target, 'mine');
  symlinkSync(target, link);
  for (const force of [[], ['--force']])
    assert.equal((await daemon.cli('record', '-w', link, ...force)).code, 2, force.join());
  assert.equal(readFileSync(target, 'utf8'), 'mine');
  writeFileSync(target, 'old', { mode: 0o644 });
  const forced = await recording(stage, ['udp', 'port', '4000', '-w', target, '--force', '-n', '1'], async () =>
    sendFrames(ns.client, 'eth0', await stage.frames(1000)),
  );
  assert.equal(forced.code, 0, forced.stderr);
  assert.deepEqual([readCapture(readFileSync(target)).length, statSync(target).mode & 0o777], [2, 0o600]);
  const refused = path.join(daemon.folder, 'refused');
  assert.equal((await daemon.cli('record', 'tcp', 'port', '-w', refused)).code, 2);
  assert.equal(existsSync(refused), false, 'a request that is refused leaves no file');
  await assertAddsUp(daemon);
});

test('a packet that waited stands there when it was held, and when it went on', { skip }, async (t) => {
  const stage = await layOut(t, { driver: 'afpacket' });
  const file = path.join(stage.daemon.folder, 'r.pcapng');
  const sent = await stage.frames(1004);
  const { code, stderr } = await recording(stage, ['udp', 'port', '4000', '-w', file, '-n', '2'], () =>
    sendFrames(stage.ns.client, 'eth0', sent),
  );
  assert.equal(code, 0, stderr);
  const packets = readCapture(readFileSync(file));
  assert.deepEqual(
    packets.map(({ interfaceName, comment }) => [interfaceName, comment]),
    [
      ['lan0 in', 'hook ports: verdict HELD; held'],
      ['lan0 in', 'hook ports: released: FORWARD; had waited; forwarded'],
      ['wan0 out', 'hook ports: released: FORWARD; had waited; forwarded'],
    ],
  );
  assert.deepEqual(hex(packets.map(({ octets }) => octets)), hex([...sent, ...sent, ...sent]));
});

test('standard output goes into another program, and the end of the daemon ends a whole file', { skip }, async (t) => {
  const stage = await layOut(t, { driver: 'afpacket' });
  const { daemon, ns } = stage;
  const piped = ns.fw.spawn('sh', [
    '-c',
    `${FIREHOOK} record icmp -w - -n 3 --socket ${daemon.socket} | tcpdump -r - -n`,
  ]);
  let isOver = false;
  piped.exited.finally(() => {
    isOver = true;
  });
  while (!isOver) await ns.client.output('ping', ['-c', '2', '-i', '0.1', SERVER]);
  assert.match(piped.stderr, /^firehook: 3 packets recorded$/m);
  assert.equal(piped.stdout.trim().split('\n').length, 6, piped.stdout);
  const file = path.join(daemon.folder, 'r.pcapng');
  const { code, stderr } = await recording(stage, ['udp', 'port', '4000', '-w', file], async () => {
    await sendFrames(ns.client, 'eth0', await stage.frames(1000, 1001));
    await waitFor(() => readCapture(readFileSync(file)).length === 3, { what: 'frames', timeoutMs: PATIENCE_MS });
    await daemon.stop();
  });
  assert.equal(code, 3, stderr);
  assert.match(stderr, /^firehook: 2 packets recorded$/m);
  assert.match(stderr, /the daemon has ended/);
  assert.equal(readCapture(readFileSync(file)).length, 3);
});

test('a client that does not read loses packets, is told how many, and the lane goes on', { skip }, async (t) => {
  const stage = await layOut(t, { driver: 'afpacket' });
  const { daemon, ns } = stage;
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const asking = request({ socketPath: daemon.socket, method: 'POST', path: '/trace' }, resolve);
    asking.on('error', reject);
    asking.end(JSON.stringify({ expression: 'udp port 4000', most: null, hook: null, octets: 262_144 }));
  });
  response.on('error', () => undefined);
  t.after(() => response.destroy());
  const file = path.join(daemon.folder, 'second');
  const second = await daemon.cli('record', '-w', file);
  assert.deepEqual([second.code, existsSync(file)], [2, false]);
  assert.match(second.stderr, /another trace runs, or a record/);
  const frames = await stage.frames(...Array.from({ length: 500 }, () => 1000));
  for (let round = 0; round < 30; round++) await sendFrames(ns.client, 'eth0', frames);
  await pingsAgain(ns.client, SERVER);
  const { kernelDropped } = await assertAddsUp(daemon);
  const sent = 30 * frames.length - kernelDropped;
  // Only now it reads.
  let told = 0;
  let lost = 0;
  const lines = createInterface({ input: response }).on('error', () => undefined);
  lines.on('line', (text) => {
    const line = JSON.parse(text) as TraceLine;
    if ('sums' in line) lost = line.sums.lost;
    else told += 1;
  });
  await waitFor(() => told + lost === sent, { what: 'each packet, told or lost', timeoutMs: PATIENCE_MS });
  assert.ok(lost > 0 && told > 0);
  await assertAddsUp(daemon);
});
