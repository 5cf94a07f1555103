/**
 * Reading a file that an option of a stock hook names.
 *
 * Not a hook (leading underscore). Rule: what cannot be read refuses the hook with one line that names the file as the configuration does.
 *
 * @module
 */

import { readFileSync, statSync } from 'node:fs';

/**
 * The text of a file.
 *
 * @param file - as the option has it
 * @param path - where it is: what `runtime.resolvePath` makes of it
 * @throws Error when it cannot be read, or is no regular file
 */
export function readOptionFile(file: string, path: string): string {
  try {
    // A named pipe would be waited for.
    if (!statSync(path).isFile()) throw new Error('not a regular file');
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'unknown';
    throw new Error(`file: cannot read ${JSON.stringify(file)}: ${reason}`, { cause });
  }
}
