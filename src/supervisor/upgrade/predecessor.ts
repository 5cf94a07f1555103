/**
 * The part of the process that takes over: what the one that runs offers, and what is said to it.
 *
 * Rule: until `yours` has come nothing is done to the kernel, and to end is enough to have changed nothing.
 *
 * @see offer.ts for what the two say to each other
 * @module
 */

import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import { isFirehookError } from '../../errors.ts';
import type { LaneHanded } from '../../lane/read-message.ts';
import type { LaneHandle } from '../lane-set.ts';
import type { PlainTotals } from '../totals.ts';
import { version } from '../version.ts';
import { SOCKET_FD, STREAM_FD, TAKE_OVER } from './hand-on.ts';
import {
  changeDescriptors,
  type Offer,
  type OfferedLanes,
  type PeerDone,
  type PeerStep,
  PROTOCOL,
  type Running,
  type Yours,
} from './offer.ts';
import { PeerChannel, type PeerMessage, upgradeFailed } from './peer-channel.ts';

/** The one that runs says what it offers as soon as this one is there. */
const OFFER_MS = 10_000;
/** Its own steps have bounds, and the lanes wait for them. */
const YOURS_MS = 60_000;

/** What of a lane is asked here. */
type Lane = Pick<LaneHandle, 'handOver'>;

/** The process that runs. */
export class Predecessor {
  readonly offer: Offer;
  readonly #channel: PeerChannel;

  private constructor(offer: Offer, channel: PeerChannel) {
    this.offer = offer;
    this.#channel = channel;
  }

  /**
   * Hears what is offered.
   *
   * @returns null where this process takes nobody's place
   * @throws FirehookError FIREHOOK_UPGRADE_FAILED
   */
  static async find(env: NodeJS.ProcessEnv): Promise<Predecessor | null> {
    const channel = channelOf(env);
    if (channel === null) return null;
    const { data, descriptors } = await channel.next(OFFER_MS);
    const offered = data as Offer;
    if (offered.protocol !== PROTOCOL) {
      const error = upgradeFailed(
        `firehookd ${offered.version} and ${version} hand over in other ways: it takes a restart`,
      );
      await refuse(channel, error);
      throw error;
    }
    const offer = changeDescriptors(offered, (number) => (number < 0 ? number : (descriptors[number] ?? -1)));
    return new Predecessor(offer, channel);
  }

  /** The same where this process has not come so far as to hear what is offered. */
  static async refuseUnheard(env: NodeJS.ProcessEnv, error: unknown): Promise<void> {
    const channel = channelOf(env);
    if (channel !== null) await refuse(channel, error);
  }

  /** Says why this process does not take over. */
  async refuse(error: unknown): Promise<void> {
    await refuse(this.#channel, error);
  }

  /**
   * Says that the lanes are ready, and has them take the steps that it asks for.
   *
   * @param progress - descriptors of their progress files, borrowed
   * @param laneAt - the lane of a place
   * @param between - done while no lane reads any packets; says what is left behind
   * @returns what it leaves
   * @throws FirehookError FIREHOOK_UPGRADE_FAILED where it has ended, or gave up
   */
  async hand(
    lanes: Omit<OfferedLanes, 'version' | 'pid'>,
    progress: readonly number[],
    laneAt: (place: number) => Lane | undefined,
    between: () => readonly string[],
  ): Promise<Yours> {
    await this.#channel.send('lanes', { version, pid: process.pid, ...lanes }, progress);
    return await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(upgradeFailed('it has not left its ports in time')), YOURS_MS);
      this.#channel.onEnd(() => reject(upgradeFailed('the firehookd that runs gave up, or has ended')));
      this.#channel.listen((message) => {
        const { type, data } = message;
        if (type === 'step') void this.#step(message, laneAt);
        else if (type === 'between')
          void this.#answer((data as PeerStep).id, () => Promise.resolve({ notes: [...between()] }));
        else if (type === 'yours') {
          clearTimeout(timer);
          resolve(data as Yours);
        } else if (type === 'rest') this.#rest(data as PlainTotals);
      });
    });
  }

  /**
   * Says that this process runs.
   *
   * @param notes - what the operator should hear, a sentence each
   * @param rest - told what the last lanes of the other one have counted
   */
  async runs(notes: readonly string[], rest: (totals: PlainTotals) => void): Promise<void> {
    this.#rest = rest;
    await this.#channel.send('running', { notes } satisfies Running);
  }

  #rest: (totals: PlainTotals) => void = () => undefined;

  async #step({ data, descriptors }: PeerMessage, laneAt: (place: number) => Lane | undefined): Promise<void> {
    const { id, place, step, memory, withinMs } = data as PeerStep;
    const [fd] = descriptors;
    await this.#answer(id, async () => {
      const lane = laneAt(place);
      if (lane === undefined) throw new Error('there is no such lane');
      return await lane.handOver(step, memory === null || fd === undefined ? null : { id: memory, fd }, withinMs);
    });
    for (const descriptor of descriptors) closeSync(descriptor);
  }

  async #answer(id: number, task: () => Promise<Partial<LaneHanded>>): Promise<void> {
    let done: PeerDone;
    try {
      done = { id, answer: (await task()) as LaneHanded, error: null };
    } catch (error) {
      done = { id, answer: null, error: error instanceof Error ? error.message : String(error) };
    }
    // Where it is gone the answer is nobody's.
    await this.#channel.send('done', done).catch(() => undefined);
  }
}

/** The channel to whom this process was started by, once; null where it was started by itself. */
function channelOf(env: NodeJS.ProcessEnv): PeerChannel | null {
  if (env[TAKE_OVER] !== String(process.ppid)) return null;
  delete env[TAKE_OVER];
  return new PeerChannel(new Socket({ fd: STREAM_FD, readable: true, writable: true }), SOCKET_FD);
}

async function refuse(channel: PeerChannel, error: unknown): Promise<void> {
  const message = error instanceof Error ? error.message : String(error);
  const code = isFirehookError(error) ? error.code : 'FIREHOOK_UPGRADE_FAILED';
  await channel.send('refused', { code, message }).catch(() => undefined);
  await channel.close();
}
