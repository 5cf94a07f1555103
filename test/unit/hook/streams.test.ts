/**
 * Streams as hooks see them, through a real lane: what `onStream` is shown, what its verdicts do, and what cannot be read.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { DROP, FORWARD } from '../../../src/firewall/constants.ts';
import { ACCEPT, type HookDefinition, RESET } from '../../../src/hook/contract.ts';
import { defineHook } from '../../../src/hook/define-hook.ts';
import { MORE, type Stream, type StreamOptions, type StreamVerdict } from '../../../src/hook/stream/stream-contract.ts';
import {
  ACK,
  assertDropped,
  assertForwarded,
  assertReset,
  type Connection,
  connection,
  FIN,
  fragments,
  ipv4,
  type Lab,
  type LabOptions,
  openLab,
  SYN,
  tcp,
  URG,
} from '../../../src/testing/index.ts';

let lab: Lab;
afterEach(() => lab.close());

type OnStream = (stream: Stream) => StreamVerdict;

/** A lab with one hook that reads port 80. */
async function labOf(
  onStream: OnStream,
  stream: Partial<StreamOptions> = {},
  options: LabOptions = {},
  more: Partial<HookDefinition> = {},
): Promise<Connection> {
  const hook = defineHook({
    name: 'reader',
    stream: { ports: [80], most: 1000, ...stream },
    onStream,
    ...more,
  } as HookDefinition);
  lab = await openLab(hook, options);
  return connection(lab);
}

/** A hook that lets lines pass but those that have `bad` in them. */
const line: OnStream = (stream) => {
  if (stream.indexOf(Buffer.from('\n')) < 0) return MORE;
  return stream.indexOf(Buffer.from('bad')) < 0 ? ACCEPT : RESET;
};

/** Keeps what a hook was shown. */
function shown(verdictOf: OnStream = () => MORE): { readonly texts: string[]; readonly onStream: OnStream } {
  const texts: string[] = [];
  return {
    texts,
    onStream: (stream) => {
      texts.push(`${stream.text()}${stream.isEnded ? ' ended' : ''}${stream.isFull ? ' full' : ''}`);
      return verdictOf(stream);
    },
  };
}

describe('onStream is shown', () => {
  test('what is in order, whenever that grows, in whatever order segments come', async () => {
    const { texts, onStream } = shown();
    const http = await labOf(onStream);
    await http.open();
    await http.fromClient('one ');
    await http.fromClient('three', { at: 8 });
    assertForwarded(await http.fromClient('two ', { at: 4 }));
    await http.fromClient('one two', { at: 0 });
    await http.fromServer('not this');
    await http.finish('client');
    assert.deepEqual(texts, ['one ', 'one two three', 'one two three ended']);
    assert.equal(lab.streams('reader').waited, 1);
  });

  test('what the server sends, where that is said', async () => {
    const { texts, onStream } = shown();
    const http = await labOf(onStream, { from: 'server' });
    await http.open();
    await http.fromClient('question');
    await http.fromServer('answer');
    assert.deepEqual(texts, ['answer']);
  });

  test('data of the SYN, and over the end of the sequence numbers', async () => {
    const { texts, onStream } = shown();
    await labOf(onStream);
    const early = connection(lab, { clientStart: 0xffff_fffd });
    await early.fromClient('early', { flags: SYN, at: -1 });
    await early.fromServer('', { flags: SYN | ACK, at: -1, ack: 5 });
    await early.fromClient(' late', { at: 5 });
    assert.deepEqual(texts, ['early', 'early late']);
  });

  test('not the connections of other ports, nor those that the port itself opens', async () => {
    const { texts, onStream } = shown();
    await labOf(onStream);
    for (const ports of [{ serverPort: 81 }, { clientPort: 80, serverPort: 4000 }]) {
      const other = connection(lab, ports);
      await other.open();
      assertForwarded(await other.fromClient('octets'));
      assertForwarded(await other.fromServer('octets'));
    }
    assert.deepEqual(texts, []);
  });

  test('its flow, and nothing after the call', async () => {
    let kept: Stream | null = null;
    const http = await labOf((stream) => {
      kept = stream;
      assert.equal(stream.flow.ends().destinationPort, 80);
      assert.equal(stream.isClient, true);
      assert.equal(stream.u16(0), 0x6f63);
      return MORE;
    });
    await http.open();
    await http.fromClient('octets');
    const stream = kept as Stream | null;
    assert.equal(stream?.length, 0);
    assert.equal(stream?.u8(0), -1);
    assert.equal(stream?.text(), '');
    assert.equal(stream?.flow.packets, 0);
    assert.throws(() => Object.assign(stream as object, { length: 9 }));
  });
});

