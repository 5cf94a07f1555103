/**
 * Packets that wait: who may hold them, when they go on, and that they leave as they would have left.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import {
  ACCEPT,
  type DefinedHook,
  DROP,
  defineHook,
  type FinalVerdict,
  FORWARD,
  HELD,
  type HookRuntime,
  ICMP_ON_DROP,
  MORE,
  REPLY,
  RESET,
  type Verdict,
} from '../../../src/index.ts';
import {
  assertDropped,
  assertForwarded,
  assertHeld,
  assertRejected,
  connection,
  type Departure,
  fields,
  ipv4,
  ipv6,
  type Lab,
  type LabOptions,
  openLab,
  type Passage,
  readPacket,
  SYN,
  sameAs,
  tcp,
  udp,
} from '../../../src/testing/index.ts';

type OnPacket = NonNullable<DefinedHook['onPacket']>;

const ROOM = { packets: 8, mib: 1, timeoutMs: 1000 };
const QUESTION = ipv4({}, udp({ destinationPort: 53 }, 'question'));

/** A hook that holds everything, and what releases it. */
interface Holder {
  readonly hook: DefinedHook;
  readonly tokens: number[];
  release(token: number, verdict: FinalVerdict): boolean;
}

function holder(name = 'holds', rule: object = {}, onPacket?: OnPacket): Holder {
  const tokens: number[] = [];
  let runtime: HookRuntime | null = null;
  const hook = defineHook({
    name,
    priority: 0,
    hold: { ...ROOM, ...rule },
    setup(_options, given) {
      runtime = given;
      return {
        onPacket(packet, context) {
          const verdict = onPacket?.(packet, context) ?? packet.hold();
          tokens.push(packet.token);
          return verdict;
        },
      };
    },
  }) as DefinedHook;
  return { hook, tokens, release: (token, verdict) => (runtime as unknown as HookRuntime).release(token, verdict) };
}

function watcher(name: string, priority: number, seen: string[], onPacket: OnPacket = () => FORWARD): DefinedHook {
  return defineHook({
    name,
    priority,
    onPacket(packet, context) {
      seen.push(name);
      return onPacket(packet, context);
    },
  }) as DefinedHook;
}

async function open(t: TestContext, hooks: readonly DefinedHook[], options: LabOptions = {}): Promise<Lab> {
  const lab = await openLab(
    hooks.map((hook) => ({ hook })),
    options,
  );
  t.after(() => lab.close());
  return lab;
}

function datagrams({ departures }: Passage, to: Departure['to']): (Uint8Array | null)[] {
  return departures.filter((one) => one.to === to).map(({ datagram }) => datagram);
}

for (const attach of ['bridge', 'host'] as const) {
  for (const from of attach === 'bridge' ? (['a', 'b'] as const) : (['in', 'out'] as const)) {
    test(`a released packet goes to the hooks behind, and leaves as it would have left: ${attach}, ${from}`, async (t) => {
      const seen: string[] = [];
      const { hook, tokens, release } = holder();
      const lab = await open(t, [watcher('before', 1, seen), hook, watcher('behind', -1, seen)], { attach });
      assertHeld(await lab.send(QUESTION, { from }), 'holds');
      assert.deepEqual(seen, ['before']);
      assert.equal(lab.ledger(from).held, 1);
      assert.equal(release(tokens[0] as number, FORWARD), true);
      const passage = await lab.tick(0);
      assert.deepEqual(seen, ['before', 'behind']);
      const to = { a: 'b', b: 'a', in: 'host', out: 'network' } as const;
      assert.deepEqual(datagrams(passage, to[from]), [QUESTION]);
      const { held, forwarded, received } = lab.ledger(from);
      assert.deepEqual([received, held, forwarded], [1, 0, 1]);
      const counted = lab.counters('holds');
      assert.deepEqual([counted.seen, counted.held, counted.forwarded, counted.heldTooLong], [1, 1, 1, 0]);
      assert.equal(release(tokens[0] as number, DROP), false, 'it waits no longer');
    });
  }
}

