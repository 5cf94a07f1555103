/**
 * The tables of prefixes of a daemon: built at the start, and again when their lists change.
 *
 * ```
 *   every so many seconds ─> the file, as it was? ─ no ─> build ─ as it was meanwhile? ─> memory ─> next version ─> lanes
 *                                                           └─ refused: one warning, and the version in force stays
 * ```
 * Rule: what is in force is never worse for what comes after it: a list that is missing, wrong, or still being written changes nothing. One
 * table is built at a time, with the least priority, so that the lanes have the processors.
 *
 * @module
 */

import { closeSync, statSync } from 'node:fs';
import type { Config, TableConfig } from '../config/schema.ts';
import { FirehookError, isFirehookError } from '../errors.ts';
import type { LaneUser, TableMemory } from '../lane/messages.ts';
import { loadNative } from '../native/load-native.ts';
import { PrefixTable } from '../prefix/prefix-table.ts';
import { buildTable } from './build-table.ts';
import type { Clock, Timer } from './clock.ts';
import type { BuiltTable } from './table-answer.ts';

const MS = 1_000;
/** A list that changes while it is read is read again so often before a start is refused. */
const START_ATTEMPTS = 3;
/**
 * So long the memory of a version outlives it here: whoever gives it back last waits until the kernel has freed each page, and that is not to be
 * a lane. By then a lane has taken the next one, or has been killed as one that hangs.
 */
const FORMER_MS = 5_000;
/** Of setpriority(2). */
const LEAST_PRIORITY = 19;

/** What {@link PrefixTables} takes. */
export interface PrefixTablesOptions {
  readonly tables: Config['tables'];
  /** Null: lists are read with the rights of this process, which is not root. */
  readonly user: LaneUser | null;
  /** True: an error where the kernel cannot confine the process that reads. */
  readonly isRequired: boolean;
  readonly clock: Clock;
  /** Takes what an operator should know: a sentence. */
  readonly say: (level: 'info' | 'warn', sentence: string) => void;
  /** A table has another version; its descriptor is lent during the call. @defaultValue nothing */
  readonly onChange?: (table: TableMemory) => void;
}

/** A table as it is now. */
export interface TableView {
  readonly name: string;
  readonly file: string;
  /** From 1 on. */
  readonly version: number;
  readonly prefixes: number;
  readonly octets: number;
  /** Since when this version is in force, on the clock. */
  readonly sinceMs: number;
  /** Why the list, as it is now, was not taken; null when it was. */
  readonly error: { readonly text: string; readonly atMs: number } | null;
}

interface Kept {
  readonly name: string;
  readonly config: TableConfig;
  /** What the file was when it was last read; '' to read it again in any case. */
  seen: string;
  memory: TableMemory | null;
  prefixes: number;
  sinceMs: number;
  error: TableView['error'];
  timer: Timer | null;
}

/** Keeps the tables. */
export class PrefixTables {
  readonly #options: PrefixTablesOptions;
  readonly #kept: readonly Kept[];
  readonly #ending = new AbortController();
  /** Descriptors of versions that are not in force any more, each with the timer that closes it. */
  readonly #former = new Map<number, Timer>();
  /** Settles when what is being built is. */
  #turn: Promise<void> = Promise.resolve();
  #made = 0;

