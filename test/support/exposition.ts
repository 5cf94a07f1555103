/**
 * Reads the text formats of Prometheus strictly, and finds what `promtool check metrics` finds fault with.
 *
 * ```
 *   text ─> readExposition: families with their samples, or the line that breaks a rule of the format
 *        ─> lintExposition: what is legal and yet wrong: no help, a counter without _total, other units than base units, ...
 * ```
 * Rule: nothing of the code under test is used. What is refused here is refused by Prometheus, or is against its rules for names.
 *
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/, the OpenMetrics specification 1.0.0, promtool(1)
 * @module
 */

/** A family as it was written. */
export interface ReadFamily {
  readonly name: string;
  type: string;
  help: string | null;
  unit: string;
  readonly samples: ReadSample[];
}

/** One line with a number. */
export interface ReadSample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

type Format = 'text' | 'openmetrics';

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const NUMBER = /^(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]Inf|NaN)$/;
const TYPES: Readonly<Record<Format, readonly string[]>> = {
  text: ['counter', 'gauge', 'histogram', 'summary', 'untyped'],
  openmetrics: ['counter', 'gauge', 'histogram', 'gaugehistogram', 'summary', 'stateset', 'info', 'unknown'],
};
const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  histogram: ['_bucket', '_sum', '_count'],
  'openmetrics counter': ['_total'],
  info: ['_info'],
};

/** The families, in order. @throws Error with the first line that the format does not allow */
export function readExposition(text: string, format: Format): ReadFamily[] {
  return new Reader(format).read(text);
}

class Reader {
  readonly #format: Format;
  readonly #families = new Map<string, ReadFamily>();
  readonly #series = new Set<string>();
  #family: ReadFamily | null = null;

  constructor(format: Format) {
    this.#format = format;
  }

