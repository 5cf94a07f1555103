/**
 * The stream table against the kernel's TCP: what a socket reads and what the table shows, of the same segments.
 *
 * ```
 *   peer: segments as a script says, by a raw socket ──> host: a server reads them from a socket
 *                                                    └─ tcpdump ─> FlowTable ─> StreamTable ─> the same octets?
 * ```
 * The scripts are random: connections that are cut into segments in any order, sent again in other cuts, with data in the
 * SYN, with keep-alives that hold any octet, over the end of the sequence numbers. In others two segments contradict each
 * other, and what the kernel reads then is its own choice.
 *
 * Rule: as a lane would do it, the flow table says what is valid, and only that is fed.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { FlowTable } from '../../../src/flow/flow-table.ts';
import { SEGMENT_ACK, SEGMENT_SEQUENCE, TcpSegment } from '../../../src/flow/tcp-segment.ts';
import { STREAM_DISAGREES, STREAM_ENDED, STREAM_FULL, STREAM_MISSED } from '../../../src/stream/stream-counters.ts';
import type { OverlapRule } from '../../../src/stream/stream-table.ts';
import { StreamTable } from '../../../src/stream/stream-table.ts';
import { IpLayout, parseIpLayout } from '../../../src/wire/ip-layout.ts';
import { networkOffset } from '../../../src/wire/link.ts';
import * as tcp from '../../../src/wire/tcp.ts';
import type { Namespace } from '../../support/netns.ts';
import { hostLab, rootOnly, waitFor } from '../../support/netns.ts';
import { randomNumbers } from '../../unit/flow/flow-rig.ts';
import { pattern } from '../../unit/stream/stream-rig.ts';
import { readCapture } from '../../unit/wire/savefile-captures.ts';

const SEGMENTS = fileURLToPath(new URL('segments.py', import.meta.url));
const HOST = '10.78.0.1';
const MOST = 16_384;
const { ACK, FIN, SYN } = tcp;
/** The peer's kernel does not know of the connections of the scripts. */
const QUIET = 'table ip quiet { chain out { type filter hook output priority 0; tcp flags rst drop; }; }';
/** Octets that fit a frame. */
const PIECE = 1_400;

type Step = readonly [at: number, flags: number, data: string] | readonly ['wait', number];
type Random = (below: number) => number;

interface Script {
  readonly port: number;
  readonly start?: number;
  readonly steps?: readonly Step[];
  readonly octets?: number;
}

/** What the table has made of a connection. */
interface Reading {
  readonly text: string;
  /** Results that were said, by number. */
  readonly results: ReadonlySet<number>;
}

describe('the stream table reads what the kernel reads', { skip: rootOnly('tcpdump') }, () => {
  test('of segments in any order, in any cut, sent again', async (t) => {
    const random = randomNumbers(21);
    const scripts = Array.from({ length: 150 }, (_, index) => agreeing(20_000 + index, random));
    const { kernel, datagrams } = await played(t, scripts);
    const readings = read(datagrams);
    let octets = 0;
    for (const { port } of scripts) {
      const reading = readings.get(port);
      assert.ok(reading !== undefined, `port ${port} was seen`);
      assert.equal(reading.text, kernel[port], `port ${port}`);
      assert.ok(reading.results.has(STREAM_ENDED), `port ${port} ended`);
      for (const result of [STREAM_DISAGREES, STREAM_MISSED]) assert.ok(!reading.results.has(result), `port ${port}`);
      octets += reading.text.length;
    }
    t.diagnostic(`${scripts.length} connections, ${octets} octets, ${datagrams.length} segments`);
    assert.ok(octets > 100_000, `${octets} octets`);
  });

  test('or says that segments contradict each other', async (t) => {
    const random = randomNumbers(22);
    const scripts = Array.from({ length: 90 }, (_, index) => contradicting(20_000 + index, index % 3, random));
    const { kernel, datagrams } = await played(t, scripts);
    const readings = read(datagrams);
    const ofFirst = read(datagrams, 'first');
    let others = 0;
    for (const { port } of scripts) {
      const reading = readings.get(port);
      assert.ok(reading !== undefined, `port ${port} was seen`);
      assert.ok(reading.results.has(STREAM_DISAGREES), `port ${port}`);
      const there = kernel[port] ?? '';
      assert.ok(there.startsWith(reading.text), `port ${port}: what was shown before it is what the kernel has read`);
      if (there !== ofFirst.get(port)?.text) others += 1;
    }
    t.diagnostic(`keeping the first octets would be another reading in ${others} of ${scripts.length} connections`);
  });

  test('of connections of the kernel itself, in the order of the capture and in any other', async (t) => {
    const scripts: Script[] = [1, 5_000, 16_384, 300_000].map((octets, index) => ({ port: 30_000 + index, octets }));
    const { kernel, datagrams } = await played(t, scripts);
    const readings = read(datagrams);
    for (const [index, { port, octets = 0 }] of scripts.entries()) {
      const text = pattern(0, Math.min(octets, MOST));
      assert.equal(kernel[port]?.slice(0, MOST), text, 'the server has read it');
      assert.equal(readings.get(port)?.text, text);
      assert.ok(readings.get(port)?.results.has(octets > MOST ? STREAM_FULL : STREAM_ENDED));
      for (let seed = 0; seed < 20; seed++) assert.equal(shuffled(datagrams, port, 100 * index + seed), text);
    }
  });
});

