/**
 * The stream table alone, in this process: nanoseconds that a segment takes, by what it does to its stream.
 *
 * ```
 *   node --import tsx test/bench/stream.bench.ts [--streams N,N,...] [--rounds N]      no root
 *   one datagram of 1,460 octets of data, or none ─> StreamTable.find and feed, as a lane calls them
 * ```
 * Every figure contains the look-up of the stream. Streams take turns, so that with many of them each segment waits for
 * memory that no cache holds. "Opened and closed" is the share of a segment in it: a stream is opened, its SYN fed, read in
 * order to its bound of 16,389 octets, and closed. The kinds of work take turns within a round; a figure is the median over
 * the rounds, of processor time.
 *
 * @module
 */

import { parseArgs } from 'node:util';
import { widenInlining } from '../../src/lane/engine.ts';
import { STREAM_FULL, STREAM_GREW, STREAM_SAME, STREAM_WAITS } from '../../src/stream/stream-counters.ts';
import { StreamTable, streamOctetsFor } from '../../src/stream/stream-table.ts';
import { ACK, SYN } from '../../src/wire/tcp.ts';
import { median } from './measure.ts';

/** Segments between two looks at the clock. */
const SEGMENTS = 120_000;
const HEADERS = 40;
const SIZE = 1_460;
const MOST = 16_389;
/** Segments that fill a stream: the last one reaches its bound. */
const FILL = 12;
const NOW = 1_700_000_000_000.5;

widenInlining();
const { values } = parseArgs({
  options: {
    streams: { type: 'string', default: '1,4096' },
    rounds: { type: 'string', default: '15' },
  },
});
const rounds = Number(values.rounds);
const datagram = Buffer.alloc(HEADERS + SIZE, 0x61);

for (const text of values.streams.split(',')) measure(Number(text));

interface Work {
  readonly name: string;
  run(): void;
}

function measure(streams: number): void {
  const options = { flows: streams, streams, octets: streams * 9 * 2_048, most: MOST, idleMs: 1e15 };
  const work = [
    ...inOrder(options),
    ...known(options),
    ...outOfOrder(options),
    ...nobody(options),
    ...reading(options),
  ];
  const times = work.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [which, { run }] of work.entries()) {
      const start = process.cpuUsage();
      run();
      times[which]?.push((process.cpuUsage(start).user * 1_000) / SEGMENTS);
    }
  }
  console.log(`${streams} streams, ${(streamOctetsFor(options) / 2 ** 20).toFixed(1)} MiB:`);
  for (const [which, { name }] of work.entries()) {
    const own = times[which] ?? [];
    console.log(`  ${name.padEnd(46)} median ${figure(median(own))} ns, least ${figure(Math.min(...own))} ns`);
  }
}

type Options = ConstructorParameters<typeof StreamTable>[0];

function inOrder(options: Options): Work[] {
  const table = new StreamTable(options);
  return [
    {
      name: 'in order, 1,460 octets; opened and closed',
      run() {
        let full = 0;
        for (let first = 0; first < SEGMENTS; first += options.streams * FILL) {
          const streams = Math.min(options.streams, Math.ceil((SEGMENTS - first) / FILL));
          for (let flow = 0; flow < streams; flow++) begin(table, flow);
          for (let segment = 0; segment < FILL; segment++) {
            for (let flow = 0; flow < streams; flow++) {
              const result = feed(table, flow, segment * SIZE, SIZE);
              if (result !== STREAM_FULL) continue;
              table.close(table.find(flow, 1, 0));
              full += 1;
            }
          }
        }
        expect(full, SEGMENTS / FILL, 'streams were read');
      },
    },
  ];
}

