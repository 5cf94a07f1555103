/**
 * "Did you mean": the known word that a mistyped one was probably meant to be.
 *
 * @module
 */

/** Two slips of the finger; more and a suggestion is a guess. */
const MAX_DISTANCE = 2;
/** Longer words than this are no slip of any that is known. */
const MAX_LENGTH = 32;

/** The word of `known` that is nearest to `typed`; undefined where none is near. O(length squared) for each known word. */
export function closest(typed: string, known: Iterable<string>): string | undefined {
  if (typed.length > MAX_LENGTH) return undefined;
  let best: string | undefined;
  let least = Math.min(MAX_DISTANCE, typed.length >> 1) + 1;
  for (const word of known) {
    const distance = distanceOf(typed.toLowerCase(), word);
    if (distance >= least) continue;
    best = word;
    least = distance;
  }
  return best;
}

/** How many letters have to be put in, taken out or changed (Levenshtein). */
function distanceOf(from: string, to: string): number {
  let above = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row++) {
    const own = [row];
    for (let column = 1; column <= to.length; column++) {
      const changed = (above[column - 1] ?? 0) + (from[row - 1] === to[column - 1] ? 0 : 1);
      own.push(Math.min(changed, (above[column] ?? 0) + 1, (own[column - 1] ?? 0) + 1));
    }
    above = own;
  }
  return above[to.length] ?? 0;
}
