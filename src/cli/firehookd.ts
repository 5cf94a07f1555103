/**
 * `firehookd`: the daemon, in the foreground until SIGTERM or SIGINT.
 *
 * ```
 *   firehookd -c FILE            run
 *   firehookd -c FILE --check    validate the file, look at its interfaces, load its hooks as the lane's user and try them with a few
 *                                packets, then exit
 *   firehookd -c FILE --undo     take back what a killed run left in the kernel
 * ```
 * @module
 */

import path from 'node:path';
import { inspect } from 'node:util';
import { Command } from 'commander';
import {
  ConfigError,
  type LoadedConfig,
  type LoadedFile,
  type LoadOptions,
  loadConfig,
} from '../config/load-config.ts';
import { attachInterfaces, type Config } from '../config/schema.ts';
import { parseServer, type Server } from '../config/server-address.ts';
import { FirehookError } from '../errors.ts';
import { loadNative } from '../native/load-native.ts';
import { toAttachment } from '../plumbing/attach-entry.ts';
import type { KeptSession } from '../plumbing/kept-session.ts';
import { kernelWarnings } from '../plumbing/kernel.ts';
import { KernelPlumbing } from '../plumbing/kernel-plumbing.ts';
import type { Link } from '../plumbing/link.ts';
import { lookAtLinks } from '../plumbing/look.ts';
import type { OwnTraffic } from '../plumbing/own-traffic.ts';
import { takeNamespaceLock } from '../plumbing/port-locks.ts';
import { endText, findSshSession, isLoopback } from '../plumbing/ssh-session.ts';
import { bundleAll } from '../supervisor/bundle-all.ts';
import { systemClock } from '../supervisor/clock.ts';
import { assertCpus } from '../supervisor/lane-cpus.ts';
import { findUser } from '../supervisor/lane-user.ts';
import { Notifier } from '../supervisor/notify.ts';
import { PrefixTables } from '../supervisor/prefix-tables.ts';
import { refuseEarlierTakers } from '../supervisor/refuse-takers.ts';
import { statusLine, watchService } from '../supervisor/service-watch.ts';
import { Supervisor } from '../supervisor/supervisor.ts';
import { isConfinementRequired, tryWithPackets } from '../supervisor/try-hooks.ts';
import { Predecessor } from '../supervisor/upgrade/predecessor.ts';
import { version } from '../supervisor/version.ts';
import { LogQueue } from '../telemetry/log-queue.ts';
import { createLogger, type Logger, logLine } from '../telemetry/logger.ts';
import { printable } from '../telemetry/printable.ts';
import { errorLine, type FailOptions, fail, refuseWrongUsage } from './fail.ts';
import { outliveReaders } from './output.ts';

interface Options {
  readonly config: string;
  readonly check?: boolean;
  readonly undo?: boolean;
  readonly interfaces: boolean;
}

async function main(): Promise<void> {
  const command = new Command('firehookd')
    .description('Runs live packets through TypeScript hooks, in order of priority.')
    .requiredOption('-c, --config <file>', 'configuration file')
    .option('--check', 'validate the configuration, try the hooks, look at the interfaces, and exit')
    .option('--no-interfaces', 'with --check: for another machine, whose interfaces are not here')
    .option('--undo', 'take back what a killed run left in the kernel, and exit')
    .version(version)
    .addHelpText('after', '\nExit codes: 0 ok, 1 failed, 2 usage or configuration, 4 permission.');
  refuseWrongUsage(command, 'firehookd');
  // A daemon outlives its readers in its own way: src/telemetry.
  if (!isDaemon()) outliveReaders('firehookd');
  command.parse();
  const options = command.opts<Options>();
  if (options.check === true && options.undo === true)
    throw new FirehookError('FIREHOOK_USAGE', '--check and --undo exclude each other');
  if (!options.interfaces && options.check !== true)
    throw new FirehookError('FIREHOOK_USAGE', '--no-interfaces goes with --check only');
  // To take back what is there no hook is loaded, and it must be possible in any case.
  const reading = { refusesOtherWriters: process.geteuid?.() === 0 && options.undo !== true };
  const { config, warnings, text } =
    options.check === true ? loadListing(options.config, reading) : loadConfig(options.config, reading);
  const loaded = { config, warnings: [...warnings, ...kernelWarnings(config)], text };
  if (options.undo === true) await undo(loaded);
  else if (options.check === true) await check(options.config, loaded, options.interfaces);
  else await run(options.config, loaded, reading);
}

