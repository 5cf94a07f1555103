/**
 * The ends of a flow, read back from its key: for logs and reports.
 *
 * Floor 1. Rule: it makes objects and text, so it is not for every packet.
 *
 * @module
 */

import { formatAddress } from '../wire/address.ts';
import { KEY_HIGHER, KEY_HIGHER_REST, KEY_LOWER, KEY_LOWER_REST, KEY_PORTS, KEY_PROTOCOL } from './flow-key.ts';
import { type FlowRecords, RECORD_WORDS } from './flow-records.ts';
import { KIND_ICMP } from './timeouts.ts';

/** The ends of a flow, as its first packet went. */
export interface FlowEnds {
  /** 4 or 6. */
  readonly version: 4 | 6;
  /** Protocol number of the transport header. */
  readonly protocol: number;
  /** Address of the end that opened it. */
  readonly source: string;
  /** Address of the other end. */
  readonly destination: string;
  /** 0 where the protocol has no ports; the identifier of a query of ICMP. */
  readonly sourcePort: number;
  /** 0 where the protocol has no ports. */
  readonly destinationPort: number;
}

/** The ends of the flow at an index. */
export function endsOf(records: FlowRecords, index: number): FlowEnds {
  const base = index * RECORD_WORDS;
  const { words } = records;
  const word = (place: number): number => words[base + place] as number;
  const version = (word(KEY_PROTOCOL) >>> 8 === 4 ? 4 : 6) as 4 | 6;
  const ports = word(KEY_PORTS);
  const lower = { address: addressAt(words, base, KEY_LOWER, KEY_LOWER_REST, version), port: ports >>> 16 };
  const higher = { address: addressAt(words, base, KEY_HIGHER, KEY_HIGHER_REST, version), port: ports & 0xffff };
  const isQuery = records.kindOf(index) === KIND_ICMP;
  const [from, to] = records.openerOf(index) === 0 ? [lower, higher] : [higher, lower];
  return {
    version,
    protocol: word(KEY_PROTOCOL) & 0xff,
    source: from.address,
    destination: to.address,
    sourcePort: isQuery ? ports >>> 16 : from.port,
    destinationPort: isQuery ? 0 : to.port,
  };
}

function addressAt(words: Int32Array, base: number, first: number, rest: number, version: 4 | 6): string {
  const octets = Buffer.alloc(version === 4 ? 4 : 16);
  octets.writeInt32BE(words[base + first] as number, 0);
  for (let index = 0; version === 6 && index < 3; index++)
    octets.writeInt32BE(words[base + rest + index] as number, 4 + 4 * index);
  return formatAddress(octets);
}
