/**
 * What the tests of the papers share: the parts of a Markdown file, what it names, and what the compiler says of hooks printed there.
 *
 * Rule: hooks are compiled with the options of this project, against the source of the package `firehook`.
 *
 * @module
 */

import path from 'node:path';
import ts from 'typescript';

/** The checkout. */
export const ROOT = path.resolve(import.meta.dirname, '../..');

const HEADERS_OF_WINDOWS = ['ipfirewall.h', 'ip6firewall.h', 'ipinfo.h', 'wdm.h'];

/** What is looked at of `config/firehook.schema.json`. */
export interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema | boolean>>;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly items?: JsonSchema;
  /** What each value of a mapping with names of the operator's own has. */
  readonly additionalProperties?: JsonSchema | boolean;
}

/** The code blocks of a language, those inside a list moved to the left edge. */
export function codeBlocks(markdown: string, language: string): string[] {
  const fences = markdown.matchAll(new RegExp(`^( *)\`\`\`${language}\\n(.*?)^ *\`\`\`$`, 'gms'));
  return Array.from(fences, ([, indent = '', code = '']) => code.replaceAll(new RegExp(`^${indent}`, 'gm'), ''));
}

/** What the compiler has against these files, one line each; empty when it takes them. */
export function compilerProblems(files: readonly string[]): string[] {
  const { config } = ts.readConfigFile(path.join(ROOT, 'tsconfig.json'), ts.sys.readFile) as { config: unknown };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
  const program = ts.createProgram(files, {
    ...options,
    rootDir: '/',
    typeRoots: [path.join(ROOT, 'node_modules/@types')],
    paths: {
      firehook: [path.join(ROOT, 'src/index.ts')],
      'firehook/ddk': [path.join(ROOT, 'src/ddk/index.ts')],
      'firehook/testing': [path.join(ROOT, 'src/testing/index.ts')],
    },
  });
  return files
    .map((file) => program.getSourceFile(file))
    .flatMap((source) => [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)])
    .map(({ file, messageText }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`);
}

/** The cells of every row of the tables whose first head is `head`, marks of code and links taken off. */
export function tableRows(markdown: string, head: string): string[][] {
  const rows: string[][] = [];
  let isInside = false;
  for (const line of markdown.split('\n')) {
    if (!line.startsWith('|')) isInside = false;
    else {
      const cells = line.slice(1, line.lastIndexOf('|')).split('|').map(plain);
      if (isInside && !/^-+$/.test(cells[0] ?? '')) rows.push(cells);
      isInside ||= cells[0] === head;
    }
  }
  return rows;
}

function plain(cell: string): string {
  return cell
    .trim()
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replaceAll('`', '');
}

/** The anchors of a page's headings, as a Markdown viewer makes them. */
export function anchors(markdown: string): string[] {
  const headings = withoutCode(markdown).matchAll(/^#+ (.*)$/gm);
  return Array.from(headings, ([, heading = '']) =>
    plain(heading)
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\- _]/gu, '')
      .replaceAll(' ', '-'),
  );
}

export function withoutCode(markdown: string): string {
  return markdown.replaceAll(/^( *)```.*?^\1```$/gms, '');
}

/** Code of every kind: blocks, and spans in the text. */
export function codeOf(markdown: string): string {
  const blocks = Array.from(markdown.matchAll(/^( *)```.*?^\1```$/gms), ([block]) => block);
  const spans = Array.from(withoutCode(markdown).matchAll(/`([^`\n]+)`/g), ([, code]) => code);
  return [...blocks, ...spans].join('\n');
}

/** Names of files that stand by themselves in the text; those of a page's own examples, which stand in its blocks too, left out. */
export function bareFilesIn(markdown: string): string[] {
  const blocks = Array.from(markdown.matchAll(/^( *)```.*?^\1```$/gms), ([block]) => block).join('\n');
  return Array.from(withoutCode(markdown).matchAll(/`([\w.-]+\.(?:ts|cc|c|h))`/g), ([, name = '']) => name).filter(
    (name) => !HEADERS_OF_WINDOWS.includes(name) && !blocks.includes(name),
  );
}

/** Keys of the configuration, `policy.onDown`, wherever the text names one. */
export function configKeysIn(markdown: string, known: readonly string[]): string[] {
  const spans = Array.from(
    withoutCode(markdown).matchAll(/`([a-z]\w*(?:\.\w+)+)(?:: [^`\n]*)?`/gi),
    ([, key = '']) => key,
  );
  const sections = new Set(known.map((key) => key.split('.')[0]));
  return spans.filter((key) => sections.has(key.split('.')[0]) && !/\.(?:ts|cc|c|h)$/.test(key));
}

/** The keys that a JSON schema has, with those above them: `policy`, `policy.onDown`. */
export function keysOf(schema: JsonSchema, above = ''): string[] {
  const own = Object.entries(schema.properties ?? {}).flatMap(([key, value]) => [
    `${above}${key}`,
    ...(typeof value === 'boolean' ? [] : keysOf(value, `${above}${key}.`)),
  ]);
  const nested = [
    ...(schema.anyOf ?? []),
    ...(schema.oneOf ?? []),
    ...(schema.items === undefined ? [] : [schema.items]),
  ];
  const named = schema.additionalProperties ?? false;
  return [
    ...own,
    ...nested.flatMap((one) => keysOf(one, above)),
    ...(typeof named === 'boolean' ? [] : keysOf(named, `${above}NAME.`)),
  ];
}

/** Spans of code that are the path of something in the checkout; `<name>`, `*` and `...` stand for many. */
export function pathsIn(markdown: string): string[] {
  const spans = Array.from(withoutCode(markdown).matchAll(/`([^`\n]+)`/g), ([, code = '']) => code);
  return spans.filter(
    (code) => /^(?:src|test|bin|config|hooks|docs)\/[^\s<*{:(]*$/.test(code) && !code.includes('...'),
  );
}
