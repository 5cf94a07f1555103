/**
 * Stock hook `port-knock`: opens a TCP port for a source that has asked for others in the right order.
 *
 * ```
 *   SYN to 7000 ─> SYN to 8000 ─> SYN to 9000 ─> a connection to 22 may begin, for some seconds, from there
 *       each in time, nothing answers; another port of the sequence starts over
 * ```
 * Rule: a port that is kept has connections that began while it was open, and nothing else: segments of no connection are dropped.
 * A source is an address. Its state is a lane's own, **so the hook needs `lanes: 1`** and refuses others.
 *
 * It keeps a door shut for whoever scans; **whoever sees the traffic sees the sequence**. It is no replacement for a login.
 *
 * @module
 */

import { DROP, defineHook, FORWARD } from 'firehook';
import { optionError, optionsOf, readInteger } from './_options.ts';

/** Options of `port-knock`. */
export interface PortKnockOptions {
  /** The port that is kept, 1-65535. */
  readonly port: number;
  /** The ports that open it, in order: 1 to 16 of them, none twice in a row, and not the port itself. */
  readonly sequence: readonly number[];
  /**
   * Seconds from one knock to the next.
   *
   * @defaultValue `10`
   */
  readonly patience?: number;
  /**
   * Seconds in which connections may begin.
   *
   * @defaultValue `30`
   */
  readonly open?: number;
  /**
   * Sources that are remembered; more push out those that knocked first.
   *
   * @defaultValue `10000`
   */
  readonly sources?: number;
}

const SYN = 2;
const ACK = 16;
const SECOND = 1000;
const MOST_KNOCKS = 16;

/** How far a source has come. */
interface Knocker {
  /** Knocks that were right so far. */
  step: number;
  /** Until when the next one counts, or a connection may begin: milliseconds since 1970. */
  until: number;
}

export default defineHook({
  name: 'port-knock',
  flows: true,
  options: optionsOf(['port', 'sequence', 'patience', 'open', 'sources'], (values) => {
    const port = readInteger('port', values.port, 1, 65_535);
    return {
      port,
      sequence: readSequence(values.sequence, port),
      patienceMs: readInteger('patience', values.patience ?? 10, 1, 3600) * SECOND,
      openMs: readInteger('open', values.open ?? 30, 1, 86_400) * SECOND,
      sources: readInteger('sources', values.sources ?? 10_000, 1, 1_000_000),
    };
  }),
  setup({ port, sequence, patienceMs, openMs, sources }, { lanes }) {
    if (lanes > 1) throw new Error(`there are ${lanes} lanes, and each would see a part of the knocks; use lanes: 1`);
    const knockers = new Map<string, Knocker>();
    const knocks = new Uint8Array(65_536);
    for (const knock of sequence) knocks[knock] = 1;

    /** The next knock of a source: right, wrong, or the first one again. */
    function knock(source: string, at: number, now: number): void {
      const last = knockers.get(source);
      const step = last !== undefined && last.step < sequence.length && now <= last.until ? last.step : 0;
      const next = sequence[step] === at ? step + 1 : sequence[0] === at ? 1 : 0;
      // What was set last stands last: the first one is the oldest.
      knockers.delete(source);
      if (next === 0) return;
      for (const oldest of knockers.keys()) {
        if (knockers.size < sources) break;
        knockers.delete(oldest);
      }
      knockers.set(source, { step: next, until: now + (next === sequence.length ? openMs : patienceMs) });
    }

    function isOpenFor(source: string, now: number): boolean {
      const known = knockers.get(source);
      return known !== undefined && known.step === sequence.length && now <= known.until;
    }

    return {
      onPacket({ tcp, destinationPort, flow, source }, { timestamp }) {
        if (tcp === null || (destinationPort !== port && knocks[destinationPort] !== 1)) return FORWARD;
        if (destinationPort === port) {
          if (flow === null) return DROP;
          return !flow.isNew || flow.direction === 1 || isOpenFor(source.toString(), timestamp) ? FORWARD : DROP;
        }
        if (tcp.has(SYN) && !tcp.has(ACK)) {
          knock(source.toString(), destinationPort, timestamp);
          return DROP;
        }
        return FORWARD;
      },
    };
  },
});

function readSequence(value: unknown, port: number): number[] {
  if (!Array.isArray(value) || value.length < 1 || value.length > MOST_KNOCKS)
    throw optionError('sequence', value, `a list of 1 to ${MOST_KNOCKS} ports`);
  const sequence = value.map((one: unknown) => readInteger('sequence', one, 1, 65_535));
  if (sequence.includes(port)) throw optionError('sequence', port, 'ports other than the one that is kept');
  const twice = sequence.find((one, index) => one === sequence[index - 1]);
  // A SYN that was lost is sent again.
  if (twice !== undefined) throw optionError('sequence', twice, 'no port twice in a row: a client sends its SYN again');
  return sequence;
}
