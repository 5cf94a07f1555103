/**
 * The part of the process that runs: starts another firehookd, and leaves it everything between two packets.
 *
 * Rule: what can fail comes before the lease is left, and then this process goes on as if nothing had been. After that it does nothing to the
 * kernel any more: what it would take back is the other one's.
 *
 * @see offer.ts for what the two say to each other
 * @module
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { type ErrorCode, FirehookError } from '../../errors.ts';
import type { HookInfo } from '../../lane/messages.ts';
import type { LaneHanded } from '../../lane/read-message.ts';
import { loadNative } from '../../native/load-native.ts';
import type { LaneEvents, LaneHandle } from '../lane-set.ts';
import type { PlainTotals } from '../totals.ts';
import {
  changeDescriptors,
  DescriptorList,
  type Offer,
  type OfferedLanes,
  type PeerDone,
  type Refused,
  type Running,
} from './offer.ts';
import { PeerChannel, type PeerMessage, upgradeFailed } from './peer-channel.ts';
import { RemoteLane } from './remote-lane.ts';

/** Says to a firehookd that it is to take the place of the one that has started it. */
export const TAKE_OVER = 'FIREHOOK_TAKE_OVER';
/** Where it finds the channel. */
export const STREAM_FD = 3;
export const SOCKET_FD = 4;

/** Hooks may take a minute to set up, once for the trial and once for the lanes. */
const READY_MS = 150_000;
/** The proof of interception may take ten seconds. */
const RUNNING_MS = 30_000;
/** On top of what a step may take. */
const ON_TOP_MS = 1_000;

/** What the supervisor that leaves does for it. */
export interface HandOnHost {
  /** Descriptors are lent until it is sent. */
  readonly offer: Offer;
  /** Its lanes go on to get all packets, whatever lanes are started beside them. To be called before the other process is started. */
  keep(): Promise<void>;
  /** The loop stands still: nothing is done to the kernel. The lease goes on. */
  pause(): Promise<void>;
  goOn(): void;
  /** Has lanes that `start` gives take the place of its own. @returns as a reload does */
  succeed(
    hooks: readonly HookInfo[],
    start: (place: number, events: LaneEvents) => LaneHandle,
    between: () => Promise<readonly string[]>,
  ): Promise<{ readonly notes: readonly string[]; readonly pauseMs: number }>;
  /** Leaves the lease, the control socket and the rest. There is no way back. @returns all that was counted */
  leave(): Promise<PlainTotals>;
  /** @returns what its last lanes have counted, once they have ended */
  rest(): Promise<PlainTotals>;
}

/** What came of an upgrade. */
export interface Upgraded {
  readonly version: string;
  readonly pid: number;
  readonly hooks: readonly string[];
  /** What was left behind, a sentence each. */
  readonly notes: readonly string[];
  /** How long packets waited. */
  readonly pauseMs: number;
}

/**
 * Leaves everything to another firehookd, started from the files that are there now.
 *
 * @throws {@link FirehookError} why not: this process goes on. FIREHOOK_UPGRADE_LOST: it cannot, because all was left and the other one ended
 */
export async function handOn(host: HandOnHost): Promise<Upgraded> {
  await host.keep();
  const { child, channel } = startSuccessor();
  const peer = new Peer(channel);
  try {
    const descriptors = new DescriptorList();
    await channel.send('offer', changeDescriptors(host.offer, descriptors.put), descriptors.all);
    const { lanes, progress } = lanesOf(await channel.next(READY_MS));
    channel.listen((message) => peer.take(message));
    await host.pause();
    const { notes, pauseMs } = await host.succeed(
      lanes.hooks,
      (place, events) => peer.lane(place, lanes, progress, events),
      () => peer.between(),
    );
    const totals = await host.leave();
    const more = await peer.leave(totals);
    await channel.send('rest', await host.rest());
    peer.done();
    await channel.close();
    child.unref();
    const { version, pid, hooks } = lanes;
    return { version, pid, hooks: hooks.map(({ name }) => name), notes: [...notes, ...more], pauseMs };
  } catch (error) {
    channel.destroy();
    child.kill('SIGKILL');
    if (!peer.hasLeft) host.goOn();
    throw error;
  }
}

