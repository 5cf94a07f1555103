/**
 * Verdicts that take time: one question an address, its packets wait, and the answer is remembered.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import {
  ACCEPT,
  type Decisions,
  type DefinedHook,
  DROP,
  defineHook,
  type FinalVerdict,
  FORWARD,
  HELD,
  ICMP_ON_DROP,
  REPLY,
  RESET,
} from '../../../src/index.ts';
import {
  assertDropped,
  assertForwarded,
  assertHeld,
  type Departure,
  ipv4,
  ipv6,
  type Lab,
  openLab,
  readPacket,
  udp,
} from '../../../src/testing/index.ts';

/** A question that the test answers. */
interface Question {
  readonly address: string;
  readonly signal: AbortSignal;
  readonly answer: (verdict: FinalVerdict) => void;
  readonly fail: (error: Error) => void;
}

interface Desk {
  readonly lab: Lab;
  readonly questions: Question[];
}

async function layOut(t: TestContext, hold: object = {}): Promise<Desk> {
  const questions: Question[] = [];
  const hook = defineHook({
    name: 'asks',
    tables: { decided: { most: 100, ttlMs: 60_000 } },
    hold: { packets: 4, mib: 1, timeoutMs: 500, ...hold },
    setup(_options, runtime) {
      const decided: Decisions = runtime.decisions('decided', (address, signal) => {
        return new Promise<FinalVerdict>((answer, fail) => questions.push({ address, signal, answer, fail }));
      });
      return { onPacket: (packet) => decided.of(packet, packet.source) };
    },
  }) as DefinedHook;
  const lab = await openLab(hook);
  t.after(() => lab.close());
  return { lab, questions };
}

const from = (source: string, text = 'data') => ipv4({ source }, udp({}, text));
const textOf = ({ datagram }: Departure) => (datagram === null ? null : readPacket(datagram)?.text);

describe('a decision', () => {
  test('is asked for once, and given to every packet that waits and that comes', async (t) => {
    const { lab, questions } = await layOut(t);
    assertHeld(await lab.send(from('192.0.2.1', 'one')), 'asks');
    assertHeld(await lab.send(from('192.0.2.1', 'two')));
    assertHeld(await lab.send(from('192.0.2.2', 'other')));
    assert.deepEqual(
      questions.map(({ address }) => address),
      ['192.0.2.1', '192.0.2.2'],
    );
    questions[0]?.answer(FORWARD);
    assert.deepEqual((await lab.tick(1)).departures.map(textOf), ['one', 'two']);
    questions[1]?.answer(DROP);
    assert.deepEqual((await lab.tick(1)).departures, []);
    for (let i = 0; i < 3; i++) {
      assertForwarded(await lab.send(from('192.0.2.1')));
      assertDropped(await lab.send(from('192.0.2.2')), 'asks');
    }
    assert.equal(questions.length, 2);
    await lab.tick(60_001);
    assertHeld(await lab.send(from('192.0.2.1')));
    assert.equal(questions.length, 3, 'forgotten after its time');
  });

  test('may be any verdict but HELD', async (t) => {
    const { lab, questions } = await layOut(t);
    const fates = [
      [FORWARD, 'forwarded'],
      [DROP, 'dropped'],
      [ICMP_ON_DROP, 'rejected'],
      [ACCEPT, 'forwarded'],
      [RESET, 'rejected'],
      [REPLY, 'replied'],
    ] as const;
    for (const [index, [verdict, fate]] of fates.entries()) {
      const source = `192.0.2.${index + 1}`;
      assertHeld(await lab.send(from(source)));
      questions.at(-1)?.answer(verdict);
      await lab.tick(1);
      assert.equal((await lab.send(from(source))).verdict, fate);
    }
    assert.equal(questions.length, fates.length);
  });

  test('about an IPv6 address', async (t) => {
    const { lab, questions } = await layOut(t);
    const datagram = ipv6({ source: '2001:db8::1:2' }, udp());
    assertHeld(await lab.send(datagram));
    assert.equal(questions[0]?.address, '2001:db8::1:2');
    questions[0]?.answer(FORWARD);
    await lab.tick(1);
    assertForwarded(await lab.send(datagram));
    assertHeld(await lab.send(ipv6({ source: '2001:db8::1:3' }, udp())));
  });
});

