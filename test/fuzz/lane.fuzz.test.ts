/**
 * A million random and mutated frames through two lanes, one with stock hooks, one with hooks that misbehave as well:
 * nothing throws, the ledgers add up exactly, the pool ends as it began, and memory stays bounded.
 *
 * The seed is printed; `FUZZ_SEED=n` repeats a run.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import v8 from 'node:v8';
import vm from 'node:vm';
import clampMss from '../../hooks/clamp-mss.ts';
import dropPort from '../../hooks/drop-port.ts';
import rateLimit from '../../hooks/rate-limit.ts';
import rejectPort from '../../hooks/reject-port.ts';
import rewritePayload from '../../hooks/rewrite-payload.ts';
import type { Driver, DriverPort } from '../../src/drivers/contract.ts';
import { openSavefile } from '../../src/drivers/savefile.ts';
import { DEST_REMOTE, IP_RECEIVE } from '../../src/firewall/constants.ts';
import { setPoolLimit, systemPool } from '../../src/firewall/ddk.ts';
import type { DefinedHook } from '../../src/hook/contract.ts';
import { HookChain } from '../../src/hook/hook-chain.ts';
import type { LoadedHook } from '../../src/hook/load-hook.ts';
import { Lane } from '../../src/lane/lane.ts';
import { addRow, checkRow, emptyRow, LEDGER_WIDTH, type LedgerRow, rowAt } from '../../src/lane/ledger.ts';
import type { Way } from '../../src/lane/way.ts';
import { frameOf } from '../support/frame-of.ts';
import { icmpSettings } from '../support/icmp-settings.ts';
import { llc, mpls, pppoe, probe } from '../support/links.ts';
import { handlersOf, loadedHook } from '../support/loaded-hook.ts';
import {
  ethernet,
  extension,
  fragment,
  icmpv4,
  icmpv6,
  ipv4,
  ipv6,
  octets,
  tcp,
  udp,
} from '../support/packet-builder.ts';
import { quietRuntime } from '../unit/hooks/drive-hook.ts';
import { createMisbehaving, type Random } from './misbehaving-hooks.ts';

const { FUZZ_SEED } = process.env;
const SEED = Number(FUZZ_SEED ?? Date.now() % 0x7fffffff);
const FRAMES = 1_000_000;
const WARM_UP = 200_000;
const MAX_LENGTH = 2048;
const LINKTYPES = [1, 1, 1, 0, 101, 108, 113, 276, 228, 127];
const POOL_OCTETS = 8 * 1024 * 1024;
/** Coarse: a leak of a hundred octets a frame would be five times as much. */
const MAX_GROWTH = 16 * 1024 * 1024;
/** A cooked header, version 1, that announces a PPPoE session. */
const COOKED_SESSION = Buffer.from('00000001000602000000000100008864', 'hex');
const FIXTURES = new URL('../fixtures/', import.meta.url);

/** Numbers that hit the edges of fields more often than chance would. */
const EDGES = [0, 1, 4, 5, 6, 8, 17, 20, 40, 44, 58, 60, 0x45, 0x46, 0x4f, 0x60, 0x81, 0x88, 0x7f, 0x80, 0xff];

interface Sample {
  readonly port: number;
  readonly frame: Buffer;
}

/** Marsaglia's xorshift: small, and the same everywhere. */
function createRandom(seed: number): Random {
  let state = seed | 1;
  return (bound) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % bound;
  };
}

/** Sends nowhere: it only holds the lane to the contract of `transmit`, and sometimes has no room. */
class NullDriver implements Driver {
  readonly name = 'null';
  readonly capabilities;
  readonly ports: readonly DriverPort[];
  sent = 0;
  /** Of the frame being handed out: its link header is Ethernet's, and what the capture cut off. */
  isEthernet = false;
  cut = 0;
  readonly #random: Random;

