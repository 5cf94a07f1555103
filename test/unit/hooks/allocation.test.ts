/**
 * `docs/hook-costs.md` promises that the stock hooks allocate nothing per packet: each of them, in a lane, over packets that it lets
 * pass, changes and refuses.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { DROP, FORWARD } from '../../../src/firewall/constants.ts';
import { Pool } from '../../../src/firewall/pool.ts';
import { ChainFlows, DEFAULT_FLOWS } from '../../../src/hook/chain-flows.ts';
import type { DefinedHook, HookRuntime } from '../../../src/hook/contract.ts';
import { HookChain } from '../../../src/hook/hook-chain.ts';
import { buildPrefixTable } from '../../../src/prefix/build-table.ts';
import { PrefixTable } from '../../../src/prefix/prefix-table.ts';
import { parseCidr } from '../../../src/wire/address.ts';
import { ROOT } from '../../support/documents.ts';
import { frameOf } from '../../support/frame-of.ts';
import { heapGrowth, SMALLEST_LEAK } from '../../support/heap-growth.ts';
import { handlersOf } from '../../support/loaded-hook.ts';
import { ethernet, ipv4, ipv6, tcp, udp } from '../../support/packet-builder.ts';
import { tablesOf } from '../../support/tables-of.ts';
import { hook, quietLane } from '../lane/lane-rig.ts';
import { checked, quietRuntime } from './drive-hook.ts';

const SYN = 2;
const folder = mkdtempSync(path.join(tmpdir(), 'firehook-allocation-'));
const list = path.join(folder, 'list.txt');
writeFileSync(list, '203.0.113.9\n2001:db8::/32\n');
after(() => rmSync(folder, { recursive: true }));

/** What each is told: some packets of {@link FRAMES} are its business, and some are not. */
const OPTIONS: Readonly<Record<string, unknown>> = {
  'pass-all': undefined,
  'drop-port': { protocol: 'udp', ports: [53] },
  'reject-port': { protocol: 'udp', ports: [53] },
  'block-list': { file: list },
  'dns-filter': { names: ['telnet.example'] },
  nat: {
    oneToOne: { '203.0.113.0/24': '198.51.100.0/24', 'fd00:ffff::/32': '2001:db8::/32' },
    forwards: [{ protocol: 'udp', address: '198.51.100.7', port: 443, to: '10.0.0.1' }],
  },
  'port-knock': { port: 22, sequence: [7000] },
  'rate-limit': { packetsPerSecond: 10, reject: true },
  'clamp-mss': { mss: 1400 },
  'packet-filter': {
    rules: [
      'drop udp from 203.0.113.9 to port 53 count blocked',
      'reject tcp syn from any to 2001:db8::/32',
      'pass icmp type 8',
      'drop ip6 udp from fd00:ffff::1 port 1-60000 count blocked',
      'pass tcp from 203.0.113.0/24 out',
      'default pass count rest',
    ],
  },
  // A packet that waits is looked at in test/unit/lane/allocation.test.ts.
  impair: { lossPercent: 50, seed: 1 },
  mirror: { to: 'ids0', filter: 'udp', snap: 64 },
  'syn-guard': { ports: [22, 80, 443] },
  // Its streams are looked at in test/unit/hook/stream-allocation.test.ts.
  'tls-name-filter': { names: ['telnet.example'] },
  'rewrite-payload': { protocol: 'udp', port: 53, find: 'telnet', replace: 'secret' },
};

/** Addresses whose words are no small integers, and an MSS of 1,460 to be lowered. */
const FRAMES = [
  ipv4({ source: '203.0.113.9', destination: '198.51.100.7' }, udp()),
  ipv4({ source: '198.51.100.7', destination: '203.0.113.8' }, udp({ destinationPort: 443 })),
  ipv4(
    { source: '203.0.113.8', destination: '198.51.100.7' },
    tcp({ flags: SYN, options: Buffer.of(2, 4, 0x05, 0xb4) }),
  ),
  ipv6({ source: 'fd00:ffff::1', destination: 'fd00:ffff::2' }, udp()),
  ipv6({ source: 'fe80::ffff:1', destination: '2001:db8::ffff:2' }, tcp()),
].map((datagram) => ethernet({ padTo: 60 }, datagram));

test('every stock hook is looked at', () => {
  const stock = readdirSync(path.join(ROOT, 'hooks')).filter((name) => /^[^_].*\.ts$/.test(name));
  assert.deepEqual(Object.keys(OPTIONS).sort(), stock.map((name) => path.parse(name).name).sort());
});

/** And one that looks a table up. */
const CASES = [...Object.entries(OPTIONS), ['block-list', { table: 'blocked' }] as const];
const TABLE = new PrefixTable(
  buildPrefixTable(
    ['203.0.113.9/32', '2001:db8::/32'].map((text) => ({ ...(parseCidr(text) ?? assert.fail()), value: 1 })),
  ),
);

for (const [name, options] of CASES) {
  const what = options === OPTIONS[name] ? '' : ` by ${JSON.stringify(options)}`;
  test(`${name}${what} leaves nothing on the heap`, async () => {
    const { default: stock } = (await import(path.join(ROOT, `hooks/${name}.ts`))) as { default: DefinedHook };
    const values = await checked(stock, options);
    const packets: { context: HookChain['context'] } = { context: null };
    const runtime: HookRuntime = {
      ...quietRuntime(name),
      prefixes: () => TABLE,
      ...tablesOf(stock, values, packets),
    };
    const { onPacket = () => FORWARD } = (await stock.setup?.(values, runtime)) ?? handlersOf(stock);
    const chain = new HookChain({
      // What the lane does about a rejected packet is not the hook's.
      hooks: [hook(name, (packet, context) => (onPacket(packet, context) === FORWARD ? FORWARD : DROP))],
      flows: stock.flows === true ? new ChainFlows(DEFAULT_FLOWS, {}) : null,
      onHookError: 'drop',
      pool: new Pool(1 << 20),
      onFault: (_hook, reason) => assert.fail(reason),
    });
    const lane = quietLane(chain);
    const lengths = FRAMES.map((frame) => frame.length);
    // One buffer for all frames, as a driver has it.
    const shared = Buffer.alloc(2048);
    const handed = frameOf(shared);
    let seconds = 1_767_225_600;
    const grown = heapGrowth((count) => {
      seconds += 1;
      for (let index = 0; index < count; index++) {
        const which = index % FRAMES.length;
        shared.set(FRAMES[which] as Buffer);
        const length = lengths[which] as number;
        handed.length = length;
        handed.originalLength = length;
        handed.seconds = seconds;
        handed.nanoseconds = index;
        lane.onFrame(handed);
        packets.context = chain.context;
      }
    });
    assert.ok(grown < SMALLEST_LEAK, `${grown} octets a packet`);
    assert.equal(lane.packets, chain.counters[0]);
  });
}