/** A connection whose segments agree, whatever their order. */
function agreeing(port: number, random: Random): Script {
  const content = contentOf(random);
  const start = random(2) === 0 ? 2 ** 32 - 1 - random(content.length + 1) : random(2 ** 32);
  const steps = [...opening(content, random), ...pieces(content, random)];
  const closing = whole(content, 0);
  // A FIN ahead of its octets, or a connection that is idle before it ends.
  if (random(2) === 0) steps.push([content.length, FIN | ACK, '']);
  else closing.push(['wait', content.length], [content.length - 1, ACK, 'fe'], [content.length - 1, ACK, '']);
  return { port, start, steps: [...steps, ...closing, [content.length, FIN | ACK, ''], ['wait', content.length + 1]] };
}

/** A connection of which two segments have other octets, or another end. */
function contradicting(port: number, kind: number, random: Random): Script {
  const content = contentOf(random);
  const start = random(2 ** 32);
  const steps = [...opening(content, random), ...pieces(content, random)];
  const end: Step[] = [[content.length, FIN | ACK, '']];
  if (kind === 0) {
    // Two octets at least: one alone could be that of a keep-alive.
    const at = random(content.length - 1);
    const other = Buffer.from(content.subarray(at, Math.min(content.length, at + 2 + random(PIECE - 2))));
    other[random(other.length)] = 0xff;
    steps.splice(3 + random(steps.length - 2), 0, [at, ACK, other.toString('hex')]);
  } else if (kind === 1) steps.push([random(content.length - 1), FIN | ACK, '']);
  else end.push([content.length - 2, ACK, `${content.subarray(-2).toString('hex')}ff`]);
  return { port, start, steps: [...steps, ...whole(content, 0), ...end] };
}

/** Octets below 0xfe. */
function contentOf(random: Random): Buffer {
  return Buffer.from(Array.from({ length: 2 + random(random(2) === 0 ? 100 : 6_000) }, () => random(0xfe)));
}

/** The handshake; the server takes no data with the SYN, which then comes again. */
function opening(content: Buffer, random: Random): Step[] {
  const early = random(4) === 0 ? content.subarray(0, random(PIECE)) : Buffer.alloc(0);
  return [
    [-1, SYN, early.toString('hex')],
    ['wait', 0],
    [0, ACK, ''],
  ];
}

function pieces(content: Buffer, random: Random): Step[] {
  return Array.from({ length: random(40) }, () => {
    const at = random(content.length);
    const size = 1 + random(random(2) === 0 ? 30 : PIECE);
    return [at, ACK, content.subarray(at, Math.min(content.length, at + size)).toString('hex')] as const;
  });
}

/** Everything from a place on, in order. */
function whole(content: Buffer, from: number): Step[] {
  const steps: Step[] = [];
  for (let at = from; at < content.length; at += PIECE) {
    steps.push([at, ACK, content.subarray(at, at + PIECE).toString('hex')]);
  }
  return steps;
}

/** Plays scripts against a server of the kernel, and captures what arrives there. */
async function played(owner: Parameters<typeof hostLab>[0], scripts: readonly Script[]) {
  const { ns } = await hostLab(owner);
  await ns.peer.output('nft', [QUIET]);
  const server = ns.host.spawn('python3', [SEGMENTS, 'serve']);
  await waitFor(() => server.stdout.includes('ready'), { what: 'the server' });
  let report = '';
  const datagrams = await captured(ns.host, async () => {
    const input = `${scripts.map((script) => JSON.stringify(script)).join('\n')}\n`;
    report = await ns.peer.output('python3', [SEGMENTS, 'send', HOST], { input, timeoutMs: 60_000 });
  });
  const kernel: Record<number, string> = {};
  for (const [port, octets] of Object.entries(JSON.parse(report) as Record<string, string>)) {
    kernel[Number(port)] = Buffer.from(octets, 'hex').toString('latin1');
  }
  return { kernel, datagrams };
}

