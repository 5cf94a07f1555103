/**
 * Eleven hooks that people write, in one chain, on real interfaces with the clients and servers of this kernel.
 *
 * ```
 *   inside: clients, servers of 2222, 8081, 8090 ── bridge, or the host that is inside ── outside: clients, servers of 53, 443, 8080 ...
 * ```
 * Rule: each hook has traffic that it stops and traffic that it lets pass; the client says what it was told, the server what it was asked, the daemon
 * what it counted, and all three have to fit. A server that was asked nothing is the proof of a "no". No upper bound of a time is asserted.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { HookReport, HooksReport } from '../../../src/control/reports.ts';
import type { EveEvent } from '../../../src/events/eve.ts';
import { type Daemon, startDaemon } from '../../support/daemon.ts';
import { assertAddsUp, PATIENCE_MS, readStats, readStatus, statsWhen } from '../../support/live.ts';
import { type Namespace, type RunningProcess, rootOnly, waitFor } from '../../support/netns.ts';
import { lanesOf } from '../afpacket/live-afpacket.ts';
import { DELAY_MS, elevenHooks, LISTED, PREFIXES, TRANSLATED } from './eleven-chain.ts';
import { type Ends, layOut } from './live-verdicts.ts';

const ENDS = fileURLToPath(new URL('eleven-ends.py', import.meta.url));
const FORGED = 300;
/** Datagrams that a client sends at once. */
const BURST = 50;
const ATTACKS = 3;
const LISTED_DATAGRAMS = 5;

/** The addresses of a family. */
interface Family {
  readonly own: string;
  readonly other: string;
  /** Outside: one that the policy refuses, and one that is on the block list. */
  readonly refused: string;
  readonly listed: string;
  /** Inside and outside, of one address. */
  readonly inside: string;
  readonly outside: string;
}

interface Eleven {
  readonly daemon: Daemon;
  readonly ends: Ends;
  readonly families: readonly Family[];
  /** What servers have been asked. */
  readonly asked: {
    readonly inside: RunningProcess;
    readonly outside: RunningProcess;
    readonly policy: RunningProcess;
  };
}

/** Adds the addresses that are needed beside those of the lab. */
async function addAddresses({ inside, outside, addresses }: Ends): Promise<readonly Family[]> {
  const families: Family[] = [];
  for (const [index, [own, other]] of addresses.entries()) {
    const [mapped, mappedTo] = TRANSLATED[index] ?? assert.fail();
    const listed = LISTED[index] ?? assert.fail();
    const refused = other.replace(/2$/, '9');
    const isLong = own.includes(':');
    const add = (ns: Namespace, address: string) =>
      ns.output('ip', ['addr', 'add', address, 'dev', 'eth0', ...(isLong ? ['nodad'] : [])]);
    await add(outside, `${refused}/${isLong ? 64 : 24}`);
    await add(outside, `${listed}/${isLong ? 128 : 32}`);
    await add(inside, `${mapped}/${isLong ? 128 : 32}`);
    // Addresses that are no neighbours: listed ones, translated ones, and those of forged SYNs, which a host answers by its routes.
    await inside.output('ip', ['route', 'add', 'default', 'via', other]);
    await outside.output('ip', ['route', 'add', mappedTo, 'via', own]);
    families.push({ own, other, refused, listed, inside: mapped, outside: mappedTo });
  }
  return families;
}

function lines(text: string): string[] {
  return text
    .trim()
    .split('\n')
    .filter((line) => line !== '');
}

/** What a client was told, step by step. */
async function use(ns: Namespace, ...args: string[]): Promise<string[]> {
  const { code, stdout, stderr } = await ns.run('python3', [ENDS, ...args], { timeoutMs: 2 * PATIENCE_MS });
  assert.equal(code, 0, stdout + stderr);
  return lines(stdout);
}

async function serve(ns: Namespace, ...args: string[]): Promise<RunningProcess> {
  const running = ns.spawn('python3', [ENDS, ...args]);
  await waitFor(() => running.stdout.includes('ready'), { what: `servers: ${args[0]}`, timeoutMs: PATIENCE_MS });
  return running;
}

