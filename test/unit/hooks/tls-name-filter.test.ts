/**
 * Promises of the stock hook `tls-name-filter`, in the lab that hook authors have, and of what reads the hello.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { ClientHello, type HelloKind } from '../../../hooks/_client-hello.ts';
import { NameList } from '../../../hooks/_server-names.ts';
import tlsNameFilter from '../../../hooks/tls-name-filter.ts';
import {
  assertDropped,
  assertForwarded,
  assertReset,
  type Connection,
  type ConnectionOptions,
  connection,
  type Lab,
  type Outcome,
  openLab,
} from '../../../src/testing/index.ts';
import { clientHello, counted, extensionList, records, serverName } from '../../support/client-hello.ts';
import { randomNumbers } from '../flow/flow-rig.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'firehook-tls-name-filter-'));
after(() => rmSync(folder, { recursive: true }));
const SEGMENT = 1400;

async function withLab(options: object, run: (lab: Lab) => Promise<void>): Promise<void> {
  const lab = await openLab(tlsNameFilter, { options, folder });
  try {
    await run(lab);
  } finally {
    await lab.close();
  }
}

let port = 10_000;

async function opened(lab: Lab, ends: ConnectionOptions = {}): Promise<Connection> {
  port += 1;
  const tls = connection(lab, { clientPort: port, serverPort: 443, ...ends });
  await tls.open();
  return tls;
}

/** Sends octets in segments; what became of the last one. */
async function say(lab: Lab, octets: Buffer, ends: ConnectionOptions = {}): Promise<Outcome> {
  const tls = await opened(lab, ends);
  for (let at = 0; at + SEGMENT < octets.length; at += SEGMENT)
    assertForwarded(await tls.fromClient(octets.subarray(at, at + SEGMENT)));
  return tls.fromClient(octets.subarray(Math.floor((octets.length - 1) / SEGMENT) * SEGMENT));
}

const hello = (name?: string): Buffer => records(clientHello({ name }));

