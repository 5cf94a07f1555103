/**
 * The frozen realm: what a hook cannot change for its neighbours, and what goes on working in it.
 *
 * Rule: in processes of their own, because nothing thaws a realm.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';

const SOURCE = new URL('../../../src/hook/freeze-realm.ts', import.meta.url).href;
const TSX = import.meta.resolve('tsx');
const MODULES = new URL('../../../src/hook-modules.ts', import.meta.url).href;

/** Freezes, runs a program, and returns what it wrote into `out`. */
async function inFrozenRealm(program: string): Promise<unknown> {
  const code = `
    import { createRequire } from 'node:module';
    const { freezeRealm, freezeModule } = await import(${JSON.stringify(SOURCE)});
    const { HOOK_MODULES } = await import(${JSON.stringify(MODULES)});
    freezeRealm(HOOK_MODULES);
    const nodeRequire = createRequire(import.meta.url);
    const require = (name) => { const module = nodeRequire(name); freezeModule(module); return module; };
    const firehook = HOOK_MODULES.firehook;
    const out = [];
    ${program}
    process.stdout.write(JSON.stringify(out));`;
  const file = path.join(await mkdtemp(path.join(tmpdir(), 'firehook-realm-')), 'program.mjs');
  await writeFile(file, code);
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', TSX, '--no-warnings', file]);
  await rm(path.dirname(file), { recursive: true });
  return JSON.parse(stdout);
}

