/**
 * Sends IP datagrams out of this host by its routing table: npm `raw-socket`, IPv4 and IPv6.
 *
 * For ICMP errors of `host` attaches and for packets that hooks make, with `driver: pcap`. The sockets are opened with root's rights and a
 * group of firehook's own, by which the egress rules know these packets and let them pass the hooks by.
 *
 * Rule: `send` hands the datagram to the kernel before it returns (the package's own `send` waits for the event loop and
 * sends one packet a turn) and never throws. npm `raw-socket` binds itself to the main event loop: not for a worker.
 *
 * @module
 */

import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { FirehookError } from '../errors.ts';
import { formatAddress } from '../wire/address.ts';
import { packageMissing } from './npm-package.ts';

/** IPPROTO_RAW: the datagram brings its own header, IPv6 included (raw(7), ipv6(7)). */
const PROTOCOL_RAW = 255;
const ADDRESS_FAMILY_IPV4 = 1;
const ADDRESS_FAMILY_IPV6 = 2;
/** The package throws what strerror(3) says, and no number. */
const NOT_PERMITTED = /operation not permitted/i;

/** The part of npm `raw-socket` that is used. The package has no declarations. */
interface RawSocket {
  readonly wrap: {
    send(buffer: Buffer, offset: number, length: number, address: string, done: (bytes: number) => void): void;
  };
  on(event: 'error', listener: (error: Error) => void): void;
  close(): void;
}
interface RawSocketModule {
  createSocket(options: { protocol: number; addressFamily: number }): RawSocket;
}

/** Two raw sockets, one a family. */
export class RawSender {
  /** Why `send` returned false the last time: EPERM where a rule of the machine dropped it, 0 where it is not known. */
  refusal = 0;
  readonly #ipv4: RawSocket;
  readonly #ipv6: RawSocket | null;

  /**
   * @throws {@link FirehookError} FIREHOOK_DRIVER_MISSING when the native package cannot be loaded, FIREHOOK_DRIVER_OPEN
   * when the kernel refuses a raw socket
   */
  constructor() {
    const raw = loadRawSocket();
    this.#ipv4 = open(raw, ADDRESS_FAMILY_IPV4);
    // A host may run without IPv6: then there is nobody to send to either.
    this.#ipv6 = openOrNull(raw, ADDRESS_FAMILY_IPV6);
  }

  /**
   * Sends one datagram, its header included.
   *
   * Ownership: borrows `datagram`. Cost: one string for the address.
   * @returns false when the kernel refused it or it is no IP datagram
   */
  send(datagram: Buffer, length: number): boolean {
    this.refusal = 0;
    if (length < 20 || length > datagram.length) return false;
    const version = (datagram[0] ?? 0) >>> 4;
    try {
      if (version === 4) this.#ipv4.wrap.send(datagram, 0, length, formatAddress(datagram.subarray(16, 20)), ignore);
      else if (version === 6 && length >= 40 && this.#ipv6 !== null)
        this.#ipv6.wrap.send(datagram, 0, length, formatAddress(datagram.subarray(24, 40)), ignore);
      else return false;
      return true;
    } catch (error) {
      if (NOT_PERMITTED.test(String(error))) this.refusal = constants.errno.EPERM;
      return false;
    }
  }

  /** Gives the sockets back. */
  close(): void {
    this.#ipv4.close();
    this.#ipv6?.close();
  }
}

function ignore(): void {}

function loadRawSocket(): RawSocketModule {
  try {
    return createRequire(import.meta.url)('raw-socket') as RawSocketModule;
  } catch (cause) {
    throw packageMissing('raw-socket', cause);
  }
}

function open(raw: RawSocketModule, addressFamily: number): RawSocket {
  try {
    const socket = raw.createSocket({ protocol: PROTOCOL_RAW, addressFamily });
    socket.on('error', ignore);
    return socket;
  } catch (cause) {
    throw new FirehookError('FIREHOOK_DRIVER_OPEN', `raw socket: ${(cause as Error).message}`, { cause });
  }
}

function openOrNull(raw: RawSocketModule, addressFamily: number): RawSocket | null {
  try {
    return open(raw, addressFamily);
  } catch {
    return null;
  }
}
