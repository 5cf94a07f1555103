/**
 * Stock hook `packet-filter`: a file of rules, of which the first that a packet matches decides.
 *
 * ```
 *   drop tcp from 192.0.2.0/24 to any port 22,8000-8080 count ssh          hooks/README.md has the language
 * ```
 * This module reads the options and the file; the language is in `_packet-filter/parse.ts`, how a rule is found in
 * `_packet-filter/rule-index.ts`. What a packet costs hardly depends on the number of rules. The file is read once, at set-up; one
 * that is only half understood refuses the hook, with file, line and column.
 *
 * @module
 */

import { readFileSync, statSync } from 'node:fs';
import { defineHook, FORWARD, type HookRuntime } from 'firehook';
import { optionError, readOptions, readText } from './_options.ts';
import { RuleFilter } from './_packet-filter/compile.ts';
import { showCounters } from './_packet-filter/counters.ts';
import { interfaceIndex, NO_STATES } from './_packet-filter/packet-reads.ts';
import { parseRules } from './_packet-filter/parse.ts';

/** Options of `packet-filter`: one of the two. */
export interface PacketFilterOptions {
  /** Path of the rules, relative to the config file. */
  readonly file?: string;
  /** The rules themselves, each a line. */
  readonly rules?: readonly string[];
}

let filter: RuleFilter | undefined;
let log: HookRuntime['log'] = () => undefined;
let isCounted = true;

export default defineHook<PacketFilterOptions>({
  name: 'packet-filter',
  needs: (options) => ({ files: typeof options?.file === 'string' ? [options.file] : [] }),
  setup(options, runtime) {
    const values = readOptions(options, ['file', 'rules']);
    if (values.file !== undefined && values.rules !== undefined)
      throw new Error('rules: cannot be there beside file; expected one of them');
    const name = values.rules === undefined ? readText('file', values.file) : 'rules';
    const text = values.rules === undefined ? readRules(name, runtime.resolvePath(name)) : joined(values.rules);
    const file = parseRules(text, name);
    filter = new RuleFilter(file, { interfaceIndex, noStates: NO_STATES });
    log = runtime.log;
    // What is counted while a configuration is tried, is of made-up packets.
    isCounted = runtime.mode !== 'check';
    const [ipv4, ipv6] = filter.sizes;
    const kib = Math.ceil(filter.octets / 1024);
    log('info', `${name}: ${file.rules.length} rules, ${ipv4} for IPv4 and ${ipv6} for IPv6, vectors of ${kib} KiB.`);
  },
  onPacket(packet, context) {
    return filter === undefined ? FORWARD : filter.judge(packet, context);
  },
  teardown() {
    if (filter !== undefined && isCounted) showCounters(filter.counters, (line) => log('info', line));
  },
});

function readRules(file: string, path: string): string {
  try {
    // A named pipe would be waited for.
    if (!statSync(path).isFile()) throw new Error('not a regular file');
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'unknown';
    throw new Error(`file: cannot read ${JSON.stringify(file)}: ${reason}`, { cause });
  }
}

function joined(rules: unknown): string {
  const isList = Array.isArray(rules) && rules.every((line) => typeof line === 'string' && !line.includes('\n'));
  if (!isList) throw optionError('rules', rules, 'a list of lines');
  return rules.join('\n');
}
