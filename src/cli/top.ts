/**
 * `firehook top`: ways, hooks, flows and drops of a running daemon, moving.
 *
 * ```
 *   control socket ──GET /stats, /hooks, /status──> sample ─┬─ sample before ─> lines ─> frame on the terminal      or, with -b, lines
 *   keys ────────────────────────────────────────────────────┘
 * ```
 * Rule: the terminal is given back however this ends: q, Ctrl-C, a signal, an error. A daemon that goes away is waited for.
 *
 * @module
 */

import type { HooksReport, StatsReport, StatusReport } from '../control/reports.ts';
import { type Sample, sampleOf } from '../control/sample.ts';
import { FirehookError } from '../errors.ts';
import { ask } from './client.ts';
import { DELAY_EXPECTED, initialState, type KeyState, parseDelay } from './top/keys.ts';
import { LiveTerminal } from './top/live-terminal.ts';
import { screenLines } from './top/screen.ts';

/** What the command line says. */
export interface TopOptions {
  readonly socket: string;
  readonly batch?: boolean;
  readonly count?: string;
  readonly delay: string;
}

/**
 * Shows the daemon until it is ended, or so many times.
 *
 * @throws {@link FirehookError} FIREHOOK_USAGE where there is no terminal and no `-b`, FIREHOOK_CONTROL_UNREACHABLE where no daemon answers at the
 * start, with `-b` at any time
 */
export async function top({ socket, batch, count, delay: delayText }: TopOptions): Promise<void> {
  const delay = parseDelay(delayText);
  if (delay === null) throw new FirehookError('FIREHOOK_USAGE', `-d: ${delayText}: ${DELAY_EXPECTED}`);
  if (count !== undefined && !/^[1-9]\d{0,8}$/.test(count))
    throw new FirehookError('FIREHOOK_USAGE', `-n: ${count} is no number of screens`);
  const most = count === undefined ? Number.POSITIVE_INFINITY : Number(count);
  if (batch !== true) refuseWithoutTerminal();
  const first = await look(socket);
  if (batch === true) await printScreens(socket, first, initialState(delay), most);
  else await new LiveTerminal(() => look(socket), initialState(delay), most).run(first);
  process.exit(0);
}

/** The daemon now. @throws FirehookError FIREHOOK_CONTROL_UNREACHABLE */
async function look(socket: string): Promise<Sample> {
  const get = async (path: string): Promise<unknown> => {
    const { status, body } = await ask(socket, 'GET', path);
    if (status === 200) return body;
    throw new FirehookError('FIREHOOK_CONTROL_UNREACHABLE', `${socket}: answered ${status}: ${JSON.stringify(body)}`);
  };
  const [stats, hooks, status] = await Promise.all([get('/stats'), get('/hooks'), get('/status')]);
  try {
    return sampleOf(stats as StatsReport, hooks as HooksReport, status as StatusReport, performance.now());
  } catch (cause) {
    const detail = `${socket}: what answers there is no firehookd of this version`;
    throw new FirehookError('FIREHOOK_CONTROL_UNREACHABLE', detail, { cause });
  }
}

function refuseWithoutTerminal(): void {
  const isDumb = process.env['TERM'] === 'dumb' || (process.env['TERM'] ?? '') === '';
  if (process.stdin.isTTY === true && process.stdout.isTTY === true && !isDumb) return;
  const why = isDumb ? 'the terminal cannot place a cursor (TERM)' : 'standard input or output is no terminal';
  throw new FirehookError('FIREHOOK_USAGE', why, { advice: 'use firehook top -b, with -n for so many screens' });
}

/** Screens one below the other, as plain text. */
async function printScreens(socket: string, first: Sample, state: KeyState, most: number): Promise<void> {
  // A reader that has seen enough is no failure.
  process.stdout.on('error', () => process.exit(0));
  let before: Sample | null = null;
  let now = first;
  for (let printed = 1; ; printed++) {
    const lines = screenLines(before, now, state).map(({ text }) => text);
    await write(`${printed === 1 ? '' : '\n'}${lines.join('\n')}\n`);
    if (printed >= most) return;
    await new Promise((resolve) => setTimeout(resolve, state.delay * 1000));
    before = now;
    now = await look(socket);
  }
}

/** A slow reader is waited for: nothing piles up. */
function write(text: string): Promise<void> {
  return new Promise((resolve) => {
    process.stdout.write(text, () => resolve());
  });
}
