/**
 * Stock hook `rate-limit`: a token bucket for each source address, in a table of fixed size.
 *
 * A source is an IPv4 address or the /64 of an IPv6 address: a host owns its whole /64 and could pick a new address for
 * every packet. All hosts of a link share fe80::/64, so a link-local source is one address. Time is the packet's own
 * timestamp, so replay behaves as live traffic did.
 *
 * What counts is what arrives. What this host sends is no packet of a source that could be too much for it, and neighbour
 * discovery always passes: without it there is no link. A super-frame counts as the packets that it was put together from,
 * so that a limit means the same with and without the offloads of a card.
 *
 * A bucket is one number, the moment when it will be full again. That is virtual scheduling (ITU-T I.371, annex A): it
 * lets through what a bucket of counted tokens lets through, with nothing to round. Exact to a microsecond.
 *
 * ```
 *   slot      group 0            group 1
 *           | 16 ways ... | 16 ways ... |     family, key and full-again time in columns: 17 octets a slot
 * ```
 * A source belongs to one group. When the group is taken, the bucket that has been full for the longest goes (nothing is
 * lost: a full bucket is what a new source gets); when none is full, the fullest goes, and the log says so once.
 *
 * @module
 */

import { randomBytes } from 'node:crypto';
import type { Packet } from 'firehook';
import { DROP, defineHook, FORWARD, ICMP_ON_DROP, IP_TRANSMIT } from 'firehook';
import {
  type OptionValues,
  optionError,
  optionsOf,
  readChoice,
  readFlag,
  readInteger,
  wrongOption,
} from './_options.ts';
import { PortRule, PROTOCOL_NUMBERS } from './_port-rule.ts';

/** Options of `rate-limit`. */
export interface RateLimitOptions {
  /** Packets a second that each source may send in the long run, 0.001 to 1,000,000. */
  readonly packetsPerSecond: number;
  /**
   * Packets that a source may send at once after a pause, 1 to 1,000,000.
   *
   * @defaultValue `packetsPerSecond`, rounded up
   */
  readonly burst?: number;
  /**
   * Sources to keep track of, 16 to 4,194,304; rounded up to a power of two. Plan for twice as many as are expected.
   *
   * @defaultValue `65536`
   */
  readonly sources?: number;
  /** Count and limit this protocol only; other packets pass. */
  readonly protocol?: 'tcp' | 'udp';
  /** Count and limit packets to these ports only; needs `protocol`. Later fragments carry no ports and pass. */
  readonly ports?: number | string | readonly (number | string)[];
  /**
   * Count and limit only TCP packets that open a connection (SYN without ACK): connections that are there keep their speed.
   *
   * @defaultValue `false`
   */
  readonly newConnections?: boolean;
  /**
   * With `host`: count and limit what this host sends, too.
   *
   * @defaultValue `false`
   */
  readonly includeOwn?: boolean;
  /**
   * Answer with an ICMP error instead of dropping silently.
   *
   * @defaultValue `false`
   */
  readonly reject?: boolean;
}

const WAYS = 16;
/** Timestamps are doubles of milliseconds since 1970: good to a quarter of a microsecond. */
const TOLERANCE_MS = 0.001;
/** Rings are read one after the other, so that timestamps go back by a little. More than this is a clock that was set. */
const CLOCK_SET_MS = 1000;
/** Most octets of a packet on an ordinary link. What is longer was put together by the kernel or a card. */
const PACKET_OCTETS = 1500;

const TCP_SYN = 2;
const TCP_ACK = 16;
/** Nobody beyond the link can send it (RFC 4861). */
const ON_LINK = 255;
const FIRST_ND_TYPE = 133;
const LAST_ND_TYPE = 137;
/** The first ten bits of a link-local address, in its first word; signed, as `signedWord` gives it. */
const LINK_LOCAL = 0xfe80_0000 | 0;
const LINK_LOCAL_MASK = 0xffc0_0000 | 0;
/** Stands for the family of sources that are known by the end of their address, not by its start. */
const FAMILY_LINK_LOCAL = 7;
/** Places in the clock of {@link SourceBuckets}. */
const BASE = 0;
const LATEST = 1;
const NOW = 2;