/** Says every problem of a file, one a line, not the first alone. */
function loadListing(file: string, options: LoadOptions): LoadedFile {
  try {
    return loadConfig(file, options);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const lines = error.problems.map((problem) => new ConfigError(error.code, file, [problem]));
    for (const line of lines.slice(0, -1)) process.stderr.write(errorLine('firehookd', line));
    throw lines.at(-1) ?? error;
  }
}

/** Standard error. */
const STDERR = 2;
/** How long the answer to an upgrade may take to go out. */
const FAREWELL_MS = 300;
/** How long a reader of the log that stands still may delay the end. */
const LAST_LINES_MS = 1_000;

async function run(file: string, { config, warnings, text }: LoadedFile, reading: LoadOptions): Promise<void> {
  assertRoot('firehookd changes nftables and links');
  const native = loadNative();
  const queue = new LogQueue((bytes) => native.writeNow(STDERR, bytes));
  const log = createLogger({ level: config.log.level, write: queue.write });
  queue.sayLostBy((lines) => logLine('warn', { lines }, 'The reader of the log stood still: lines were lost.'));
  process.on('exit', () => queue.drain(LAST_LINES_MS));
  for (const warning of warnings) log.warn(warning);
  const kept = keptSession(config, log);
  const predecessor = await Predecessor.find(process.env);
  const supervisor = new Supervisor({
    config,
    configFolder: path.dirname(path.resolve(file)),
    configFile: path.resolve(file),
    warnings,
    log,
    configText: text,
    readConfig: (named = file) => {
      const again = loadConfig(named, reading);
      return { ...again, warnings: [...again.warnings, ...kernelWarnings(again.config)] };
    },
    plumbing: new KernelPlumbing(ownTraffic(config), kept, predecessor?.offer.plumbing),
    keptSession: kept === null ? null : { client: endText(kept.client), server: endText(kept.server) },
    lockFanoutGroup: (id) => takeNamespaceLock(`fanout-${id}`),
    logLinesLost: () => queue.lost,
    left: (pid) => leave(pid),
  });
  endOnSurprise(log, supervisor);
  ignoreStraySignals(log);
  const notifier = new Notifier(process.env, native, (reason) =>
    log.warn(`The service manager cannot be told how firehookd does: ${reason}.`),
  );
  let isStarted = false;
  let stopWanted = false;
  let unwatch = (): void => undefined;
  // What came of it is in the log. A hangup of the terminal would be one more reload, which changes nothing.
  process.on('SIGHUP', () => {
    supervisor.reopenEvents();
    if (isStarted) notifier.reloading();
    const done = (): void => {
      if (isStarted) notifier.ready(statusLine(supervisor));
    };
    supervisor.reload().then(done, done);
  });
  const stop = (): void => {
    stopWanted = true;
    if (!isStarted) return;
    unwatch();
    notifier.stopping();
    void supervisor.stop().then(() => process.exit(0));
  };
  /** Who has asked for the upgrade hears what came of it. */
  const leave = (pid: number | null): void => {
    unwatch();
    if (pid !== null) notifier.leftTo(pid);
    setTimeout(() => process.exit(pid === null ? 1 : 0), FAREWELL_MS);
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  try {
    if (predecessor === null) await supervisor.start();
    else await supervisor.takeOver(predecessor);
  } catch (error) {
    // Whoever does not read the log does not hold up the end either.
    fail('firehookd', error, { ...asLogged(), write: queue.write });
  }
  isStarted = true;
  notifier.ready(statusLine(supervisor));
  if (stopWanted) stop();
  else unwatch = watchService(supervisor, notifier, systemClock);
}

/**
 * What is no order to stop stops nothing. By default SIGUSR2 would end the daemon, and SIGUSR1 would open Node's
 * debugger on a port of the machine, by which any local user could become root.
 */
function ignoreStraySignals(log: Logger): void {
  for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) {
    process.on(signal, () => log.warn(`${signal} ignored: it has no meaning here.`));
  }
  // Node would write its warnings to standard error itself, and wait for a reader that stands still.
  process.removeAllListeners('warning');
  process.on('warning', (warning) => log.warn({ err: warning }, `Node warns: ${warning.message}`));
}

