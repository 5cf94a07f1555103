/**
 * The budgets of ICMP errors: what a bucket gives, and, by simulation with a fixed seed, that floods starve nobody who asks
 * for less than its share.
 *
 * ```
 *   each case: so many packets a millisecond from sources as the case says ─> take ─> answers, by who asked
 * ```
 * Rule: the clock is the test's and so is chance; every number is the same in each run.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  AnswerBudgets,
  type AnswerRates,
  fixedWords,
  GRANTED,
  OVER_PREFIX,
  OVER_TOTAL,
  secretWords,
} from '../../../src/lane/answer-budget.ts';
import { ipv4, ipv6, udp } from '../../support/packet-builder.ts';

const RATES = { ratePerSecond: 1000, perPrefix: 50, perAddress: 10 };
const TOO_BIG = { ratePerSecond: 1000, perPrefix: 500, perAddress: 100 };
const SECONDS = 20;
/** Long enough for floods to have used up what they had at the start. */
const SETTLED_MS = 8000;
/** The others share a bucket with the flood: until the key changes. */
const ANSWERED = 0.95;

function budgets(rates: Partial<AnswerRates> = {}, ways = 1): AnswerBudgets {
  return new AnswerBudgets(ways, { ...RATES, ...rates, tooBig: TOO_BIG }, fixedWords);
}

/** An IPv4 datagram that seems to come from `source`; its address can be changed in place. */
function from4(source: string): Buffer {
  return ipv4({ source }, udp());
}

/** Answers that one source gets at one moment. */
function drain(budget: AnswerBudgets, datagram: Buffer, nowMs: number, isTooBig = false, way = 0): number {
  const version = (datagram[0] as number) >>> 4;
  let taken = 0;
  while (taken < 10_000 && budget.take(way, isTooBig, datagram, version, nowMs) === GRANTED) taken += 1;
  return taken;
}

describe('a bucket', () => {
  test('holds a second’s worth for an address, and fills with time, whatever the clock starts from', () => {
    const budget = budgets();
    const datagram = from4('192.0.2.1');
    assert.equal(drain(budget, datagram, 5_000_000), 10);
    assert.equal(drain(budget, datagram, 5_000_099), 0);
    assert.equal(drain(budget, datagram, 5_000_100), 1);
    assert.equal(drain(budget, datagram, 5_000_350), 2);
    assert.equal(drain(budget, datagram, 9_000_000), 10);
  });

  test('gives any whole rate its second’s worth', () => {
    const datagram = from4('192.0.2.1');
    for (let rate = 1; rate <= 1000; rate++) {
      const all = { ratePerSecond: rate * 2, perPrefix: rate * 2, perAddress: rate };
      assert.equal(drain(budgets(all), datagram, 0), rate, `${rate} a second`);
    }
    for (const none of ['ratePerSecond', 'perPrefix', 'perAddress']) {
      const budget = budgets({ [none]: 0 });
      assert.equal(drain(budget, datagram, 0) + drain(budget, datagram, 1e9), 0, none);
    }
    for (const one of ['ratePerSecond', 'perPrefix', 'perAddress']) {
      const budget = budgets({ [one]: 1 });
      assert.equal(drain(budget, datagram, 0), 1, one);
      assert.equal(drain(budget, datagram, 999), 0, one);
      assert.equal(drain(budget, datagram, 2000), 1, one);
    }
  });

  test('gives nothing for a clock that jumps back, and goes on from there', () => {
    const budget = budgets();
    const datagram = from4('192.0.2.1');
    drain(budget, datagram, 10_000);
    assert.equal(drain(budget, datagram, 0), 0);
    assert.equal(drain(budget, datagram, 200), 2);
  });

  test('says which budget it was', () => {
    const budget = budgets({ ratePerSecond: 20 });
    assert.equal(drain(budget, from4('192.0.2.1'), 0), 10);
    assert.equal(budget.take(0, false, from4('192.0.2.1'), 4, 0), OVER_PREFIX);
    drain(budget, from4('198.51.100.1'), 0);
    drain(budget, from4('203.0.113.1'), 0);
    assert.equal(budget.take(0, false, from4('203.0.114.1'), 4, 0), OVER_TOTAL);
  });

  test('belongs to an IPv4 /24 and an IPv6 /64 besides', () => {
    for (const [prefix, other] of [
      ['192.0.2.', '192.0.3.1'],
      ['2001:db8:1:2::', '2001:db8:1:3::1'],
    ] as const) {
      const budget = budgets();
      const datagram = (source: string) => (source.includes(':') ? ipv6({ source }, udp()) : from4(source));
      let sum = 0;
      for (let host = 1; host < 250; host++) sum += drain(budget, datagram(`${prefix}${host}`), 0);
      assert.equal(sum, RATES.perPrefix, prefix);
      assert.equal(drain(budget, datagram(other), 0), RATES.perAddress, other);
    }
  });

  test('of one way or kind has nothing to do with those of another', () => {
    const budget = budgets({}, 2);
    const datagram = from4('192.0.2.1');
    assert.equal(drain(budget, datagram, 0), 10);
    assert.equal(drain(budget, datagram, 0, true), 100);
    assert.equal(drain(budget, datagram, 0, false, 1), 10);
    assert.equal(drain(budget, datagram, 0, true, 1), 100);
  });

  test('is found by a key that nobody knows, and another one a minute later', () => {
    let drawn = 0;
    const budget = new AnswerBudgets(1, { ...RATES, tooBig: TOO_BIG }, (words) => {
      drawn += 1;
      fixedWords(words);
    });
    for (let seconds = 0; seconds <= 125; seconds++) budget.take(0, false, from4('192.0.2.1'), 4, seconds * 1000);
    assert.equal(drawn, 3);
    const [one, other] = [new Int32Array(64), new Int32Array(64)];
    secretWords(one);
    secretWords(other);
    assert.notDeepEqual(one, other);
  });
});

