/**
 * docs/filters.md keeps its word: what it shows compiles, what it calls not supported is refused, its lists are complete.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { FilterError } from '../../../src/filter/filter-error.ts';
import { IP_PROTOCOLS, LINK_PROTOCOLS, REFUSED, SERVICES } from '../../../src/filter/names.ts';
import { MAX_TEXT } from '../../../src/filter/scan.ts';
import { compileFilter } from '../../../src/filter/to-js.ts';
import { MAX_DEPTH } from '../../../src/filter/words.ts';
import { codeBlocks, ROOT } from '../../support/documents.ts';

const PAGE = readFileSync(path.join(ROOT, 'docs/filters.md'), 'utf8');

/** The rows of the table below a heading. */
function rows(heading: string): string[][] {
  const section = PAGE.split(`## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  const lines = section.split('\n').filter((line) => line.startsWith('|'));
  return lines.slice(2).map((line) =>
    line
      .replaceAll('\\|', '\u0001')
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

function spans(text: string): string[] {
  return Array.from(text.matchAll(/`([^`]+)`/g), ([, code = '']) => code);
}

function errorOf(text: string): FilterError {
  try {
    compileFilter(text, { link: 'ethernet' });
  } catch (error) {
    assert.ok(error instanceof FilterError);
    return error;
  }
  return assert.fail(`${text} is taken`);
}

describe('docs/filters.md', () => {
  test('shows filters that compile', () => {
    const shown = codeBlocks(PAGE, 'filter').flatMap((block) => block.split('\n').filter((line) => line !== ''));
    const tabled = rows('What may be said').flatMap(([, cell = '']) => spans(cell));
    assert.ok(shown.length >= 10 && tabled.length >= 40);
    for (const text of [...shown, ...tabled]) compileFilter(text, { link: 'ethernet' });
  });

  test('calls nothing unsupported that is taken', () => {
    const table = rows('What is not supported');
    const words = table.flatMap(([cell = '']) => spans(cell));
    assert.ok(table.every(([cell = '']) => cell.startsWith('**')));
    assert.ok(words.length >= 40);
    for (const word of words)
      errorOf(word.includes(' ') ? `${word}${word === 'decnet host' ? ' 10.1' : ''}` : `${word} 1`);
    const kinds = new Set(Array.from(REFUSED.values()));
    for (const sentence of kinds) {
      const named = words.some((word) => REFUSED.get(word) === sentence);
      assert.ok(named, sentence);
    }
  });

  test('lists the names that are known', () => {
    const listed = rows('Names').map(([, cell = '']) => cell.split(', '));
    assert.deepEqual(
      listed,
      [SERVICES, IP_PROTOCOLS, LINK_PROTOCOLS].map((table) => Array.from(table.keys()).sort()),
    );
  });

  test('says the bounds, and shows an error as it is', () => {
    assert.ok(PAGE.includes(`at most ${MAX_TEXT.toLocaleString('en')} characters`));
    assert.ok(PAGE.includes(`at most ${MAX_DEPTH} levels`));
    const error = errorOf('tcp dst prot 443');
    assert.equal(codeBlocks(PAGE, 'console')[0], `${error.message}\n${error.excerpt}\n`);
  });
});
