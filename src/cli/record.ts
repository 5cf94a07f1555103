/**
 * `firehook record`: live packets as they came, and what went out for them, into a pcapng file with what hooks decided.
 *
 * ```
 *   POST /trace with octets ─> lines of JSON ─> blocks ─> FILE, with the rights of who runs this
 * ```
 * Rules: the file ends with a whole block, however it ends: `-n`, Ctrl-C, SIGTERM, a full disk, a daemon that goes. It is readable by its owner
 * alone, is no link, and what is there already is written over only with `--force`. What is not in it is counted and said.
 *
 * @module
 */

import { closeSync, constants, fchmodSync, fstatSync, ftruncateSync, openSync } from 'node:fs';
import { isStandardOutput, openOutput, SavefileOutput } from '../drivers/savefile-output.ts';
import { FirehookError } from '../errors.ts';
import { assertEnded, countOf, type Follower, followTrace, missedOf, type TraceEnd } from './follow-trace.ts';
import { RecordBlocks } from './record-blocks.ts';

/** What the command line says. */
export interface RecordOptions {
  readonly socket: string;
  readonly write: string;
  readonly count?: string;
  readonly hook?: string;
  readonly snaplen?: string;
  readonly force?: boolean;
}

/** Most octets of a frame that are recorded unless somebody says less: no frame has more. */
const SNAPLEN = 262_144;
const LEAST_SNAPLEN = 64;
const OWNER_ONLY = 0o600;
/** How long a stream that takes nothing just now is left alone. */
const RETRY_MS = 10;
const STANDARD_INPUT = 0;

/**
 * Records packets until it is ended.
 *
 * @param words - the filter, of pcap-filter(7); none for every packet
 * @throws {@link FirehookError} FIREHOOK_USAGE where the daemon refuses the request, FIREHOOK_CONTROL_UNREACHABLE where it does not answer, or ends;
 * FIREHOOK_SAVEFILE_UNWRITABLE, FIREHOOK_SAVEFILE_INCOMPLETE
 */
export async function record(words: readonly string[], options: RecordOptions): Promise<void> {
  const { socket, count, hook = null } = options;
  const octets = snaplenOf(options.snaplen);
  const wanted = { expression: words.join(' '), most: countOf(count), hook, octets };
  const file = new RecordFile(octets);
  let end: TraceEnd | null = null;
  try {
    end = await followTrace(socket, wanted, {
      // A request that is refused leaves no file.
      onStart: (follower) => file.begin(options.write, options.force === true, follower),
      onPacket: (line) => file.add(line),
    });
    file.close();
  } finally {
    file.close();
    if (file.isOpen) process.stderr.write(`firehook: ${file.written} packets recorded${missesOf(end)}\n`);
  }
  assertEnded(end, socket);
  process.exit();
}

function missesOf(end: TraceEnd | null): string {
  if (end === null) return '';
  return `${missedOf(end)}${end.cut === 0 ? '' : `, ${end.cut} frames were cut`}`;
}

function snaplenOf(text: string | undefined): number {
  if (text === undefined) return SNAPLEN;
  const octets = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (octets >= LEAST_SNAPLEN && octets <= SNAPLEN) return octets;
  throw new FirehookError('FIREHOOK_USAGE', `--snaplen: ${text} is no number from ${LEAST_SNAPLEN} to ${SNAPLEN}`);
}

/** The file of a record. */
class RecordFile {
  readonly #blocks: RecordBlocks;
  #output: SavefileOutput | null = null;
  #follower: Follower | null = null;
  #retry: NodeJS.Timeout | null = null;

  constructor(snaplen: number) {
    this.#blocks = new RecordBlocks(snaplen);
  }

  /** It was opened. */
  get isOpen(): boolean {
    return this.#output !== null;
  }

  /** Packets that are in it. */
  get written(): number {
    return this.#output?.written ?? 0;
  }

  begin(path: string, isForced: boolean, follower: Follower): void {
    this.#follower = follower;
    this.#output = isStandardOutput(path) ? openOutput(path, STANDARD_INPUT) : openFile(path, isForced);
    this.#output.append(this.#blocks.head);
    this.#flush(this.#output);
  }

  add(line: Parameters<RecordBlocks['blocksOf']>[0]): void {
    const output = this.#output;
    if (output === null) return;
    const blocks = this.#blocks.blocksOf(line);
    output.copy(blocks, 0, blocks.length);
    // One that takes nothing is looked at by the timer.
    if (this.#retry === null) this.#flush(output);
  }

  /** Writes the rest. Idempotent. */
  close(): void {
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
    this.#output?.close(true);
  }

  #tryAgain(output: SavefileOutput): void {
    try {
      this.#flush(output);
    } catch (error) {
      this.#follower?.fail(error);
    }
  }

  #flush(output: SavefileOutput): void {
    this.#retry = null;
    const isDone = output.flush();
    if (output.isReaderGone) this.#follower?.leave();
    else if (isDone) this.#follower?.goOn();
    else {
      this.#follower?.wait();
      this.#retry = setTimeout(() => this.#tryAgain(output), RETRY_MS);
    }
  }
}

/**
 * Opens a file for its owner alone.
 *
 * @throws {@link FirehookError} FIREHOOK_SAVEFILE_UNWRITABLE
 */
function openFile(path: string, isForced: boolean): SavefileOutput {
  const refuse = (why: string, cause?: unknown): FirehookError =>
    new FirehookError('FIREHOOK_SAVEFILE_UNWRITABLE', `"${path}": ${why}`, { cause });
  // O_NONBLOCK: a pipe without a reader is an error instead of a wait.
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  let file: number;
  try {
    file = openSync(path, isForced ? flags : flags | constants.O_EXCL, OWNER_ONLY);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw refuse('it is there already; --force writes over it', cause);
    if (code === 'ELOOP') throw refuse('it is a symbolic link', cause);
    throw refuse(message.split(',')[0] ?? '', cause);
  }
  if (!fstatSync(file).isFile()) {
    closeSync(file);
    throw refuse('it is no regular file');
  }
  fchmodSync(file, OWNER_ONLY);
  ftruncateSync(file);
  return new SavefileOutput({ path, file, start: 0, isOwned: true });
}
