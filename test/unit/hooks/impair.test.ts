/**
 * Promises of the stock hook `impair`, in the lab that hook authors have.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import impair from '../../../hooks/impair.ts';
import {
  assertDropped,
  assertForwarded,
  assertHeld,
  type From,
  ipv4,
  type Lab,
  openLab,
  readPacket,
  udp,
} from '../../../src/testing/index.ts';
import { refusal } from './drive-hook.ts';

/** A datagram of so many octets, with its number. */
function numbered(number: number, octets = 100): Buffer {
  return ipv4({}, udp({ sourcePort: number }, Buffer.alloc(octets - 28)));
}

async function withLab(options: object, run: (lab: Lab) => Promise<void>): Promise<void> {
  const lab = await openLab(impair, { options });
  try {
    await run(lab);
  } finally {
    await lab.close();
  }
}

/** Milliseconds after now at which each packet leaves, in steps of `step`, by its number. */
async function departuresOf(lab: Lab, ms: number, step = 1): Promise<[number, number][]> {
  const left: [number, number][] = [];
  for (let at = step; at <= ms; at += step) {
    const { departures } = await lab.tick(step);
    for (const { datagram } of departures) left.push([readPacket(datagram as Buffer)?.sourcePort ?? -1, at]);
  }
  return left;
}

describe('impair', () => {
  test('lets packets go on as they are where nothing is said', async () => {
    await withLab({}, async (lab) => {
      for (let i = 0; i < 10; i++) assertForwarded(await lab.send(numbered(i)));
    });
  });

  test('delays each by the same time', async () => {
    await withLab({ delayMs: 20 }, async (lab) => {
      assertHeld(await lab.send(numbered(1)), 'impair');
      await lab.tick(5);
      assertHeld(await lab.send(numbered(2), { from: 'b' }));
      assert.deepEqual(await departuresOf(lab, 30), [
        [1, 15],
        [2, 20],
      ]);
    });
  });

  test('sends at the rate: 100 octets at 8 kbit/s take 100 ms, one behind the other, each direction by itself', async () => {
    await withLab({ kbitPerSecond: 8 }, async (lab) => {
      for (const number of [1, 2, 3]) assertHeld(await lab.send(numbered(number)));
      assertHeld(await lab.send(numbered(4), { from: 'b' }));
      assert.deepEqual(await departuresOf(lab, 400, 10), [
        [1, 100],
        [4, 100],
        [2, 200],
        [3, 300],
      ]);
      // The link has been free since.
      assertHeld(await lab.send(numbered(5)));
      assert.deepEqual(await departuresOf(lab, 150, 10), [[5, 100]]);
    });
  });

  test('the delay comes on top of the rate', async () => {
    await withLab({ kbitPerSecond: 8, delayMs: 50 }, async (lab) => {
      for (const number of [1, 2]) await lab.send(numbered(number));
      assert.deepEqual(await departuresOf(lab, 300, 10), [
        [1, 150],
        [2, 250],
      ]);
    });
  });

  test('jitter keeps the order, unless it may not', async () => {
    for (const reorder of [false, true]) {
      await withLab({ delayMs: 20, jitterMs: 20, seed: 7, reorder }, async (lab) => {
        for (let number = 1; number <= 40; number++) await lab.send(numbered(number));
        const left = await departuresOf(lab, 60);
        assert.deepEqual([lab.ledger().forwarded, lab.ledger().held], [40, 0]);
        const numbers = left.map(([number]) => number);
        const isSorted = numbers.every((number, index) => index === 0 || (numbers[index - 1] as number) < number);
        assert.equal(isSorted, !reorder);
        assert.ok(left.every(([, at]) => at <= 41));
        const moments = new Set(left.map(([, at]) => at)).size;
        assert.ok(moments > (reorder ? 20 : 1), `at ${moments} different moments`);
      });
    }
  });

  test('loses as many as is said, and with one seed the same ones', async () => {
    const lost = async (seed: number): Promise<number[]> => {
      const numbers: number[] = [];
      await withLab({ lossPercent: 20, seed }, async (lab) => {
        for (let number = 0; number < 2000; number++)
          if ((await lab.send(numbered(number))).verdict === 'dropped') numbers.push(number);
      });
      return numbers;
    };
    const [first, again, other] = [await lost(42), await lost(42), await lost(43)];
    assert.deepEqual(first, again);
    assert.notDeepEqual(first, other);
    // Five standard deviations of 2,000 times 0.2.
    for (const { length } of [first, other]) assert.ok(Math.abs(length - 400) < 90, `${length} of 2000`);
    await withLab({ lossPercent: 100 }, async (lab) => assertDropped(await lab.send(numbered(1)), 'impair'));
  });

  test('drops what does not fit into the queue, which takes none of the time of the link', async () => {
    await withLab({ kbitPerSecond: 8, queue: 2 }, async (lab) => {
      for (const number of [1, 2]) assertHeld(await lab.send(numbered(number)));
      for (const number of [3, 4]) assertDropped(await lab.send(numbered(number)), 'impair');
      assert.deepEqual(await departuresOf(lab, 200, 10), [
        [1, 100],
        [2, 200],
      ]);
      assertHeld(await lab.send(numbered(5)));
      assert.deepEqual(await departuresOf(lab, 150, 10), [[5, 100]]);
      assert.equal(lab.counters('impair').holdsRefused, 2);
    });
  });

  test('one side alone', async () => {
    const sides: readonly (readonly ['in' | 'out', From, From])[] = [
      ['out', 'a', 'b'],
      ['in', 'b', 'a'],
    ];
    for (const [side, bad, good] of sides) {
      await withLab({ delayMs: 10, side }, async (lab) => {
        assertHeld(await lab.send(numbered(1), { from: bad }));
        assertForwarded(await lab.send(numbered(2), { from: good }));
        await lab.tick(10);
      });
    }
  });

  test('refuses options that make no sense, by name', async () => {
    assert.match(await refusal(impair, { delayMs: -1 }), /delayMs/);
    assert.match(await refusal(impair, { delayMs: 5, jitterMs: 6 }), /jitterMs/);
    assert.match(await refusal(impair, { lossPercent: 101 }), /lossPercent/);
    assert.match(await refusal(impair, { kbitPerSecond: 0 }), /kbitPerSecond/);
    assert.match(await refusal(impair, { queue: 0 }), /queue/);
    assert.match(await refusal(impair, { queueMib: 1.5 }), /queueMib/);
    assert.match(await refusal(impair, { side: 'left' }), /side/);
    assert.match(await refusal(impair, { seed: 0 }), /seed/);
    assert.match(await refusal(impair, { delay: 5 }), /delay: unknown option/);
  });
});
