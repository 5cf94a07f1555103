/**
 * A whole lane on a table: the real lane, hook chain and pool, between two ports of the memory driver.
 *
 * ```ts
 * const rig = layRig(t, { hooks: () => [hook('drop-all', () => DROP)] });
 * await rig.pass(frame);
 * assert.equal(rig.row().dropped, 1);
 * ```
 * Rule: at the end of every test the ledger of each way adds up, as many frames went out as `sent` says, and the pool
 * holds what it held before. A test that wants to see a leak says which.
 *
 * @module
 */

import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Driver, DriverPort } from '../../../src/drivers/contract.ts';
import { MemoryDriver, type MemoryFrame } from '../../../src/drivers/memory.ts';
import type { IPPacketFirewallPtr } from '../../../src/firewall/constants.ts';
import { DEST_REMOTE, FORWARD, IP_RECEIVE, NonPagedPool, SIZEOF_IPRCVBUF } from '../../../src/firewall/constants.ts';
import { IPRcvBuf } from '../../../src/firewall/ip-rcv-buf.ts';
import { Pool } from '../../../src/firewall/pool.ts';
import { DEFAULT_FLOWS, type FlowSettings, flowsOf } from '../../../src/hook/chain-flows.ts';
import { HOOK_WIDTH, HookChain } from '../../../src/hook/hook-chain.ts';
import type { HookReasons } from '../../../src/hook/hook-reasons.ts';
import type { LoadedHook } from '../../../src/hook/load-hook.ts';
import type { DropEvents } from '../../../src/lane/drop-events.ts';
import type { DatagramSender } from '../../../src/lane/egress.ts';
import { Lane, type LaneOptions } from '../../../src/lane/lane.ts';
import { checkRow, LEDGER_WIDTH, type LedgerRow, rowAt } from '../../../src/lane/ledger.ts';
import type { Way } from '../../../src/lane/way.ts';
import { HOOK_COUNTERS, type HookChainCounter, type Row, rowFrom } from '../../../src/telemetry/counters.ts';
import { icmpSettings } from '../../support/icmp-settings.ts';
import { loadedHook, type OnPacket } from '../../support/loaded-hook.ts';

/** Indexes of the two interfaces of {@link bridgeWay}. */
export const INDEX_A = 11;
export const INDEX_B = 12;
const ETHERNET = 1;

/** What {@link layRig} can be told. */
export interface RigOptions {
  /** In order of registration; called with the pool they allocate from. */
  readonly hooks?: (pool: Pool) => LoadedHook[];
  /** @defaultValue one way, from port 0 to port 1 of a bridge */
  readonly ways?: readonly Way[];
  /** @defaultValue two Ethernet ports for an MTU of 1500 */
  readonly ports?: readonly DriverPort[];
  readonly failingPorts?: readonly number[];
  /** Says of the driver that its frames come from live interfaces. */
  readonly isLive?: boolean;
  readonly nonIp?: 'drop' | 'forward';
  readonly unreadable?: 'drop' | 'forward';
  readonly onUnreadable?: (etherType: number) => void;
  readonly onHookError?: 'drop' | 'forward';
  readonly flows?: FlowSettings;
  /** What hooks give reasons by; those of the first hook have owner 0. */
  readonly reasons?: HookReasons;
  readonly trackChanges?: boolean;
  readonly icmpPerSecond?: number;
  readonly onDenied?: LaneOptions['onDenied'];
  readonly poolBytes?: number;
  readonly sender?: DatagramSender;
  /** Ports of interfaces that frames are sent out of only. */
  readonly outlets?: ReadonlyMap<string, number>;
  readonly now?: () => number;
  /** Who is told of packets that do not go on. */
  readonly drops?: (chain: HookChain) => DropEvents;
  /** Octets of the pool that a misbehaving hook is expected to leave behind. */
  readonly leaks?: number;
}

/** Counters of a hook. */
export type HookRow = Readonly<Row<HookChainCounter>>;

