/**
 * Promise: a hook speaks to the servers that it was granted and to nobody else, and what it says to them does not meet the hooks.
 *
 * Rule: the hook drops every packet that it sees. What arrives has not met it.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDaemon } from '../../support/daemon.ts';
import { PATIENCE_MS } from '../../support/live.ts';
import { hostLab, type Namespace, rootOnly, waitFor } from '../../support/netns.ts';
import { lanesOf } from './attack.ts';

/** Asks all it can, of servers that it may speak to and of others, again and again, and says what came of it. */
const ASKER = `
import { defineHook, DROP } from 'firehook';
import dgram from 'node:dgram';
import net from 'node:net';

const SERVERS = ['tcp://10.78.0.2:8080', 'tcp://[fd78::2]:8080', 'udp://10.78.0.2:5300'];
let own = 0;
const told = new Set<string>();
// Once each: what hooks write to the log is limited.
const say = (text: string): void => { if (!told.has(text)) { told.add(text); console.log(text); } };
function ask() {
  for (const host of ['10.78.0.2', '[fd78::2]'])
    fetch('http://' + host + ':8080/').then(async (answer) => say('asked ' + host + ': ' + (await answer.text()) + ', met ' + own), (error) => say('asked ' + host + ': ' + error.cause?.code));
  const socket = dgram.createSocket('udp4');
  socket.on('error', (error: any) => say('udp: ' + error.code));
  socket.on('message', (text) => { say('udp: ' + text); socket.close(); });
  socket.send('question', 5300, '10.78.0.2');
  const stranger = net.connect({ host: '10.78.0.2', port: 8081 });
  stranger.on('connect', () => say('stranger: connected')).on('error', (error: any) => say('stranger: ' + error.code));
  setTimeout(() => { say('stranger: given up'); stranger.destroy(); }, 400);
  const other = dgram.createSocket('udp4');
  other.on('message', () => say('other udp: answered'));
  other.send('question', 5301, '10.78.0.2', (error: any) => say('other udp: ' + (error?.code ?? 'sent')));
  const local = net.connect({ host: '127.0.0.1', port: 8082 });
  local.on('connect', () => say('loopback: connected')).on('error', (error: any) => say('loopback: ' + error.code));
  setTimeout(() => { say('loopback: given up'); local.destroy(); }, 400);
  const server = net.createServer().on('error', (error: any) => say('listen: ' + error.code));
  server.listen(9999, () => say('listen: listens'));
}
export default defineHook({
  name: 'asker',
  needs: { network: SERVERS },
  setup() { setInterval(ask, 700); },
  onPacket(packet) {
    if ([8080, 5300].includes(packet.sourcePort) || [8080, 5300].includes(packet.destinationPort)) own += 1;
    return DROP;
  },
});
`;

const SERVER = `
require('http').createServer((_, answer) => answer.end('served')).listen(8080, '::');
require('net').createServer((socket) => socket.end('stranger')).listen(8081, '::');
for (const port of [5300, 5301]) { const socket = require('dgram').createSocket('udp4'); socket.on('message', (_, from) => socket.send('answer', from.port, from.address)); socket.bind(port); }
console.log('ready');`;

async function startServer(where: Namespace, code: string): Promise<void> {
  const server = where.spawn(process.execPath, ['-e', code]);
  await waitFor(() => server.stdout.includes('ready'), { what: 'the server', timeoutMs: PATIENCE_MS });
}

const GRANTED = ['tcp://10.78.0.2:8080', 'tcp://[fd78:0::2]:8080', 'udp://10.78.0.2:5300'];

for (const driver of ['afpacket', 'pcap'] as const) {
  test(`with ${driver} a hook speaks to whom it may, past the hooks, and to nobody else`, {
    skip: rootOnly('curl'),
  }, async (t) => {
    const { ns } = await hostLab(t);
    await startServer(ns.peer, SERVER);
    await startServer(ns.host, `require('net').createServer(() => 0).listen(8082, '::', () => console.log('ready'));`);
    const daemon = await startDaemon(
      ns.host,
      {
        attach: [{ host: 'eth0' }],
        driver,
        hooks: [{ module: './asker.ts', allow: { network: GRANTED } }],
      },
      { files: { 'asker.ts': ASKER } },
    );
    await lanesOf(daemon, 1);
    const said = (text: string): Promise<unknown> =>
      waitFor(() => daemon.log.includes(text), { what: text, timeoutMs: PATIENCE_MS });
    await said('asked 10.78.0.2: served, met 0');
    await said('asked [fd78::2]: served, met 0');
    await said('udp: answer');
    await said('other udp: EPERM');
    await said('listen: EPERM');
    await said('stranger: given up');
    await said('loopback: given up');
    // What another program says to the same server meets the hooks, and so does what the server says to another program.
    const curl = ['-sS', '-m', '2', 'http://10.78.0.2:8080/'];
    assert.notEqual((await ns.host.run('curl', curl)).code, 0);
    assert.doesNotMatch(daemon.log, /stranger: connected|other udp: answered|loopback: connected|listen: listens/);
    assert.equal(await daemon.stop(), 0);
    assert.equal((await ns.host.run('curl', curl)).code, 0);
  });
}