test('the whole frame comes back: VLAN tags, addresses of the link, and what stands behind the datagram', async (t) => {
  const { hook, tokens, release } = holder();
  const lab = await open(t, [hook]);
  const frame = Buffer.concat([Buffer.from('020000000001020000000002810060070800', 'hex'), QUESTION]);
  const padded = Buffer.concat([frame, Buffer.alloc(Math.max(0, 64 - frame.length), 0x55), Buffer.from('trailer')]);
  assertHeld(await lab.send(padded, { frame: true }));
  release(tokens[0] as number, FORWARD);
  const { departures } = await lab.tick(0);
  assert.deepEqual(
    departures.map(({ frame: left }) => left),
    [padded],
  );
});

describe('what a released packet gets', () => {
  const segment = ipv4({}, tcp({ flags: SYN }));
  for (const [name, verdict, counter] of [
    ['DROP', DROP, 'dropped'],
    ['ICMP_ON_DROP', ICMP_ON_DROP, 'rejected'],
    ['ACCEPT', ACCEPT, 'forwarded'],
    ['RESET', RESET, 'reset'],
    ['REPLY', REPLY, 'replied'],
  ] as const) {
    test(name, async (t) => {
      const seen: string[] = [];
      const { hook, tokens, release } = holder();
      const lab = await open(t, [hook, watcher('behind', -1, seen)]);
      assertHeld(await lab.send(segment));
      release(tokens[0] as number, verdict);
      const passage = await lab.tick(0);
      const row = lab.ledger();
      assert.deepEqual([row[counter], row.held, row.received], [1, 0, 1]);
      assert.deepEqual(seen, []);
      const left = passage.departures.map(({ to, datagram }) => [
        to,
        datagram === null ? null : readPacket(datagram)?.protocol,
      ]);
      const expected = {
        DROP: [],
        ICMP_ON_DROP: [['a', 1]],
        ACCEPT: [['b', 6]],
        RESET: [['a', 6]],
        REPLY: [['a', 6]],
      }[name];
      assert.deepEqual(left, expected);
      const own = lab.counters('holds');
      assert.equal(own[name === 'ACCEPT' ? 'accepted' : counter], 1);
    });
    test(`${name}, because nobody released it in time`, async (t) => {
      const { hook, tokens, release } = holder('holds', { timeoutMs: 40, onTimeout: verdict });
      const lab = await open(t, [hook]);
      assertHeld(await lab.send(segment));
      await lab.tick(39);
      assert.equal(lab.ledger().held, 1);
      await lab.tick(1);
      assert.deepEqual([lab.ledger()[counter], lab.ledger().held], [1, 0]);
      assert.equal(lab.counters('holds').heldTooLong, 1);
      assert.equal(release(tokens[0] as number, FORWARD), false);
    });
  }

  test('FORWARD in time, DROP where nothing is said', async (t) => {
    const { hook } = holder('holds', { timeoutMs: 40 });
    const lab = await open(t, [hook]);
    await lab.send(segment);
    await lab.tick(40);
    assert.deepEqual([lab.ledger().droppedByHook, lab.counters('holds').dropped], [1, 1]);
  });
});

test('packets go on in the order of their time, and later hooks measure from then', async (t) => {
  const at: number[] = [];
  const delays = [30, 10, 20, 10];
  const delay = defineHook({
    name: 'delay',
    hold: ROOM,
    onPacket: (packet, { timestamp }) => packet.holdUntil(timestamp + (delays[packet.sourcePort - 1000] as number)),
  }) as DefinedHook;
  const again = defineHook({
    name: 'again',
    priority: -1,
    hold: ROOM,
    onPacket(packet, { timestamp }) {
      at.push(timestamp);
      return packet.holdUntil(timestamp + 5);
    },
  }) as DefinedHook;
  const lab = await open(t, [delay, again]);
  const start = lab.nowMs;
  for (const [index] of delays.entries()) await lab.send(ipv4({}, udp({ sourcePort: 1000 + index })));
  const { departures } = await lab.tick(100);
  assert.deepEqual(
    departures.map(({ datagram }) => (datagram === null ? null : readPacket(datagram)?.sourcePort)),
    [1001, 1003, 1002, 1000],
  );
  assert.deepEqual(
    at.map((ms) => Math.round(ms - start)),
    [10, 10, 20, 30],
  );
  assert.equal(lab.counters('delay').heldTooLong, 0);
});

