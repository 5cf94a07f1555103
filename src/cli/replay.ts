/**
 * `firehook replay`: a capture file through the hooks, on the file's own clock, without root and without a network.
 *
 * ```
 *   IN.pcap ─> savefile driver ─> lane (the same as live) ─> OUT.pcap: what was forwarded, byte for byte unless changed
 *   or - (standard input)                                    or - (standard output): the report then goes to stderr
 * ```
 * Rule: the packet path is the daemon's, so that what is seen here holds there. ICMP errors are counted, not written.
 * Hooks never run as root: started by root, it becomes the lane's user (or `nobody`) once its files are open. However it
 * ends, the output is whole, and the report says how many packets are in it (`replay-guard.ts`). Where hooks saw less than
 * one would think, a warning says so.
 *
 * @module
 */

import { randomInt } from 'node:crypto';
import { constants } from 'node:os';
import path from 'node:path';
import { type LoadedConfig, loadConfig } from '../config/load-config.ts';
import { defaultSettings, type Settings } from '../config/schema.ts';
import type { FrameSink } from '../drivers/contract.ts';
import { openSavefile, type SavefileDriver } from '../drivers/savefile.ts';
import { isStandardOutput } from '../drivers/savefile-output.ts';
import { FirehookError, isFirehookError } from '../errors.ts';
import { DEST_REMOTE, INVALID_IF_INDEX, IP_RECEIVE } from '../firewall/constants.ts';
import { systemPool } from '../firewall/ddk.ts';
import { bundleHooks } from '../hook/bundle-hook.ts';
import { HOOK_COUNTERS } from '../hook/hook-chain.ts';
import { HOOK_MODULE_NAMES } from '../hook-modules.ts';
import { becomeUser } from '../lane/become-user.ts';
import { Lane } from '../lane/lane.ts';
import { addRow, checkRow, emptyRow, LEDGER_WIDTH, type LedgerRow, rowAt } from '../lane/ledger.ts';
import { hookLine, type LoadedChain, loadChain } from '../lane/load-chain.ts';
import type { HookSource, LaneUser } from '../lane/messages.ts';
import type { Way } from '../lane/way.ts';
import { findUser } from '../supervisor/lane-user.ts';
import { tryHooks } from '../supervisor/try-hooks.ts';
import { createLogger, createRateLimitedLog } from '../telemetry/logger.ts';
import { printable, printableJson } from '../telemetry/printable.ts';
import { isKnownLinktype } from '../wire/link.ts';
import { linktypeName } from '../wire/linktype-names.ts';
import { paint } from './fail.ts';
import { printableLines } from './output.ts';
import { ReplayGuard } from './replay-guard.ts';
import { type Cell, table } from './table.ts';

/** What the command line says. */
export interface ReplayOptions {
  readonly write?: string;
  readonly hook: readonly string[];
  readonly config?: string;
  readonly json?: boolean;
}

/** What `--json` prints. */
export interface ReplayReport {
  readonly input: string;
  readonly output: string | null;
  /** Packets that are in the output, whole; null without one. */
  readonly written: number | null;
  readonly packets: number;
  readonly total: LedgerRow;
  readonly addsUp: boolean;
  readonly problems: readonly string[];
  readonly hooks: readonly {
    readonly name: string;
    readonly priority: number;
    readonly seen: number;
    readonly forwarded: number;
    readonly dropped: number;
    readonly rejected: number;
    readonly replaced: number;
    readonly changed: number;
    readonly faults: number;
    /** Of its timers and promises, beside those of `onPacket`. */
    readonly faultsOutside: number;
    readonly notFreed: number;
  }[];
  /** Faults outside `onPacket` of hooks that cannot be told. */
  readonly otherFaults: number;
  /** What hooks did not see, or the output does not say, one sentence each; the same lines are on standard error. */
  readonly warnings: readonly string[];
  /** Why the replay did not come to its end, or what was wrong with a hook outside `onPacket`; null when all went well. */
  readonly error: string | null;
}

/** Linktypes that are warned of by name; a file may have any number. */
const MOST_NAMED = 16;
/** Width of the progress bar, in characters. */
const BAR_WIDTH = 30;
/** The bar is drawn at most this often. */
const BAR_EVERY_MS = 100;
const HOOK_LINES_PER_SECOND = 20;
/** Shells say it like this when a signal ended a command. */
const SIGNAL_EXIT_CODE = 128;