const OPTIONS = [
  'packetsPerSecond',
  'burst',
  'sources',
  'protocol',
  'ports',
  'newConnections',
  'includeOwn',
  'reject',
] as const;

/** The options, checked. */
function readLimits(values: OptionValues<(typeof OPTIONS)[number]>) {
  const rate = readRate(values.packetsPerSecond);
  const protocol =
    values.protocol === undefined ? 0 : PROTOCOL_NUMBERS[readChoice('protocol', values.protocol, ['tcp', 'udp'])];
  if (values.ports !== undefined && protocol === 0) throw wrongOption('ports', 'needs protocol; expected tcp or udp');
  const newConnections = readFlag('newConnections', values.newConnections);
  if (newConnections && protocol !== PROTOCOL_NUMBERS.tcp) {
    throw wrongOption('newConnections', 'needs protocol: tcp; no other protocol says in a packet that it begins');
  }
  return {
    intervalMs: 1000 / rate,
    burst: readInteger('burst', values.burst ?? Math.ceil(rate), 1, 1_000_000),
    sources: readInteger('sources', values.sources ?? 65_536, WAYS, 4_194_304),
    protocol,
    ports: values.ports === undefined ? null : new PortRule({ protocol: values.protocol, ports: values.ports }),
    newConnections,
    includeOwn: readFlag('includeOwn', values.includeOwn),
    refused: readFlag('reject', values.reject) ? ICMP_ON_DROP : DROP,
  };
}

export default defineHook({
  name: 'rate-limit',
  checkable: true,
  options: optionsOf(OPTIONS, readLimits),
  setup({ intervalMs, burst, sources, protocol, ports, newConnections, includeOwn, refused }, { log }) {
    const buckets = new SourceBuckets(sources, intervalMs, burst, () =>
      log('warn', 'More sources than slots: buckets that were not full are given up; raise sources.'),
    );
    return {
      onPacket(packet, context) {
        if (context.direction === IP_TRANSMIT && !includeOwn) return FORWARD;
        if (protocol !== 0 && packet.protocol !== protocol) return FORWARD;
        if (ports !== null && !ports.matches(packet)) return FORWARD;
        if (newConnections && !opensConnection(packet)) return FORWARD;
        if (isNeighbourDiscovery(packet)) return FORWARD;
        const { source, version } = packet;
        const first = source.signedWord(0);
        const isLinkLocal = version === 6 && (first & LINK_LOCAL_MASK) === LINK_LOCAL;
        buckets.clock[NOW] = context.timestamp;
        const isWithin = buckets.take(
          isLinkLocal ? FAMILY_LINK_LOCAL : version,
          isLinkLocal ? source.signedWord(2) : first,
          version === 4 ? 0 : source.signedWord(isLinkLocal ? 3 : 1),
          ((packet.length + PACKET_OCTETS - 1) / PACKET_OCTETS) | 0,
        );
        return isWithin ? FORWARD : refused;
      },
    };
  },
});

/** True for a SYN without ACK. No fragment can hide its flags: the runtime drops those that are too short for them. */
function opensConnection({ tcpFlags }: Packet): boolean {
  return tcpFlags >= 0 && (tcpFlags & (TCP_SYN | TCP_ACK)) === TCP_SYN;
}

/** True for solicitations, advertisements and redirects that come from the link itself. */
function isNeighbourDiscovery({ icmp, version, ip, isFragment }: Packet): boolean {
  if (icmp === null || version !== 6 || isFragment || ip.ttl !== ON_LINK) return false;
  const { type } = icmp;
  return type >= FIRST_ND_TYPE && type <= LAST_ND_TYPE;
}

function readRate(value: unknown): number {
  if (typeof value === 'number' && value >= 0.001 && value <= 1_000_000) return value;
  throw optionError('packetsPerSecond', value, 'a number from 0.001 to 1000000');
}

