/**
 * Reasons that hooks give with their verdicts: what may be declared, what is counted, and that a reason never changes a verdict.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import fc from 'fast-check';
import { HookReasons, NO_REASON } from '../../../src/hook/hook-reasons.ts';
import {
  ACCEPT,
  type DefinedHook,
  DROP,
  defineHook,
  FORWARD,
  HELD,
  type HookRuntime,
  ICMP_ON_DROP,
  type Packet,
  REPLY,
  RESET,
  type Reason,
  type Verdict,
} from '../../../src/index.ts';
import { addReasons, type ReasonCount } from '../../../src/telemetry/reasons.ts';
import { assertNoAllocation, connection, ipv4, type Lab, openLab, tcp, udp } from '../../../src/testing/index.ts';

const PACKET = ipv4({}, udp({}, 'data'));
let lab: Lab | null = null;
afterEach(async () => {
  await lab?.close();
  lab = null;
});

/** A hook whose verdict follows from the packet and its reasons. */
function judging(
  texts: readonly string[],
  judge: (reasons: readonly Reason[], packet: Packet) => Verdict,
  name = 'hook',
): DefinedHook {
  return defineHook({
    name,
    setup(_options, { reason }) {
      const reasons = texts.map((text) => reason(text));
      return { onPacket: (packet) => judge(reasons, packet) };
    },
  });
}

const refusals: readonly (readonly [what: string, declare: (runtime: HookRuntime) => void, reason: RegExp])[] = [
  ['nothing', ({ reason }) => reason(''), /reason "": expected 1 to 64 printable characters/],
  ['65 characters', ({ reason }) => reason('x'.repeat(65)), /expected 1 to 64 printable/],
  ['the end of a line', ({ reason }) => reason('a\nb'), /expected 1 to 64 printable/],
  ['a control character', ({ reason }) => reason('a\u001bb'), /expected 1 to 64 printable/],
  ['a letter beyond ASCII', ({ reason }) => reason('für'), /expected 1 to 64 printable/],
  ['a space at its end', ({ reason }) => reason('a '), /expected 1 to 64 printable/],
  ['no text', ({ reason }) => reason(7 as never), /reason 7: expected/],
  ['a text twice', ({ reason }) => [reason('a'), reason('a')], /reason "a": is declared already/],
  [
    'a 65th',
    ({ reason }) => Array.from({ length: 65 }, (_, index) => reason(`r${index}`)),
    /reason "r64": a hook has at most 64 reasons/,
  ],
];

describe('a reason that a hook declares', () => {
  for (const [what, declare, reason] of refusals)
    test(`is refused in setup by the name of the hook: ${what}`, async () => {
      const hook = defineHook({
        name: 'hook',
        setup(_options, runtime) {
          declare(runtime);
          return { onPacket: () => FORWARD };
        },
      });
      await assert.rejects(openLab(hook), reason);
    });

  test('is refused beyond 512 of all hooks together', async () => {
    const texts = Array.from({ length: 60 }, (_, index) => `r${index}`);
    const hooks = Array.from({ length: 9 }, (_, index) => judging(texts, () => FORWARD, `hook-${index}`));
    await assert.rejects(openLab(hooks), /all hooks together have at most 512 reasons/);
  });

  test('is a fault of the hook after setup', async () => {
    const hook = defineHook({
      name: 'late',
      setup: (_options, runtime) => ({ onPacket: () => runtime.reason('late').drop }),
    });
    lab = await openLab(hook);
    await lab.send(PACKET);
    lab.expectFaults(/reason "late": reasons are declared in setup/);
    assert.deepEqual(lab.reasons('late'), {});
  });
});

