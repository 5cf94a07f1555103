/**
 * The log: JSON lines for machines, short lines for a person at a terminal; always on standard error.
 *
 * Floor 1. Rule: control plane and life cycle only; what may happen for every packet goes through
 * {@link createRateLimitedLog}. Text that came out of a hook or a packet never reaches a terminal with its control
 * characters in it.
 *
 * @module
 */

import { styleText } from 'node:util';
import pino from 'pino';
import { printable, printableJson } from './printable.ts';

/** Standard error. */
const STDERR = 2;

/** Width of the longest level name. */
const LEVEL_WIDTH = 5;

/** Offset of the time of day in an ISO 8601 date and its length, in characters. */
const CLOCK_START = 11;
const CLOCK_LENGTH = 12;

type Style = Parameters<typeof styleText>[0];

const LEVEL_STYLES: Readonly<Record<string, Style>> = {
  trace: 'gray',
  debug: 'gray',
  info: 'green',
  warn: 'yellow',
  error: 'red',
  fatal: ['bold', 'red'],
};

/** Least level that is written, one of `log.level` of the configuration. */
export type LogLevel = pino.LevelWithSilent;

/** A level that a line can have. */
export type LineLevel = Exclude<LogLevel, 'silent'>;

/** A logger: `log.info({ hook: 'x' }, 'Sentence.')`. */
export type Logger = pino.Logger;

/** How {@link createLogger} writes. */
export interface LoggerOptions {
  /** @defaultValue `info` */
  readonly level?: LogLevel;
  /** Which process this is, said in each line. By default nothing is said. */
  readonly name?: string;
  /** Lines for a person instead of JSON. By default true when standard error is a terminal. */
  readonly human?: boolean;
  /** Colours in lines for a person. By default true unless `NO_COLOR` is set. */
  readonly colour?: boolean;
  /**
   * Takes each line, its newline included: a daemon hands in a queue that never waits (`log-queue.ts`). By default lines go to
   * standard error, synchronously: none is lost in a crash.
   */
  readonly write?: (line: string) => void;
}

/**
 * Makes the logger of a process.
 *
 * @example
 * ```ts
 * const log = createLogger({ level: config.log.level });
 * log.info({ lane: 0 }, 'Lane started.');
 * ```
 */
export function createLogger(options: LoggerOptions = {}): Logger {
  const destination = options.write ? { write: options.write } : pino.destination({ fd: STDERR, sync: true });
  const human = options.human ?? process.stderr.isTTY === true;
  const { NO_COLOR: noColour = '' } = process.env;
  const colour = options.colour ?? noColour === '';
  const stream = {
    write: (line: string) => void destination.write(human ? humanLine(line, colour) : printableJson(line)),
  };
  return pino(
    {
      level: options.level ?? 'info',
      // Host name and process id are the journal's business.
      base: options.name === undefined ? null : { name: options.name },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  );
}

/** A single line as {@link createLogger} makes it by default, its newline included: for what stands between log and reader. */
export function logLine(level: LineLevel, fields: object, message: string): string {
  let made = '';
  const write = (line: string): void => {
    made = line;
  };
  createLogger({ level: 'trace', write })[level](fields, message);
  return made;
}

/** A log that writes so many lines in a second and counts the rest. */
export interface RateLimitedLog {
  /**
   * Writes a line, or counts it. The line after a silence says how many were left out.
   *
   * @param level - of the line
   * @param message - a sentence, or what makes it: that is called for a line that is written, and for no other
   * @param fields - go with the line
   */
  (level: LineLevel, message: string | (() => string), fields?: object): void;
  /** True when a line would only be counted: whoever makes lines can save the work, and count them by {@link leaveOut}. */
  isFull(): boolean;
  /** Counts so many lines as left out. */
  leaveOut(lines: number): void;
  /** Says now how many lines were left out, if any: at the end, and when it has become quiet. */
  flush(): void;
}

/**
 * Limits the rate of a log, for what may happen for every packet, such as hook faults. One for each hook, so that one
 * noisy hook does not silence another.
 *
 * Cost of a line that is left out: one reading of the clock.
 *
 * @param log - takes the lines that are written
 * @param perSecond - most lines in a second
 * @param now - a monotonic clock, in milliseconds
 */
export function createRateLimitedLog(
  log: Logger,
  perSecond: number,
  now: () => number = () => performance.now(),
): RateLimitedLog {
  let windowStartMs = Number.NEGATIVE_INFINITY;
  let written = 0;
  let suppressed = 0;
  const isFull = (): boolean => {
    const nowMs = now();
    if (nowMs - windowStartMs >= 1000) {
      windowStartMs = nowMs;
      written = 0;
    }
    return written >= perSecond;
  };
  const leaveOut = (lines: number): void => {
    suppressed += lines;
  };
  const write: (...line: Parameters<RateLimitedLog>) => void = (level, message, fields = {}) => {
    if (isFull()) {
      suppressed += 1;
      return;
    }
    written += 1;
    const owed = suppressed === 0 ? fields : { ...fields, suppressed };
    log[level](owed, typeof message === 'string' ? message : message());
    suppressed = 0;
  };
  const flush = () => {
    if (suppressed > 0) log.warn({ suppressed }, 'More lines like the ones before were left out.');
    suppressed = 0;
  };
  return Object.assign(write, { isFull, leaveOut, flush });
}

/** `12:03:04.123 warn  lane: Message. hook=x port=23` of a JSON line. */
function humanLine(json: string, colour: boolean): string {
  const { level, time, name, msg, ...fields } = JSON.parse(json) as Record<string, unknown>;
  // styleText would ask standard output whether it is a terminal; the log is on standard error.
  const paint = (style: Style, text: string) => (colour ? styleText(style, text, { validateStream: false }) : text);
  const label = String(level);
  const clock = String(time).slice(CLOCK_START, CLOCK_START + CLOCK_LENGTH);
  const pairs = Object.entries(fields).map(
    ([key, value]) => ` ${paint('gray', `${key}=`)}${printable(shortValue(value))}`,
  );
  const head = `${paint('gray', clock)} ${paint(LEVEL_STYLES[label] ?? 'gray', label.padEnd(LEVEL_WIDTH))}`;
  const message = [name, msg].filter((part) => part !== undefined).join(': ');
  return `${head} ${printable(message)}${pairs.join('')}\n`;
}

/** Of an error its message: the stack is for the JSON log. */
function shortValue(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'object' && value !== null && 'message' in value) return String(value.message);
  return JSON.stringify(value);
}
