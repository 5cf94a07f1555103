/**
 * Sends IP datagrams out of this host by its routing table, a batch at a time: the native addon, IPv4 and IPv6.
 *
 * ```
 *   send: copied into one buffer ─> send ... ─> flush: one sendmmsg a family ─> sink.onRefused for each that did not go
 * ```
 * What `driver: afpacket` uses where the default driver has `RawSender`: ICMP errors of `host` attaches and packets that
 * hooks make. npm `raw-socket` is not loaded for it.
 *
 * Rule: no allocation for a datagram, and nothing throws after the constructor. What `send` took is out, or told to the
 * sink, when `flush` returns; datagrams of a family leave in the order they were taken.
 *
 * @module
 */

import { FirehookError } from '../errors.ts';
import { loadNative } from '../native/load-native.ts';
import type { NativeDatagramSender, NativeModule } from '../native/native.d.ts';

/** Datagrams that one flush sends, at most: what the addon takes in a call. */
const QUEUE = 256;
/** Memory of the queue, in octets: 256 datagrams of 1,500 octets and more, or eight of the longest. */
const MEMORY_OCTETS = 512 * 1024;
const IPV4_HEADER = 20;
const IPV6_HEADER = 40;
const MAX_DATAGRAM = 65_535;

/** Told of what was taken and not sent. */
export interface RefusalSink {
  /**
   * The kernel refused a datagram: no route, too long for the way out, not permitted.
   *
   * @param tag - what `send` was given
   * @param length - its octets
   * @param errno - why: EPERM where a rule of the machine dropped it
   */
  onRefused(tag: number, length: number, errno: number): void;
}

/** Descriptors of its raw sockets; that of IPv6 is -1 on a host without it. Plain data: they cross a process boundary. */
export interface DatagramSockets {
  readonly ipv4: number;
  readonly ipv6: number;
}

/**
 * Opens the sockets. Call it as root, within `withSendGroup`.
 *
 * @throws {@link FirehookError} FIREHOOK_DRIVER_OPEN when the kernel refuses a raw socket
 */
export function openDatagramSockets(native: NativeModule): DatagramSockets {
  try {
    const [ipv4, ipv6] = native.openDatagramSockets();
    return { ipv4, ipv6 };
  } catch (cause) {
    throw new FirehookError('FIREHOOK_DRIVER_OPEN', `raw socket: ${(cause as Error).message}`, { cause });
  }
}

/**
 * Makes a sender of sockets that were opened for it; without them it opens its own, as root.
 *
 * @throws {@link FirehookError} FIREHOOK_DRIVER_MISSING when the addon cannot be loaded, FIREHOOK_DRIVER_OPEN when the
 * kernel refuses a raw socket
 */
export function openQueuedSender(sockets?: DatagramSockets): QueuedSender {
  const native = loadNative();
  return new QueuedSender(native, sockets ?? openDatagramSockets(native));
}

/** A queue in front of two raw sockets. */
export class QueuedSender {
  readonly #native: NativeModule;
  readonly #sockets: NativeDatagramSender;
  readonly #memory = new Uint8Array(MEMORY_OCTETS);
  readonly #entries = new Uint32Array(QUEUE * 2);
  readonly #tags = new Int32Array(QUEUE);
  readonly #failed = new Uint8Array(QUEUE);
  #used = 0;
  #count = 0;
  #sink: RefusalSink | null = null;

  constructor(native: NativeModule, { ipv4, ipv6 }: DatagramSockets) {
    this.#native = native;
    this.#sockets = native.adoptDatagramSender(ipv4, ipv6);
  }

  /** Has refusals told to `sink` from now on. */
  reportTo(sink: RefusalSink): void {
    this.#sink = sink;
  }

  /**
   * Takes one datagram, its header included. A full queue is flushed first.
   *
   * Ownership: copies `datagram`. Cost: one copy.
   * @param length - octets of `datagram` that are to be sent
   * @param tag - the caller's own number, 32 bits, handed back by `onRefused`
   * @returns false when it is no IP datagram, or one of a family that this host does not have
   */
  send(datagram: Buffer, length: number, tag: number): boolean {
    if (!Number.isInteger(length) || length < IPV4_HEADER || length > datagram.length || length > MAX_DATAGRAM)
      return false;
    const version = (datagram[0] as number) >>> 4;
    if (version === 6 ? length < IPV6_HEADER || !this.#sockets.hasIpv6 : version !== 4) return false;
    if (this.#count === QUEUE || this.#used + length > MEMORY_OCTETS) this.flush();
    datagram.copy(this.#memory, this.#used, 0, length);
    this.#entries[this.#count * 2] = this.#used;
    this.#entries[this.#count * 2 + 1] = length;
    this.#tags[this.#count] = tag;
    this.#used += length;
    this.#count += 1;
    return true;
  }

  /** Sends what is queued. Returns the number of datagrams that were refused. */
  flush(): number {
    const count = this.#count;
    if (count === 0) return 0;
    this.#count = 0;
    this.#used = 0;
    const refused = this.#native.sendDatagrams(this.#sockets, this.#memory, this.#entries, count, this.#failed);
    if (refused === 0) return 0;
    for (let i = 0; i < count; i++) {
      const errno = this.#failed[i] as number;
      if (errno !== 0) this.#sink?.onRefused(this.#tags[i] as number, this.#entries[i * 2 + 1] as number, errno);
    }
    return refused;
  }

  /** Gives the sockets back; what is sent from now on is refused. */
  close(): void {
    this.flush();
    this.#native.closeDatagramSender(this.#sockets);
  }
}
