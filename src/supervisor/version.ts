/**
 * The version of this installation, as its package says.
 *
 * @module
 */

import { readFileSync } from 'node:fs';

/** For `--version`, `status` and reports. */
export const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};
