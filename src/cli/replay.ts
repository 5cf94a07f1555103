/**
 * `firehook replay`: a capture file through the hooks, on the file's own clock, without root and without a network.
 *
 * ```
 *   IN.pcap ─> savefile driver ─> lane (the same as live) ─> OUT.pcap: what was forwarded, byte for byte unless changed
 *   or - (standard input)                                    or - (standard output): the report then goes to stderr
 * ```
 * Rule: the packet path is the daemon's, so that what is seen here holds there. What hooks send and ICMP errors are in the
 * output too, in their place (`replay-sender.ts`); which way packets go is in `replay-ways.ts`.
 * Hooks never run as root: started by root, it becomes the lane's user (or `nobody`) once its files are open. However it
 * ends, the output is whole, and the report says how many packets are in it (`replay-guard.ts`). Where hooks saw less than
 * one would think, a warning says so.
 *
 * @module
 */

import { randomInt } from 'node:crypto';
import { statSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import { hookFaults } from '../config/faults.ts';
import { locateModule } from '../config/hook-module.ts';
import { type LoadedConfig, loadConfig } from '../config/load-config.ts';
import { parseVerifier } from '../config/parse-verifier.ts';
import { defaultSettings, type Settings } from '../config/schema.ts';
import { openSavefile, type SavefileDriver } from '../drivers/savefile.ts';
import { isStandardInput } from '../drivers/savefile-input.ts';
import { isStandardOutput } from '../drivers/savefile-output.ts';
import { FirehookError, isFirehookError } from '../errors.ts';
import { HOOK_WIDTH, type HookChain } from '../hook/hook-chain.ts';
import { becomeUser } from '../lane/become-user.ts';
import { flowSettings } from '../lane/flow-settings.ts';
import { FileClock } from '../lane/hook-clock.ts';
import type { FrameSender } from '../lane/hook-frames.ts';
import { Lane } from '../lane/lane.ts';
import { hookLine, type LoadChainOptions, type LoadedChain, loadChain } from '../lane/load-chain.ts';
import { type HookSource, type LaneUser, NO_GRANT } from '../lane/messages.ts';
import { sourcesOf } from '../supervisor/bundle-all.ts';
import { bundleAs } from '../supervisor/bundle-as-user.ts';
import { findUser } from '../supervisor/lane-user.ts';
import { namesOf, tryHooks } from '../supervisor/try-hooks.ts';
import { HOOK_COUNTERS, rowFrom } from '../telemetry/counters.ts';
import { createLogger, createRateLimitedLog } from '../telemetry/logger.ts';
import { printable, printableJson } from '../telemetry/printable.ts';
import { paint } from './fail.ts';
import { printableLines } from './output.ts';
import { ReplayEvents } from './replay-events.ts';
import { ReplayGuard } from './replay-guard.ts';
import { makeReport, showReport } from './replay-report.ts';
import { ReplaySender } from './replay-sender.ts';
import { ReplaySink } from './replay-sink.ts';
import { buildTables, lendTables, type ReplayTables } from './replay-tables.ts';
import { assertBridge, ReplayWays, type WayOptions } from './replay-ways.ts';
import { fold, widthOf } from './table.ts';
import { UnreadLinktypes } from './unread-linktypes.ts';

/** What the command line says. */
export interface ReplayOptions extends WayOptions {
  readonly write?: string;
  readonly hook: readonly string[];
  readonly config?: string;
  /** `KEY=VALUE`, as in `verifier:` of the configuration. */
  readonly verifier: readonly string[];
  readonly json?: boolean;
  /** A file for the events of hooks. */
  readonly events?: string;
}

/** Who is told of each packet, and prints that in the place of the report. */
export interface Explainer {
  /** The first packet is next. */
  attach(lane: Lane, loaded: LoadedChain, sources: readonly HookSource[], linktypeOf: (port: number) => number): void;
  /** A hook was at fault with the packet at hand, or outside of any. */
  onFault(hook: string, text: string): void;
  /** The last packet is through. @param packets - how many there were */
  end(packets: number): Promise<void>;
}

type SeededSettings = Settings & { readonly verifier: { readonly seed: number } };

/** Width of the progress bar, in characters. */
const BAR_WIDTH = 30;
/** The bar is drawn at most this often. */
const BAR_EVERY_MS = 100;
const HOOK_LINES_PER_SECOND = 20;
const NANOSECONDS_PER_MS = 1e6;
const NO_FRAME = new Uint8Array(0);
/** Shells say it like this when a signal ended a command. */
const SIGNAL_EXIT_CODE = 128;

/**
 * Replays a file and prints what became of its packets.
 *
 * Ends the process when all went well, so that no timer of a hook keeps it.
 *
 * @throws {@link FirehookError} when a file or a hook is refused, and, after the report, when the input is truncated, the
 *   output could not be written to its end, or a hook was at fault
 * @param explainer - prints what became of each packet in the place of the report
 */
export async function replay(input: string, options: ReplayOptions, explainer: Explainer | null = null): Promise<void> {
  const ways = new ReplayWays(options);
  if (ways.isBridge) lookAtHead(input);
  const loaded = options.config === undefined ? null : loadConfig(options.config);
  loaded?.warnings.forEach(warn);
  const settings = settingsOf(loaded, options.verifier);
  const user = process.getuid?.() === 0 ? laneUser(settings, loaded !== null) : null;
  const sources = await collectHooks(loaded, options.hook, settings, user);
  const folder = options.config === undefined ? process.cwd() : path.dirname(path.resolve(options.config));
  // The output is emptied when it is opened: not for hooks that are refused.
  const tables = await buildTables(settings, user);
  if (options.write !== undefined || options.events !== undefined)
    await lendTables(tables, (memories) => tryHooks(settings, folder, user, sources, memories));
  let guard: ReplayGuard | null = null;
  const isDrawn = process.stderr.isTTY === true;
  const driver = openSavefile({
    input,
    ...(options.write === undefined ? {} : { output: options.write }),
    ...(isDrawn ? { onProgress: (read: number, total: number) => guard?.draw(bar(read, total)) } : {}),
  });
  const events = new ReplayEvents(options.events ?? null);
  // Files are open: from here on nothing needs root, and hooks must not have it.
  if (user !== null) becomeUser(user);

  const log = createRateLimitedLog(createLogger({ level: settings.log.level }), HOOK_LINES_PER_SECOND);
  const names = new Map<string, string>();
  const nameOf = (file: string): string => names.get(file) ?? path.basename(file);
  guard = new ReplayGuard({
    driver,
    hooks: sources,
    log: (hook, message) => log('error', () => hookLine(nameOf(hook), message)),
  });
  const clock = new FileClock();
  const sender = new ReplaySender(driver);
  let lane: Lane | null = null;
  const send = (datagram: Uint8Array, hook: string): boolean => {
    sender.hook = hook;
    return lane?.inject(datagram) ?? false;
  };
  const frames: FrameSender = {
    inject: (frame, to, hook) => {
      sender.note(hook, to, false);
      return lane?.injectFrame(to, frame) ?? false;
    },
    mirror: (to, octets, hook) => {
      sender.note(hook, to, true);
      return lane?.mirror(to, octets) ?? false;
    },
  };
  const interfaces = interfacesOf(loaded, driver);
  let chain: LoadedChain;
  let lastFault = (): string => '';
  try {
    chain = await loadHooks(sources, settings, {
      tables,
      folder,
      clock,
      ways: { send, frames, interfaces },
      log,
      events,
      onFault: (hook, text) => {
        lastFault = () => `${hook}: ${text()}`;
        explainer?.onFault(hook, text());
        log('error', () => hookLine(hook, text));
      },
    });
    events.name(chain.chain);
  } catch (error) {
    await guard.end();
    driver.stop();
    throw error;
  }
  for (const hook of chain.hooks) names.set(hook.path, hook.name);
  let sink: ReplaySink | null = null;
  lane = new Lane({
    driver,
    ways: [ways.of(0, NO_FRAME, -1)],
    chain: chain.chain,
    nonIp: settings.policy.nonIp,
    unreadable: settings.policy.unreadable,
    icmp: settings.icmp,
    sender,
    writer: sender,
    now: () => Number(clock.now()) / NANOSECONDS_PER_MS,
    clock,
    onResume: (packet) => sink?.onResume(packet),
  });
  lane.setLocals(ways.locals);
  explainer?.attach(lane, chain, sources, (port) => driver.ports[port]?.linktype ?? -1);
  guard.running();
  const unread = new UnreadLinktypes();
  sink = new ReplaySink({ driver, lane, clock, ways, unread, sender });
  const error = await run(driver, sink);
  chain.teardown();
  events.end();
  await guard.end();
  if (isDrawn) process.stderr.write('\r\u001b[K');
  const end = endOf(error, guard, chain.chain, lastFault);
  const report = makeReport(input, options.write ?? null, driver, lane, chain, guard, unread, ways, events, end);
  report.warnings.forEach(warn);
  const stream = isStandardOutput(options.write ?? '') ? process.stderr : process.stdout;
  const width = widthOf(stream);
  const text =
    options.json === true
      ? printableJson(JSON.stringify(report, null, 2))
      : fold(printableLines(showReport(report, width)), width);
  if (explainer === null) await print(text, stream);
  else await explainer.end(lane.packets);
  if (guard.interruptedBy !== null) {
    process.stderr.write(`firehook: interrupted by ${guard.interruptedBy} after ${lane.packets} packets\n`);
    process.exit(SIGNAL_EXIT_CODE + constants.signals[guard.interruptedBy]);
  }
  if (end !== null) throw end;
  if (!report.addsUp) throw new FirehookError('FIREHOOK_LANE_FAILED', report.problems.join('; '));
  process.exit();
}

/**
 * Refuses a file that cannot be a bridge before anything else is done. A stream is looked at when its first packet comes.
 *
 * @throws {@link FirehookError} FIREHOOK_USAGE, or what is wrong with the file
 */
function lookAtHead(input: string): void {
  if (isStandardInput(input) || statSync(input, { throwIfNoEntry: false })?.isFile() !== true) return;
  const driver = openSavefile({ input });
  driver.stop();
  assertBridge(driver.ports);
}

/** What the command ends with; null when all went well. */
function endOf(
  error: FirehookError | null,
  guard: ReplayGuard,
  { counters, hooks }: HookChain,
  lastFault: () => string,
): FirehookError | null {
  if (error !== null) return error;
  if (guard.ownError !== null)
    return new FirehookError('FIREHOOK_LANE_FAILED', oneLine(guard.ownError), { cause: guard.ownError });
  if (guard.faultSentence !== '') return new FirehookError('FIREHOOK_HOOK_FAULT', guard.faultSentence);
  const faults = hooks.reduce((sum, _, index) => sum + rowFrom(HOOK_COUNTERS, counters, index * HOOK_WIDTH).faults, 0);
  if (faults === 0) return null;
  const detail = `${faults} ${faults === 1 ? 'fault' : 'faults'} of hooks, the last: ${printable(lastFault())}`;
  return new FirehookError('FIREHOOK_HOOK_FAULT', detail);
}

/** An error that nobody expected, with the place it comes from. */
function oneLine(error: Error): string {
  const place = (error.stack ?? '').split('\n').find((line) => line.startsWith('    at '));
  return printable(`${error.message}${place === undefined ? '' : ` (${place.trim()})`}`);
}

/** Resolves when it is printed, or when there is nobody who reads it. */
function print(text: string, stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write(`${text}\n`, () => resolve());
  });
}