describe('a question', () => {
  test('that fails is a fault, and is asked again', async (t) => {
    const { lab, questions } = await layOut(t, { onTimeout: ICMP_ON_DROP });
    assertHeld(await lab.send(from('192.0.2.1')));
    questions[0]?.fail(new Error('no route'));
    await lab.tick(1);
    assert.equal(lab.ledger().rejected, 1);
    lab.expectFaults(/could not decide: .*no route/);
    assert.equal(lab.counters('asks').faults, 1);
    assertHeld(await lab.send(from('192.0.2.1')));
    assert.equal(questions.length, 2);
  });

  test('that is answered with no verdict is a fault', async (t) => {
    const { lab, questions } = await layOut(t);
    for (const wrong of [HELD, 7, 'FORWARD', undefined]) {
      assertHeld(await lab.send(from('192.0.2.1')));
      questions.at(-1)?.answer(wrong as FinalVerdict);
      await lab.tick(1);
      lab.expectFaults(/the answer about 192\.0\.2\.1 is no verdict/);
    }
    assert.equal(lab.ledger().dropped, 4);
  });

  test('that throws at once is a fault', async (t) => {
    const hook = defineHook({
      name: 'asks',
      tables: { decided: { most: 100, ttlMs: 1000 } },
      hold: { packets: 4, mib: 1, timeoutMs: 500 },
      setup(_options, runtime) {
        const decided = runtime.decisions('decided', () => {
          throw new Error('no');
        });
        return { onPacket: (packet) => decided.of(packet, packet.source) };
      },
    }) as DefinedHook;
    const lab = await openLab(hook);
    t.after(() => lab.close());
    await lab.send(from('192.0.2.1'));
    await lab.tick(1);
    lab.expectFaults(/could not decide: .*no/);
    assert.equal(lab.ledger().dropped, 1);
  });

  test('that nobody answers is over when its packets can wait no longer; a late answer is remembered', async (t) => {
    const { lab, questions } = await layOut(t);
    assertHeld(await lab.send(from('192.0.2.1')));
    await lab.tick(499);
    assert.deepEqual([questions[0]?.signal.aborted, lab.ledger().held], [false, 1]);
    await lab.tick(2);
    assert.deepEqual([questions[0]?.signal.aborted, lab.ledger().dropped], [true, 1]);
    assertHeld(await lab.send(from('192.0.2.1')));
    assert.equal(questions.length, 2);
    questions[0]?.answer(FORWARD);
    await lab.tick(1);
    assertForwarded(await lab.send(from('192.0.2.1')));
    questions[1]?.fail(new Error('aborted'));
    await lab.tick(1);
    lab.expectFaults(/aborted/);
  });

  test('is not asked where there is no room for its packet', async (t) => {
    const { lab, questions } = await layOut(t, { packets: 2 });
    for (const last of [1, 2]) assertHeld(await lab.send(from(`192.0.2.${last}`)));
    assertDropped(await lab.send(from('192.0.2.3')), 'asks');
    assert.equal(questions.length, 2);
    assert.equal(lab.counters('asks').holdsRefused, 1);
  });

  test('ends with the lane', async (t) => {
    const { lab, questions } = await layOut(t);
    assertHeld(await lab.send(from('192.0.2.1')));
    await lab.close();
    assert.equal(questions[0]?.signal.aborted, true);
    assert.equal(lab.ledger().dropped, 1);
  });
});

test('a hook that may hold nothing, or has no such table, is refused', async () => {
  const definition = (more: object) =>
    defineHook({
      name: 'asks',
      ...more,
      setup(_options, runtime) {
        const decided = runtime.decisions('decided', () => FORWARD);
        return { onPacket: (packet) => decided.of(packet, packet.source) };
      },
    }) as DefinedHook;
  const tables = { decided: { most: 10, ttlMs: 1000 } };
  const hold = { packets: 4, mib: 1, timeoutMs: 500 };
  await assert.rejects(openLab(definition({ tables })), /say hold/);
  await assert.rejects(openLab(definition({ hold })), /table "decided" is not declared/);
});
