/**
 * What `firehook doctor -c FILE` looks at besides: the interfaces, hooks and settings of a configuration.
 *
 * Rule: run only with a configuration that was accepted; the refusal of one is a result of its own.
 *
 * @module
 */

import path from 'node:path';
import type { LoadedConfig } from '../../config/load-config.ts';
import { OtherWriters } from '../../config/other-writers.ts';
import { type AttachConfig, attachInterfaces, type Config } from '../../config/schema.ts';
import type { Attachment } from '../../plumbing/attach/attachment.ts';
import { findLinks } from '../../plumbing/attach/find-links.ts';
import { kernelWarnings } from '../../plumbing/kernel.ts';
import type { Link } from '../../plumbing/link.ts';
import { lookAtLinks, lookForEarlierTakers, lookForLro } from '../../plumbing/look.ts';
import { isPortHeld } from '../../plumbing/port-locks.ts';
import { runTool } from '../../plumbing/run-tool.ts';
import { bundleAll } from '../../supervisor/bundle-all.ts';
import { systemClock } from '../../supervisor/clock.ts';
import { assertCpus, cpuAt } from '../../supervisor/lane-cpus.ts';
import { findUser } from '../../supervisor/lane-user.ts';
import { PrefixTables } from '../../supervisor/prefix-tables.ts';
import { isConfinementRequired, tryWithPackets } from '../../supervisor/try-hooks.ts';
import { type CheckResult, fail, failure, ok, warn } from './check.ts';

/** A configuration that was accepted, and what is to be known about the run. */
export interface ConfigSubject extends LoadedConfig {
  readonly file: string;
  readonly isRoot: boolean;
}

/** A check of a configuration. */
export interface ConfigCheck {
  readonly name: string;
  run(subject: ConfigSubject): readonly CheckResult[] | Promise<readonly CheckResult[]>;
}

/** The checks of this file, in the order they are shown. */
export const configChecks: readonly ConfigCheck[] = [
  {
    name: 'config',
    run: ({ file, config, warnings }) => [
      ok('config', file),
      ...[...warnings, ...kernelWarnings(config)].map((text) => warn('config', text, '')),
    ],
  },
  { name: 'file modes', run: ({ file, config }) => checkWriters(file, config) },
  { name: 'interfaces', run: ({ config }) => perAttach(config, checkInterfaces) },
  { name: 'MTU', run: ({ config }) => perAttach(config, checkMtu) },
  { name: 'addresses', run: ({ config }) => perAttach(config, checkAddresses) },
  { name: 'LRO', run: ({ config }) => perAttach(config, checkLro) },
  { name: 'earlier takers', run: ({ config }) => perAttach(config, checkEarlierTakers) },
  { name: 'attached', run: ({ config, isRoot }) => (isRoot ? checkHeld(config) : []) },
  { name: 'lane CPUs', run: ({ config }) => checkCpus(config) },
  { name: 'hooks', run: checkHooks },
];

async function perAttach(
  config: Config,
  check: (attach: AttachConfig, links: ReadonlyMap<string, Link>) => CheckResult[] | Promise<CheckResult[]>,
): Promise<CheckResult[]> {
  const links = await lookAtLinks();
  const results: CheckResult[] = [];
  for (const attach of config.attach) results.push(...(await check(attach, links)));
  return results;
}

function kindOf(attach: AttachConfig): 'bridge' | 'host' | 'tap' {
  return 'bridge' in attach ? 'bridge' : 'host' in attach ? 'host' : 'tap';
}

/** What of an attach is there. What is not has been reported by {@link checkInterfaces}. */
function present(attach: AttachConfig, links: ReadonlyMap<string, Link>): Link[] {
  return attachInterfaces(attach).flatMap((name) => links.get(name) ?? []);
}

function checkInterfaces(attach: AttachConfig, links: ReadonlyMap<string, Link>): CheckResult[] {
  const kind = kindOf(attach);
  return attachInterfaces(attach).map((interfaceName) => {
    const name = `interface ${interfaceName}`;
    try {
      const [link] = findLinks([interfaceName], kind, links);
      if (link?.isUp === false) return warn(name, 'is down', `ip link set ${interfaceName} up`);
      if (kind === 'host' && link !== undefined && link.master !== '') {
        const detail = `is a port of "${link.master}", and the host's own traffic does not go through it`;
        return warn(name, detail, `attach ${link.master} instead`);
      }
      return ok(name, `${kind}, up, Ethernet, MTU ${link?.mtu}`);
    } catch (error) {
      return failure(name, error);
    }
  });
}

function checkMtu(attach: AttachConfig, links: ReadonlyMap<string, Link>): CheckResult[] {
  const [a, b] = present(attach, links);
  if (a === undefined || b === undefined || a.mtu === b.mtu) return [];
  const smaller = a.mtu < b.mtu ? a : b;
  const detail = `${a.name} has ${a.mtu}, ${b.name} has ${b.mtu}: what is longer than ${smaller.mtu} is fragmented, or refused as too long`;
  const larger = Math.max(a.mtu, b.mtu);
  return [warn('MTU', detail, `make them equal: ip link set ${smaller.name} mtu ${larger}`)];
}

