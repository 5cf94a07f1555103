/**
 * A flow table under test: datagrams go in, what it says of each comes out as one object.
 *
 * ```ts
 * const rig = new FlowRig();
 * const tcp = rig.connection();
 * tcp.client('S', { seq: 100 });     // -> { index: 0, isNew: 1, state: 'new', reason: 0, ... }
 * ```
 * Rule: nothing is decided here; a datagram that is malformed is a fault of the test.
 *
 * @module
 */

import type { FlowTableOptions } from '../../../src/flow/flow-table.ts';
import { FlowTable } from '../../../src/flow/flow-table.ts';
import { IpLayout, parseIpLayout } from '../../../src/wire/ip-layout.ts';
import { ACK, CWR, FIN, PSH, RST, SYN, URG } from '../../../src/wire/tcp.ts';
import { ipv4, ipv6, tcp } from '../../support/packet-builder.ts';

/** States by number. */
export const STATES = ['new', 'established', 'closing', 'closed'] as const;

/** A seed that makes runs alike. */
export const SEED = Int32Array.of(0x1234_5678, 0x1abc_def0);

/** What the table said of a packet. */
export interface Said {
  readonly index: number;
  readonly direction: 0 | 1;
  readonly isNew: 0 | 1;
  readonly isRelated: 0 | 1;
  readonly isInvalid: 0 | 1;
  readonly reason: number;
  /** State that the packet left the flow in; none without a flow. */
  readonly state: (typeof STATES)[number] | 'none';
}

/** Fields of a segment that matter. */
export interface SegmentFields {
  readonly seq?: number;
  readonly ack?: number;
  readonly win?: number;
  readonly length?: number;
  /** Shift of the window scale option. */
  readonly scale?: number;
}

const FLAGS: Readonly<Record<string, number>> = { S: SYN, A: ACK, F: FIN, R: RST, P: PSH, U: URG, C: CWR };

/** A table and its clock. */
export class FlowRig {
  readonly table: FlowTable;
  /** Ends as they were reported. */
  readonly ended: { index: number; reason: number }[] = [];
  nowMs = 1_700_000_000_000;
  readonly #layout = new IpLayout();

  constructor(options: Partial<FlowTableOptions> = {}) {
    this.table = new FlowTable({
      most: 64,
      seed: SEED,
      onEnd: (index, reason) => this.ended.push({ index, reason }),
      ...options,
    });
  }

  /** @param original - octets on the wire, where the datagram is cut */
  send(datagram: Uint8Array, zone = 0, original = datagram.length): Said {
    const { table } = this;
    const layout = this.layoutOf(datagram, original);
    table.tick(this.nowMs);
    const index = table.track(datagram, layout, layout.declaredLength, zone);
    const { direction, isNew, isRelated, isInvalid, invalidReason } = table;
    const state = index < 0 ? 'none' : (STATES[table.records.stateOf(index)] as Said['state']);
    return { index, direction, isNew, isRelated, isInvalid, reason: invalidReason, state };
  }

  layoutOf(datagram: Uint8Array, original = datagram.length): IpLayout {
    if (!parseIpLayout(datagram, 0, datagram.length, original, this.#layout, true)) throw new Error('malformed');
    return this.#layout;
  }

  connection(port = 40_000, version: 4 | 6 = 4): Connection {
    return new Connection(this, port, version);
  }
}

/** The two ends of a TCP connection, which say what a test tells them to. */
export class Connection {
  readonly #rig: FlowRig;
  readonly #port: number;
  readonly #version: 4 | 6;

  constructor(rig: FlowRig, port: number, version: 4 | 6) {
    this.#rig = rig;
    this.#port = port;
    this.#version = version;
  }

  client(flags: string, fields: SegmentFields = {}): Said {
    return this.#rig.send(this.segment('client', flags, fields));
  }

  server(flags: string, fields: SegmentFields = {}): Said {
    return this.#rig.send(this.segment('server', flags, fields));
  }

  /** SYN with 1000, SYN ACK with 5000, ACK. */
  open(scale?: { client?: number; server?: number }, win = 10_000): void {
    this.client('S', { seq: 1_000, win, ...optional(scale?.client) });
    this.server('SA', { seq: 5_000, ack: 1_001, win, ...optional(scale?.server) });
    this.client('A', { seq: 1_001, ack: 5_001, win });
  }

  segment(from: 'client' | 'server', flags: string, fields: SegmentFields = {}): Buffer {
    const isClient = from === 'client';
    const { seq = 0, ack = 0, win = 10_000, length = 0, scale } = fields;
    const transport = tcp(
      {
        sourcePort: isClient ? this.#port : 80,
        destinationPort: isClient ? 80 : this.#port,
        sequence: seq >>> 0,
        acknowledgement: ack >>> 0,
        window: win,
        flags: flagsOf(flags),
        ...(scale === undefined ? {} : { options: Buffer.from([1, 3, 3, scale]) }),
      },
      Buffer.alloc(length),
    );
    if (this.#version === 6) {
      const ends = ['2001:db8::1', '2001:db8:ffff::2'] as const;
      return ipv6({ source: ends[isClient ? 0 : 1], destination: ends[isClient ? 1 : 0] }, transport);
    }
    const ends = ['192.0.2.1', '198.51.100.2'] as const;
    return ipv4({ source: ends[isClient ? 0 : 1], destination: ends[isClient ? 1 : 0] }, transport);
  }
}

/** Flags by letter: S, A, F, R, P, U, C; '' or '-' for none. */
export function flagsOf(letters: string): number {
  let flags = 0;
  for (const letter of letters) flags |= FLAGS[letter] ?? 0;
  return flags;
}

/** Numbers that look random and are the same in every run. */
export function randomNumbers(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x9e37_79b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0_aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a_2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) % below;
  };
}

function optional(scale: number | undefined): { scale?: number } {
  return scale === undefined ? {} : { scale };
}
