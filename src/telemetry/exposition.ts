/**
 * The text formats of Prometheus: families of numbers in, one text out.
 *
 * ```
 *   family ─┬─> text 0.0.4      # HELP name_total …   # TYPE name_total counter   name_total{way="lan0 > wan0"} 7
 *           └─> OpenMetrics 1.0 # TYPE name counter   # UNIT name unit   # HELP name …   name_total{…} 7   # EOF
 * ```
 * Floor 1. Rule: a family is written once, with all its samples behind its head, and one without samples is not written at all.
 * Names come from firehook; a label value and a help text may be anybody's, and are escaped.
 *
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/ and the OpenMetrics specification, version 1.0.0
 * @module
 */

/** What a family is. `info` is a gauge that is always 1 and says something by its labels. */
export type FamilyKind = 'counter' | 'gauge' | 'histogram' | 'info';

/** Labels of a sample, in the order in which they are written. */
export type Labels = Readonly<Record<string, string>>;

/** One number. */
export interface Sample {
  /** Behind the name of the family: of a histogram `_bucket`, `_sum` or `_count`. @defaultValue what its kind has */
  readonly suffix?: string;
  readonly labels: Labels;
  readonly value: number;
}

/** Numbers of one name. */
export interface Family {
  /** Without `_total` and `_info`. */
  readonly name: string;
  readonly kind: FamilyKind;
  /** One line for people. */
  readonly help: string;
  /** A base unit, which the name then ends with; '' for none. */
  readonly unit: '' | 'bytes' | 'seconds';
  readonly samples: readonly Sample[];
}

/** A format that can be asked for. */
export type ExpositionFormat = 'text' | 'openmetrics';

/** What the answer says it is, by format. */
export const CONTENT_TYPES: Readonly<Record<ExpositionFormat, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

const SUFFIX_OF: Readonly<Record<FamilyKind, string>> = { counter: '_total', gauge: '', histogram: '', info: '_info' };

/** Writes families in a format. Cost: one text of about 60 octets a sample. */
export function expose(families: readonly Family[], format: ExpositionFormat): string {
  const written = families.filter(({ samples }) => samples.length > 0);
  const blocks = written.map((family) => {
    const lines = family.samples.map(({ suffix = SUFFIX_OF[family.kind], labels, value }) => {
      return `${family.name}${suffix}${labelText(labels)} ${numberText(value)}`;
    });
    return [...(format === 'text' ? textHead(family) : openMetricsHead(family)), ...lines].join('\n');
  });
  return [...blocks, ...(format === 'text' ? [] : ['# EOF'])].map((block) => `${block}\n`).join('');
}

/** The family is called as its samples are; it knows no info. */
function textHead({ name, kind, help }: Family): string[] {
  const full = `${name}${SUFFIX_OF[kind]}`;
  return [`# HELP ${full} ${escaped(help, false)}`, `# TYPE ${full} ${kind === 'info' ? 'gauge' : kind}`];
}

/** The family is called by its name alone, and the suffix is the samples'. */
function openMetricsHead({ name, kind, help, unit }: Family): string[] {
  return [
    `# TYPE ${name} ${kind}`,
    ...(unit === '' ? [] : [`# UNIT ${name} ${unit}`]),
    `# HELP ${name} ${escaped(help, true)}`,
  ];
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value, true)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

/** A backslash, the end of a line and, between quotes and in OpenMetrics, a quote have to be written otherwise. */
function escaped(text: string, isQuoted: boolean): string {
  const plain = text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
  return isQuoted ? plain.replaceAll('"', '\\"') : plain;
}

/** As Go and every reader of the format take it. */
function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  return String(value);
}

interface Offer {
  readonly type: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly weight: number;
}

/**
 * The format that whoever asks wants, by the Accept header: OpenMetrics where it is named and wanted no less than text.
 *
 * @see RFC 9110, section 12.5.1
 */
export function formatFor(accept: string | undefined): ExpositionFormat {
  const offers = (accept ?? '').split(',').map(readOffer);
  const openMetrics = offers
    .filter(({ type, parameters }) => {
      return type === 'application/openmetrics-text' && (parameters.get('version') ?? '1.0.0') === '1.0.0';
    })
    .map(({ weight }) => weight);
  const text = offers.filter(({ type }) => type === 'text/plain').map(({ weight }) => weight);
  const wanted = Math.max(0, ...openMetrics);
  return wanted > 0 && wanted >= Math.max(0, ...text) ? 'openmetrics' : 'text';
}

function readOffer(offer: string): Offer {
  const [type = '', ...rest] = offer.split(';').map((part) => part.trim().toLowerCase());
  const parameters = new Map(
    rest.map((part): [string, string] => {
      const [name = '', value = ''] = part.split('=').map((side) => side.trim());
      return [name, value.replace(/^"(.*)"$/, '$1')];
    }),
  );
  const weight = Number(parameters.get('q') ?? '1');
  return { type, parameters, weight: weight >= 0 && weight <= 1 ? weight : 0 };
}
