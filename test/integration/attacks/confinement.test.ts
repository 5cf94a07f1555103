/**
 * Promise: a hook has packets and nothing else. From its lane it starts no program, opens no socket, writes no file, reads what was
 * granted and what Node.js itself needs, and reaches nobody else's memory; with either driver, from every thread.
 *
 * Rule: each attempt is made by the hook of a real lane. Where an attempt could fail for another reason than the one that is
 * meant, a second one beside it shows that it would have worked.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { nativeFolder } from '../../../src/native/load-native.ts';
import { startDaemon } from '../../support/daemon.ts';
import { assertPings, PATIENCE_MS } from '../../support/live.ts';
import { hostLab, rootOnly, waitFor } from '../../support/netns.ts';
import { lanesOf, linesOf } from './attack.ts';

/** Tries everything and prints one line for each attempt: what, and `done` or the error's code. */
const ATTACKER = String.raw`
import { defineHook, FORWARD } from 'firehook';
import fs from 'node:fs';
import cp from 'node:child_process';
import net from 'node:net';
import dgram from 'node:dgram';
import http from 'node:http';
import os from 'node:os';
import { Worker } from 'node:worker_threads';
import { createRequire } from 'node:module';

const OPTIONS = { readable: '', secret: '', addon: '', loader: '' };
const results: [string, string][] = [];
const say = (what: string, result: unknown) => { results.push([what, String(result).slice(0, 80)]); };
const attempt = (what: string, action: () => unknown) => {
  try { action(); say(what, 'done'); } catch (error: any) { say(what, error.code ?? error.message); }
};
const later = (what: string, action: (done: (error?: any) => void) => void) => {
  try { action((error) => say(what, error ? error.code ?? error.message : 'done')); } catch (error: any) { say(what, error.code ?? error.message); }
};
const WORKER = ${JSON.stringify(`
  const fs = require('node:fs'); const { parentPort } = require('node:worker_threads');
  const out = {};
  for (const [what, action] of Object.entries({
    write: () => fs.writeFileSync('/tmp/firehook-worker', 'x'), spawn: () => { const r = require('node:child_process').spawnSync('/bin/true'); if (r.error) throw r.error; },
    signal: () => process.kill(1, 0),
  })) { try { action(); out[what] = 'done'; } catch (error) { out[what] = error.code; } }
  parentPort.postMessage(out);`)};

function tryAll(options: typeof OPTIONS) {
  attempt('spawn', () => { const { error } = cp.spawnSync('/bin/true'); if (error) throw error; });
  attempt('write a file', () => fs.writeFileSync('/tmp/firehook-attack', 'x'));
  attempt('make a folder', () => fs.mkdirSync('/tmp/firehook-attack-folder'));
  attempt('remove a file', () => fs.unlinkSync(options.readable));
  attempt('read what is granted', () => fs.readFileSync(options.readable));
  attempt('read /etc/shadow', () => fs.readFileSync('/etc/shadow'));
  attempt('read /etc/passwd', () => fs.readFileSync('/etc/passwd'));
  attempt('read the config', () => fs.readFileSync(options.secret));
  attempt('list /', () => fs.readdirSync('/'));
  attempt('read the environment of the supervisor', () => fs.readFileSync('/proc/' + process.ppid + '/environ'));
  attempt('open the own memory', () => fs.openSync('/proc/self/mem', 'r+'));
  attempt('open the fence for writing', () => fs.openSync('/proc/self/fd/4', 'r+'));
  attempt('truncate the progress file', () => fs.ftruncateSync(3, 1 << 20));
  attempt('load an addon', () => process.dlopen({ exports: {} } as any, options.addon));
  attempt('load the addon of firehook again', () => {
    const exports = createRequire('/')(options.loader) as object;
    if (Object.keys(exports).length === 0) throw new Error('it is empty');
  });
  attempt('signal the supervisor', () => process.kill(process.ppid, 0));
  attempt('signal a stranger', () => process.kill(1, 0));
  attempt('setuid', () => process.setuid!(0));
  attempt('setgid', () => process.setegid!(0x66685458));
  attempt('priority', () => os.setPriority(-5));
  attempt('change the folder', () => process.chdir('/tmp'));
  for (let fd = 6; fd < 40; fd += 1) {
    let is = false;
    try { is = fs.fstatSync(fd).isSocket(); } catch {}
    if (!is) continue;
    attempt('write to socket ' + fd, () => fs.writeSync(fd, Buffer.alloc(64, 0xff)));
    attempt('read from socket ' + fd, () => fs.readSync(fd, Buffer.alloc(64)));
  }
  later('connect', (done) => net.connect(80, '10.78.0.2').on('error', done).on('connect', () => done()));
  later('listen', (done) => net.createServer().on('error', done).listen(0, () => done()));
  later('unix socket', (done) => net.createServer().on('error', done).listen('\0firehook-attack', () => done()));
  later('udp', (done) => { const s = dgram.createSocket('udp4'); s.on('error', done); s.send('x', 9, '10.78.0.2', done); });
  later('http', (done) => http.get('http://10.78.0.2/').on('error', done).on('response', () => done()));
  later('write a file from the pool', (done) => fs.writeFile('/tmp/firehook-pool', 'x', done));
  later('read /etc/passwd from the pool', (done) => fs.readFile('/etc/passwd', done));
  later('read what is granted from the pool', (done) => fs.readFile(options.readable, done));
  later('spawn later', (done) => cp.spawn('/bin/true').on('error', done).on('exit', () => done()));
  later('worker', (done) => new Worker(WORKER, { eval: true }).on('error', done).on('message', (out) => { for (const [what, result] of Object.entries(out)) say('worker ' + what, result); done(); }));
  setTimeout(() => {
    say('end', 'done');
    // What a lane prints is limited, in length and in lines a second.
    for (let at = 0; at < results.length; at += 8) setTimeout(() => console.log('TRIED ' + JSON.stringify(results.slice(at, at + 8))), at * 10);
  }, 1500);
}
export default defineHook({
  name: 'attacker',
  setup(options: any, runtime) {
    const { resolvePath } = runtime;
    setTimeout(() => tryAll({ ...options, readable: resolvePath('granted.txt'), secret: resolvePath('firehook.yaml') }), 300);
  },
  onPacket: () => FORWARD,
});
`;

