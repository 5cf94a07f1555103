/**
 * Opens a lab: hooks are checked, set up and sorted as in a lane.
 *
 * ```
 *   definitions ─> checked ─> options by their schemas ─> needs, granted? ─> setup ─> chain ─> Lane ─> Lab
 * ```
 * Rule: one lab at a time in a process. A process has one pool, as a lane has, and the hooks of two labs would be in one book.
 *
 * @module
 */

import path from 'node:path';
import { defaultSettings } from '../config/schema.ts';
import type { EventOrigin } from '../events/eve.ts';
import { EventDesk } from '../events/event-desk.ts';
import { DEFAULT_FLOWS } from '../hook/chain-flows.ts';
import { guardMembers } from '../hook/guard-members.ts';
import { everyFault } from '../hook/hook-faults.ts';
import { VIEWS } from '../hook/packet/packet-view.ts';
import type { IcmpSettings } from '../lane/answer-budget.ts';
import { Lane } from '../lane/lane.ts';
import { type LoadChainOptions, type LoadedChain, loadChain } from '../lane/load-chain.ts';
import type { LocalRoute } from '../lane/local-table.ts';
import { EVERY_GRANT, type HookGrant, type HookSource } from '../lane/messages.ts';
import { interfacesOf } from '../lane/way.ts';
import { ListReader } from '../prefix/list-reader.ts';
import { PrefixTable } from '../prefix/prefix-table.ts';
import { parseAddress } from '../wire/address.ts';
import { HEADER_LENGTH as ETHERNET_HEADER } from '../wire/ethernet.ts';
import { LINKTYPE_ETHERNET } from '../wire/link.ts';
import { DefinitionLoader, placeOutside } from './definition-loader.ts';
import { LaneLab } from './lab.ts';
import { LabClock } from './lab-clock.ts';
import type { HookUnderTest, Lab, LabGrant, LabHook, LabOptions } from './lab-contract.ts';
import { LabDriver, LabSender, Notes } from './lab-driver.ts';
import { Flood } from './lab-flood.ts';
import { LabOutlets } from './lab-outlets.ts';
import { LabRecords } from './lab-records.ts';
import { type Attachment, attachmentOf } from './lab-ways.ts';
import { PoolWatch } from './pool-watch.ts';

const DEFAULT_MTU = 1500;
const FIRST_OF_2026 = Date.UTC(2026, 0, 1);
/** A test is to see the answer to each packet: the budgets of a lane are its own business. */
const NO_LIMIT = 1_000_000;

/** What the lab that is open has for hooks, and where it was opened; null where there is none. */
let opened: string | null = null;

/**
 * Opens a lab for one hook or several. No root, no network, no files but those that a hook reads itself.
 *
 * Ownership: close it before another one is opened; `afterEach(() => lab.close())` does that.
 * @param hooks - what `defineHook` returns, or entries with options of their own
 * @throws FirehookError when a hook is refused: its definition, its options, its `needs`, or its `setup`; or a line of a table
 * @throws Error when a lab is open already
 * @example
 * ```ts
 * const lab = await openLab(dropTelnet, { options: { ports: [23] } });
 * const outcome = await lab.send(ipv4({}, tcp({ destinationPort: 23 })));
 * assertDropped(outcome, 'drop-telnet');
 * await lab.close();
 * ```
 */
export async function openLab(
  hooks: HookUnderTest | LabHook | readonly (HookUnderTest | LabHook)[],
  options: LabOptions = {},
): Promise<Lab> {
  const entries = entriesOf(hooks, options);
  if (opened !== null)
    throw new Error(`a lab is open already (${opened}): a process has one pool, so close() it first`);
  const names = entries.map(({ name, hook }) => name ?? hook?.name).join(', ');
  const place = placeOutside(new Error());
  opened = `hooks: ${names}${place === undefined ? '' : `; opened at ${place}`}`;
  const watch = new PoolWatch(entries.length);
  try {
    return await setUp(entries, options, watch);
  } catch (error) {
    watch.restore();
    opened = null;
    throw error;
  }
}

async function setUp(entries: readonly LabHook[], options: LabOptions, watch: PoolWatch): Promise<Lab> {
  const { attach = 'bridge', mtu = DEFAULT_MTU, addresses = [] } = options;
  const { policy } = defaultSettings();
  const attachment = attachmentOf(attach);
  const clock = new LabClock(options.startMs ?? FIRST_OF_2026);
  const records = new LabRecords();
  const locals = addresses.map(localRoute);
  guardOnce();
  let lane: Lane | null = null;
  const desk = new EventDesk((event) => records.events.push(event));
  const ports = [0, 1].map((id) => ({ id, linktype: LINKTYPE_ETHERNET, maxFrameLength: ETHERNET_HEADER + mtu }));
  const outlets = new LabOutlets(attachment.ways, ports);
  const send = (datagram: Uint8Array): boolean => lane?.inject(datagram) ?? false;
  const ways = { send, frames: outlets, interfaces: interfacesOf(attachment.ways) };
  const loaded = await loadHooks(entries, options, { clock, records, desk, ways });
  desk.origin = originOf(loaded, attachment, options);
  const notes = new Notes();
  const frames: ConstructorParameters<typeof LabDriver>[0]['frames'][number][] = [];
  const driver = new LabDriver({ ports, frames }, notes);
  const parts = {
    chain: loaded.chain,
    nonIp: options.nonIp ?? policy.nonIp,
    unreadable: options.unreadable ?? policy.unreadable,
    icmp: icmpSettings(),
  };
  lane = new Lane({
    ...parts,
    driver,
    ways: attachment.ways,
    outlets: outlets.ports,
    sender: new LabSender(notes),
    now: () => clock.ms,
    clock,
  });
  lane.setLocals(locals);
  outlets.lane = lane;
  const onClosed = (): void => {
    opened = null;
  };
  const makeFlood = (): Flood => new Flood({ ...parts, attachment, outlets, ports, clock, locals });
  const held = { loaded, lane, driver, frames, notes, clock, attachment, outlets, records, desk, watch };
  return new LaneLab({ ...held, makeFlood, onClosed });
}

