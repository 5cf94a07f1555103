/**
 * Stock hook `impair`: makes a good link a bad one. Delay, jitter, loss and a bit rate, for each direction by itself.
 *
 * ```
 *   packet ─ lost by chance? ─> DROP
 *          ─ behind the packets of its direction that still leave, at the rate ─> then the delay, more or less jitter ─> goes on
 * ```
 * Rules: packets of a direction keep their order, as on a wire, unless `reorder` says otherwise. With the same seed and the same packets the
 * same ones are lost. What does not fit into the queue is dropped, as a router would.
 *
 * Time is that of the packets, so a replay is delayed as live traffic is. **Live, a packet goes on within a millisecond or two of its moment.**
 *
 * @see tc-netem(8), which does this to what a machine sends by its own queues
 * @module
 */

import { DROP, defineHook, FORWARD } from 'firehook';
import {
  type OptionValues,
  optionError,
  optionsOf,
  readChoice,
  readFlag,
  readInteger,
  wrongOption,
} from './_options.ts';

/** Options of `impair`. */
export interface ImpairOptions {
  /** Milliseconds that each packet is late, 0 to 60,000. @defaultValue 0 */
  readonly delayMs?: number;
  /** Most milliseconds more or less than that, by chance; not more than `delayMs`. @defaultValue 0 */
  readonly jitterMs?: number;
  /** Packets of a hundred that are lost by chance, 0 to 100. @defaultValue 0 */
  readonly lossPercent?: number;
  /** Kilobits a second of each direction, 1 to 100,000,000. @defaultValue no bound */
  readonly kbitPerSecond?: number;
  /** Packets that wait at most, 1 to 65,535. @defaultValue 1000 */
  readonly queue?: number;
  /** Memory for them, in MiB, 1 to 4,096. @defaultValue 16 */
  readonly queueMib?: number;
  /** The direction that is made bad: what comes in, what goes out, or both. @defaultValue `both` */
  readonly side?: 'in' | 'out' | 'both';
  /** Jitter may let a packet overtake another one. @defaultValue `false` */
  readonly reorder?: boolean;
  /** Where chance begins, 1 to 2,147,483,647. @defaultValue another one at each start */
  readonly seed?: number;
}

const MOST_DELAY_MS = 60_000;
/** The rate may add so much before the queue is full: longer than that nothing waits. */
const LONGEST_WAIT_MS = 300_000;
const BITS = 8;
const MOST_SEED = 2 ** 31 - 1;
const UINT32 = 2 ** 32;

const KEYS = [
  'delayMs',
  'jitterMs',
  'lossPercent',
  'kbitPerSecond',
  'queue',
  'queueMib',
  'side',
  'reorder',
  'seed',
] as const;

/** The options, checked. */
function readLink(values: OptionValues<(typeof KEYS)[number]>) {
  const delayMs = readNumber('delayMs', values.delayMs ?? 0, 0, MOST_DELAY_MS);
  const jitterMs = readNumber('jitterMs', values.jitterMs ?? 0, 0, MOST_DELAY_MS);
  if (jitterMs > delayMs) throw wrongOption('jitterMs', 'is more than delayMs; a packet cannot leave before it came');
  return {
    delayMs,
    jitterMs,
    loss: (readNumber('lossPercent', values.lossPercent ?? 0, 0, 100) / 100) * UINT32,
    /** Milliseconds that an octet takes. */
    octetMs: values.kbitPerSecond === undefined ? 0 : BITS / readNumber('kbitPerSecond', values.kbitPerSecond, 1, 1e8),
    queue: readInteger('queue', values.queue ?? 1000, 1, 65_535),
    queueMib: readInteger('queueMib', values.queueMib ?? 16, 1, 4096),
    side: readChoice('side', values.side, ['in', 'out', 'both'], 'both'),
    reorder: readFlag('reorder', values.reorder),
    seed: readInteger('seed', values.seed ?? 1 + Math.floor(Math.random() * (MOST_SEED - 1)), 1, MOST_SEED),
  };
}

export default defineHook({
  name: 'impair',
  checkable: true,
  // Behind every other hook: what they drop never met the link.
  priority: -1000,
  hold: { packets: 1000, mib: 16, timeoutMs: LONGEST_WAIT_MS },
  options: optionsOf(KEYS, readLink),
  setup({ delayMs, jitterMs, loss, octetMs, queue, queueMib, side, reorder, seed }) {
    const chance = new Chance(seed);
    /** For each direction: when its last octet leaves at the rate, and when its last packet goes on. */
    const free = new Float64Array(2);
    const last = new Float64Array(2);
    return {
      hold: { packets: queue, mib: queueMib, timeoutMs: LONGEST_WAIT_MS },
      onPacket(packet, context) {
        const isOut = context.side === 'out';
        if (side !== 'both' && isOut !== (side === 'out')) return FORWARD;
        if (loss > 0 && chance.next() < loss) return DROP;
        const way = isOut ? 1 : 0;
        const now = context.timestamp;
        const sent = Math.max(now, free[way] as number) + packet.length * octetMs;
        let at = sent + delayMs;
        if (jitterMs > 0) at += (chance.next() / UINT32) * 2 * jitterMs - jitterMs;
        if (!reorder) at = Math.max(at, last[way] as number);
        if (at <= now) return FORWARD;
        const verdict = packet.holdUntil(at);
        if (verdict === DROP) return DROP;
        // A packet that found no room has taken none of the link's time.
        free[way] = sent;
        last[way] = at;
        return verdict;
      },
    };
  },
});

/** Numbers by chance, 0 to 2^32 - 1, the same after the same seed (G. Marsaglia, "Xorshift RNGs", 2003). */
class Chance {
  readonly #state: Int32Array;

  constructor(seed: number) {
    this.#state = Int32Array.of(seed);
  }

  next(): number {
    const state = this.#state;
    let x = state[0] as number;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    state[0] = x;
    return x >>> 0;
  }
}

function readNumber(key: string, value: unknown, minimum: number, maximum: number): number {
  if (typeof value === 'number' && value >= minimum && value <= maximum) return value;
  throw optionError(key, value, `a number from ${minimum} to ${maximum}`);
}