describe('a verdict of onStream', () => {
  for (const verdict of [FORWARD, ACCEPT] as const) {
    test(`${verdict} ends the reading, and when the receiver has what was read, the flow is settled`, async () => {
      const { texts, onStream } = shown(() => verdict);
      const http = await labOf(onStream);
      await http.open();
      assertForwarded(await http.fromClient('read'));
      assertForwarded(await http.fromClient(' not read'));
      assert.deepEqual(texts, ['read']);
      assert.equal(lab.streams('reader').open, 1);
      await http.fromServer('');
      assert.equal(lab.streams('reader').open, 0);
      const { seen, settled } = lab.counters('reader');
      await http.fromClient('more');
      await http.fromServer('more');
      assert.equal(lab.counters('reader').seen, seen);
      assert.equal(lab.counters('reader').settled, settled + 2);
      assert.equal(lab.streams('reader').passed, 1);
    });
  }

  test('RESET resets both ends with the right numbers, and nothing of the connection goes on', async () => {
    const http = await labOf(line);
    await http.open();
    assertForwarded(await http.fromClient('something '));
    const outcome = await http.fromClient('bad\n');
    assertReset(outcome, 'reader');
    assert.equal(outcome.back.length, 1);
    assert.equal(outcome.out.length, 1);
    assertDropped(await http.fromClient('bad\n', { at: 10 }), 'reader');
    assertDropped(await http.fromServer('x'), 'reader');
    assert.equal(lab.streams('reader').cut, 1);
    assert.equal(lab.streams('reader').open, 0);
  });

  test('DROP drops the segment and all that come', async () => {
    const http = await labOf(() => DROP);
    await http.open();
    assertDropped(await http.fromClient('x'), 'reader');
    assertDropped(await http.fromClient('x', { at: 0 }), 'reader');
    assertDropped(await http.fromServer(''), 'reader');
  });

  test('is none where it is a promise, a verdict on packets or nothing: the connection is decided by onHookError', async () => {
    for (const onHookError of ['drop', 'forward'] as const)
      for (const answer of [Promise.resolve(0), 2, 5, undefined, 77]) {
        const http = await labOf((() => answer) as unknown as OnStream, {}, { onHookError });
        await http.open();
        const outcomes = [
          await http.fromClient('x'),
          await http.fromClient('x', { at: 0 }),
          await http.fromClient('y'),
        ];
        for (const outcome of outcomes) assert.equal(outcome.verdict, onHookError === 'drop' ? 'dropped' : 'forwarded');
        lab.expectFaults(/./);
        if (answer !== 77 || onHookError === 'drop') await lab.close();
      }
  });

  test('that is thrown is a fault of the hook, and decides the connection', async () => {
    const http = await labOf(() => {
      throw new Error('oh');
    });
    await http.open();
    assert.equal((await http.fromClient('x')).reason, 'droppedByFault');
    lab.expectFaults('threw: oh');
    // The same octets are not asked about again: they must not slip through.
    assertDropped(await http.fromClient('x', { at: 0 }));
  });
});

