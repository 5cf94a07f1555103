/**
 * Names of npm packages, and the module of a package that a text names: `@scope/name/strict` is `./strict` of `@scope/name`.
 *
 * Floor 1. Rule: names are those that npm lets anybody publish today; it touches no file.
 *
 * @see https://docs.npmjs.com/cli/configuring-npm/package-json#name
 * @module
 */

import { isBuiltin } from 'node:module';

/** Most characters of a name, its scope included. */
const MAX_LENGTH = 214;

const PART = '[a-z0-9][a-z0-9._-]*';
const NAME = new RegExp(`^(?:@${PART}/)?${PART}$`);
const ENTRY = new RegExp(`^((?:@${PART}/)?${PART})((?:/[^/]+)*)$`);

/** Names that npm refuses to publish. */
const RESERVED = new Set(['node_modules', 'favicon.ico']);

/** A module of a package. */
export interface PackageEntry {
  /** `firehook-hook-foo` or `@scope/foo`. */
  readonly name: string;
  /** `.` or `./strict`: a key of `exports` in its package.json, or a file of it where it has no `exports`. */
  readonly subpath: string;
}

/** The module that a text names; null where it cannot be one: it starts with a dot or a slash, or has characters that no name has. */
export function parsePackageEntry(text: string): PackageEntry | null {
  const [, name = '', rest = ''] = ENTRY.exec(text) ?? [];
  const steps = rest.split('/');
  if (name === '' || name.length > MAX_LENGTH || RESERVED.has(name) || steps.includes('.') || steps.includes('..'))
    return null;
  return { name, subpath: `.${rest}` };
}

/** What is wrong with a name of a new package; '' where nothing is. */
export function packageNameProblem(name: string): string {
  if (name.length > MAX_LENGTH) return `has ${name.length} characters; npm takes at most ${MAX_LENGTH}`;
  if (!NAME.test(name)) {
    return 'is no name of an npm package; expected small letters, digits, dots, dashes and underscores, for example firehook-hook-telnet or @me/telnet';
  }
  if (RESERVED.has(name) || isBuiltin(name)) return 'is a name that npm or Node.js keeps for itself';
  return '';
}
