/**
 * The commands of a program, as its own help knows them, as JSON: `node --import tsx packaging/command-tree.ts firehook|firehookd`.
 *
 * Rule: nothing is written down twice. The program is started as it is, and looked at in the moment in which it would read its
 * arguments; it never gets to do anything. So it runs in a process of its own.
 *
 * @module
 */

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';

/** An option or an argument. */
export interface CommandOption {
  /** `-c, --config <file>`, or `<input>` of an argument. */
  readonly flags: string;
  /** Without the short one: `--config`; '' for an argument. */
  readonly long: string;
  /** `-c`; '' where there is none. */
  readonly short: string;
  /** What follows it, `<file>`; '' of one that stands alone. */
  readonly value: string;
  readonly description: string;
  /** Text of its default; '' without one. */
  readonly fallback: string;
  readonly choices: readonly string[];
}

/** A program, or one of its commands. */
export interface CommandTree {
  readonly name: string;
  readonly description: string;
  readonly arguments: readonly CommandOption[];
  readonly options: readonly CommandOption[];
  readonly commands: readonly CommandTree[];
}

/** Asks a program for its commands. */
export function commandTree(program: 'firehook' | 'firehookd'): CommandTree {
  const args = ['--import', 'tsx', fileURLToPath(import.meta.url), program];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as CommandTree;
}

function treeOf(command: Command): CommandTree {
  return {
    name: command.name(),
    description: command.description(),
    arguments: command.registeredArguments.map((argument) => ({
      flags: argument.required ? `<${argument.name()}>` : `[${argument.name()}]`,
      long: '',
      short: '',
      value: `<${argument.name()}>`,
      description: argument.description,
      fallback: '',
      choices: argument.argChoices ?? [],
    })),
    options: command.options.map((option) => ({
      flags: option.flags,
      long: option.long ?? '',
      short: option.short ?? '',
      value: /<.*>/.exec(option.flags)?.[0] ?? '',
      description: option.description,
      fallback: typeof option.defaultValue === 'string' ? option.defaultValue : '',
      choices: option.argChoices ?? [],
    })),
    commands: command.commands.map(treeOf),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const show = function (this: Command): never {
    process.stdout.write(JSON.stringify(treeOf(this)));
    process.exit(0);
  };
  Command.prototype.parse = show;
  Command.prototype.parseAsync = show;
  await import(`../src/cli/${process.argv[2]}.ts`);
}
