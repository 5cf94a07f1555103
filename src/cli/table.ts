/**
 * Columns of text for a terminal: numbers to the right, words to the left.
 *
 * Rule: what stands in a cell may have come from a hook, and reaches the terminal without its control characters.
 *
 * @module
 */

import { printable } from '../telemetry/printable.ts';

/** A cell; numbers are grouped by thousands. */
export type Cell = string | number;

/** The rows as lines, the first of `rows` being the head. */
export function table(rows: readonly (readonly Cell[])[]): string {
  const texts = rows.map((row) =>
    row.map((cell) => (typeof cell === 'number' ? cell.toLocaleString('en-US') : printable(cell))),
  );
  const widths = (texts[0] ?? []).map((_head, column) => Math.max(...texts.map((row) => row[column]?.length ?? 0)));
  const isNumeric = widths.map((_width, column) => rows.slice(1).some((row) => typeof row[column] === 'number'));
  return texts
    .map((row) =>
      row
        .map((text, column) => {
          const width = widths[column] ?? 0;
          return isNumeric[column] === true ? text.padStart(width) : text.padEnd(width);
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