interface LoadingParts {
  readonly clock: LabClock;
  readonly records: LabRecords;
  readonly desk: EventDesk;
  readonly ways: Required<Pick<LoadChainOptions, 'send' | 'frames' | 'interfaces'>>;
}

/** What the events of a lab do not say of themselves. */
function originOf({ chain }: LoadedChain, { ways }: Attachment, { lane = 0 }: LabOptions): EventOrigin {
  const names = new Map(ways.map(({ recvInterfaceIndex, from }) => [recvInterfaceIndex, from]));
  const hooks: string[] = [];
  for (const [place, { name }] of chain.hooks.entries()) hooks[chain.owners[place] as number] = name;
  return { lane, hooks, nameOf: (index) => names.get(index) };
}

function loadHooks(
  entries: readonly LabHook[],
  options: LabOptions,
  { clock, records, desk, ways }: LoadingParts,
): Promise<LoadedChain> {
  const { mode, lane, lanes } = options;
  const { pool } = defaultSettings();
  const folder = path.resolve(options.folder ?? '.');
  const sources = new Map<HookSource, HookUnderTest>(
    entries.map((entry) => [sourceOf(entry, options.allow ?? 'everything', folder), entry.hook]),
  );
  return loadChain({
    hooks: [...sources.keys()],
    loader: new DefinitionLoader(sources),
    ...(mode === undefined ? {} : { mode }),
    ...(lane === undefined ? {} : { lane }),
    ...(lanes === undefined ? {} : { lanes }),
    clock,
    events: { memory: desk.memory, whenFull: () => desk.read() },
    flows: { ...DEFAULT_FLOWS, ...options.flows },
    folder,
    onHookError: options.onHookError ?? 'drop',
    ...(options.faults === undefined
      ? {}
      : { faults: { ...everyFault(options.onHookError ?? 'drop'), ...options.faults } }),
    poolLimitMiB: options.poolLimitMiB ?? pool.limitMiB,
    tables: new Map(Object.entries(options.tables ?? {}).map(([name, lines]) => [name, tableOf(name, lines)])),
    trackChanges: false,
    log: (level, hook, message) =>
      records.log.push({ level, hook, message: typeof message === 'string' ? message : message() }),
    onFault: (hook, text) => records.faults.push({ hook, text: text() }),
    ...ways,
  });
}

/** A table as a configuration would have it, of a list that is not a file. */
function tableOf(name: string, lines: readonly string[]): PrefixTable {
  const reader = new ListReader({ file: `tables.${name}`, values: null });
  reader.take(new TextEncoder().encode(lines.join('\n')));
  return new PrefixTable(reader.end().table);
}

/** An entry of its own for each hook. */
function entriesOf(
  hooks: HookUnderTest | LabHook | readonly (HookUnderTest | LabHook)[],
  { options }: LabOptions,
): LabHook[] {
  const list = Array.isArray(hooks)
    ? (hooks as readonly (HookUnderTest | LabHook)[])
    : [hooks as HookUnderTest | LabHook];
  const entries = list.map((one) => (isHook(one) ? { hook: one } : one));
  if (entries.length === 0) throw new TypeError('a lab needs a hook');
  if (options === undefined) return entries;
  const [entry] = entries;
  if (entry === undefined || entries.length > 1 || entry.options !== undefined)
    throw new TypeError('options: stand beside one hook; several have theirs in their entries, { hook, options }');
  return [{ ...entry, options }];
}

function isHook(one: HookUnderTest | LabHook): one is HookUnderTest {
  // What is neither is refused where hooks are checked, which says what it is.
  return typeof one !== 'object' || one === null || !('hook' in one);
}

function sourceOf(
  { hook, name, priority, options, allow, mode }: LabHook,
  allowAll: LabGrant,
  folder: string,
): HookSource {
  // In messages a hook is called by its name: its file is the business of whoever imported it.
  const bundle = { path: hook?.name ?? 'a hook', code: '', map: '' };
  return { bundle, name, priority, options, allow: grantOf(allow ?? allowAll, folder), isShadow: mode === 'shadow' };
}

function grantOf(allow: LabGrant, folder: string): HookGrant {
  if (allow === 'everything') return EVERY_GRANT;
  return {
    files: (allow.files ?? []).map((file) => path.resolve(folder, file)),
    network: allow.network ?? [],
    interfaces: allow.interfaces ?? [],
  };
}

function localRoute(address: string): LocalRoute {
  const bytes = parseAddress(address);
  if (bytes === null) throw new TypeError(`addresses: ${JSON.stringify(address)} is no address`);
  return { address: Buffer.from(bytes).toString('hex'), prefixLength: 8 * bytes.length, isBroadcast: false };
}

function icmpSettings(): IcmpSettings {
  const rates = { ratePerSecond: NO_LIMIT, perPrefix: NO_LIMIT, perAddress: NO_LIMIT };
  return { ...defaultSettings().icmp, ...rates, tooBig: rates };
}

/** A name that a packet does not have is an error, as in `--check`; where the views are frozen it is too late for that. */
function guardOnce(): void {
  if (VIEWS.every(({ prototype }) => Object.isExtensible(prototype))) guardMembers();
}