  constructor(live: boolean, random: Random) {
    this.capabilities = { live, sharesPort: false, offloads: true };
    this.ports = LINKTYPES.map((linktype, id) => ({
      id,
      linktype,
      maxFrameLength: [1514, 614, 100_000, 40][id % 4] ?? 0,
    }));
    this.#random = random;
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  transmit(port: number, frame: Buffer, length: number, purpose?: number): boolean {
    if (port < 0) return false;
    const limit = this.ports[port]?.maxFrameLength ?? -1;
    if (!Number.isInteger(length) || length < 0 || length > frame.length) {
      throw new Error(`port ${port}: ${length} octets of ${frame.length}`);
    }
    if (length > limit + 4 || this.#random(50) === 0) return false;
    if (this.isEthernet) checkSession(frame, length, length + this.cut);
    // Probes are in no sum.
    if (purpose !== PROBE) this.sent += 1;
    return true;
  }

  stats(): { droppedByKernel: number } {
    return { droppedByKernel: 0 };
  }

  stop(): void {}
}

/** What egress calls a probe towards the driver. */
const PROBE = 3;

/** A session that goes out never says more than the frame has: hooks change the datagram, egress its length. */
function checkSession(frame: Buffer, length: number, originalLength: number): void {
  if (length >= 20 && frame.readUInt16BE(12) === 0x8864 && frame.readUInt16BE(14) === 0x1100)
    assert.ok(frame.readUInt16BE(18) <= originalLength - 20, frame.toString('hex', 0, 40));
}

const REJECT = ['link', 'raw', 'count'] as const;

/** One way a port; the last is a tap. */
function layWays(): Way[] {
  return LINKTYPES.map((_, id): Way => {
    const isTap = id === LINKTYPES.length - 1;
    const reject = isTap ? 'count' : (REJECT[id % 3] ?? 'count');
    return {
      name: `${id}`,
      from: 'a',
      to: 'b',
      side: 'in',
      zone: 0,
      inPort: id,
      outPort: isTap ? -1 : id,
      otherPort: isTap ? -1 : (id + 4) % LINKTYPES.length,
      direction: IP_RECEIVE,
      recvInterfaceIndex: 1,
      sendInterfaceIndex: 2,
      otherIndex: isTap ? 2 : 1,
      unicastType: DEST_REMOTE,
      reject,
      rejectPort: reject === 'link' ? id : -1,
      carriesProbes: id === 2,
    };
  });
}

/** A lane and the counters the test compares it with. */
interface Bench {
  readonly lane: Lane;
  readonly chain: HookChain;
  readonly driver: NullDriver;
  raw: number;
  faults: number;
  received: number;
}

function layBench(hooks: LoadedHook[], onHookError: 'drop' | 'forward', live: boolean, random: Random): Bench {
  const driver = new NullDriver(live, random);
  const bench = { driver, raw: 0, faults: 0, received: 0 } as { -readonly [Key in keyof Bench]: Bench[Key] };
  bench.chain = new HookChain({
    hooks,
    onHookError,
    pool: systemPool,
    onFault: () => {
      bench.faults += 1;
    },
    trackChanges: !live,
  });
  bench.lane = new Lane({
    driver,
    ways: layWays(),
    chain: bench.chain,
    nonIp: live ? 'drop' : 'forward',
    unreadable: live ? 'drop' : 'forward',
    icmp: icmpSettings(1000),
    sender: {
      send(datagram, length) {
        if (length < 20 || length > datagram.length) throw new Error(`${length} octets of ${datagram.length}`);
        bench.raw += 1;
        return true;
      },
    },
    now: () => bench.received / 100,
  });
  return bench;
}

async function setUp<Options>(hook: DefinedHook<Options>, options: unknown, priority: number): Promise<LoadedHook> {
  const definition = hook as DefinedHook;
  const handlers = (await hook.setup?.(options as Options, quietRuntime(hook.name))) ?? handlersOf(definition);
  return { kind: 'defined', name: hook.name, path: hook.name, priority, definition, handlers };
}

async function stockHooks(): Promise<LoadedHook[]> {
  return [
    await setUp(dropPort, { protocol: 'tcp', ports: [23] }, 9),
    await setUp(rejectPort, { protocol: 'udp', ports: [137] }, 8),
    await setUp(clampMss, { mss: 1000 }, 7),
    await setUp(rateLimit, { packetsPerSecond: 1000, burst: 1000 }, 6),
    await setUp(rewritePayload, { protocol: 'udp', port: 53, find: 'data', replace: 'other data' }, 5),
  ];
}

/** Datagrams of every kind behind each link header, and all frames of the fixtures. */
async function readCorpus(): Promise<Sample[]> {
  const made = [
    ipv4({}, tcp({ options: Buffer.from('020405b401010402', 'hex') }, Buffer.from('data'))),
    ipv4({}, udp({}, Buffer.from('some data'))),
    ipv4({}, udp({ destinationPort: 137 }, Buffer.alloc(1400))),
    ipv4({ dontFragment: true }, udp({ destinationPort: 9 }, Buffer.alloc(1450))),
    ipv4({ options: Buffer.from('9404000001010101', 'hex') }, udp({}, Buffer.alloc(900))),
    ipv4({ moreFragments: true }, udp({ length: 3000 }, Buffer.alloc(24))),
    ipv4({ fragmentOffset: 24 }, octets(6, Buffer.alloc(24))),
    ipv4({}, icmpv4({}, Buffer.from('data'))),
    ipv4({ totalLength: 0 }, tcp()),
    ipv6({ extensions: [extension(0), extension(43, 24), extension(60)] }, tcp()),
    ipv6({}, udp({}, Buffer.alloc(1400))),
    ipv6({ extensions: [fragment(0, true)] }, udp({}, Buffer.alloc(16))),
    ipv6({}, icmpv6({}, Buffer.from('data'))),
  ];
  const corpus = made.flatMap((datagram): Sample[] => [
    { port: 0, frame: ethernet({ padTo: 60 }, datagram) },
    { port: 1, frame: ethernet({ tags: [{ id: 2 }] }, datagram) },
    { port: 2, frame: ethernet({ tags: [{ type: 0x88a8, id: 1 }, { id: 2 }] }, datagram) },
    { port: 3, frame: Buffer.concat([Buffer.from('02000000', 'hex'), datagram]) },
    { port: 4, frame: datagram },
    { port: 6, frame: Buffer.concat([Buffer.from('00000001000602000000000100000800', 'hex'), datagram]) },
    { port: 7, frame: Buffer.concat([Buffer.from('0800000000000002000100060200000000010000', 'hex'), datagram]) },
    { port: 9, frame: datagram },
    { port: 0, frame: pppoe({ padTo: 60 }, datagram) },
    { port: 1, frame: pppoe({ isShort: true, tags: [{ id: 0 }, { id: 0 }] }, datagram) },
    { port: 6, frame: Buffer.concat([COOKED_SESSION, pppoe({}, datagram).subarray(14)]) },
    { port: 2, frame: mpls(2, datagram) },
    { port: 0, frame: mpls(16, datagram, [{ type: 0x9300, id: 1 }]) },
  ]);
  corpus.push(
    { port: 0, frame: pppoe({ protocol: 0xc021 }, Buffer.from('0101000a05061a2b3c4d', 'hex')) },
    { port: 0, frame: llc('424203', Buffer.alloc(35)) },
    { port: 1, frame: llc('aaaa030000000800', made[0] ?? Buffer.alloc(0)) },
    { port: 2, frame: probe() },
  );
  for (const name of readdirSync(FIXTURES).filter((file) => /\.pcap(ng)?$/.test(file))) {
    const driver = openSavefile({ input: fileURLToPath(new URL(name, FIXTURES)) });
    await driver.start({
      onFrame({ octets: frame, length, port }) {
        const linktype = driver.ports.find(({ id }) => id === port)?.linktype ?? -1;
        const copy = Buffer.from(frame.subarray(0, Math.min(length, MAX_LENGTH)));
        corpus.push({ port: Math.max(0, LINKTYPES.indexOf(linktype)), frame: copy });
      },
      onBatchEnd: () => undefined,
    });
    driver.stop();
  }
  return corpus;
}

/** Writes the next frame to `frame`; returns its length. */
function mutate(random: Random, base: Buffer, frame: Buffer): number {
  let length = base.copy(frame);
  if (random(16) === 0) {
    length = random(200);
    for (let at = 0; at < length; at++) frame[at] = random(256);
  }
  for (let count = random(4); count > 0 && length > 1; count--) {
    // Most of what matters is in the first octets.
    const at = random(random(2) === 0 ? Math.min(length, 64) : length);
    switch (random(6)) {
      case 0:
        frame[at] = (frame[at] ?? 0) ^ (1 << random(8));
        break;
      case 1:
        frame[at] = EDGES[random(EDGES.length)] ?? 0;
        break;
      case 2:
        length = at;
        break;
      case 3:
        // A length field, be it one or not.
        if (at + 2 <= length) frame.writeUInt16BE([0, length, length - at, 0xffff, random(65_536)][random(5)] ?? 0, at);
        break;
      case 4: {
        const size = random(Math.min(64, length - at) + 1);
        const target = random(Math.max(1, Math.min(length, MAX_LENGTH - size)));
        frame.copy(frame, target, at, at + size);
        length = Math.max(length, target + size);
        break;
      }
      default:
        frame[at] = random(256);
    }
  }
  return length;
}

function heapAfterGc(): number {
  v8.setFlagsFromString('--expose-gc');
  const collect = vm.runInNewContext('gc') as () => void;
  collect();
  return process.memoryUsage().heapUsed;
}

function sumOf(bench: Bench): LedgerRow {
  const sum = emptyRow();
  for (const [index, way] of bench.lane.ways.entries()) {
    const row = rowAt(bench.lane.ledger, index * LEDGER_WIDTH);
    assert.deepEqual(checkRow(row, way.outPort >= 0), [], `way ${way.name}`);
    addRow(sum, row);
  }
  return sum;
}

test('a million random and mutated frames change only counters', async (t) => {
  t.diagnostic(`seed ${SEED}`);
  const random = createRandom(SEED);
  const corpus = await readCorpus();
  const misbehaving = createMisbehaving(random);
  const stock = await stockHooks();
  setPoolLimit(POOL_OCTETS);
  const bytesAtStart = systemPool.totals().bytesInUse;
  const door = { name: 'wrong', path: 'wrong', priority: 4 };
  const wrong: LoadedHook[] = [
    { ...door, kind: 'callback', callback: misbehaving.firewallHook },
    loadedHook({ name: 'wrong', onPacket: misbehaving.onPacket }, 4),
    { ...door, kind: 'callback', callback: misbehaving.firewallHook, priority: -1 },
  ];
  const good = layBench(stock, 'drop', true, random);
  const bad = layBench([...wrong, ...stock.slice(2)], 'forward', false, random);
  const frame = Buffer.alloc(MAX_LENGTH + 64);
  const handed = frameOf(frame);
  /** The frame as it came, for the report of a failure. */
  const kept = Buffer.alloc(frame.length);
  let heap = 0;

  for (let count = 0; count < FRAMES; count++) {
    const { port: own, frame: base } = corpus[random(corpus.length)] as Sample;
    const length = mutate(random, base, frame);
    const port = random(8) === 0 ? random(LINKTYPES.length) : own;
    const cut = random(20) === 0 ? random(3000) : 0;
    const bench = random(2) === 0 ? good : bad;
    const isStarved = random(50) === 0;
    if (isStarved) setPoolLimit(random(2) * (systemPool.totals().reservedBytes + 200));
    frame.copy(kept, 0, 0, length);
    try {
      bench.received += 1;
      bench.driver.isEthernet = LINKTYPES[port] === 1;
      bench.driver.cut = cut;
      const flags = random(8) === 0 ? 1 : 0;
      const times = { seconds: count >>> 10, nanoseconds: count & 0xffff };
      bench.lane.onFrame(Object.assign(handed, { length, originalLength: length + cut, port, flags }, times));
      bench.lane.onBatchEnd();
    } catch (error) {
      const which = bench === good ? 'stock' : 'misbehaving';
      t.diagnostic(`frame ${count}, port ${port}, cut ${cut}, ${which} hooks: ${kept.toString('hex', 0, length)}`);
      throw error;
    }
    if (isStarved) setPoolLimit(POOL_OCTETS);
    if (bench === bad) {
      assert.equal(systemPool.ownerUsage(-1).outstanding, 0, `the runtime holds something after frame ${count}`);
      misbehaving.cleanUp();
    }
    if (count === WARM_UP) heap = heapAfterGc();
  }

  const growth = heapAfterGc() - heap;
  t.diagnostic(`heap grew by ${growth} octets over ${FRAMES - WARM_UP} frames`);
  assert.ok(growth < MAX_GROWTH, `${growth} octets`);
  assert.equal(systemPool.totals().bytesInUse, bytesAtStart);
  for (const bench of [good, bad]) {
    const sum = sumOf(bench);
    assert.equal(sum.received + sum.probes, bench.received);
    assert.equal(sum.sent, bench.driver.sent + bench.raw);
    t.diagnostic(JSON.stringify(sum));
  }
  const [goodRow, badRow] = [sumOf(good), sumOf(bad)];
  assert.equal(good.faults, 0, 'stock hooks are never at fault');
  assert.ok(bad.faults >= badRow.hookFaults && badRow.hookFaults > 0);
  // Every end was come to, so that the sums above say something.
  for (const name of [
    'forwarded',
    'droppedByHook',
    'droppedMalformed',
    'droppedNonIp',
    'droppedUnreadable',
    'probes',
    'rejected',
    'lostTruncated',
    'lostTooLong',
    'replaced',
    'icmpErrors',
    'extraFragments',
    'lostSendError',
  ] as const) {
    assert.ok(goodRow[name] > 0, `${name} in ${JSON.stringify(goodRow)}`);
  }
  for (const name of [
    'forwarded',
    'passedTruncated',
    'droppedByFault',
    'lostPool',
    'replaced',
    'extraFragments',
  ] as const) {
    assert.ok(badRow[name] > 0, `${name} in ${JSON.stringify(badRow)}`);
  }
});