test('a time that is over is no time to wait, and one that is too late ends as a timeout', async (t) => {
  const wait = [-5, 0, Number.NEGATIVE_INFINITY, 2000, Number.POSITIVE_INFINITY];
  const delay = defineHook({
    name: 'delay',
    hold: { ...ROOM, onTimeout: ICMP_ON_DROP },
    onPacket: (packet, { timestamp }) => packet.holdUntil(timestamp + (wait[packet.sourcePort - 1000] as number)),
  }) as DefinedHook;
  const lab = await open(t, [delay]);
  for (const index of [0, 1, 2]) assertForwarded(await lab.send(ipv4({}, udp({ sourcePort: 1000 + index }))));
  for (const index of [3, 4]) assertHeld(await lab.send(ipv4({}, udp({ sourcePort: 1000 + index }))));
  await lab.tick(999);
  assert.equal(lab.ledger().held, 2);
  await lab.tick(1);
  assert.deepEqual([lab.ledger().rejected, lab.counters('delay').heldTooLong], [2, 2]);
});

describe('bounds', () => {
  test('of packets: one more gets what the hook says', async (_t) => {
    const verdicts: Verdict[] = [FORWARD, DROP, ICMP_ON_DROP];
    for (const otherwise of verdicts) {
      const { hook, tokens, release } = holder('holds', { packets: 2 }, (packet) => packet.hold(otherwise));
      const lab = await openLab(hook);
      assertHeld(await lab.send(QUESTION));
      assertHeld(await lab.send(QUESTION));
      const third = await lab.send(QUESTION);
      if (otherwise === FORWARD) assertForwarded(third);
      else if (otherwise === DROP) assertDropped(third, 'holds');
      else assertRejected(third, 'holds');
      assert.deepEqual([lab.counters('holds').holdsRefused, tokens[2]], [1, 0]);
      release(tokens[0] as number, FORWARD);
      await lab.tick(0);
      assertHeld(await lab.send(QUESTION));
      await lab.tick(2000);
      assert.equal(lab.ledger().held, 0);
      await lab.close();
    }
  });

  test('of octets: what a packet takes is its class of memory', async (t) => {
    const { hook } = holder('holds', { packets: 8, mib: 6144 / 1048576 });
    const lab = await open(t, [hook]);
    for (let i = 0; i < 3; i++) assertHeld(await lab.send(QUESTION));
    assertDropped(await lab.send(QUESTION), 'holds');
    assert.equal(lab.counters('holds').holdsRefused, 1);
  });

  test('of each hook by itself', async (t) => {
    const first = holder('first', { packets: 1 }, (packet) => packet.hold(FORWARD));
    const second = holder('second', { packets: 1 }, (packet) => packet.hold(FORWARD));
    const lab = await open(t, [first.hook, second.hook]);
    assertHeld(await lab.send(QUESTION), 'first');
    assertHeld(await lab.send(QUESTION), 'second');
    assertForwarded(await lab.send(QUESTION));
  });
});