/**
 * Replays a file and prints what became of its packets.
 *
 * Ends the process when all went well, so that no timer of a hook keeps it.
 *
 * @throws {@link FirehookError} when a file or a hook is refused, and, after the report, when the input is truncated, the
 *   output could not be written to its end, or a hook was at fault outside `onPacket`
 */
export async function replay(input: string, options: ReplayOptions): Promise<void> {
  const loaded = options.config === undefined ? null : loadConfig(options.config);
  for (const warning of loaded?.warnings ?? []) process.stderr.write(`firehook: warning: ${warning}\n`);
  const sources = await collectHooks(loaded, options.hook);
  const settings = loaded?.config ?? defaultSettings();
  const folder = options.config === undefined ? process.cwd() : path.dirname(path.resolve(options.config));
  const user = process.getuid?.() === 0 ? laneUser(settings, loaded !== null) : null;
  // The output is emptied when it is opened: not for hooks that are refused.
  if (options.write !== undefined) await tryHooks(settings, folder, user, sources);
  let guard: ReplayGuard | null = null;
  const isDrawn = process.stderr.isTTY === true;
  const driver = openSavefile({
    input,
    ...(options.write === undefined ? {} : { output: options.write }),
    ...(isDrawn ? { onProgress: (read: number, total: number) => guard?.draw(bar(read, total)) } : {}),
  });
  // Files are open: from here on nothing needs root, and hooks must not have it.
  if (user !== null) becomeUser(user);

  const log = createRateLimitedLog(createLogger({ level: settings.log.level }), HOOK_LINES_PER_SECOND);
  const names = new Map<string, string>();
  const nameOf = (file: string): string => names.get(file) ?? path.basename(file);
  guard = new ReplayGuard({
    driver,
    hooks: sources,
    log: (hook, message) => log('error', () => hookLine(hook === null ? '(unknown)' : nameOf(hook), message)),
  });
  const clock = { nowMs: 0 };
  let chain: LoadedChain;
  try {
    chain = await loadHooks(sources, settings, folder, log);
  } catch (error) {
    await guard.end();
    driver.stop();
    throw error;
  }
  for (const hook of chain.hooks) names.set(hook.path, hook.name);
  const lane = new Lane({
    driver,
    ways: [wayOf(0)],
    chain: chain.chain,
    nonIp: settings.policy.nonIp,
    unreadable: settings.policy.unreadable,
    icmp: settings.icmp,
    sender: null,
    now: () => clock.nowMs,
  });
  guard.running();
  const unread = new UnreadLinktypes();
  const error = await run(driver, lane, clock, unread);
  chain.teardown();
  await guard.end();
  if (isDrawn) process.stderr.write('\r\u001b[K');
  const end = endOf(error, guard);
  const report = makeReport(input, options.write ?? null, driver, lane, chain, guard, unread, end);
  for (const warning of report.warnings) process.stderr.write(`firehook: warning: ${printable(warning)}\n`);
  if (chain.verifier !== null) process.stderr.write(`firehook: ${chain.verifier.report}\n`);
  const stream = isStandardOutput(options.write ?? '') ? process.stderr : process.stdout;
  const text = options.json === true ? printableJson(JSON.stringify(report, null, 2)) : printableLines(show(report));
  await print(text, stream);
  if (guard.interruptedBy !== null) {
    process.stderr.write(`firehook: interrupted by ${guard.interruptedBy} after ${lane.packets} packets\n`);
    process.exit(SIGNAL_EXIT_CODE + constants.signals[guard.interruptedBy]);
  }
  if (end !== null) throw end;
  if (!report.addsUp) throw new FirehookError('FIREHOOK_LANE_FAILED', report.problems.join('; '));
  process.exit();
}

