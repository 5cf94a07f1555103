/**
 * Hooks in shadow: they are called, counted and compared, and nothing of what they do reaches a packet.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  ACCEPT,
  type DefinedHook,
  DROP,
  defineHook,
  FORWARD,
  HELD,
  type HookRuntime,
  ICMP_ON_DROP,
  REPLY,
  RESET,
} from '../../../src/index.ts';
import {
  assertDropped,
  assertForwarded,
  connection,
  fields,
  ipv4,
  type Lab,
  openLab,
  SYN,
  sameAs,
  tcp,
  udp,
} from '../../../src/testing/index.ts';

/** Whole numbers below one. The same for the same seed (Marsaglia's xorshift). */
type Random = (below: number) => number;

function randomFrom(seed: number): Random {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

type OnPacket = NonNullable<DefinedHook['onPacket']>;

const QUESTION = ipv4({}, udp({ destinationPort: 53 }, 'question'));

function plain(name: string, priority: number, onPacket: OnPacket): DefinedHook {
  return defineHook({ name, priority, onPacket }) as DefinedHook;
}

async function shadowed(hook: DefinedHook, others: readonly DefinedHook[] = []): Promise<Lab> {
  return await openLab([{ hook, mode: 'shadow' }, ...others]);
}

describe('What a hook in shadow says', () => {
  for (const [verdict, name, column] of [
    [DROP, 'DROP', 'dropped'],
    [ICMP_ON_DROP, 'ICMP_ON_DROP', 'rejected'],
    [REPLY, 'REPLY', 'replied'],
    [RESET, 'RESET', 'reset'],
  ] as const) {
    test(`is counted and not done: ${name}`, async () => {
      const lab = await shadowed(plain('tried', 0, () => verdict));
      const packet = verdict === RESET ? ipv4({}, tcp({ flags: SYN })) : QUESTION;
      const outcome = await lab.send(packet);
      assertForwarded(outcome, sameAs(packet));
      assert.deepEqual(outcome.back, []);
      const { seen, differs, stricter, milder, ...rest } = lab.counters('tried');
      assert.deepEqual(
        { seen, differs, stricter, milder, said: rest[column] },
        { seen: 1, differs: 1, stricter: 1, milder: 0, said: 1 },
      );
      assert.equal(lab.ledger().forwarded, 1);
      await lab.close();
    });
  }

  test('agrees with what happened: FORWARD and ACCEPT with a packet that goes on, DROP with one that a later hook drops', async () => {
    for (const [said, later] of [
      [FORWARD, FORWARD],
      [ACCEPT, FORWARD],
      [DROP, DROP],
      [ICMP_ON_DROP, ICMP_ON_DROP],
    ] as const) {
      const lab = await shadowed(
        plain('tried', 9, () => said),
        [plain('real', 0, () => later)],
      );
      await lab.send(QUESTION);
      assert.equal(lab.counters('tried').differs, 0, `${said} and ${later}`);
      assert.equal(lab.counters('real').seen, 1, 'an ACCEPT in shadow ends nothing');
      await lab.close();
    }
  });

  test('is milder where a later hook stops the packet, and differs where both stop it otherwise', async () => {
    const mild = await shadowed(
      plain('tried', 9, () => FORWARD),
      [plain('real', 0, () => DROP)],
    );
    const outcome = await mild.send(QUESTION);
    assertDropped(outcome, 'real');
    const { differs, stricter, milder } = mild.counters('tried');
    assert.deepEqual({ differs, stricter, milder }, { differs: 1, stricter: 0, milder: 1 });
    await mild.close();
    const other = await shadowed(
      plain('tried', 9, () => ICMP_ON_DROP),
      [plain('real', 0, () => DROP)],
    );
    await other.send(QUESTION);
    const both = other.counters('tried');
    assert.deepEqual([both.differs, both.stricter, both.milder], [1, 0, 0]);
    await other.close();
  });

  test('is not asked for a packet that a hook before it has ended, or that is outside of its filter', async () => {
    const behind = await shadowed(
      plain('tried', 0, () => DROP),
      [plain('real', 9, () => DROP)],
    );
    await behind.send(QUESTION);
    assert.equal(behind.counters('tried').seen, 0);
    await behind.close();
    const filtered = defineHook({ name: 'tried', priority: 9, filter: 'tcp', onPacket: () => DROP }) as DefinedHook;
    const lab = await shadowed(filtered, [plain('real', 0, () => DROP)]);
    await lab.send(QUESTION);
    const { seen, filtered: outside, differs } = lab.counters('tried');
    assert.deepEqual({ seen, outside, differs }, { seen: 0, outside: 1, differs: 0 });
    await lab.close();
  });
});

describe('What a hook in shadow does to a packet', () => {
  test('is seen by itself, counted, and by nobody else: setters, octets, a replacement, another interface', async () => {
    const seenByIt: number[] = [];
    const seenBehind: string[] = [];
    const writes: OnPacket[] = [
      (packet) => {
        packet.ip.ttl = 7;
        seenByIt.push(packet.ip.ttl);
        return FORWARD;
      },
      (packet) => {
        packet.bytes[20] = 0xff;
        return FORWARD;
      },
      (packet) => {
        const copy = packet.keep();
        if (copy !== null) packet.replace(copy);
        return FORWARD;
      },
      (packet) => {
        packet.payload.splice(0, 3, Buffer.from('another one, and longer'));
        return FORWARD;
      },
    ];
    for (const onPacket of writes) {
      const behind = plain('behind', 0, (packet) => {
        seenBehind.push(Buffer.from(packet.bytes.subarray(0, packet.length)).toString('hex'));
        return FORWARD;
      });
      const lab = await shadowed(plain('tried', 9, onPacket), [behind]);
      const outcome = await lab.send(QUESTION);
      assertForwarded(outcome, sameAs(QUESTION));
      assert.equal(seenBehind.pop(), Buffer.from(QUESTION).toString('hex'));
      const { changed, replaced } = lab.counters('tried');
      assert.ok(changed + replaced > 0, 'it is counted that it would have changed the packet');
      await lab.close();
    }
    assert.deepEqual(seenByIt, [7]);
  });

  test('does not undo what enforced hooks wrote before and behind it', async () => {
    const first = plain('first', 9, (packet) => {
      packet.ip.ttl = 33;
      return FORWARD;
    });
    const seen: number[] = [];
    const tried = plain('tried', 5, (packet) => {
      seen.push(packet.ip.ttl);
      packet.ip.ttl = 1;
      return FORWARD;
    });
    const lab = await openLab([first, { hook: tried, mode: 'shadow' }]);
    const outcome = await lab.send(QUESTION);
    assert.deepEqual(seen, [33]);
    assertForwarded(outcome, fields({ ip: { ttl: 33 } }));
    await lab.close();
  });

  test('is a fault of it alone, and the packet goes on', async () => {
    for (const [onPacket, text] of [
      [
        () => {
          throw new Error('of its own');
        },
        /threw: of its own/,
      ],
      [() => 7 as never, /no verdict/],
      [() => HELD as never, /HELD/],
    ] as const) {
      const lab = await shadowed(plain('tried', 0, onPacket));
      const outcome = await lab.send(QUESTION);
      assertForwarded(outcome, sameAs(QUESTION));
      assert.equal(lab.counters('tried').faults, 1);
      assert.equal(lab.ledger().hookFaults, 0);
      assert.equal(lab.ledger().droppedByFault, 0);
      lab.expectFaults(text);
      await lab.close();
    }
  });
});

describe('What a hook in shadow may use', () => {
  test('held packets go on at once; the token counts until it is released, and what it would have got is counted', async () => {
    const released: boolean[] = [];
    let runtime: HookRuntime | null = null;
    const tokens: number[] = [];
    const hook = defineHook({
      name: 'tried',
      hold: { packets: 2, mib: 1, timeoutMs: 1000 },
      setup(_options, given) {
        runtime = given;
        return {
          onPacket(packet) {
            const verdict = packet.hold();
            tokens.push(packet.token);
            return verdict;
          },
        };
      },
    }) as DefinedHook;
    const lab = await shadowed(hook);
    assertForwarded(await lab.send(QUESTION));
    assertForwarded(await lab.send(QUESTION));
    released.push((runtime as unknown as HookRuntime).release(tokens[0] ?? 0, DROP));
    released.push((runtime as unknown as HookRuntime).release(tokens[0] ?? 0, DROP));
    assert.deepEqual(released, [true, false]);
    await lab.tick(2000);
    assertForwarded(await lab.send(QUESTION));
    const { held, heldTooLong, dropped } = lab.counters('tried');
    // One was released with DROP, the other one's time was over, which is a DROP too.
    assert.deepEqual({ held, heldTooLong, dropped }, { held: 3, heldTooLong: 1, dropped: 2 });
    assert.equal(lab.ledger().held, 0);
    await lab.close();
  });

  test('what it sends is counted, not sent, and it is told that it was', async () => {
    const told: boolean[] = [];
    const hook = defineHook({
      name: 'tried',
      needs: { interfaces: ['ids0'] },
      setup: (_options, runtime) => ({
        onPacket(packet) {
          told.push(runtime.send(packet.bytes.subarray(0, packet.length)));
          told.push(runtime.inject(Buffer.alloc(60), 'ids0'));
          told.push(runtime.mirror('ids0'));
          return FORWARD;
        },
      }),
    }) as DefinedHook;
    const lab = await shadowed(hook);
    const outcome = await lab.send(QUESTION);
    assert.deepEqual(told, [true, true, true]);
    assert.deepEqual(outcome.sent, []);
    assert.equal(lab.counters('tried').unsent, 3);
    assert.equal(lab.ledger().sent, 1);
    await lab.close();
  });

  test('a flow that it settles with DROP goes on, and each packet of it is counted as dropped', async () => {
    let calls = 0;
    const hook = defineHook({
      name: 'tried',
      flows: true,
      onPacket(packet) {
        calls += 1;
        packet.flow?.settle(DROP);
        return DROP;
      },
    }) as DefinedHook;
    const lab = await shadowed(hook);
    for (let count = 0; count < 4; count++) assertForwarded(await lab.send(QUESTION));
    const { seen, settled, dropped, stricter } = lab.counters('tried');
    assert.equal(calls, 1);
    assert.deepEqual({ seen, settled, dropped, stricter }, { seen: 1, settled: 3, dropped: 4, stricter: 4 });
    await lab.close();
  });

  test('a flow that it would have stopped stays new for it: onFlow is asked again, as after a real stop', async () => {
    let asked = 0;
    const onFlow = (): typeof DROP => {
      asked += 1;
      return DROP;
    };
    const lab = await shadowed(defineHook({ name: 'tried', onFlow }) as DefinedHook);
    for (let count = 0; count < 3; count++) assertForwarded(await lab.send(QUESTION));
    assert.equal(asked, 3);
    assert.equal(lab.counters('tried').stricter, 3);
    await lab.close();
  });

  test('its flows are its own: an enforced hook is asked about each new flow as without it', async () => {
    let asked = 0;
    const real = defineHook({
      name: 'real',
      priority: 0,
      onFlow: () => {
        asked += 1;
        return DROP;
      },
    }) as DefinedHook;
    const tried = defineHook({
      name: 'tried',
      priority: 9,
      flows: true,
      onPacket: (packet) => {
        packet.flow?.settle(DROP);
        return DROP;
      },
    }) as DefinedHook;
    const lab = await shadowed(tried, [real]);
    for (let count = 0; count < 3; count++) assertDropped(await lab.send(QUESTION), 'real');
    assert.equal(asked, 3);
    await lab.close();
  });

  test('it reads streams, and a connection that it would cut goes on', async () => {
    const read: string[] = [];
    const hook = defineHook({
      name: 'tried',
      stream: { ports: [80], most: 64 },
      onStream(stream) {
        read.push(stream.text());
        return RESET;
      },
    }) as DefinedHook;
    const lab = await shadowed(hook);
    const between = connection(lab);
    for (const one of await between.open()) assertForwarded(one);
    assertForwarded(await between.fromClient('GET / HTTP/1.1\r\n'));
    assert.deepEqual(read, ['GET / HTTP/1.1\r\n']);
    assert.equal(lab.counters('tried').stricter > 0, true);
    await lab.close();
  });

  test('it is told that it is in shadow, and its timers, counters and events work', async () => {
    const modes: string[] = [];
    const hook = defineHook({
      name: 'tried',
      setup(_options, runtime) {
        modes.push(runtime.mode);
        const counter = runtime.counter('ticks');
        runtime.every(100, () => counter.add(1));
        return {
          onPacket(packet) {
            runtime.event('alert', packet, { note: 'seen' });
            return DROP;
          },
        };
      },
    }) as DefinedHook;
    const lab = await shadowed(hook);
    await lab.tick(1000);
    const { events } = await lab.send(QUESTION);
    assert.deepEqual(modes, ['shadow']);
    assert.equal(events.length, 1);
    assert.equal(lab.metrics('tried')['ticks'], 10);
    await lab.close();
  });
});

test('whatever hooks in shadow do, what leaves is what would leave without them', async () => {
  const random = randomFrom(20_261);
  for (let round = 0; round < 40; round++) {
    const seed = random(1 << 30);
    const without = await leaves(seed, false);
    const withThem = await leaves(seed, true);
    assert.deepEqual(withThem, without, `seed ${seed}`);
  }
});

/** What leaves a chain of three random hooks, with random ones in shadow between them or without. */
async function leaves(seed: number, hasShadows: boolean): Promise<string[]> {
  const packets = randomFrom(seed);
  const enforced = [90, 50, 10].map((priority, index) => wild(`real${index}`, priority, seed + index, 5));
  const shadows = [95, 60, 20, 5].map((priority, index) => ({
    hook: wild(`shadow${index}`, priority, seed + 100 + index, 1),
    mode: 'shadow' as const,
  }));
  const lab = await openLab(hasShadows ? [...enforced, ...shadows] : enforced);
  const left: string[] = [];
  for (let count = 0; count < 60; count++) {
    const sourcePort = 1000 + packets(4);
    const transport =
      packets(2) === 0 ? udp({ sourcePort, destinationPort: 53 }, 'data') : tcp({ sourcePort, flags: SYN });
    const { verdict, by, departures } = await lab.send(ipv4({}, transport), { from: packets(3) === 0 ? 'b' : 'a' });
    left.push(`${verdict} ${by} ${departures.map(({ to, datagram }) => `${to} ${datagram?.toString('hex')}`).join()}`);
  }
  const { received, forwarded, dropped, rejected, replied, reset, lost, sent } = lab.ledger();
  left.push(JSON.stringify({ received, forwarded, dropped, rejected, replied, reset, lost, sent }));
  lab.expectFaults(...lab.faults.map(({ text }) => text.slice(0, 8)));
  await lab.close();
  return left;
}

/** A hook that does anything that a hook can do. @param calm - of how many calls one is wild */
function wild(name: string, priority: number, seed: number, calm: number): DefinedHook {
  const random = randomFrom(seed);
  return defineHook({
    name,
    priority,
    flows: true,
    hold: { packets: 4, mib: 1, timeoutMs: 50 },
    setup: (_options, runtime) => ({
      onPacket(packet, context) {
        if (random(calm) !== 0) return FORWARD;
        if (random(4) === 0) packet.ip.ttl = 1 + random(200);
        if (random(4) === 0) packet.bytes[packet.length - 1] = random(256);
        if (random(8) === 0) {
          const copy = packet.keep();
          if (copy !== null) packet.replace(copy);
        }
        if (random(8) === 0) context.sendInterfaceIndex = 4711;
        if (random(8) === 0) context.destinationType = random(4);
        if (random(8) === 0) packet.flow?.settle(random(2) === 0 ? DROP : FORWARD);
        if (name.startsWith('shadow') && random(8) === 0) runtime.send(packet.bytes.subarray(0, packet.length));
        if (random(12) === 0) throw new Error('wild');
        if (name.startsWith('shadow') && random(6) === 0) return packet.hold();
        return [FORWARD, FORWARD, DROP, ICMP_ON_DROP, REPLY, RESET, ACCEPT][random(7)] ?? FORWARD;
      },
    }),
  }) as DefinedHook;
}

test('the packet that a hook in shadow sees is read to its end', async () => {
  const lengths: number[] = [];
  const lab = await shadowed(
    plain('tried', 0, (packet) => {
      lengths.push(packet.length);
      return FORWARD;
    }),
  );
  const long = ipv4({}, udp({}, Buffer.alloc(1400)));
  const { out } = await lab.send(long);
  assert.deepEqual(lengths, [1428]);
  assert.equal(out[0]?.length, 1428);
  await lab.close();
});
