/**
 * Disturbs a running firehookd under traffic, and says what got past the hooks and how long traffic was away.
 *
 * ```
 *   npm run chaos -- [--minutes 10] [--seed N] [--attach bridge|host] [--driver afpacket|pcap] [--on-down drop|forward]
 *                    [--only "port,lane"] [--patience SECONDS] [--json]                 as root, after a build
 * ```
 * Prints a line for each step on standard error and a table, or JSON, on standard output. A step after which all is not well
 * again within the patience is written down, and the run starts over. Exit code 1 when a promise was broken, 2 for a wrong
 * option. Rule: in network namespaces of its own, which are gone at the end. docs/reliability.md says what is promised and
 * how it is counted.
 *
 * @module
 */

import { parseArgs } from 'node:util';
import { brokenPromises, describeStep, rowsOf, table } from './report.ts';
import { runChaos } from './run.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    attach: { type: 'string', default: 'host' },
    driver: { type: 'string', default: 'afpacket' },
    'on-down': { type: 'string', default: 'drop' },
    only: { type: 'string' },
    patience: { type: 'string', default: '60' },
    json: { type: 'boolean', default: false },
  },
});

const seed = numberOf('seed', values.seed);
const seconds = numberOf('minutes', values.minutes) * 60;
const attach = oneOf('attach', values.attach, ['bridge', 'host'] as const);
const driver = oneOf('driver', values.driver, ['afpacket', 'pcap'] as const);
const onDown = oneOf('on-down', values['on-down'], ['drop', 'forward'] as const);
const only = values.only === undefined ? {} : { only: values.only.split(',') };
if (process.getuid?.() !== 0) refuse('it makes network namespaces: run it as root');

const startedAt = performance.now();
process.stderr.write(`seed ${seed}: ${attach}, ${driver}, onDown: ${onDown}, ${seconds} s\n`);
const run = await runChaos({
  seed,
  seconds,
  attach,
  driver,
  onDown,
  ...only,
  wellAgainMs: numberOf('patience', values.patience) * 1000,
  onStep: (step) => {
    const at = ((performance.now() - startedAt) / 1000).toFixed(1).padStart(6);
    process.stderr.write(`${at} s  ${describeStep(step)}\n`);
  },
});
const broken = brokenPromises(run);
if (values.json) {
  process.stdout.write(`${JSON.stringify({ ...run, rows: rowsOf(run), broken }, null, 2)}\n`);
} else {
  process.stdout.write(`\n${table(run)}\n\nseed ${seed}, ${run.sent} packets sent\n`);
  for (const { during, how, log } of run.ownEnds) process.stdout.write(`\nended by itself, ${during}, ${how}:\n${log}`);
  const verdict = broken.length === 0 ? 'Every promise was kept.' : `${broken.length} times a promise was broken:`;
  process.stdout.write(`\n${[verdict, ...broken.map((sentence) => `- ${sentence}`)].join('\n')}\n`);
}
process.exit(broken.length === 0 ? 0 : 1);

function oneOf<const Name extends string>(option: string, given: string, known: readonly Name[]): Name {
  return known.find((name) => name === given) ?? refuse(`--${option} ${given}: not one of ${known.join(', ')}`);
}

function numberOf(option: string, given: string): number {
  const number = Number(given);
  return Number.isFinite(number) && given.trim() !== '' ? number : refuse(`--${option} ${given}: not a number`);
}

function refuse(why: string): never {
  process.stderr.write(`chaos: ${why}\n`);
  process.exit(2);
}
