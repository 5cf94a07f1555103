/**
 * The scenes of the demo: what a real client sees of each thing the firewall does.
 *
 * Rule: a scene is only true when it was observed at both ends: by the client or the server, and in the ledger.
 *
 * @module
 */

import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { StatsReport } from '../../control/reports.ts';
import type { ConnectAnswer } from './client.ts';
import { GREETING } from './greeting.ts';
import { SERVER, type Stage } from './stage.ts';

/** What was seen. */
export interface Observation {
  readonly isSeen: boolean;
  /** What, as it follows the colon. */
  readonly observed: string;
}

/** One thing the firewall does. */
export interface Scene {
  readonly name: string;
  observe(stage: Stage): Promise<Observation>;
}

const DATAGRAMS = 200;
const SECRET = 'the password is swordfish';
const REWRITTEN = 'the password is (taken out by firehook)';
/** Destination unreachable, communication administratively prohibited (RFC 1812, 5.2.7.1). */
const ICMP_UNREACHABLE = 3;
const CODE_PROHIBITED = 13;
/** What the ledger shows may come a moment after what the client sees. */
const SETTLE_TIMEOUT_MS = 10_000;
const LOOK_EVERY_MS = 50;

/** In the order they are shown. */
export const scenes: readonly Scene[] = [
  { name: 'HTTP passes', observe: observeHttp },
  { name: 'a blocked port is refused with an ICMP error', observe: observeRejection },
  { name: 'a rewritten payload arrives rewritten', observe: observeRewriting },
  { name: 'a rate limit bites', observe: observeRateLimit },
  { name: 'the ledger adds up', observe: observeLedger },
];

async function observeHttp(stage: Stage): Promise<Observation> {
  const { status, body, client } = await fetchPage(stage, '/');
  return { isSeen: status === 200 && body === GREETING, observed: `${client} got ${status}, "${body}"` };
}

async function observeRejection(stage: Stage): Promise<Observation> {
  const { error, icmp } = (await stage.askClient('connect', SERVER, '23')) as ConnectAnswer;
  const message = icmp.find(({ type, code }) => type === ICMP_UNREACHABLE && code === CODE_PROHIBITED);
  const { total } = await settle(stage, ({ total }) => total.rejected > 0 && total.icmpErrors > 0);
  const heard =
    message === undefined
      ? 'no such ICMP error'
      : `ICMP type ${message.type} code ${message.code} from ${message.from}`;
  return {
    isSeen: error === 'EHOSTUNREACH' && message !== undefined && total.rejected > 0 && total.icmpErrors > 0,
    observed: `connect to port 23 ended with ${error ?? 'a connection'}; ${heard}; ${total.rejected} rejected in the ledger`,
  };
}

async function observeRewriting(stage: Stage): Promise<Observation> {
  const { reply } = (await stage.askClient('echo', SERVER, '7', SECRET)) as { reply: string | null };
  const { total } = await settle(stage, ({ total }) => total.replaced > 0);
  return {
    isSeen: reply === REWRITTEN && total.replaced > 0,
    observed: `"${SECRET}" came back as ${reply === null ? 'nothing' : `"${reply}"`}`,
  };
}

async function observeRateLimit(stage: Stage): Promise<Observation> {
  await stage.askClient('burst', SERVER, '9', String(DATAGRAMS));
  const stats = await settle(stage, async (now) => (await received(stage)) + limited(now) === DATAGRAMS);
  const arrived = await received(stage);
  return {
    isSeen: arrived > 0 && arrived < DATAGRAMS && arrived + limited(stats) === DATAGRAMS,
    observed: `of ${DATAGRAMS} datagrams ${arrived} arrived and rate-limit dropped ${limited(stats)}`,
  };
}

async function observeLedger(stage: Stage): Promise<Observation> {
  const { addsUp, problems, total } = await settle(stage, (stats) => stats.addsUp && isCurrent(stats));
  return {
    isSeen: addsUp,
    observed: addsUp
      ? `${total.received} received = ${total.forwarded} forwarded + ${total.dropped} dropped + ${total.rejected} rejected + ${total.lost} lost`
      : problems.join('; '),
  };
}

/** Waits until the ledger is as it should be, or a while has passed; the ledger then. */
async function settle(
  stage: Stage,
  isSettled: (stats: StatsReport) => boolean | Promise<boolean>,
): Promise<StatsReport> {
  const deadlineMs = performance.now() + SETTLE_TIMEOUT_MS;
  for (;;) {
    const stats = await stage.stats();
    if ((await isSettled(stats)) || performance.now() > deadlineMs) return stats;
    await sleep(LOOK_EVERY_MS);
  }
}

/** The kernel's counters are read less often than the lane's: true when they have caught up. */
function isCurrent({ ways }: StatsReport): boolean {
  return ways.every(({ port, ledger }) => port !== null && port.offered >= ledger.received);
}

function limited({ droppedByHooks }: StatsReport): number {
  return droppedByHooks.find(({ hook }) => hook === 'rate-limit')?.dropped ?? 0;
}

async function received(stage: Stage): Promise<number> {
  return Number((await fetchPage(stage, '/received')).body);
}

interface Page {
  readonly status: number;
  readonly body: string;
  readonly client: string;
}

/** By curl where there is one, else by the demo's own client. */
async function fetchPage(stage: Stage, page: string): Promise<Page> {
  const url = `http://${SERVER}${page}`;
  if (spawnSync('curl', ['--version']).error !== undefined) {
    return { ...((await stage.askClient('get', url)) as Omit<Page, 'client'>), client: 'fetch' };
  }
  // No proxy of the machine's environment leads into the namespaces.
  const curl = ['curl', '--noproxy', '*', '-sS', '--max-time', '10', '-w', '\\n%{http_code}', url];
  const output = await stage.onClient(curl);
  const at = output.lastIndexOf('\n');
  return { status: Number(output.slice(at + 1)), body: output.slice(0, at), client: 'curl' };
}
