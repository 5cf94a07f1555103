/**
 * What the fast driver is to reach, and what a run says of it.
 *
 * Rule: a target is a ratio within a run or a number that a machine's speed hardly moves; one without numbers is not
 * measured, never missed. All are of the driver `afpacket`.
 *
 * @module
 */

import { median } from './measure.ts';
import { ratio, type Series, show } from './rounds.ts';

/** A target and how far a run got. */
export interface Outcome {
  readonly what: string;
  readonly toReach: string;
  readonly measured: string;
  /** Null where it was not measured. */
  readonly isReached: boolean | null;
}

interface Target {
  readonly what: string;
  /** Bound, and on which side of it to be. */
  readonly most?: number;
  readonly least?: number;
  readonly unit: string;
  /** Every number that has to be within the bound, by what it is of. */
  numbers(series: readonly Series[]): Readonly<Record<string, number>>;
}

const OURS = 'firehook afpacket, 1 hook';
const KERNEL = ['kernel bridge', 'kernel fwd'];
const TCP = ['TCP, one flow', 'TCP, eight flows', 'TCP, one flow back'];
/** A minute or more: a shorter look has not seen the longest. */
const LONG_PAUSE = /^longest round trip, ([6-9]\d|\d{3,}) s /;
const STEADY = /^CPU a packet at [\d.]+ kpps$/;

const TARGETS: readonly Target[] = [
  {
    what: 'CPU a packet at the fixed rate, 64 bytes, against C',
    most: 1.1,
    unit: 'x',
    numbers: (series) => ratios(series, 'bridge', STEADY, ['C afpacket']),
  },
  {
    what: 'lost at the fixed rate',
    most: 0,
    unit: '%',
    numbers: (series) => medians(series, 'bridge', /^lost at [\d.]+ kpps$/, (name) => name === OURS),
  },
  {
    what: '64-byte frames at the most it takes, against C',
    least: 0.95,
    unit: 'x',
    numbers: (series) => ratios(series, 'bridge', /^64-byte frames$/, ['C afpacket']),
  },
  {
    what: 'the same, against libdaq',
    least: 1.15,
    unit: 'x',
    numbers: (series) => ratios(series, 'bridge', /^64-byte frames$/, ['daqtest afpacket']),
  },
  {
    what: "TCP in a bridge, against the kernel's bridge",
    least: 0.85,
    unit: 'x',
    numbers: (series) => ratios(series, 'bridge', oneOf(TCP), KERNEL),
  },
  {
    what: 'TCP of a host, each way, against none',
    least: 0.5,
    unit: 'x',
    numbers: (series) => ratios(series, 'host', oneOf(TCP), ['no firewall']),
  },
  {
    what: 'added round trip, idle, p50, against C',
    most: 1.5,
    unit: 'x',
    numbers: (series) => ratios(series, 'bridge', /^added round trip idle, p50$/, ['C afpacket']),
  },
  {
    what: 'each further trivial hook',
    most: 25,
    unit: 'ns',
    numbers: (series) => ({
      ...medians(series, 'bridge', /^each further hook, from CPU /, isAfpacket),
      ...medians(series, 'bridge', /^each further hook, from 64-byte frames, CPU /, isAfpacket),
    }),
  },
  {
    what: 'heap a packet',
    most: 4,
    unit: 'octets',
    numbers: (series) => ({
      ...medians(series, 'bridge', /^heap a packet/, isAfpacket),
      ...medians(series, 'host', /^heap a packet/, isAfpacket),
    }),
  },
  {
    what: 'longest round trip at 50 kpps, over a minute',
    most: 10,
    unit: 'ms',
    numbers: (series) => medians(series, 'bridge', LONG_PAUSE, (name) => name === OURS),
  },
  {
    // "None to speak of" is taken as a hundredth of a core.
    what: 'CPU when idle, lane and supervisor',
    most: 1,
    unit: '% of a core',
    numbers: (series) => medians(series, 'bridge', /^CPU when idle/, (name) => name === OURS),
  },
];

/** All targets, in the order they were set. */
export function outcomes(series: readonly Series[]): Outcome[] {
  return TARGETS.map((target) => {
    const { what, most, least, unit } = target;
    const numbers = Object.entries(target.numbers(series)).filter(([, number]) => Number.isFinite(number));
    const toReach = most === undefined ? `at least ${least} ${unit}` : `at most ${most} ${unit}`;
    if (numbers.length === 0) return { what, toReach, measured: 'not measured', isReached: null };
    const isWithin = ([, number]: readonly [string, number]): boolean =>
      number <= (most ?? Number.POSITIVE_INFINITY) && number >= (least ?? Number.NEGATIVE_INFINITY);
    const measured = numbers.map(([name, number]) => `${name}: ${show(number)} ${unit}`).join('; ');
    return { what, toReach, measured, isReached: numbers.every(isWithin) };
  });
}

function isAfpacket(name: string): boolean {
  return name.startsWith('firehook afpacket');
}

function oneOf(names: readonly string[]): RegExp {
  return new RegExp(`^(${names.join('|')})$`);
}

/** Of the default hook count against whichever reference took part. */
function ratios(
  series: readonly Series[],
  attach: string,
  metric: RegExp,
  references: readonly string[],
): Record<string, number> {
  const found = series.filter((one) => one.attach === attach && metric.test(one.metric));
  const entries = found.flatMap((one) =>
    references.map((reference): [string, number] => [one.metric, ratio(one, OURS, reference)]),
  );
  return Object.fromEntries(entries.filter(([, number]) => Number.isFinite(number)));
}

function medians(
  series: readonly Series[],
  attach: string,
  metric: RegExp,
  isAsked: (name: string) => boolean,
): Record<string, number> {
  const found = series.filter((one) => one.attach === attach && metric.test(one.metric));
  return Object.fromEntries(
    found.flatMap((one) =>
      Object.entries(one.values)
        .filter(([name]) => isAsked(name))
        .map(([name, turns]) => [
          `${attach}, ${shortMetric(one)}, ${name.replace('firehook afpacket, ', '')}`,
          median(turns),
        ]),
    ),
  );
}

/** Without what the target itself says. */
function shortMetric({ metric }: Series): string {
  return metric.replace(/^each further hook, |, by hooks$/g, '');
}