/** The buckets of all sources. Nothing is allocated after the constructor, for which times are handed on in an array. */
class SourceBuckets {
  /** What timestamps are counted from, the latest of them, and that of the packet at hand: put it there before {@link take}. */
  readonly clock = new Float64Array([Number.NaN, 0, 0]);
  readonly #intervalMs: number;
  readonly #depthMs: number;
  readonly #groupMask: number;
  /** Random, so that nobody outside can choose sources that push each other out. */
  readonly #seed = randomBytes(4).readInt32BE();
  /** 0 where the slot was never used; slots of a group fill from the front and never empty again. */
  readonly #families: Uint8Array;
  readonly #highs: Int32Array;
  readonly #lows: Int32Array;
  readonly #fullAtMs: Float64Array;
  #onOverflow: (() => void) | undefined;

  constructor(sources: number, intervalMs: number, burst: number, onOverflow: () => void) {
    const slots = 2 ** Math.ceil(Math.log2(sources));
    this.#intervalMs = intervalMs;
    this.#depthMs = intervalMs * burst + TOLERANCE_MS;
    this.#groupMask = slots / WAYS - 1;
    this.#families = new Uint8Array(slots);
    this.#highs = new Int32Array(slots);
    this.#lows = new Int32Array(slots);
    this.#fullAtMs = new Float64Array(slots);
    this.#onOverflow = onOverflow;
  }

  /**
   * Takes tokens out of the bucket of a source; false when there is not one. Looks at 16 slots at most.
   *
   * @param packets - tokens that it costs. One is enough to pass; the others are owed, and come back first
   */
  take(family: number, high: number, low: number, packets: number): boolean {
    this.#tick();
    const slot = this.#find(family, high, low);
    const nowMs = this.clock[NOW] as number;
    const lackMs = Math.max(0, (this.#fullAtMs[slot] ?? 0) - nowMs);
    const isWithin = lackMs + this.#intervalMs <= this.#depthMs;
    this.#fullAtMs[slot] = nowMs + lackMs + (isWithin ? this.#intervalMs * packets : 0);
    return isWithin;
  }

  /** Puts the timestamp on a clock of small numbers, which keep the fraction that sums of large ones would round away. */
  #tick(): void {
    const { clock } = this;
    const latestMs = clock[LATEST] as number;
    const timestampMs = clock[NOW] as number;
    const nowMs = timestampMs - (clock[BASE] as number);
    clock[NOW] = nowMs;
    if (nowMs >= latestMs) clock[LATEST] = nowMs;
    else if (!(nowMs >= latestMs - CLOCK_SET_MS)) {
      // The first packet, or a clock that was set back: buckets go on from where they are.
      clock[BASE] = timestampMs - latestMs;
      clock[NOW] = latestMs;
    }
  }

  /** The slot of a source; one with a full bucket is made for a new source. */
  #find(family: number, high: number, low: number): number {
    const nowMs = this.clock[NOW] as number;
    const first = (this.#hash(family, high, low) & this.#groupMask) * WAYS;
    let oldest = first;
    for (let slot = first; slot < first + WAYS; slot++) {
      if (this.#families[slot] === 0) {
        oldest = slot;
        break;
      }
      if (this.#lows[slot] === low && this.#highs[slot] === high && this.#families[slot] === family) return slot;
      if ((this.#fullAtMs[slot] ?? 0) < (this.#fullAtMs[oldest] ?? 0)) oldest = slot;
    }
    if (this.#families[oldest] !== 0 && (this.#fullAtMs[oldest] ?? 0) > nowMs && this.#onOverflow !== undefined) {
      this.#onOverflow();
      this.#onOverflow = undefined;
    }
    this.#families[oldest] = family;
    this.#highs[oldest] = high;
    this.#lows[oldest] = low;
    this.#fullAtMs[oldest] = nowMs;
    return oldest;
  }

  /** The finishing steps of MurmurHash3, which spread every bit of the input over the result. */
  #hash(family: number, high: number, low: number): number {
    let hash = Math.imul(high ^ this.#seed, 0x85eb_ca6b);
    hash = Math.imul(hash ^ (hash >>> 13) ^ low, 0xc2b2_ae35);
    hash = Math.imul(hash ^ (hash >>> 16) ^ family, 0x85eb_ca6b);
    return hash ^ (hash >>> 15);
  }
}
