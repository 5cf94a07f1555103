/**
 * The hook that the page of `IPAllocBuff` describes, on live traffic: whatever it hands over arrives, over each driver and attach.
 *
 * The page allocates a descriptor, gives it a buffer, fills that, and hands the chain over. It does not mention `ipr_flags`, so
 * the copy says nothing of a checksum that is not final; the traffic of a namespace has such checksums.
 *
 * @see https://learn.microsoft.com/en-us/previous-versions/windows/hardware/network/ff548979(v=vs.85)
 *
 * @module
 */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Daemon, startDaemon } from '../../support/daemon.ts';
import { assertAddsUp, PATIENCE_MS, readStats } from '../../support/live.ts';
import { bridgeLab, hostLab, type Namespace, rootOnly, waitFor } from '../../support/netns.ts';

/** Steps 1 to 3 of the page: allocate, give a buffer, on failure free the descriptor; the chain has as many buffers as asked for. */
const pageHook = (buffers: number): string => `
  import {
    DROP, ExAllocatePoolWithTag, ExFreePool, FORWARD, IPAllocBuff, IPFreeBuff, type IPPacketFirewallPtr, type IPRcvBuf, NonPagedPool,
    SIZEOF_IPRCVBUF,
  } from 'firehook';

  function copy(packet: Buffer, from: number, size: number): IPRcvBuf | null {
    const descriptor = ExAllocatePoolWithTag(NonPagedPool, SIZEOF_IPRCVBUF, 'fPCT');
    if (descriptor === null) return null;
    if (IPAllocBuff(descriptor, size) !== 1 || descriptor.ipr_buffer === null) {
      ExFreePool(descriptor);
      return null;
    }
    packet.copy(descriptor.ipr_buffer, 0, from, from + size);
    descriptor.ipr_next = null;
    return descriptor;
  }

  export const firewallHook: IPPacketFirewallPtr = (pData, _r, _s, _d, _c, _l, ppRcvBuf) => {
    const parts: Buffer[] = [];
    for (let at = pData.value; at !== null; at = at.ipr_next) parts.push(Buffer.from(at.ipr_buffer?.subarray(0, at.ipr_size) ?? []));
    const packet = Buffer.concat(parts);
    const step = Math.ceil(packet.length / ${buffers});
    let head: IPRcvBuf | null = null;
    let tail: IPRcvBuf | null = null;
    for (let from = 0; from < packet.length; from += step) {
      const part = copy(packet, from, Math.min(step, packet.length - from));
      if (part === null) {
        if (head !== null) IPFreeBuff(head);
        return DROP;
      }
      if (tail === null) head = part;
      else tail.ipr_next = part;
      tail = part;
    }
    ppRcvBuf.value = head;
    return FORWARD;
  };`;

/** Receives datagrams on port 7000 and prints each; the kernel hands over none with a wrong checksum. */
const LISTENER = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 7000))
print("ready", flush=True)
while True: print(s.recv(2048).decode(), flush=True)`;

const DATAGRAMS = 5;
const KILOBYTES = 3000;

interface Setup {
  readonly daemon: Daemon;
  /** Where the traffic comes from, and where it goes. */
  readonly from: Namespace;
  readonly to: Namespace;
  readonly address: string;
}

async function setUp(
  t: TestContext,
  attach: 'bridge' | 'host in' | 'host out',
  driver: string,
  buffers: number,
  chains: string,
): Promise<Setup> {
  const config = { driver, hooks: [{ module: './page.ts' }], verifier: { chains, seed: 1 } };
  const options = { files: { 'page.ts': pageHook(buffers) }, timeoutMs: PATIENCE_MS };
  if (attach === 'bridge') {
    const { ns } = await bridgeLab(t);
    const daemon = await startDaemon(ns.fw, { ...config, attach: [{ bridge: ['lan0', 'wan0'] }] }, options);
    return { daemon, from: ns.client, to: ns.server, address: '10.77.0.2' };
  }
  const { ns } = await hostLab(t);
  const daemon = await startDaemon(ns.host, { ...config, attach: [{ host: 'eth0' }] }, options);
  return attach === 'host in'
    ? { daemon, from: ns.peer, to: ns.host, address: '10.78.0.1' }
    : { daemon, from: ns.host, to: ns.peer, address: '10.78.0.2' };
}

async function assertArrives({ daemon, from, to, address }: Setup): Promise<void> {
  const listener = to.spawn('python3', ['-c', LISTENER]);
  await waitFor(() => listener.stdout.startsWith('ready'), { what: 'the listener', timeoutMs: PATIENCE_MS });
  // The first may be lost while the neighbour is asked for.
  await from.output('ping', ['-c', '1', '-w', '10', address]);
  const send = `import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(${DATAGRAMS}): s.sendto(b"datagram %d" % i, ("${address}", 7000))`;
  await from.output('python3', ['-c', send]);
  const expected = Array.from({ length: DATAGRAMS }, (_, i) => `datagram ${i}\n`).join('');
  await waitFor(() => listener.stdout === `ready\n${expected}`, { what: 'five datagrams', timeoutMs: PATIENCE_MS });
  const server = to.node([
    '-e',
    `require('node:http').createServer((_, r) => r.end('x'.repeat(1000 * ${KILOBYTES}))).listen(8080, () => console.log('ready'))`,
  ]);
  await waitFor(() => server.stdout.includes('ready'), { what: 'the web server', timeoutMs: PATIENCE_MS });
  const page = await from.output('curl', ['-sS', '-m', '40', `http://${address}:8080/`]);
  assert.equal(page.length, 1000 * KILOBYTES);
  const { total } = await readStats(daemon);
  assert.ok(total.replaced > DATAGRAMS);
  assert.equal(total.lost, 0);
  await assertAddsUp(daemon);
  const { stdout } = await daemon.cli('pool', '--json');
  const pool = JSON.parse(stdout) as { leaked: { allocations: number }[] };
  assert.ok(pool.leaked.every(({ allocations }) => allocations === 0));
  assert.equal(await daemon.stop(), 0);
}

for (const driver of ['afpacket', 'pcap'] as const) {
  for (const attach of ['bridge', 'host in', 'host out'] as const) {
    for (const [buffers, chains] of [
      [1, 'whole'],
      [3, 'header'],
    ] as const) {
      const what = `${driver}, ${attach}, ${buffers === 1 ? 'one buffer' : `${buffers} buffers`}, chains: ${chains}`;
      test(`what the page's hook hands over arrives (${what})`, { skip: rootOnly('ping', 'curl') }, async (t) => {
        await assertArrives(await setUp(t, attach, driver, buffers, chains));
      });
    }
  }
}

for (const chains of ['random', 'octets'] as const) {
  test(`the page's hook takes a chain that is cut anywhere (afpacket, chains: ${chains})`, {
    skip: rootOnly('ping', 'curl'),
  }, async (t) => {
    await assertArrives(await setUp(t, 'bridge', 'afpacket', 2, chains));
  });
}
