/**
 * The flow table against the kernel's connection tracking, packet by packet, on the same traffic.
 *
 * ```
 *   inside ── router: nft writes what `ct state` says of a packet into its DSCP ── outside
 *                     tcpdump takes every packet as it leaves the router ─> FlowTable ─> the same?
 * ```
 * Traffic of real ends: connections that transfer, half-close, are reset, refused, half open; questions over UDP with and
 * without an answer; fragments; pings; ICMP errors. And of no real ends: segments that are made to be invalid.
 *
 * Rule: of real ends nothing may differ; where made up ones are judged otherwise, the list INTENDED says so and why.
 *
 * @see nft(8) "CONNTRACK EXPRESSIONS"
 * @module
 */

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { INVALID_ACK, INVALID_QUOTE, INVALID_RESET, INVALID_SEQUENCE } from '../../../src/flow/flow-counters.ts';
import { FlowTable } from '../../../src/flow/flow-table.ts';
import { IpLayout, parseIpLayout } from '../../../src/wire/ip-layout.ts';
import { networkOffset } from '../../../src/wire/link.ts';
import type { Lab, LabOwner, Namespace } from '../../support/netns.ts';
import { rootOnly, routerLab, waitFor } from '../../support/netns.ts';
import { icmpv4, icmpv6, ipv4, ipv6, octets, tcp, udp } from '../../support/packet-builder.ts';
import { flagsOf } from '../../unit/flow/flow-rig.ts';
import { readCapture } from '../../unit/wire/savefile-captures.ts';

const ENDS = fileURLToPath(new URL('ends.py', import.meta.url));
const INSIDE = '10.79.1.2';
const OUTSIDE = '10.79.2.2';
const INSIDE6 = 'fd79:1::2';
const OUTSIDE6 = 'fd79:2::2';
/** Octets of data that fit a frame. */
const PIECE = 1_400;
/** Behind `outside`, which forwards. */
const BEYOND = '10.79.3.3';
/** DSCP by state of the kernel. */
const STATES = ['', 'new', 'established', 'related', 'invalid', 'untracked'] as const;
const MARKS = STATES.slice(1)
  .flatMap((state, index) =>
    ['ip', 'ip6'].map(
      (family) =>
        `meta nfproto ${family === 'ip' ? 'ipv4' : 'ipv6'} ct state ${state} ${family} dscp set ${index + 1} accept;`,
    ),
  )
  .join(' ');
const MARKING = `table inet marks { chain post { type filter hook postrouting priority 0; ${MARKS} }; }`;
/** What no kernel answers, because both ends are made up. */
const SILENT = `table inet silent { chain in { type filter hook input priority 0;
  th dport 7000-7999 drop; tcp dport 8010 drop; icmp id 9 drop; meta l4proto 99 drop; }; }`;

/**
 * Where the table is stricter than the kernel, in the order of the scenarios: the kernel lets these pass and changes nothing,
 * and leaves them to the receiver; the table calls them invalid, for receivers that do not look as closely.
 */
const INTENDED: readonly (readonly [reason: number, what: string])[] = [
  [INVALID_SEQUENCE, 'data that is older than a window'],
  [INVALID_ACK, 'an acknowledgement that is older than a late one can be'],
  [INVALID_RESET, 'a reset within the window whose number is not one that can come next (RFC 5961 3.2)'],
  [INVALID_QUOTE, 'an error about a segment that cannot be under way (RFC 5927 4.1)'],
];

interface Packet {
  readonly kernel: string;
  readonly own: string;
  readonly reason: number;
  /** Protocol, TCP flags where there are any, length: for messages. */
  readonly text: string;
}