describe('tls-name-filter', () => {
  test('cuts connections to the names of its list at the last segment of the hello, whatever the case', async () => {
    await withLab({ names: ['bad.example', '*.Ads.Example'] }, async (lab) => {
      for (const name of ['bad.example', 'BAD.example', 'bad.example.', 'a.ads.example', 'a.b.ads.example'])
        assertReset(await say(lab, hello(name)), 'tls-name-filter');
      for (const name of ['www.bad.example', 'ads.example', 'notbad.example', 'example', undefined])
        assertForwarded(await say(lab, hello(name)));
      assertReset(await say(lab, hello('bad.example'), { client: '2001:db8::7', server: '2001:db8::8' }));
      assertForwarded(await say(lab, hello('bad.example'), { serverPort: 8443 }));
      assert.equal(lab.streams('tls-name-filter').cut, 6);
      assert.equal(lab.log.filter(({ message }) => message.startsWith('bad.example is cut: ')).length, 4);
    });
  });

  test('lets only the names of its list pass, where it is one of those', async () => {
    await withLab({ names: ['good.example'], mode: 'allow', action: 'drop', ports: [443, 8443] }, async (lab) => {
      assertForwarded(await say(lab, hello('good.example'), { serverPort: 8443 }));
      for (const octets of [hello('other.example'), hello(), Buffer.from('GET / HTTP/1.1\r\n\r\n')])
        assertDropped(await say(lab, octets), 'tls-name-filter');
    });
  });

  test('says what passes without a name and without TLS', async () => {
    const plain = Buffer.from('SSH-2.0-OpenSSH\r\n');
    await withLab({ names: ['a.example'], withoutName: 'cut', notTls: 'cut' }, async (lab) => {
      assertReset(await say(lab, hello()));
      assertReset(await say(lab, plain));
    });
    await withLab({ names: ['a.example'], mode: 'allow', withoutName: 'pass', notTls: 'pass' }, async (lab) => {
      assertForwarded(await say(lab, hello()));
      assertForwarded(await say(lab, plain));
    });
  });

  test('reads a hello in any cut: records, segments, in any order, one octet each', async () => {
    const random = randomNumbers(7);
    const message = clientHello({ name: 'bad.example' });
    await withLab({ names: ['bad.example'] }, async (lab) => {
      for (let round = 0; round < 20; round++) {
        const cuts = Array.from({ length: random(20) }, () => 1 + random(message.length - 1));
        const octets = records(
          message,
          [...new Set(cuts)].sort((a, b) => a - b),
        );
        const tls = await opened(lab);
        const pieces: (readonly [number, Buffer])[] = [];
        for (let at = 0; at < octets.length; ) {
          const length = 100 + random(SEGMENT);
          pieces.push([at, octets.subarray(at, at + length)]);
          at += length;
        }
        pieces.sort(() => random(3) - 1);
        const outcomes: Outcome[] = [];
        for (const [at, piece] of pieces) outcomes.push(await tls.fromClient(piece, { at }));
        // Who comes last makes the message whole; nothing before it is held up.
        assertReset(outcomes.pop() as Outcome, 'tls-name-filter');
        for (const outcome of outcomes) assertForwarded(outcome);
      }
      const small = records(clientHello({ name: 'bad.example', keyOctets: 32 }));
      const tls = await opened(lab);
      for (let at = 0; at < small.length - 1; at++) assertForwarded(await tls.fromClient(small.subarray(at, at + 1)));
      assertReset(await tls.fromClient(small.subarray(-1)));
    });
  });

  test('cuts what it cannot judge: a malformed hello, one that is too long, a name that is hidden', async () => {
    await withLab({ names: ['bad.example'] }, async (lab) => {
      for (const message of [
        clientHello({ after: [serverName('bad.example')], name: 'good.example' }),
        clientHello({ name: 'go od.example', keyOctets: 32 }),
        clientHello({ extensions: Buffer.of(0, 9, 0) }),
      ])
        assertReset(await say(lab, records(message)), 'tls-name-filter');
      const long = await opened(lab);
      const endless = Buffer.concat([Buffer.of(22, 3, 1, 0x40, 0, 1, 0, 0xff, 0xff), Buffer.alloc(40_000)]);
      let last: Outcome | null = null;
      for (let at = 0; at < 33_600 && last?.verdict !== 'reset'; at += SEGMENT)
        last = await long.fromClient(endless.subarray(at, at + SEGMENT));
      assertReset(last as Outcome, 'tls-name-filter');
      // The octets that were let go were never those that the server has.
      const sly = await opened(lab);
      const good = hello('all.example');
      assertForwarded(await sly.fromClient(good.subarray(0, 1000)));
      assertReset(await sly.fromClient(hello('bad.example').subarray(0, 1000), { at: 0 }), 'tls-name-filter');
    });
  });

  test('lets connections pass whose start it did not see, or not', async () => {
    for (const unseen of ['pass', 'cut'] as const)
      await withLab({ names: ['bad.example'], unseen }, async (lab) => {
        const tls = connection(lab, { serverPort: 443 });
        const outcome = await tls.fromClient('octets', { at: 9000, ack: 9000 });
        if (unseen === 'pass') assertForwarded(outcome);
        else assertReset(outcome, 'tls-name-filter');
      });
  });

  test('reads a file of names', async () => {
    writeFileSync(path.join(folder, 'names.txt'), '# names\nbad.example # one\n\n*.ads.example\n');
    await withLab({ file: 'names.txt' }, async (lab) => {
      assert.deepEqual(lab.log[0]?.message, '2 server names are listed.');
      assertReset(await say(lab, hello('x.ads.example')));
    });
  });

  test('refuses what is wrong with its options', async () => {
    for (const [options, problem] of [
      [{}, /names: is missing/],
      [{ names: ['a b'] }, /names: "a b" is not valid/],
      [{ names: ['*'] }, /names: "\*" is not valid/],
      [{ names: 'a' }, /names: "a" is not valid/],
      [{ names: [], ports: [0] }, /ports: \[0\] is not valid/],
      [{ names: [], mode: 'deny' }, /mode: "deny" is not valid/],
      [{ names: [], quic: true }, /quic: unknown option/],
    ] as const)
      await assert.rejects(openLab(tlsNameFilter, { options }), problem);
    writeFileSync(path.join(folder, 'wrong.txt'), 'good.example\n-- no name --\n');
    await assert.rejects(openLab(tlsNameFilter, { options: { file: 'wrong.txt' }, folder }), /wrong\.txt:2/);
  });
});

/** A stream that is all there. */
const octetsOf = (octets: Buffer) => ({ length: octets.length, u8: (at: number): number => octets[at] ?? -1 });

