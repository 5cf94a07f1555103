/**
 * A table of firehook's as `nft list table` prints it, so that what was loaded can be compared with what nft reads there.
 *
 * @module
 */

import { ruleText } from '../../../src/plumbing/netlink/clause.ts';
import type { Chain, Hook, Table } from '../../../src/plumbing/netlink/nftables.ts';

/** The text, one thing a line, without indentation. */
export function tableText({ family, name, comment, counters, sets, chains }: Table): string {
  const lines = [`table ${family} ${name} {`];
  if (comment !== '') lines.push(`comment "${comment}"`);
  for (const counter of counters) lines.push(`counter ${counter} {`, 'packets 0 bytes 0', '}');
  for (const set of sets) lines.push(`set ${set} {`, 'type iface_index', 'flags timeout', '}');
  for (const chain of chains) lines.push(`chain ${chain.name} {`, ...base(chain), ...chain.rules.map(ruleText), '}');
  return [...lines, '}'].join('\n');
}

function base({ hook }: Chain): string[] {
  if (hook === undefined) return [];
  return [`type filter hook ${hook.hook}${device(hook)} priority ${hook.priority}; policy accept;`];
}

function device({ device: name }: Hook): string {
  return name === undefined ? '' : ` device "${name}"`;
}

/**
 * What nft printed, in the same form: interfaces by number, no flags that the table's owner gave it.
 *
 * @param ifindexOf - of the interfaces that nft may name
 */
export function normalise(listed: string, ifindexOf: ReadonlyMap<string, number>): string {
  return listed
    .split('\n')
    .map((line) => line.replace(/ # progname .*/, '').trim())
    .filter((line) => line !== '' && !line.startsWith('flags owner'))
    .map((line) =>
      line.replace(
        /\b([io]if)( !=)? "([^"]+)"/g,
        (_, key: string, not: string | undefined, name: string) => `${key}${not ?? ''} ${ifindexOf.get(name) ?? name}`,
      ),
    )
    .join('\n');
}