/** Random numbers below 2^32, the same each time (mulberry32). */
function chance(): () => number {
  let state = 0x5eed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

/** What a simulation is made of. */
interface Flood {
  /** Packets of the flood in a millisecond. */
  readonly perMs: number;
  /** Source of the next one, as a number. */
  readonly source: (random: () => number) => number;
}

/** What came of it, after {@link SETTLED_MS}. */
interface Outcome {
  /** Share of what honest senders asked that was answered. */
  readonly honest: number;
  /** Answers to the flood a second. */
  readonly floodPerSecond: number;
  /** Share of the flood that was answered. */
  readonly flood: number;
  /** Most that one address of the flood got in a second. */
  readonly most: number;
}

/** Honest senders: 200 hosts in as many networks, each of which asks once a second and a half. */
const HONEST = Array.from({ length: 200 }, (_, index) => ((10 << 24) | (index << 8) | 5) >>> 0);
const ASKS_EVERY_MS = 1500;

function simulate({ perMs, source }: Flood, isHonestTooBig = false): Outcome {
  const random = chance();
  const budget = budgets();
  const datagram = from4('0.0.0.1');
  const perSource = new Map<number, number>();
  let [asked, answered, flooded, granted, most] = [0, 0, 0, 0, 0];
  const take = (address: number, isTooBig: boolean, nowMs: number) => {
    datagram.writeUInt32BE(address, 12);
    return budget.take(0, isTooBig, datagram, 4, nowMs) === GRANTED;
  };
  const startMs = random() % 1000;
  for (let ms = 0; ms < SECONDS * 1000; ms++) {
    const nowMs = startMs + ms;
    const counts = ms >= SETTLED_MS;
    if (ms % 1000 === 0) {
      for (const count of perSource.values()) most = Math.max(most, count);
      perSource.clear();
    }
    // An honest sender comes somewhere among them, not always first.
    const place = random() % (perMs + 1);
    for (let n = 0; n <= perMs; n++) {
      if (n !== place) {
        const address = source(random);
        const isGranted = take(address, false, nowMs);
        if (isGranted) perSource.set(address, (perSource.get(address) ?? 0) + 1);
        if (counts) flooded += 1;
        if (counts && isGranted) granted += 1;
        continue;
      }
      for (const [index, address] of HONEST.entries()) {
        if ((ms + index * 7) % ASKS_EVERY_MS !== 0) continue;
        const isGranted = take(address, isHonestTooBig, nowMs);
        if (counts) asked += 1;
        if (counts && isGranted) answered += 1;
      }
    }
  }
  const seconds = SECONDS - SETTLED_MS / 1000;
  return { honest: answered / asked, floodPerSecond: granted / seconds, flood: granted / flooded, most };
}

describe('a flood', () => {
  /** Addresses that lie in as many networks. */
  const networks = (count: number) => (random: () => number) => ((172 << 24) | ((random() % count) << 8) | 9) >>> 0;

  for (const [title, flood, floodPerSecond] of [
    ['from one address', { perMs: 50, source: () => 0xac100001 }, 10],
    ['from all addresses of one network', { perMs: 50, source: (random) => (0xac100000 | (random() & 255)) >>> 0 }, 50],
    ['from 200 networks', { perMs: 50, source: networks(200) }, 870],
    ['from 1,000 networks', { perMs: 50, source: networks(1000) }, 880],
  ] as const satisfies readonly (readonly [string, Flood, number])[]) {
    test(`${title} takes no answer from others`, () => {
      const outcome = simulate(flood);
      assert.ok(outcome.honest >= ANSWERED, JSON.stringify(outcome));
      assert.ok(outcome.floodPerSecond <= floodPerSecond * 1.02, JSON.stringify(outcome));
      // What it had at the start, and what came in while it asked.
      assert.ok(outcome.most <= 2 * RATES.perAddress, JSON.stringify(outcome));
    });
  }

  test('from forged sources everywhere leaves a lottery in which all have the same chance', () => {
    const outcome = simulate({ perMs: 50, source: (random) => random() });
    assert.ok(outcome.floodPerSecond <= RATES.ratePerSecond * 1.02, JSON.stringify(outcome));
    assert.ok(outcome.honest >= outcome.flood * 0.8, JSON.stringify(outcome));
  });

  test('never takes from "packet too big"', () => {
    const outcome = simulate({ perMs: 50, source: (random) => random() }, true);
    assert.equal(outcome.honest, 1);
  });

  test('cannot get one victim more than its budget by forging others in between', () => {
    const random = chance();
    const budget = budgets();
    const datagram = from4('192.0.2.1');
    const victim = datagram.readUInt32BE(12);
    let answers = 0;
    for (let ms = 0; ms < 10_000; ms++) {
      for (let n = 0; n < 100; n++) {
        datagram.writeUInt32BE(n % 10 === 0 ? victim : random(), 12);
        if (budget.take(0, false, datagram, 4, ms) === GRANTED && n % 10 === 0) answers += 1;
      }
    }
    assert.ok(answers <= RATES.perAddress * 11, `${answers} answers in ten seconds`);
  });
});
