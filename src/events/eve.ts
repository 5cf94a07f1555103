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
import {
  dropValues,
  type EveValues,
  etherValues,
  flowId,
  flowValues,
  portsOf,
  tcpFlowValues,
  timestamp,
} from './eve-own.ts';
import { type EventType, NO_HOOK } from './event-layout.ts';
import type { DropRecord, FlowEndRecord } from './own-event.ts';
import { addressesIn } from './own-records.ts';
import type { EventEnds, EventRecord } from './ring-reader.ts';

/** Most octets of a line of a lane, its newline included: each octet of a slot as six of JSON, and the envelope. */
export const MAX_LINE: number = 6 * 512 + 1024;

/** An event as it is written down. */
export interface EveEvent {
  /** UTC, in microseconds. */
  readonly timestamp: string;
  readonly event_type: EventType | 'drop';
  /** The same in all events about one flow; left out where there is none. */
  readonly flow_id?: number;
  /** Interface of arrival; left out where there is none. */
  readonly in_iface?: string;
  readonly src_ip?: string;
  readonly src_port?: number;
  readonly dest_ip?: string;
  readonly dest_port?: number;
  readonly proto?: string;
  readonly icmp_type?: number;
  readonly icmp_code?: number;
  readonly ip_v?: 4 | 6;
  readonly pkt_src?: string;
  readonly ether?: EveValues;
  readonly alert?: EveFields;
  readonly dns?: EveFields;
  readonly tls?: EveFields;
  readonly flow?: EveValues;
  readonly anomaly?: EveFields;
  readonly drop?: EveValues;
  readonly tcp?: EveValues;
  readonly firehook: {
    /** Left out where firehook itself tells of something that no hook did. */
    readonly hook?: string;
    readonly lane: number;
    readonly way?: string;
    readonly verdict?: string;
    /** What a hook gave as its reason. */
    readonly reason?: string;
    /** How many events of the kind were left out before this one; left out where none was. */
    readonly suppressed?: number;
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
  /** Names of the ways. @defaultValue none has one */
  readonly ways?: readonly string[];
  /** Name of the interface with that index; undefined where there is none. */
  nameOf(interfaceIndex: number): string | undefined;
}

const TCP = 6;
/** Suricata's word for a packet that was captured. */
const PACKET_SOURCE = 'wire/pcap';

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

/** The event as an object, its names in the order of Suricata. */
export function eveOf(event: EventRecord, origin: EventOrigin): EveEvent {
  const { type, ends, isCut, fields, drop, flowEnd } = event;
  if (drop !== undefined) return dropEvent(event, drop, origin);
  if (flowEnd !== undefined) return flowEvent(event, flowEnd, origin);
  const name = origin.nameOf(event.interfaceIndex);
  return {
    timestamp: timestamp(event.seconds, event.nanoseconds),
    event_type: type,
    ...(name === undefined ? {} : { in_iface: name }),
    ...endsOf(ends),
    // A name of it cannot be `__proto__`: it begins with a letter.
    [type]: Object.fromEntries(fields),
    firehook: { hook: origin.hooks[event.hook] ?? 'unknown', lane: origin.lane, ...(isCut ? { cut: true } : {}) },
  };
}

/** The event as a line, with its newline. */
export function eveLine(event: EveEvent | object): string {
  return `${printableJson(JSON.stringify(event))}\n`;
}

/** Between whom a packet goes, in the keys of an event. */
export function endsOf(ends: EventEnds | null): Partial<EveEvent> {
  if (ends === null) return {};
  return {
    src_ip: ends.source,
    ...(ends.sourcePort < 0 ? {} : { src_port: ends.sourcePort }),
    dest_ip: ends.destination,
    ...(ends.destinationPort < 0 ? {} : { dest_port: ends.destinationPort }),
    proto: protocolName(ends.protocol),
    ip_v: ends.version,
  };
}

function dropEvent(event: EventRecord, drop: DropRecord, origin: EventOrigin): EveEvent {
  const name = origin.nameOf(event.interfaceIndex);
  const { verdict, suppressed, flow, version, note } = drop;
  const addresses = addressesIn(drop.octets, version);
  const ether = etherValues(drop);
  const { src_port, dest_port, ...icmp } = portsOf(drop);
  const way = origin.ways?.[drop.way];
  // No hook where firehook itself decided.
  const hook = event.hook === NO_HOOK ? undefined : (origin.hooks[event.hook] ?? 'unknown');
  return {
    timestamp: timestamp(event.seconds, event.nanoseconds),
    ...(flow === null ? {} : { flow_id: flowId(origin.lane, flow) }),
    ...(name === undefined ? {} : { in_iface: name }),
    event_type: 'drop',
    ...(addresses === null
      ? {}
      : {
          src_ip: addresses[0],
          ...(src_port === undefined ? {} : { src_port }),
          dest_ip: addresses[1],
          ...(dest_port === undefined ? {} : { dest_port }),
          proto: protocolName(drop.protocol),
          ...icmp,
          ip_v: version === 4 ? 4 : 6,
        }),
    pkt_src: PACKET_SOURCE,
    ...(ether === null ? {} : { ether }),
    drop: dropValues(drop),
    firehook: {
      ...(hook === undefined ? {} : { hook }),
      lane: origin.lane,
      ...(way === undefined ? {} : { way }),
      ...(verdict === '' ? {} : { verdict }),
      ...(note === '' ? {} : { reason: note }),
      ...(suppressed === 0 ? {} : { suppressed }),
    },
  };
}

function flowEvent(event: EventRecord, flow: FlowEndRecord, origin: EventOrigin): EveEvent {
  const { ends } = event;
  return {
    timestamp: timestamp(event.seconds, event.nanoseconds),
    flow_id: flowId(origin.lane, flow.flow),
    event_type: 'flow',
    ...endsOf(ends),
    flow: flowValues(flow),
    ...(ends?.protocol === TCP ? { tcp: tcpFlowValues(flow) } : {}),
    firehook: { lane: origin.lane, ...(flow.suppressed === 0 ? {} : { suppressed: flow.suppressed }) },
  };
}