describe('what a hook cannot change for its neighbours', () => {
  test('any method of a built-in, a global, a module of Node or of firehook', async () => {
    const changed = await inFrozenRealm(`
      const lists = { Object, Function, Array, String, Number, Boolean, Symbol, BigInt, Date, RegExp, Promise, Map, Set, WeakMap, WeakSet,
        Error, TypeError, RangeError, ArrayBuffer, SharedArrayBuffer, DataView, Uint8Array, Int32Array, Float64Array, BigUint64Array, Buffer,
        Proxy, URL, URLSearchParams, TextEncoder, TextDecoder, AbortController, EventTarget, Event, FinalizationRegistry, WeakRef };
      const objects = [Math, JSON, Reflect, Atomics, Object.getPrototypeOf(Uint8Array.prototype), Object.getPrototypeOf(Uint8Array),
        Object.getPrototypeOf(async () => {}), Object.getPrototypeOf(function* () {}), Object.getPrototypeOf([][Symbol.iterator]()),
        Object.getPrototypeOf(new Map().entries()), globalThis];
      for (const made of Object.values(lists)) { objects.push(made); if (made.prototype) objects.push(made.prototype); }
      for (const name of ['fs', 'fs/promises', 'path', 'events', 'net', 'http', 'dns', 'crypto', 'util', 'stream', 'timers', 'url', 'zlib', 'dgram',
        'worker_threads', 'os', 'buffer', 'child_process']) {
        const module = require(name);
        objects.push(module);
        for (const value of Object.values(module)) if (typeof value === 'function' && value.prototype) objects.push(value.prototype);
      }
      for (const value of Object.values(firehook)) if (typeof value === 'function') { objects.push(value); if (value.prototype) objects.push(value.prototype); }
      const state = new Set(['Storage', 'localStorage', 'sessionStorage']);
      let looked = 0;
      for (const object of objects) for (const name of Reflect.ownKeys(object)) {
        const property = Object.getOwnPropertyDescriptor(object, name);
        if (name === 'constructor' || (object === globalThis && state.has(name))) continue;
        if (!('value' in property) || typeof property.value !== 'function') continue;
        looked += 1;
        const evil = () => 'evil';
        try { object[name] = evil; } catch {}
        try { Object.defineProperty(object, name, { value: evil }); } catch {}
        try { delete object[name]; } catch {}
        if (object[name] !== property.value) out.push((object.name ?? object.constructor?.name) + ' ' + String(name));
      }
      if (looked < 1000) out.push('only ' + looked);
    `);
    assert.deepEqual(changed, []);
  });

  test('nor add to a prototype that all objects inherit from', async () => {
    const added = await inFrozenRealm(`
      for (const prototype of [Object.prototype, Array.prototype, Function.prototype, Uint8Array.prototype, Buffer.prototype, Map.prototype])
        try { prototype.added = 1; out.push('added'); } catch { if ({}.added !== undefined) out.push('there'); }`);
    assert.deepEqual(added, []);
  });

  test('nor what fetch is made of, by its name or by what it returns', async () => {
    const program = (first: string): string => `
      const { once } = require('events');
      const server = require('http').createServer((request, response) => response.end('served')).listen(0, '127.0.0.1'); await once(server, 'listening');
      ${first}
      const answer = await globalThis.fetch('http://127.0.0.1:' + server.address().port);
      let looked = 0;
      const classes = [answer.constructor, answer.headers.constructor, answer.body.constructor];
      for (const name of ['FormData', 'Headers', 'Request', 'Response', 'WebSocket', 'CloseEvent', 'EventSource'])
        if (globalThis[name] !== undefined) classes.push(globalThis[name]);
      const globals = ['fetch', 'Response', 'Headers'].map((name) => [globalThis, name]);
      for (const [object, name] of [...globals, ...classes.flatMap((one) => [one, one.prototype].flatMap((object) => Reflect.ownKeys(object).map((name) => [object, name])))]) {
        if (name === 'constructor') continue;
        const before = Object.getOwnPropertyDescriptor(object, name);
        looked += 1;
        const evil = () => 'evil';
        try { object[name] = evil; } catch {}
        try { Object.defineProperty(object, name, { value: evil }); } catch {}
        try { delete object[name]; } catch {}
        const after = Object.getOwnPropertyDescriptor(object, name);
        if (after === undefined || after.value !== before.value || after.get !== before.get) out.push(String(name));
      }
      if (looked < 60) out.push('only ' + looked);
      out.push(await answer.text()); server.close();`;
    assert.deepEqual(await inFrozenRealm(program('')), ['served']);
    assert.deepEqual(await inFrozenRealm(program('void Headers;')), ['served']);
  });

  test('and a small buffer shares its memory with nobody', async () => {
    const sizes = await inFrozenRealm(`
      for (const made of [Buffer.from('abc'), Buffer.allocUnsafe(3), Buffer.concat([Buffer.from('ab'), Buffer.from('c')])]) out.push(made.buffer.byteLength);`);
    assert.deepEqual(sizes, [3, 3, 3]);
  });
});

test('what hooks hand on is read where a hook has asked for node:v8, as in any other lane', async () => {
  const out = await inFrozenRealm(`
    const v8 = require('v8');
    const read = v8.deserialize(v8.serialize({ state: Buffer.from('abc'), map: new Map([[1, Float64Array.of(2)]]) }));
    out.push(read.state.toString(), read.map.get(1)[0]);
    class Own extends v8.DefaultDeserializer { _readHostObject() { return { is: 'own' }; } }
    const own = new Own(v8.serialize(Buffer.from('abc')));
    own.readHeader();
    out.push(own.readValue().is);
    for (const { prototype } of [v8.Serializer, v8.Deserializer, v8.DefaultSerializer, v8.DefaultDeserializer])
      for (const name of Reflect.ownKeys(prototype)) {
        if (name === 'constructor') continue;
        const before = prototype[name];
        try { prototype[name] = () => 'evil'; } catch {}
        try { Object.defineProperty(prototype, name, { value: () => 'evil' }); } catch {}
        if (prototype[name] !== before) out.push(name);
      }`);
  assert.deepEqual(out, ['abc', 2, 'own']);
});

