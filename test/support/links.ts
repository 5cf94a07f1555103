/**
 * Frames whose link header is more than Ethernet and tags: PPPoE sessions, MPLS, LLC, and probe frames.
 *
 * Rule: lengths are right unless a test says another.
 *
 * @module
 */

import type { VlanTag } from '../../src/wire/ethernet.ts';
import { ethernet } from './packet-builder.ts';

/** What a session header says. */
export interface SessionOptions {
  readonly tags?: readonly VlanTag[];
  /** @defaultValue that of the datagram's version: 0021 or 0057; one octet where it is below 0x100 and `isShort` */
  readonly protocol?: number;
  /** The PPP protocol has one octet. */
  readonly isShort?: boolean;
  /** @defaultValue that of protocol and payload */
  readonly length?: number;
  readonly sessionId?: number;
  readonly destination?: Uint8Array;
  readonly padTo?: number;
}

/** A frame of a PPPoE session. */
export function pppoe(options: SessionOptions, payload: Uint8Array): Buffer {
  const isIpv6 = (payload[0] ?? 0) >>> 4 === 6;
  const protocol = options.protocol ?? (isIpv6 ? 0x0057 : 0x0021);
  const ppp = options.isShort === true ? Buffer.of(protocol) : Buffer.of(protocol >>> 8, protocol & 0xff);
  const header = Buffer.from('110000000000', 'hex');
  header.writeUInt16BE(options.sessionId ?? 0x1234, 2);
  header.writeUInt16BE(options.length ?? ppp.length + payload.length, 4);
  const { tags = [], destination, padTo = 0 } = options;
  const to = destination === undefined ? {} : { destination };
  return ethernet({ etherType: 0x8864, tags, padTo, ...to }, Buffer.concat([header, ppp, payload]));
}

/** A frame behind a stack of labels, 16 and up. */
export function mpls(count: number, payload: Uint8Array, tags: readonly VlanTag[] = []): Buffer {
  const stack = Array.from({ length: count }, (_, index) => {
    const entry = Buffer.alloc(4);
    entry.writeUInt32BE((((16 + index) << 12) | (index === count - 1 ? 0x100 : 0) | 64) >>> 0);
    return entry;
  });
  return ethernet({ etherType: 0x8847, tags }, Buffer.concat([...stack, payload]));
}

/** A frame with a length instead of a type. */
export function llc(header: string, payload: Uint8Array, tags: readonly VlanTag[] = []): Buffer {
  const body = Buffer.concat([Buffer.from(header, 'hex'), payload]);
  return ethernet({ etherType: body.length, tags }, body);
}

/** A probe frame of the supervisor, with a number of its own. */
export function probe(number = 1, tags: readonly VlanTag[] = []): Buffer {
  const cookie = Buffer.alloc(16);
  cookie.write('firehook probe', 'latin1');
  const rest = Buffer.alloc(30);
  rest.writeUInt32BE(number);
  return ethernet({ etherType: 0x88b6, tags }, Buffer.concat([cookie, rest]));
}
