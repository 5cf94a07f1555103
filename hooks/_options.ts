/**
 * Reading the `options` of a stock hook: every value is checked, and a bad one is refused with one exact line.
 *
 * Not a hook: the leading underscore keeps it out of a folder that is loaded as hooks. A hook module is bundled, so it
 * may import this file. Rule: nothing is guessed; an unknown key is as wrong as a bad value.
 *
 * @module
 */

import type { StandardSchema } from 'firehook';

/** What is wrong with one option. */
class OptionError extends Error {
  readonly key: string;
  readonly problem: string;

  constructor(key: string, problem: string) {
    super(`${key}: ${problem}`);
    this.key = key;
    this.problem = problem;
  }
}

/**
 * A schema of options, for `options` of a definition: the keys that are known, and what makes the values of them.
 *
 * @param known - every key
 * @param read - throws what {@link optionError} makes
 */
export function optionsOf<Key extends string, Values>(
  known: readonly Key[],
  read: (values: OptionValues<Key>) => Values,
): StandardSchema<Values> {
  return {
    '~standard': {
      version: 1,
      vendor: 'firehook',
      validate: (options) => {
        try {
          return { value: read(readOptions(options, known)) };
        } catch (error) {
          if (!(error instanceof OptionError)) throw error;
          return { issues: [{ message: error.problem, path: [error.key] }] };
        }
      },
    },
  };
}

/** The options of a hook after their keys were checked; the values are not checked yet. */
export type OptionValues<Key extends string> = Readonly<Partial<Record<Key, unknown>>>;

/**
 * Checks that `options` is a mapping with known keys only. No options at all counts as an empty mapping.
 *
 * @throws Error when `options` is something else or has a key that is not in `known`
 */
function readOptions<Key extends string>(options: unknown, known: readonly Key[]): OptionValues<Key> {
  const values = options ?? {};
  if (typeof values !== 'object' || Array.isArray(values)) throw optionError('options', values, 'a mapping');
  for (const key of Object.keys(values)) {
    if (known.some((name) => name === key)) continue;
    throw wrongOption(key, `unknown option; expected ${known.length === 0 ? 'none' : known.join(', ')}`);
  }
  return values as OptionValues<Key>;
}

/** The error for a bad or missing value, in one line: the key, the value and what was expected. */
export function optionError(key: string, value: unknown, expected: string): Error {
  const problem = value === undefined ? 'is missing' : `${JSON.stringify(value)} is not valid`;
  return wrongOption(key, `${problem}; expected ${expected}`);
}

/** The error for an option that is wrong for another reason than its value alone. */
export function wrongOption(key: string, problem: string): Error {
  return new OptionError(key, problem);
}

/**
 * An integer from `minimum` to `maximum`, both included.
 *
 * @throws Error when `value` is anything else
 */
export function readInteger(key: string, value: unknown, minimum: number, maximum: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= minimum && value <= maximum) return value;
  throw optionError(key, value, `an integer from ${minimum} to ${maximum}`);
}

/**
 * One of `choices`; `fallback`, where there is one, when the option is not given.
 *
 * @throws Error when `value` is anything else
 */
export function readChoice<Choice extends string>(
  key: string,
  value: unknown,
  choices: readonly Choice[],
  fallback?: Choice,
): Choice {
  const choice = choices.find((name) => name === (value ?? fallback));
  if (choice === undefined) throw optionError(key, value, choices.join(' or '));
  return choice;
}

/**
 * True or false; false when the option is not given.
 *
 * @throws Error when `value` is anything else
 */
export function readFlag(key: string, value: unknown): boolean {
  if (value === undefined) return false;
  if (typeof value !== 'boolean') throw optionError(key, value, 'true or false');
  return value;
}

/**
 * A string of at least one character.
 *
 * @throws Error when `value` is anything else
 */
export function readText(key: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') throw optionError(key, value, 'a string that is not empty');
  return value;
}
