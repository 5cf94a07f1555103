/**
 * What a lane prints: its own log and whatever hooks write to standard output and error, line by line into the daemon's log.
 *
 * Rule: it is a stranger's text. Lines are cut, a second has so many, the rest is counted; what looks like a line of the
 * lane's log keeps its level and its fields, within bounds, and is always said to be the lane's.
 *
 * @module
 */

import type { Readable } from 'node:stream';
import { createRateLimitedLog, type LineLevel, type Logger } from '../telemetry/logger.ts';
import { LineReader } from './line-reader.ts';

/** Octets of a line; what is longer is cut. */
const MAX_LINE = 4096;
/** Most octets that are read of a lane before there is a pause: 40 to 80 MiB a second, far above what a log is. */
const OCTETS_PER_TICK = 4 * 1024 * 1024;
const TICK_MS = 50;
/** How soon it is said how many lines were left out. */
const SAY_MS = 1_000;
/** Lines a second of one lane. */
const LINES_PER_SECOND = 20;
const MAX_FIELDS = 8;
const MAX_VALUE = 256;
const LEVELS: readonly string[] = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] satisfies LineLevel[];
/** What a line has of itself, or what says whose it is. */
const RESERVED: readonly string[] = ['level', 'time', 'name', 'msg', 'pid', 'lane', 'err', 'cut'];

/** Reads both streams of a lane until they end. */
export class LaneOutput {
  readonly #limited: ReturnType<typeof createRateLimitedLog>;
  readonly #readers: LineReader[] = [];
  readonly #streams: Readable[] = [];
  #octets = 0;
  #sayTimer: NodeJS.Timeout | null = null;
  #isResting = false;
  readonly #pid: () => number;
  readonly #onError: (message: string) => void;

  /**
   * @param pid - of the lane, known once it has started
   * @param onError - told of each line of level `error` that is printed
   */
  constructor(log: Logger, pid: () => number, onError: (message: string) => void = () => undefined) {
    this.#onError = onError;
    this.#limited = createRateLimitedLog(log.child({ name: 'lane' }), LINES_PER_SECOND);
    this.#pid = pid;
  }

  /** Reads a stream to its end. */
  read(stream: Readable): void {
    const reader = new LineReader(MAX_LINE, (line, isCut) => this.#line(line, isCut));
    this.#readers.push(reader);
    this.#streams.push(stream);
    stream.on('data', (bytes: Buffer) => {
      // Much is read on, and cheaply: who writes to a full pipe waits, and that would be the packet path.
      if (this.#limited.isFull()) this.#limited.leaveOut(reader.skip(bytes));
      else reader.take(bytes);
      if (this.#limited.isFull()) this.#sayLater();
      this.#octets += bytes.length;
      if (this.#octets > OCTETS_PER_TICK) this.#rest();
    });
    stream.on('error', () => undefined);
  }

  /** Nothing more will come: says what was left over, and how much was left out. */
  end(): void {
    for (const reader of this.#readers) reader.end();
    clearTimeout(this.#sayTimer ?? undefined);
    this.#limited.flush();
  }

  /** What was left out is said also where nothing more is printed. */
  #sayLater(): void {
    this.#sayTimer ??= setTimeout(() => {
      this.#sayTimer = null;
      this.#limited.flush();
    }, SAY_MS).unref();
  }

  /** Of a flood the supervisor takes no more than a part of one processor can count: its writer waits. */
  #rest(): void {
    if (this.#isResting) return;
    this.#isResting = true;
    for (const stream of this.#streams) stream.pause();
    setTimeout(() => {
      this.#isResting = false;
      this.#octets = 0;
      for (const stream of this.#streams) if (!stream.destroyed) stream.resume();
    }, TICK_MS).unref();
  }

  #line(line: string, isCut: boolean): void {
    if (line.trim() === '') return;
    const own = isCut ? null : ownLine(line);
    if (own?.level === 'error') this.#onError(own.message);
    if (own !== null) this.#limited(own.level, own.message, { pid: this.#pid(), ...own.fields });
    else this.#limited('info', line, { pid: this.#pid(), ...(isCut ? { cut: true } : {}) });
  }
}

/** A line that the lane's log could have written; null for any other. */
function ownLine(
  line: string,
): { readonly level: LineLevel; readonly message: string; readonly fields: object } | null {
  if (!line.startsWith('{')) return null;
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    return null;
  }
  if (typeof parsed !== 'object' || parsed === null) return null;
  const { level, msg } = parsed as { readonly level?: unknown; readonly msg?: unknown };
  if (typeof level !== 'string' || !LEVELS.includes(level) || typeof msg !== 'string') return null;
  const fields = Object.entries(parsed)
    .filter(([key]) => !RESERVED.includes(key) && /^\w{1,32}$/.test(key) && key !== '__proto__')
    .slice(0, MAX_FIELDS)
    .flatMap(([key, value]: [string, unknown]) => {
      if (typeof value === 'string') return [[key, value.slice(0, MAX_VALUE)]];
      return typeof value === 'number' || typeof value === 'boolean' ? [[key, value]] : [];
    });
  return { level: level as LineLevel, message: msg, fields: Object.fromEntries(fields) as object };
}
