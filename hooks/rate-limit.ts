/**
 * Stock hook `rate-limit`: a token bucket for each source address, in a table of fixed size.
 *
 * A source is an IPv4 address or the /64 of an IPv6 address: a host owns its whole /64 and could pick a new address for
 * every packet. Time is the packet's own timestamp, so replay behaves as live traffic did.
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
import { DROP, defineHook, FORWARD, ICMP_ON_DROP } from 'firehook';
import { optionError, readChoice, readFlag, readInteger, readOptions } from './_options.ts';
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
   * Answer with an ICMP error instead of dropping silently.
   *
   * @defaultValue `false`
   */
  readonly reject?: boolean;
}

const WAYS = 16;
/** Timestamps are doubles of milliseconds since 1970: good to a quarter of a microsecond. */
const TOLERANCE_MS = 0.001;

let protocol = 0;
let ports: PortRule | undefined;
let refused: typeof DROP | typeof ICMP_ON_DROP = DROP;
let originMs = Number.NaN;
let buckets: SourceBuckets | undefined;

export default defineHook<RateLimitOptions>({
  name: 'rate-limit',
  setup(options, runtime) {
    const values = readOptions(options, ['packetsPerSecond', 'burst', 'sources', 'protocol', 'ports', 'reject']);
    const rate = readRate(values.packetsPerSecond);
    const burst = readInteger('burst', values.burst ?? Math.ceil(rate), 1, 1_000_000);
    const sources = readInteger('sources', values.sources ?? 65_536, WAYS, 4_194_304);
    protocol = 0;
    if (values.protocol !== undefined) {
      protocol = PROTOCOL_NUMBERS[readChoice('protocol', values.protocol, ['tcp', 'udp'])];
    }
    if (values.ports !== undefined && protocol === 0) throw new Error('ports: needs protocol; expected tcp or udp');
    ports = values.ports === undefined ? undefined : new PortRule({ protocol: values.protocol, ports: values.ports });
    refused = readFlag('reject', values.reject) ? ICMP_ON_DROP : DROP;
    originMs = Number.NaN;
    buckets = new SourceBuckets(sources, 1000 / rate, burst, () =>
      runtime.log('warn', 'More sources than slots: buckets that were not full are given up; raise sources.'),
    );
  },
  onPacket(packet, context) {
    if (protocol !== 0 && packet.protocol !== protocol) return FORWARD;
    if (ports !== undefined && !ports.matches(packet)) return FORWARD;
    // Small numbers keep the fraction of a millisecond that sums of large ones would round away.
    if (Number.isNaN(originMs)) originMs = context.timestamp;
    const { source, version } = packet;
    const isWithin = buckets?.take(
      version,
      source.word(0),
      version === 6 ? source.word(1) : 0,
      context.timestamp - originMs,
    );
    return isWithin ? FORWARD : refused;
  },
});

function readRate(value: unknown): number {
  if (typeof value === 'number' && value >= 0.001 && value <= 1_000_000) return value;
  throw optionError('packetsPerSecond', value, 'a number from 0.001 to 1000000');
}

/** The buckets of all sources. Nothing is allocated after the constructor. */
class SourceBuckets {
  readonly #intervalMs: number;
  readonly #depthMs: number;
  readonly #groupMask: number;
  /** Random, so that nobody outside can choose sources that push each other out. */
  readonly #seed = randomBytes(4).readInt32BE();
  /** 0 where the slot was never used; slots of a group fill from the front and never empty again. */
  readonly #families: Uint8Array;
  readonly #highs: Uint32Array;
  readonly #lows: Uint32Array;
  readonly #fullAtMs: Float64Array;
  #onOverflow: (() => void) | undefined;

  constructor(sources: number, intervalMs: number, burst: number, onOverflow: () => void) {
    const slots = 2 ** Math.ceil(Math.log2(sources));
    this.#intervalMs = intervalMs;
    this.#depthMs = intervalMs * burst + TOLERANCE_MS;
    this.#groupMask = slots / WAYS - 1;
    this.#families = new Uint8Array(slots);
    this.#highs = new Uint32Array(slots);
    this.#lows = new Uint32Array(slots);
    this.#fullAtMs = new Float64Array(slots);
    this.#onOverflow = onOverflow;
  }

  /** Takes one token out of the bucket of a source; false when there is none. Looks at 16 slots at most. */
  take(family: number, high: number, low: number, nowMs: number): boolean {
    const slot = this.#find(family, high, low, nowMs);
    // No bucket lacks more than its depth. More than that means that the clock went back: then it is empty, no worse.
    const lackMs = Math.min(Math.max(0, (this.#fullAtMs[slot] ?? 0) - nowMs), this.#depthMs);
    const isWithin = lackMs + this.#intervalMs <= this.#depthMs;
    this.#fullAtMs[slot] = nowMs + lackMs + (isWithin ? this.#intervalMs : 0);
    return isWithin;
  }

  /** The slot of a source; one with a full bucket is made for a new source. */
  #find(family: number, high: number, low: number, nowMs: number): number {
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
