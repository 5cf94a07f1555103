/**
 * The table of faults: what is in force follows from what is declared, and docs/faults.md says what the source does.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { FAULT_ROWS, inForceOf } from '../../../src/config/faults.ts';
import { parseConfig } from '../../../src/config/load-config.ts';
import type { Config } from '../../../src/config/schema.ts';

const BRIDGE = 'attach: [{ bridge: [lan0, wan0] }]\n';

function parse(text: string): Config {
  return parseConfig(BRIDGE + text, '/etc', 'test.yaml').config;
}

/** What is in force of the rows for which something can be declared, by their keys. */
function inForce(text: string): Record<string, string> {
  const { faults, policy } = parse(text);
  return Object.fromEntries(
    FAULT_ROWS.flatMap((row) => (row.key === null ? [] : [[row.key, inForceOf(row, faults, policy)]])),
  );
}

describe('What is in force', () => {
  test('is drop where nothing is said, and what the hook says of packets that are held too long', () => {
    const { 'faults.heldTooLong': held, ...others } = inForce('');
    assert.equal(held, 'hook');
    assert.deepEqual([...new Set(Object.values(others))], ['drop']);
  });

  test('is faults.default of every row that is not named, policy.onDown and policy.unreadable among them', () => {
    const { 'faults.heldTooLong': held, ...others } = inForce('faults: { default: forward }');
    assert.equal(held, 'hook');
    assert.deepEqual([...new Set(Object.values(others))], ['forward']);
  });

  test('is what a row says, where it is named', () => {
    const rows = inForce(
      'policy: { onDown: drop }\nfaults: { default: forward, noVerdict: drop, heldTooLong: forward }',
    );
    assert.deepEqual(rows, {
      'faults.hookThrows': 'forward',
      'faults.noVerdict': 'drop',
      'faults.misuse': 'forward',
      'faults.overTime': 'forward',
      'faults.breakerOpen': 'forward',
      'faults.heldTooLong': 'forward',
      'policy.unreadable': 'forward',
      'policy.onDown': 'drop',
    });
  });

  test('is faults.all of every row, whatever it says itself, and the start warns of it', () => {
    for (const all of ['drop', 'forward']) {
      const text = `policy: { onDown: drop, unreadable: forward }\nfaults: { all: ${all}, default: drop, misuse: forward }`;
      assert.deepEqual([...new Set(Object.values(inForce(text)))], [all]);
      const { warnings } = parseConfig(BRIDGE + text, '/etc', 'test.yaml');
      assert.ok(warnings.some((warning) => warning.startsWith(`faults.all: ${all} wins over`)));
    }
  });
});

describe('docs/faults.md', () => {
  const page = readFileSync(new URL('../../../docs/faults.md', import.meta.url), 'utf8');
  const rows = page
    .split('\n')
    .filter((line) => /^\| a|^\| the/.test(line))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );

  test('has the rows of the source in their order, with key, outcomes, default and counter', () => {
    const { faults, policy } = parse('');
    assert.deepEqual(
      rows.map((cells) => cells.slice(0, 5)),
      FAULT_ROWS.map((row) => [
        row.fault,
        row.key === null ? 'none' : `\`${row.key}\``,
        row.outcomes.map((outcome) => `\`${outcome}\``).join(', '),
        `\`${inForceOf(row, faults, policy)}\``,
        `\`${row.counter.replace('.', ' ')}\``,
      ]),
    );
  });

  test('says why a row has one outcome only', () => {
    for (const { fault, key, outcomes, why } of FAULT_ROWS) {
      assert.equal(key === null, why !== null, fault);
      assert.equal(key === null, outcomes.length === 1, fault);
      if (why !== null) assert.ok(page.includes(why), why);
    }
  });

  test('names for each row a test that is there and provokes it', () => {
    for (const cells of rows) {
      const file = /`(test\/[^`]+\.test\.ts)`/.exec(cells[5] ?? '')?.[1];
      assert.ok(file !== undefined, cells[0]);
      assert.ok(readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8').length > 0);
    }
  });
});
