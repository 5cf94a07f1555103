/**
 * A bridge with the stock hooks: what is to be dropped, limited, clamped and rewritten is, and the rest passes.
 *
 * Rule: one daemon with all of them; behind everything that must not arrive, something is sent that must.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readU16 } from '../../../src/wire/bytes.ts';
import * as tcpCodec from '../../../src/wire/tcp.ts';
import { hex, startCapture } from '../../support/frames.ts';
import { assertAddsUp, assertPings, ETHERNET_HEADER, PATIENCE_MS, stockHook } from '../../support/live.ts';
import type { Namespace } from '../../support/netns.ts';
import { bridgeLab, rootOnly, waitFor } from '../../support/netns.ts';
import { checkIpv4, checkIpv6, payload, tcp, udp } from '../../support/packet-checker.ts';
import {
  hush,
  IPV4,
  IPV6,
  liveHook,
  ping,
  readHooks,
  SERVER,
  SERVER6,
  sendAndSee,
  startBridge,
  toServer,
  udp4,
  udp6,
} from './bridge-daemon.ts';

const MSS = 1000;
/** What a packet may be that only tells the capture that everything before it has been seen. */
const LAST_PORT = 5999;

const HOOKS = [
  {
    ...stockHook('rewrite-payload', { protocol: 'udp', port: 7000, find: 'colour', replace: 'color' }),
    priority: 10,
  },
  {
    module: liveHook('rewrite-tcp'),
    priority: 20,
    options: { protocol: 'tcp', port: 8080, find: 'hello', replace: 'howdy' },
  },
  { ...stockHook('clamp-mss', { mss: MSS }), priority: 30 },
  {
    ...stockHook('rate-limit', { packetsPerSecond: 0.001, burst: 5, protocol: 'udp', ports: [4000] }),
    priority: 40,
  },
  {
    ...stockHook('block-list', { file: './blocked.txt', match: 'source' }),
    allow: { files: ['./blocked.txt'] },
    priority: 50,
  },
  { module: liveHook('drop-udp'), priority: 60, options: { protocol: 'udp', ports: [9999] } },
  { ...stockHook('drop-port', { protocol: 'tcp', ports: [2323] }), priority: 70 },
];

/** HTTP on every port that is asked for, and an echo of UDP datagrams on 7000. */
const SERVERS = `
  for (const port of [2323, 8080]) require('node:http').createServer((_, response) => response.end('hello world')).listen(port, '::');
  const echo = require('node:dgram').createSocket({ type: 'udp6', ipv6Only: false });
  echo.on('message', (message, { port, address }) => echo.send('got ' + message, port, address));
  echo.bind(7000, '::', () => console.log('ready'));`;

/** Sends one datagram and prints the answer. */
const ASK = `
  const [address, text] = process.argv.slice(1);
  const socket = require('node:dgram').createSocket(address.includes(':') ? 'udp6' : 'udp4');
  const ask = () => socket.send(text, 7000, address);
  const timer = setInterval(ask, 1000);
  socket.on('message', (message) => { console.log(String(message)); clearInterval(timer); socket.close(); });
  ask();`;