describe('a hook that does it wrong', () => {
  test('HELD without a place is no verdict', async (t) => {
    const { hook } = holder('holds', {}, () => HELD);
    const lab = await open(t, [hook]);
    assertFault(await lab.send(QUESTION));
    lab.expectFaults(/HELD.*packet\.hold/);
  });

  test('HELD of a hook that may hold nothing', async (t) => {
    const hook = defineHook({ name: 'holds', onPacket: () => HELD }) as DefinedHook;
    const asks = defineHook({ name: 'asks', priority: -1, onPacket: (packet) => packet.hold() }) as DefinedHook;
    const lab = await open(t, [hook]);
    assertFault(await lab.send(QUESTION));
    lab.expectFaults(/HELD/);
    await lab.close();
    const other = await open(t, [asks]);
    assertFault(await other.send(QUESTION));
    other.expectFaults(/say hold: /);
  });

  test('a packet that is told to wait and then decided otherwise takes no room', async (_t) => {
    for (const verdict of [FORWARD, DROP, ICMP_ON_DROP, REPLY, RESET, ACCEPT]) {
      const { hook, tokens, release } = holder('holds', { packets: 1 }, (packet) => {
        packet.hold();
        return verdict;
      });
      const lab = await openLab(hook);
      for (let i = 0; i < 3; i++) await lab.send(QUESTION);
      assert.equal(lab.counters('holds').holdsRefused, 0);
      assert.equal(lab.ledger().held, 0);
      assert.equal(release(tokens[0] as number, FORWARD), false);
      await lab.close();
    }
  });

  test('one that throws behind its hold, or misuses the pool, loses the packet as for any fault', async (t) => {
    const { hook } = holder('holds', { packets: 1 }, (packet) => {
      packet.hold();
      throw new Error('no');
    });
    const lab = await open(t, [hook]);
    for (let i = 0; i < 3; i++) assertFault(await lab.send(QUESTION));
    lab.expectFaults(/no/, /no/, /no/);
    assert.deepEqual([lab.counters('holds').holdsRefused, lab.ledger().held], [0, 0]);
  });

  test('tokens that name nothing, or the packet of another hook, release nothing', async (t) => {
    const mine = holder('mine');
    const other = holder('other');
    const lab = await open(t, [mine.hook, other.hook]);
    assertHeld(await lab.send(QUESTION), 'mine');
    const [token] = mine.tokens as [number];
    for (const wrong of [0, -1, Number.NaN, Infinity, token + 1, token - 1, token + 65_536, 2 ** 53, '7', null, {}])
      assert.equal(mine.release(wrong as number, FORWARD), false);
    assert.equal(other.release(token, FORWARD), false);
    assert.equal(mine.release(token, FORWARD), true);
    assert.equal(mine.release(token, FORWARD), false);
    await lab.tick(0);
    assert.deepEqual([lab.ledger().held, other.tokens.length], [1, 1]);
  });

  test('a token is not used twice', async (t) => {
    const { hook, tokens, release } = holder('holds', { packets: 1 });
    const lab = await open(t, [hook]);
    for (let i = 0; i < 20; i++) {
      assertHeld(await lab.send(QUESTION));
      for (const old of tokens.slice(0, -1)) assert.equal(release(old, FORWARD), false);
      assert.equal(release(tokens.at(-1) as number, FORWARD), true);
      await lab.tick(0);
    }
    assert.equal(new Set(tokens).size, 20);
  });

  test('what is no verdict is refused when it is released', async (t) => {
    const { hook, tokens, release } = holder();
    const lab = await open(t, [hook]);
    assertHeld(await lab.send(QUESTION));
    for (const wrong of [HELD, 7, -1, '0', undefined, null, Promise.resolve(0)])
      assert.throws(() => release(tokens[0] as number, wrong as FinalVerdict), TypeError);
    assert.equal(lab.ledger().held, 1);
  });

  test('a time that is none is a fault', async (t) => {
    const { hook } = holder('holds', {}, (packet) => packet.holdUntil(Number.NaN));
    const lab = await open(t, [hook]);
    assertFault(await lab.send(QUESTION));
    lab.expectFaults(/cannot wait until NaN/);
  });

  test('bounds that are none are refused when it is loaded', async () => {
    const wrong: readonly (readonly [object | number, RegExp])[] = [
      [7, /hold: 7 is not valid/],
      [{ packets: 0, mib: 1, timeoutMs: 1 }, /hold\.packets: 0/],
      [{ packets: 65_536, mib: 1, timeoutMs: 1 }, /hold\.packets: 65536/],
      [{ packets: 1.5, mib: 1, timeoutMs: 1 }, /hold\.packets: 1\.5/],
      [{ packets: 1, mib: 0, timeoutMs: 1 }, /hold\.mib: 0/],
      [{ packets: 1, mib: 1, timeoutMs: -1 }, /hold\.timeoutMs: -1/],
      [{ packets: 1, mib: 1, timeoutMs: 3_600_001 }, /hold\.timeoutMs: 3600001/],
      [{ packets: 1, mib: 1, timeoutMs: 1, onTimeout: HELD }, /hold\.onTimeout: 6/],
      [{ packets: 1, mib: 1, timeoutMs: 1, otherwise: 1 }, /hold\.otherwise/],
    ];
    for (const [hold, expected] of wrong) {
      const definition = { name: 'holds', hold, onPacket: () => FORWARD } as unknown as Parameters<
        typeof defineHook
      >[0];
      await assert.rejects(openLab(defineHook(definition) as DefinedHook), expected);
    }
  });
});

