/**
 * How the packets of a capture meet the hooks: as in a bridge, as at a host's port, or by their source.
 *
 * ```
 *   (nothing said)       each interface is a port; what arrives there leaves there     direction IP_RECEIVE, types of a bridge
 *   --direction in       what arrives at a host                                        IP_RECEIVE, no interface to send by
 *   --direction out      what a host sends                                             IP_TRANSMIT, received from LOCAL_IF_INDEX
 *   --local PREFIX ...   out with a source in one of them, in without; the addresses in them are the host's own
 *   --bridge             the two interfaces of a pcapng section are the two ports of a bridge
 * ```
 * Rule: hooks see the indexes, the direction and the destination types that an attach of that kind gives them; the index of
 * an interface is its number in the file and 1, because real indexes start at 1.
 *
 * @module
 */

import type { SavefilePort } from '../drivers/savefile.ts';
import { FirehookError } from '../errors.ts';
import {
  DEST_LOCAL,
  DEST_REMOTE,
  INVALID_IF_INDEX,
  IP_RECEIVE,
  IP_TRANSMIT,
  LOCAL_IF_INDEX,
} from '../firewall/constants.ts';
import type { LocalRoute } from '../lane/local-table.ts';
import { LOCAL_NAME, type Way } from '../lane/way.ts';
import { type Prefix, parseCidr } from '../wire/address.ts';
import { SOURCE_OFFSET as IPV4_SOURCE } from '../wire/ipv4.ts';
import { SOURCE_OFFSET as IPV6_SOURCE } from '../wire/ipv6.ts';

/** What the command line says of the ways. */
export interface WayOptions {
  readonly direction?: 'in' | 'out';
  readonly local: readonly string[];
  readonly bridge?: boolean;
}

const IPV4_LENGTH = 4;
const IPV4_BITS = 32;
/** A longer prefix of IPv4 names hosts, or the two ends of a link (RFC 3021), and has no broadcast. */
const LONGEST_WITH_BROADCAST = 30;
const BRIDGE_PORTS = 2;

/** Tells the way of each packet. */
export class ReplayWays {
  /** The host's own addresses and broadcasts. */
  readonly locals: readonly LocalRoute[];
  /** Packets that had a source in one of the prefixes of `--local`. */
  fromLocal = 0;
  readonly #kind: 'plain' | 'in' | 'out' | 'local' | 'bridge';
  readonly #prefixes: readonly Prefix[];
  readonly #ways: Way[] = [];
  readonly #waysOut: Way[] = [];

  /** @throws {@link FirehookError} FIREHOOK_USAGE for options that contradict each other, and for what is no prefix */
  constructor({ direction, local, bridge = false }: WayOptions) {
    if (direction !== undefined && local.length > 0)
      throw usage('--direction and --local both say which way packets go; use one of them');
    if (bridge && (direction !== undefined || local.length > 0))
      throw usage('--bridge takes each packet from one interface to the other; use it without --direction and --local');
    this.#prefixes = local.map(prefixOf);
    this.locals = this.#prefixes.flatMap(routesOf);
    this.#kind = bridge ? 'bridge' : local.length > 0 ? 'local' : (direction ?? 'plain');
  }

  /** The capture needs two interfaces of one section. */
  get isBridge(): boolean {
    return this.#kind === 'bridge';
  }

  /** Packets go out or come in by their source. */
  get isBySource(): boolean {
    return this.#kind === 'local';
  }

  /**
   * The way of a packet.
   *
   * @param offset - octet of the frame where the IP header starts; negative where there is none
   */
  of(port: number, frame: Uint8Array, offset: number): Way {
    if (this.#kind !== 'local' || offset < 0 || !this.#isFromLocal(frame, offset)) {
      this.#ways[port] ??= this.#make(port, this.#kind === 'local' ? 'in' : this.#kind);
      return this.#ways[port];
    }
    this.fromLocal += 1;
    this.#waysOut[port] ??= this.#make(port, 'out');
    return this.#waysOut[port];
  }