/** What the command ends with; null when all went well. */
function endOf(error: FirehookError | null, guard: ReplayGuard): FirehookError | null {
  if (error !== null) return error;
  if (guard.ownError !== null)
    return new FirehookError('FIREHOOK_LANE_FAILED', oneLine(guard.ownError), { cause: guard.ownError });
  return guard.faultSentence === '' ? null : new FirehookError('FIREHOOK_LANE_FAILED', guard.faultSentence);
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

async function collectHooks(loaded: LoadedConfig | null, files: readonly string[]): Promise<HookSource[]> {
  const sources: HookSource[] = [];
  for (const { module, priority, options } of loaded?.config.hooks ?? []) {
    for (const bundle of await bundleHooks(module, HOOK_MODULE_NAMES)) sources.push({ bundle, priority, options });
  }
  for (const file of files) {
    for (const bundle of await bundleHooks(path.resolve(file), HOOK_MODULE_NAMES)) {
      sources.push({ bundle, priority: undefined, options: undefined });
    }
  }
  return sources;
}

function loadHooks(
  sources: readonly HookSource[],
  settings: Settings,
  folder: string,
  log: ReturnType<typeof createRateLimitedLog>,
): Promise<LoadedChain> {
  return loadChain({
    hooks: sources,
    folder,
    onHookError: settings.policy.onHookError,
    poolLimitMiB: settings.pool.limitMiB,
    verifier: { ...settings.verifier, seed: settings.verifier.seed ?? randomInt(2 ** 32) },
    trackChanges: true,
    log: (level, hook, message) => log(level, () => hookLine(hook, message)),
    // A file has no host to send from.
    send: () => false,
  });
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

/** Each interface of the file is a way from itself to itself. Real indexes start at 1. */
function wayOf(port: number): Way {
  return {
    name: `interface ${port}`,
    inPort: port,
    outPort: port,
    otherPort: -1,
    direction: IP_RECEIVE,
    recvInterfaceIndex: port + 1,
    sendInterfaceIndex: INVALID_IF_INDEX,
    otherIndex: INVALID_IF_INDEX,
    unicastType: DEST_REMOTE,
    reject: 'count',
    rejectPort: -1,
  };
}

/** The linktypes of the file that firehook does not read, and how many packets were of them. */
class UnreadLinktypes {
  readonly #linktypes = new Set<number>();
  readonly #ports = new Set<number>();
  packets = 0;

  /** Looks at an interface, before the first packet of it is counted. */
  look(port: number, linktype: number): void {
    if (isKnownLinktype(linktype)) return;
    this.#ports.add(port);
    this.#linktypes.add(linktype);
  }

  count(port: number): void {
    if (this.#ports.has(port)) this.packets += 1;
  }

  get warnings(): string[] {
    const all = [...this.#linktypes].sort((a, b) => a - b);
    const more = all.length - MOST_NAMED;
    return [
      ...all
        .slice(0, MOST_NAMED)
        .map(
          (linktype) =>
            `link type ${linktype} (${linktypeName(linktype) ?? 'unknown'}) is not read: its packets pass unseen by hooks`,
        ),
      ...(more > 0 ? [`${more} more link types are not read: their packets pass unseen by hooks`] : []),
    ];
  }
}

async function run(
  driver: SavefileDriver,
  lane: Lane,
  clock: { nowMs: number },
  unread: UnreadLinktypes,
): Promise<FirehookError | null> {
  const hasPackets: boolean[] = [];
  const onFileClock: FrameSink = {
    onFrame(frame, length, originalLength, port, flags, seconds, nanoseconds) {
      if (hasPackets[port] !== true) {
        hasPackets[port] = true;
        lane.addWay(wayOf(port));
        unread.look(port, driver.ports[port]?.linktype ?? -1);
      }
      unread.count(port);
      // A packet without a time, of a simple packet block, comes when the one before it came.
      if (seconds !== 0 || nanoseconds !== 0) clock.nowMs = seconds * 1000 + nanoseconds / 1e6;
      lane.onFrame(frame, length, originalLength, port, flags, seconds, nanoseconds);
    },
    onBatchEnd: () => lane.onBatchEnd(),
  };
  try {
    await driver.start(onFileClock);
    return null;
  } catch (error) {
    if (isFirehookError(error)) return error;
    const reason = error instanceof Error ? oneLine(error) : String(error);
    return new FirehookError('FIREHOOK_LANE_FAILED', reason, { cause: error });
  } finally {
    driver.stop();
  }
}

/** What an operator would not think of by the numbers alone. */
function warningsOf(driver: SavefileDriver, total: LedgerRow, unread: UnreadLinktypes): string[] {
  const warnings = unread.warnings;
  const kinds: [string, number][] = [
    ['not IP', total.nonIp],
    ['unreadable', total.unreadable],
    ['malformed', total.droppedMalformed],
    ['cut by the capture', total.passedTruncated],
  ];
  const unseen = kinds.reduce((sum, [, count]) => sum + count, 0);
  if (total.received > unread.packets && unseen === total.received) {
    const parts = kinds.filter(([, count]) => count > 0).map(([what, count]) => `${count} ${what}`);
    warnings.push(`hooks could see no packet of this capture: ${parts.join(', ')}`);
  }
  if (driver.beyondSnaplen > 0) {
    warnings.push(
      `${driver.beyondSnaplen} written packets are longer than the snaplen at the head of the capture, which cannot be corrected in a stream: readers may cut them`,
    );
  }
  if (driver.isReaderGone) {
    warnings.push(`the replay ended early: nobody reads the written capture any more, after ${driver.written} packets`);
  }
  return warnings;
}

function makeReport(
  input: string,
  output: string | null,
  driver: SavefileDriver,
  lane: Lane,
  { chain, hooks }: LoadedChain,
  guard: ReplayGuard,
  unread: UnreadLinktypes,
  error: FirehookError | null,
): ReplayReport {
  const total = emptyRow();
  for (let base = 0; base < lane.ledger.length; base += LEDGER_WIDTH) addRow(total, rowAt(lane.ledger, base));
  const problems = checkRow(total, true);
  if (total.received !== lane.packets)
    problems.push(`received: ${total.received} against ${lane.packets} packets read`);
  return {
    input,
    output,
    written: output === null ? null : driver.written,
    packets: lane.packets,
    total,
    addsUp: problems.length === 0,
    problems,
    hooks: hooks.map(({ name, path: file, priority }, index) => {
      const counter = (offset: number): number => chain.counters[index * HOOK_COUNTERS + offset] ?? 0;
      return {
        name,
        priority,
        seen: counter(0),
        forwarded: counter(1),
        dropped: counter(2),
        rejected: counter(3),
        replaced: counter(4),
        changed: counter(5),
        faults: counter(6),
        faultsOutside: guard.faultsOf(file),
        notFreed: systemPool.ownerUsage(chain.owners[index] ?? index).outstanding,
      };
    }),
    otherFaults: guard.faultsOf(null),
    warnings: warningsOf(driver, total, unread),
    error: error?.message ?? (guard.interruptedBy === null ? null : `interrupted by ${guard.interruptedBy}`),
  };
}

function show(report: ReplayReport): string {
  const { total } = report;
  const head: Cell[] = [
    'hook',
    'priority',
    'seen',
    'forwarded',
    'dropped',
    'rejected',
    'replaced',
    'changed',
    'faults',
  ];
  const reasons: [string, number][] = [
    ['malformed', total.droppedMalformed],
    ['not IP, forwarded or dropped by policy', total.nonIp],
    ['unreadable, forwarded or dropped by policy', total.unreadable],
    ['cut by the capture, forwarded unseen', total.passedTruncated],
    ['lost', total.lost],
    ['ICMP errors that would be', total.icmpWouldBe],
  ];
  return [
    `${report.packets.toLocaleString('en-US')} packets: ${total.forwarded} forwarded, ${total.dropped} dropped, ${total.rejected} rejected, ${total.lost} lost`,
    ...reasons.filter(([, count]) => count > 0).map(([what, count]) => `  ${what}: ${count}`),
    ...(report.hooks.length === 0
      ? []
      : [
          table([
            head,
            ...report.hooks.map((hook): Cell[] => [
              hook.name,
              hook.priority,
              hook.seen,
              hook.forwarded,
              hook.dropped,
              hook.rejected,
              hook.replaced,
              hook.changed,
              hook.faults + hook.faultsOutside,
            ]),
          ]),
        ]),
    ...(report.output === null ? [] : [`Written: ${report.written} packets to ${nameOf(report.output)}`]),
    report.addsUp ? 'The ledger adds up.' : `The ledger does NOT add up: ${report.problems.join('; ')}`,
  ].join('\n');
}

function nameOf(output: string): string {
  return isStandardOutput(output) ? 'standard output' : output;
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