describe('a verdict with a reason', () => {
  const MEMBERS = ['forward', 'drop', 'reject', 'accept', 'reset', 'reply'] as const;
  const PLAIN = [FORWARD, DROP, ICMP_ON_DROP, ACCEPT, RESET, REPLY] as const;
  const syn = ipv4({ protocol: 6 }, tcp({ sourcePort: 4000, destinationPort: 23, flags: 2 }));

  for (const [index, member] of MEMBERS.entries())
    test(`does what it does without: ${member}`, async () => {
      const plain = await openLab(judging([], () => PLAIN[index] as Verdict));
      const expected = await plain.send(syn);
      const counters = plain.counters('hook');
      await plain.close();
      lab = await openLab(judging(['other', 'telnet'], ([, telnet]) => (telnet as Reason)[member]));
      const outcome = await lab.send(syn);
      assert.deepEqual({ ...outcome, because: null }, { ...expected, because: null });
      assert.deepEqual(lab.counters('hook'), counters);
      assert.deepEqual(lab.reasons('hook'), { other: 0, telnet: 1 });
      assert.equal(outcome.because, member === 'forward' ? null : 'telnet');
      assert.equal(expected.because, null);
    });

  test('is made of one that follows from an option, and of none else', async () => {
    lab = await openLab(judging(['a'], ([a]) => (a as Reason).with(DROP)));
    assert.equal((await lab.send(PACKET)).because, 'a');
    const reason = new HookReasons().declare(0, 'a');
    for (const value of [HELD, 7, -1, 0.5, '1', null, undefined, reason.drop])
      assert.throws(() => reason.with(value as never), /a reason goes with FORWARD, DROP/);
    for (const [index, member] of MEMBERS.entries())
      assert.equal(reason.with(PLAIN[index] as (typeof PLAIN)[number]), reason[member]);
  });

  test('is that of the hook which decided, and of the packet at hand', async () => {
    let verdict = 0;
    const first = judging(['first'], ([first]) => (verdict === 0 ? (first as Reason).forward : FORWARD), 'first');
    const second = judging(
      ['x', 'y'],
      ([x, y]) => [DROP, (x as Reason).drop, (y as Reason).reject, FORWARD][verdict] as Verdict,
      'second',
    );
    lab = await openLab([{ hook: first, priority: 9 }, { hook: second }]);
    const told: (string | null)[] = [];
    for (const next of [1, 0, 2, 0, 3, 0, 1]) {
      verdict = next;
      told.push((await lab.send(PACKET)).because);
    }
    assert.deepEqual(told, ['x', null, 'y', null, null, null, 'x']);
    assert.deepEqual([lab.reasons('first'), lab.reasons('second')], [{ first: 3 }, { x: 2, y: 1 }]);
  });

  test('of another hook, and what looks like one, is no verdict', async () => {
    const values: unknown[] = [];
    const lender = defineHook({
      name: 'lender',
      setup(_options, { reason }) {
        const own = reason('own');
        values.push(own.drop, own.drop + 0.5, (own.drop as number) + 13, 1e9, 2 ** 40, Number.NaN, -17, '33', {
          valueOf: () => assert.fail('no code of a value is run'),
        });
        return { onPacket: () => FORWARD };
      },
    });
    let at = 0;
    const taker = judging(['mine'], () => values[at++] as Verdict, 'taker');
    lab = await openLab([{ hook: lender, priority: 5 }, { hook: taker }]);
    for (const _ of values) assert.equal((await lab.send(PACKET)).reason, 'droppedByFault');
    lab.expectFaults(...values.map(() => /which is no verdict/));
    assert.deepEqual([lab.reasons('lender'), lab.reasons('taker')], [{ own: 0 }, { mine: 0 }]);
  });

  test('says why a packet that starts a flow was judged, and goes on to onPacket with FORWARD', async () => {
    let packets = 0;
    lab = await openLab(
      defineHook({
        name: 'both',
        flows: true,
        setup(_options, { reason }) {
          const fresh = reason('fresh');
          const odd = reason('odd port');
          return {
            onFlow: ({ destinationPort }) => (destinationPort % 2 === 1 ? odd.drop : fresh.forward),
            onPacket: () => {
              packets += 1;
              return FORWARD;
            },
          };
        },
      }),
    );
    for (const destinationPort of [53, 54, 54, 55]) await lab.send(ipv4({}, udp({ destinationPort }, 'data')));
    assert.deepEqual(lab.reasons('both'), { fresh: 1, 'odd port': 2 });
    assert.equal(packets, 2);
  });

  test('is taken from what a hook says of a stream', async () => {
    lab = await openLab(
      defineHook({
        name: 'reader',
        stream: { ports: [80], most: 100 },
        setup(_options, { reason }) {
          const [good, bad] = [reason('good'), reason('bad')];
          return { onStream: (stream) => (stream.u8(0) === 0x62 ? bad.reset : good.accept) };
        },
      }),
    );
    for (const [data, because, clientPort] of [
      ['bad', 'bad', 4000],
      ['good', null, 4001],
    ] as const) {
      const talk = connection(lab, { clientPort, serverPort: 80 });
      await talk.open();
      assert.equal((await talk.fromClient(data)).because, because);
    }
    assert.deepEqual(lab.reasons('reader'), { good: 1, bad: 1 });
  });

  test('is counted for a packet that waited', async () => {
    lab = await openLab(
      defineHook({
        name: 'holds',
        hold: { packets: 1, mib: 1, timeoutMs: 100 },
        setup(_options, { reason, after, release }) {
          const [late, full] = [reason('late'), reason('no room')];
          return {
            onPacket(packet) {
              const verdict = packet.hold(full.drop);
              const { token } = packet;
              if (verdict === HELD) after(10, () => void release(token, late.drop));
              return verdict;
            },
          };
        },
      }),
    );
    assert.equal((await lab.send(PACKET)).verdict, 'held');
    assert.equal((await lab.send(PACKET)).because, 'no room');
    await lab.tick(20);
    assert.deepEqual(lab.reasons('holds'), { late: 1, 'no room': 1 });
    assert.equal(lab.ledger().droppedByHook, 2);
  });

  test('stays with a decision that took time, and is not remembered', async () => {
    lab = await openLab(
      defineHook({
        name: 'asks',
        hold: { packets: 4, mib: 1, timeoutMs: 100 },
        tables: { known: { most: 10, ttlMs: 1000 } },
        setup(_options, { reason, decisions }) {
          const bad = reason('bad');
          const decided = decisions('known', () => Promise.resolve(bad.drop));
          return { onPacket: (packet) => decided.of(packet, packet.source) };
        },
      }),
    );
    for (let packet = 0; packet < 2; packet++) await lab.send(PACKET);
    await lab.tick(1);
    assert.equal((await lab.send(PACKET)).because, null);
    assert.equal(lab.ledger().droppedByHook, 3);
    assert.ok((lab.reasons('asks')['bad'] ?? 0) >= 1);
  });

  test('allocates nothing', async () => {
    lab = await openLab(
      judging(['a', 'b'], ([a, b], { length }) => (length > 40 ? (a as Reason) : (b as Reason)).drop),
    );
    assertNoAllocation(lab, [PACKET, ipv4({}, udp({}, 'x'.repeat(40)))]);
  });
});

