/**
 * The keys of `firehook top`, as in top(1): what each does to what is shown.
 *
 * ```
 *   q, Ctrl-C  end        space, Enter  look at once       h, ?  help        s, d  other interval: digits, then Enter; Esc leaves it
 *   <, >       the column that hooks are sorted by         R     the other way round
 *   up, down, PgUp, PgDn, Home   other lines               Ctrl-Z  stop, until fg
 * ```
 * Rule: pure. What a key asks for that is not on the screen is said by the action that comes with the state.
 *
 * @module
 */

import { type Line, SORT_COLUMNS, type Sorting } from './screen.ts';

/** Seconds from one look to the next. */
export const LEAST_DELAY = 0.1;
export const MOST_DELAY = 3600;

/** What keys have led to. */
export interface KeyState {
  readonly sorting: Sorting;
  readonly delay: number;
  /** Lines that are above the screen. */
  readonly above: number;
  readonly isHelp: boolean;
  /** What has been typed of a new interval; null while none is asked for. */
  readonly typed: string | null;
  /** Why what was typed was not taken; '' for nothing to say. */
  readonly message: string;
}

/** What has to be done. */
export type KeyAction = 'none' | 'draw' | 'look' | 'quit' | 'stop';

/** Where the keys begin. */
export function initialState(delay: number): KeyState {
  return { sorting: { column: 'order', isReversed: false }, delay, above: 0, isHelp: false, typed: null, message: '' };
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that a terminal sends.
const KEYS = /\x1b\[[0-9;]*[A-Za-z~]|\x1bO[A-Za-z]|./gsu;

/** The keys in what a terminal sends: a sequence that begins with Esc is one key. */
export function splitKeys(text: string): string[] {
  return text.match(KEYS) ?? [];
}

const PAGE = 10;
const SCROLLS: Readonly<Record<string, number>> = {
  '\x1b[A': -1,
  '\x1bOA': -1,
  '\x1b[B': 1,
  '\x1bOB': 1,
  '\x1b[5~': -PAGE,
  '\x1b[6~': PAGE,
  '\x1b[H': Number.NEGATIVE_INFINITY,
  '\x1bOH': Number.NEGATIVE_INFINITY,
};

/** What a key makes of a state. A key that means nothing changes nothing. */
export function press(state: KeyState, key: string): [state: KeyState, action: KeyAction] {
  if (key === '\x03') return [state, 'quit'];
  if (key === '\x1a') return [state, 'stop'];
  if (state.typed !== null) return type({ ...state, typed: state.typed }, key);
  const quiet = { ...state, message: '' };
  if (state.isHelp) return key === 'q' ? [quiet, 'quit'] : [{ ...quiet, isHelp: false }, 'draw'];
  const scroll = SCROLLS[key];
  if (scroll !== undefined) return [{ ...quiet, above: Math.max(0, quiet.above + scroll) }, 'draw'];
  switch (key) {
    case 'q':
      return [quiet, 'quit'];
    case ' ':
    case '\r':
    case '\n':
      return [quiet, 'look'];
    case 'h':
    case '?':
      return [{ ...quiet, isHelp: true }, 'draw'];
    case 's':
    case 'd':
      return [{ ...quiet, typed: '' }, 'draw'];
    case '<':
      return [{ ...quiet, sorting: moved(quiet.sorting, -1) }, 'draw'];
    case '>':
      return [{ ...quiet, sorting: moved(quiet.sorting, 1) }, 'draw'];
    case 'R':
      return [{ ...quiet, sorting: { ...quiet.sorting, isReversed: !quiet.sorting.isReversed } }, 'draw'];
    default:
      return [state, 'none'];
  }
}

/** A key while an interval is typed. */
function type(state: KeyState & { readonly typed: string }, key: string): [KeyState, KeyAction] {
  const { typed } = state;
  if (key === '\x1b') return [{ ...state, typed: null }, 'draw'];
  if (key === '\x7f' || key === '\b') return [{ ...state, typed: typed.slice(0, -1) }, 'draw'];
  if (key === '\r' || key === '\n') {
    if (typed === '') return [{ ...state, typed: null }, 'draw'];
    const delay = parseDelay(typed);
    if (delay === null) return [{ ...state, typed: null, message: `${typed}: not taken, ${DELAY_EXPECTED}` }, 'draw'];
    return [{ ...state, typed: null, delay }, 'look'];
  }
  if (/^[0-9.]$/.test(key) && typed.length < 8) return [{ ...state, typed: typed + key }, 'draw'];
  return [state, 'none'];
}

/** What {@link parseDelay} takes. */
export const DELAY_EXPECTED: string = `an interval is ${LEAST_DELAY} to ${MOST_DELAY} seconds`;

/** Seconds, or null where the text is none that is allowed. */
export function parseDelay(text: string): number | null {
  const seconds = /^(?:\d+(?:\.\d*)?|\.\d+)$/.test(text) ? Number(text) : Number.NaN;
  return seconds >= LEAST_DELAY && seconds <= MOST_DELAY ? seconds : null;
}

function moved(sorting: Sorting, by: number): Sorting {
  const place = SORT_COLUMNS.indexOf(sorting.column) + by;
  return { ...sorting, column: SORT_COLUMNS[Math.min(Math.max(place, 0), SORT_COLUMNS.length - 1)] ?? 'order' };
}

/** The lines of the help. */
export function helpLines(state: KeyState): Line[] {
  const { column, isReversed } = state.sorting;
  const rows: [keys: string, does: string][] = [
    ['q, Ctrl-C', 'end'],
    ['space, Enter', 'look at once'],
    ['s or d', `other interval; now ${state.delay} s`],
    ['<  >', `sort the hooks by another column; now ${column}${isReversed ? ', reversed' : ''}`],
    ['R', 'sort the other way round'],
    ['up, down, PgUp, PgDn, Home', 'other lines, where there are more than the screen has'],
    ['Ctrl-Z', 'stop; fg goes on'],
    ['h, ?', 'this help'],
  ];
  return [
    { text: 'firehook top - keys', style: 'bold' },
    { text: '', style: 'plain' },
    ...rows.map(([keys, does]): Line => ({ text: `  ${keys.padEnd(26)}  ${does}`, style: 'plain' })),
    { text: '', style: 'plain' },
    { text: 'Any other key leaves the help.', style: 'dim' },
  ];
}
