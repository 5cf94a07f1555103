/**
 * Makes `docs/windows-facts.md` out of the facts and of the titles of the tests.
 *
 * Rule: which test holds a fact is said in one place, the test's title; nobody writes it into a table.
 *
 * @module
 */

import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from '../../support/documents.ts';
import { FACTS, type FactSection, SOURCES } from './windows-facts.ts';

/** The page, from the root of the checkout. */
export const PAGE = 'docs/windows-facts.md';

const ID = /\b(?:DOC|HDR|SAMPLE)-[A-Z0-9]+-\d+\b/g;
const TITLE = /\b(?:test|it)\(\s*(['"`])((?:\\.|(?!\1).)*)\1/gs;

/** The files of tests that name a fact in a title, by id, in order of their paths; also ids that no fact has. */
export function holders(): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  const files = readdirSync(path.join(ROOT, 'test'), { recursive: true }).map((file) =>
    path.join('test', String(file)),
  );
  for (const file of files.filter((name) => name.endsWith('.test.ts')).sort()) {
    for (const [, , title = ''] of readFileSync(path.join(ROOT, file), 'utf8').matchAll(TITLE)) {
      for (const [id] of title.matchAll(ID)) {
        const own = found.get(id) ?? [];
        if (!own.includes(file)) found.set(id, [...own, file]);
      }
    }
  }
  return found;
}

/** The text of the page. */
export function factsPage(): string {
  const heldBy = holders();
  const all = FACTS.flatMap(({ facts }) => Object.values(facts));
  const left = all.filter((fact) => typeof fact !== 'string').length;
  const subjects = [...new Set(FACTS.map(({ subject }) => subject))];
  const parts = subjects.flatMap((subject) => [
    `## ${subject}\n`,
    ...FACTS.filter((section) => section.subject === subject).map((section) => sectionText(section, heldBy)),
  ]);
  return `${intro(all.length, left)}\n${parts.join('\n')}`;
}

function intro(count: number, left: number): string {
  return `# What Microsoft published, fact by fact

This page is generated: \`npm run facts\`. Its text stands in \`test/unit/firewall/windows-facts.ts\`.

Each row is something that a documentation page (\`DOC-\`) or a public header (\`HDR-\`) says about the Windows firewall-hook interface, or a
published sample or article that firehook follows (\`SAMPLE-\`). A row names the files whose tests carry its id in their titles:
\`grep -rn DOC-ALLOC-2 test\` finds them. What firehook decided where Microsoft says nothing is in
[windows-interface.md](windows-interface.md).

There are ${count} facts. Tests hold ${count - left} of them; ${left} are left out, each with its reason.
`;
}

function sectionText({ source, facts }: FactSection, heldBy: ReturnType<typeof holders>): string {
  const { title, url } = SOURCES[source];
  const rows = Object.entries(facts).map(([id, fact]) => {
    const held = (heldBy.get(id) ?? []).map((file) => `[${path.basename(file, '.test.ts')}](../${file})`);
    return typeof fact === 'string'
      ? `| ${id} | ${fact} | ${held.join(', ')} |`
      : `| ${id} | ${fact.says} | left out: ${fact.reason} |`;
  });
  const from = url === null ? title : `[${title}](${url.replaceAll('(', '%28').replaceAll(')', '%29')})`;
  return `Source: ${from}.\n\n| id | fact | held by |\n| --- | --- | --- |\n${rows.join('\n')}\n`;
}