describe('the flow table and the kernel say the same', { skip: rootOnly('tcpdump', 'ping') }, () => {
  test('of the packets of real ends', async (t) => {
    const { ns } = await trackedLab(t);
    const server = ns.outside.spawn('python3', [ENDS, 'serve']);
    await waitFor(() => server.stdout.includes('ready'), { what: 'the server' });
    const packets = await captured(ns.router, async () => {
      await ns.inside.output('python3', [ENDS, 'use', OUTSIDE, OUTSIDE6], { timeoutMs: 40_000 });
      for (const address of [OUTSIDE, OUTSIDE6]) {
        await ns.inside.output('ping', ['-c', '2', '-i', '0.2', '-s', '3000', address]);
        await ns.outside.output('ping', ['-c', '1', address === OUTSIDE ? INSIDE : INSIDE6]);
      }
      // The second hop says that its time is over: an error about an echo request.
      await ns.inside.run('ping', ['-c', '1', '-W', '1', '-t', '2', BEYOND]);
    });
    assert.deepEqual(differences(packets), []);
    const counts = countByState(packets);
    t.diagnostic(JSON.stringify(counts));
    assert.ok(packets.length > 200, `${packets.length} packets`);
    for (const state of ['new', 'established', 'related'])
      assert.ok((counts[state] ?? 0) > 4, `${state}: ${counts[state]}`);
  });

  test('of segments, datagrams and errors that are made to be invalid, late or odd', async (t) => {
    const { ns } = await trackedLab(t);
    const lines = scenarios().flat();
    const packets = await captured(ns.router, async () => {
      await ns.inside.output('python3', [ENDS, 'send', ns.outside.name], { input: `${lines.join('\n')}\n` });
    });
    const counts = countByState(packets);
    t.diagnostic(JSON.stringify(counts));
    const different = packets.filter(({ kernel, own }) => kernel !== own);
    assert.deepEqual(
      different.map(({ kernel, own, reason }) => [kernel, own, reason]),
      INTENDED.map(([reason]) => [reason === INVALID_QUOTE ? 'related' : 'established', 'invalid', reason]),
      differences(packets).join('\n'),
    );
    assert.equal(packets.length, lines.length, 'every datagram was captured');
    for (const state of ['new', 'established', 'related', 'invalid']) assert.ok((counts[state] ?? 0) > 3, state);
  });
});

/** What differs, in the order of the packets. */
function differences(packets: readonly Packet[]): string[] {
  return packets
    .map((packet, index) => ({ ...packet, index }))
    .filter(({ kernel, own }) => kernel !== own)
    .map(({ index, text, kernel, own, reason }) => `${index} ${text}: kernel ${kernel}, table ${own} (${reason})`);
}

function countByState(packets: readonly Packet[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { kernel } of packets) counts[kernel] = (counts[kernel] ?? 0) + 1;
  return counts;
}

async function trackedLab(owner: LabOwner): Promise<Lab<'inside' | 'outside' | 'router'>> {
  const lab = await routerLab(owner);
  const { inside, outside, router } = lab.ns;
  await router.output('nft', [MARKING]);
  await router.output('ip', ['route', 'add', '10.79.3.0/24', 'via', OUTSIDE]);
  await outside.output('sh', ['-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward']);
  for (const end of [inside, outside]) {
    await end.output('nft', [SILENT]);
    // Errors are to be seen, not to be limited.
    await end.output('sh', [
      '-c',
      'echo 0 > /proc/sys/net/ipv4/icmp_ratelimit; echo 0 > /proc/sys/net/ipv6/icmp/ratelimit',
    ]);
  }
  return lab;
}

