/**
 * `firehookd`: the daemon, in the foreground until SIGTERM or SIGINT.
 *
 * ```
 *   firehookd -c FILE            run
 *   firehookd -c FILE --check    validate the file and load its hooks, as the lane's user, then exit
 *   firehookd -c FILE --undo     take back what a killed run left in the kernel
 * ```
 * @module
 */

import path from 'node:path';
import { Command } from 'commander';
import { ConfigError, type LoadedConfig, loadConfig } from '../config/load-config.ts';
import { attachInterfaces } from '../config/schema.ts';
import { FirehookError } from '../errors.ts';
import { findTraces, readLeftovers, undoPort } from '../plumbing/attach.ts';
import { lockPort } from '../plumbing/attach-lock.ts';
import { kernelWarnings } from '../plumbing/kernel.ts';
import { readLinks } from '../plumbing/links.ts';
import { assertCpus } from '../supervisor/lane-cpus.ts';
import { findUser } from '../supervisor/lane-user.ts';
import { Supervisor } from '../supervisor/supervisor.ts';
import { bundleAll, tryHooks } from '../supervisor/try-hooks.ts';
import { version } from '../supervisor/version.ts';
import { createLogger } from '../telemetry/logger.ts';
import { fail } from './fail.ts';
import { outliveReaders } from './output.ts';

interface Options {
  readonly config: string;
  readonly check?: boolean;
  readonly undo?: boolean;
}

async function main(): Promise<void> {
  const command = new Command('firehookd')
    .description('Runs live packets through TypeScript hooks, in order of priority.')
    .requiredOption('-c, --config <file>', 'configuration file')
    .option('--check', 'validate the configuration, load the hooks, and exit')
    .option('--undo', 'take back what a killed run left in the kernel, and exit')
    .version(version)
    .addHelpText('after', '\nExit codes: 0 ok, 1 failed, 2 usage or configuration, 4 permission.')
    .exitOverride();
  command.parse();
  const options = command.opts<Options>();
  if (options.check === true && options.undo === true)
    throw new FirehookError('FIREHOOK_USAGE', '--check and --undo exclude each other');
  // A daemon outlives its readers in its own way: src/telemetry.
  if (options.check === true || options.undo === true) outliveReaders('firehookd');
  const { config, warnings } = options.check === true ? loadListing(options.config) : loadConfig(options.config);
  const loaded = { config, warnings: [...warnings, ...kernelWarnings(config)] };
  if (options.undo === true) await undo(loaded);
  else if (options.check === true) await check(options.config, loaded);
  else await run(options.config, loaded);
}

/** Says every problem of a file, one a line, not the first alone. */
function loadListing(file: string): LoadedConfig {
  try {
    return loadConfig(file);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const lines = error.problems.map((problem) => new ConfigError(error.code, file, [problem]));
    for (const { message } of lines.slice(0, -1)) process.stderr.write(`firehookd: ${message}\n`);
    throw lines.at(-1) ?? error;
  }
}

async function run(file: string, { config, warnings }: LoadedConfig): Promise<void> {
  const log = createLogger({ level: config.log.level });
  for (const warning of warnings) log.warn(warning);
  const supervisor = new Supervisor({ config, configFolder: path.dirname(path.resolve(file)), warnings, log });
  let isStarted = false;
  let stopWanted = false;
  const stop = (): void => {
    stopWanted = true;
    if (isStarted) void supervisor.stop().then(() => process.exit(0));
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  // A hangup means the terminal went away, not that the network should be unprotected.
  process.on('SIGHUP', () => log.warn('SIGHUP ignored: reload is not in this version.'));
  await supervisor.start();
  isStarted = true;
  if (stopWanted) stop();
}

async function check(file: string, { config, warnings }: LoadedConfig): Promise<void> {
  for (const warning of warnings) process.stderr.write(`firehookd: warning: ${warning}\n`);
  const user = process.getuid?.() === 0 ? findUser(config.lane.user) : null;
  assertCpus(config.lane.cpus);
  const hooks = await tryHooks(config, path.dirname(path.resolve(file)), user, await bundleAll(config));
  const running = hooks.map(({ name, priority }) => `${name} (${priority})`).join(', ');
  process.stdout.write(`${file}: ok; hooks in running order: ${running === '' ? 'none' : running}\n`);
}

/** Interfaces of the config, and the traces of interfaces that are gone; never what a running daemon holds. */
async function undo({ config }: LoadedConfig): Promise<void> {
  if (process.getuid?.() !== 0)
    throw new FirehookError('FIREHOOK_PERMISSION', 'firehookd --undo changes nftables and links');
  const links = readLinks();
  const existing = new Map([...links.values()].map(({ ifindex, name }) => [ifindex, name]));
  const named = config.attach.flatMap(attachInterfaces).flatMap((name) => links.get(name)?.ifindex ?? []);
  const gone = findTraces().filter((ifindex) => !existing.has(ifindex));
  const wanted = new Set([...named, ...readLeftovers(named).keys(), ...gone]);
  let found = 0;
  for (const ifindex of wanted) {
    const name = existing.get(ifindex) ?? `interface ${ifindex}, which is gone`;
    const lock = await lockPort(ifindex, name);
    if (undoPort(ifindex)) {
      process.stdout.write(`Took back ${name}.\n`);
      found += 1;
    }
    lock.release();
  }
  if (found === 0) process.stdout.write('Nothing to take back.\n');
}

main().catch((error: unknown) => fail('firehookd', error));
