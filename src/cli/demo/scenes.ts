/**
 * The scenes of the demo: what a real client sees without firehook, and of each thing that firehook does.
 *
 * Rule: a scene with firehook is only true when it was observed at both ends, by the client or the server and in the ledger. Each has its
 * counterpart without firehook, where the same server answers: what is refused or changed afterwards is the firewall's doing.
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

/** Without firehook, in the order they are shown. */
export const scenesBefore: readonly Scene[] = [
  { name: 'HTTP passes', observe: observeHttp },
  { name: 'telnet is answered', observe: observeTelnet },
  { name: 'an echo comes back as it was sent', observe: observeEcho },
  { name: 'every datagram of a burst arrives', observe: observeBurst },
];

/** With firehook between client and server, in the order they are shown. */
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

async function observeTelnet(stage: Stage): Promise<Observation> {
  const { said } = (await stage.askClient('talk', SERVER, '23')) as { said: string };
  return { isSeen: said === GREETING, observed: `connect to port 23 stands, and the server says "${said}"` };
}

async function observeEcho(stage: Stage): Promise<Observation> {
  const { reply } = (await stage.askClient('echo', SERVER, '7', SECRET)) as { reply: string | null };
  return { isSeen: reply === SECRET, observed: echoed(reply) };
}

async function observeBurst(stage: Stage): Promise<Observation> {
  const before = await received(stage);
  await stage.askClient('burst', SERVER, '9', String(DATAGRAMS));
  const deadlineMs = performance.now() + SETTLE_TIMEOUT_MS;
  let arrived = 0;
  while (arrived < DATAGRAMS && performance.now() < deadlineMs) {
    arrived = (await received(stage)) - before;
    await sleep(LOOK_EVERY_MS);
  }
  return { isSeen: arrived === DATAGRAMS, observed: `of ${DATAGRAMS} datagrams ${arrived} arrived` };
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
    observed: echoed(reply),
  };
}

async function observeRateLimit(stage: Stage): Promise<Observation> {
  const before = await received(stage);
  await stage.askClient('burst', SERVER, '9', String(DATAGRAMS));
  const stats = await settle(stage, async (now) => (await received(stage)) - before + limited(now) === DATAGRAMS);
  const arrived = (await received(stage)) - before;
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

function echoed(reply: string | null): string {
  return `"${SECRET}" came back as ${reply === null ? 'nothing' : `"${reply}"`}`;
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
