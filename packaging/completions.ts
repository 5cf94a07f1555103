/**
 * What bash, fish and zsh complete behind `firehook` and `firehookd`: commands, options, choices, files.
 *
 * Rule: made from the commands of the programs, never by hand.
 *
 * @module
 */

import type { CommandOption, CommandTree } from './command-tree.ts';

/** Every option has these, without saying so. */
const HELP = ['-h', '--help'];

/** A value that is a path. */
function isFile({ value, description }: CommandOption): boolean {
  return /file|path|input/.test(value) && !description.startsWith('name of');
}

function namesOf({ options }: CommandTree): string[] {
  return [...options.flatMap(({ short, long }) => [short, long].filter((name) => name !== '')), ...HELP];
}

/** The words that may follow an option, as the body of a case of bash. */
function bashValues(option: CommandOption): string {
  const names = [option.short, option.long].filter((name) => name !== '').join('|');
  const words = option.choices.length > 0 ? `-W '${option.choices.join(' ')}'` : isFile(option) ? '-f' : '';
  return `    ${names}) COMPREPLY=(${words === '' ? '' : `$(compgen ${words} -- "$word")`}); return ;;`;
}

/** A script for bash-completion, in one file for all programs. */
export function bashCompletion(programs: readonly CommandTree[]): string {
  const functions = programs.map((program) => {
    const name = `_${program.name}`;
    const valued = [program, ...program.commands].flatMap(({ options }) => options.filter(({ value }) => value !== ''));
    const cases = [...new Set(valued.map(bashValues))];
    const commands = program.commands.map(
      (command) =>
        `    ${command.name}) words='${namesOf(command).join(' ')}' files=${command.arguments.some(isFile) ? '-f' : "''"} ;;`,
    );
    return `${name}() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]} words files
  compopt -o filenames 2>/dev/null
  case $before in
${cases.join('\n')}
  esac
  case \${COMP_WORDS[1]} in
${commands.join('\n')}
    *) words='${[...program.commands.map((command) => command.name), ...namesOf(program)].join(' ')}' files='' ;;
  esac
  # shellcheck disable=SC2086
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word"; [[ -n $files ]] && compgen $files -- "$word")
}
complete -F ${name} ${program.name}
`;
  });
  return `# Completion of bash for ${programs.map(({ name }) => name).join(' and ')}; made by packaging/write-manual.ts.\n\n${functions.join('\n')}`;
}

function quoted(words: string): string {
  return `'${words.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

function fishOption(program: string, condition: string, option: CommandOption): string {
  const { short, long, value, choices, description } = option;
  const follows =
    value === ''
      ? ''
      : isFile(option)
        ? ' -r -F'
        : ` -x${choices.length > 0 ? ` -a ${quoted(choices.join(' '))}` : ''}`;
  const names = `${short === '' ? '' : ` -s ${short.slice(1)}`}${long === '' ? '' : ` -l ${long.slice(2)}`}`;
  return `complete -c ${program}${condition}${names}${follows} -d ${quoted(description)}`;
}

/** A script for fish, in one file for all programs. */
export function fishCompletion(programs: readonly CommandTree[]): string {
  const lines = programs.flatMap((program) => [
    `complete -c ${program.name} -f`,
    ...program.options.map((option) => fishOption(program.name, ' -n __fish_use_subcommand', option)),
    ...program.commands.flatMap((command) => [
      `complete -c ${program.name} -n __fish_use_subcommand -a ${command.name} -d ${quoted(command.description)}`,
      ...command.options.map((option) =>
        fishOption(program.name, ` -n '__fish_seen_subcommand_from ${command.name}'`, option),
      ),
      ...(command.arguments.some(isFile)
        ? [`complete -c ${program.name} -n '__fish_seen_subcommand_from ${command.name}' -F`]
        : []),
    ]),
  ]);
  return `# Completion of fish for ${programs.map(({ name }) => name).join(' and ')}; made by packaging/write-manual.ts.\n${lines.join('\n')}\n`;
}

/** `:value:what completes it`, as `_arguments` of zsh takes it. */
function zshValue(option: CommandOption): string {
  const { value, choices } = option;
  const action = choices.length > 0 ? `(${choices.join(' ')})` : isFile(option) ? '_files' : ' ';
  return `:${value.slice(1, -1).replaceAll(':', '\\:')}:${action}`;
}

function zshOption(option: CommandOption): string {
  const { short, long, value, description } = option;
  const names = [short, long].filter((name) => name !== '');
  // One with a value may come again, as --hook does.
  const before = value === '' ? `(${names.join(' ')})` : '*';
  const either = names.length === 1 ? names.join('') : `{${names.join(',')}}`;
  const words = description.replaceAll(/[\\[\]]/g, (character) => `\\${character}`);
  return `${quoted(before)}${either}${quoted(`[${words}]${value === '' ? '' : zshValue(option)}`)}`;
}

/** The call of `_arguments` for a program or one of its commands. */
function zshArguments(
  { options, arguments: words }: CommandTree,
  indent: string,
  more: readonly string[] = [],
): string {
  const [short = '', long = ''] = HELP;
  const help = { flags: '', short, long, value: '', description: 'display help', fallback: '', choices: [] };
  const places = words.map((word) => quoted(`${word.flags.startsWith('[') ? ':' : ''}${zshValue(word)}`));
  const lines = [...[...options, help].map(zshOption), ...places, ...more.map(quoted)];
  return `_arguments${more.length > 0 ? ' -C' : ''}${lines.map((line) => ` \\\n${indent}  ${line}`).join('')}`;
}

/** A function file of zsh, in one file for all programs; its name is `_` and that of the first. */
export function zshCompletion(programs: readonly CommandTree[]): string {
  const cases = programs.map((program) => {
    const { name, commands } = program;
    if (commands.length === 0) return `  ${name})\n    ${zshArguments(program, '    ')}\n    ;;`;
    const described = commands.map((command) => `        ${quoted(`${command.name}:${command.description}`)}`);
    const each = commands.map(
      (command) => `        ${command.name})\n          ${zshArguments(command, '          ')}\n          ;;`,
    );
    return `  ${name})
    local curcontext=$curcontext state line
    local -A opt_args
    ${zshArguments(program, '    ', [': :->command', '*:: :->words'])} && return
    case $state in
    command)
      local -a commands=(
${described.join('\n')}
      )
      _describe command commands
      ;;
    words)
      case $words[1] in
${each.join('\n')}
      esac
      ;;
    esac
    ;;`;
  });
  const names = programs.map(({ name }) => name);
  return `#compdef ${names.join(' ')}
# Completion of zsh for ${names.join(' and ')}; made by packaging/write-manual.ts.
case $service in
${cases.join('\n')}
esac
`;
}
