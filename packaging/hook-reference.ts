/**
 * Makes `docs/hook-reference.md`: every type and function of the hook interface with its docstring.
 *
 * ```
 *   src/hook/contract.ts, src/hook/packet/packet-contract.ts, ... ─ syntax tree ─> declarations and their comments ─> one page
 * ```
 * Rule: no text about the interface is written here; what is to be said stands in the docstring. Only declarations that are exported and in
 * {@link SECTIONS} are taken, in the order of their source.
 *
 * @module
 */

import { readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';

const ROOT = path.resolve(import.meta.dirname, '..');

/** The page, from the root of the checkout. */
export const PAGE = 'docs/hook-reference.md';

interface Section {
  readonly title: string;
  /** Where it stands, from the root of the checkout. */
  readonly file: string;
  /** What of the exported is taken; all when left out. */
  readonly only?: readonly string[];
  /** What of the exported is the runtime's own. */
  readonly without?: readonly string[];
}

const SECTIONS: readonly Section[] = [
  {
    title: 'A hook and what it is offered',
    file: 'src/hook/contract.ts',
    without: ['HOOK_META', 'HookModules', 'HookModuleNames'],
  },
  { title: 'What an event can be', file: 'src/events/event-layout.ts', only: ['EventType'] },
  { title: 'What it is interested in', file: 'src/wire/interest.ts', only: ['Interest'] },
  { title: 'A packet and where it was met', file: 'src/hook/packet/packet-contract.ts' },
  {
    title: 'A stream',
    file: 'src/hook/stream/stream-contract.ts',
    without: ['StreamSettings', 'StreamNumbers'],
  },
  { title: 'The ends of a flow', file: 'src/flow/flow-ends.ts', only: ['FlowEnds'] },
  { title: 'Functions', file: 'src/hook/define-hook.ts' },
  { title: 'Addresses', file: 'src/wire/address.ts', only: ['Prefix', 'parseAddress', 'parseCidr', 'formatAddress'] },
  { title: 'Checksums', file: 'src/wire/checksum.ts', only: ['updateChecksum16'] },
  {
    title: 'Checksums of a datagram',
    file: 'src/wire/datagram.ts',
    only: ['fillChecksums', 'updateTransportChecksum16'],
  },
];

/** What has a name and can be exported. */
type Declaration =
  | ts.InterfaceDeclaration
  | ts.TypeAliasDeclaration
  | ts.FunctionDeclaration
  | ts.ClassDeclaration
  | ts.VariableStatement;

/** The text of the page. */
export function referencePage(): string {
  const sections = SECTIONS.map((section) => {
    const source = sourceOf(section.file);
    const parts = declarationsOf(source, section).map((declaration) => declarationText(declaration, source));
    return `## ${section.title}\n\nFrom \`${section.file}\`.\n\n${parts.join('\n')}`;
  });
  return `# Reference of the hook interface

This page is generated from the docstrings of the source: \`npm run reference\`. What belongs together, with examples, is told in
[the guide](../hooks/README.md#the-map).

${sections.join('\n')}`;
}

function sourceOf(file: string): ts.SourceFile {
  const text = readFileSync(path.join(ROOT, file), 'utf8');
  return ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true);
}

function declarationsOf(source: ts.SourceFile, { only, without = [] }: Section): Declaration[] {
  const exported = source.statements.filter(isDeclaration).filter(isExported);
  return exported.filter((one) => {
    const name = nameOf(one);
    return (only?.includes(name) ?? true) && !without.includes(name);
  });
}

function isDeclaration(node: ts.Node): node is Declaration {
  return (
    ts.isInterfaceDeclaration(node) ||
    ts.isTypeAliasDeclaration(node) ||
    ts.isFunctionDeclaration(node) ||
    ts.isClassDeclaration(node) ||
    ts.isVariableStatement(node)
  );
}

function isExported(node: Declaration): boolean {
  return node.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) ?? false;
}

function nameOf(node: Declaration): string {
  const named = ts.isVariableStatement(node) ? node.declarationList.declarations[0] : node;
  return named?.name?.getText() ?? '';
}

function declarationText(node: Declaration, source: ts.SourceFile): string {
  const name = nameOf(node);
  if (!ts.isInterfaceDeclaration(node))
    return `### ${name}\n\n\`\`\`typescript\n${signatureOf(node)}\n\`\`\`\n\n${docOf(node, source, '\n\n')}\n`;
  const heritage = node.heritageClauses?.map((clause) => ` ${clause.getText()}`).join('') ?? '';
  const above = heritage === '' ? '' : `\`${name}${heritage}\`\n\n`;
  const members = node.members.map((member) => {
    const doc = docOf(member, source, ' ');
    return `- \`${oneLine(member.getText()).replace(/;$/, '')}\`${doc === '' ? '' : `<br>${doc}`}\n`;
  });
  return `### ${name}\n\n${above}${docOf(node, source, '\n\n')}\n\n${members.join('')}`;
}

/** The declaration without its body and without the word `export`. */
function signatureOf(node: Exclude<Declaration, ts.InterfaceDeclaration>): string {
  const text = node.getText().replace(/^export (?:declare )?/, '');
  if (!ts.isFunctionDeclaration(node) || node.body === undefined) return text.replace(/;$/, '');
  return text.slice(0, text.length - node.body.getText().length).trimEnd();
}

function oneLine(text: string): string {
  return text
    .replaceAll(/\/\*\*.*?\*\//gs, '')
    .replaceAll(/\s+/g, ' ')
    .trim();
}

const TAG_WORDS: Readonly<Record<string, string>> = {
  returns: 'Returns:',
  throws: 'Throws:',
  defaultValue: 'Default:',
  see: 'See:',
};

/** The comment in front of a node, with links as code and tags as words. Examples stand in the guide. */
function docOf(node: ts.Node, source: ts.SourceFile, between: string): string {
  const ranges = ts.getLeadingCommentRanges(source.text, node.getFullStart()) ?? [];
  const last = ranges.at(-1);
  if (last === undefined) return '';
  const comment = source.text.slice(last.pos, last.end);
  if (!comment.startsWith('/**')) return '';
  const text = comment
    .replace(/^\/\*\*/, '')
    .replace(/\*\/$/, '')
    .replaceAll(/^\s*\* ?/gm, '')
    .replaceAll(/\{@link ([^}|]+?)\}/g, '`$1`');
  const [body = '', ...tags] = text.split(/(?:^|\s)@(?=(?:returns|throws|param|defaultValue|see|example)\b)/m);
  const blocks = [...body.split(/\n\s*\n/), ...tags.map(tagText)].map(paragraph);
  return blocks.filter((block) => block !== '').join(between);
}

function tagText(tag: string): string {
  const [, name = '', words = ''] = /^(\w+)\s*(.*)$/s.exec(tag) ?? [];
  if (name === 'example') return '';
  if (name === 'param') return words.replace(/^(\w+)(?: -)? /, '`$1`: ');
  const sentence = words.trim();
  return `${TAG_WORDS[name] ?? ''} ${sentence}${/[.)\d]$/.test(sentence) ? '' : '.'}`.trim();
}

/** Lines of a paragraph put together; those of a list kept apart. */
function paragraph(text: string): string {
  return text
    .trim()
    .replaceAll(/\n(?!- )\s*/g, ' ')
    .replaceAll(/ {2,}/g, ' ');
}
