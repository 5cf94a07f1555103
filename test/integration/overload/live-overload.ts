/**
 * A lane that is given several times what it can carry, for five seconds, and what the books say of it.
 *
 * ```
 *   30,000 frames a second ──> a hook that is busy for 100 us with each: at most 10,000 ──> the ring is full, the kernel drops and counts
 * ```
 * Rule: nothing is asserted about time: a slower machine carries less, and the books close all the same.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { between, FloodedBridge, isClosed } from '../../bench/overload/flooded-bridge.ts';
import { compilePrograms } from '../../bench/programs.ts';
import { assertAddsUp, PATIENCE_MS } from '../../support/live.ts';
import { rootOnly, waitFor } from '../../support/netns.ts';

const RATE = 30_000;
const SECONDS = 5;
const BUSY_US = 100;
/** What it never goes beyond, whatever is sent. */
const MOST_GROWTH_MIB = 64;
/** Of what a lane carries easily. */
const FEW = 500;

/** Tests it with a driver. */
export function testOverload(driver: 'afpacket' | 'pcap'): void {
  test(`with ${driver}, three times what a lane carries is forwarded or dropped by a counter that says so, in bounded memory, and then traffic flows again`, {
    skip: rootOnly('ping', 'cc'),
  }, async (t) => {
    const programs = compilePrograms(['flood']);
    t.after(() => programs.remove());
    const bridge = await FloodedBridge.start({ driver, microseconds: BUSY_US, flood: programs.flood, owner: t });
    const { pids, restarts } = (await bridge.status()).lane;
    const before = await bridge.booksAtRest();
    const memory = bridge.memory(pids);

    const flood = bridge.startFlood(RATE, RATE * SECONDS);
    let received = before.received;
    while (flood.isRunning) {
      const { lease, attaches } = await bridge.status();
      // Where the machine is too busy for the lease, onDown has to have the traffic: nothing in between.
      assert.equal(attaches[0]?.inForce, lease === 'held' ? 'hooks' : 'drop');
      const books = await bridge.books();
      assert.deepEqual(books.problems, []);
      assertBounded(bridge, pids, memory);
      received = books.received;
      const goesOn = async (): Promise<boolean> =>
        !flood.isRunning || (await bridge.books()).received >= received + FEW;
      await waitFor(goesOn, { what: 'packets that are read in the flood', timeoutMs: PATIENCE_MS });
    }
    assert.equal((await flood.exited).code, 0, flood.stderr);
    assertBounded(bridge, pids, memory);

    const flooded = between(before, await bridge.booksAtRest());
    t.diagnostic(JSON.stringify(flooded));
    assert.ok(flooded.sent >= RATE * SECONDS);
    assert.ok(flooded.kernelDropped > 0, 'it was more than the lane carries');
    assert.ok(flooded.arrived > 0);
    assert.ok(isClosed(flooded), 'every frame is accounted for');

    await bridge.pingsAgain();
    const rested = await bridge.booksAtRest();
    await bridge.startFlood(FEW, FEW).exited;
    const after = between(rested, await bridge.booksAtRest());
    assert.ok(after.sent >= FEW);
    assert.deepEqual([after.arrived, after.kernelDropped], [after.sent, 0]);
    assert.ok(isClosed(after));
    const { lane } = await bridge.status();
    assert.deepEqual([lane.pids, lane.restarts], [pids, restarts]);
    await assertAddsUp(bridge.daemon);
  });
}

function assertBounded(
  bridge: FloodedBridge,
  lanes: readonly number[],
  before: ReturnType<FloodedBridge['memory']>,
): void {
  const now = bridge.memory(lanes);
  for (const part of ['supervisor', 'lanes'] as const) {
    const grown = now[part] - before[part];
    assert.ok(grown <= MOST_GROWTH_MIB, `${part}: ${grown.toFixed(1)} MiB more`);
  }
}
