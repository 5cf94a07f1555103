/**
 * Columns of text for a terminal: numbers to the right, words to the left.
 *
 * ```
 *   fits                      too wide: columns that do not fit follow below, beside the first column again
 *   hook  seen  dropped       hook  seen
 *   x        1        0       x        1
 *                                                  a word column that alone is too wide goes on in the next line
 *                             hook  dropped
 *                             x           0
 * ```
 * Rule: what stands in a cell may have come from a hook, and reaches the terminal without its control characters. Nothing is cut
 * off, and no line is longer than the terminal, which would break it anywhere.
 *
 * @module
 */

import { printable } from '../telemetry/printable.ts';

/** A cell; numbers are grouped by thousands. */
export type Cell = string | number;

const GAP = '  ';
/** A column is not made narrower than this, in characters; on a narrower terminal its lines break. */
const LEAST_WIDTH = 12;

/** Width of the terminal behind a stream; without end where it is none, since whoever reads that wants whole lines. */
export function widthOf(stream: NodeJS.WriteStream): number {
  return stream.isTTY === true && stream.columns > 0 ? stream.columns : Number.POSITIVE_INFINITY;
}

/**
 * The rows as lines, the first of `rows` being the head.
 *
 * @param width - most characters in a line
 */
export function table(rows: readonly (readonly Cell[])[], width = Number.POSITIVE_INFINITY): string {
  const texts = rows.map((row) =>
    row.map((cell) => (typeof cell === 'number' ? cell.toLocaleString('en-US') : printable(cell))),
  );
  const columns = (texts[0] ?? []).map((_head, column): Column => {
    const cells = texts.map((row) => row[column] ?? '');
    const isNumeric = rows.slice(1).some((row) => typeof row[column] === 'number');
    return { cells, width: Math.max(...cells.map(({ length }) => length)), isNumeric };
  });
  const [first, ...others] = columns;
  if (first === undefined) return '';
  const head = { ...first, width: Math.min(first.width, Math.max(LEAST_WIDTH, width - GAP.length - LEAST_WIDTH)) };
  return groupsThatFit(head, others, width)
    .map((group) => linesOf([head, ...group]))
    .join('\n\n');
}

/** Makes tables of a width. */
export function gridOf(width: number | undefined): (rows: readonly (readonly Cell[])[]) => string {
  return (rows) => table(rows, width);
}

/**
 * A text whose lines have at most `width` characters: longer ones are broken at a space, else after a slash, else anywhere.
 *
 * @param indent - what a line that goes on begins with, beside the spaces that its first line begins with
 */
export function fold(text: string, width: number, indent = '  '): string {
  return text
    .split('\n')
    .map((line) => {
      if (line.length <= width) return line;
      const margin = `${/^ */.exec(line)?.[0] ?? ''}${indent}`;
      const [first = '', ...rest] = wrap(
        line,
        Math.max(LEAST_WIDTH, width),
        Math.max(LEAST_WIDTH, width - margin.length),
      );
      return [first, ...rest.map((part) => `${margin}${part}`)].join('\n');
    })
    .join('\n');
}

interface Column {
  readonly cells: readonly string[];
  readonly width: number;
  readonly isNumeric: boolean;
}

/** Columns side by side as far as there is room for them. */
function groupsThatFit(head: Column, others: readonly Column[], width: number): Column[][] {
  const room = Math.max(LEAST_WIDTH, width - head.width - GAP.length);
  const groups: Column[][] = [[]];
  let used = -GAP.length;
  for (const column of others) {
    // A number is not broken.
    const narrowed = column.isNumeric ? column : { ...column, width: Math.min(column.width, room) };
    if (groups.at(-1)?.length !== 0 && used + GAP.length + narrowed.width > room) {
      groups.push([]);
      used = -GAP.length;
    }
    groups.at(-1)?.push(narrowed);
    used += GAP.length + narrowed.width;
  }
  return groups;
}

function linesOf(columns: readonly Column[]): string {
  const rows = columns[0]?.cells ?? [];
  return rows
    .flatMap((_cell, row) => {
      const cells = columns.map(({ cells, width }) => wrap(cells[row] ?? '', width));
      const height = Math.max(...cells.map(({ length }) => length));
      return Array.from({ length: height }, (_, line) =>
        columns
          .map(({ width, isNumeric }, column) => {
            const text = cells[column]?.[line] ?? '';
            return isNumeric ? text.padStart(width) : text.padEnd(width);
          })
          .join(GAP)
          .trimEnd(),
      );
    })
    .join('\n');
}

/** The lines of a text; spaces at its beginning, which indent, stay. */
function wrap(text: string, width: number, nextWidth = width): string[] {
  if (text.length <= width) return [text];
  const at = breakOf(text, width);
  return [text.slice(0, at).trimEnd(), ...wrap(text.slice(at).trimStart(), nextWidth)];
}

/** Where a text that is too long goes on in the next line. */
function breakOf(text: string, width: number): number {
  const space = text.lastIndexOf(' ', width);
  // A space that indents is no place to break at.
  if (space > 0 && text.slice(0, space).trim() !== '') return space;
  const slash = text.lastIndexOf('/', width - 1);
  return slash > 0 ? slash + 1 : width;
}