  read(text: string): ReadFamily[] {
    if (text === '') return [];
    if (!text.endsWith('\n')) throw new Error('the last line has no end');
    const lines = text.slice(0, -1).split('\n');
    if (this.#format === 'openmetrics' && lines.pop() !== '# EOF') throw new Error('there is no # EOF at the end');
    for (const [index, line] of lines.entries()) {
      try {
        if (line.startsWith('#')) this.#head(line);
        else this.#sample(line);
      } catch (error) {
        throw new Error(`line ${index + 1}, ${line}: ${(error as Error).message}`, { cause: error });
      }
    }
    for (const family of this.#families.values()) checkHistogram(family);
    return [...this.#families.values()];
  }

  #head(line: string): void {
    const [, word = '', name = '', rest = ''] = /^# (HELP|TYPE|UNIT) (\S+) (.*)$/.exec(line) ?? [];
    if (!NAME.test(name)) throw new Error('no head of a family');
    if (this.#family?.name !== name) {
      if (this.#families.has(name)) throw new Error('the family was there before');
      this.#family = { name, type: '', help: null, unit: '', samples: [] };
      this.#families.set(name, this.#family);
    }
    const family = this.#family;
    if (family.samples.length > 0) throw new Error('behind the samples');
    if (word === 'HELP') {
      if (family.help !== null) throw new Error('a second help');
      family.help = unescaped(rest, this.#format === 'openmetrics');
    } else if (word === 'TYPE') {
      if (family.type !== '' || !TYPES[this.#format].includes(rest))
        throw new Error('a second type, or none that is known');
      family.type = rest;
    } else {
      if (this.#format === 'text' || !name.endsWith(`_${rest}`)) throw new Error('a unit that is not in the name');
      family.unit = rest;
    }
  }

  #sample(line: string): void {
    const [, name = '', labelText = '', value = ''] = /^([^\s{]+)(\{.*\})? (\S+)$/.exec(line) ?? [];
    if (!NAME.test(name) || !NUMBER.test(value)) throw new Error('no sample');
    const family = this.#family;
    const { type = '' } = family ?? {};
    const suffixes = SUFFIXES[type] ?? SUFFIXES[`${this.#format} ${type}`] ?? [''];
    if (family === null || !suffixes.some((suffix) => name === family.name + suffix))
      throw new Error('not of the family');
    const labels = readLabels(labelText);
    const series = `${name}${JSON.stringify([...labels].sort())}`;
    if (this.#series.has(series)) throw new Error('the series was there before');
    this.#series.add(series);
    family.samples.push({ name, labels, value: Number(value.replace('Inf', 'Infinity')) });
  }
}

function readLabels(text: string): Map<string, string> {
  const labels = new Map<string, string>();
  let rest = text.slice(1, -1);
  while (rest !== '') {
    const [whole = '', name = '', value = ''] = /^([^=]+)="((?:[^"\\]|\\.)*)"(?:,(?=.)|$)/.exec(rest) ?? [];
    if (whole === '' || !LABEL_NAME.test(name) || name.startsWith('__') || labels.has(name))
      throw new Error('no labels');
    labels.set(name, unescaped(value, true));
    rest = rest.slice(whole.length);
  }
  return labels;
}

function unescaped(text: string, isQuoted: boolean): string {
  return text.replace(/\\(.?)/g, (whole, letter: string) => {
    if (letter === 'n') return '\n';
    if (letter === '\\' || (letter === '"' && isQuoted)) return letter;
    throw new Error(`${whole} stands for nothing`);
  });
}

/** Buckets of a series: they grow, end with +Inf, and that is the count. */
function checkHistogram({ name, type, samples }: ReadFamily): void {
  if (type !== 'histogram') return;
  const groups = new Map<string, ReadSample[]>();
  for (const sample of samples) {
    const key = JSON.stringify([...sample.labels].filter(([label]) => label !== 'le').sort());
    groups.set(key, [...(groups.get(key) ?? []), sample]);
  }
  for (const [key, group] of groups) {
    const buckets = group.filter((sample) => sample.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels }) => Number((labels.get('le') ?? '').replace('Inf', 'Infinity')));
    const counts = buckets.map(({ value }) => value);
    const count = group.find((sample) => sample.name === `${name}_count`)?.value;
    const isRising = (numbers: readonly number[], isStrict: boolean): boolean =>
      numbers.every(
        (number, at) => at === 0 || number > (numbers[at - 1] ?? 0) || (!isStrict && number === numbers[at - 1]),
      );
    if (bounds.at(-1) !== Infinity || !isRising(bounds, true)) throw new Error(`${name}${key}: the bounds`);
    if (counts.at(-1) !== count || !isRising(counts, false)) throw new Error(`${name}${key}: the counts`);
    if (!group.some((sample) => sample.name === `${name}_sum`)) throw new Error(`${name}${key}: no sum`);
  }
}

const BASE_UNITS = ['amperes', 'bytes', 'celsius', 'grams', 'joules', 'kelvin', 'meters', 'metres', 'seconds', 'volts'];
const OTHER_UNITS = [
  'minutes',
  'hours',
  'days',
  'weeks',
  'kelvins',
  'fahrenheit',
  'rankine',
  'inches',
  'yards',
  'miles',
  'bits',
  'calories',
  'pounds',
  'ounces',
];
const UNIT_PREFIXES = [
  'pico',
  'nano',
  'micro',
  'milli',
  'centi',
  'deci',
  'deca',
  'hecto',
  'kilo',
  'kibi',
  'mega',
  'mibi',
  'giga',
  'gibi',
  'tera',
  'tebi',
  'peta',
  'pebi',
];
const ABBREVIATIONS = ['s', 'ms', 'us', 'ns', 'sec', 'b', 'kb', 'mb', 'gb', 'tb', 'pb', 'm', 'h', 'd'];
const TYPE_WORDS = ['counter', 'gauge', 'summary', 'histogram', 'gauge_histogram'];

/** What `promtool check metrics` would say of families of the text format, one line each. */
export function lintExposition(families: readonly ReadFamily[]): string[] {
  return families.flatMap((family) => lintFamily(family).map((problem) => `${family.name} ${problem}`));
}

function lintFamily({ name, type, help, samples }: ReadFamily): string[] {
  const words = name.toLowerCase().split('_');
  const hasWord = (word: string): boolean =>
    name.toLowerCase().includes(`_${word}_`) || name.toLowerCase().endsWith(`_${word}`);
  const isOtherUnit = (word: string): boolean =>
    OTHER_UNITS.includes(word) ||
    UNIT_PREFIXES.some(
      (prefix) => word.startsWith(prefix) && [...BASE_UNITS, ...OTHER_UNITS].includes(word.slice(prefix.length)),
    );
  const labels = samples.flatMap((sample) => [...sample.labels.keys()]);
  const rules: readonly [boolean, string][] = [
    [help === null || help === '', 'has no help'],
    [type === 'counter' && !name.endsWith('_total'), 'is a counter without _total'],
    [type !== 'counter' && name.endsWith('_total'), 'is no counter and ends with _total'],
    [type !== 'histogram' && /_(bucket|count|sum)$/.test(name), 'ends as a histogram does'],
    [type !== 'histogram' && labels.includes('le'), 'has le'],
    [labels.includes('quantile'), 'has quantile'],
    [TYPE_WORDS.some(hasWord), 'has its type in its name'],
    [name.includes(':'), 'has a colon'],
    [[name, ...labels].some((one) => /[a-z][A-Z]/.test(one)), 'is not in snake case'],
    [words.some(isOtherUnit), 'has another unit than a base unit'],
    [ABBREVIATIONS.some(hasWord), 'has an abbreviated unit'],
  ];
  return rules.flatMap(([isBroken, problem]) => (isBroken ? [problem] : []));
}
