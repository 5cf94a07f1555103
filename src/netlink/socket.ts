/**
 * A netlink socket: asks the kernel and gives its answers, or the error that names what was asked.
 *
 * ```
 *   requests ─> numbered, one buffer ─> addon: sendmsg, recvmsg on a thread ─> messages, or the first refusal
 * ```
 * Rule: nothing is synchronous but `ask`, which no supervisor calls. Requests of one socket run one after another, so that answers need no sorting.
 *
 * @see netlink(7)
 * @module
 */

import { getSystemErrorName } from 'node:util';
import { FirehookError } from '../errors.ts';
import { loadNative } from '../native/load-native.ts';
import type { NativeModule, NativeNetlink } from '../native/native.d.ts';
import {
  isInterrupted,
  type Message,
  NLMSG_DONE,
  NLMSG_ERROR,
  type Refusal,
  type Request,
  readMessages,
  readRefusal,
  writeRequests,
} from './message.ts';

/** Netlink families. */
export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;
export const NETLINK_GENERIC = 16;

/** A dump is asked for again so often when the kernel changed under it. */
const DUMP_TRIES = 8;

/** The kernel refused something. `errno` says why, positive as in errno(3). */
export class KernelRefusal extends FirehookError {
  readonly errno: number;

  constructor(operation: string, { errno, words }: Omit<Refusal, 'sequence'>) {
    super('FIREHOOK_ATTACH_KERNEL', `${operation}: ${errorName(errno)}${words === '' ? '' : ` (${words})`}`);
    this.errno = errno;
  }
}

/** True for a {@link KernelRefusal} with one of these numbers. */
export function isRefusal(error: unknown, ...numbers: readonly number[]): error is KernelRefusal {
  return error instanceof KernelRefusal && numbers.includes(error.errno);
}

/** One socket of one family. */
export class NetlinkSocket {
  readonly native: NativeNetlink;
  readonly #addon: NativeModule;
  #sequence = 1;

  /**
   * @param family - one of NETLINK_ROUTE, NETLINK_NETFILTER, NETLINK_GENERIC
   * @param groups - whose events {@link NetlinkSocket.watch} gives
   * @param descriptor - of a socket of that family without groups, which another process has opened; its own from now on. Null: opens one
   * @throws FirehookError FIREHOOK_DRIVER_MISSING without the addon
   */
  constructor(family: number, groups: readonly number[] = [], descriptor: number | null = null) {
    this.#addon = loadNative();
    this.native = descriptor === null ? this.#addon.openNetlink(family, groups) : this.#addon.adoptNetlink(descriptor);
  }

  /** Its descriptor, borrowed: for a process that is to go on with the socket. */
  get descriptor(): number {
    return this.#addon.netlinkDescriptor(this.native);
  }

  /** What the kernel calls this socket: events of its own changes carry it. */
  get portId(): number {
    return this.native.portId;
  }

  /**
   * Sends requests in one go.
   *
   * @param operation - what is asked, for the error: `add the veth pair fh2i0`
   * @returns the answers without acknowledgements
   * @throws {@link KernelRefusal} with the first that was refused
   */
  async request(operation: string, requests: readonly Request[]): Promise<Message[]> {
    const first = this.#sequence;
    this.#sequence = (this.#sequence + requests.length) % 0x7fffffff || 1;
    const messages = await this.#exchange(operation, writeRequests(requests, first));
    for (const message of messages) {
      const refusal = readRefusal(message);
      if (refusal !== null) throw new KernelRefusal(operation, refusal);
    }
    return messages.filter(({ type }) => type !== NLMSG_ERROR && type !== NLMSG_DONE);
  }

  /**
   * Sends one request that the kernel answers at once, and waits for the answer: for callers that cannot wait otherwise.
   *
   * @throws {@link KernelRefusal}
   */
  ask(operation: string, request: Request): Message[] {
    const first = this.#sequence;
    this.#sequence = (this.#sequence + 1) % 0x7fffffff || 1;
    let bytes: ArrayBuffer;
    try {
      bytes = this.#addon.askNetlink(this.native, writeRequests([request], first));
    } catch (cause) {
      const { errno = 0 } = cause as NodeJS.ErrnoException;
      throw new KernelRefusal(operation, { errno: Math.abs(errno), words: (cause as Error).message });
    }
    const messages = readMessages(new Uint8Array(bytes));
    for (const message of messages) {
      const refusal = readRefusal(message);
      if (refusal !== null) throw new KernelRefusal(operation, refusal);
    }
    return messages.filter(({ type }) => type !== NLMSG_ERROR && type !== NLMSG_DONE);
  }

  /**
   * Asks for all entries of a kind; asks again when they changed meanwhile.
   *
   * @throws {@link KernelRefusal}
   */
  async dump(operation: string, request: Request): Promise<Message[]> {
    let messages: Message[] = [];
    for (let tries = 0; tries < DUMP_TRIES; tries += 1) {
      messages = await this.request(operation, [request]);
      if (!messages.some(isInterrupted)) return messages;
    }
    // Under a storm of changes the last answer is as good as any: an event will have it looked at again.
    return messages;
  }

  /** Calls back with events as they come; with null when some were lost, and everything has to be looked at. */
  watch(onMessages: (messages: readonly Message[] | null) => void): void {
    this.#addon.watchNetlink(this.native, (bytes) => {
      onMessages(bytes === null ? null : readMessages(new Uint8Array(bytes)));
    });
  }

  /** Idempotent. */
  close(): void {
    this.#addon.closeNetlink(this.native);
  }

  async #exchange(operation: string, bytes: Uint8Array): Promise<Message[]> {
    try {
      return readMessages(new Uint8Array(await this.#addon.requestNetlink(this.native, bytes)));
    } catch (cause) {
      const { errno = 0 } = cause as NodeJS.ErrnoException;
      throw new KernelRefusal(operation, { errno: Math.abs(errno), words: (cause as Error).message });
    }
  }
}

/** The name of an error number, `ENOENT`. */
export function errorName(errno: number): string {
  try {
    return getSystemErrorName(-errno);
  } catch {
    return `error ${errno}`;
  }
}
