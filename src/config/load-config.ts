/**
 * Reads the configuration file: YAML text to a checked {@link Config}, or to every problem with its line.
 *
 * ```
 *   file ─> text (bounded) ─> YAML document ─> plain values ─> configSchema ─> paths made absolute ─> warnings
 * ```
 * Floor 1. Rule: nothing in the kernel has been touched yet, so everything that can be refused is refused here, with the
 * key, the value and what was expected. {@link parseConfig} touches no file; {@link loadConfig} does.
 *
 * @module
 */

import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import path from 'node:path';
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import type * as z from 'zod';
import { type ErrorCode, FirehookError } from '../errors.ts';
import { faultsInForce, policyInForce } from './faults.ts';
import { fileReason } from './file-reason.ts';
import { type HookModule, locateModule } from './hook-module.ts';
import { optionPlaces } from './option-places.ts';
import { fileId, OtherWriters, writersError } from './other-writers.ts';
import { type Config, configSchema } from './schema.ts';

/** A configuration larger than this is a mistake, in octets. */
const MAX_FILE_LENGTH = 1024 * 1024;

/** Most nodes that aliases may stand for; what "billion laughs" needs is far above, what people write far below. */
const MAX_ALIAS_COUNT = 100;

/** A configuration and what its operator should hear about it. */
export interface LoadedConfig {
  readonly config: Config;
  /** Sentences about what is allowed and yet may surprise. */
  readonly warnings: readonly string[];
}

/** One that was read from a file. */
export interface LoadedFile extends LoadedConfig {
  /** What was read. */
  readonly text: string;
}

/** A refused configuration with all its problems, so that `--check` can list them in one go. */
export class ConfigError extends FirehookError {
  /** One line for each problem; at least one. */
  readonly problems: readonly string[];

  /**
   * @param code - one of `FIREHOOK_CONFIG_SYNTAX` and `FIREHOOK_CONFIG_INVALID`
   * @param fileName - named in the message
   * @param problems - the first one makes the message
   */
  constructor(code: ErrorCode, fileName: string, problems: readonly [string, ...string[]]) {
    const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
    super(code, `${fileName}: ${problems[0]}${more}`);
    this.problems = problems;
  }
}

/** How {@link loadConfig} reads. */
export interface LoadOptions {
  /** Refuses a file that others may write, unless it says `trustWritable: true`. @defaultValue false */
  readonly refusesOtherWriters?: boolean;
}

/**
 * Reads and checks a configuration file and looks whether its hook modules are there.
 *
 * @throws {@link ConfigError} FIREHOOK_CONFIG_SYNTAX or FIREHOOK_CONFIG_INVALID with every problem
 * @throws {@link FirehookError} FIREHOOK_CONFIG_UNREADABLE when the file cannot be read, is too large or no text;
 *   FIREHOOK_FILE_WRITABLE when others may write it; FIREHOOK_HOOK_UNREADABLE when a module is neither a path nor a package
 */
export function loadConfig(file: string, { refusesOtherWriters = false }: LoadOptions = {}): LoadedFile {
  const absolute = path.resolve(file);
  const { text, id } = readConfig(file);
  const loaded = parseConfig(text, path.dirname(absolute), file, locateModule);
  if (refusesOtherWriters && !loaded.config.trustWritable) {
    const problem = new OtherWriters().problemOf(absolute, id);
    if (problem !== null) throw writersError([problem]);
  }
  return { ...loaded, text };
}

/**
 * Checks the text of a configuration. Touches no file, unless `locate` does.
 *
 * @param text - YAML 1.2
 * @param baseFolder - module paths are relative to it
 * @param fileName - named in messages
 * @param locate - says where the `module` of a hook is; without it each is a path
 * @throws {@link ConfigError} with every problem; what `locate` throws
 */
export function parseConfig(
  text: string,
  baseFolder: string,
  fileName: string,
  locate: (module: string, folder: string) => HookModule = atPath,
): LoadedConfig {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [first, ...others] = [...document.errors, ...document.warnings].map((problem) => {
    const { line, col } = lines.linePos(problem.pos[0]);
    return `${problem.message} (line ${line}, column ${col})`;
  });
  if (first !== undefined) throw new ConfigError('FIREHOOK_CONFIG_SYNTAX', fileName, [first, ...others]);

  // An empty file is an empty mapping: what is missing is then named like in any other.
  const plain = plainValues(document, fileName) ?? {};
  const result = configSchema.safeParse(plain);
  if (!result.success) {
    const problems = result.error.issues.flatMap((issue) => describe(issue, [], document, lines));
    const [firstProblem = 'not valid', ...otherProblems] = new Set(problems);
    throw new ConfigError('FIREHOOK_CONFIG_INVALID', fileName, [firstProblem, ...otherProblems]);
  }
  const hooks = result.data.hooks.map((hook, index) => ({
    ...hook,
    ...(hook.options === undefined ? {} : { places: optionPlaces(document, lines, index, fileName) }),
    ...locate(hook.module, baseFolder),
    allow: { ...hook.allow, files: hook.allow.files.map((file) => path.resolve(baseFolder, file)) },
  }));
  const tables = Object.fromEntries(
    Object.entries(result.data.tables).map(([name, table]) => [
      name,
      { ...table, file: path.resolve(baseFolder, table.file) },
    ]),
  );
  const { file, socket, ...rest } = result.data.events;
  const events = {
    ...rest,
    ...(file === undefined ? {} : { file: path.resolve(baseFolder, file) }),
    ...(socket === undefined ? {} : { socket: path.resolve(baseFolder, socket) }),
  };
  const { tokenFile, ...page } = result.data.web;
  const web = { ...page, ...(tokenFile === undefined ? {} : { tokenFile: path.resolve(baseFolder, tokenFile) }) };
  const faults = faultsInForce(result.data.faults);
  const policy = policyInForce(result.data.policy, (plain as { policy?: unknown }).policy, faults);
  const config = { ...result.data, policy, faults, hooks, tables, events, web };
  return { config, warnings: warningsOf(config) };
}