test('the bounds may follow from the options', async (t) => {
  const hook = defineHook({
    name: 'holds',
    hold: ROOM,
    setup: (options: unknown) => ({
      hold: { ...ROOM, packets: (options as { most: number }).most },
      onPacket: (packet) => packet.hold(),
    }),
  }) as DefinedHook;
  const lab = await openLab(hook, { options: { most: 1 } });
  t.after(() => lab.close());
  assertHeld(await lab.send(QUESTION));
  assertDropped(await lab.send(QUESTION));
});

describe('what hooks made of it', () => {
  test('stays: written in place, written into a copy, another payload', async (_t) => {
    const edits: Readonly<Record<string, OnPacket>> = {
      setter(packet) {
        packet.ip.ttl = 9;
        return FORWARD;
      },
      octets(packet) {
        packet.bytes[8] = 9;
        packet.fillChecksums();
        return FORWARD;
      },
      splice(packet) {
        packet.ip.ttl = 9;
        packet.payload.splice(0, packet.payload.length, Buffer.from('a longer question'));
        return FORWARD;
      },
    };
    for (const [name, edit] of Object.entries(edits)) {
      for (const isHolder of [false, true]) {
        const text = name === 'splice' ? 'a longer question' : 'question';
        const seen: string[] = [];
        const held = holder('holds', {}, (packet, context) => {
          if (isHolder) edit(packet, context);
          return packet.hold();
        });
        const before = isHolder ? [] : [watcher('edits', 1, seen, edit)];
        const behind = watcher('behind', -1, seen, (packet) => {
          assert.equal(packet.ip.ttl, 9);
          assert.equal(packet.payload.text(), text);
          packet.ip.ttl = 8;
          return FORWARD;
        });
        const lab = await openLab([...before, held.hook, behind].map((hook) => ({ hook })));
        assertHeld(await lab.send(QUESTION));
        // Another packet has the same memory of the driver meanwhile, and waits in the same pool.
        assertHeld(await lab.send(ipv4({}, udp({}, 'something else'))));
        held.release(held.tokens[0] as number, FORWARD);
        const [left] = datagrams(await lab.tick(0), 'b');
        const expected = readPacket(left as Uint8Array);
        const ttl = (left as Uint8Array)[8];
        assert.deepEqual([ttl, expected?.text, expected?.checksumsRight], [8, text, true], name);
        await lab.tick(2000);
        await lab.close();
      }
    }
  });

  test('an ICMP error shows the packet as it came, however late it is', async () => {
    const seen: string[] = [];
    const edit: OnPacket = (packet) => {
      packet.ip.ttl = 9;
      packet.ip.swap();
      return FORWARD;
    };
    for (const isBehind of [false, true]) {
      const { hook, tokens, release } = holder();
      const rejects = watcher('rejects', -1, seen, () => ICMP_ON_DROP);
      const lab = await openLab(
        [watcher('edits', 1, seen, edit), hook, ...(isBehind ? [rejects] : [])].map((one) => ({ hook: one })),
      );
      await lab.send(QUESTION);
      release(tokens[0] as number, isBehind ? FORWARD : ICMP_ON_DROP);
      const [answer] = datagrams(await lab.tick(0), 'a') as Uint8Array[];
      assert.deepEqual(Buffer.from(answer as Uint8Array).subarray(28, 28 + QUESTION.length), Buffer.from(QUESTION));
      await lab.close();
    }
  });

  test('a checksum that is left to the card, and a super-frame, stay so', async (t) => {
    const { hook, tokens, release } = holder();
    const lab = await open(t, [hook]);
    const big = ipv4({}, tcp({ flags: 16 }, Buffer.alloc(20_000, 7)));
    assertHeld(await lab.send(big, { segmentSize: 1448 }));
    assertHeld(await lab.send(QUESTION, { partialChecksum: true }));
    for (const token of tokens) release(token, FORWARD);
    const [first, second] = datagrams(await lab.tick(0), 'b') as Uint8Array[];
    assert.deepEqual(first?.length, big.length);
    assertForwardedAs(second as Uint8Array, QUESTION);
  });
});

