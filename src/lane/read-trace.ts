/**
 * What a lane says of a traced packet, and how the supervisor reads it.
 *
 * Rule: as in read-message.ts: shape, length and range of everything are checked, and what does not fit is no record.
 *
 * @module
 */

import { isUtf8 } from 'node:buffer';
import { isIP } from 'node:net';
import * as z from 'zod';
import { WAY_COUNTERS, type WayCounter } from '../telemetry/counters.ts';
import { REASON_TEXT } from '../telemetry/reasons.ts';
import { CAME_IN, FRAME_HEAD, MAX_RECORD_TEXT, MOST_PLACES, type RecordPlace } from './frame-recorder.ts';
import type { TracedPacket } from './packet-tracer.ts';
import { PURPOSES } from './purposes.ts';

const MOST = 2 ** 53;
const name = z.string().max(256);
const count = z.int().min(0).max(MOST);
const port = z.int().min(-1).max(65_535);
const address = z.string().refine((text) => isIP(text) !== 0);
const reason = z.string().regex(REASON_TEXT).nullable();
const counter = z.enum(WAY_COUNTERS.map((one) => one.name) as [WayCounter, ...WayCounter[]]);

const hook = z.strictObject({
  hook: name,
  skipped: z.enum(['filter', 'settled']).nullable(),
  verdict: z.enum(['FORWARD', 'DROP', 'ICMP_ON_DROP', 'ACCEPT', 'RESET', 'REPLY', 'HELD', 'none']),
  released: z.boolean(),
  reason,
  ns: count,
  changed: z.strictObject({ octets: count, first: count, length: count }).nullable(),
  replaced: z.boolean(),
  faults: count,
});

const traced = z.strictObject({
  number: count,
  seconds: count,
  nanoseconds: z.int().min(0).max(999_999_999),
  from: name,
  to: name,
  length: count,
  ends: z
    .strictObject({
      version: z.union([z.literal(4), z.literal(6)]),
      protocol: z.int().min(0).max(255),
      source: address,
      destination: address,
      sourcePort: port,
      destinationPort: port,
    })
    .nullable(),
  resumed: z.boolean(),
  hooks: z.array(hook).max(64),
  fate: z.enum(['forwarded', 'dropped', 'rejected', 'replied', 'reset', 'held', 'lost', 'probe']),
  cause: counter.nullable(),
  by: name.nullable(),
  reason,
  counted: z.partialRecord(counter, z.int().min(-MOST).max(MOST)),
  cut: z.boolean(),
});

/** A traced packet of a lane. */
export type TraceRecord = TracedPacket & {
  /** There was no room for the first ones of its hooks. */
  readonly cut: boolean;
};

const recorded = z.strictObject({
  packet: traced,
  frames: z.strictObject({
    places: z
      .array(z.strictObject({ name: z.string().min(1).max(64), linktype: z.int().min(0).max(65_535) }))
      .max(MOST_PLACES),
    leftOut: count,
  }),
});

/** What a frame was sent as; `in`: it came. */
export type RecordedKind = 'in' | (typeof PURPOSES)[number];

/** A frame of a recorded packet. */
export interface RecordedFrame extends RecordPlace {
  readonly kind: RecordedKind;
  readonly seconds: number;
  readonly nanoseconds: number;
  /** Octets that the frame had. */
  readonly length: number;
  /** Those that were kept. Borrowed from the record. */
  readonly octets: Buffer;
}

/** A recorded packet of a lane. */
export interface RecordedPacket {
  readonly packet: TraceRecord;
  /** The first one came in, the others went out. */
  readonly frames: readonly RecordedFrame[];
  /** Frames without room. */
  readonly leftOut: number;
}

const TEXT_HEAD = 4;
const NANOSECONDS = 1_000_000_000;

/** Reads the text of a traced packet; null where it is none. */
export function parseTrace(text: string): TraceRecord | null {
  return (parseAs(traced, text) as TraceRecord | undefined) ?? null;
}

/** Reads a recorded packet, as frame-recorder.ts lays it out; null where it is none. */
export function parseRecord(record: Buffer): RecordedPacket | null {
  if (record.length < TEXT_HEAD) return null;
  const size = record.readUInt32LE(0);
  if (size > MAX_RECORD_TEXT || size > record.length - TEXT_HEAD) return null;
  const text = record.subarray(TEXT_HEAD, TEXT_HEAD + size);
  const said = isUtf8(text) ? parseAs(recorded, text.toString()) : undefined;
  if (said === undefined) return null;
  const { places, leftOut } = said.frames;
  const frames = readFrames(record, TEXT_HEAD + size, places);
  return frames === null ? null : { packet: said.packet as TraceRecord, frames, leftOut };
}

function parseAs<Said>(schema: z.ZodType<Said>, text: string): Said | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** The frames up to the end of the record; null where one of them is none. */
function readFrames(record: Buffer, start: number, places: readonly RecordPlace[]): RecordedFrame[] | null {
  const frames: RecordedFrame[] = [];
  for (let at = start; at < record.length; ) {
    const frame = record.length - at < FRAME_HEAD ? null : readFrame(record, at, places);
    if (frame === null || (frame.kind === 'in') !== (frames.length === 0)) return null;
    frames.push(frame);
    at += FRAME_HEAD + frame.octets.length;
  }
  return frames;
}

function readFrame(record: Buffer, at: number, places: readonly RecordPlace[]): RecordedFrame | null {
  const number = record.readUInt16LE(at);
  const kind = number === CAME_IN ? 'in' : PURPOSES[number];
  const place = places[record.readUInt16LE(at + 2)];
  const kept = record.readUInt32LE(at + 4);
  const length = record.readUInt32LE(at + 8);
  const seconds = record.readUInt32LE(at + 12);
  const nanoseconds = record.readUInt32LE(at + 16);
  const isSound = kept <= length && kept <= record.length - at - FRAME_HEAD && nanoseconds < NANOSECONDS;
  if (kind === undefined || place === undefined || !isSound) return null;
  const octets = record.subarray(at + FRAME_HEAD, at + FRAME_HEAD + kept);
  return { ...place, kind, seconds, nanoseconds, length, octets };
}