/** The settings of the configuration and of the command line, with a seed: the hooks are tried with the one that they run with. */
function settingsOf(loaded: LoadedConfig | null, pairs: readonly string[]): SeededSettings {
  const settings = loaded?.config ?? defaultSettings();
  const verifier = parseVerifier('--verifier', pairs, settings.verifier);
  return { ...settings, verifier: { ...verifier, seed: verifier.seed ?? randomInt(2 ** 32) } };
}

async function collectHooks(
  loaded: LoadedConfig | null,
  files: readonly string[],
  settings: Settings,
  user: LaneUser | null,
): Promise<HookSource[]> {
  const named = files.map((text) => ({ ...locateModule(text, process.cwd()), allow: NO_GRANT }));
  const hooks = [...(loaded?.config.hooks ?? []), ...named];
  const bundles = await bundleAs({ user, modules: hooks, isRequired: settings.lane.confine === 'required' });
  return sourcesOf(hooks, bundles, warn);
}

function warn(sentence: string): void {
  process.stderr.write(`firehook: warning: ${printable(sentence)}\n`);
}

/** What hooks are given in a replay. */
interface LoadingParts {
  readonly tables: ReplayTables;
  readonly folder: string;
  readonly clock: FileClock;
  readonly ways: Required<Pick<LoadChainOptions, 'send' | 'frames' | 'interfaces'>>;
  readonly log: ReturnType<typeof createRateLimitedLog>;
  readonly events: ReplayEvents;
  readonly onFault: (hook: string, text: () => string) => void;
}