/** A lane and all that is around it. */
export interface Rig {
  readonly lane: Lane;
  readonly chain: HookChain;
  readonly pool: Pool;
  readonly driver: MemoryDriver;
  /** `hook: reason` of every fault. */
  readonly faults: readonly string[];
  /** Hands frames in at port 0, one after the other. */
  pass(...frames: (Buffer | MemoryFrame)[]): Promise<void>;
  /** The ledger of a way. */
  row(way?: number): LedgerRow;
  /** The counters of a hook, by its place in running order. */
  hook(index: number): HookRow;
  /** What went out, in order. */
  sent(): Buffer[];
}

/** A driver that says it is live. */
class LiveMemoryDriver extends MemoryDriver {
  override readonly capabilities = { live: true, sharesPort: false, offloads: true };
}

/** A port for frames with an Ethernet header in front of `mtu` octets. */
export function ethernetPort(id: number, mtu = 1500): DriverPort {
  return { id, linktype: ETHERNET, maxFrameLength: 14 + mtu };
}

/** A bridge's way from port 0 to port 1, or what is said instead. */
export function bridgeWay(changes: Partial<Way> = {}): Way {
  return {
    name: 'a > b',
    from: 'a',
    to: 'b',
    side: 'out',
    zone: 0,
    inPort: 0,
    outPort: 1,
    otherPort: 0,
    direction: IP_RECEIVE,
    recvInterfaceIndex: INDEX_A,
    sendInterfaceIndex: INDEX_B,
    otherIndex: INDEX_A,
    unicastType: DEST_REMOTE,
    reject: 'link',
    rejectPort: 0,
    ...changes,
  };
}

/** A hook through the idiomatic door. */
export function hook(name: string, onPacket: OnPacket, priority?: number): LoadedHook {
  return loadedHook({ name, onPacket }, priority);
}

/** The same with a filter. */
export function filtered(name: string, filter: string, onPacket: OnPacket = () => FORWARD): LoadedHook {
  return loadedHook({ name, filter, onPacket }, 0);
}

/** A lane over a driver that sends nothing, successfully: for what a packet costs. */
export function quietLane(
  chain: HookChain,
  ways: readonly Way[] = [bridgeWay()],
  { now = () => 0, clock, drops = null }: Partial<Pick<LaneOptions, 'now' | 'clock' | 'drops'>> = {},
): Lane {
  const driver: Driver = {
    name: 'null',
    capabilities: { live: true, sharesPort: false, offloads: false },
    ports: [ethernetPort(0), ethernetPort(1)],
    start: () => Promise.resolve(),
    transmit: () => true,
    stats: () => ({ droppedByKernel: 0 }),
    stop: () => undefined,
  };
  return new Lane({
    driver,
    ways,
    chain,
    nonIp: 'forward',
    unreadable: 'forward',
    icmp: icmpSettings(0),
    sender: null,
    drops,
    now,
    ...(clock === undefined ? {} : { clock }),
  });
}

/** A hook through the seven-argument door. */
export function callback(name: string, firewallHook: IPPacketFirewallPtr, priority?: number): LoadedHook {
  return { kind: 'callback', name, path: `/hooks/${name}.ts`, priority, callback: firewallHook };
}

/** A descriptor of the pool without data. */
export function descriptor(pool: Pool): IPRcvBuf {
  const made = pool.allocate(NonPagedPool, SIZEOF_IPRCVBUF, 'fPCT');
  assert.ok(made instanceof IPRcvBuf);
  return made;
}

/** A chain of the pool with one buffer for each part. */
export function chainOf(pool: Pool, ...parts: Uint8Array[]): IPRcvBuf {
  const members = parts.map((part) => {
    const made = descriptor(pool);
    if (part.length > 0) {
      assert.equal(pool.allocateBuffer(made, part.length), 1);
      made.ipr_buffer?.set(part);
    }
    return made;
  });
  for (const [index, member] of members.entries()) member.ipr_next = members[index + 1] ?? null;
  const [head] = members;
  assert.ok(head !== undefined);
  return head;
}

