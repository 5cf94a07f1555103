/**
 * What the self-test looks at, in the order in which it is done: the last one costs the daemon.
 *
 * Rule: each says what was seen at both ends, and by the kernel's own counters; nothing is taken from the daemon's word alone.
 *
 * @module
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { liveDriver } from '../../config/live-drivers.ts';
import type { StatsReport } from '../../control/reports.ts';
import { DROPPED, HANGS, HOOK_NAME, PASSES } from './ports.ts';
import { type SetUp, until, type Wired } from './wired.ts';

/** What was seen. */
export interface Seen {
  readonly ok: boolean;
  readonly observed: string;
}

/** One thing to look at. */
export interface Trial {
  readonly name: string;
  look(wired: Wired, setUp: SetUp): Promise<Seen>;
}

const DATAGRAMS = 50;
const BULK_OCTETS = 16 * 1024 * 1024;
/** Longest frame that no kernel has put together: a full one with a tag. */
const FULL_FRAME = 1518;
const GAP_MS = 5;
/** Nobody renews the lease any more by then. */
const LEASE_OVER_MS = 1_500;

/** All of them. */
export const TRIALS: readonly Trial[] = [
  { name: 'what the hook forwards arrives, and the original does not arrive as well', look: forwards },
  { name: 'what the hook drops does not arrive', look: drops },
  { name: 'checksums and super-frames survive', look: carries },
  { name: 'a lane that is killed: onDown holds, another comes', look: losesLane },
  { name: 'a hook that hangs: onDown holds, it is named, another lane comes', look: hangs },
  { name: 'the daemon is killed: onDown holds', look: losesDaemon },
];

async function receivedAt(wired: Wired, port: number): Promise<number> {
  return (await wired.arrived()).udp[port]?.received ?? 0;
}

async function forwards(wired: Wired): Promise<Seen> {
  const before = await receivedAt(wired, PASSES);
  await wired.send(PASSES, DATAGRAMS, GAP_MS);
  await until(async () => (await receivedAt(wired, PASSES)) - before >= DATAGRAMS);
  // A second copy is not far behind.
  await sleep(100);
  const { received = 0, twice = 0 } = (await wired.arrived()).udp[PASSES] ?? {};
  const arrived = received - before;
  const { addsUp, total } = await wired.stats();
  return {
    ok: arrived === DATAGRAMS && twice === 0 && total.forwarded >= DATAGRAMS && addsUp,
    observed: `${arrived} of ${DATAGRAMS} datagrams arrived, ${twice} twice; the ledger ${addsUp ? 'adds up' : 'does NOT add up'}`,
  };
}

async function drops(wired: Wired): Promise<Seen> {
  const dropped = async (): Promise<number> => (await wired.stats()).total.droppedByHook;
  const before = await dropped();
  await wired.send(DROPPED, DATAGRAMS, GAP_MS);
  await until(async () => (await dropped()) - before >= DATAGRAMS);
  const [counted, arrived] = [(await dropped()) - before, await receivedAt(wired, DROPPED)];
  return { ok: counted === DATAGRAMS && arrived === 0, observed: `${arrived} arrived, ${counted} are in the ledger` };
}

/** What is broken by a checksum or a cut is asked for again; so the length of frames shows who has cut them. */
async function carries(wired: Wired, { driver }: SetUp): Promise<Seen> {
  const before = (await wired.stats()).total;
  const sum = await wired.bulk(BULK_OCTETS);
  const isWhole = (await until(async () => (await wired.arrived()).tcp.includes(sum))) ?? false;
  const after = (await wired.stats()).total;
  const lost = after.lost - before.lost + after.droppedMalformed - before.droppedMalformed;
  // Acknowledgements are short: the longest frames are longer than the mean.
  const mean = Math.round(
    (after.receivedOctets - before.receivedOctets) / Math.max(1, after.received - before.received),
  );
  const isCut = liveDriver(driver).superFrames === 'cut';
  const isAsPlanned = isCut ? mean <= FULL_FRAME : mean > FULL_FRAME;
  const frames = `frames of ${mean.toLocaleString('en-US')} octets on average, ${isCut ? 'cut by the kernel' : 'whole super-frames'}`;
  return {
    ok: isWhole && lost === 0 && isAsPlanned,
    observed: isWhole
      ? `${BULK_OCTETS / 1024 / 1024} MiB of TCP arrived as sent; ${frames}; ${lost} lost`
      : `TCP: ${sum}`,
  };
}

function whileDown({ ways }: StatsReport): number {
  return ways.reduce((sum, { port }) => sum + (port?.whileDown ?? 0), 0);
}

/** Sends until the kernel has counted something that `onDown` decided about; milliseconds, or null. */
async function untilDown(wired: Wired, stand: () => unknown): Promise<number | null> {
  const before = whileDown(await wired.stats());
  const startMs = performance.now();
  await stand();
  const isDown = await until(async () => {
    await wired.send(PASSES, 1, GAP_MS);
    return whileDown(await wired.stats()) > before;
  });
  return isDown === null ? null : Math.round(performance.now() - startMs);
}

/** The hooks have the traffic again, with another lane. */
async function isBack(wired: Wired, pid: number | null): Promise<boolean> {
  const another = await until(async () => {
    const { state, lease, lane } = await wired.status();
    return state === 'running' && lease === 'held' && lane.pid !== null && lane.pid !== pid;
  });
  if (another !== true) return false;
  const before = await receivedAt(wired, PASSES);
  const came = await until(async () => {
    await wired.send(PASSES, 1, GAP_MS);
    return (await receivedAt(wired, PASSES)) > before;
  });
  return came === true;
}

function outage(downMs: number | null, back: boolean, also = ''): string {
  const down = downMs === null ? 'onDown never held' : `onDown held after ${downMs} ms`;
  return `${down}${also}; ${back ? 'another lane has the traffic' : 'NO other lane took the traffic'}`;
}

async function losesLane(wired: Wired): Promise<Seen> {
  const { pid } = (await wired.status()).lane;
  const downMs = await untilDown(wired, () => process.kill(pid ?? 0, 'SIGKILL'));
  const back = await isBack(wired, pid);
  return { ok: downMs !== null && back, observed: outage(downMs, back) };
}

async function hangs(wired: Wired): Promise<Seen> {
  const { pid } = (await wired.status()).lane;
  const downMs = await untilDown(wired, () => wired.send(HANGS, 1, 0));
  const named = await until(async () => {
    const { lanes, lane } = await wired.status();
    return [lane.lastError, ...lanes.map(({ stalled }) => stalled)].some(
      (text) => text?.includes(`while hook ${HOOK_NAME} was in onPacket`) === true,
    );
  });
  const back = await isBack(wired, pid);
  const also = named === true ? `, status names the hook ${HOOK_NAME}` : ', status does NOT name the hook';
  return { ok: downMs !== null && named === true && back, observed: outage(downMs, back, also) };
}

async function losesDaemon(wired: Wired): Promise<Seen> {
  process.kill(wired.daemonPid, 'SIGKILL');
  await sleep(LEASE_OVER_MS);
  const before = await receivedAt(wired, PASSES);
  await wired.send(PASSES, DATAGRAMS, GAP_MS);
  await sleep(100);
  const arrived = (await receivedAt(wired, PASSES)) - before;
  return { ok: arrived === 0, observed: `of ${DATAGRAMS} datagrams ${arrived} arrived without a daemon` };
}
