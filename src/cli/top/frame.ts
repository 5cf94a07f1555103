/**
 * What is written to a terminal for one frame: as many lines as it has, none longer than it is wide.
 *
 * ```
 *   cursor to the corner │ line, rest of the row erased │ ... │ everything below erased         one write, so that nothing flickers
 * ```
 * Rule: pure; and nothing in a line moves the cursor, because {@link Line} texts hold no control characters. Wrapping is off while frames are
 * shown: a character that is wider than one column costs the end of its line, never the frame.
 *
 * @see console_codes(4); ECMA-48, 8.3.39 (ED), 8.3.41 (EL), 8.3.21 (CUP)
 * @module
 */

import { styleText } from 'node:util';
import { printable } from '../../telemetry/printable.ts';
import type { KeyState } from './keys.ts';
import type { Line } from './screen.ts';

/** Room of a terminal. */
export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** Other screen; no wrapping; no cursor. */
export const ENTER = '\x1b[?1049h\x1b[?7l\x1b[?25l';
/** What {@link ENTER} did is undone; styles too. */
export const LEAVE = '\x1b[0m\x1b[?25h\x1b[?7h\x1b[?1049l';

/**
 * The lines that there is room for.
 *
 * @returns with the lines, how many are above: not more than leave something to see
 */
export function visibleLines(
  lines: readonly Line[],
  { sorting: _, ...state }: KeyState,
  { columns, rows }: Size,
): [Line[], number] {
  const asks =
    state.typed === null ? state.message : `seconds from one look to the next (now ${state.delay}): ${state.typed}`;
  const room = Math.max(1, rows - (asks === '' ? 0 : 1));
  const above = Math.max(0, Math.min(state.above, lines.length - room));
  const below = lines.length - above - room;
  const shown = lines.slice(above, above + room);
  if (below > 0 && shown.length > 1)
    shown[shown.length - 1] = { text: `... ${below + 1} more lines: down`, style: 'dim' };
  if (asks !== '') {
    while (shown.length < room) shown.push({ text: '', style: 'plain' });
    shown.push({ text: asks, style: 'bold' });
  }
  return [shown.map((line) => ({ ...line, text: cut(line.text, columns) })), above];
}

/** The octets of a frame. */
export function frameOf(lines: readonly Line[], hasColours: boolean): string {
  return `\x1b[H${lines.map((line) => `${styled(line, hasColours)}\x1b[K`).join('\r\n')}\x1b[J`;
}

/** A line with its style, where there are styles. */
export function styled({ text, style }: Line, hasColours: boolean): string {
  const safe = printable(text);
  return hasColours && style !== 'plain' && safe !== '' ? styleText(style, safe, { validateStream: false }) : safe;
}

function cut(text: string, columns: number): string {
  const characters = [...text];
  return characters.length <= columns ? text : characters.slice(0, columns).join('');
}
