/**
 * A trace of a running lane: which packets are told of, and how they get into the ring.
 *
 * ```
 *   order of the supervisor ─> filter, compiled ─> packet tracer ─ 500 packets a second at most ─> record, JSON ─> ring
 * ```
 * Rule: without an order nothing of it is on the packet path. With one it costs what it costs, and that has a bound: packets over the bound go
 * their way untold, and are counted.
 *
 * @module
 */

import { compileFilter, type Predicate } from '../filter/to-js.ts';
import { HOOK_PACKETS } from '../hook/compile-filters.ts';
import type { Lane } from './lane.ts';
import type { LoadedChain } from './load-chain.ts';
import type { TraceOrder } from './messages.ts';
import type { PacketInHand } from './packet-in-hand.ts';
import { PacketTracer, type TracedPacket } from './packet-tracer.ts';
import { TokenBucket } from './token-bucket.ts';
import { MAX_TRACE_RECORD, type TraceRingWriter } from './trace-ring.ts';

/** Packets that are told of in a second. */
const MOST_PER_SECOND = 500;

/** What a {@link LaneTrace} is made of. */
export interface LaneTraceOptions {
  readonly lane: Lane;
  readonly loaded: LoadedChain;
  readonly ring: TraceRingWriter;
  /** Linktype of a driver port. */
  readonly linktypeOf: (port: number) => number;
  /** Milliseconds on a clock that never jumps back. */
  readonly now: () => number;
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
    const { id, expression } = order;
    const matches = expression === '' ? null : compileFilter(expression, HOOK_PACKETS);
    const budget = new TokenBucket(MOST_PER_SECOND);
    const { chain, reasons } = loaded;
    lane.trace(
      new PacketTracer({
        chain,
        reasons,
        ledger: lane.ledger,
        linktypeOf,
        wants: (packet, offset) => {
          if (!isWanted(matches, packet, offset)) return false;
          if (budget.take(now())) return true;
          ring.skip();
          return false;
        },
        onPacket: (packet) => ring.write(id, recordOf(packet)),
      }),
    );
  }
}

function isWanted(matches: Predicate | null, { frame }: PacketInHand, offset: number): boolean {
  if (matches === null) return true;
  if (offset < 0) return false;
  const { octets, length, originalLength } = frame;
  return matches(octets.subarray(offset), length - offset, octets, offset, originalLength - offset);
}

/** The record; where there is no room for all hooks, with those that fit, the last ones. */
function recordOf(packet: TracedPacket): string {
  let { hooks } = packet;
  for (;;) {
    const text = JSON.stringify({ ...packet, hooks, cut: hooks.length < packet.hooks.length });
    if (Buffer.byteLength(text) <= MAX_TRACE_RECORD || hooks.length === 0) return text;
    hooks = hooks.slice(Math.ceil(hooks.length / 2));
  }
}