async function start(t: TestContext, kind: 'bridge' | 'host', driver: string, lanes: number): Promise<Eleven> {
  const ends = await layOut(t, kind);
  const families = await addAddresses(ends);
  await ends.fw.run('ip', ['link', 'set', 'lo', 'up']);
  // A host asks by the very interface that the hooks are at; a bridge has no address there.
  const [[, other] = assert.fail()] = ends.addresses;
  const [policyNs, policyAddress] = kind === 'bridge' ? [ends.fw, '127.0.0.1'] : [ends.outside, other];
  const [inside, outside, policy] = await Promise.all([
    serve(ends.inside, 'inside', ...families.flatMap((family) => [family.own, family.inside])),
    serve(ends.outside, 'outside', ...families.flatMap((family) => [family.other, family.refused, family.listed])),
    serve(policyNs, 'policy', policyAddress),
  ]);
  const { config, files } = elevenHooks(kind, `${policyAddress}:9100`);
  const options = { files, timeoutMs: PATIENCE_MS };
  const daemon = await startDaemon(ends.fw, { ...config, attach: [ends.attach], driver, lanes }, options);
  if (driver === 'afpacket') await lanesOf(daemon, lanes);
  return { daemon, ends, families, asked: { inside, outside, policy } };
}

async function countsOf(daemon: Daemon): Promise<(hook: string) => HookReport> {
  const { hooks } = JSON.parse((await daemon.cli('hooks', '--json')).stdout) as HooksReport;
  return (name) => hooks.find((hook) => hook.name === name) ?? assert.fail(`no hook ${name}`);
}

/** Waits for what a hook has counted; the numbers of a lane come a little later than its packets. */
async function countedWhen(daemon: Daemon, hook: string, is: (row: HookReport) => boolean): Promise<void> {
  let last: HookReport | undefined;
  try {
    await waitFor(
      async () => {
        last = (await countsOf(daemon))(hook);
        return is(last);
      },
      { what: hook, timeoutMs: PATIENCE_MS },
    );
  } catch (error) {
    throw new Error(`${JSON.stringify(last)}\n${daemon.log}`, { cause: error });
  }
}

/** What is inside uses what is outside: ten of the hooks. */
async function goOut({ daemon, ends, asked }: Eleven, family: Family): Promise<void> {
  const { own, other, refused, listed, inside, outside } = family;
  const before = asked.outside.stdout.length;
  const questions = asked.policy.stdout.length;
  const told = await use(ends.inside, 'go-out', other, refused, listed, inside);
  assert.deepEqual(
    told.slice(0, -1),
    [
      'dns good.example: code 0, 1 answers',
      'dns ads.bad.example: code 3, 0 answers',
      'tls good.example: good',
      'tls bad.example: reset',
      'http with the header: 200',
      'http without it: reset',
      `out: ${own}`,
      `translated: ${outside}`,
      `burst: ${BURST}`,
      `allowed: ${own}`,
      'not allowed: refused',
      'not allowed again: refused',
      'listed: hello',
      'attack: an ATTACK',
    ],
    daemon.log,
  );
  assertDelays(told.at(-1) ?? '');

  const seen = lines(asked.outside.stdout.slice(before));
  const count = (line: string): number => seen.filter((one) => one === line).length;
  assert.equal(count(`udp ${other} 53`), 1, 'the server is asked for one of the two names');
  assert.deepEqual(
    new Set(seen.filter((line) => /^tls|^http/.test(line))),
    new Set(['tls good.example', `http ${other} /with`]),
  );
  assert.equal(count(`tcp ${other} 8081`), 2);
  assert.equal(count(`udp ${other} 9001`), BURST);
  assert.ok(!seen.some((line) => line.includes(refused) || line.includes(listed)), seen.join('\n'));
  // However many packets there are: a question for each address, of all lanes together.
  assert.deepEqual(lines(asked.policy.stdout.slice(questions)), [`asked ${other}`, `asked ${refused}`]);
}

/** Each packet of both directions was late. */
function assertDelays(line: string): void {
  const [, shortest] = /^delays: (\d+\.\d+)$/.exec(line) ?? assert.fail(line);
  // The clock of the packets and that of the client differ by less than half of the two delays.
  assert.ok(Number(shortest) > 1.5 * DELAY_MS, line);
}

/** What is outside uses what is inside: what it may, and what it may not. */
async function comeIn({ daemon, ends, asked }: Eleven, { own, other, inside, outside }: Family): Promise<void> {
  const before = asked.inside.stdout.length;
  const forged = (await countsOf(daemon))('syn-guard').replied + FORGED;
  assert.deepEqual(await use(ends.outside, 'forge', own, `${FORGED}`), ['sent']);
  await countedWhen(daemon, 'syn-guard', ({ replied }) => replied >= forged);
  assert.equal((await countsOf(daemon))('syn-guard').replied, forged);
  const told = await use(ends.outside, 'come-in', own, outside, other);
  assert.deepEqual(
    told,
    [
      'in: prohibited',
      `translated: ${other}`,
      'shut: silence',
      'in another order: knocked',
      'still shut: silence',
      'in order: knocked',
      `open: ${other}`,
      `guarded: ${other}`,
      `guarded again: ${other}`,
    ],
    daemon.log,
  );
  const wanted = [`tcp ${inside} 8081`, `tcp ${own} 2222`, `tcp ${own} 8090`, `tcp ${own} 8090`];
  const seen = (): string[] => lines(asked.inside.stdout.slice(before));
  await waitFor(() => seen().length >= wanted.length, { what: 'what servers say', timeoutMs: PATIENCE_MS });
  assert.deepEqual(seen(), wanted);
  // The client was asked, once or, with its SYN sent again meanwhile, more often.
  await countedWhen(daemon, 'syn-guard', ({ replied }) => replied > forged);
}

