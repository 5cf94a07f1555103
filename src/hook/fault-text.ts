/**
 * What is said of a hook that returned no verdict.
 *
 * Rule: the value is shown without running any code of whoever made it.
 *
 * @module
 */

/** Characters of a text that a hook returned, in the log. */
const MAX_SHOWN = 40;

/** HELD is a verdict of `packet.hold` alone. */
export const NOT_HELD = 'returned HELD, and packet.hold() had not returned it';

/** Why a value is no verdict. */
export function noVerdict(value: unknown): string {
  if (typeof value === 'object' && value !== null && 'then' in value)
    return 'returned a promise; a hook gives its verdict before it returns';
  return `returned ${shown(value)}, which is no verdict`;
}

/** A value in a few words. Runs no code of whoever made it. */
function shown(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value.slice(0, MAX_SHOWN));
    case 'object':
      return value === null ? 'null' : 'an object';
    case 'function':
      return 'a function';
    default:
      return String(value);
  }
}