test('a bridge does what its stock hooks say', { skip: rootOnly('ping', 'curl') }, async (t) => {
  const { ns } = await bridgeLab(t);
  const daemon = await startBridge(
    ns.fw,
    { hooks: HOOKS },
    { files: { 'blocked.txt': '10.77.0.64/28  # the second address of the client\nfd77::bad:0/112\n' } },
  );
  const servers = ns.server.node(['-e', SERVERS]);
  await waitFor(() => servers.stdout.includes('ready'), { what: 'the servers', timeoutMs: PATIENCE_MS });
  await assertPings(ns.client, SERVER, SERVER6);
  await hush(ns.client, ns.server);

  await t.test('drop-port keeps TCP from one port and lets it to another', async () => {
    for (const host of [SERVER, `[${SERVER6}]`]) {
      const blocked = await ns.client.run('curl', ['-sS', '-m', '2', `http://${host}:2323/`]);
      assert.equal(blocked.code, 28, `a timeout, not a refusal: ${blocked.stderr}`);
      await ns.client.output('curl', ['-sS', '-m', '20', `http://${host}:8080/`]);
    }
  });

  await t.test('drop-port keeps UDP from one port and lets it to another', async () => {
    for (const [etherType, datagram] of [
      [IPV4, udp4],
      [IPV6, udp6],
    ] as const) {
      const capture = await startCapture(ns.server, 'eth0', {
        count: 1,
        etherTypes: [etherType],
        timeoutMs: PATIENCE_MS,
      });
      const seen = await sendAndSee(ns.client, [toServer(datagram(9999)), toServer(datagram(LAST_PORT))], capture);
      assert.deepEqual(seen, hex([toServer(datagram(LAST_PORT))]));
    }
  });

  await t.test('block-list stops the sources of its file, which the unprivileged lane has read', async () => {
    for (const [blocked, free, server] of [
      ['10.77.0.66', '10.77.0.99', SERVER],
      ['fd77::bad:1', 'fd77::99', SERVER6],
    ] as const) {
      const prefix = blocked.includes(':') ? '64 nodad' : '24';
      for (const address of [blocked, free]) {
        await ns.client.output('sh', ['-c', `ip address add ${address}/${prefix} dev eth0`]);
      }
      assert.equal((await ping(ns.client, server, 1, '-I', blocked)).received, 0, blocked);
      assert.equal((await ping(ns.client, server, 1, '-I', free)).received, 1, free);
    }
  });

  await t.test('rate-limit lets the burst through and no more', async () => {
    const flood = Array.from({ length: 50 }, (_, index) => toServer(udp4(4000, `number ${index}`)));
    const capture = await startCapture(ns.server, 'eth0', { count: 6, etherTypes: [IPV4], timeoutMs: PATIENCE_MS });
    const seen = await sendAndSee(ns.client, [...flood, toServer(udp4(LAST_PORT))], capture);
    assert.deepEqual(seen, hex([...flood.slice(0, 5), toServer(udp4(LAST_PORT))]));
  });

  await t.test('clamp-mss lowers the MSS of SYN and SYN-ACK, checksum included', async () => {
    for (const [host, etherType, check, offset] of [
      [SERVER, IPV4, checkIpv4, 20],
      [`[${SERVER6}]`, IPV6, checkIpv6, 40],
    ] as const) {
      const options = { count: 4, etherTypes: [etherType], timeoutMs: PATIENCE_MS };
      const captures = [await startCapture(ns.server, 'eth0', options), await startCapture(ns.client, 'eth0', options)];
      await ns.client.output('curl', ['-sS', '-m', '20', `http://${host}:8080/`]);
      for (const capture of captures) {
        const datagrams = (await capture.frames()).map((frame) => frame.subarray(ETHERNET_HEADER));
        const syn = datagrams.find(
          (bytes) => bytes[offset === 20 ? 9 : 6] === 6 && ((bytes[offset + 13] ?? 0) & 2) !== 0,
        );
        assert.ok(syn !== undefined, 'a SYN was captured');
        check(syn, tcp());
        assert.equal(mssOf(syn, offset), MSS);
      }
    }
  });

  await t.test('rewrite-payload changes UDP, with another length, and TCP, with the same', async () => {
    for (const address of [SERVER, SERVER6]) {
      assert.equal(await ask(ns.client, address, 'what colour is it? any colour'), 'got what color is it? any color\n');
    }
    for (const host of [SERVER, `[${SERVER6}]`]) {
      assert.equal(await ns.client.output('curl', ['-sS', '-m', '20', `http://${host}:8080/`]), 'howdy world');
    }
    const capture = await startCapture(ns.server, 'eth0', { count: 1, etherTypes: [IPV4], timeoutMs: PATIENCE_MS });
    const [frame] = await sendAndSee(ns.client, [toServer(udp4(7000, 'colours'))], capture);
    const datagram = Buffer.from(frame ?? '', 'hex').subarray(ETHERNET_HEADER);
    checkIpv4(datagram, udp(payload('colors')));
  });

  await t.test('hooks are listed in running order, each with what it did', async () => {
    const hooks = await readHooks(daemon);
    assert.deepEqual(
      hooks.map(({ name }) => name),
      ['drop-port', 'drop-udp', 'block-list', 'rate-limit', 'clamp-mss', 'rewrite-tcp', 'rewrite-payload'],
    );
    const dropped = Object.fromEntries(hooks.map((hook) => [hook.name, hook.dropped]));
    assert.equal(dropped['drop-udp'], 2);
    assert.equal(dropped['rate-limit'], 45);
    assert.ok((dropped['drop-port'] ?? 0) >= 2);
    assert.ok((dropped['block-list'] ?? 0) >= 2);
    assert.ok(hooks.every(({ faults }) => faults === 0));
    const { total } = await assertAddsUp(daemon);
    assert.ok(total.replaced >= 5);
    assert.equal(total.dropped, total.droppedByHook);
  });
});

async function ask(client: Namespace, address: string, text: string): Promise<string> {
  return await client.output(process.execPath, ['-e', ASK, address, text]);
}

/** Maximum segment size that a segment announces; the transport header starts at `offset`. */
function mssOf(bytes: Buffer, offset: number): number {
  const option = tcpCodec.findOption(bytes, offset, tcpCodec.headerLength(bytes, offset), tcpCodec.OPTION_MSS);
  assert.ok(option >= 0, 'there is an MSS option');
  return readU16(bytes, option + 2);
}