/** The same program with the same arguments, from the files as they are now. */
function startSuccessor(): { readonly child: ChildProcess; readonly channel: PeerChannel } {
  const [own, theirs] = loadNative().openHandover();
  // Of the process that the service manager has started; it would keep the other one from telling it.
  const { WATCHDOG_PID: _, ...env } = process.env;
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    stdio: ['ignore', 'inherit', 'inherit', 'pipe', theirs],
    env: { ...env, [TAKE_OVER]: String(process.pid) },
    detached: true,
  });
  child.on('error', () => undefined);
  closeSync(theirs);
  const stream = child.stdio[STREAM_FD] as Duplex | null | undefined;
  if (stream === null || stream === undefined) {
    closeSync(own);
    throw upgradeFailed('no other firehookd can be started');
  }
  return { child, channel: new PeerChannel(stream, own) };
}

function lanesOf({ type, data, descriptors }: PeerMessage): {
  readonly lanes: OfferedLanes;
  readonly progress: readonly number[];
} {
  if (type === 'lanes') return { lanes: data as OfferedLanes, progress: descriptors };
  for (const descriptor of descriptors) closeSync(descriptor);
  const { code, message } = data as Refused;
  const refusal = new FirehookError(code as ErrorCode, '');
  refusal.message = message;
  throw refusal;
}

/** What is asked of the other end, and its answers. */
class Peer {
  /** All is the other end's. */
  hasLeft = false;
  #isDone = false;
  readonly #channel: PeerChannel;
  readonly #asked = new Map<number, (done: PeerDone) => void>();
  readonly #lanes: RemoteLane[] = [];
  #ids = 0;
  #running: (running: Running) => void = () => undefined;

  constructor(channel: PeerChannel) {
    this.#channel = channel;
    channel.onEnd(() => {
      for (const [id, settle] of this.#asked) settle({ id, answer: null, error: 'the other firehookd has ended' });
      if (!this.#isDone) for (const lane of this.#lanes) lane.ended();
    });
  }

  /** Nothing is asked any more, and what becomes of the other end is its own business. */
  done(): void {
    this.#isDone = true;
  }

  take({ type, data }: PeerMessage): void {
    if (type === 'done') this.#asked.get((data as PeerDone).id)?.(data as PeerDone);
    else if (type === 'running') this.#running(data as Running);
  }

  lane(place: number, lanes: OfferedLanes, progress: readonly number[], events: LaneEvents): LaneHandle {
    const index = lanes.lanes.findIndex((lane) => lane.place === place);
    const progressFd = progress[index];
    const pid = lanes.lanes[index]?.pid;
    if (progressFd === undefined || pid === undefined) throw upgradeFailed(`it has no lane for place ${place}`);
    const lane = new RemoteLane({
      pid,
      progressFd,
      hooks: lanes.hooks,
      events,
      handOver: (step, memory, withinMs) =>
        this.#ask(
          'step',
          { place, step, memory: memory?.id ?? null, withinMs },
          memory === null ? [] : [memory.fd],
          withinMs,
        ),
      end: () => this.#channel.destroy(),
    });
    this.#lanes.push(lane);
    return lane;
  }

  async between(): Promise<readonly string[]> {
    const { notes } = await this.#ask('between', {}, [], ON_TOP_MS);
    return notes ?? [];
  }

  /** Has it take the lease, and waits until it runs. @returns what the operator should hear */
  async leave(totals: PlainTotals): Promise<readonly string[]> {
    this.hasLeft = true;
    const running = new Promise<readonly string[]>((resolve, reject) => {
      const lost = (reason: string): void => reject(new FirehookError('FIREHOOK_UPGRADE_LOST', reason));
      const timer = setTimeout(() => lost(`the other firehookd does not run after ${RUNNING_MS / 1000} s`), RUNNING_MS);
      this.#channel.onEnd(() => {
        clearTimeout(timer);
        lost('the other firehookd has ended');
      });
      this.#running = ({ notes }) => {
        clearTimeout(timer);
        resolve(notes);
      };
    });
    running.catch(() => undefined);
    await this.#channel.send('yours', { totals });
    return await running;
  }

  #ask(type: string, data: object, descriptors: readonly number[], withinMs: number): Promise<LaneHanded> {
    this.#ids += 1;
    const id = this.#ids;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#asked.delete(id);
        reject(new Error('the other firehookd does not answer'));
      }, withinMs + ON_TOP_MS);
      this.#asked.set(id, ({ answer, error }) => {
        clearTimeout(timer);
        this.#asked.delete(id);
        if (error !== null || answer === null) reject(new Error(error ?? 'no answer'));
        else resolve(answer);
      });
      this.#channel.send(type, { id, ...data }, descriptors).catch(reject);
    });
  }
}
