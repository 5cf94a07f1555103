/**
 * Events of flows that ended: their books, copied into the ring.
 *
 * ```
 *   flow table: a flow ends ─> hooks with onFlowEnd ─> counted for its reason ─ written ─> slot: ends, times, packets, octets, flags of TCP
 * ```
 * Rule: as in drop-events.ts: numbers are copied, and text is made elsewhere. A flow that never began, because a hook stopped its first packet,
 * is none.
 *
 * @module
 */

import {
  AT_END_REASON,
  AT_FIRST_MS,
  AT_FLAGS_SEEN,
  AT_FLOW,
  AT_GENERATION,
  AT_LAST_MS,
  AT_OCTETS,
  AT_PACKETS,
  AT_SUPPRESSED,
  FLOW_END,
  NO_HOOK,
  TYPE_FLOW,
} from '../events/event-layout.ts';
import type { RingWriter } from '../events/ring-writer.ts';
import { Sampler, type SampleSettings } from '../events/sampler.ts';
import { ENDED_REMOVED } from '../flow/flow-counters.ts';
import { KEY_HIGHER, KEY_HIGHER_REST, KEY_LOWER, KEY_LOWER_REST, KEY_PORTS, KEY_PROTOCOL } from '../flow/flow-key.ts';
import { type FlowRecords, RECORD_WORDS } from '../flow/flow-records.ts';
import { flagsSeen } from '../flow/tcp-tracker.ts';
import { KIND_TCP } from '../flow/timeouts.ts';
import type { ChainFlows } from '../hook/chain-flows.ts';
import type { HookEvents } from '../hook/hook-events.ts';

const MS = 1000;
const NANOSECONDS = 1_000_000;
const PROTOCOL_TCP = 6;
const WITH_PORTS: readonly boolean[] = Array.from({ length: 256 }, (_, protocol) =>
  [PROTOCOL_TCP, 17, 33, 132, 136].includes(protocol),
);

/** What {@link FlowEvents} is made of. */
export interface FlowEventOptions {
  readonly events: HookEvents;
  readonly flows: ChainFlows;
  readonly sample: SampleSettings;
  /** What is added to the clock of the flow table to have milliseconds since 1970. */
  readonly sinceEpochMs: () => number;
}

/** The events of one lane. */
export class FlowEvents {
  readonly #options: FlowEventOptions;
  readonly #sampler: Sampler;

  constructor(options: FlowEventOptions) {
    this.#options = options;
    this.#sampler = new Sampler(ENDED_REMOVED + 1, options.sample);
    options.events.watch(this.#sampler);
  }

  /** The flow that ends is at hand. */
  ended(): void {
    const { events, flows, sinceEpochMs } = this.#options;
    const { index, endReason, table } = flows;
    const { records } = table;
    const { nowMs } = table;
    if (!this.#sampler.takes(endReason, Math.floor(nowMs / MS) | 0)) return;
    const writer = events.open(NO_HOOK, TYPE_FLOW);
    if (writer === null) {
      this.#sampler.keep(endReason);
      return;
    }
    const offsetMs = sinceEpochMs();
    const atMs = Math.max(0, nowMs + offsetMs);
    writer.time(Math.floor(atMs / MS), Math.min(999_999_999, Math.floor((atMs % MS) * NANOSECONDS)));
    writer.octets(AT_END_REASON, endReason, records.stateOf(index), records.isAnswered(index) ? 1 : 0);
    const base = index * RECORD_WORDS;
    writer.word(AT_FLAGS_SEEN, records.kindOf(index) === KIND_TCP ? flagsSeen(records.words, base) : 0);
    writer.word(AT_FLOW, index);
    writer.word(AT_GENERATION, records.generationOf(index));
    writer.double(AT_SUPPRESSED, this.#sampler.left(endReason));
    writer.double(AT_FIRST_MS, Math.max(0, records.firstMsOf(index) + offsetMs));
    writer.double(AT_LAST_MS, Math.max(0, records.lastMsOf(index) + offsetMs));
    for (const direction of BOTH) {
      writer.double(AT_PACKETS + 8 * direction, records.packetsOf(index, direction));
      writer.double(AT_OCTETS + 8 * direction, records.octetsOf(index, direction));
    }
    writeEnds(writer, records, index);
    writer.endAt(FLOW_END);
    writer.commit();
  }
}

const BOTH = [0, 1] as const;

/** As the first packet went: see `endsOf` of flow-ends.ts, which makes text of it. */
function writeEnds(writer: RingWriter, records: FlowRecords, index: number): void {
  const { words } = records;
  const base = index * RECORD_WORDS;
  const kind = words[base + KEY_PROTOCOL] as number;
  const protocol = kind & 0xff;
  const ports = words[base + KEY_PORTS] as number;
  const isSwapped = records.openerOf(index) === 1;
  const isIpv4 = kind >>> 8 === 4;
  const hasPorts = WITH_PORTS[protocol] === true;
  const lower = hasPorts ? ports >>> 16 : -1;
  const higher = hasPorts ? ports & 0xffff : -1;
  writer.ends(isIpv4 ? 4 : 6, protocol, isSwapped ? higher : lower, isSwapped ? lower : higher);
  writer.addressWord(!isSwapped, 0, words[base + KEY_LOWER] as number);
  writer.addressWord(isSwapped, 0, words[base + KEY_HIGHER] as number);
  if (isIpv4) return;
  for (let word = 0; word < 3; word++) {
    writer.addressWord(!isSwapped, word + 1, words[base + KEY_LOWER_REST + word] as number);
    writer.addressWord(isSwapped, word + 1, words[base + KEY_HIGHER_REST + word] as number);
  }
}
