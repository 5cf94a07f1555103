/**
 * REPLY, RESET and flows on real interfaces, with real connections: what both ends see.
 *
 * ```
 *   inside ── bridge, or the host that is inside ── outside        inside connects, outside may not
 * ```
 * Rule: the ends say what they saw, the ledger what was done, and both have to fit. One table of attaches, drivers and lanes; each file of
 * tests takes a part of it.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startDaemon } from '../../support/daemon.ts';
import { assertAddsUp, assertPings, PATIENCE_MS } from '../../support/live.ts';
import { bridgeLab, hostLab, type Namespace, type RunningProcess, rootOnly, waitFor } from '../../support/netns.ts';

const HOOK = `
  import { DROP, FORWARD, RESET, defineHook } from 'firehook';
  const BAD = Buffer.from('bad');
  export default defineHook({
    name: 'policy',
    flows: { columns: { said: 'int32' } },
    setup(options, { column }) {
      const said = column('said');
      return {
        onPacket(packet, { side }) {
          const { flow, flowState, udp, tcp, payload } = packet;
          if (udp !== null && (udp.destinationPort === 5300 || udp.destinationPort === 5301))
            return packet.replyUdp(Buffer.from('answer to ' + payload.text()));
          if (tcp === null) return FORWARD;
          if (flow === null) return DROP;
          if (flow.isNew && side === 'in') return RESET;
          said.add(flow, payload.length);
          return payload.indexOf(BAD) >= 0 ? RESET : FORWARD;
        },
      };
    },
  });`;

/** Echoes what it is sent, and says how the connection ended. */
const SERVER = `
import socket, sys
s = socket.create_server((sys.argv[1], 80), family=socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET)
print('ready', flush=True)
c, _ = s.accept()
try:
    while True:
        data = c.recv(1000)
        if not data: break
        c.sendall(data)
    print('closed', flush=True)
except ConnectionResetError: print('reset', flush=True)
`;

const CLIENT = `
import socket, sys
s = socket.create_connection((sys.argv[1], 80), timeout=20)
s.sendall(b'good')
print(s.recv(1000).decode(), end=' ')
s.sendall(b'something bad')
try: print(s.recv(1000))
except ConnectionResetError: print('reset')
`;

/** A datagram and its answer, which has to come from where the question went. */
const ASK = `
import socket, sys
s = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(20)
s.connect((sys.argv[1], int(sys.argv[2])))
s.send(b'me')
print(s.recv(1000).decode())
`;

const KNOCK = `
import socket, sys
try: socket.create_connection((sys.argv[1], 22), timeout=20); print('connected')
except ConnectionRefusedError: print('refused')
`;

const LISTEN = `
import socket, sys
s = socket.create_server((sys.argv[1], 22), family=socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET)
print('ready', flush=True)
s.accept(); print('accepted', flush=True)
`;

/** Who is on which side of what is under test. */
export interface Ends {
  readonly fw: Namespace;
  readonly inside: Namespace;
  readonly outside: Namespace;
  readonly attach: object;
  /** Inside and outside, for each family. */
  readonly addresses: readonly (readonly [string, string])[];
}

/** Makes the two sides. */
export async function layOut(t: TestContext, kind: 'bridge' | 'host'): Promise<Ends> {
  if (kind === 'bridge') {
    const { ns } = await bridgeLab(t);
    return {
      fw: ns.fw,
      inside: ns.client,
      outside: ns.server,
      attach: { bridge: ['lan0', 'wan0'] },
      addresses: [
        ['10.77.0.1', '10.77.0.2'],
        ['fd77::1', 'fd77::2'],
      ],
    };
  }
  const { ns } = await hostLab(t);
  return {
    fw: ns.host,
    inside: ns.host,
    outside: ns.peer,
    attach: { host: 'eth0' },
    addresses: [
      ['10.78.0.1', '10.78.0.2'],
      ['fd78::1', 'fd78::2'],
    ],
  };
}

/** What a script prints. */
export async function python(ns: Namespace, text: string, ...args: string[]): Promise<string> {
  const { stdout, stderr } = await ns.run('python3', ['-c', text, ...args]);
  return `${stdout.trim()}${stderr}`;
}

/** A script that listens at an address, once it says that it is ready. */
export async function listening(ns: Namespace, text: string, address: string): Promise<RunningProcess> {
  const running = ns.spawn('python3', ['-c', text, address]);
  await waitFor(() => running.stdout.includes('ready'), { what: 'a listener', timeoutMs: PATIENCE_MS });
  return running;
}

/** The tests of one attach with one driver. */
export function testVerdicts(kind: 'bridge' | 'host', driver: 'afpacket' | 'pcap', lanes: number): void {
  test(`${kind}, ${driver}, ${lanes} lane(s): a reply comes back, a reset reaches both ends, a flow begins inside`, {
    skip: rootOnly('ping', 'python3'),
  }, async (t) => {
    const { fw, inside, outside, attach, addresses } = await layOut(t, kind);
    const daemon = await startDaemon(
      fw,
      { attach: [attach], driver, lanes, hooks: [{ module: './policy.ts' }], flows: { most: 1000 } },
      { files: { 'policy.ts': HOOK }, timeoutMs: PATIENCE_MS },
    );
    for (const [index, [own, other]] of addresses.entries()) {
      await assertPings(inside, other);
      const server = await listening(outside, SERVER, other);
      assert.equal(await python(inside, CLIENT, other), 'good reset');
      await waitFor(() => /closed|reset/.test(server.stdout), {
        what: 'the end of the server',
        timeoutMs: PATIENCE_MS,
      });
      assert.match(server.stdout, /reset/);
      assert.equal(await python(inside, ASK, other, '5300'), 'answer to me');
      assert.equal(await python(outside, ASK, own, '5301'), 'answer to me');
      const listener = await listening(inside, LISTEN, own);
      assert.equal(await python(outside, KNOCK, own), 'refused');
      assert.ok(!listener.stdout.includes('accepted'));
      await listener.stop(1000);
      const { total } = await assertAddsUp(daemon);
      assert.equal(total.replied, 2 * (index + 1));
      // One of the connection that said something, one of the SYN; more where a segment came again.
      assert.ok(total.reset >= 2 * (index + 1), `${total.reset}`);
      assert.ok(total.resets >= 3 * (index + 1), `${total.resets}`);
      assert.equal(total.hookFaults, 0, daemon.log);
    }
    assert.equal(await daemon.stop(), 0);
  });
}
