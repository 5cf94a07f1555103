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

/** Writes what went wrong as one line and ends the process. */
export function fail(program: string, error: unknown): never {
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : USAGE);
  const message = isFirehookError(error)
    ? printable(error.message)
    : error instanceof Error
      ? (error.stack ?? error.message)
      : String(error);
  process.stderr.write(`${paint('red', `${program}:`)} ${message}\n`);
  process.exit(isFirehookError(error) ? error.exitCode : 1);
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