/** Runs the traffic, takes what leaves the router, and has the table judge it. */
async function captured(router: Namespace, traffic: () => Promise<void>): Promise<Packet[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-flows-'));
  const file = path.join(folder, 'out.pcap');
  try {
    const into = [
      '-i',
      'any',
      '-Q',
      'out',
      '-s',
      '0',
      '-B',
      '65536',
      '--immediate-mode',
      '-U',
      '-Z',
      'root',
      '-w',
      file,
    ];
    const dump = router.spawn('tcpdump', [...into, 'ip or ip6']);
    await waitFor(() => dump.stderr.includes('listening on'), { what: 'tcpdump' });
    await traffic();
    let length = -1;
    const isQuiet = (): boolean => {
      const before = length;
      length = statSync(file).size;
      return length === before;
    };
    await waitFor(isQuiet, { what: 'the last packets', intervalMs: 300 });
    await dump.stop();
    assert.match(dump.stderr, /\b0 packets dropped by kernel/);
    return judged(readFileSync(file));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function judged(capture: Buffer): Packet[] {
  const { frames, interfaces, error } = readCapture(capture);
  assert.equal(error, null);
  const linktype = interfaces[0]?.linktype ?? -1;
  const table = new FlowTable({ most: 4_096 });
  const layout = new IpLayout();
  const packets: Packet[] = [];
  for (const { bytes, high, low } of frames) {
    const datagram = bytes.subarray(networkOffset(bytes, bytes.length, linktype));
    assert.ok(parseIpLayout(datagram, 0, datagram.length, datagram.length, layout, true), datagram.toString('hex'));
    const dscp = layout.version === 4 ? (datagram[1] ?? 0) >> 2 : (datagram.readUInt16BE(0) >> 6) & 0x3f;
    const kernel = STATES[dscp] ?? 'none';
    table.tick(high * 1_000 + low / 1_000);
    const index = table.track(datagram, layout, layout.declaredLength, 0);
    // The router's own neighbour discovery, which the kernel marks and no flow is made for.
    if (kernel === 'untracked' && index < 0) continue;
    packets.push({
      kernel,
      own: ownState(table, index),
      reason: table.invalidReason,
      text: describePacket(datagram, layout),
    });
  }
  return packets;
}

/** The table's answer in the kernel's words: a flow is established as soon as a packet went back. */
function ownState(table: FlowTable, index: number): string {
  if (table.isInvalid === 1) return 'invalid';
  if (index < 0) return 'none';
  if (table.isRelated === 1) return 'related';
  return table.direction === 1 || table.records.isAnswered(index) ? 'established' : 'new';
}

function describePacket(datagram: Buffer, layout: IpLayout): string {
  const { protocol, transportOffset, declaredLength, fragmentOffset } = layout;
  const flags = protocol === 6 && fragmentOffset === 0 ? ` flags ${datagram[transportOffset + 13]}` : '';
  const ports = layout.hasPorts
    ? ` ${datagram.readUInt16BE(transportOffset)}>${datagram.readUInt16BE(transportOffset + 2)}`
    : '';
  return `protocol ${protocol}${ports}${flags} ${declaredLength} octets, fragment offset ${fragmentOffset}`;
}

/** Datagrams of made up ends, in order: lines for ends.py. */
function scenarios(): string[][] {
  let port = 7_000;
  const connection = (): Script => new Script(port++);
  const opened = (): Script => connection().open();
  const ends4 = { source: INSIDE, destination: OUTSIDE };
  const back4 = { source: OUTSIDE, destination: INSIDE };
  const question = ipv4(ends4, udp({ sourcePort: 7_900, destinationPort: 7_901 }));
  const error = (quoted: Uint8Array, to = INSIDE): Buffer =>
    ipv4({ source: OUTSIDE, destination: to }, icmpv4({ type: 3, code: 1 }, quoted));
  const question6 = ipv6(
    { source: INSIDE6, destination: OUTSIDE6 },
    udp({ sourcePort: 7_910, destinationPort: 7_911 }),
  );
  return [
    // Combinations of flags that nobody sends, and segments without a connection.
    ['', 'F', 'SF', 'SR', 'FR', 'SFA', 'SRA', 'FPU', 'SFRA'].flatMap(
      (flags) => opened().client(flags, 1_001, 5_001).lines,
    ),
    ['SA', 'R', 'RA', 'FA'].flatMap((flags) => connection().client(flags, 1, 1).lines),
    // Whole lives.
    opened()
      .client('PA', 1_001, 5_001, 100)
      .server('A', 5_001, 1_101)
      .client('FA', 1_101, 5_001)
      .server('A', 5_001, 1_102)
      .server('FA', 5_001, 1_102)
      .client('A', 1_102, 5_002)
      .client('S', 90_000)
      .server('SA', 70_000, 90_001)
      .client('A', 90_001, 70_001).lines,
    connection()
      .client('S', 1_000)
      .client('S', 1_000)
      .server('SA', 5_000, 1_001)
      .server('SA', 5_000, 1_001)
      .client('A', 1_001, 5_001).lines,
    connection().client('S', 1_000).server('RA', 0, 1_001).client('S', 1_000).server('SA', 5_000, 1_001).lines,
    connection()
      .client('S', 1_000)
      .server('S', 5_000)
      .client('SA', 1_000, 5_001)
      .server('SA', 5_000, 1_001)
      .client('A', 1_001, 5_001).lines,
    opened().client('R', 1_001).client('S', 50_000).server('SA', 60_000, 50_001).lines,
    opened().server('RA', 5_001, 1_001).server('RA', 5_001, 1_001).lines,
    // Out of the window on every side, and just inside.
    opened()
      .client('A', 1_001 + 9_000, 5_001, 10)
      .client('A', 1_001 + 40_000, 5_001, 10)
      .client('A', 1_001 - 40_000, 5_001, 10).lines,
    opened()
      .client('A', 1_001, 5_001, 100)
      .server('A', 5_001, 1_102)
      .server('A', 5_001, 1_101)
      .server('A', 5_001, 1_101 - 200_000).lines,
    opened()
      .client('R', 1_001 + 100_000)
      .client('R', 1_001 - 100_000)
      .client('A', 1_001, 5_001).lines,
    opened().client('A', 1_001, 5_001, 100).client('R', 1_150).client('R', 1_101).lines,
    // Keepalives, probes of a window of 0, data sent again.
    opened()
      .client('A', 1_001, 5_001, 10_000)
      .server('A', 5_001, 11_001, 0, 0)
      .client('A', 11_001, 5_001, 1)
      .client('A', 11_000, 5_001)
      .client('A', 1_001, 5_001, 1_000)
      .server('A', 5_000, 11_001).lines,
    // A late start, in the middle of a connection.
    connection()
      .client('A', 100_000, 200_000, 100)
      .server('A', 201_000, 100_100, 1_000)
      .client('A', 150_000, 202_000, 10).lines,
    connection().client('A', 100_000, 200_000).server('R', 200_000).lines,
    // A client that comes again: the server challenges, or has forgotten.
    opened()
      .client('S', 90_000)
      .server('A', 5_001, 1_001)
      .client('R', 1_001)
      .client('S', 90_000)
      .server('SA', 70_000, 90_001).lines,
    opened().client('S', 90_000).server('SA', 70_000, 90_001).client('A', 90_001, 70_001).lines,
    connection().client('S', 1_000).server('A', 77_000, 66_000).client('R', 66_000).lines,
    // Errors about segments: one that is under way, one that cannot be.
    [1_001, 900_000_000].flatMap((seq) => {
      const script = opened().client('A', 1_001, 5_001, 100);
      return [...script.lines, line(false, error(script.segment(true, 'A', seq, 5_001)))];
    }),
    // Errors of ICMP: right ones, about nothing, for another one, cut, about an error.
    [question, error(question), error(question.subarray(0, 28)), error(ipv4(ends4, udp({ sourcePort: 7_999 })))].map(
      (datagram) => line(datagram === question, datagram),
    ),
    [line(false, error(question.subarray(0, 24))), line(false, error(error(question)))],
    [
      line(true, question6),
      line(false, ipv6({ source: OUTSIDE6, destination: INSIDE6 }, icmpv6({ type: 1, code: 4 }, question6))),
    ],
    // Queries of ICMP: asked by both ends, answered, answered without a question; other types.
    [line(true, ipv4(ends4, icmpv4({ rest: 9 << 16 }))), line(false, ipv4(back4, icmpv4({ rest: 9 << 16 })))],
    [
      line(true, ipv4(ends4, icmpv4({ type: 0, rest: 9 << 16 }))),
      line(false, ipv4(back4, icmpv4({ type: 0, rest: 9 << 16 }))),
    ],
    [
      line(false, ipv4(back4, icmpv4({ type: 0, rest: 10 << 16 }))),
      line(true, ipv4(ends4, icmpv4({ type: 13, rest: 9 << 16 }))),
    ],
    [
      line(false, ipv4(back4, icmpv4({ type: 14, rest: 9 << 16 }))),
      line(false, ipv4(back4, icmpv4({ type: 16, rest: 9 << 16 }))),
    ],
    [line(true, ipv4(ends4, icmpv4({ type: 42, rest: 9 << 16 })))],
    // Protocols without ports.
    [line(true, ipv4(ends4, octets(99, Buffer.alloc(20)))), line(false, ipv4(back4, octets(99, Buffer.alloc(20))))],
  ];
}

/** Segments of one connection, in the order in which they are sent. */
class Script {
  readonly lines: string[] = [];
  readonly #port: number;

  constructor(port: number) {
    this.#port = port;
  }

  open(): this {
    return this.client('S', 1_000).server('SA', 5_000, 1_001).client('A', 1_001, 5_001);
  }

  client(flags: string, seq: number, ack = 0, length = 0, window = 10_000): this {
    return this.#add(true, flags, seq, ack, length, window);
  }

  server(flags: string, seq: number, ack = 0, length = 0, window = 10_000): this {
    return this.#add(false, flags, seq, ack, length, window);
  }

  segment(isClient: boolean, flags: string, seq: number, ack: number, length = 0, window = 10_000): Buffer {
    const segment = tcp(
      {
        sourcePort: isClient ? this.#port : 7_800,
        destinationPort: isClient ? 7_800 : this.#port,
        sequence: seq >>> 0,
        acknowledgement: ack >>> 0,
        flags: flagsOf(flags),
        window,
      },
      Buffer.alloc(length),
    );
    return ipv4({ source: isClient ? INSIDE : OUTSIDE, destination: isClient ? OUTSIDE : INSIDE }, segment);
  }

  /** What is longer than a frame goes in pieces, in order. */
  #add(isClient: boolean, flags: string, seq: number, ack: number, length: number, window: number): this {
    for (let sent = 0; sent === 0 || sent < length; sent += PIECE) {
      const piece = this.segment(isClient, flags, seq + sent, ack, Math.min(PIECE, length - sent), window);
      this.lines.push(line(isClient, piece));
    }
    return this;
  }
}

function line(isHere: boolean, datagram: Uint8Array): string {
  return `${isHere ? 'here' : 'there'} ${Buffer.from(datagram).toString('hex')}`;
}
