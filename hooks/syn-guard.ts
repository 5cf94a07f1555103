/**
 * Stock hook `syn-guard`: a server meets only SYNs of addresses that somebody answers at.
 *
 * ```
 *   client                          syn-guard                                   server
 *     │ SYN seq=x ─────────────────────>│ unknown source: answered, forgotten       │
 *     │<── SYN-ACK ack=cookie (wrong) ──│                                           │
 *     │ RST seq=cookie ────────────────>│ right: the source is known; dropped       │
 *     │ SYN seq=x, sent again ─────────>│─────────────────────────────────────────> │    and so is every later one
 * ```
 * A client whose SYN is acknowledged with a number that it never sent has to say so (RFC 9293, 3.10.7.3): its RST carries that number, and it goes on
 * trying. Only who sees what is sent to an address can know the number, which is a hash of both ends, a secret and the time. Nothing is kept of a
 * source that has not answered.
 *
 * Rules: what is no SYN and no RST passes, always. A SYN-ACK is never longer than the SYN that it answers.
 *
 * @see RFC 4987 for the attack
 * @module
 */

import { randomFillSync } from 'node:crypto';
import type { Address, Packet, Prefix, Tcp, Verdict } from 'firehook';
import { DROP, defineHook, FORWARD, halfSipHash, parseCidr, REPLY } from 'firehook';
import { optionError, optionsOf, readInteger } from './_options.ts';
import { PortRule } from './_port-rule.ts';

/** Options of `syn-guard`. */
export interface SynGuardOptions {
  /** Ports of the servers, 0-65535, and ranges such as `"6000-6063"`. */
  readonly ports: number | string | readonly (number | string)[];
  /**
   * Addresses and prefixes of the servers, 64 at most.
   *
   * @defaultValue all addresses
   */
  readonly servers?: string | readonly string[];
  /**
   * Seconds for which a source is known once it has answered.
   *
   * @defaultValue `600`
   */
  readonly remember?: number;
  /**
   * Sources that there is room for; more push out those that answered first.
   *
   * @defaultValue `65536`
   */
  readonly sources?: number;
  /**
   * SYNs of unknown sources in a second, all lanes together, that pass without more ado. Beyond that they are asked, and for ten seconds after. 0: always.
   *
   * @defaultValue `0`
   */
  readonly above?: number;
}

const FIN = 1;
const SYN = 2;
const RST = 4;
const ACK = 16;
const SIGN = 1 << 31;
const SECOND = 1000;
/** A number is right for one to two times eight seconds: a client answers at once. */
const SLICE_SHIFT = 3;
/** Seconds after the last one with too many SYNs. */
const CALM_SECONDS = 10;
const MOST_SERVERS = 64;
/** An answer starts with it, as most hosts do. */
const TTL = 64;
const IPV4_HEADER = 20;
const IPV6_HEADER = 40;
/** Two addresses of IPv6, the ports, the time. */
const MOST_WORDS = 10;

export default defineHook({
  name: 'syn-guard',
  checkable: true,
  priority: 300,
  tables: ({ sources, rememberMs }) => ({ known: { most: sources, ttlMs: rememberMs } }),
  options: optionsOf(['ports', 'servers', 'remember', 'sources', 'above'], (values) => ({
    rule: new PortRule({ protocol: 'tcp', ports: values.ports }),
    servers: readServers(values.servers),
    rememberMs: readInteger('remember', values.remember ?? 600, 1, 86_400) * SECOND,
    sources: readInteger('sources', values.sources ?? 65_536, 1, 1_000_000),
    above: readInteger('above', values.above ?? 0, 0, 10_000_000),
  })),
  setup({ rule, servers, above }, runtime) {
    const known = runtime.table('known');
    const cookies = new Cookies();
    const meter = above === 0 ? null : new Meter(above / runtime.lanes, (text) => runtime.log('warn', text));

    /** A source is an address of IPv4, the /64 of IPv6 that a host has to itself, or one address of a link. */
    function keyOf(source: Address) {
      return source.length === 4 || isLinkLocal(source) ? source : known.network(source, 32, 64);
    }

    function onSyn(packet: Packet, tcp: Tcp, second: number): Verdict {
      const { source } = packet;
      if (known.get(keyOf(source)) !== 0) return FORWARD;
      if (meter !== null && !meter.isTooMuch(second)) return FORWARD;
      if (!mayAnswer(packet)) return DROP;
      answer(packet, tcp, cookies.of(packet, second >>> SLICE_SHIFT));
      return REPLY;
    }

    function onReset(packet: Packet, tcp: Tcp, second: number): Verdict {
      if (!cookies.isRight(packet, tcp.seq | 0, second >>> SLICE_SHIFT)) return FORWARD;
      known.set(keyOf(packet.source), 1);
      return DROP;
    }

    return {
      onPacket(packet, context) {
        const { tcp } = packet;
        if (tcp === null || context.side !== 'in' || !rule.matches(packet) || !isServer(packet.destination, servers))
          return FORWARD;
        const flags = tcp.flags & (FIN | SYN | RST | ACK);
        const isSyn = (flags & (SYN | ACK | RST)) === SYN;
        if (!isSyn && flags !== RST) return FORWARD;
        // A whole number: one with a fraction that is handed on would be an object.
        const second = Math.floor(context.timestamp / SECOND) | 0;
        return isSyn ? onSyn(packet, tcp, second) : onReset(packet, tcp, second);
      },
    };
  },
});

