/**
 * A table of half a million prefixes is exchanged while datagrams flow through two lanes: none is lost, and the verdicts are the new ones.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import type { TableReport } from '../../../src/control/reports.ts';
import { type Daemon, startDaemon } from '../../support/daemon.ts';
import { assertAddsUp, PATIENCE_MS, readStatus } from '../../support/live.ts';
import { bridgeLab, type Namespace, rootOnly, waitFor } from '../../support/netns.ts';
import { type Flow, monotonicMs, startTraffic } from '../../support/traffic.ts';

const PREFIXES = 500_000;
const FLOWS = 6;
const INTERVAL_MS = 4;
/** What is looked at before and behind an exchange. */
const AROUND_MS = 25;
const BLOCKED = ['10.77.0.3', 'fd77::3'];

const HOOK = `
  import { DROP, defineHook, FORWARD } from 'firehook';
  export default defineHook({
    name: 'by-table',
    setup(_options, runtime) {
      const table = runtime.prefixes('blocked');
      return { onPacket: ({ destination }) => (table.lookup(destination) === 0 ? FORWARD : DROP) };
    },
  });`;

/** Half a million prefixes in which no address of the lab is, and some more. */
function listOf(first: number, ...more: readonly string[]): string {
  const lines: string[] = [...more];
  for (let index = 0; index < PREFIXES - more.length; index++) {
    const number = first + index * 7;
    lines.push(
      index % 4 === 3
        ? `2400:${(number >> 16).toString(16)}:${(number & 0xffff).toString(16)}::/48`
        : `${32 + (number >> 24)}.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`,
    );
  }
  return lines.join('\n');
}

