/**
 * "Did you mean": the known key that a mistyped one was probably meant to be.
 *
 * Floor 1. Used where a person types keys by hand: the configuration and the definition of a hook. Control plane only.
 *
 * @module
 */

/** Two slips of the finger; more and a suggestion is a guess. */
const MAX_DISTANCE = 2;

/**
 * Finds the key of `known` that is nearest to `typed`, upper and lower case taken as equal.
 *
 * @returns the key, or undefined where none is near enough. O(length squared) for each known key.
 */
export function closestKey(typed: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.min(MAX_DISTANCE, Math.floor(typed.length / 2)) + 1;
  for (const key of known) {
    const distance = editDistance(typed.toLowerCase(), key.toLowerCase());
    if (distance < bestDistance) {
      best = key;
      bestDistance = distance;
    }
  }
  return best;
}

/** Levenshtein distance, one row of the table at a time. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= to.length; j += 1) {
      const substituted = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(substituted, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