/** Segments that bring nothing: data sent again, and acknowledgements without data. */
function known(options: Options): Work[] {
  const table = new StreamTable(options);
  for (let flow = 0; flow < options.streams; flow++) {
    begin(table, flow);
    for (let segment = 0; segment < FILL - 1; segment++) feed(table, flow, segment * SIZE, SIZE);
  }
  return [
    { name: 'sent again, 1,460 octets that agree', size: SIZE },
    { name: 'without data', size: 0 },
  ].map(({ name, size }) => ({
    name,
    run() {
      let same = 0;
      for (let segment = 0; segment < SEGMENTS; segment++) {
        const at = (segment % (FILL - 1)) * SIZE;
        if (feed(table, segment % options.streams, at, size) === STREAM_SAME) same += 1;
      }
      expect(same, SEGMENTS, 'segments were known');
    },
  }));
}

/** Each second segment comes before the one in front of it. */
function outOfOrder(options: Options): Work[] {
  const table = new StreamTable(options);
  return [
    {
      name: 'out of order in pairs; opened and closed',
      run() {
        let waited = 0;
        let grew = 0;
        for (let segment = 0; segment < SEGMENTS; segment++) {
          const flow = Math.floor(segment / 10) % options.streams;
          const place = segment % 10;
          if (place === 0) begin(table, flow);
          const result = feed(table, flow, (place ^ 1) * SIZE, SIZE);
          if (result === STREAM_WAITS) waited += 1;
          else if (result === STREAM_GREW) grew += 1;
          if (place === 9) table.close(table.find(flow, 1, 0));
        }
        expect(waited, SEGMENTS / 2, 'segments waited');
        expect(grew, SEGMENTS / 2, 'segments closed a gap');
      },
    },
  ];
}

/** Segments of streams that are read no more. */
function nobody(options: Options): Work[] {
  const table = new StreamTable(options);
  for (let flow = 0; flow < options.streams; flow++) {
    begin(table, flow);
    table.close(table.find(flow, 1, 0));
  }
  return [
    {
      name: 'of a stream whose reading is closed',
      run() {
        let found = 0;
        for (let segment = 0; segment < SEGMENTS; segment++) {
          if (table.find(segment % options.streams, 1, segment & 1) >= 0) found += 1;
        }
        expect(found, 0, 'streams were found');
      },
    },
  ];
}

/** What a hook does with 11 segments of octets: it looks for the end of a header that is not there. */
function reading(options: Options): Work[] {
  const table = new StreamTable(options);
  const needle = Buffer.from('\r\n\r\n');
  for (let flow = 0; flow < options.streams; flow++) {
    begin(table, flow);
    for (let segment = 0; segment < FILL - 1; segment++) feed(table, flow, segment * SIZE, SIZE);
  }
  return [
    {
      name: 'view: six numbers of a header',
      run() {
        let sum = 0;
        for (let segment = 0; segment < SEGMENTS; segment++) {
          const view = table.show(table.find(segment % options.streams, 1, 0));
          sum += view.u8(0) + view.u16(3) + view.u8(5) + view.u16(43) + view.u16(2_047) + view.u8(9_000);
        }
        if (sum === 0) throw new Error('nothing was read');
      },
    },
    {
      name: 'view: search through 1,460 octets, not there',
      run() {
        for (let segment = 0; segment < SEGMENTS; segment++) {
          const view = table.show(table.find(segment % options.streams, 1, 0));
          if (view.indexOf(needle, view.length - SIZE) >= 0) throw new Error('found');
        }
      },
    },
  ];
}

function begin(table: StreamTable, flow: number): void {
  const stream = table.open(flow, 1, 0, MOST, 'reset', NOW);
  table.feed(stream, datagram, HEADERS, 0, -1, SYN, NOW);
}

function feed(table: StreamTable, flow: number, at: number, length: number): number {
  return table.feed(table.find(flow, 1, 0), datagram, HEADERS, length, at, ACK, NOW);
}

function expect(count: number, expected: number, what: string): void {
  if (count !== expected) throw new Error(`${what}: ${count} instead of ${expected}`);
}

function figure(value: number): string {
  return value.toFixed(1).padStart(7);
}
