/**
 * Stock hook `block-list`: drops packets from or to the addresses of a table, or of a file.
 *
 * A table is the configuration's (`tables`): built outside of the lane, shared by all lanes, and followed when its list changes. A file
 * is the hook's own, read once, at set-up: it has one IPv4 or IPv6 address or CIDR prefix a line; `#` starts a comment. A line
 * that is neither refuses the hook, with file and line: a list that is only half understood is worse than none. Every
 * fragment has addresses, so every fragment is judged.
 *
 * @module
 */

import type { Handlers, HookRuntime } from 'firehook';
import { DROP, defineHook, FORWARD, ICMP_ON_DROP, parseAddress, parseCidr } from 'firehook';
import { readOptionFile } from './_option-file.ts';
import { optionsOf, readChoice, readFlag, readText, wrongOption } from './_options.ts';
import { type Prefix, PrefixSet } from './_prefix-set.ts';

/** Options of `block-list`: `table` or `file`, and what is done with it. */
export interface BlockListOptions {
  /** Name of a table of the configuration: an address whose value there is not 0 is blocked. */
  readonly table?: string;
  /** Path of the list, relative to the config file. */
  readonly file?: string;
  /**
   * Which address of the packet is looked up.
   *
   * @defaultValue `'either'`
   */
  readonly match?: 'source' | 'destination' | 'either';
  /**
   * Answer with an ICMP error instead of dropping silently.
   *
   * @defaultValue `false`
   */
  readonly reject?: boolean;
}

export default defineHook({
  name: 'block-list',
  checkable: true,
  options: optionsOf(['table', 'file', 'match', 'reject'], ({ table, file, match, reject }) => ({
    ...readPlace(table, file),
    match: readChoice('match', match, ['source', 'destination', 'either'], 'either'),
    blocked: readFlag('reject', reject) ? ICMP_ON_DROP : DROP,
  })),
  needs: ({ file }) => ({ files: file === null ? [] : [file] }),
  setup(options, runtime) {
    return options.table === null ? byFile(options, runtime) : byTable(options, runtime);
  },
});

/** One of the two is null. */
interface Place {
  readonly table: string | null;
  readonly file: string | null;
}

interface Values extends Place {
  readonly match: 'source' | 'destination' | 'either';
  readonly blocked: typeof DROP | typeof ICMP_ON_DROP;
}

function readPlace(table: unknown, file: unknown): Place {
  if (table === undefined && file === undefined)
    throw wrongOption('file', 'is missing; expected the path of a list, or table with the name of one');
  if (table === undefined) return { table: null, file: readText('file', file) };
  if (file === undefined) return { table: readText('table', table), file: null };
  throw wrongOption('table', 'stands beside file; expected one of them');
}

function byTable({ table, match, blocked }: Values, { prefixes }: HookRuntime): Handlers {
  const atSource = match !== 'destination';
  const atDestination = match !== 'source';
  const set = prefixes(table ?? '');
  return {
    onPacket: ({ source, destination }) =>
      (atSource && set.lookup(source) !== 0) || (atDestination && set.lookup(destination) !== 0) ? blocked : FORWARD,
  };
}

function byFile({ file: named, match, blocked }: Values, { resolvePath, log }: HookRuntime): Handlers {
  const file = named ?? '';
  const atSource = match !== 'destination';
  const atDestination = match !== 'source';
  const prefixes = parseList(readOptionFile(file, resolvePath(file)), file);
  const ipv4 = new PrefixSet(prefixes.filter((prefix) => prefix.bytes.length === 4));
  const ipv6 = new PrefixSet(prefixes.filter((prefix) => prefix.bytes.length === 16));
  log(
    prefixes.length === 0 ? 'warn' : 'info',
    `${file}: ${prefixes.length} entries, ${ipv4.size} IPv4 and ${ipv6.size} IPv6 ranges.`,
  );
  return {
    onPacket({ version, source, destination }) {
      const set = version === 4 ? ipv4 : ipv6;
      return (atSource && set.has(source)) || (atDestination && set.has(destination)) ? blocked : FORWARD;
    },
  };
}

function parseList(text: string, file: string): Prefix[] {
  const prefixes: Prefix[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const entry = line.replace(/#.*/, '').trim();
    if (entry === '') continue;
    const prefix = parseCidr(entry);
    if (prefix === null) throw new Error(`${file}:${index + 1}: ${JSON.stringify(entry)} ${reasonOf(entry)}`);
    prefixes.push(prefix);
  }
  return prefixes;
}

/** What is wrong with an entry that `parseCidr` refused. */
function reasonOf(entry: string): string {
  const [address = '', ...lengths] = entry.split('/');
  const bytes = parseAddress(address);
  if (bytes === null) return 'is not an IPv4 or IPv6 address or prefix';
  const most = bytes.length * 8;
  const length = lengths.length === 1 && /^(0|[1-9]\d*)$/.test(lengths[0] ?? '') ? Number(lengths[0]) : most + 1;
  // 10.0.0.0/3 for /32 would block an eighth of the Internet, and shows in the bits after the prefix.
  return length > most ? `has no prefix length from 0 to ${most}` : 'has bits set after the prefix length';
}
