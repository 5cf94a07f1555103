/**
 * Where the options of a hook stand in the configuration file, so that an error about one of them can name the line.
 *
 * Floor 1. Rule: what is not in the map is told with the line of what it is missing in, so the map may end at its bound.
 *
 * @module
 */

import { type Document, isAlias, isMap, isScalar, isSeq, type LineCounter, type Node } from 'yaml';

/** Where the options of a hook stand. */
export interface OptionPlaces {
  readonly file: string;
  /** Line of each value, by its path within the options: a JSON text of the keys. That of `[]` is the line of the hook's entry. */
  readonly lines: Readonly<Record<string, number>>;
}

/** Lines that are noted of one hook: lists of thousands of values need no line each. */
const MOST_LINES = 1000;
const MOST_DEPTH = 16;

/**
 * The places of the options of the hook at `index` of `hooks`.
 *
 * @param file - as it is named in messages
 */
export function optionPlaces(document: Document, counter: LineCounter, index: number, file: string): OptionPlaces {
  const lines: Record<string, number> = {};
  let count = 0;
  const note = (path: readonly string[], node: unknown): void => {
    const at = (node as Node | null | undefined)?.range?.[0];
    if (at === undefined || count === MOST_LINES) return;
    count += 1;
    lines[JSON.stringify(path)] = counter.linePos(at).line;
  };
  const walk = (path: readonly string[], node: unknown): void => {
    if (path.length === MOST_DEPTH) return;
    const value = isAlias(node) ? node.resolve(document) : node;
    if (isMap(value)) {
      for (const { key, value: inner } of value.items) {
        if (!isScalar(key)) continue;
        const inside = [...path, String(key.value)];
        note(inside, key);
        walk(inside, inner);
      }
    } else if (isSeq(value)) {
      for (const [place, inner] of value.items.entries()) {
        const inside = [...path, String(place)];
        note(inside, inner);
        walk(inside, inner);
      }
    }
  };
  const entry = document.getIn(['hooks', index], true);
  note([], entry);
  walk([], isMap(entry) ? entry.get('options', true) : undefined);
  return { file, lines };
}