function atPath(module: string, folder: string): HookModule {
  return { module: path.resolve(folder, module) };
}

/** Its text, and the id of what was read. */
function readConfig(file: string): { readonly text: string; readonly id: string } {
  try {
    // A wrong path to a named pipe, a device or a large file costs nothing.
    const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    try {
      const stats = fstatSync(fd, { bigint: true });
      if (!stats.isFile()) throw new Error('not a regular file');
      if (stats.size > MAX_FILE_LENGTH) throw new Error(`${stats.size} octets; at most ${MAX_FILE_LENGTH} are read`);
      // One that grows meanwhile is read no further.
      const octets = Buffer.alloc(Number(stats.size));
      const length = readSync(fd, octets, 0, octets.length, 0);
      const text = new TextDecoder('utf-8', { fatal: true }).decode(octets.subarray(0, length));
      return { text, id: fileId(stats) };
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    throw new FirehookError('FIREHOOK_CONFIG_UNREADABLE', `${file}: ${fileReason(cause)}`, { cause });
  }
}

/** Aliases are resolved here, and bounded. */
function plainValues(document: Document, fileName: string): unknown {
  try {
    return document.toJS({ maxAliasCount: MAX_ALIAS_COUNT });
  } catch (cause) {
    throw new ConfigError('FIREHOOK_CONFIG_SYNTAX', fileName, [fileReason(cause)]);
  }
}

/** The line or lines that an issue of zod is to a reader of the file. `prefix` is the path of an enclosing union. */
function describe(
  issue: z.core.$ZodIssue,
  prefix: readonly PropertyKey[],
  document: Document,
  lines: LineCounter,
): string[] {
  const at = [...prefix, ...issue.path];
  if (issue.code === 'invalid_union') {
    // One alternative that knows every key there is the one that was meant: its own issues say more than the union's.
    const meant = issue.errors.filter((issues) => !issues.some((inner) => inner.code === 'unrecognized_keys'));
    if (meant.length === 1) return (meant[0] ?? []).flatMap((inner) => describe(inner, at, document, lines));
  }
  const places = issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...at, key]) : [at];
  const sentences = issue.message.split('\n');
  return places.map((place, index) => {
    const name = keyName(place);
    return `${name === '' ? '' : `${name}: `}${sentences[index] ?? ''} (line ${lineOf(place, document, lines)})`;
  });
}

/** `['attach', 0, 'host']` as `attach[0].host`. */
function keyName(place: readonly PropertyKey[]): string {
  return place
    .map((key, index) => (typeof key === 'number' ? `[${key}]` : `${index === 0 ? '' : '.'}${String(key)}`))
    .join('');
}

/** The line of a value, or of the innermost thing around it that is in the file. */
function lineOf(place: readonly PropertyKey[], document: Document, lines: LineCounter): number {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const key of place) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key));
      offset = startOf(pair?.key) ?? offset;
      node = pair?.value;
    } else if (isSeq(node)) {
      node = node.items[Number(key)];
      offset = startOf(node) ?? offset;
    } else {
      break;
    }
  }
  return lines.linePos(offset).line;
}

function startOf(node: unknown): number | undefined {
  return (node as Node | null | undefined)?.range?.[0];
}

function warningsOf(config: Config): string[] {
  const warnings: string[] = [];
  const bridges = config.attach.filter((attach) => 'bridge' in attach);
  const hosts = config.attach.filter((attach) => 'host' in attach);
  if (config.hooks.length === 0) {
    warnings.push('hooks: there are none, so every IP packet is forwarded.');
  }
  if (config.trustWritable) {
    warnings.push(
      'trustWritable: true: whoever may write the files of hooks, or this file, decides about the traffic.',
    );
  }
  if (config.policy.nonIp === 'drop' && bridges.length > 0) {
    const names = bridges.map((attach) => attach.bridge.join('-')).join(', ');
    warnings.push(
      `policy.nonIp: drop stops ARP on the bridge ${names}: IPv4 hosts on its two sides lose sight of each other ` +
        '(IPv6 finds its neighbours by ICMPv6, which goes to the hooks).',
    );
  }
  if (config.policy.unreadable === 'forward' && bridges.length > 0) {
    warnings.push(
      'policy.unreadable: forward lets frames pass in which IP may be (MACsec, TRILL, IP in SNAP): no hook sees that IP.',
    );
  }
  if (config.policy.onDown === 'drop' && hosts.length > 0) {
    const names = hosts.map((attach) => attach.host).join(', ');
    warnings.push(
      `policy.onDown: drop on host ${names} can lock an administrator out; the way back: firehookd --undo from the console.`,
    );
  }
  if (config.policy.onDown === 'forward' && bridges.length + hosts.length > 0) {
    warnings.push('policy.onDown: forward lets packets pass unchecked while no lane answers.');
  }
  if (config.faults.all !== undefined) {
    warnings.push(
      `faults.all: ${config.faults.all} wins over what is declared for each fault, policy.onDown included.`,
    );
  }
  return warnings;
}
