/**
 * The text formats: what is written is read again as it was, and which format is wanted.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { expose, type Family, formatFor } from '../../../src/telemetry/exposition.ts';
import { lintExposition, readExposition } from '../../support/exposition.ts';

const FAMILY: Family = {
  name: 'firehook_received_bytes',
  kind: 'counter',
  help: 'Octets: "all" \\ of\nthem.',
  unit: 'bytes',
  samples: [{ labels: { way: 'a "b" \\ c\nd' }, value: 7 }],
};

describe('a family', () => {
  test('is written as each format wants it', () => {
    assert.equal(
      expose([FAMILY], 'text'),
      [
        '# HELP firehook_received_bytes_total Octets: "all" \\\\ of\\nthem.',
        '# TYPE firehook_received_bytes_total counter',
        'firehook_received_bytes_total{way="a \\"b\\" \\\\ c\\nd"} 7',
        '',
      ].join('\n'),
    );
    assert.equal(
      expose([FAMILY], 'openmetrics'),
      [
        '# TYPE firehook_received_bytes counter',
        '# UNIT firehook_received_bytes bytes',
        '# HELP firehook_received_bytes Octets: \\"all\\" \\\\ of\\nthem.',
        'firehook_received_bytes_total{way="a \\"b\\" \\\\ c\\nd"} 7',
        '# EOF',
        '',
      ].join('\n'),
    );
  });

  test('without samples is not written', () => {
    assert.equal(expose([{ ...FAMILY, samples: [] }], 'text'), '');
    assert.equal(expose([{ ...FAMILY, samples: [] }], 'openmetrics'), '# EOF\n');
  });

  test('is read again as it was, whatever its labels, help and numbers are', () => {
    const text = fc.string({ unit: fc.constantFrom('a', ' ', '"', '\\', '\n', 'n', '{', '}', ',', '=', 'é', '#') });
    fc.assert(
      fc.property(
        text,
        text,
        fc.double({ noNaN: true }),
        fc.constantFrom('text', 'openmetrics'),
        (help, way, value, format) => {
          const [family] = readExposition(
            expose([{ ...FAMILY, help, samples: [{ labels: { way }, value }] }], format),
            format,
          );
          assert.deepEqual([family?.help, family?.samples[0]?.labels.get('way')], [help, way]);
          assert.equal(family?.samples[0]?.value, value === 0 ? 0 : value);
        },
      ),
      { seed: 12, numRuns: 1000 },
    );
  });
});

test('the format is the one that is wanted most', () => {
  const prometheus =
    'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2';
  for (const [accept, format] of [
    [undefined, 'text'],
    ['', 'text'],
    ['*/*', 'text'],
    ['text/plain', 'text'],
    ['text/html, */*;q=0.8', 'text'],
    [prometheus, 'openmetrics'],
    ['application/openmetrics-text', 'openmetrics'],
    ['APPLICATION/OpenMetrics-Text; Version="1.0.0"', 'openmetrics'],
    ['application/openmetrics-text; version=0.0.1', 'text'],
    ['application/openmetrics-text; version=2.0.0', 'text'],
    ['application/openmetrics-text; q=0', 'text'],
    ['application/openmetrics-text; q=x', 'text'],
    ['application/openmetrics-text; q=0.2, text/plain; q=0.5', 'text'],
    ['text/plain; q=0.5, application/openmetrics-text; q=0.5', 'openmetrics'],
    [',;=;q,'.repeat(500), 'text'],
  ] as const)
    assert.equal(formatFor(accept), format, accept);
});

describe('the checker of the tests', () => {
  test('refuses what is no text of Prometheus', () => {
    for (const text of [
      'a 1',
      'a 1\n',
      '# TYPE a counter\na 1\na 2\n',
      '# TYPE a counter\na{x="1",x="2"} 1\n',
      '# TYPE a counter\n# TYPE a gauge\na 1\n',
      '# TYPE a counter\na 1\n# TYPE b gauge\nb 1\n# HELP a x\n',
      '# TYPE a counter\na x\n',
      '# TYPE a counter\na{9="x"} 1\n',
      '# TYPE a counter\na{x="\\x"} 1\n',
      '# TYPE a histogram\na_bucket{le="1"} 1\na_sum 1\na_count 1\n',
      '# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\na_sum 1\na_count 1\n',
      '# TYPE a histogram\na_bucket{le="+Inf"} 1\na_count 1\n',
    ])
      assert.throws(() => readExposition(text, 'text'), text);
    assert.throws(() => readExposition('# TYPE a counter\na_total 1\n', 'openmetrics'), /EOF/);
    assert.throws(() => readExposition('# TYPE a counter\na 1\n# EOF\n', 'openmetrics'));
  });

  test('finds what promtool finds', () => {
    for (const [name, type, problem] of [
      ['a', 'counter', 'is a counter without _total'],
      ['a_total', 'gauge', 'is no counter and ends with _total'],
      ['a_count', 'gauge', 'ends as a histogram does'],
      ['a_gauge', 'gauge', 'has its type in its name'],
      ['a:b', 'gauge', 'has a colon'],
      ['aB', 'gauge', 'is not in snake case'],
      ['a_milliseconds', 'gauge', 'has another unit than a base unit'],
      ['a_hours', 'gauge', 'has another unit than a base unit'],
      ['a_ms', 'gauge', 'has an abbreviated unit'],
    ])
      assert.deepEqual(
        lintExposition(readExposition(`# HELP ${name} x\n# TYPE ${name} ${type}\n${name} 1\n`, 'text')),
        [`${name} ${problem}`],
      );
    assert.deepEqual(lintExposition(readExposition('# TYPE a gauge\na{le="1",quantile="1"} 1\n', 'text')), [
      'a has no help',
      'a has le',
      'a has quantile',
    ]);
  });
});
