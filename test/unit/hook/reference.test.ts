/**
 * `docs/hook-reference.md` is what the docstrings say, and has everything that a hook is handed.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { PAGE, referencePage } from '../../../packaging/hook-reference.ts';
import { ROOT } from '../../support/documents.ts';

const page = readFileSync(path.join(ROOT, PAGE), 'utf8');

describe(PAGE, () => {
  test('is what the source says; npm run reference writes it anew', () => {
    assert.equal(page, referencePage());
  });

  test('has every type that a hook can import of the hook contract', () => {
    const index = readFileSync(path.join(ROOT, 'src/index.ts'), 'utf8');
    const lists = Array.from(
      index.matchAll(/^export type \{([^}]*)\} from '\.\/hook\/[\w/-]+\.ts';$/gm),
      ([, names = '']) => names,
    );
    const names = lists.flatMap((list) => list.split(',').map((name) => name.trim())).filter((name) => name !== '');
    assert.ok(names.length > 20);
    for (const name of names) assert.ok(page.includes(`\n### ${name}\n`), name);
  });

  test('leaves no mark of a docstring in its text', () => {
    assert.doesNotMatch(page, /\{@|^\s*\*\s|@(?:returns|throws|param|defaultValue)\b/m);
  });
});