describe('what cannot be read', () => {
  test('segments that contradict each other are cut, also after the verdict', async () => {
    const http = await labOf(line);
    await http.open();
    await http.fromClient('good\n');
    assertReset(await http.fromClient('evil\n', { at: 0 }), 'reader');
    assert.equal(lab.streams('reader').contradictions, 1);
  });

  test('or are dropped, where the first octets are kept', async () => {
    const http = await labOf(line, { onOverlap: 'first' });
    await http.open();
    await http.fromClient('goo');
    assertDropped(await http.fromClient('bad', { at: 0 }), 'reader');
    assertForwarded(await http.fromClient('goo', { at: 0 }));
    assertForwarded(await http.fromClient('d\n', { at: 3 }));
    assertDropped(await http.fromClient('good news\n', { at: 0 }), 'reader');
  });

  test('at the bound the hook is asked for the last time, and onFull decides', async () => {
    for (const [onFull, gate] of [
      ['forward', undefined],
      [undefined, undefined],
      [undefined, true],
      ['drop', undefined],
    ] as const) {
      const { texts, onStream } = shown();
      const http = await labOf(onStream, {
        most: 6,
        ...(onFull === undefined ? {} : { onFull }),
        ...(gate === undefined ? {} : { gate }),
      });
      await http.open();
      assertForwarded(await http.fromClient('four'));
      const outcome = await http.fromClient('five+');
      assert.deepEqual(texts, ['four', 'fourfi full']);
      if (gate === true) assertReset(outcome, 'reader');
      else if (onFull === 'drop') assertDropped(outcome, 'reader');
      else {
        assertForwarded(outcome);
        assertForwarded(await http.fromClient('and so on'));
      }
      if (onFull !== 'drop') await lab.close();
    }
  });

  test('a connection whose start was not seen goes on, or not', async () => {
    for (const onUnseen of [undefined, 'drop', 'reset'] as const) {
      const { texts, onStream } = shown();
      const http = await labOf(onStream, { gate: true, ...(onUnseen === undefined ? {} : { onUnseen }) });
      assertForwarded(await http.fromClient('', { at: 100, ack: 100 }));
      assertForwarded(await http.fromServer('octets', { at: 100, ack: 100 }));
      const outcome = await http.fromClient('octets', { at: 100, ack: 106 });
      if (onUnseen === undefined) assertForwarded(outcome);
      else if (onUnseen === 'drop') assertDropped(outcome, 'reader');
      else assertReset(outcome, 'reader');
      // A FIN begins no flow.
      const fin = await connection(lab, { clientPort: 5 }).fromClient('octets', { flags: FIN | ACK });
      if (onUnseen === undefined) assertForwarded(fin);
      else if (onUnseen === 'drop') assertDropped(fin, 'reader');
      else assertReset(fin, 'reader');
      assert.equal(texts.length, 0);
      assert.equal(lab.streams('reader').unseen, 2);
      if (onUnseen !== 'reset') await lab.close();
    }
  });

  test('octets that the receiver has and that did not come by', async () => {
    for (const isStarted of [true, false]) {
      const http = await labOf(() => MORE, { gate: true });
      await http.open();
      await http.fromClient('0', { at: isStarted ? 0 : 50 });
      await http.fromClient('', { at: 90 });
      assertReset(await http.fromServer('', { ack: 51 }), 'reader');
      if (isStarted) await lab.close();
    }
  });

  test('fragments and urgent data, with a gate', async () => {
    for (const gate of [true, false]) {
      const http = await labOf(() => MORE, { gate });
      await http.open();
      const parts = fragments(http.segment('client', Buffer.alloc(800, 'x')), 400);
      const outcomes = [];
      for (const part of parts) outcomes.push(await lab.send(part));
      const urgent = connection(lab, { clientPort: 1000 });
      await urgent.open();
      const outcome = await urgent.fromClient('', { flags: ACK | URG, urgentPointer: 3 });
      if (gate) {
        assertReset(outcomes[0] as (typeof outcomes)[0], 'reader');
        for (const one of outcomes.slice(1)) assertDropped(one, 'reader');
        assertReset(outcome, 'reader');
        await lab.close();
      } else for (const one of [...outcomes, outcome]) assertForwarded(one);
    }
  });

  test('segments behind too many gaps: they are dropped, and sent again', async () => {
    const http = await labOf(line, { gate: true });
    await http.open();
    for (let piece = 1; piece <= 16; piece++) assertForwarded(await http.fromClient('.', { at: 2 * piece }));
    assertDropped(await http.fromClient('.', { at: 34 }), 'reader');
    assert.equal(lab.streams('reader').tooFar, 1);
    assertForwarded(await http.fromClient('.'.repeat(34), { at: 0 }));
    assertReset(await http.fromClient('bad\n', { at: 34 }), 'reader');
  });

  test('a wrong checksum, which no receiver takes; one that is left to the card is none', async () => {
    const http = await labOf(line, { gate: true });
    await http.open();
    assertForwarded(await http.fromClient('go', { partialChecksum: true }));
    assertDropped(await http.fromClient('od\n', { checksum: 0x1234 }), 'reader');
    assertForwarded(await http.fromClient('od\n', { at: 2 }));
    assert.equal(lab.streams('reader').wrongChecksums, 1);
  });

  test('an invalid segment of a connection that is read does not go on through a gate', async () => {
    const http = await labOf(line, { gate: true });
    await http.open();
    assertDropped(await http.fromClient('beyond', { at: 500_000 }), 'reader');
    assertForwarded(await http.fromClient('', { at: 500_000 }));
    assertReset(await http.fromClient('bad\n', { at: 0 }), 'reader');
    assertDropped(await http.fromClient('beyond', { at: 500_000 }), 'reader');
  });
});

