/**
 * What a command prints, made safe on both ends: for the terminal that shows it, and for a reader that goes away.
 *
 * Rule: text that a packet, a hook, a file or a daemon had a part in is printed without control characters. A reader that
 * has seen enough (`| head -1`) ends nothing but the printing; a full disk behind a redirection is one line and exit code 1.
 *
 * @module
 */

import { FirehookError } from '../errors.ts';
import { printable } from '../telemetry/printable.ts';
import { fail } from './fail.ts';

/** The text with its lines and tabs, and every other control character in a visible form. */
export function printableLines(text: string): string {
  return text
    .split(/([\n\t])/)
    .map((part) => (part === '\n' || part === '\t' ? part : printable(part)))
    .join('');
}

/** For the commands that print and end, not for a daemon: call once, before anything is printed. */
export function outliveReaders(program: string): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // The command goes on to its end, which may have to clean up, and has its own exit code.
    if (error.code === 'EPIPE') return;
    fail(program, new FirehookError('FIREHOOK_PRINT', error.message, { cause: error }));
  });
  // There is nobody left to tell.
  process.stderr.on('error', () => undefined);
}
