/**
 * The facts that Microsoft published: each is held by a test that names it or left out with a reason, and the page says so.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { ROOT } from '../../support/documents.ts';
import { FACTS } from './windows-facts.ts';
import { factsPage, holders, PAGE } from './windows-facts-page.ts';

const facts = FACTS.flatMap((section) => Object.entries(section.facts));
const heldBy = holders();

test('each fact that is not left out is named by the title of a test', () => {
  const unheld = facts.filter(([id, fact]) => typeof fact === 'string' && !heldBy.has(id)).map(([id]) => id);
  assert.deepEqual(unheld, []);
});

test('a fact that is left out is named by no title, and has a reason', () => {
  for (const [id, fact] of facts) {
    if (typeof fact === 'string') continue;
    assert.equal(heldBy.get(id), undefined, id);
    assert.match(fact.reason, /^[`A-Z].*\.$/i, id);
  }
});

test('no title names a fact that is not there', () => {
  const known = new Set(facts.map(([id]) => id));
  assert.deepEqual(
    [...heldBy.keys()].filter((id) => !known.has(id)),
    [],
  );
});

test('an id belongs to one fact, and a fact is one sentence', () => {
  assert.equal(new Set(facts.map(([id]) => id)).size, facts.length);
  for (const [id, fact] of facts) {
    assert.match(id, /^(?:DOC|HDR|SAMPLE)-[A-Z0-9]+-[1-9]\d*$/);
    assert.match(typeof fact === 'string' ? fact : fact.says, /\.$/, id);
  }
});

test('docs/windows-facts.md is what npm run facts writes', () => {
  assert.equal(readFileSync(path.join(ROOT, PAGE), 'utf8'), factsPage());
});