describe('memory', () => {
  test('a connection that sends nothing takes none, and one place is given to the next when it is idle', async () => {
    const http = await labOf(() => MORE, { streams: 1, gate: true });
    const others = [1, 2, 3].map((clientPort) => connection(lab, { clientPort }));
    for (const one of [http, ...others]) await one.open();
    assert.equal(lab.streams('reader').open, 0);
    await http.fromClient('first');
    const [second] = others as [Connection];
    assertDropped(await second.fromClient('second'), 'reader');
    assert.equal(lab.streams('reader').unopened, 1);
    await lab.tick(2500);
    assertForwarded(await second.fromClient('second', { at: 0 }));
    // The first one was given up: what comes of it cannot be read.
    assertForwarded(await http.fromServer('still goes'));
    assertForwarded(await http.fromClient(''));
    assertReset(await http.fromClient(' more'), 'reader');
    assert.equal(lab.streams('reader').evicted, 1);
  });

  test('without a gate the octets go on unread', async () => {
    const { texts, onStream } = shown();
    const http = await labOf(onStream, { streams: 1 });
    await http.open();
    await http.fromClient('first');
    const second = connection(lab, { clientPort: 1 });
    await second.open();
    assertForwarded(await second.fromClient('second'));
    assertForwarded(await second.fromClient('more'));
    assert.deepEqual(texts, ['first']);
    assert.equal(lab.streams('reader').unread, 1);
  });

  test('readings end with their flow, and a new connection between the same ends is read anew', async () => {
    const { texts, onStream } = shown();
    const http = await labOf(onStream);
    await http.open();
    await http.fromClient('one');
    await http.finish('client');
    await http.fromServer('', { flags: FIN | ACK });
    await http.fromClient('');
    const again = connection(lab, { clientStart: 90_000, serverStart: 91_000 });
    await again.open();
    await again.fromClient('two');
    assert.deepEqual(texts, ['one', 'one ended', 'two']);
    await lab.tick(8_000_000);
    assert.equal(lab.streams('reader').open, 0);
  });
});

describe('several hooks', () => {
  test('each read for themselves, and onPacket of the same hook sees what goes on', async () => {
    const seen: string[] = [];
    const reader = (name: string, verdict: StreamVerdict, priority: number) =>
      defineHook({
        name,
        priority,
        stream: { ports: [80], most: 100 },
        onStream: (stream) => {
          seen.push(`${name} ${stream.text()}`);
          return stream.length < 4 ? MORE : verdict;
        },
        onPacket: ({ payload }) => {
          if (payload.length > 0) seen.push(`${name} packet ${payload.text()}`);
          return FORWARD;
        },
      });
    lab = await openLab([reader('a', ACCEPT, 2), reader('b', RESET, 1)]);
    const http = connection(lab);
    await http.open();
    assertForwarded(await http.fromClient('ab'));
    assertReset(await http.fromClient('cd'), 'b');
    assert.deepEqual(seen, ['a ab', 'a packet ab', 'b ab', 'b packet ab', 'a abcd', 'a packet cd', 'b abcd']);
  });

  test('a hook for a flow without streams beside one with them', async () => {
    const http = await labOf(line, {}, {}, { onFlow: (packet) => (packet.flow === null ? DROP : FORWARD) });
    assertForwarded(await lab.send(ipv4({}, tcp({ destinationPort: 22, flags: SYN }))));
    await http.open();
    assertReset(await http.fromClient('bad\n'), 'reader');
  });
});
