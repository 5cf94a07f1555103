/**
 * A soak as text: a table of what was followed, a line of what was counted for each cell, and the verdict.
 *
 * @module
 */

import { show } from '../rounds.ts';
import { type CellRecord, summarise } from './soak-verdict.ts';

/** The text. */
export function showRecords(cells: readonly CellRecord[], complaints: readonly string[]): string {
  const verdict =
    complaints.length === 0
      ? 'Memory is flat, no descriptor and no process is left over, and the ledger closes.'
      : `Not well:\n${complaints.map((sentence) => `- ${sentence}`).join('\n')}`;
  return [tableOf(cells), ...cells.map(counted), verdict].join('\n\n');
}

/** A table in Markdown; memory in MiB, the slope an hour over the last two thirds. */
function tableOf(cells: readonly CellRecord[]): string {
  const rows = cells
    .flatMap(summarise)
    .map(
      ({ cell, track, first, median, last, most, slope, complaint }) =>
        `| ${cell} | ${track} | ${show(first)} | ${show(median)} | ${show(last)} | ${show(most)} | ${slope.toFixed(2)} | ${complaint === null ? '' : 'no'} |`,
    );
  return [
    '| cell | what | first | median | last | most | slope an hour | flat |',
    '|---|---|---:|---:|---:|---:|---:|---|',
    ...rows,
  ].join('\n');
}

function counted(cell: CellRecord & { readonly end?: object }): string {
  const last = cell.looks.findLast(({ told }) => told !== null)?.told;
  if (last === null || last === undefined) return `${cell.name}: nothing was told`;
  const { problems: _, ...numbers } = last;
  const said = Object.entries(numbers).map(([name, value]) => `${name} ${value}`);
  return `${cell.name}, ${cell.looks.length} looks: ${said.join(', ')}\n  ${JSON.stringify(cell.end ?? {})}`;
}