  constructor(options: PrefixTablesOptions) {
    this.#options = options;
    this.#kept = Object.entries(options.tables).map(([name, config]) => ({
      name,
      config,
      seen: '',
      memory: null,
      prefixes: 0,
      sinceMs: 0,
      error: null,
      timer: null,
    }));
  }

  /** What lanes are handed; descriptors are lent until the next change. */
  get memories(): readonly TableMemory[] {
    return this.#kept.flatMap(({ memory }) => memory ?? []);
  }

  /** For reports. */
  get views(): readonly TableView[] {
    return this.#kept.flatMap(({ name, config, memory, prefixes, sinceMs, error }) =>
      memory === null
        ? []
        : [{ name, file: config.file, version: memory.version, prefixes, octets: memory.octets, sinceMs, error }],
    );
  }

  /**
   * Builds every table for the first time.
   *
   * @returns why tables could not be built: {@link FirehookError} FIREHOOK_TABLE_UNREADABLE, FIREHOOK_TABLE_INVALID, FIREHOOK_TABLE_BUILD
   */
  async build(): Promise<readonly unknown[]> {
    const problems: unknown[] = [];
    for (const kept of this.#kept) {
      try {
        await this.#buildFirst(kept);
      } catch (error) {
        problems.push(error);
      }
    }
    return problems;
  }

  /** Looks at the files from now on. */
  watch(): void {
    for (const kept of this.#kept) this.#lookLater(kept);
  }

  /** Looks at no file any more, ends what is being built, and closes the descriptors. Idempotent. */
  stop(): void {
    this.#ending.abort();
    for (const kept of this.#kept) {
      kept.timer?.cancel();
      if (kept.memory !== null) closeSync(kept.memory.fd);
      kept.memory = null;
    }
    for (const [fd, timer] of this.#former) {
      timer.cancel();
      closeSync(fd);
    }
    this.#former.clear();
  }

  async #buildFirst(kept: Kept): Promise<void> {
    for (let attempt = 1; attempt <= START_ATTEMPTS; attempt++) {
      const before = fingerprint(kept.config.file);
      const built = await buildTable(kept.config, this.#howToBuild);
      if (fingerprint(kept.config.file) !== before) continue;
      kept.seen = before;
      this.#take(kept, built);
      return;
    }
    throw changing(kept.config);
  }

  #lookLater(kept: Kept): void {
    const { every } = kept.config;
    if (every === 0 || this.#ending.signal.aborted) return;
    kept.timer = this.#options.clock.setTimer(() => {
      this.#turn = this.#turn.then(() => this.#look(kept)).then(() => this.#lookLater(kept));
    }, every * MS);
  }

  /** Never throws. */
  async #look(kept: Kept): Promise<void> {
    const { file } = kept.config;
    const now = fingerprint(file);
    if (now === kept.seen || this.#ending.signal.aborted) return;
    const isAgain = kept.seen === '';
    kept.seen = now;
    try {
      const built = await buildTable(kept.config, { ...this.#howToBuild, nice: LEAST_PRIORITY });
      if (this.#ending.signal.aborted) return;
      if (fingerprint(file) !== now) throw changing(kept.config);
      this.#options.onChange?.(this.#take(kept, built));
    } catch (error) {
      if (!this.#ending.signal.aborted) this.#refuse(kept, error, isAgain);
    }
  }

  get #howToBuild() {
    const { user, isRequired } = this.#options;
    return { user, isRequired, signal: this.#ending.signal };
  }

  #take(kept: Kept, { memory, unused }: BuiltTable): TableMemory {
    const { say, clock } = this.#options;
    const { name, config } = kept;
    const former = kept.memory;
    this.#made += 1;
    const version = (former?.version ?? 0) + 1;
    const made = shareTable(name, memory, version, this.#made);
    kept.memory = made;
    kept.prefixes = new PrefixTable(memory).size;
    kept.sinceMs = clock.now();
    kept.error = null;
    if (former !== null) this.#closeLater(former.fd);
    const count = `${kept.prefixes.toLocaleString('en-US')} ${kept.prefixes === 1 ? 'prefix' : 'prefixes'}`;
    say(kept.prefixes === 0 ? 'warn' : 'info', `Table ${name}: version ${version} has ${count} of ${config.file}.`);
    if (unused.length > 0) say('warn', `Table ${name}: no line of ${config.file} has ${unused.join(', ')}.`);
    return made;
  }

  #closeLater(fd: number): void {
    const timer = this.#options.clock.setTimer(() => {
      this.#former.delete(fd);
      closeSync(fd);
    }, FORMER_MS);
    this.#former.set(fd, timer);
  }

  #refuse(kept: Kept, error: unknown, isAgain: boolean): void {
    const { clock, say } = this.#options;
    const text = error instanceof Error ? error.message : String(error);
    // What is wrong with the list stays so until it changes; anything else may be over by the next look.
    if (!isFirehookError(error) || error.code === 'FIREHOOK_TABLE_BUILD' || error.cause === CHANGING) kept.seen = '';
    const isKnown = isAgain && kept.error?.text === text;
    kept.error = { text, atMs: clock.now() };
    if (!isKnown) say('warn', `Table ${kept.name}: ${text}. Version ${kept.memory?.version} stays in force.`);
  }
}

/** Puts a table into memory that lanes can be handed. The descriptor is the caller's. */
export function shareTable(name: string, memory: ArrayBuffer, version: number, id: number): TableMemory {
  const fd = loadNative().createConstant(`firehook-table-${name}`, new Uint8Array(memory));
  return { name, version, id, octets: memory.byteLength, fd };
}

const CHANGING = Symbol('it changes while it is read');

function changing({ file }: TableConfig): FirehookError {
  return new FirehookError('FIREHOOK_TABLE_UNREADABLE', `${file}: it changes while it is read`, {
    cause: CHANGING,
    advice: 'write the list under another name and rename it',
  });
}

/** What tells one content of a file from another without reading it. */
function fingerprint(file: string): string {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(file, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown';
  }
}
