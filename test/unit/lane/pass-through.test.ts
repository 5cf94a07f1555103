/**
 * A bridge that is not enforced: every frame goes on as it came, and what the hooks say of it is counted as in a tap.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryDriver, type MemoryFrame } from '../../../src/drivers/memory.ts';
import { DROP, FORWARD, ICMP_ON_DROP } from '../../../src/firewall/constants.ts';
import { Pool } from '../../../src/firewall/pool.ts';
import { RESET } from '../../../src/hook/contract.ts';
import { HookChain } from '../../../src/hook/hook-chain.ts';
import { Lane } from '../../../src/lane/lane.ts';
import { checkRow, LEDGER_WIDTH, type LedgerRow, rowAt } from '../../../src/lane/ledger.ts';
import { PassThrough, sortWays } from '../../../src/lane/pass-through.ts';
import { layOutBridge } from '../../../src/plumbing/attach/bridge.ts';
import type { Link } from '../../../src/plumbing/link.ts';
import { icmpSettings } from '../../support/icmp-settings.ts';
import type { OnPacket } from '../../support/loaded-hook.ts';
import { ethernet, ipv4, tcp, udp } from '../../support/packet-builder.ts';
import { ethernetPort, hook } from './lane-rig.ts';

class LiveMemoryDriver extends MemoryDriver {
  override readonly capabilities = { live: true, sharesPort: false, offloads: true };
}

function withType(etherType: number): Buffer {
  const frame = Buffer.alloc(60);
  frame.writeUInt16BE(etherType, 12);
  return frame;
}

const FRAMES = [
  ethernet({}, ipv4({}, udp({}, Buffer.from('some data')))),
  ethernet({}, ipv4({}, tcp())),
  withType(0x0806),
  withType(0x88e5),
  ethernet({}, Buffer.from('4500', 'hex')),
  // An IPv4 header of three words.
  Buffer.from(ethernet({}, ipv4({}, udp())).map((octet, at) => (at === 14 ? 0x43 : octet))),
];

interface Observed {
  readonly sent: readonly { readonly port: number; readonly bytes: Buffer }[];
  readonly wouldBe: LedgerRow;
  readonly asItCame: LedgerRow;
}

/** What two ports that are not enforced do with frames that come in at the first. */
async function observe(
  onPacket: OnPacket,
  frames: readonly MemoryFrame[],
  failingPorts: number[] = [],
): Promise<Observed> {
  const link = (name: string, ifindex: number): Link => ({ name, ifindex, mtu: 1500 }) as Link;
  const links: readonly [Link, Link] = [link('a', 5), link('b', 6)];
  const attachment = { kind: 'bridge', links, takesAt: 'port', isEnforced: false } as const;
  const named = new Map(links.map((one) => [one.name, one]));
  const ways = sortWays(layOutBridge(attachment, 0, named).ways);
  assert.deepEqual(
    ways.map(({ name }) => name),
    ['a > b', 'b > a', 'a > b, as it came', 'b > a, as it came'],
  );
  const driver = new LiveMemoryDriver({ ports: [ethernetPort(0), ethernetPort(1)], frames, failingPorts });
  const pool = new Pool(4 * 1024 * 1024);
  const ledger = new Float64Array(4 * LEDGER_WIDTH);
  const common = { driver, icmp: icmpSettings(100), sender: null, now: () => 0 };
  const chain = (hooks: ReturnType<typeof hook>[]): HookChain =>
    new HookChain({ hooks, onHookError: 'drop', pool, onFault: () => undefined, trackChanges: true });
  const hooks = new Lane({
    ...common,
    chain: chain([hook('tried', onPacket)]),
    ways: ways.slice(0, 2),
    ledger: ledger.subarray(0, 2 * LEDGER_WIDTH),
    nonIp: 'drop',
    unreadable: 'drop',
  });
  const through = new Lane({
    ...common,
    chain: chain([]),
    ways: ways.slice(2),
    ledger: ledger.subarray(2 * LEDGER_WIDTH),
    nonIp: 'forward',
    unreadable: 'forward',
    malformed: 'forward',
  });
  await driver.start(new PassThrough(hooks, through));
  const wouldBe = rowAt(ledger, 0);
  const asItCame = rowAt(ledger, 2 * LEDGER_WIDTH);
  assert.deepEqual([...checkRow(wouldBe, false), ...checkRow(asItCame, true)], []);
  return { sent: driver.sent, wouldBe, asItCame };
}

const CASES: readonly (readonly [string, OnPacket])[] = [
  ['forwards', () => FORWARD],
  ['drops', () => DROP],
  ['rejects', () => ICMP_ON_DROP],
  ['resets', () => RESET],
  [
    'throws',
    () => {
      throw new Error('no');
    },
  ],
  [
    'writes',
    (packet) => {
      packet.bytes.fill(0xee, 0, packet.length);
      return FORWARD;
    },
  ],
  [
    'sets',
    (packet) => {
      packet.ip.ttl = 3;
      return FORWARD;
    },
  ],
];

for (const [what, onPacket] of CASES) {
  test(`every frame goes on as it came, with a hook that ${what}`, async () => {
    const { sent, asItCame, wouldBe } = await observe(
      onPacket,
      FRAMES.map((bytes) => ({ port: 0, bytes })),
    );
    assert.deepEqual(
      sent,
      FRAMES.map((bytes) => ({ port: 1, bytes: Buffer.from(bytes) })),
    );
    assert.deepEqual([asItCame.received, asItCame.forwarded], [FRAMES.length, FRAMES.length]);
    assert.equal(wouldBe.received, FRAMES.length);
    assert.equal(wouldBe.sent, 0);
  });
}

test('what would be is counted: drops by the hook, by its faults, by the policies, and what is malformed', async () => {
  const frames = FRAMES.map((bytes) => ({ port: 0, bytes }));
  const { wouldBe } = await observe(() => DROP, frames);
  const { droppedByHook, droppedNonIp, droppedUnreadable, droppedMalformed } = wouldBe;
  assert.deepEqual(
    { droppedByHook, droppedNonIp, droppedUnreadable, droppedMalformed },
    { droppedByHook: 2, droppedNonIp: 1, droppedUnreadable: 1, droppedMalformed: 2 },
  );
  const faulty = await observe(() => {
    throw new Error('no');
  }, frames);
  assert.deepEqual([faulty.wouldBe.droppedByFault, faulty.wouldBe.hookFaults], [2, 2]);
  const rejecting = await observe(() => ICMP_ON_DROP, frames);
  assert.equal(rejecting.wouldBe.icmpWouldBe, 2);
});

test('a frame that the other port does not take is lost in the way that goes on, and there alone', async () => {
  const { asItCame, wouldBe } = await observe(() => FORWARD, [{ port: 0, bytes: FRAMES[0] ?? Buffer.alloc(0) }], [1]);
  assert.deepEqual([asItCame.lostSendError, wouldBe.lost, wouldBe.forwarded], [1, 0, 1]);
});
