/**
 * How a command ends when it cannot do its work: one line on standard error, and the exit code that scripts branch on.
 *
 * 0 ok, 1 failed, 2 usage or config, 3 daemon unreachable, 4 permission.
 *
 * @module
 */

import { styleText } from 'node:util';
import { CommanderError } from 'commander';
import { isFirehookError } from '../errors.ts';
import { printable } from '../telemetry/printable.ts';

/** Exit code for wrong usage. */
export const USAGE = 2;

/**
 * Writes what went wrong as one line and ends the process.
 *
 * @param write - takes the line; by default it goes to standard error
 */
export function fail(
  program: string,
  error: unknown,
  write: (line: string) => void = (line) => void process.stderr.write(line),
): never {
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : USAGE);
  write(`${paint('red', `${program}:`)} ${printable(messageOf(error))}\n`);
  process.exit(isFirehookError(error) ? error.exitCode : 1);
}

/** Of an error that nobody expected also the place it comes from, still in one line. */
function messageOf(error: unknown): string {
  if (isFirehookError(error)) return error.message;
  if (!(error instanceof Error)) return String(error);
  const place = /\n\s+at (.*)/.exec(error.stack ?? '')?.[1];
  return `${error.name}: ${error.message}${place === undefined ? '' : ` (at ${place})`}`;
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