test('programs go on working that assign to their own objects what a prototype has as well', async () => {
  const out = await inFrozenRealm(`
    class Own extends Error { constructor() { super('a'); this.name = 'Own'; this.message = 'b'; } }
    out.push(String(new Own()));
    function Old() {} Old.prototype.toString = function () { return 'old'; };
    out.push(String(new Old()));
    const bag = {}; bag.constructor = 1; bag.toString = () => 'bag'; out.push(String(bag), bag.constructor, Object.keys(bag).length);
    const { EventEmitter } = require('events'); const { inherits } = require('util');
    function Emitter() { EventEmitter.call(this); } inherits(Emitter, EventEmitter); Emitter.prototype.emit = function (...args) { out.push('emit'); return EventEmitter.prototype.emit.apply(this, args); };
    const emitter = new Emitter(); emitter.on('x', (value) => out.push(value)); emitter.emit('x', 5);`);
  assert.deepEqual(out, ['Own: b', 'old', 'bag', 1, 2, 'emit', 5]);
});

test('fetch goes on working, with what hooks give it and what it returns', async () => {
  const out = await inFrozenRealm(`
    const { once } = require('events');
    const server = require('http').createServer(async (request, response) => {
      let body = ''; for await (const chunk of request) body += chunk;
      response.setHeader('x-seen', request.headers['x-own'] ?? 'none'); response.end(request.method + ' ' + body.length);
    }).listen(0, '127.0.0.1'); await once(server, 'listening');
    const url = 'http://127.0.0.1:' + server.address().port;
    class Own extends Headers { constructor() { super({ 'x-own': 'mine' }); } }
    const answer = await fetch(new Request(url, { method: 'POST', body: 'twelve octets', headers: new Own() }));
    out.push(answer.ok, answer.headers.get('x-seen'), await answer.clone().text());
    const form = new FormData(); form.append('a', 'b');
    out.push((await (await fetch(url, { method: 'POST', body: form })).text()).startsWith('POST '));
    out.push(await new Response(new Blob(['blob'])).text(), (await Response.json({ a: 1 }).json()).a);
    await fetch(url, { signal: AbortSignal.abort() }).catch((error) => out.push(error.name));
    const gone = require('net').createServer().listen(0, '127.0.0.1'); await once(gone, 'listening');
    const { port } = gone.address(); gone.close(); await once(gone, 'close');
    await fetch('http://127.0.0.1:' + port).catch((error) => out.push(error.cause.code));
    server.close(); server.closeAllConnections();`);
  assert.deepEqual(out, [true, 'mine', 'POST 13', true, 'blob', 1, 'AbortError', 'ECONNREFUSED']);
});

test('the modules of Node go on working: files, streams, threads, sockets, timers, compression', async () => {
  const out = await inFrozenRealm(`
    const { readFile } = require('fs/promises'); const { pipeline } = require('stream/promises'); const { Readable, Transform } = require('stream');
    const { Worker } = require('worker_threads'); const net = require('net'); const { once } = require('events'); const { promisify } = require('util');
    out.push((await readFile('/proc/self/stat')).length > 0);
    await readFile('/nonexistent').catch((error) => out.push(error.code));
    await pipeline(Readable.from(['a', 'b']), new Transform({ transform: (chunk, _, done) => done(null, chunk) }), async (source) => { let text = ''; for await (const chunk of source) text += chunk; out.push(text); });
    out.push((await once(new Worker('require("worker_threads").parentPort.postMessage(7)', { eval: true }), 'message'))[0]);
    const server = net.createServer((socket) => socket.end('served')).listen(0, '127.0.0.1'); await once(server, 'listening');
    out.push(String((await once(net.connect(server.address().port, '127.0.0.1'), 'data'))[0])); server.close();
    await require('timers/promises').setTimeout(1);
    out.push((await promisify(require('zlib').gunzip)(await promisify(require('zlib').gzip)('packed'))).toString());
    out.push(require('crypto').createHash('sha256').update('x').digest('hex').length, new URL('http://a/?b=c').searchParams.get('b'));`);
  assert.deepEqual(out, [true, 'ENOENT', 'ab', 7, 'served', 'packed', 64, 'c']);
});
