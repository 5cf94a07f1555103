/**
 * The channel of two supervisors: messages with their descriptors, and its end.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadNative } from '../../../src/native/load-native.ts';
import { PeerChannel } from '../../../src/supervisor/upgrade/peer-channel.ts';
import { waitFor } from '../../support/wait-for.ts';

const PATIENCE_MS = 10_000;
let names = 0;

/** Both ends, as two processes would have them, and the stream of the first one. */
async function pair(t: TestContext): Promise<[PeerChannel, PeerChannel, Socket]> {
  names += 1;
  const address = path.join(tmpdir(), `firehook-peer-${process.pid}-${names}`);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(address, resolve));
  const arrived = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const client = connect(address);
  const [here, there] = loadNative().openHandover();
  const ends = [new PeerChannel(client, here), new PeerChannel(await arrived, there)] as const;
  server.close();
  t.after(() => {
    for (const end of ends) end.destroy();
  });
  return [...ends, client];
}

test('messages come in the order of the calls, with what JSON does not know and with their descriptors', async (t) => {
  const [one, other] = await pair(t);
  const files = [import.meta.filename, '/dev/null'].map((file) => openSync(file, 'r'));
  const data = { counted: new Map([[7, new Map([['a', 1]])]]), octets: Uint8Array.of(1, 2, 3), endless: Infinity };
  void one.send('first', data, files);
  void one.send('second', 'x'.repeat(3_000_000));
  void one.send('third', null, [files[1] as number]);
  const first = await other.next(PATIENCE_MS);
  assert.deepEqual([first.type, first.data], ['first', data]);
  const [copy = -1, nothing = -1] = first.descriptors;
  assert.equal(readFileSync(copy, 'utf8'), readFileSync(import.meta.filename, 'utf8'));
  assert.equal(fstatSync(nothing).rdev, fstatSync(files[1] as number).rdev);
  assert.equal(((await other.next(PATIENCE_MS)).data as string).length, 3_000_000);
  const heard: string[] = [];
  other.listen(({ type, descriptors }) => {
    heard.push(type);
    for (const descriptor of descriptors) closeSync(descriptor);
  });
  await waitFor(() => heard.length === 1, { what: 'the third' });
  await one.send('fourth', 4);
  await waitFor(() => heard.length === 2, { what: 'the fourth' });
  assert.deepEqual(heard, ['third', 'fourth']);
  for (const fd of [...files, copy, nothing]) closeSync(fd);
});

test('more descriptors than a socket holds go over one after the other', async (t) => {
  const [one, other] = await pair(t);
  const file = openSync('/dev/null', 'r');
  const many = Array.from({ length: 800 }, () => file);
  const sent = one.send('many', null, many);
  const { type, descriptors } = await other.next(PATIENCE_MS);
  await sent;
  assert.deepEqual([type, new Set(descriptors).size], ['many', 800]);
  for (const fd of [...descriptors, file]) closeSync(fd);
});

test('its end is told to who waits, to who speaks and to who asked to hear of it', async (t) => {
  const [one, other] = await pair(t);
  let ends = 0;
  other.onEnd(() => {
    ends += 1;
  });
  const waits = assert.rejects(other.next(PATIENCE_MS), { code: 'FIREHOOK_UPGRADE_FAILED', message: /has ended/ });
  one.destroy();
  await waits;
  await waitFor(() => ends === 1, { what: 'the end' });
  assert.equal(other.isEnded, true);
  await assert.rejects(other.send('more', 1), { code: 'FIREHOOK_UPGRADE_FAILED' });
  await assert.rejects(other.next(PATIENCE_MS), { code: 'FIREHOOK_UPGRADE_FAILED' });
});

test('who says nothing is not waited for without end', async (t) => {
  const [, other] = await pair(t);
  await assert.rejects(other.next(20), { code: 'FIREHOOK_UPGRADE_FAILED', message: /said nothing for 0.02 s/ });
});

for (const [what, line] of [
  ['no JSON', 'what is this?'],
  ['no object', 'null'],
  ['no data', '{"type":"offer","descriptors":[]}'],
  ['data of another serialiser', '{"type":"offer","data":"AAAA","descriptors":[]}'],
  ['a descriptor that was not sent', '{"type":"offer","data":"/w8w","descriptors":[7]}'],
] as const)
  test(`a message that is none ends the channel and nothing else: ${what}`, async (t) => {
    const [, other, stream] = await pair(t);
    const waits = assert.rejects(other.next(PATIENCE_MS), { code: 'FIREHOOK_UPGRADE_FAILED', message: /has ended/ });
    stream.write(`${line}\n`);
    await waits;
  });