  #make(port: number, kind: 'plain' | 'in' | 'out' | 'bridge'): Way {
    const index = port + 1;
    const way: Way = {
      name: `interface ${port}`,
      from: `interface ${port}`,
      to: LOCAL_NAME,
      side: 'in',
      zone: 0,
      inPort: port,
      outPort: port,
      otherPort: -1,
      direction: IP_RECEIVE,
      recvInterfaceIndex: index,
      sendInterfaceIndex: INVALID_IF_INDEX,
      otherIndex: INVALID_IF_INDEX,
      unicastType: kind === 'in' ? DEST_LOCAL : DEST_REMOTE,
      reject: 'written',
      rejectPort: -1,
    };
    if (kind === 'out')
      return {
        ...way,
        from: LOCAL_NAME,
        to: way.from,
        side: 'out',
        direction: IP_TRANSMIT,
        recvInterfaceIndex: LOCAL_IF_INDEX,
        sendInterfaceIndex: index,
        otherIndex: index,
      };
    if (kind !== 'bridge') return way;
    const outPort = 1 - port;
    const to = `interface ${outPort}`;
    const side = port === 0 ? 'out' : 'in';
    return { ...way, to, side, outPort, otherPort: port, sendInterfaceIndex: outPort + 1, otherIndex: index };
  }

  #isFromLocal(frame: Uint8Array, offset: number): boolean {
    const isIpv4 = (frame[offset] ?? 0) >>> 4 === 4;
    const at = offset + (isIpv4 ? IPV4_SOURCE : IPV6_SOURCE);
    return this.#prefixes.some(
      (prefix) => (prefix.bytes.length === IPV4_LENGTH) === isIpv4 && isWithin(frame, at, prefix),
    );
  }
}

/**
 * Checks that a capture can be a bridge.
 *
 * @param ports - the interfaces described before its first packet
 * @throws {@link FirehookError} FIREHOOK_USAGE
 */
export function assertBridge(ports: readonly SavefilePort[]): void {
  const [a, b] = ports;
  if (a === undefined || b === undefined || ports.length !== BRIDGE_PORTS) {
    const found = ports.length === 1 ? '1 interface' : `${ports.length} interfaces`;
    throw usage(
      `--bridge needs a pcapng capture with two interfaces, described before its first packet; this one has ${found}`,
    );
  }
  if (a.section !== b.section)
    throw usage('--bridge needs two interfaces of one section; those of this capture are of two sections');
  if (a.linktype !== b.linktype)
    throw usage(
      `--bridge needs two interfaces of one link type; those of this capture have ${a.linktype} and ${b.linktype}`,
    );
}

function prefixOf(text: string): Prefix {
  const prefix = parseCidr(text);
  if (prefix !== null) return prefix;
  const advice = 'expected an address or a prefix without bits behind its length, for example 192.0.2.0/24';
  throw usage(`--local ${JSON.stringify(text)} is not valid; ${advice}`);
}

/** The prefix as the host's own addresses; of an IPv4 network its last address is the broadcast. */
function routesOf({ bytes, prefixLength }: Prefix): LocalRoute[] {
  const own = { address: Buffer.from(bytes).toString('hex'), prefixLength, isBroadcast: false };
  if (bytes.length !== IPV4_LENGTH || prefixLength > LONGEST_WITH_BROADCAST) return [own];
  const last = Buffer.from(bytes);
  const hostBits = 2 ** (IPV4_BITS - prefixLength) - 1;
  last.writeUInt32BE(last.readUInt32BE(0) + hostBits);
  return [own, { address: last.toString('hex'), prefixLength: IPV4_BITS, isBroadcast: true }];
}

function isWithin(frame: Uint8Array, at: number, { bytes, prefixLength }: Prefix): boolean {
  const whole = prefixLength >>> 3;
  for (let i = 0; i < whole; i++) if (frame[at + i] !== bytes[i]) return false;
  const rest = prefixLength & 7;
  if (rest === 0) return true;
  return (((frame[at + whole] ?? 0) ^ (bytes[whole] ?? 0)) & (0xff << (8 - rest)) & 0xff) === 0;
}

function usage(sentence: string): FirehookError {
  return new FirehookError('FIREHOOK_USAGE', sentence);
}
