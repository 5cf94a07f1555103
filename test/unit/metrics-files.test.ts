/**
 * The alert rules, the dashboard and the page of metrics: each name in them is one that a daemon tells.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import { Reports } from '../../src/control/reports.ts';
import { TIME_BUCKETS } from '../../src/telemetry/hook-times.ts';
import { ROOT, tableRows } from '../support/documents.ts';
import { type ReadFamily, readExposition } from '../support/exposition.ts';
import { wholeDaemon, wholeLane, wholeProgress } from '../support/whole-daemon.ts';

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly {
      readonly alert: string;
      readonly expr: string;
      readonly labels: { readonly severity: string };
      readonly annotations: { readonly summary: string; readonly description: string };
    }[];
  }[];
}

interface Dashboard {
  readonly panels: readonly {
    readonly title: string;
    readonly gridPos: { readonly x: number; readonly w: number };
    readonly targets: readonly { readonly expr: string; readonly legendFormat: string }[];
  }[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] };
}

const { groups } = parse(read('config/prometheus/firehook.rules.yml')) as Rules;
const RULES = groups.flatMap(({ rules }) => rules);
const DASHBOARD = JSON.parse(read('config/grafana/firehook.json')) as Dashboard;

function read(file: string): string {
  return readFileSync(path.join(ROOT, file), 'utf8');
}

/** All that a daemon can tell: one that tracks no changes, and one that has a tap alone, whose hooks count nothing themselves. */
async function families(): Promise<ReadFamily[]> {
  const daemon = wholeDaemon();
  const quiet = wholeLane(0, process.pid, () => wholeProgress(1, { metrics: [] }));
  const tap = { ...daemon, lanes: [quiet], config: { ...daemon.config, attach: [{ tap: 'lan0' }] } };
  const [bridge, tapped] = await Promise.all(
    [{ ...daemon, lanes: [quiet] }, tap].map(async (view) => {
      const { text } = await new Reports(view).metrics(undefined);
      return readExposition(text, 'text');
    }),
  );
  const byName = new Map([...(tapped ?? []), ...(bridge ?? [])].map((family) => [family.name, family]));
  return [...byName.values()];
}

function namesIn(expression: string): string[] {
  return expression.match(/\b(?:firehook|process)_[a-z0-9_]+/g) ?? [];
}

/** By the name of a sample: the names of its labels. */
async function labelsOf(): Promise<Map<string, Set<string>>> {
  const labels = new Map<string, Set<string>>();
  for (const sample of (await families()).flatMap(({ samples }) => samples))
    for (const label of sample.labels.keys())
      labels.set(sample.name, (labels.get(sample.name) ?? new Set()).add(label));
  return labels;
}

async function assertKnown(expression: string, where: string): Promise<void> {
  const known = new Set((await families()).flatMap(({ samples }) => samples.map(({ name }) => name)));
  const names = namesIn(expression);
  assert.notEqual(names.length, 0, where);
  for (const name of names) assert.ok(known.has(name), `${where}: ${name}`);
  const labels = await labelsOf();
  for (const [, list = ''] of expression.matchAll(/\bby \(([^)]*)\)/g))
    for (const label of list.split(',').map((one) => one.trim()))
      assert.ok(
        names.some((name) => labels.get(name)?.has(label) === true),
        `${where}: by ${label}`,
      );
}

describe('the alert rules', () => {
  test('use what a daemon tells, and say what is wrong', async () => {
    for (const { alert, expr, labels, annotations } of RULES) {
      await assertKnown(expr, alert);
      assert.match(alert, /^Firehook[A-Z]/);
      assert.match(labels.severity, /^(critical|warning)$/);
      assert.match(annotations.summary, /\.$/);
      assert.match(annotations.description, /\.$/);
    }
    assert.equal(new Set(RULES.map(({ alert }) => alert)).size, RULES.length);
  });

  test('have one for each thing that must not go unseen', () => {
    const all = RULES.map(({ expr }) => expr).join('\n');
    for (const name of [
      'firehook_lease_held == 0',
      'firehook_ledger_adds_up == 0',
      'firehook_port_protected == 0',
      'firehook_lane_restarts_total',
      'firehook_lost_packets_total',
    ])
      assert.ok(all.includes(name), name);
  });

  test('are all on the page', () => {
    const page = read('docs/metrics.md');
    for (const { alert } of RULES) assert.ok(page.includes(`\`${alert}\``), alert);
  });
});

describe('the dashboard', () => {
  test('uses what a daemon tells', async () => {
    for (const { title, targets, gridPos } of DASHBOARD.panels) {
      assert.ok(gridPos.x + gridPos.w <= 24, title);
      for (const { expr } of targets) await assertKnown(expr, title);
    }
    for (const { name, definition } of DASHBOARD.templating.list)
      if (definition !== undefined) await assertKnown(definition, name);
  });
});

describe('the page of metrics', () => {
  const rows = tableRows(read('docs/metrics.md'), 'name').filter(([first = '']) => /^(firehook|process)_/.test(first));

  test('has every family that a daemon tells, with its kind, its labels and its help, and no other', async () => {
    const expected = (await families()).map(({ name, type, help, samples }) => {
      const labels = new Set(samples.flatMap((sample) => [...sample.labels.keys()]));
      return [name, type, [...labels].join(', '), help];
    });
    assert.deepEqual([...rows].sort(), expected.sort());
  });

  test('names the bounds of the buckets', () => {
    const page = read('docs/metrics.md');
    for (const { le } of TIME_BUCKETS) assert.ok(page.includes(`\`${le}\``), le);
  });
});
