/**
 * What a lane says of a traced packet, and how the supervisor reads it.
 *
 * Rule: as in read-message.ts: shape, length and range of everything are checked, and what does not fit is no record.
 *
 * @module
 */

import { isIP } from 'node:net';
import * as z from 'zod';
import { WAY_COUNTERS, type WayCounter } from '../telemetry/counters.ts';
import { REASON_TEXT } from '../telemetry/reasons.ts';
import type { TracedPacket } from './packet-tracer.ts';

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

/** Reads a record; null where it is none. */
export function parseTrace(text: string): TraceRecord | null {
  try {
    const { data } = traced.safeParse(JSON.parse(text));
    return (data as TraceRecord | undefined) ?? null;
  } catch {
    return null;
  }
}
