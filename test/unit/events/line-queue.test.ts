/**
 * Lines on their way to outlets that take parts, nothing, hang or are gone: what arrives is whole lines, and each line is written, waits, or is
 * counted as lost.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { fstatSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { type LineOutlet, LineQueue, socketOutlet, threadOutlet } from '../../../src/events/line-queue.ts';
import { loadNative } from '../../../src/native/load-native.ts';
import { waitFor } from '../../support/wait-for.ts';

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-lines-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** An outlet of a model: takes what it is told to, at once or when it is asked to answer. */
class Paper implements LineOutlet {
  text = '';
  isClosed = false;
  takes = 0;
  isSlow = false;
  #answer: (() => void) | null = null;

  write(octets: Buffer, done: (taken: number, problem: string) => void): void {
    assert.ok(!this.isClosed, 'nothing is written behind the end');
    const taken = Math.min(this.takes, octets.length);
    const answer = (): void => {
      this.text += octets.toString('latin1', 0, taken);
      done(taken, taken === 0 ? 'full' : '');
    };
    if (this.isSlow) this.#answer = answer;
    else answer();
  }

  answer(): void {
    const answer = this.#answer;
    this.#answer = null;
    answer?.();
  }

  close(): void {
    this.isClosed = true;
  }
}

test('whatever outlets do, each has whole lines but for its last, in order, and every line is counted once', () => {
  const step = fc.record({
    what: fc.constantFrom('add', 'add', 'add', 'flush', 'flush', 'exchange', 'answer', 'none'),
    takes: fc.nat(40),
    isSlow: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const queue = new LineQueue(100);
      const papers: Paper[] = [];
      let added = 0;
      for (const { what, takes, isSlow } of steps) {
        for (const paper of papers) Object.assign(paper, { takes, isSlow });
        if (what === 'add') queue.add(`${added++}${'x'.repeat(takes % 17)}\n`);
        else if (what === 'flush') queue.flush();
        else if (what === 'answer') for (const paper of papers) paper.answer();
        else if (what === 'none') queue.exchange(null);
        else {
          papers.push(Object.assign(new Paper(), { takes, isSlow }));
          queue.exchange(papers.at(-1) as Paper);
        }
      }
      // An answer may have it write again.
      for (const paper of papers) {
        paper.isSlow = false;
        paper.answer();
      }
      const last = Object.assign(new Paper(), { takes: 1000 });
      queue.exchange(last);
      queue.flush();
      assert.ok(queue.isEmpty);
      let written = 0;
      let before = -1;
      for (const { text } of [...papers, last]) {
        const lines = text.split('\n');
        written += lines.length - 1;
        for (const line of lines.slice(0, -1)) {
          const number = Number.parseInt(line, 10);
          assert.ok(number > before, `${number} behind ${before}`);
          assert.match(line, /^\d+x*$/);
          before = number;
        }
      }
      assert.equal(queue.written, written);
      assert.equal(queue.written + queue.lost, added);
    }),
    { numRuns: 2000, seed: 12 },
  );
});

test('what waits when it is given up is lost, and counted', () => {
  const queue = new LineQueue();
  const paper = Object.assign(new Paper(), { takes: 3 });
  queue.exchange(paper);
  for (const line of ['a\n', 'bb\n', 'c\n']) queue.add(line);
  queue.flush();
  queue.add('d\n');
  queue.giveUp();
  assert.deepEqual([queue.written, queue.lost, queue.isEmpty], [1, 3, true]);
});

test('a file has each line; a descriptor that takes nothing says why, and its lines wait for another', async (t) => {
  const folder = folderOf(t);
  const queue = new LineQueue();
  queue.add('first\n');
  queue.exchange(threadOutlet(openSync('/dev/full', 'w')));
  queue.flush();
  await waitFor(() => queue.problem !== '', { what: 'the refusal' });
  assert.match(queue.problem, /ENOSPC/);
  const name = path.join(folder, 'events.json');
  queue.exchange(threadOutlet(openSync(name, 'a')));
  queue.add('second\n');
  await waitFor(
    () => {
      queue.flush();
      return queue.isEmpty;
    },
    { what: 'the lines' },
  );
  assert.equal(readFileSync(name, 'utf8'), 'first\nsecond\n');
  assert.deepEqual([queue.written, queue.lost, queue.problem], [2, 0, '']);
});

interface Listening {
  readonly name: string;
  readonly server: Server;
  readonly sockets: Socket[];
}

async function listen(t: TestContext, isReading: boolean): Promise<Listening & { text: () => string }> {
  const name = path.join(folderOf(t), 'eve.sock');
  const sockets: Socket[] = [];
  let text = '';
  const server = createServer({ pauseOnConnect: !isReading }, (socket) => {
    sockets.push(socket);
    if (isReading) socket.on('data', (octets) => (text += octets.toString('utf8')));
  });
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(name, resolve));
  return { name, server, sockets, text: () => text };
}

test('a reader of a socket that reads nothing costs lines, and nobody waits; when it reads it has whole ones', async (t) => {
  const { name, sockets } = await listen(t, false);
  const { connect } = await import('node:net');
  const client = connect(name);
  await new Promise((resolve) => client.once('connect', resolve));
  t.after(() => client.destroy());
  const { fd } = (client as unknown as { readonly _handle: { readonly fd: number } })._handle;
  const queue = new LineQueue(64 * 1024);
  let gone = 0;
  const outlet = socketOutlet(
    fd,
    (to, octets) => loadNative().writeNow(to, octets),
    () => (gone += 1),
  );
  // The descriptor is the client's here.
  queue.exchange({ write: outlet.write.bind(outlet), close: () => undefined });
  const line = `${JSON.stringify({ filler: 'x'.repeat(500) })}\n`;
  for (let index = 0; index < 5000; index++) {
    queue.add(line);
    queue.flush();
  }
  assert.ok(queue.lost > 0 && queue.written > 0, `${queue.written} written, ${queue.lost} lost`);
  let text = '';
  sockets[0]?.on('data', (octets) => (text += octets.toString('utf8')));
  sockets[0]?.resume();
  await waitFor(
    () => {
      queue.flush();
      return queue.isEmpty && text.endsWith('\n') && text.length === queue.written * line.length;
    },
    { what: 'what was written' },
  );
  assert.equal(text, line.repeat(queue.written));
  assert.equal(queue.written + queue.lost, 5000);
  sockets[0]?.destroy();
  await waitFor(
    () => {
      queue.add(line);
      queue.flush();
      return gone > 0;
    },
    { what: 'the end to be seen' },
  );
});

test('a descriptor that is closed by the queue is closed', async (t) => {
  const fd = openSync(path.join(folderOf(t), 'x'), 'w');
  const queue = new LineQueue();
  queue.exchange(threadOutlet(fd));
  queue.exchange(null);
  await waitFor(
    () => {
      try {
        fstatSync(fd);
        return false;
      } catch {
        return true;
      }
    },
    { what: 'the end of the descriptor' },
  );
});
