/**
 * Firehook against the same ways in C, the kernel alone and whatever peers are here, in network namespaces.
 *
 * ```
 *   npm run bench -- [--only frames,cpu,tcp,rtt,pause,idle,hooks,heap,lanes,steal] [--attach bridge,host]
 *                    [--drivers afpacket,pcap] [--pairs N] [--hook-pairs N] [--seconds S] [--rate R] [--pause-seconds S]
 *                    [--json FILE]                                                     as root, after a build
 * ```
 * Prints a table for every number and writes all of them to FILE; report.ts makes tables for a document of it, plot.ts a
 * picture. Rule: a script, not a test; it judges nothing. The machine is shared by sender, forwarder and receiver: only
 * ratios within a round say something.
 *
 * @module
 */

import { parseArgs } from 'node:util';
import type { Attach, DriverName } from './contenders.ts';
import { Journal } from './journal.ts';
import { describeMachine } from './machine.ts';
import { PARTS, type Part, runParts } from './parts.ts';
import { findPeers } from './peers.ts';
import { compilePrograms } from './programs.ts';
import { writeResults } from './results.ts';
import { type Series, table } from './rounds.ts';

/** Parts that take long or compare ways to build a driver: only when asked for. */
const NOT_BY_DEFAULT: readonly Part[] = ['pause', 'steal'];

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: PARTS.filter((part) => !NOT_BY_DEFAULT.includes(part)).join(',') },
    attach: { type: 'string', default: 'bridge,host' },
    drivers: { type: 'string', default: 'afpacket,pcap' },
    pairs: { type: 'string', default: '5' },
    'hook-pairs': { type: 'string', default: '3' },
    seconds: { type: 'string', default: '0.5' },
    rate: { type: 'string', default: '100000' },
    'pause-seconds': { type: 'string', default: '60' },
    json: { type: 'string' },
  },
});
const parts = choose(values.only, PARTS);
const attaches = choose(values.attach, ['bridge', 'host'] as const satisfies readonly Attach[]);
const drivers = choose(values.drivers, ['afpacket', 'pcap'] as const satisfies readonly DriverName[]);

const peers = findPeers();
const machine = describeMachine(peers);
for (const [name, value] of Object.entries(machine)) console.log(`${name}: ${value}`);

const all: Series[] = [];
const journal = new Journal();
const programs = compilePrograms();
try {
  const options = {
    programs,
    peers: peers.filter(({ version }) => version !== null),
    journal,
    drivers,
    rounds: Number(values.pairs),
    hookRounds: Number(values['hook-pairs']),
    seconds: Number(values.seconds),
    rate: Number(values.rate),
    pauseSeconds: Number(values['pause-seconds']),
  };
  for (const attach of attaches) {
    await runParts(attach, parts, options, (series) => {
      all.push(series);
      journal.clear();
      console.log(`\n${table(series)}`);
      save();
    });
  }
  console.log(`\n${journal.minutes.toFixed(1)} minutes`);
} finally {
  programs.remove();
}

/** After every series, so that a run that is broken off has not been for nothing. */
function save(): void {
  const { json, ...settings } = values;
  if (json === undefined) return;
  const { minutes, warnings } = journal;
  const found = peers.map(({ name, version, note }) => ({ name, version, note }));
  writeResults(json, { machine, peers: found, settings, minutes, warnings, series: all });
}

/** The chosen ones in the order of `known`. */
function choose<const Name extends string>(text: string, known: readonly Name[]): Name[] {
  const wanted = text.split(',');
  const unknown = wanted.find((name) => !known.some((other) => other === name));
  if (unknown !== undefined) throw new Error(`${unknown}: not one of ${known.join(', ')}`);
  return known.filter((name) => wanted.includes(name));
}
