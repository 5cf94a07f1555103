/**
 * Stock hook `port-knock`: opens a TCP port for a source that has asked for others in the right order.
 *
 * ```
 *   SYN to 7000 ─> SYN to 8000 ─> SYN to 9000 ─> a connection to 22 may begin, for some seconds, from there
 *       each in time, nothing answers; another port of the sequence starts over
 * ```
 * Rule: a port that is kept has connections that began while it was open, and nothing else: segments of no connection are dropped.
 * A source is an address. What it has knocked all lanes know. They are not in step, though: knocks that come within the same few milliseconds may be
 * taken for others in another order, so a client waits for a moment between two of them.
 *
 * It keeps a door shut for whoever scans; **whoever sees the traffic sees the sequence**. It is no replacement for a login.
 *
 * @module
 */

import { type Address, DROP, defineHook, FORWARD } from 'firehook';
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
   * Sources that there is room for; more push out those whose time ends first.
   *
   * @defaultValue `10000`
   */
  readonly sources?: number;
}

const SYN = 2;
const ACK = 16;
const SECOND = 1000;
const MOST_KNOCKS = 16;

export default defineHook({
  name: 'port-knock',
  checkable: true,
  flows: true,
  // What a source has: so many knocks that were right.
  tables: ({ sources, patienceMs, openMs }) => ({
    knocks: { most: sources, ttlMs: Math.max(patienceMs, openMs) },
  }),
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
  setup({ port, sequence, patienceMs, openMs }, runtime) {
    const steps = runtime.table('knocks');
    const all = sequence.length;
    const knocks = new Uint8Array(65_536);
    for (const knock of sequence) knocks[knock] = 1;

    /** The next knock of a source: right, wrong, or the first one again. */
    function knock(source: Address, at: number): void {
      const last = steps.get(source);
      const step = last < all ? last : 0;
      const next = sequence[step] === at ? step + 1 : sequence[0] === at ? 1 : 0;
      steps.set(source, next, next === all ? openMs : patienceMs);
    }

    return {
      onPacket({ tcp, destinationPort, flow, source }) {
        if (tcp === null || (destinationPort !== port && knocks[destinationPort] !== 1)) return FORWARD;
        if (destinationPort === port) {
          if (flow === null) return DROP;
          return !flow.isNew || flow.direction === 1 || steps.get(source) === all ? FORWARD : DROP;
        }
        if (tcp.has(SYN) && !tcp.has(ACK)) {
          knock(source, destinationPort);
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