/** Numbers that only who sees what is sent to a source can know. */
class Cookies {
  readonly #secret = randomFillSync(new Int32Array(2));
  readonly #words = new Int32Array(MOST_WORDS);

  /** The number for the ends of a packet that goes to the server, 32 bits with a sign. */
  of(packet: Packet, slice: number): number {
    const words = this.#words;
    const { source, destination } = packet;
    const each = source.length >>> 2;
    for (let index = 0; index < each; index++) {
      words[index] = source.signedWord(index);
      words[each + index] = destination.signedWord(index);
    }
    words[2 * each] = (packet.sourcePort << 16) | packet.destinationPort;
    words[2 * each + 1] = slice;
    return halfSipHash(words, 2 * each + 2, 0, this.#secret[0] as number, this.#secret[1] as number);
  }

  /** Whether it is one of those that {@link answer} has made of a number of now or of just before. */
  isRight(packet: Packet, value: number, slice: number): boolean {
    if (isEither(value, this.of(packet, slice))) return true;
    return isEither(value, this.of(packet, slice - 1));
  }
}

function isEither(value: number, cookie: number): boolean {
  return value === cookie || value === (cookie ^ SIGN);
}

/** Makes the SYN of a client the wrong answer to it. */
function answer({ ip, payload }: Packet, tcp: Tcp, cookie: number): void {
  // What the client has sent so far, its SYN and what came with it, would be acknowledged: the number must not be of that.
  const beyond = (cookie - (tcp.seq | 0)) | 0;
  const isOfClient = beyond >= 0 && beyond <= payload.length + 1;
  const { sourcePort } = tcp;
  tcp.sourcePort = tcp.destinationPort;
  tcp.destinationPort = sourcePort;
  tcp.seq = ~cookie;
  tcp.ack = isOfClient ? cookie ^ SIGN : cookie;
  tcp.flags = SYN | ACK;
  ip.swap();
  ip.ttl = TTL;
}

/** False for what no client sends: a SYN in pieces or with options of IP, and one of an address that nothing can be sent to. */
function mayAnswer({ isFragment, transportOffset, version, source }: Packet): boolean {
  if (isFragment || transportOffset !== (version === 4 ? IPV4_HEADER : IPV6_HEADER)) return false;
  const first = source.at(0);
  // This network, loopback, multicast and what is reserved; multicast, and what has no first octet.
  return version === 4 ? first !== 0 && first !== 127 && first < 224 : first !== 0 && first !== 0xff;
}

function isLinkLocal(address: Address): boolean {
  return address.at(0) === 0xfe && (address.at(1) & 0xc0) === 0x80;
}

function isServer(address: Address, servers: readonly Prefix[]): boolean {
  if (servers.length === 0) return true;
  for (let index = 0; index < servers.length; index++) if (address.isIn(servers[index] as Prefix)) return true;
  return false;
}

/** Counts SYNs by the second. */
class Meter {
  readonly #most: number;
  readonly #say: (text: string) => void;
  #second = -1;
  #count = 0;
  /** The last second that had too many; far enough back at first. */
  #busy = -CALM_SECONDS - 1;

  constructor(most: number, say: (text: string) => void) {
    this.#most = most;
    this.#say = say;
  }

  /** Counts one more; true where it is one too many, or there were some of late. */
  isTooMuch(second: number): boolean {
    if (second !== this.#second) {
      this.#second = second;
      this.#count = 0;
    }
    this.#count += 1;
    // A clock that was set back ends it as well.
    const isBusy = second >= this.#busy && second - this.#busy <= CALM_SECONDS;
    if (this.#count <= this.#most) return isBusy;
    if (!isBusy)
      this.#say(`more than ${Math.ceil(this.#most)} SYNs of unknown sources in a second: they have to answer first`);
    this.#busy = second;
    return true;
  }
}

function readServers(value: unknown): Prefix[] {
  const items: readonly unknown[] = value === undefined ? [] : Array.isArray(value) ? value : [value];
  if (value !== undefined && (items.length === 0 || items.length > MOST_SERVERS))
    throw optionError('servers', value, `1 to ${MOST_SERVERS} addresses and prefixes`);
  return items.map((item) => {
    const prefix = typeof item === 'string' ? parseCidr(item) : null;
    if (prefix === null) throw optionError('servers', item, 'an address or a prefix such as "192.0.2.0/24"');
    return prefix;
  });
}
