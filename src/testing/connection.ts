/**
 * A TCP connection in a lab: its segments have the right numbers, and places in a stream are counted from its first octet.
 *
 * ```ts
 * const tls = connection(lab, { serverPort: 443 });
 * await tls.open();
 * await tls.fromClient('first half');
 * await tls.fromServer('');                          // acknowledges what has gone on
 * await tls.fromClient('other', { at: 0 });          // the same place once more
 * ```
 * Rule: what a test does not say is what a TCP would send. What did not go on has not come, and is not acknowledged.
 *
 * @see RFC 9293
 * @module
 */

import type { OctetBuffer } from '../wire/octet-buffer.ts';
import { ACK, FIN, PSH, RST, SYN } from '../wire/tcp.ts';
import type { From, Lab, Outcome } from './lab-contract.ts';
import { type Content, type IpOptions, ipv4, ipv6, type TcpOptions, tcp } from './packets.ts';

/** The ends of a connection: from port 49152 to port 80, unless they say otherwise. */
export interface ConnectionOptions {
  /** Address as text; IPv6 makes it a connection of IPv6, with `server` too. @defaultValue 192.0.2.1 or 2001:db8::1 */
  readonly client?: string;
  /** @defaultValue 198.51.100.2 or 2001:db8::2 */
  readonly server?: string;
  readonly clientPort?: number;
  readonly serverPort?: number;
  /** Sequence number of the client's SYN. @defaultValue 1,000 */
  readonly clientStart?: number;
  /** Sequence number of the server's SYN. @defaultValue 5,000 */
  readonly serverStart?: number;
  /** Where the client's packets come in. @defaultValue `a` in a bridge, `in` at a host */
  readonly clientSide?: From;
  /** Where the server's packets come in. @defaultValue the other side */
  readonly serverSide?: From;
}

/** What is said of one segment. */
export interface SegmentOptions extends Omit<TcpOptions, 'seq' | 'ack' | 'sourcePort' | 'destinationPort'> {
  /** Place of its first octet in the stream. @defaultValue behind what was sent before */
  readonly at?: number;
  /** Place up to which the octets of the other end are acknowledged. @defaultValue all that have gone on */
  readonly ack?: number;
  /** What stands in the IP header. */
  readonly ip?: Omit<IpOptions, 'source' | 'destination'>;
  /** As in `SendOptions`. */
  readonly partialChecksum?: boolean;
}

/** A connection. */
export interface Connection {
  /** SYN, SYN ACK and ACK. */
  open(): Promise<Outcome[]>;
  /** Sends octets of the client, or none: an acknowledgement. */
  fromClient(content: Content, options?: SegmentOptions): Promise<Outcome>;
  /** Sends octets of the server, or none: an acknowledgement. */
  fromServer(content: Content, options?: SegmentOptions): Promise<Outcome>;
  /** The segment that would be sent, as a datagram. Nothing is sent. */
  segment(end: 'client' | 'server', content: Content, options?: SegmentOptions): OctetBuffer;
  /** FIN of an end. */
  finish(end: 'client' | 'server'): Promise<Outcome>;
  /** Reset by an end. */
  reset(end: 'client' | 'server'): Promise<Outcome>;
}

/** Begins a connection of which nothing has been sent. */
export function connection(lab: Lab, options: ConnectionOptions = {}): Connection {
  return new LabConnection(lab, options);
}

/** One end: place behind what it has sent, and behind what has gone on. */
interface End {
  readonly start: number;
  readonly side: From | undefined;
  sent: number;
  gone: number;
}

class LabConnection implements Connection {
  readonly #lab: Lab;
  readonly #options: ConnectionOptions;
  readonly #ends: Readonly<Record<'client' | 'server', End>>;

  constructor(lab: Lab, options: ConnectionOptions) {
    const { clientStart = 1000, serverStart = 5000, clientSide, serverSide } = options;
    this.#lab = lab;
    this.#options = options;
    this.#ends = {
      client: { start: clientStart, side: clientSide, sent: 0, gone: 0 },
      server: { start: serverStart, side: serverSide ?? otherSide(lab, clientSide), sent: 0, gone: 0 },
    };
  }

  async open(): Promise<Outcome[]> {
    return [
      await this.fromClient('', { flags: SYN, at: -1 }),
      await this.fromServer('', { flags: SYN | ACK, at: -1 }),
      await this.fromClient(''),
    ];
  }

  fromClient(content: Content, options: SegmentOptions = {}): Promise<Outcome> {
    return this.#send('client', content, options);
  }

  fromServer(content: Content, options: SegmentOptions = {}): Promise<Outcome> {
    return this.#send('server', content, options);
  }

  segment(end: 'client' | 'server', content: Content, options: SegmentOptions = {}): OctetBuffer {
    const { client, server, clientPort = 49_152, serverPort = 80 } = this.#options;
    const { at, ack, ip, partialChecksum: _, ...fields } = options;
    const own = this.#ends[end];
    const other = this.#ends[end === 'client' ? 'server' : 'client'];
    const flags = fields.flags ?? (content.length === 0 ? ACK : PSH | ACK);
    const numbers = {
      seq: (own.start + 1 + (at ?? own.sent)) >>> 0,
      ack: (flags & ACK) === 0 ? 0 : (other.start + 1 + (ack ?? other.gone)) >>> 0,
    };
    const [sourcePort, destinationPort] = end === 'client' ? [clientPort, serverPort] : [serverPort, clientPort];
    const content6 = [client, server].some((address) => address?.includes(':') === true);
    const build = content6 ? ipv6 : ipv4;
    const from = client ?? (content6 ? '2001:db8::1' : '192.0.2.1');
    const to = server ?? (content6 ? '2001:db8::2' : '198.51.100.2');
    const [source, destination] = end === 'client' ? [from, to] : [to, from];
    return build(
      { ...ip, source, destination },
      tcp({ ...fields, ...numbers, flags, sourcePort, destinationPort }, content),
    );
  }

  finish(end: 'client' | 'server'): Promise<Outcome> {
    return this.#send(end, '', { flags: FIN | ACK });
  }

  reset(end: 'client' | 'server'): Promise<Outcome> {
    return this.#send(end, '', { flags: RST });
  }

  async #send(end: 'client' | 'server', content: Content, options: SegmentOptions): Promise<Outcome> {
    const own = this.#ends[end];
    const { at = own.sent, flags = 0, partialChecksum = false } = options;
    const datagram = this.segment(end, content, options);
    const outcome = await this.#lab.send(datagram, {
      ...(own.side === undefined ? {} : { from: own.side }),
      partialChecksum,
    });
    const stop = at + ((flags & SYN) >> 1) + Buffer.byteLength(content as string) + (flags & FIN);
    own.sent = Math.max(own.sent, stop);
    if (outcome.verdict === 'forwarded') own.gone = Math.max(own.gone, stop);
    return outcome;
  }
}

function otherSide(lab: Lab, client: From | undefined): From {
  const [first, second] = lab.sides;
  return client === undefined || client === first ? (second as From) : (first as From);
}
