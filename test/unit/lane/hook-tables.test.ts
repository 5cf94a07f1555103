/**
 * The tables of hooks from the definition to the memory of all lanes: what is declared, what is refused, whose entries are whose.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { closeSync, readlinkSync } from 'node:fs';
import { describe, test } from 'node:test';
import { DROP, defineHook, FORWARD, type HookDefinition, type Table } from '../../../src/index.ts';
import { HookTables } from '../../../src/lane/hook-tables.ts';
import type { TableDemand } from '../../../src/lane/messages.ts';
import { loadNative } from '../../../src/native/load-native.ts';
import { SharedTableMemory } from '../../../src/supervisor/shared-tables.ts';
import { ipv4, ipv6, openLab, udp } from '../../../src/testing/index.ts';
import { words } from '../table/table-rig.ts';

const CLOCK = { now: () => 1_767_225_600_000_000_000n, schedule: () => ({ cancel: () => undefined }) };
const A = words(0xc000_0201);
const RULE = { most: 100, ttlMs: 1_000 };
const sent = ipv4({ source: '192.0.2.1' }, udp());

/** As an address of a packet would be handed in. */
function get(table: Table, address: ReturnType<typeof words>): number {
  return table.get(address as never);
}

function lane(shared: SharedTableMemory | null, memory?: ArrayBuffer): HookTables {
  const given = shared === null || memory === undefined ? null : { tables: shared.tables, memory };
  return new HookTables({ shared: given, isCheck: false, clock: CLOCK });
}

async function refusal(tables: unknown): Promise<string> {
  const definition = { name: 'wrong', tables, setup: () => ({ onPacket: () => FORWARD }) };
  try {
    await (await openLab(defineHook(definition as HookDefinition))).close();
  } catch (error) {
    return (error as Error).message;
  }
  return assert.fail('it was taken');
}

