/**
 * Reads the records of firehook's own out of a slot: packets that did not go on, and flows that ended.
 *
 * Floor 1. Rule: as in ring-reader.ts: hooks share the memory with the lane, so nothing is believed. An offset is looked at before it is used, and a
 * record that cannot be is none.
 *
 * @see event-layout.ts
 * @module
 */

import { formatAddress } from '../wire/address.ts';
import {
  AT_ANSWERED,
  AT_COPIED,
  AT_COPY,
  AT_DROP_FLOW,
  AT_DROP_GENERATION,
  AT_END_REASON,
  AT_FIRST_MS,
  AT_FLAGS_SEEN,
  AT_FLOW,
  AT_GENERATION,
  AT_LAST_MS,
  AT_LENGTH,
  AT_NOTE_LENGTH,
  AT_OCTETS,
  AT_PACKET_LENGTH,
  AT_PACKETS,
  AT_PROTOCOL,
  AT_REASON,
  AT_START,
  AT_STATE,
  AT_SUPPRESSED,
  AT_TRANSPORT,
  AT_VERDICT,
  AT_VERSION,
  AT_WAY,
  DROP_REASONS,
  DROP_VERDICTS,
  FLOW_END,
  MOST_COPIED,
  STARTS_WITH_ETHERNET,
  STARTS_WITH_IP,
  STARTS_WITH_OTHER,
} from './event-layout.ts';
import type { DropRecord, FlowEndRecord, FlowNumber } from './own-event.ts';

/** As a hook declares a reason. */
const NOTE = /^[!-~](?:[ -~]{0,62}[!-~])?$/;
const STARTS = { [STARTS_WITH_IP]: 'ip', [STARTS_WITH_ETHERNET]: 'ethernet', [STARTS_WITH_OTHER]: 'other' } as const;
const MOST_FLOWS = 1 << 24;
const END_REASONS = 5;
const STATES = 4;
const IPV4_HEADER = 20;
const IPV6_HEADER = 40;
/** Beyond it a date has no text (ECMA-262 21.4.1.1). */
const MOST_MS = 8.64e15;

/** Null where it is none. */
export function dropIn(slot: Buffer): DropRecord | null {
  const reason = DROP_REASONS[slot.readUInt8(AT_REASON)];
  const verdict = DROP_VERDICTS[slot.readUInt8(AT_VERDICT)];
  const start = STARTS[slot.readUInt8(AT_START) as keyof typeof STARTS];
  const copied = slot.readInt32LE(AT_COPIED);
  const length = slot.readInt32LE(AT_PACKET_LENGTH);
  const suppressed = countAt(slot, AT_SUPPRESSED);
  if (reason === undefined || verdict === undefined || start === undefined || suppressed === null) return null;
  if (copied < 0 || copied > MOST_COPIED || length < 0) return null;
  const end = AT_COPY + copied + slot.readUInt8(AT_NOTE_LENGTH);
  if (slot.readUInt16LE(AT_LENGTH) !== end || end > slot.length) return null;
  const note = slot.toString('latin1', AT_COPY + copied, end);
  if (note !== '' && !NOTE.test(note)) return null;
  const version = slot.readUInt8(AT_VERSION);
  if (start === 'ip' ? !hasHeader(version, copied) : version !== 0) return null;
  const transport = slot.readInt32LE(AT_TRANSPORT);
  return {
    reason,
    verdict,
    way: slot.readInt32LE(AT_WAY),
    length,
    flow: flowAt(slot, AT_DROP_FLOW, AT_DROP_GENERATION),
    suppressed,
    start,
    version: version as 0 | 4 | 6,
    protocol: slot.readUInt8(AT_PROTOCOL),
    transport: transport >= 0 && transport <= copied ? transport : -1,
    // The slot is read into again.
    octets: Buffer.from(slot.subarray(AT_COPY, AT_COPY + copied)),
    note,
  };
}

/** Null where it is none. */
export function flowEndIn(slot: Buffer): FlowEndRecord | null {
  const reason = slot.readUInt8(AT_END_REASON);
  const state = slot.readUInt8(AT_STATE);
  const flow = flowAt(slot, AT_FLOW, AT_GENERATION);
  const suppressed = countAt(slot, AT_SUPPRESSED);
  const packets = pairAt(slot, AT_PACKETS);
  const octets = pairAt(slot, AT_OCTETS);
  if (slot.readUInt16LE(AT_LENGTH) !== FLOW_END || reason >= END_REASONS || state >= STATES) return null;
  if (flow === null || suppressed === null || packets === null || octets === null) return null;
  const firstMs = slot.readDoubleLE(AT_FIRST_MS);
  const lastMs = slot.readDoubleLE(AT_LAST_MS);
  if (!isTime(firstMs) || !isTime(lastMs)) return null;
  const flags = [0, 1, 2].map((place) => slot.readUInt8(AT_FLAGS_SEEN + place)) as [number, number, number];
  const isAnswered = slot.readUInt8(AT_ANSWERED) === 1;
  return { reason, state, isAnswered, flags, flow, suppressed, firstMs, lastMs, packets, octets };
}

/** The two addresses of an IP header, as text; null where the octets hold none. */
export function addressesIn(
  octets: Uint8Array,
  version: number,
): readonly [source: string, destination: string] | null {
  if (!hasHeader(version, octets.length)) return null;
  const [first, size] = version === 4 ? [12, 4] : [8, 16];
  const end = first + size;
  return [formatAddress(octets.subarray(first, end)), formatAddress(octets.subarray(end, end + size))];
}

function hasHeader(version: number, octets: number): boolean {
  return version === 4 ? octets >= IPV4_HEADER : version === 6 && octets >= IPV6_HEADER;
}

function flowAt(slot: Buffer, atIndex: number, atGeneration: number): FlowNumber | null {
  const index = slot.readInt32LE(atIndex);
  const generation = slot.readInt32LE(atGeneration);
  return index < 0 || index >= MOST_FLOWS || generation < 0 ? null : { index, generation };
}

function pairAt(slot: Buffer, at: number): [number, number] | null {
  const first = countAt(slot, at);
  const second = countAt(slot, at + 8);
  return first === null || second === null ? null : [first, second];
}

function countAt(slot: Buffer, at: number): number | null {
  const value = slot.readDoubleLE(at);
  return Number.isSafeInteger(value) && value >= 0 ? value : null;
}

function isTime(ms: number): boolean {
  return ms >= 0 && ms <= MOST_MS;
}