function read(octets: Buffer): readonly [HelloKind, string] {
  const reader = new ClientHello();
  return [reader.read(octetsOf(octets)), reader.name];
}

describe('ClientHello', () => {
  test('is not judged before its last octet is there', () => {
    for (const name of ['www.example.org', undefined]) {
      const message = clientHello({ name, keyOctets: 100 });
      for (const octets of [records(message), records(message, [1, 2, 3, 50, 120])]) {
        for (let length = 0; length < octets.length; length++)
          assert.equal(read(octets.subarray(0, length))[0], 'more', `${length}`);
        assert.deepEqual(read(octets), [name === undefined ? 'unnamed' : 'named', name ?? '']);
        assert.deepEqual(read(Buffer.concat([octets, Buffer.from('early data')])), read(octets));
      }
    }
  });

  test('may have no extensions', () => {
    assert.equal(read(records(clientHello({ extensions: Buffer.alloc(0) })))[0], 'unnamed');
  });

  test('is malformed where it could be read in two ways', () => {
    const twoNames = counted(
      2,
      Buffer.concat([serverName('a.example')[1].subarray(2), serverName('b.example')[1].subarray(2)]),
    );
    const list = (content: Buffer): Buffer => records(clientHello({ extensions: extensionList([[0, content]]) }));
    const [, sound] = serverName('a.example');
    const message = clientHello({ name: 'a.example' });
    for (const octets of [
      list(twoNames),
      list(Buffer.alloc(0)),
      list(counted(2, Buffer.alloc(0))),
      list(Buffer.concat([sound, Buffer.of(0)])),
      list(counted(2, Buffer.concat([Buffer.of(1), counted(2, Buffer.from('a.example'))]))),
      records(clientHello({ name: '' })),
      records(clientHello({ name: 'a..example' })),
      records(clientHello({ name: 'a.example\0.good' })),
      records(clientHello({ name: 'a'.repeat(256) })),
      records(clientHello({ extensions: Buffer.concat([extensionList([serverName('a.example')]), Buffer.of(0)]) })),
      records(clientHello({ extensions: Buffer.of(0, 4, 0, 0, 0, 9) })),
      records(Buffer.concat([Buffer.of(2), message.subarray(1)])),
      Buffer.concat([records(message.subarray(0, 10)), Buffer.of(21, 3, 1, 0, 2, 1, 0), records(message.subarray(10))]),
      Buffer.concat([records(message.subarray(0, 10)), Buffer.of(22, 3, 1, 0, 0), records(message.subarray(10))]),
      records(
        message,
        Array.from({ length: 64 }, (_, at) => at + 1),
      ),
      Buffer.concat([Buffer.of(22, 4), records(message).subarray(2)]),
    ])
      assert.equal(read(octets)[0], 'malformed', octets.toString('hex').slice(0, 80));
  });

  test('of which all octets are there is always judged, whatever they are', () => {
    const random = randomNumbers(99);
    const kinds = new Map<HelloKind, number>();
    for (let round = 0; round < 20_000; round++) {
      const message = clientHello({ name: 'www.example.org', keyOctets: random(40) });
      for (let change = random(4); change > 0; change--) message[4 + random(message.length - 4)] = random(256);
      const cuts = Array.from({ length: random(4) }, () => 1 + random(message.length - 1));
      const octets = records(
        message,
        [...new Set(cuts)].sort((a, b) => a - b),
      );
      const [kind] = read(octets);
      assert.notEqual(kind, 'more');
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    }
    for (const kind of ['named', 'unnamed', 'malformed'] as const) assert.ok((kinds.get(kind) ?? 0) > 50, kind);
  });
});

describe('a list of server names', () => {
  test('has what its entries stand for, and nothing else', () => {
    const list = new NameList();
    for (const entry of ['Example.org.', '*.inner.example']) assert.ok(list.add(entry));
    for (const entry of ['', '*', '*.', '.', 'a..b', 'a*.b', 'x'.repeat(64), 'ä.example'])
      assert.equal(list.add(entry), false);
    for (const name of ['example.org', 'a.inner.example', 'b.a.inner.example']) assert.ok(list.has(name));
    for (const name of ['inner.example', 'xinner.example', 'www.example.org', 'org'])
      assert.equal(list.has(name), false);
  });
});
