/**
 * Events in the envelope of Suricata's EVE, so that what reads that reads this: one JSON text a line.
 *
 * ```
 *   {"timestamp":"2026-11-25T10:38:20.199120+0000","event_type":"dns","in_iface":"lan0","src_ip":"10.77.0.1","src_port":40112,
 *    "dest_ip":"10.77.0.2","dest_port":53,"proto":"UDP","ip_v":4,"dns":{"rrname":"example.org"},"firehook":{"hook":"dns","lane":0}}
 * ```
 * Floor 1. Rule: a line is one line, whatever a hook put into it: text is escaped as JSON, and so is what would be no harm in JSON and some in a
 * terminal. It has no more octets than {@link MAX_LINE}.
 *
 * @see the Suricata user guide, "Eve JSON Format"
 * @module
 */

import { printableJson } from '../telemetry/printable.ts';
import type { EventType } from './event-layout.ts';
import type { EventRecord } from './ring-reader.ts';

/** Most octets of a line, its newline included: each octet of a slot as six of JSON, and the envelope. */
export const MAX_LINE: number = 6 * 512 + 1024;

/** An event as it is written down. */
export interface EveEvent {
  /** UTC, in microseconds. */
  readonly timestamp: string;
  readonly event_type: EventType;
  /** Interface of arrival; left out where there is none. */
  readonly in_iface?: string;
  readonly src_ip?: string;
  readonly src_port?: number;
  readonly dest_ip?: string;
  readonly dest_port?: number;
  readonly proto?: string;
  readonly ip_v?: 4 | 6;
  readonly alert?: EveFields;
  readonly dns?: EveFields;
  readonly tls?: EveFields;
  readonly flow?: EveFields;
  readonly anomaly?: EveFields;
  readonly firehook: {
    readonly hook: string;
    readonly lane: number;
    /** Something of it had no room; left out where nothing was cut. */
    readonly cut?: true;
  };
}

/** What a hook says of an event. */
export type EveFields = Readonly<Record<string, string | number>>;

/** What an event does not say of itself. */
export interface EventOrigin {
  readonly lane: number;
  /** Names of the hooks in the order of the configuration. */
  readonly hooks: readonly string[];
  /** Name of the interface with that index; undefined where there is none. */
  nameOf(interfaceIndex: number): string | undefined;
}

/** Names that Suricata has; others are numbers of three digits there, too. */
const PROTOCOLS: Readonly<Record<number, string>> = {
  1: 'ICMP',
  2: 'IGMP',
  6: 'TCP',
  17: 'UDP',
  41: 'IPv6',
  47: 'GRE',
  50: 'ESP',
  51: 'AH',
  58: 'IPv6-ICMP',
  132: 'SCTP',
};

/** A protocol of IP as it stands in `proto`. */
export function protocolName(protocol: number): string {
  return PROTOCOLS[protocol] ?? String(protocol).padStart(3, '0');
}

/** The event as an object. */
export function eveOf(event: EventRecord, origin: EventOrigin): EveEvent {
  const { type, ends, isCut, fields } = event;
  const name = origin.nameOf(event.interfaceIndex);
  return {
    timestamp: timestampOf(event),
    event_type: type,
    ...(name === undefined ? {} : { in_iface: name }),
    ...(ends === null
      ? {}
      : {
          src_ip: ends.source,
          ...(ends.sourcePort < 0 ? {} : { src_port: ends.sourcePort }),
          dest_ip: ends.destination,
          ...(ends.destinationPort < 0 ? {} : { dest_port: ends.destinationPort }),
          proto: protocolName(ends.protocol),
          ip_v: ends.version,
        }),
    // A name of it cannot be `__proto__`: it begins with a letter.
    [type]: Object.fromEntries(fields),
    firehook: { hook: origin.hooks[event.hook] ?? 'unknown', lane: origin.lane, ...(isCut ? { cut: true } : {}) },
  };
}

/** The event as a line, with its newline. */
export function eveLine(event: EveEvent): string {
  return `${printableJson(JSON.stringify(event))}\n`;
}

/** A moment as it stands in `timestamp`. */
export function timestampOf({ seconds, nanoseconds }: Pick<EventRecord, 'seconds' | 'nanoseconds'>): string {
  const whole = new Date(seconds * 1000).toISOString().slice(0, -'.000Z'.length);
  return `${whole}.${String(Math.floor(nanoseconds / 1000)).padStart(6, '0')}+0000`;
}
