/**
 * The drivers under `hooks/drivers/` on live traffic, with chains cut at random: a rule list set by `firehook ioctl`, and an address
 * translator.
 *
 * @module
 */

import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  IOCTL_RULES_ADD,
  IOCTL_RULES_CLEAR,
  IOCTL_RULES_START,
  IOCTL_RULES_STOP,
  RULE,
  SIZEOF_RULE,
} from '../../../hooks/drivers/rules-driver.ts';
import { DROP, ICMP_ON_DROP } from '../../../src/firewall/constants.ts';
import { type Daemon, startDaemon } from '../../support/daemon.ts';
import { assertAddsUp, isReached, PATIENCE_MS } from '../../support/live.ts';
import { bridgeLab, type Namespace, rootOnly, waitFor } from '../../support/netns.ts';

const DRIVERS = fileURLToPath(new URL('../../../hooks/drivers/', import.meta.url));
const DEVICE = '\\\\.\\RulesDriver';
const ICMP = 1;
const UDP = 17;
const SERVER = '10.77.0.2';
const OUTSIDE = '10.77.0.200';

async function start(ns: Namespace, driver: string, module: string, options: object): Promise<Daemon> {
  const config = {
    attach: [{ bridge: ['lan0', 'wan0'] }],
    driver,
    hooks: [{ module: path.join(DRIVERS, module), options }],
    control: { devices: true },
    verifier: { chains: 'random', poison: true, seed: 3 },
  };
  return await startDaemon(ns, config, { timeoutMs: PATIENCE_MS });
}

async function control(daemon: Daemon, code: number, input: Buffer = Buffer.alloc(0)): Promise<void> {
  const { code: exit, stdout, stderr } = await daemon.cliWith(input, 'ioctl', DEVICE, String(code), '--in', '-');
  assert.equal(exit, 0, `${stdout}${stderr}`);
}

function rule(protocol: number, port: number, verdict: number): Buffer {
  const octets = Buffer.alloc(SIZEOF_RULE);
  octets.writeUInt16BE(port, RULE.DestinationPort);
  octets.writeUInt8(protocol, RULE.Protocol);
  octets.writeUInt8(verdict, RULE.Verdict);
  return octets;
}

/** What a connected UDP socket gets from port 9000: the answer, or the name of the error. */
async function askUdp(ns: Namespace): Promise<string> {
  const program = [
    'import socket, errno',
    's = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(3)',
    `s.connect(("${SERVER}", 9000)); s.send(b"?")`,
    'try: print(s.recv(99).decode())',
    'except OSError as e: print(errno.errorcode.get(e.errno, "none"))',
  ];
  return (await ns.output('python3', ['-c', program.join('\n')])).trim();
}

/** Answers each datagram to port 9000 with the address that it came from. */
const ECHO = `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 9000))
print("ready", flush=True)
while True:
    data, peer = s.recvfrom(99)
    s.sendto(peer[0].encode(), peer)`;

for (const driver of ['afpacket', 'pcap'] as const) {
  test(`rules-driver lets pass, drops and rejects what it is told (${driver})`, {
    skip: rootOnly('ping'),
  }, async (t) => {
    const { ns } = await bridgeLab(t);
    const echo = ns.server.spawn('python3', ['-c', ECHO]);
    await waitFor(() => echo.stdout.startsWith('ready'), { what: 'the echo', timeoutMs: PATIENCE_MS });
    const daemon = await start(ns.fw, driver, 'rules-driver.ts', {});
    await control(daemon, IOCTL_RULES_ADD, rule(ICMP, 0, DROP));
    await control(daemon, IOCTL_RULES_ADD, rule(UDP, 9000, ICMP_ON_DROP));
    assert.equal(await isReached(ns.client, SERVER), true, 'the rules are there, and are not in force');
    await control(daemon, IOCTL_RULES_START);
    assert.equal(await isReached(ns.client, SERVER), false);
    assert.match(await askUdp(ns.client), /EHOSTUNREACH|ECONNREFUSED|EACCES/);
    await control(daemon, IOCTL_RULES_CLEAR);
    assert.equal(await isReached(ns.client, SERVER), true);
    assert.equal(await askUdp(ns.client), '10.77.0.1');
    await control(daemon, IOCTL_RULES_STOP);
    assert.equal(await isReached(ns.client, SERVER), true);
    await assertAddsUp(daemon);
    assert.equal(await daemon.stop(), 0);
    assert.doesNotMatch(daemon.log, /left something|"level":"error"/);
    assert.match(daemon.log, /The verifier \(chains random, poison, oldChain runtime, seed 3\) cut \d+ chains/);
  });

  test(`nat-driver hides the client behind another address, both ways (${driver})`, {
    skip: rootOnly('ping', 'curl'),
  }, async (t) => {
    const { ns } = await bridgeLab(t);
    // The bridge has no stack that would answer for the address that the client is hidden behind.
    const mac = (await ns.client.output('cat', ['/sys/class/net/eth0/address'])).trim();
    await ns.server.output('ip', ['neigh', 'replace', OUTSIDE, 'lladdr', mac, 'dev', 'eth0', 'nud', 'permanent']);
    const echo = ns.server.spawn('python3', ['-c', ECHO]);
    await waitFor(() => echo.stdout.startsWith('ready'), { what: 'the echo', timeoutMs: PATIENCE_MS });
    const web = ns.server.node([
      '-e',
      `require('node:http').createServer((q, r) => r.end(q.socket.remoteAddress + 'x'.repeat(500000))).listen(8080, '0.0.0.0', () => console.log('ready'))`,
    ]);
    await waitFor(() => web.stdout.includes('ready'), { what: 'the web server', timeoutMs: PATIENCE_MS });
    const options = { Inside: '10.77.0.1', InsideMask: '255.255.255.255', Outside: OUTSIDE, PrintEvery: 10 };
    const daemon = await start(ns.fw, driver, 'nat-driver.ts', options);
    assert.equal(await isReached(ns.client, SERVER), true);
    assert.equal(await askUdp(ns.client), OUTSIDE);
    const page = await ns.client.output('curl', ['-sS', '-m', '30', `http://${SERVER}:8080/`]);
    assert.equal(page, OUTSIDE + 'x'.repeat(500000));
    await assertAddsUp(daemon);
    assert.equal(await daemon.stop(), 0);
    assert.doesNotMatch(daemon.log, /left something|"level":"error"/);
  });
}
