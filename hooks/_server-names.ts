/**
 * A list of server names: exact ones, and all names within a domain.
 *
 * ```
 *   example.org      that name                    *.example.org    www.example.org, a.b.example.org; not example.org
 * ```
 * Not a hook (leading underscore). Rule: case does not matter, and nothing else is guessed.
 *
 * @module
 */

import { readOptionFile } from './_option-file.ts';
import { optionError } from './_options.ts';

const LABEL = /^[a-z0-9_-]{1,63}$/;
const LONGEST = 253;
const WILDCARD = '*.';

/** Names, looked up by what they end with. */
export class NameList {
  readonly #exact = new Set<string>();
  /** Domains whose inner names are meant. */
  readonly #domains = new Set<string>();

  /** Entries. */
  get size(): number {
    return this.#exact.size + this.#domains.size;
  }

  /** Adds an entry. @returns false where it is none */
  add(entry: string): boolean {
    const text = entry.toLowerCase().replace(/\.$/, '');
    const isDomain = text.startsWith(WILDCARD);
    const name = isDomain ? text.slice(WILDCARD.length) : text;
    if (name.length > LONGEST || !name.split('.').every((label) => LABEL.test(label))) return false;
    (isDomain ? this.#domains : this.#exact).add(name);
    return true;
  }

  /** True for a name, in small letters, that an entry stands for. Cost: O(labels). */
  has(name: string): boolean {
    if (this.#exact.has(name)) return true;
    if (this.#domains.size === 0) return false;
    for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1))
      if (this.#domains.has(name.slice(dot + 1))) return true;
    return false;
  }
}

/** Adds the names of an option. @throws what `optionError` makes, where one of them is none */
export function readNames(names: unknown, list: NameList): void {
  if (!Array.isArray(names)) throw optionError('names', names, 'a list of names');
  for (const name of names as readonly unknown[])
    if (typeof name !== 'string' || !list.add(name))
      throw optionError('names', name, 'a name such as www.example.org, or *.example.org');
}

/** Adds the names of a file: one a line, `#` starts a comment. @throws Error with the line that is none */
export function readNameFile(file: string, path: string, list: NameList): void {
  for (const [index, line] of readOptionFile(file, path).split('\n').entries()) {
    const entry = line.replace(/#.*/, '').trim();
    if (entry !== '' && !list.add(entry))
      throw new Error(`${file}:${index + 1}: ${JSON.stringify(entry)} is not a server name`);
  }
}
