/**
 * Stock hook `packet-filter`: a file of rules, of which the first that a packet matches decides.
 *
 * ```
 *   drop tcp from 192.0.2.0/24 to any port 22,8000-8080 count ssh          docs/hooks/packet-filter.md has the language
 * ```
 * This module reads the options and the file; the language is in `_packet-filter/parse.ts`, how a rule is found in
 * `_packet-filter/rule-index.ts`. What a packet costs hardly depends on the number of rules. The file is read once, at set-up; one
 * that is only half understood refuses the hook, with file, line and column.
 *
 * @module
 */

import { defineHook } from 'firehook';
import { readOptionFile } from './_option-file.ts';
import { optionError, optionsOf, readText, wrongOption } from './_options.ts';
import { RuleFilter } from './_packet-filter/compile.ts';
import { showCounters } from './_packet-filter/counters.ts';
import { parseRules } from './_packet-filter/parse.ts';

/** Options of `packet-filter`: one of the two. */
export interface PacketFilterOptions {
  /** Path of the rules, relative to the config file. */
  readonly file?: string;
  /** The rules themselves, each a line. */
  readonly rules?: readonly string[];
}

export default defineHook({
  name: 'packet-filter',
  checkable: true,
  flows: true,
  options: optionsOf(['file', 'rules'], ({ file, rules }) => {
    if (file !== undefined && rules !== undefined)
      throw wrongOption('rules', 'cannot be there beside file; expected one of them');
    return rules === undefined ? { file: readText('file', file) } : { rules: joined(rules) };
  }),
  needs: ({ file }) => ({ files: file === undefined ? [] : [file] }),
  setup({ file, rules }, { interfaces, log, mode, resolvePath }) {
    const name = file ?? 'rules';
    const parsed = parseRules(rules ?? readOptionFile(name, resolvePath(name)), name);
    const filter = new RuleFilter(parsed, {
      interfaceIndex: (wanted) => interfaces.get(wanted) ?? null,
      interfaces: [...interfaces.keys()].join(', ') || 'none',
    });
    const [ipv4, ipv6] = filter.sizes;
    const kib = Math.ceil(filter.octets / 1024);
    log('info', `${name}: ${parsed.rules.length} rules, ${ipv4} for IPv4 and ${ipv6} for IPv6, vectors of ${kib} KiB.`);
    return {
      onPacket: (packet, context) => filter.judge(packet, context),
      teardown() {
        // What is counted while a configuration is tried, is of made-up packets.
        if (mode !== 'check') showCounters(filter.counters, (line) => log('info', line));
      },
      // Without a rule that asks for the state of a flow there need be no table.
      ...(filter.hasStates ? {} : { flows: false as const }),
    };
  },
});

function joined(rules: unknown): string {
  const isList = Array.isArray(rules) && rules.every((line) => typeof line === 'string' && !line.includes('\n'));
  if (!isList) throw optionError('rules', rules, 'a list of lines');
  return rules.join('\n');
}
