/**
 * What the tests of the papers share: code blocks of a Markdown file, and what the compiler says of hooks printed there.
 *
 * Rule: hooks are compiled with the options of this project, against the source of the package `firehook`.
 *
 * @module
 */

import path from 'node:path';
import ts from 'typescript';

/** The checkout. */
export const ROOT = path.resolve(import.meta.dirname, '../..');

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
    paths: { firehook: [path.join(ROOT, 'src/index.ts')], 'firehook/ddk': [path.join(ROOT, 'src/ddk/index.ts')] },
  });
  return files
    .map((file) => program.getSourceFile(file))
    .flatMap((source) => [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)])
    .map(({ file, messageText }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`);
}