describe('tables of hooks', () => {
  test('are one table in all lanes, and another for each hook and name', () => {
    const rules = { first: RULE, second: { ...RULE, keyOctets: 40 }, own: { ...RULE, scope: 'lane' as const } };
    const check = lane(null);
    check.declare('one', rules);
    check.declare('two', rules);
    assert.deepEqual(
      check.demands.map(({ hook, name }) => `${hook} ${name}`),
      ['one first', 'one second', 'two first', 'two second'],
    );
    const shared = SharedTableMemory.make(check.demands) ?? assert.fail();
    assert.match(readlinkSync(`/proc/self/fd/${shared.fd}`), /firehook-shared/);
    const map = (): ArrayBuffer => loadNative().mapMemory(shared.fd, shared.tables.octets);
    const [left, right] = [lane(shared, map()), lane(shared, map())];
    for (const tables of [left, right]) {
      tables.declare('one', rules);
      tables.declare('two', rules);
    }
    left.find('one', 'first').set(A as never, 1);
    left.find('one', 'second').set(A as never, 2);
    left.find('two', 'second').set(A as never, 3);
    left.find('one', 'own').set(A as never, 4);
    const found = (tables: HookTables) =>
      ['one', 'two'].flatMap((hook) => Object.keys(rules).map((name) => get(tables.find(hook, name), A)));
    assert.deepEqual(found(left), [1, 2, 4, 0, 3, 0]);
    assert.deepEqual(found(right), [1, 2, 0, 0, 3, 0]);
    // A lane that takes the place of another.
    const later = lane(shared, map());
    later.declare('one', rules);
    assert.equal(get(later.find('one', 'first'), A), 1);
    shared.close();
  });

  test('are refused in a lane that asks for others than the check did', () => {
    const shared = SharedTableMemory.make([{ hook: 'one', name: 'first', most: 100, keyOctets: 16 }]) ?? assert.fail();
    const memory = loadNative().mapMemory(shared.fd, shared.tables.octets);
    closeSync(shared.fd);
    for (const [hook, rules] of [
      ['two', { first: RULE }],
      ['one', { other: RULE }],
      ['one', { first: { ...RULE, most: 101 } }],
      ['one', { first: { ...RULE, keyOctets: 20 } }],
    ] as const)
      assert.throws(() => lane(shared, memory).declare(hook, rules), /is not what it was when the hook was tried/);
  });

  test('are bounded together, by the lane and by the supervisor, which believes no lane', () => {
    const most = 2_097_152;
    const tables = lane(null);
    tables.declare('one', { first: { ...RULE, most } });
    assert.throws(
      () => tables.declare('two', { first: { ...RULE, most } }),
      /hook two: the tables of all hooks take 288 MiB, and may take 256 MiB/,
    );
    const demand: TableDemand = { hook: 'one', name: 'first', most, keyOctets: 16 };
    assert.throws(() => SharedTableMemory.make([demand, demand]), /the tables of all hooks take 288 MiB/);
    assert.equal(SharedTableMemory.make([]), null);
  });

  test('are small in a check', async () => {
    const big = defineHook({
      name: 'big',
      tables: { all: { most: 2_000_000, ttlMs: 1 } },
      setup(_options, { table }) {
        table('all');
        return { onPacket: () => FORWARD };
      },
    });
    const before = process.memoryUsage().arrayBuffers;
    const lab = await openLab(big, { mode: 'check' });
    assert.ok(process.memoryUsage().arrayBuffers - before < 64 * 1024 * 1024);
    await lab.close();
  });

  test('take their size from the options', async () => {
    const hook = defineHook<{ sources: number }>({
      name: 'counts',
      tables: ({ sources }) => ({ seen: { most: sources, ttlMs: 60_000 } }),
      setup(_options, runtime) {
        const seen = runtime.table('seen');
        return {
          onPacket({ source }) {
            seen.set(source, seen.get(source) + 1);
            return seen.get(source) > 2 ? DROP : FORWARD;
          },
        };
      },
    });
    const lab = await openLab(hook, { options: { sources: 1 } });
    const verdicts = [];
    for (const datagram of [sent, sent, sent, ipv6({}, udp()), sent]) verdicts.push((await lab.send(datagram)).verdict);
    assert.deepEqual(verdicts, ['forwarded', 'forwarded', 'dropped', 'forwarded', 'forwarded']);
    await lab.close();
  });

  test('go by the time of the packets, and in a timer by its own', async () => {
    let table: Table | null = null;
    const hook = defineHook({
      name: 'late',
      tables: { seen: { most: 10, ttlMs: 1_000 } },
      setup(_options, runtime) {
        const seen = runtime.table('seen');
        table = seen;
        runtime.after(10_000, () => seen.set(seen.key(1), 1));
        return { onPacket: ({ source }) => (seen.get(source) + seen.get(seen.key(1)) > 0 ? DROP : FORWARD) };
      },
    });
    const lab = await openLab(hook);
    assert.equal((await lab.send(sent)).verdict, 'forwarded');
    // Nothing came meanwhile: the time of the last packet would make it one that is over.
    await lab.tick(10_500);
    assert.equal((await lab.send(sent)).verdict, 'dropped');
    await lab.tick(600);
    assert.equal((await lab.send(sent)).verdict, 'forwarded');
    assert.ok(table !== null);
    await lab.close();
  });

  test('are told by the name that is nearest, where there is none of a name', async () => {
    const hook = (name: string) =>
      defineHook({
        name: 'asks',
        tables: { known: RULE },
        setup(_options, { table }) {
          table(name);
          return { onPacket: () => FORWARD };
        },
      });
    await assert.rejects(openLab(hook('knowm')), /table "knowm" is not declared; did you mean known\?/);
    await assert.rejects(openLab(hook('x')), /table "x" is not declared; say tables: \{ ... \} in the definition/);
  });

  for (const [tables, message] of [
    ['known', 'tables: is no object with a table for each name, { most, ttlMs }'],
    [{ 'a b': RULE }, 'tables: "a b" is no name; expected a letter, then letters, digits and dashes, 64 at most'],
    [{ a: 1 }, 'tables.a: is no object; expected { most, ttlMs }'],
    [{ a: { most: 1 } }, 'tables.a.ttlMs: is missing; expected milliseconds from 1 to 31536000000'],
    [{ a: { ...RULE, most: 2_097_153 } }, 'tables.a.most: 2097153 is not valid; expected an integer from 1 to 2097152'],
    [{ a: { ...RULE, most: 1.5 } }, 'tables.a.most: 1.5 is not valid; expected an integer from 1 to 2097152'],
    [{ a: { ...RULE, scope: 'all' } }, 'tables.a.scope: "all" is not valid; expected lane or daemon'],
    [{ a: { ...RULE, keyOctets: 18 } }, 'tables.a.keyOctets: 18 is not valid; expected a multiple of 4 up to 40'],
    [{ a: { ...RULE, size: 1 } }, 'tables.a.size: unknown key; expected most, ttlMs, scope, keyOctets'],
    [
      Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`t${index}`, RULE])),
      'tables: are 17; a hook has 16 at most',
    ],
  ] as const)
    test(`are refused with one exact line: ${message}`, async () => {
      assert.ok((await refusal(tables)).endsWith(message));
      assert.ok((await refusal(() => tables)).endsWith(message));
    });

  test('are refused where the function that makes them throws or promises', async () => {
    assert.match(
      await refusal(() => {
        throw new Error('no idea');
      }),
      /tables threw: no idea/,
    );
    assert.match(await refusal(async () => ({ a: RULE })), /tables: is no object/);
  });
});
