/**
 * A trace or a record of a running lane: which packets are told of, and how they get into the ring.
 *
 * ```
 *   order of the supervisor ─> filter, compiled ─> packet tracer ─ so many packets a second at most ─> JSON ─────────────> ring
 *                                                        record: frame recorder ─ octets in, octets out ──┘
 * ```
 * Rule: without an order nothing of it is on the packet path. With one it costs what it costs, and that has a bound: packets over the bound go
 * their way untold, and are counted.
 *
 * @module
 */

import { compileFilter, type Predicate } from '../filter/to-js.ts';
import { HOOK_PACKETS } from '../hook/compile-filters.ts';
import { FrameRecorder, type RecordPlace } from './frame-recorder.ts';
import type { Lane } from './lane.ts';
import type { LoadedChain } from './load-chain.ts';
import type { TraceOrder } from './messages.ts';
import type { PacketInHand } from './packet-in-hand.ts';
import { PacketTracer, type TracedPacket } from './packet-tracer.ts';
import { TokenBucket } from './token-bucket.ts';
import type { TraceRingWriter } from './trace-ring.ts';

/** Packets that are told of in a second. */
const MOST_TRACED = 500;
/** Packets that are recorded in a second. */
const MOST_RECORDED = 1000;
/** Octets of the longest text of a packet. */
const MAX_TEXT = 4072;

/** What a {@link LaneTrace} is made of. */
export interface LaneTraceOptions {
  readonly lane: Lane;
  readonly loaded: Pick<LoadedChain, 'chain' | 'reasons'>;
  readonly ring: TraceRingWriter;
  /** Linktype of a driver port. */
  readonly linktypeOf: (port: number) => number;
  /** Ports beside those of the ways that frames are sent out of, by name. */
  readonly outlets: ReadonlyMap<string, number>;
  /** Milliseconds on a clock that never jumps back. */
  readonly now: () => number;
  /** Milliseconds since 1970. */
  readonly wall: () => number;
}

/** Traces of one lane, one at a time. */
export class LaneTrace {
  readonly #options: LaneTraceOptions;

  constructor(options: LaneTraceOptions) {
    this.#options = options;
  }

  /** Begins, in the place of one that is under way; null: there is none from now on. @throws FilterError for what is no filter */
  set(order: TraceOrder | null): void {
    const { lane, loaded, ring, linktypeOf, now } = this.#options;
    if (order === null) {
      lane.trace(null);
      return;
    }
    const { id, expression, octets } = order;
    const matches = expression === '' ? null : compileFilter(expression, HOOK_PACKETS);
    const budget = new TokenBucket(octets === null ? MOST_TRACED : MOST_RECORDED);
    const recorder = octets === null ? null : this.#recorder(octets);
    const { chain, reasons } = loaded;
    const tracer = new PacketTracer({
      chain,
      reasons,
      ledger: lane.ledger,
      linktypeOf,
      wants: (packet, offset) => {
        if (!isWanted(matches, packet, offset)) return false;
        if (!budget.take(now())) {
          ring.skip();
          return false;
        }
        recorder?.begin(packet);
        return true;
      },
      onPacket: (packet) => {
        const record =
          recorder === null
            ? Buffer.from(textOf(packet))
            : recorder.finish((places, leftOut) => textOf(packet, { places, leftOut }));
        if (record === null) ring.skip();
        else ring.write(id, record);
      },
    });
    lane.trace(tracer, recorder);
  }

  #recorder(most: number): FrameRecorder {
    const { lane, outlets, linktypeOf, now, wall } = this.#options;
    const names = new Map<number, string>();
    for (const { from, to, outPort, rejectPort } of lane.ways) {
      names.set(outPort, to);
      names.set(rejectPort, from);
    }
    for (const [name, port] of outlets) names.set(port, name);
    return new FrameRecorder({ most, nameOf: (port) => names.get(port) ?? `port ${port}`, linktypeOf, now, wall });
  }
}

function isWanted(matches: Predicate | null, { frame }: PacketInHand, offset: number): boolean {
  if (matches === null) return true;
  if (offset < 0) return false;
  const { octets, length, originalLength } = frame;
  return matches(octets.subarray(offset), length - offset, octets, offset, originalLength - offset);
}

/** The text of a packet; where there is no room for all hooks, with those that fit, the last ones. */
function textOf(
  packet: TracedPacket,
  recorded?: { readonly places: readonly RecordPlace[]; readonly leftOut: number },
): string {
  let { hooks } = packet;
  for (;;) {
    const text = JSON.stringify({ ...packet, hooks, cut: hooks.length < packet.hooks.length });
    if (Buffer.byteLength(text) <= MAX_TEXT || hooks.length === 0)
      return recorded === undefined ? text : `{"packet":${text},"frames":${JSON.stringify(recorded)}}`;
    hooks = hooks.slice(Math.ceil(hooks.length / 2));
  }
}