/** The datagrams of port 7000 in the order in which they came and went. */
async function captured(host: Namespace, traffic: () => Promise<void>): Promise<Buffer[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-streams-'));
  const file = path.join(folder, 'host.pcap');
  try {
    const options = ['-i', 'eth0', '-s', '0', '-B', '65536', '--immediate-mode', '-U', '-Z', 'root', '-w', file];
    const dump = host.spawn('tcpdump', [...options, 'tcp port 7000']);
    await waitFor(() => dump.stderr.includes('listening on'), { what: 'tcpdump' });
    await traffic();
    let length = -1;
    const isQuiet = (): boolean => {
      const before = length;
      length = statSync(file).size;
      return length === before;
    };
    await waitFor(isQuiet, { what: 'the last segments', intervalMs: 300 });
    await dump.stop();
    assert.match(dump.stderr, /\b0 packets dropped by kernel/);
    const { frames, interfaces, error } = readCapture(readFileSync(file));
    assert.equal(error, null);
    const linktype = interfaces[0]?.linktype ?? -1;
    return frames.map(({ bytes }) => bytes.subarray(networkOffset(bytes, bytes.length, linktype)));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Reads the clients' octets of all connections, by port. */
function read(datagrams: readonly Buffer[], onOverlap: OverlapRule = 'reset'): Map<number, Reading> {
  const flows = new FlowTable({ most: 1_024 });
  const streams = new StreamTable({ flows: 1_024, streams: 512, octets: 512 * 10 * 2_048, most: MOST, pieces: 255 });
  const layout = new IpLayout();
  const segment = new TcpSegment();
  const results = new Map<number, Set<number>>();
  const opened = new Map<number, number>();
  for (const datagram of datagrams) {
    assert.ok(parseIpLayout(datagram, 0, datagram.length, datagram.length, layout, true), datagram.toString('hex'));
    flows.tick(0);
    const flow = flows.track(datagram, layout, layout.declaredLength, 0);
    if (flow < 0 || flows.isInvalid === 1 || !segment.read(datagram, layout)) continue;
    const generation = flows.records.generationOf(flow);
    if (flows.direction === 1) {
      const stream = streams.find(flow, generation, 0);
      const result = streams.acknowledge(stream, segment.words[SEGMENT_ACK] as number);
      results.get(datagram.readUInt16BE(layout.transportOffset + 2))?.add(result);
      continue;
    }
    const port = datagram.readUInt16BE(layout.transportOffset);
    if (flows.isNew === 1) {
      opened.set(port, streams.open(flow, generation, 0, MOST, onOverlap, 0));
      results.set(port, new Set());
    }
    const at = layout.transportOffset + tcp.headerLength(datagram, layout.transportOffset);
    const flags = datagram[layout.transportOffset + tcp.FLAGS_OFFSET] as number;
    const stream = streams.find(flow, generation, 0);
    const sequence = segment.words[SEGMENT_SEQUENCE] as number;
    results.get(port)?.add(streams.feed(stream, datagram, at, layout.declaredLength - at, sequence, flags, 0));
  }
  return new Map(
    Array.from(opened, ([port, stream]) => {
      return [port, { text: streams.show(stream).text(), results: results.get(port) ?? new Set() }];
    }),
  );
}

/** Reads one connection with its data in another order, some of it twice. */
function shuffled(datagrams: readonly Buffer[], port: number, seed: number): string {
  const random = randomNumbers(seed);
  const layout = new IpLayout();
  const segments = datagrams.flatMap((datagram) => {
    assert.ok(parseIpLayout(datagram, 0, datagram.length, datagram.length, layout, true));
    const at = layout.transportOffset;
    if (datagram.readUInt16BE(at) !== port) return [];
    const data = at + tcp.headerLength(datagram, at);
    return [{ datagram, data, length: layout.declaredLength - data, at }];
  });
  const [syn, ...rest] = segments;
  assert.ok(syn !== undefined);
  const order = [...rest, ...rest.filter(() => random(3) === 0)].map((one, place) => ({
    one,
    place: place + random(8),
  }));
  order.sort((a, b) => a.place - b.place);
  const table = new StreamTable({ flows: 1, streams: 1, octets: 1 << 16, most: MOST, pieces: 255 });
  const stream = table.open(0, 0, 0, MOST, 'reset', 0);
  for (const { datagram, data, length, at } of [syn, ...order.map(({ one }) => one)]) {
    const flags = datagram[at + tcp.FLAGS_OFFSET] as number;
    const result = table.feed(stream, datagram, data, length, tcp.sequence(datagram, at), flags, 0);
    assert.ok(result !== STREAM_DISAGREES && result !== STREAM_MISSED, `result ${result}`);
  }
  return table.show(stream).text();
}