/** What each attempt has to come to. */
const REFUSED = /^(?:EPERM|EACCES)$/;
const EXPECTED: Readonly<Record<string, RegExp>> = {
  'read what is granted': /^done$/,
  'read what is granted from the pool': /^done$/,
  'load an addon': /^ERR_DLOPEN_FAILED$/,
  'load the addon of firehook again': /^it is empty$|ERR_DLOPEN_FAILED|did not self-register/,
  setuid: /^EPERM$/,
  priority: /^ERR_SYSTEM_ERROR$/,
  worker: /^done$/,
  end: /^done$/,
};

for (const driver of ['afpacket', 'pcap'] as const) {
  test(`a hook can do nothing but look at packets, with ${driver}`, { skip: rootOnly('ping') }, async (t) => {
    const { ns } = await hostLab(t);
    const root = new URL('../../../', import.meta.url).pathname;
    const config = {
      attach: [{ host: 'eth0' }],
      driver,
      hooks: [
        {
          module: './attacker.ts',
          allow: { files: ['./granted.txt'] },
          options: {
            addon: `${root}node_modules/raw-socket/build/Release/raw.node`,
            loader: path.join(nativeFolder(), 'firehook.node'),
          },
        },
      ],
    };
    const daemon = await startDaemon(ns.host, config, {
      files: { 'attacker.ts': ATTACKER, 'granted.txt': 'granted' },
      timeoutMs: PATIENCE_MS,
    });
    const [pid = -1] = await lanesOf(daemon, 1);
    const tried = (): Map<string, string> => {
      const lists = linesOf(daemon.log).map(({ msg }) => /TRIED (.*)$/s.exec(String(msg))?.[1] ?? '[]');
      return new Map(lists.flatMap((list) => JSON.parse(list) as [string, string][]));
    };
    await waitFor(() => tried().has('end'), { what: `every attempt: ${daemon.log}`, timeoutMs: PATIENCE_MS });
    for (const [what, result] of tried()) {
      assert.match(result, EXPECTED[what] ?? REFUSED, `${what}: ${result}`);
    }
    assert.ok(tried().size >= 40, [...tried().keys()].join(', '));

    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const status = readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8');
      const field = (name: string): string => new RegExp(`^${name}:[ \\t]*(.*?)[ \\t]*$`, 'm').exec(status)?.[1] ?? '?';
      for (const name of ['CapEff', 'CapPrm', 'CapInh', 'CapAmb'])
        assert.match(field(name), /^0+$/, `${thread}: ${name}`);
      assert.equal(field('Groups'), '');
      assert.equal(field('NoNewPrivs'), '1');
      assert.equal(field('Seccomp'), '2');
      // npm pcap opens its sockets in the process: what that takes stays in the bounding set, and is of no use there any more.
      assert.match(field('CapBnd'), driver === 'afpacket' ? /^0+$/ : /^0+30c0$/);
    }
    const targets = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
    for (const target of targets) {
      assert.match(
        target,
        /^(?:socket|pipe|anon_inode:(?!\[io_uring\])|\/memfd:firehook-(?:progress|fence)|\/dev\/(?:null|urandom))/,
        targets.join(' '),
      );
    }
    assert.ok(daemon.isRunning);
    assert.deepEqual(await lanesOf(daemon, 1), [pid], 'the lane that was attacked from');
    await assertPings(ns.peer, '10.78.0.1');
  });
}