/** An error that nobody expected: one line, the fence closed, the tables left with `onDown` in force, exit code 1. */
function endOnSurprise(log: Logger, supervisor: Supervisor): void {
  let isEnding = false;
  const end = (error: unknown): void => {
    if (isEnding) return;
    isEnding = true;
    const err = error instanceof Error ? error : new Error(inspect(error));
    try {
      log.fatal(
        { code: 'FIREHOOK_INTERNAL', err },
        `An unexpected error: ${err.message}. The daemon ends; policy.onDown stays in force.`,
      );
      supervisor.abandon();
    } finally {
      process.exit(1);
    }
  };
  process.on('uncaughtException', end);
  process.on('unhandledRejection', end);
}

async function check(file: string, { config, warnings }: LoadedConfig, looksAtInterfaces: boolean): Promise<void> {
  const warn = (warning: string): void => {
    process.stderr.write(`firehookd: warning: ${printable(warning)}\n`);
  };
  warnings.forEach(warn);
  const user = process.getuid?.() === 0 ? findUser(config.lane.user) : null;
  assertCpus(config.lane.cpus);
  const problems: unknown[] = looksAtInterfaces ? await problemsOfInterfaces(config) : [];
  let shown = '';
  try {
    const folder = path.dirname(path.resolve(file));
    const { sources } = await bundleAll(config, user, warn);
    const tables = new PrefixTables({
      tables: config.tables,
      user,
      isRequired: isConfinementRequired(config),
      clock: systemClock,
      say: (level, sentence) => {
        if (level === 'warn') warn(sentence);
      },
    });
    const wrong = await tables.build();
    problems.push(...wrong);
    // A hook would miss the table, which is not its fault.
    const tried =
      wrong.length > 0
        ? null
        : await tryWithPackets(config, folder, user, sources, tables.memories).finally(() => tables.stop());
    const { hooks, packets, faults } = tried ?? { hooks: [], packets: 0, faults: [] };
    problems.push(...faults);
    const running = hooks.map(({ name, priority }) => `${name} (${priority})`).join(', ');
    shown = `hooks in running order: ${running === '' ? 'none' : `${printable(running)}; each met ${packets} sample packets`}`;
  } catch (error) {
    problems.push(error);
  }
  // Of what is refused anyway nobody asks what takes its frames.
  if (process.getuid?.() === 0 && looksAtInterfaces && problems.length === 0) await checkTakers(config);
  for (const problem of problems.slice(0, -1)) process.stderr.write(errorLine('firehookd', problem));
  if (problems.length > 0) throw problems.at(-1);
  const interfaces = config.attach.flatMap(attachInterfaces).join(', ');
  const looked = looksAtInterfaces ? `interfaces: ${interfaces}` : 'the interfaces were not looked at';
  process.stdout.write(`${file}: ok; ${shown}; ${looked}\n`);
}

/** What a start would refuse of the interfaces, each attach by itself. */
async function problemsOfInterfaces({ attach, driver }: Config): Promise<unknown[]> {
  const links = await lookAtLinks();
  return attach.flatMap((one) => {
    try {
      for (const { isUp, name } of toAttachment(one, driver, links).links) {
        if (!isUp) process.stderr.write(`firehookd: warning: interface ${name} is down: ip link set ${name} up\n`);
      }
      return [];
    } catch (error) {
      return [error];
    }
  });
}