describe('reasons', () => {
  test('take a value apart as a model does, whatever it is', () => {
    const reasons = new HookReasons();
    const owners = [0, 1, 0, 2, 1, 0];
    for (const [place, owner] of owners.entries()) reasons.declare(owner, `r${place}`);
    const value = fc.oneof(fc.integer({ min: -20, max: 140 }), fc.double(), fc.string(), fc.constant(null));
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 3 }), value, (owner, given) => {
        const before = Array.from(reasons.counts.subarray(0, owners.length));
        const taken = reasons.take(owner, given);
        const place =
          typeof given === 'number' && Number.isInteger(given) && given > 6 ? Math.floor(given / 16) - 1 : -1;
        const isOwn = place >= 0 && owners[place] === owner && (given as number) % 16 <= 5;
        assert.equal(taken, isOwn ? (given as number) % 16 : given);
        const after = before.map((count, index) => (isOwn && index === place ? count + 1 : count));
        assert.deepEqual(Array.from(reasons.counts.subarray(0, owners.length)), after);
        assert.equal(reasons.lastOf(owner), isOwn && taken !== 0 ? place : NO_REASON);
        assert.equal(reasons.lastOf(owner + 1), NO_REASON);
        assert.equal(reasons.plain(owner, given), taken);
      }),
      { seed: 12, numRuns: 2000 },
    );
  });

  test('of lanes are added up in any order, and a hook has no more than it may have', () => {
    const reason = fc.record({
      hook: fc.integer({ min: 0, max: 2 }),
      text: fc.constantFrom('a', 'b', 'c'),
      count: fc.nat(1000),
    });
    const lane = fc.uniqueArray(reason, { selector: ({ hook, text }) => `${hook} ${text}` });
    const sumOf = (all: readonly ReasonCount[]): Record<string, number> =>
      Object.fromEntries(all.map(({ hook, text, count }) => [`${hook} ${text}`, count]));
    fc.assert(
      fc.property(lane, lane, (a, b) => assert.deepEqual(sumOf(addReasons(a, b)), sumOf(addReasons(b, a)))),
      { seed: 12 },
    );
    const many = Array.from({ length: 64 }, (_, index) => ({ hook: 0, text: `r${index}`, count: 2 ** 53 }));
    const sum = addReasons(many, [{ hook: 0, text: 'more', count: 1 }, { hook: 1, text: 'r0', count: 1 }, ...many]);
    assert.deepEqual([sum.length, sum[0]?.count, sum[64]?.hook], [65, 2 ** 53, 1]);
  });
});