function assertForwardedAs(left: Uint8Array, expected: Uint8Array): void {
  // The lab completes no checksum: all but the field is what was sent.
  assert.deepEqual(Buffer.from(left).subarray(0, 26), Buffer.from(expected).subarray(0, 26));
  assert.deepEqual(Buffer.from(left).subarray(28), Buffer.from(expected).subarray(28));
}

describe('flows', () => {
  const syn = ipv4({}, tcp({ flags: SYN }));

  test('while the first packet waits, the next of the flow is new as well', async (t) => {
    const asked: number[] = [];
    const tokens: number[] = [];
    let runtime: HookRuntime | null = null;
    const asks = defineHook({
      name: 'asks',
      flows: true,
      hold: ROOM,
      setup(_options, given) {
        runtime = given;
        return {
          onFlow(packet) {
            asked.push(packet.sourcePort);
            const verdict = packet.hold();
            tokens.push(packet.token);
            return verdict;
          },
        };
      },
    }) as DefinedHook;
    const later: boolean[] = [];
    const behind = defineHook({
      name: 'behind',
      priority: -1,
      flows: true,
      onPacket(packet) {
        later.push(packet.flow?.isNew ?? false);
        return FORWARD;
      },
    }) as DefinedHook;
    const lab = await open(t, [asks, behind]);
    for (let i = 0; i < 2; i++) assertHeld(await lab.send(syn), 'asks');
    assert.equal(asked.length, 2);
    const release = (token: number, verdict: FinalVerdict) =>
      (runtime as unknown as HookRuntime).release(token, verdict);
    release(tokens[0] as number, FORWARD);
    await lab.tick(0);
    assert.deepEqual(later, [true], 'it begins with the packet that goes on');
    assertForwarded(await lab.send(syn));
    assert.equal(asked.length, 2, 'decided once it has begun');
    release(tokens[1] as number, FORWARD);
    await lab.tick(0);
    assert.deepEqual(later, [true, false, false]);
  });

  test('a flow whose first packet is dropped after its wait has never begun', async (t) => {
    const ended: string[] = [];
    const { hook, tokens, release } = holder();
    const follows = defineHook({
      name: 'follows',
      priority: 1,
      flows: true,
      onPacket: (packet) => (packet.flow?.isNew === true ? FORWARD : DROP),
      onFlowEnd: ({ reason }) => void ended.push(reason),
    }) as DefinedHook;
    const lab = await open(t, [follows, hook]);
    for (let i = 0; i < 3; i++) {
      assertHeld(await lab.send(syn), 'holds');
      release(tokens[i] as number, DROP);
      await lab.tick(0);
    }
    await lab.tick(500_000);
    assert.deepEqual(ended, []);
  });

  test('a flow that ended while its packet waited is gone: the packet is invalid', async (t) => {
    const states: string[] = [];
    const { hook, tokens, release } = holder('holds', { timeoutMs: 600_000 }, (packet) =>
      packet.payload.text() === 'wait' ? packet.hold() : FORWARD,
    );
    const follows = defineHook({
      name: 'follows',
      priority: -1,
      flows: true,
      onPacket(packet) {
        states.push(`${packet.flow === null} ${packet.flowState}`);
        return FORWARD;
      },
    }) as DefinedHook;
    const lab = await open(t, [hook, follows], { flows: { timeouts: { udpNewMs: 1000 } } });
    assertForwarded(await lab.send(ipv4({}, udp({}, 'first'))));
    assertHeld(await lab.send(ipv4({}, udp({}, 'wait'))));
    await lab.tick(5000);
    release(tokens[1] as number, FORWARD);
    await lab.tick(0);
    assert.deepEqual(states, ['false new', 'true invalid']);
  });
});

