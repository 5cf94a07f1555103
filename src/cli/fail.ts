/**
 * How a command ends when it cannot do its work: one line on standard error, and the exit code that scripts branch on.
 *
 * ```
 *   firehook: error [FIREHOOK_CONTROL_UNREACHABLE]: no daemon answers: ...             for people
 *   {"error":"no daemon answers: ...","code":"FIREHOOK_CONTROL_UNREACHABLE","exitCode":3}      with --json
 * ```
 * Rule: every error has one of the codes of `docs/errors.md`, also wrong usage and what nobody expected.
 * Exit codes: 0 ok, 1 failed, 2 usage or config, 3 daemon unreachable, 4 permission.
 *
 * @module
 */

import { styleText } from 'node:util';
import { type Command, CommanderError } from 'commander';
import { FirehookError, isFirehookError } from '../errors.ts';
import { printable, printableJson } from '../telemetry/printable.ts';

/** Exit code for wrong usage. */
const USAGE = 2;

/** How {@link fail} says it. */
export interface FailOptions {
  /** Makes the line, its newline included. By default it is for people, and for scripts where `--json` was asked for. */
  readonly line?: (error: FirehookError) => string;
  /** Takes the line; by default it goes to standard error. */
  readonly write?: (line: string) => void;
}

/** Writes what went wrong as one line and ends the process. */
export function fail(program: string, error: unknown, options: FailOptions = {}): never {
  // The help was asked for, or it is the answer to a command line without a command. Either way it has been printed.
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : USAGE);
  const known = asFirehookError(error);
  // Not from the parsed options: wrong usage ends before they are known.
  const isJson = process.argv.includes('--json');
  const line = options.line?.(known) ?? (isJson ? errorJson(known) : errorLine(program, known));
  if (options.write === undefined) process.stderr.write(line);
  else options.write(line);
  process.exit(known.exitCode);
}

/** The line of an error for people, its newline included. */
export function errorLine(program: string, error: unknown): string {
  const { code, message } = asFirehookError(error);
  return `${paint('red', `${program}: error`)} [${code}]: ${printable(message)}\n`;
}

/** The line of an error for a script that asked for `--json`, its newline included. */
function errorJson({ message, code, exitCode }: FirehookError): string {
  return `${printableJson(JSON.stringify({ error: message, code, exitCode }))}\n`;
}

/** An error of firehook as it is; of any other the message, and the place it comes from. */
function asFirehookError(error: unknown): FirehookError {
  if (isFirehookError(error)) return error;
  if (!(error instanceof Error)) return new FirehookError('FIREHOOK_INTERNAL', String(error));
  const place = /\n\s+at (.*)/.exec(error.stack ?? '')?.[1];
  const detail = `${error.name}: ${error.message}${place === undefined ? '' : ` (at ${place})`}`;
  return new FirehookError('FIREHOOK_INTERNAL', detail, { cause: error });
}

/**
 * Has wrong usage of a command end as every other error does; commander would print a line of its own form.
 *
 * @param name - as it is called, for the advice: `firehook status`
 */
export function refuseWrongUsage(command: Command, name: string): Command {
  return command.configureOutput({ outputError: () => undefined }).exitOverride((error) => {
    // Help and version; and the help that answers a command line without a command.
    if (error.exitCode === 0 || error.code === 'commander.help') throw error;
    const detail = error.message
      .replace(/^error: /, '')
      .replaceAll(/\s*\n\s*/g, ' ')
      .replace(/\.$/, '');
    throw new FirehookError('FIREHOOK_USAGE', detail, { advice: `see ${name} --help`, cause: error });
  });
}

/** Text in a style where `stream` is a terminal that wants colours, plain elsewhere. */
export function paint(
  style: 'red' | 'yellow' | 'green' | 'bold' | 'dim',
  text: string,
  stream: NodeJS.WriteStream = process.stderr,
): string {
  const wantsColour = stream.isTTY === true && (process.env['NO_COLOR'] ?? '') === '';
  return wantsColour ? styleText(style, text, { validateStream: false }) : text;
}