/** Lays a rig out; what it promises is checked when the test ends. */
export function layRig(t: TestContext, options: RigOptions = {}): Rig {
  const ways = options.ways ?? [bridgeWay()];
  const frames: MemoryFrame[] = [];
  const memory = {
    ports: options.ports ?? [ethernetPort(0), ethernetPort(1)],
    frames,
    failingPorts: options.failingPorts ?? [],
  };
  const driver = options.isLive === true ? new LiveMemoryDriver(memory) : new MemoryDriver(memory);
  const pool = new Pool(options.poolBytes ?? 4 * 1024 * 1024);
  const faults: string[] = [];
  const hooks = options.hooks?.(pool) ?? [];
  const chain = new HookChain({
    hooks,
    flows: flowsOf(hooks, options.flows ?? DEFAULT_FLOWS),
    reasons: options.reasons ?? null,
    onHookError: options.onHookError ?? 'drop',
    pool,
    onFault: (faulty, reason) => faults.push(`${faulty.name}: ${reason}`),
    trackChanges: options.trackChanges ?? false,
  });
  let raw = 0;
  const { sender } = options;
  const lane = new Lane({
    driver,
    ways,
    chain,
    nonIp: options.nonIp ?? 'forward',
    unreadable: options.unreadable ?? 'drop',
    ...(options.onUnreadable === undefined ? {} : { onUnreadable: options.onUnreadable }),
    ...(options.onDenied === undefined ? {} : { onDenied: options.onDenied }),
    ...(options.outlets === undefined ? {} : { outlets: options.outlets }),
    icmp: icmpSettings(options.icmpPerSecond ?? 100),
    sender:
      sender === undefined
        ? null
        : {
            send(datagram, length, tag) {
              const isSent = sender.send(datagram, length, tag);
              raw += isSent ? 1 : 0;
              return isSent;
            },
            get refusal() {
              return sender.refusal ?? 0;
            },
            flush() {
              const refused = sender.flush?.() ?? 0;
              raw -= refused;
              return refused;
            },
            reportTo: (sink) => sender.reportTo?.(sink),
          },
    now: options.now ?? (() => 0),
    drops: options.drops?.(chain) ?? null,
  });
  const row = (way = 0): LedgerRow => rowAt(lane.ledger, way * LEDGER_WIDTH);
  t.after(() => {
    let sent = 0;
    for (const [index, way] of ways.entries()) {
      assert.deepEqual(checkRow(row(index), way.outPort >= 0), [], way.name);
      sent += row(index).sent;
    }
    assert.equal(driver.sent.length + raw, sent, 'frames that went out');
    assert.equal(pool.totals().bytesInUse, options.leaks ?? 0, 'octets left in the pool');
    assert.deepEqual(pool.ownerUsage(-1).outstanding, 0, 'the runtime holds nothing');
    assert.equal(pool.owner, -1);
    let dropped = 0;
    for (let way = 0; way < ways.length; way++) dropped += row(way).droppedByHook + row(way).droppedByFault;
    const byHooks = chain.hooks.reduce((sum, _, index) => sum + hookRow(chain, index).dropped, 0);
    assert.equal(byHooks, dropped, 'drops of all hooks');
  });
  return {
    lane,
    chain,
    pool,
    driver,
    faults,
    row,
    async pass(...more) {
      frames.splice(0, frames.length, ...more.map((frame) => ('port' in frame ? frame : { port: 0, bytes: frame })));
      await driver.start(lane);
    },
    hook: (index) => hookRow(chain, index),
    sent: () => driver.sent.map(({ bytes }) => bytes),
  };
}

function hookRow(chain: HookChain, index: number): HookRow {
  return rowFrom(HOOK_COUNTERS, chain.counters, index * HOOK_WIDTH);
}