/** Of the interfaces that are there: whether something takes their frames before firehook would. */
async function checkTakers(config: Config): Promise<void> {
  const plumbing = new KernelPlumbing();
  try {
    const links = await plumbing.readLinks();
    const attach = config.attach.filter((one) => attachInterfaces(one).every((name) => links.has(name)));
    for (const { text } of await refuseEarlierTakers({ ...config, attach }, plumbing, links)) {
      process.stderr.write(`firehookd: warning: ${printable(text)}\n`);
    }
  } finally {
    plumbing.close();
  }
}

/** Interfaces of the config, and the traces of interfaces that are gone; never what a running daemon holds. */
async function undo({ config }: LoadedConfig): Promise<void> {
  assertRoot('firehookd --undo changes nftables and links');
  const plumbing = new KernelPlumbing();
  try {
    const links = await plumbing.readLinks();
    const existing = new Map<number, Link>(Array.from(links.values(), (link) => [link.ifindex, link]));
    const named = config.attach.flatMap(attachInterfaces).flatMap((name) => links.get(name)?.ifindex ?? []);
    const gone = (await plumbing.findTraces()).filter((ifindex) => !existing.has(ifindex));
    const wanted = new Set([...named, ...(await plumbing.leftovers(named)).keys(), ...gone]);
    let found = 0;
    for (const ifindex of wanted) {
      const name = existing.get(ifindex)?.name ?? `interface ${ifindex}, which is gone`;
      // Of a port that is gone no more is known.
      plumbing.lock({ ifindex, name } as Link);
      if (await plumbing.undo(ifindex)) {
        process.stdout.write(`Took back ${name}.\n`);
        found += 1;
      }
      plumbing.unlock(ifindex);
    }
    if (found === 0) process.stdout.write('Nothing to take back.\n');
  } finally {
    plumbing.close();
  }
}

function assertRoot(what: string): void {
  if (process.getuid?.() !== 0) throw new FirehookError('FIREHOOK_PERMISSION', what);
}

/** Neither `--check`, `--undo`, `--help` nor `--version`: those answer a person or a script, and end. */
function isDaemon(): boolean {
  return !['--check', '--undo', '-h', '--help', '-V', '--version'].some((option) => process.argv.includes(option));
}

/** Where the log is JSON, the last line before the end is so too; a person at a terminal gets it as of any command. */
function asLogged(): FailOptions {
  if (!isDaemon() || process.stderr.isTTY === true) return {};
  return { line: ({ code, message }) => logLine('fatal', { code }, message) };
}

/** The connection that `policy.keepSession` lets past the hooks, which the log names; null for none. */
function keptSession({ policy }: Config, log: Logger): KeptSession | null {
  if (policy.keepSession === 'none') return null;
  const found = findSshSession(process.env, process.pid);
  if (typeof found === 'string' || isLoopback(found)) {
    const reason = typeof found === 'string' ? found : 'the SSH session comes from this host';
    log.warn(`policy.keepSession: ssh keeps nothing: ${reason}. No connection is exempt.`);
    return null;
  }
  const [client, server] = [endText(found.client), endText(found.server)];
  log.warn({ client, server }, `policy.keepSession: ssh: TCP between ${client} and ${server} does not meet the hooks.`);
  return found;
}

/** What the hooks of this configuration may say to whom; null for nothing. */
function ownTraffic({ hooks, lane }: Config): OwnTraffic | null {
  const servers = new Map<string, Server>();
  for (const text of hooks.flatMap(({ allow }) => allow.network)) {
    const server = parseServer(text);
    if (server !== null) servers.set(JSON.stringify([server.protocol, ...server.address, server.port]), server);
  }
  return servers.size === 0 ? null : { group: findUser(lane.user).gid, servers: [...servers.values()] };
}

main().catch(async (error: unknown) => {
  await Predecessor.refuseUnheard(process.env, error);
  fail('firehookd', error, asLogged());
});
