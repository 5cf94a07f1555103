/**
 * Runs one hook on real datagrams, without a lane: set-up, packet view, verdict, and what became of the octets.
 *
 * Only the loop of the lane is missing; the view, the pool and the layout are the real ones. Rule: every passage checks
 * what holds for any hook: nothing behind the datagram is written, and the pool ends as it began.
 *
 * @module
 */

import assert from 'node:assert/strict';
import path from 'node:path';
import { DROP, FORWARD, ICMP_ON_DROP, IP_RECEIVE } from '../../../src/firewall/constants.ts';
import { systemPool } from '../../../src/firewall/ddk.ts';
import { chainLength, gatherChain, IPRcvBuf } from '../../../src/firewall/ip-rcv-buf.ts';
import {
  ACCEPT,
  type DefinedHook,
  type FinalVerdict,
  type HookRuntime,
  REPLY,
  RESET,
  type Reason,
  type ReasonedVerdict,
  type Verdict,
} from '../../../src/hook/contract.ts';
import { ContextState, ContextView } from '../../../src/hook/packet/context-view.ts';
import type { Packet } from '../../../src/hook/packet/packet-contract.ts';
import { PacketState } from '../../../src/hook/packet/packet-state.ts';
import { PacketView } from '../../../src/hook/packet/packet-view.ts';
import { findTable } from '../../../src/lane/lane-tables.ts';
import { PrefixTable } from '../../../src/prefix/prefix-table.ts';
import { IpLayout, parseIpLayout } from '../../../src/wire/ip-layout.ts';
import { handlersOf, type OnPacket } from '../../support/loaded-hook.ts';

/** Octets behind every datagram that no hook may touch. */
const SLACK = 64;
const SLACK_OCTET = 0xa5;

/** What became of one datagram. */
export interface Passage {
  readonly verdict: Verdict;
  /** The datagram after the hook: as it was, changed in place, or the replacement. A copy. */
  readonly datagram: Buffer;
  /** Sizes of the buffers of the replacement chain; empty when the hook handed none over. */
  readonly replacement: readonly number[];
}

/** A hook that was set up. */
export interface DrivenHook {
  /** Lines that the hook logged, as `level: message`. */
  readonly log: readonly string[];
  /**
   * Hands one datagram to the hook.
   *
   * @param datagram - borrowed and not changed
   * @param timestampMs - when it was seen, milliseconds since 1970
   * @param missing - octets at its end that the capture cut off
   * @param direction - `IP_RECEIVE` when left out
   */
  pass(datagram: Uint8Array, timestampMs?: number, missing?: number, direction?: 0 | 1): Passage;
  /** Ends the hook. */
  teardown(): void;
  /** The verdict alone. */
  verdict(datagram: Uint8Array, timestampMs?: number, direction?: 0 | 1): Verdict;
}

/** A reason where nobody counts any: its verdicts are the plain ones. */
function unreasoned(text: string): Reason {
  const plain = (verdict: FinalVerdict): ReasonedVerdict => verdict as ReasonedVerdict;
  return {
    text,
    forward: plain(FORWARD),
    drop: plain(DROP),
    reject: plain(ICMP_ON_DROP),
    accept: plain(ACCEPT),
    reset: plain(RESET),
    reply: plain(REPLY),
    with: plain,
  };
}

/** What a hook is offered where nobody listens. */
export function quietRuntime(name: string): HookRuntime {
  return {
    name,
    mode: 'live',
    column: () => ({ get: () => 0, set: () => undefined, add: () => undefined }),
    after: () => 0,
    every: () => 0,
    cancel: () => undefined,
    release: () => false,
    reason: unreasoned,
    decisions: () => ({ of: () => 0 }),
    interfaces: new Map(),
    lane: 0,
    lanes: 1,
    resolvePath: (file) => file,
    prefixes: () => new PrefixTable(),
    counter: () => ({ add: () => undefined }),
    gauge: () => undefined,
    event: () => undefined,
    table: () => assert.fail('this hook has no tables here'),
    log: () => undefined,
    send: () => false,
    inject: () => false,
    mirror: () => false,
  };
}

/**
 * Sets a hook up.
 *
 * @param hook - default export of a hook module
 * @param options - as the config would have them; the hook checks them
 * @param folder - where relative paths start
 * @param tables - those of the configuration
 */