test('an invalid segment that waited is known to a gate behind for what it is', async (t) => {
  const { hook, tokens, release } = holder('holds', {}, (packet) =>
    packet.payload.text().startsWith('old') ? packet.hold() : FORWARD,
  );
  const gate = defineHook({
    name: 'gate',
    priority: -1,
    stream: { ports: [80], most: 100, gate: true },
    onStream: () => MORE,
  }) as unknown as DefinedHook;
  const lab = await open(t, [hook, gate]);
  const made = connection(lab, { serverPort: 80 });
  await made.open();
  assertForwarded(await made.fromClient('GET / HTTP/1.1'));
  assertForwarded(await made.fromServer(''));
  // Far outside of the window: no receiver would take it, and the flow table says so.
  const old = await made.fromClient('old octets', { at: 1_000_000 });
  assert.deepEqual([old.verdict, old.by], ['held', 'holds']);
  release(tokens.at(-1) as number, FORWARD);
  await lab.tick(0);
  assert.equal(lab.counters('gate').dropped, 1);
});

test('a packet is released from a timer, from a promise, and from within another packet', async (t) => {
  const tokens: number[] = [];
  const release = defineHook({
    name: 'holds',
    hold: ROOM,
    setup(_options, runtime) {
      return {
        onPacket(packet) {
          const text = packet.payload.text();
          if (text === 'release') {
            runtime.release(tokens[0] as number, FORWARD);
            return FORWARD;
          }
          const verdict = packet.hold();
          const { token } = packet;
          tokens.push(token);
          if (text === 'timer') runtime.after(20, () => void runtime.release(token, FORWARD));
          if (text === 'promise') Promise.resolve().then(() => runtime.release(token, FORWARD));
          return verdict;
        },
      };
    },
  }) as DefinedHook;
  const lab = await open(t, [release]);
  const textOf = ({ datagram }: Departure) => (datagram === null ? '' : readPacket(datagram)?.text);
  assertHeld(await lab.send(ipv4({}, udp({}, 'first'))));
  const both = await lab.send(ipv4({}, udp({}, 'release')));
  assert.equal(both.verdict, 'forwarded');
  assert.deepEqual(both.departures.map(textOf), ['release', 'first']);
  const promised = await lab.send(ipv4({}, udp({}, 'promise')));
  assert.deepEqual([promised.verdict, promised.departures.map(textOf)], ['held', ['promise']]);
  assertHeld(await lab.send(ipv4({}, udp({}, 'timer'))));
  assert.deepEqual((await lab.tick(19)).departures, []);
  assert.deepEqual((await lab.tick(1.1)).departures.map(textOf), ['timer']);
});

test('what waits when the lane ends gets what it would get at its time', async () => {
  const until = holder('until', {}, (packet, { timestamp }) => packet.holdUntil(timestamp + 500));
  const late = holder('late', { onTimeout: ICMP_ON_DROP });
  for (const [one, expected] of [
    [until, 'forwarded'],
    [late, 'rejected'],
  ] as const) {
    const lab = await openLab(one.hook);
    assertHeld(await lab.send(QUESTION));
    await lab.close();
    assert.deepEqual([lab.ledger()[expected], lab.ledger().held], [1, 0]);
  }
});

test('IPv6 waits as well', async (t) => {
  const { hook, tokens, release } = holder();
  const lab = await open(t, [hook]);
  const datagram = ipv6({}, udp({}, 'six'));
  assertHeld(await lab.send(datagram));
  release(tokens[0] as number, FORWARD);
  assert.deepEqual(datagrams(await lab.tick(0), 'b'), [datagram]);
  assert.deepEqual(fields({ text: 'six' })(datagram), []);
  assert.deepEqual(sameAs(datagram)(datagram), []);
});

function assertFault(outcome: { readonly reason: string | null }): void {
  assert.equal(outcome.reason, 'droppedByFault');
}
