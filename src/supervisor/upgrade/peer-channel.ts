/**
 * What two supervisors say to each other while one takes the place of the other: messages, each with the descriptors that it names.
 *
 * ```
 *   stream      one line of JSON a message:  { type, data, descriptors: [7, 8] }      now and then an empty line: take what is in the sockets
 *   sockets     the descriptors with these numbers (SCM_RIGHTS), sent before the line
 * ```
 * `data` is written with the serialiser of V8, so that maps, octets and what JSON does not know go over as they are. Both ends are firehookd, and
 * root: what is read is not guarded against the other one, but a channel that ends is told at once.
 *
 * @module
 */

import { closeSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { deserialize, serialize } from 'node:v8';
import { FirehookError } from '../../errors.ts';
import { loadNative } from '../../native/load-native.ts';
import { LineReader } from '../line-reader.ts';

/** A message with what it carries. */
export interface PeerMessage {
  readonly type: string;
  readonly data: unknown;
  /** In the order in which they were given; each is the receiver's. */
  readonly descriptors: readonly number[];
}

/** Hooks with their bundles go this way. */
const MOST_OCTETS = 256 * 1024 * 1024;
/** A socket holds some 270 of them: after so many the other end is told to take them. */
const DESCRIPTORS_AT_ONCE = 64;
/** How often the socket may be full, and how long is waited then. */
const TRIES = 1_000;
const AGAIN_MS = 2;

/** One end. */
export class PeerChannel {
  readonly #stream: Duplex;
  readonly #socket: number;
  readonly #arrived = new Map<number, number>();
  readonly #waiting: PeerMessage[] = [];
  #next: { resolve(message: PeerMessage): void; reject(error: Error): void } | null = null;
  #onMessage: ((message: PeerMessage) => void) | null = null;
  #sent = 0;
  #sending: Promise<void> = Promise.resolve();
  #ended: FirehookError | null = null;
  readonly #onEnd: (() => void)[] = [];

  /**
   * @param stream - owned from now on
   * @param socket - of `openHandover`; owned from now on
   */
  constructor(stream: Duplex, socket: number) {
    this.#stream = stream;
    this.#socket = socket;
    const reader = new LineReader(MOST_OCTETS, (line, isCut) => {
      try {
        if (isCut) throw new Error('it is too long');
        this.#line(line);
      } catch {
        // Another version may say what this one does not understand: it costs the upgrade, and not the daemon that runs.
        this.destroy();
      }
    });
    stream.on('data', (bytes: Buffer) => reader.take(bytes));
    stream.on('error', () => undefined);
    stream.once('close', () => this.#end());
  }

  /** True when nothing comes any more. */
  get isEnded(): boolean {
    return this.#ended !== null;
  }

  /** Called when the other end is gone. */
  onEnd(listener: () => void): void {
    this.#onEnd.push(listener);
  }

  /**
   * Says something. Messages go in the order of the calls.
   *
   * @param descriptors - borrowed until it is sent
   * @throws {@link FirehookError} (a rejection) FIREHOOK_UPGRADE_FAILED where the other end is gone
   */
  send(type: string, data: unknown, descriptors: readonly number[] = []): Promise<void> {
    const done = this.#sending.then(() => this.#send(type, data, descriptors));
    this.#sending = done.catch(() => undefined);
    return done;
  }

  /** The next message. */
  next(withinMs: number): Promise<PeerMessage> {
    const first = this.#waiting.shift();
    if (first !== undefined) return Promise.resolve(first);
    if (this.#ended !== null) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#next = null;
        reject(upgradeFailed(`the other firehookd said nothing for ${withinMs / 1000} s`));
      }, withinMs);
      const settle =
        <Value>(how: (value: Value) => void) =>
        (value: Value): void => {
          clearTimeout(timer);
          this.#next = null;
          how(value);
        };
      this.#next = { resolve: settle(resolve), reject: settle(reject) };
    });
  }

  /** Has each message from now on taken by `listener`, those that wait at once. */
  listen(listener: (message: PeerMessage) => void): void {
    this.#onMessage = listener;
    for (const message of this.#waiting.splice(0)) listener(message);
  }

  /** Ends the channel when what was said is out. */
  async close(): Promise<void> {
    await this.#sending;
    this.#stream.end();
  }

  /** Ends it at once. */
  destroy(): void {
    this.#stream.destroy();
  }

  async #send(type: string, data: unknown, descriptors: readonly number[]): Promise<void> {
    const numbers: number[] = [];
    for (const descriptor of descriptors) {
      this.#sent += 1;
      numbers.push(this.#sent);
      await this.#sendDescriptor(this.#sent, descriptor);
      if (numbers.length % DESCRIPTORS_AT_ONCE === 0) this.#stream.write('\n');
    }
    if (this.#ended !== null) throw this.#ended;
    const line = { type, data: serialize(data).toString('base64'), descriptors: numbers };
    this.#stream.write(`${JSON.stringify(line)}\n`);
  }

  async #sendDescriptor(number: number, descriptor: number): Promise<void> {
    for (let tries = 0; tries < TRIES; tries++) {
      if (this.#ended !== null) throw this.#ended;
      if (loadNative().sendDescriptor(this.#socket, number, descriptor)) return;
      await sleep(AGAIN_MS);
    }
    throw upgradeFailed('the other firehookd takes no descriptors');
  }

  #line(line: string): void {
    this.#takeDescriptors();
    if (line === '') return;
    const { type, data, descriptors } = JSON.parse(line) as { type: string; data: string; descriptors: number[] };
    this.#take({
      type,
      data: deserialize(Buffer.from(data, 'base64')),
      descriptors: descriptors.map((number) => this.#descriptor(number)),
    });
  }

  #take(message: PeerMessage): void {
    if (this.#onMessage !== null) this.#onMessage(message);
    else if (this.#next !== null) this.#next.resolve(message);
    else this.#waiting.push(message);
  }

  #takeDescriptors(): void {
    const native = loadNative();
    for (let one = native.receiveDescriptor(this.#socket); one !== null; one = native.receiveDescriptor(this.#socket))
      this.#arrived.set(...one);
  }

  /** They were sent before the line that names them. */
  #descriptor(number: number): number {
    const there = this.#arrived.get(number);
    if (there === undefined) throw upgradeFailed(`descriptor ${number} has not come`);
    this.#arrived.delete(number);
    return there;
  }

  #end(): void {
    if (this.#ended !== null) return;
    this.#ended = upgradeFailed('the other firehookd has ended');
    for (const descriptor of this.#arrived.values()) closeSync(descriptor);
    closeSync(this.#socket);
    this.#next?.reject(this.#ended);
    for (const listener of this.#onEnd) listener();
  }
}

/** @param reason - half a sentence */
export function upgradeFailed(reason: string, cause?: unknown): FirehookError {
  return new FirehookError('FIREHOOK_UPGRADE_FAILED', reason, { cause });
}