export async function driveHook<Options>(
  hook: DefinedHook<Options>,
  options?: unknown,
  folder = process.cwd(),
  tables: ReadonlyMap<string, PrefixTable> | null = null,
): Promise<DrivenHook> {
  const log: string[] = [];
  const runtime: HookRuntime = {
    ...quietRuntime(hook.name),
    resolvePath: (name) => path.resolve(folder, name),
    ...(tables === null ? {} : { prefixes: (name) => findTable(tables, name) }),
    log: (level, message) => log.push(`${level}: ${message}`),
  };
  const values = await checked(hook, options);
  const handlers = (await hook.setup?.(values, runtime)) ?? handlersOf(hook as DefinedHook);
  const onPacket: OnPacket = handlers.onPacket?.bind(handlers) ?? (() => FORWARD);
  const context = new ContextState();
  const contextView = new ContextView(context);
  const state = new PacketState(systemPool);
  const packet = new PacketView(state);
  const layout = new IpLayout();

  function pass(
    datagram: Uint8Array,
    timestampMs = 1_700_000_000_000,
    missing = 0,
    direction: 0 | 1 = IP_RECEIVE,
  ): Passage {
    const length = datagram.length - missing;
    const bytes = Buffer.alloc(length + SLACK, SLACK_OCTET);
    bytes.set(datagram.subarray(0, length));
    assert.ok(parseIpLayout(bytes, 0, length, datagram.length, layout), 'the test sends a well-formed datagram');
    const lent = new IPRcvBuf();
    state.begin(lent, bytes, layout);
    context.direction = direction;
    context.seconds = Math.floor(timestampMs / 1000);
    context.nanoseconds = Math.round((timestampMs - context.seconds * 1000) * 1e6);
    const { bytesInUse, faultsTotal } = systemPool.totals();
    const verdict = onPacket(packet, contextView);
    const { replacement } = state;
    state.settle();
    const passage = {
      verdict,
      datagram: replacement === null ? Buffer.from(bytes.subarray(0, length)) : gather(replacement),
      replacement: sizes(replacement),
    };
    if (replacement !== null) systemPool.freeChain(replacement);
    assert.ok(
      bytes.subarray(length).every((octet) => octet === SLACK_OCTET),
      'nothing is written behind the datagram',
    );
    assert.equal(systemPool.totals().bytesInUse, bytesInUse, 'what the hook allocates it hands over or frees');
    assert.equal(systemPool.totals().faultsTotal, faultsTotal, 'the pool is used as it should be');
    return passage;
  }

  return {
    log,
    pass,
    teardown: () => handlers.teardown?.(),
    verdict: (datagram, timestampMs, direction) => pass(datagram, timestampMs, 0, direction).verdict,
  };
}

/** The options as a lane hands them over: what the schema of the hook made of them. */
export async function checked<Options>({ options: schema }: DefinedHook<Options>, options: unknown): Promise<Options> {
  if (schema === undefined) return options as Options;
  const result = await schema['~standard'].validate(options ?? {});
  if (result.issues === undefined) return result.value;
  const [{ message, path: steps = [] } = { message: '' }] = result.issues;
  throw new Error(`${steps.join('.')}: ${message}`);
}

/** The message that setting a hook up with bad options ends with. */
export async function refusal<Options>(
  hook: DefinedHook<Options>,
  options: unknown,
  folder?: string,
  tables: ReadonlyMap<string, PrefixTable> | null = null,
): Promise<string> {
  try {
    await driveHook(hook, options, folder, tables);
  } catch (error) {
    assert.ok(error instanceof Error);
    assert.doesNotMatch(error.message, /\n/, 'a refusal is one line');
    return error.message;
  }
  return assert.fail('the options were taken');
}

function gather(chain: IPRcvBuf): Buffer {
  assert.ok(systemPool.isOwnedChain(chain), 'a replacement is a sound chain of the pool');
  const datagram = Buffer.alloc(chainLength(chain));
  assert.equal(gatherChain(chain, datagram, 0), datagram.length);
  return datagram;
}

function sizes(chain: Packet['chain'] | null): number[] {
  return chain === null ? [] : [chain.ipr_size, ...sizes(chain.ipr_next)];
}
