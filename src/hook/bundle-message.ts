/**
 * What esbuild says, in the words of a hook's author: one line with file, line and column.
 *
 * Floor 2. Rule: no line of a file is quoted. esbuild itself is not needed here; lanes use this too.
 *
 * @module
 */

import { readdirSync } from 'node:fs';
import path from 'node:path';
import type { Message } from 'esbuild';
import { closestKey } from '../config/closest-key.ts';
import type { HookModuleNames } from './contract.ts';
import { forbidden } from './may-read.ts';

/**
 * One line in the words of a hook's author.
 *
 * @param file - the hook
 * @param user - who reads
 */
export function describeMessage(message: Message, file: string, modules: HookModuleNames, user: string): string {
  const at = message.location;
  // What is in no file of its own (a data URL) has a name in angle brackets.
  if (at === null || at.file.startsWith('<')) return `${file}: ${reasonOf(message, '/', modules, user)}`;
  const source = path.resolve(path.dirname(file), at.file);
  // esbuild counts columns from 0, editors from 1.
  return `${source}:${at.line}:${at.column + 1}: ${reasonOf(message, path.dirname(source), modules, user)}`;
}

function reasonOf({ id, text }: Message, folder: string, modules: HookModuleNames, user: string): string {
  const noMatch = /^No matching export in "firehook:(.*)" for import "(.*)"/.exec(text);
  const isUndefined =
    /^Import "(.*)" will always be undefined because there is no matching export in "firehook:(.*)"/.exec(text);
  const module = noMatch?.[1] ?? isUndefined?.[2];
  const name = noMatch?.[2] ?? isUndefined?.[1];
  if (module !== undefined && name !== undefined) return missingName(module, name, modules);
  const missing = /^Could not resolve "(.*)"/.exec(text)?.[1];
  if (missing !== undefined) return missingFile(missing, folder, user);
  if (text.startsWith('Top-level await')) return 'top-level await is not possible in a hook; await in setup';
  if (id === 'empty-import-meta') {
    return 'import.meta is not available in a hook; runtime.resolvePath in setup finds files';
  }
  return text;
}

/** What is not there, or in a folder that may not be looked into. */
function missingFile(missing: string, folder: string, user: string): string {
  const isFile = missing.startsWith('.') || path.isAbsolute(missing);
  if (!isFile) return `cannot find '${missing}': install it beside the hook: npm install ${packageOf(missing)}`;
  const where = path.dirname(path.resolve(folder, missing));
  try {
    readdirSync(where);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EACCES') {
      return `cannot find '${missing}': ${where}: ${forbidden(where, user, true)}`;
    }
  }
  return `cannot find '${missing}'`;
}

/** `@scope/name/file` belongs to the package `@scope/name`. */
export function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

/** What is said of a name that a module of firehook does not have. */
export function missingName(module: string, name: string, modules: HookModuleNames): string {
  const other = Object.keys(modules).find((one) => modules[one]?.includes(name));
  if (other !== undefined) return `${module} has no ${name}; ${other} has it`;
  const near = closestKey(name, modules[module] ?? []);
  return `${module} has no ${name}${near === undefined ? '' : `; did you mean ${near}?`}`;
}