function loadHooks(
  sources: readonly HookSource[],
  settings: SeededSettings,
  { tables, folder, clock, ways, log, events, onFault }: LoadingParts,
): Promise<LoadedChain> {
  return loadChain({
    hooks: sources,
    mode: 'replay',
    folder,
    clock,
    onHookError: settings.faults.hookThrows,
    faults: hookFaults(settings.faults),
    poolLimitMiB: settings.pool.limitMiB,
    tables: new Map(Array.from(tables, ([name, { table }]) => [name, table])),
    flows: flowSettings(settings.flows),
    events: events.ring,
    verifier: settings.verifier,
    trackChanges: true,
    log: (level, hook, message) => log(level, () => hookLine(hook, message)),
    onFault,
    ...ways,
  });
}

/** Interfaces by name: those of the configuration, which have no packets here, and those of the file. */
function interfacesOf(loaded: LoadedConfig | null, { ports }: SavefileDriver): Record<string, number> {
  const ofFile = ports.map(({ id }) => [`interface ${id}`, id + 1] as const);
  return { ...namesOf(loaded?.config.attach ?? []), ...Object.fromEntries(ofFile) };
}

/** The user of the configuration; without one, whoever of the two there is. */
function laneUser(settings: Settings, isConfigured: boolean): LaneUser {
  if (isConfigured) return findUser(settings.lane.user);
  try {
    return findUser(settings.lane.user);
  } catch {
    return findUser('nobody');
  }
}

async function run(driver: SavefileDriver, sink: ReplaySink): Promise<FirehookError | null> {
  try {
    await driver.start(sink);
    return null;
  } catch (error) {
    if (isFirehookError(error)) return error;
    const reason = error instanceof Error ? oneLine(error) : String(error);
    return new FirehookError('FIREHOOK_LANE_FAILED', reason, { cause: error });
  } finally {
    driver.stop();
  }
}

let lastDrawnMs = 0;

/** The bar, when it is time for it; '' when not. */
function bar(read: number, total: number): string {
  const now = performance.now();
  if (now - lastDrawnMs < BAR_EVERY_MS && read < total) return '';
  lastDrawnMs = now;
  const share = total === 0 ? 1 : Math.min(1, read / total);
  const filled = Math.round(share * BAR_WIDTH);
  const blocks = '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled);
  return `\r${paint('dim', blocks)} ${Math.floor(share * 100)} %`;
}