/** Puts another list in the place of the former one at once. */
function replaceList(daemon: Daemon, text: string): void {
  const file = path.join(daemon.folder, 'blocked.txt');
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

function tableWhen(daemon: Daemon, what: string, isAsWanted: (table: TableReport) => boolean): Promise<TableReport> {
  return waitFor(
    async () => {
      const table = (await readStatus(daemon)).tables[0];
      return table !== undefined && isAsWanted(table) && table;
    },
    { what, timeoutMs: PATIENCE_MS },
  );
}

async function flowsThrough(client: Namespace, server: Namespace) {
  for (const address of BLOCKED)
    await server.output('ip', [
      'addr',
      'add',
      `${address}/${address.includes(':') ? 64 : 24}`,
      'dev',
      'eth0',
      ...(address.includes(':') ? ['nodad'] : []),
    ]);
  const flow = (name: string, port: number, addresses: readonly string[]) => ({
    name,
    port,
    addresses,
    from: client,
    to: server,
  });
  const traffic = await startTraffic(
    Array.from({ length: FLOWS }, (_, index) => [
      flow(`good ${index}`, 7_000 + index, ['10.77.0.2', 'fd77::2']),
      flow(`blocked ${index}`, 8_000 + index, BLOCKED),
    ]).flat(),
    { intervalMs: INTERVAL_MS },
  );
  const named = (name: string): Flow[] => traffic.flows.filter(({ spec }) => spec.name.startsWith(name));
  return { traffic, good: named('good'), blocked: named('blocked') };
}

/** Waits until what is sent from now on has had its time. */
async function someMore(flows: readonly Flow[]): Promise<void> {
  const sent = flows.map(({ sentAtMs }) => sentAtMs.length);
  await waitFor(() => flows.every(({ sentAtMs }, index) => sentAtMs.length > (sent[index] as number) + 100), {
    what: 'more datagrams',
    timeoutMs: PATIENCE_MS,
  });
}

/** Longest time between a datagram and its arrival, of those sent from one moment on and before another. */
function longestMs(flows: readonly Flow[], fromMs: number, untilMs: number): number {
  const times = flows.flatMap(({ sentAtMs, receivedAtMs }) =>
    sentAtMs.map((sent, number) => (sent < fromMs || sent >= untilMs ? 0 : (receivedAtMs[number] ?? sent) - sent)),
  );
  return Math.max(...times);
}

/** When verdicts changed: when the first datagram was sent that was blocked, and the first that was not any more, of each flow and address. */
function exchangesMs(flows: readonly Flow[]): number[] {
  return flows.flatMap((flow) =>
    [...BLOCKED.keys()].flatMap((address) => {
      const own = flow.sentAtMs.map((_, number) => number).filter((number) => number % BLOCKED.length === address);
      return own.flatMap((number, index) => {
        const isOther = index > 0 && flow.hasArrived(number) !== flow.hasArrived(own[index - 1] as number);
        return isOther && index < own.length - BLOCKED.length ? [flow.sentAtMs[number] as number] : [];
      });
    }),
  );
}

/**
 * Of the datagrams to one of the addresses, in order: some arrive, then none, then some. Both go to one lane by a hash of their own, and each lane
 * exchanges the table by itself.
 */
function assertOneGap(flow: Flow, numbers: readonly number[]): void {
  const arrived = numbers.map((number) => flow.hasArrived(number));
  const first = arrived.indexOf(false);
  const last = arrived.lastIndexOf(false);
  const where = `${flow.spec.name}: of ${arrived.length} those from ${first} to ${last} were blocked`;
  assert.ok(first > 20 && last - first > 20 && last < arrived.length - 20, where);
  assert.equal(arrived.slice(first, last).indexOf(true), -1, `${where}, but not all`);
}

test('a table of 500,000 prefixes is exchanged between two packets, in both lanes, and nothing is lost', {
  skip: rootOnly(),
}, async (t: TestContext) => {
  const { ns } = await bridgeLab(t);
  const daemon = await startDaemon(
    ns.fw,
    {
      attach: [{ bridge: ['lan0', 'wan0'] }],
      driver: 'afpacket',
      lanes: 2,
      hooks: [{ module: './hook.ts' }],
      tables: { blocked: { file: 'blocked.txt', every: 1 }, other: { file: 'other.txt', values: { DE: 1 } } },
    },
    { files: { 'hook.ts': HOOK, 'blocked.txt': listOf(0), 'other.txt': '192.0.2.0/24 FR\n' }, timeoutMs: PATIENCE_MS },
  );
  const { tables, lane: started } = await readStatus(daemon);
  assert.deepEqual(
    tables.map(({ name, version, prefixes, lastError }) => [name, version, prefixes, lastError]),
    [
      ['blocked', 1, PREFIXES, null],
      ['other', 1, 1, null],
    ],
  );
  assert.match(daemon.log, /Table other: no line of .*other\.txt has DE\./);
  assert.equal(started.pids.length, 2);

  const { traffic, good, blocked } = await flowsThrough(ns.client, ns.server);
  await someMore(blocked);
  const before = monotonicMs();
  replaceList(daemon, listOf(3, ...BLOCKED));
  await tableWhen(daemon, 'version 2', ({ version }) => version === 2);
  await someMore(blocked);

  // A list that is not understood changes nothing, and is told of once for each change.
  replaceList(daemon, '10.77.0.0/8\n');
  const stale = await tableWhen(daemon, 'the refusal', ({ lastError }) => lastError !== null);
  assert.equal(stale.version, 2);
  assert.match(stale.lastError?.text ?? '', /blocked\.txt:1: "10\.77\.0\.0\/8" has bits set after the prefix length$/);
  await someMore(blocked);
  assert.equal(daemon.log.split('has bits set after the prefix length').length, 2, daemon.log);
  assert.match(daemon.log, /"level":"warn".*Table blocked: .*Version 2 stays in force/);
  assert.deepEqual((await readStatus(daemon)).health.problems, ['lists of tables were not taken: blocked']);

  replaceList(daemon, listOf(5));
  const last = await tableWhen(daemon, 'version 3', ({ version }) => version === 3);
  assert.deepEqual([last.prefixes, last.lastError], [PREFIXES, null]);
  await someMore(blocked);
  const all = [...good, ...blocked];
  const judged = new Map(all.map((flow) => [flow, flow.sentAtMs.map((_, number) => number)]));
  // What was sent by now has arrived when that is over.
  await someMore(all);
  await traffic.stop();

  for (const flow of good) {
    const lost = judged.get(flow)?.filter((number) => !flow.hasArrived(number));
    assert.deepEqual(lost, [], flow.spec.name);
    assert.equal(flow.duplicates.length, 0);
  }
  for (const flow of blocked) {
    for (const address of BLOCKED.keys())
      assertOneGap(flow, judged.get(flow)?.filter((number) => number % BLOCKED.length === address) ?? []);
  }
  const around = exchangesMs(blocked).map((ms) => longestMs(good, ms - AROUND_MS, ms + AROUND_MS));
  const [quiet, busy] = [longestMs(good, 0, before), longestMs(good, before, Number.POSITIVE_INFINITY)];
  t.diagnostic(
    `longest way of a datagram: ${quiet.toFixed(1)} ms before, ${busy.toFixed(1)} ms with three lists being read, ` +
      `${Math.max(...around).toFixed(1)} ms within ${AROUND_MS} ms of an exchange`,
  );
  const { total, kernelDropped, lanes } = await assertAddsUp(daemon);
  assert.deepEqual([total.lost, kernelDropped], [0, 0]);
  assert.ok(lanes.every(({ packets }) => packets > 1_000));
  assert.ok(total.droppedByHook > 0);
  // The very lanes that were there.
  const { lane } = await readStatus(daemon);
  assert.deepEqual([lane.pids, lane.restarts], [started.pids, 0]);
  assert.equal(await daemon.stop(), 0);
});