/** Every hook has stopped something, and none was at fault. */
async function assertCounts({ daemon, families }: Eleven): Promise<void> {
  const times = families.length;
  await countedWhen(daemon, 'block-list', ({ dropped }) => dropped >= LISTED_DATAGRAMS * times);
  const of = await countsOf(daemon);
  assert.equal(of('dns-filter').replied, times);
  for (const name of ['tls-name-filter', 'http-guard', 'ask-policy']) assert.ok(of(name).reset >= times, name);
  assert.ok(of('packet-filter').rejected >= times);
  assert.ok(of('packet-filter').accepted > 0);
  // Three knocks each in two orders, and the SYNs to a port that is shut.
  assert.ok(of('port-knock').dropped >= 8 * times);
  assert.ok((of('nat').changed ?? 1) > 0);
  assert.ok(of('ask-policy').held >= 2 * times);
  assert.ok(of('impair').held > 0 && of('impair').dropped > 0);
  assert.equal(of('impair').seen, of('impair').held + of('impair').dropped, 'nothing else is late');
  const { tables } = await readStatus(daemon);
  assert.deepEqual(
    tables.map(({ name, prefixes }) => [name, prefixes]),
    [['blocked', PREFIXES]],
  );
}

function eventsOf(daemon: Daemon): EveEvent[] {
  return lines(readFileSync(path.join(daemon.folder, 'events.json'), 'utf8')).map(
    (line) => JSON.parse(line) as EveEvent,
  );
}

/** What was counted is what was written, and both are what was sent. */
async function assertEvents({ daemon, families }: Eleven): Promise<void> {
  const counter = async (name: string): Promise<number> =>
    (await readStats(daemon)).metrics.find((metric) => metric.hook === 'event-log' && metric.name === name)?.value ??
    -1;
  const attacks = ATTACKS * families.length;
  // The echo of each comes back.
  await waitFor(async () => (await counter('alerts')) === 2 * attacks, { what: 'alerts', timeoutMs: PATIENCE_MS });
  assert.ok((await counter('flow_starts')) >= 14 * families.length);
  const { metrics } = (await countsOf(daemon))('event-log');
  assert.equal(metrics.find(({ name }) => name === 'alerts')?.value, 2 * attacks);
  for (const { own, other } of families) {
    const isAttack = ({ event_type: type, src_ip: source, dest_ip: to, dest_port: port }: EveEvent): boolean =>
      type === 'alert' && source === own && to === other && port === 5300;
    await waitFor(() => eventsOf(daemon).filter(isAttack).length === ATTACKS, {
      what: 'lines',
      timeoutMs: PATIENCE_MS,
    });
    const isEnd = ({ event_type: type, src_ip: source, dest_port: port }: EveEvent): boolean =>
      type === 'flow' && source === own && port === 8081;
    await waitFor(() => eventsOf(daemon).some(isEnd), { what: 'the end of a flow', timeoutMs: PATIENCE_MS });
  }
  assert.equal((await readStats(daemon)).events.lost, 0);
}

/** The test of one attach with one driver. */
export function testEleven(kind: 'bridge' | 'host', driver: 'afpacket' | 'pcap', lanes: number): void {
  test(`${kind}, ${driver}, ${lanes} lane(s): eleven hooks in one chain stop what they are to stop, and nothing else`, {
    skip: rootOnly('ping', 'python3', 'ip', 'openssl'),
  }, async (t) => {
    const eleven = await start(t, kind, driver, lanes);
    const { daemon, families } = eleven;
    for (const family of families) {
      await goOut(eleven, family);
      await comeIn(eleven, family);
    }
    await assertCounts(eleven);
    await assertEvents(eleven);
    await statsWhen(daemon, 'all that waited', ({ total }) => total.held === 0);
    const stats = await assertAddsUp(daemon);
    assert.equal(stats.total.hookFaults, 0, daemon.log);
    assert.equal(stats.total.lost, 0);
    assert.equal(stats.lanes.length, lanes);
    assert.ok(stats.lanes.every(({ packets }) => packets > 0));
    assert.equal(await daemon.stop(), 0);
  });
}