interface IpAddresses {
  readonly addr_info: readonly { readonly local?: string; readonly prefixlen?: number; readonly scope?: string }[];
}

/** Every frame that arrives at a port of a bridge goes to the other one. */
function checkAddresses(attach: AttachConfig, links: ReadonlyMap<string, Link>): CheckResult[] {
  if (kindOf(attach) !== 'bridge') return [];
  return present(attach, links).flatMap(({ name }) => {
    const shown = JSON.parse(runTool('ip', ['-j', 'address', 'show', 'dev', name])) as IpAddresses[];
    const addresses = shown
      .flatMap(({ addr_info }) => addr_info)
      .filter(({ scope }) => scope !== 'link' && scope !== 'host')
      .map(({ local, prefixlen }) => `${local}/${prefixlen}`);
    if (addresses.length === 0) return [];
    const detail = `${name} has ${addresses.join(', ')}, and this host is not reached over a port of a bridge`;
    return [warn('addresses', detail, 'manage the host over another interface, and take the addresses away')];
  });
}

async function checkLro(attach: AttachConfig, links: ReadonlyMap<string, Link>): Promise<CheckResult[]> {
  if (kindOf(attach) === 'tap') return [];
  const results: CheckResult[] = [];
  for (const { ifindex, name } of present(attach, links)) {
    if (await lookForLro(ifindex))
      results.push(ok('LRO', `${name} has it on; firehookd switches it off while it runs`));
  }
  return results;
}

/** What gets frames of the ports before firehook does, or past it. */
async function checkEarlierTakers(attach: AttachConfig, links: ReadonlyMap<string, Link>): Promise<CheckResult[]> {
  const ports = present(attach, links);
  if (ports.length !== attachInterfaces(attach).length) return [];
  const attachment = { kind: kindOf(attach), links: ports, takesAt: 'detour' } as unknown as Attachment;
  const takers = await lookForEarlierTakers(attachment, links, []);
  return takers.map(({ kind, text }) => {
    return warn(
      'earlier takers',
      text,
      `take it away; firehookd refuses it unless the attach has "tolerate: [${kind}]"`,
    );
  });
}

async function checkHeld(config: Config): Promise<CheckResult[]> {
  const links = await lookAtLinks();
  return config.attach
    .filter((one) => kindOf(one) !== 'tap')
    .flatMap((attach) => present(attach, links))
    .filter(({ ifindex }) => isPortHeld(ifindex))
    .map(({ name }) =>
      warn('attached', `${name}: a firehookd runs on it, and a second one is refused`, 'stop that one first'),
    );
}

function checkCpus({ lane: { cpus }, lanes }: Config): CheckResult[] {
  if (cpus === undefined) return [];
  assertCpus(cpus);
  const detail = Array.from({ length: lanes }, (_, place) => `lane ${place + 1} on CPU ${cpuAt(cpus, place)}`);
  return [ok('lane CPUs', detail.join(', '))];
}

/** Loads and sets them up as the lane will, so that every file they want has been read by that user, and shows them a few packets. */
async function checkHooks({ file, config, isRoot }: ConfigSubject): Promise<CheckResult[]> {
  const user = isRoot ? findUser(config.lane.user) : null;
  // What hooks log while they are set up would stand between the lines of the answer.
  const quiet: Config = { ...config, log: { level: 'silent' } };
  const folder = path.dirname(path.resolve(file));
  const warnings: CheckResult[] = [];
  const { sources } = await bundleAll(quiet, user, (warning) => warnings.push(warn('hooks', warning, '')));
  const tables = new PrefixTables({
    tables: config.tables,
    user,
    isRequired: isConfinementRequired(quiet),
    clock: systemClock,
    say: () => undefined,
  });
  const wrong = await tables.build();
  if (wrong.length > 0) {
    tables.stop();
    return [...warnings, ...wrong.map((problem) => failure('tables', problem))];
  }
  const counts = tables.views.map(({ name, prefixes }) => `${name} (${prefixes.toLocaleString('en-US')})`).join(', ');
  const found = counts === '' ? [] : [ok('tables', `prefixes: ${counts}`)];
  const { hooks, packets, faults } = await tryWithPackets(quiet, folder, user, sources, tables.memories).finally(() =>
    tables.stop(),
  );
  if (faults.length > 0) return [...warnings, ...faults.map((fault) => failure('hooks', fault))];
  const names = hooks.map(({ name, priority }) => `${name} (${priority})`).join(', ');
  const how = `loaded as ${user?.name ?? 'the user of this process'}, each tried with ${packets} packets`;
  return [...warnings, ...found, ok('hooks', names === '' ? 'none' : `${names}; ${how}`)];
}

/** Whoever can write these files decides about the traffic. What hooks import is looked at when they are loaded. */
function checkWriters(file: string, config: Config): CheckResult[] {
  const writers = new OtherWriters();
  return [path.resolve(file), ...config.hooks.map(({ module }) => module)].flatMap((one) => {
    const problem = writers.problemOf(one);
    if (problem === null) return [];
    const say = config.trustWritable ? warn : fail;
    return [say('file modes', `${problem.path}: ${problem.reason}`, problem.advice)];
  });
}
