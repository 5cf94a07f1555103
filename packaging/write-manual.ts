/**
 * Writes what a system's package has beside the program: `npm run build:manual`.
 *
 * ```
 *   man/firehook.1, man/firehookd.8      from the commands of the programs
 *   man/firehook.yaml.5                  from config/firehook.schema.json
 *   completions/firehook.bash, .fish, .zsh   from the commands; of both programs
 * ```
 * Rule: no text is written here that another place has. Read the pages with `man -l man/firehook.1`.
 *
 * @see man(7) for the macros
 * @module
 */

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type CommandOption, type CommandTree, commandTree } from './command-tree.ts';
import { bashCompletion, fishCompletion, zshCompletion } from './completions.ts';

const ROOT = new URL('../', import.meta.url);
const { version } = JSON.parse(readFileSync(new URL('package.json', ROOT), 'utf8')) as { version: string };

const EXIT_CODES: readonly (readonly [string, string])[] = [
  ['0', 'ok'],
  ['1', 'failed'],
  ['2', 'wrong usage or configuration'],
  ['3', 'no daemon answers'],
  ['4', 'not permitted'],
];
const FILES: readonly (readonly [string, string])[] = [
  ['/etc/firehook/firehook.yaml', 'the configuration that the systemd unit names'],
  ['/run/firehook/firehook.sock', 'the control socket, unless the configuration says otherwise'],
];

/** The part of a JSON schema that the configuration uses. */
interface Schema {
  readonly description?: string;
  readonly type?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
}

/** Text as troff takes it: no character of it is an order. */
function text(words: string): string {
  return words
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/gm, '\\&$1');
}

function title(name: string, section: number): string {
  return `.TH ${name.toUpperCase()} ${section} "" "firehook ${version}" "firehook"\n`;
}

function tagged(list: readonly (readonly [string, string])[]): string {
  return list.map(([tag, words]) => `.TP\n.B ${text(tag)}\n${text(words)}\n`).join('');
}

function described({ flags, description, fallback, choices }: CommandOption): readonly [string, string] {
  const more = [
    ...(choices.length > 0 ? [`One of: ${choices.join(', ')}.`] : []),
    ...(fallback === '' ? [] : [`Default: ${fallback}.`]),
  ];
  return [flags, [description, ...more].join(more.length > 0 ? '. ' : '').replace('.. ', '. ')];
}

function usage(path: string, tree: CommandTree): string {
  const parts = [
    ...tree.options.map(({ flags }) => `[${flags.replace(/^-\w, /, '')}]`),
    ...tree.arguments.map(({ flags }) => flags),
  ];
  return `.B ${text(path)}\n${text(parts.join(' '))}\n`;
}

function programPage(tree: CommandTree, section: number, others: readonly string[]): string {
  const commands = tree.commands.map((command) => {
    const list = [...command.arguments, ...command.options].map(described);
    return `.SS ${text(command.name)}\n${usage(`${tree.name} ${command.name}`, command)}.PP\n${text(command.description)}\n${tagged(list)}`;
  });
  return [
    title(tree.name, section),
    `.SH NAME\n${tree.name} \\- ${text(tree.description)}\n`,
    `.SH SYNOPSIS\n${tree.commands.length === 0 ? usage(tree.name, tree) : `.B ${tree.name}\n.I command\n[options]\n`}`,
    `.SH DESCRIPTION\n${text(tree.description)}\n`,
    `.SH OPTIONS\n${tagged(tree.options.map(described))}`,
    ...(commands.length === 0 ? [] : [`.SH COMMANDS\n`, ...commands]),
    `.SH EXIT STATUS\n${tagged(EXIT_CODES)}`,
    `.SH FILES\n${tagged(FILES)}`,
    seeAlso(others),
  ].join('');
}

function seeAlso(others: readonly string[]): string {
  return `.SH SEE ALSO\n${others.map((name) => name.replace(/^(.*)\((\d)\)$/, '.BR $1 ($2)')).join(' ,\n')}\n`;
}

/** Every key below a schema with its path: `policy.onDown`, `hooks[].module`. */
function keysOf(schema: Schema, path: string): (readonly [string, Schema])[] {
  if (schema.anyOf !== undefined) return schema.anyOf.flatMap((one) => keysOf(one, path));
  if (schema.items !== undefined) return keysOf(schema.items, `${path}[]`);
  return Object.entries(schema.properties ?? {}).flatMap(([name, one]) => {
    const here = path === '' ? name : `${path}.${name}`;
    return [[here, one] as const, ...keysOf(one, here)];
  });
}

function meaning({ description = '', enum: values, minimum, maximum, default: fallback }: Schema): string {
  const isWritten = fallback !== undefined && typeof fallback !== 'object';
  return [
    description,
    ...(values === undefined ? [] : [`One of: ${values.join(', ')}.`]),
    ...(minimum === undefined || maximum === undefined || maximum === Number.MAX_SAFE_INTEGER
      ? []
      : [`From ${minimum} to ${maximum}.`]),
    ...(isWritten ? [`Default: ${String(fallback)}.`] : []),
  ].join(' ');
}

function configPage(): string {
  const schema = JSON.parse(readFileSync(new URL('config/firehook.schema.json', ROOT), 'utf8')) as Schema;
  const example = readFileSync(new URL('config/bridge.yaml', ROOT), 'utf8').replaceAll(/^#.*\n/gm, '');
  const keys = new Map(keysOf(schema, '').map(([key, one]) => [key, meaning(one)] as const));
  return [
    title('firehook.yaml', 5),
    '.SH NAME\nfirehook.yaml \\- configuration of firehookd\n',
    '.SH DESCRIPTION\nOne YAML file. Paths are relative to it. Unknown keys and bad values are refused, with the line and what was expected;\n',
    `.B firehookd \\-\\-check\nsays so without changing anything.\n`,
    `.SH KEYS\n${tagged([...keys])}`,
    `.SH EXAMPLE\n.nf\n${text(example)}.fi\n`,
    seeAlso(['firehookd(8)', 'firehook(1)']),
  ].join('');
}

function write(file: string, words: string): void {
  writeFileSync(fileURLToPath(new URL(file, ROOT)), words);
}

const firehook = commandTree('firehook');
const firehookd = commandTree('firehookd');
for (const folder of ['man/', 'completions/']) {
  rmSync(new URL(folder, ROOT), { recursive: true, force: true });
  mkdirSync(new URL(folder, ROOT));
}
write('man/firehook.1', programPage(firehook, 1, ['firehookd(8)', 'firehook.yaml(5)']));
write('man/firehookd.8', programPage(firehookd, 8, ['firehook(1)', 'firehook.yaml(5)']));
write('man/firehook.yaml.5', configPage());
write('completions/firehook.bash', bashCompletion([firehook, firehookd]));
write('completions/firehook.fish', fishCompletion([firehook, firehookd]));
write('completions/firehook.zsh', zshCompletion([firehook, firehookd]));
