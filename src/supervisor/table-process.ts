/**
 * The process that reads a list and builds its table as the lanes' user: a request on standard input, the answer on standard output.
 *
 * ```
 *   {"path": ..., "rule": {"file": ..., "values": ...}}  ─>  {"octets": N, "entries": ..., "unused": [...]}\n  N octets
 *                                                       or  {"error": {code, message}}\n
 * ```
 * Rule: it has no right but to read the list: before it opens the file it is confined as a lane is, so that it opens no socket, starts
 * no program and writes no file.
 *
 * @see build-table.ts, table-answer.ts
 * @module
 */

import { writeSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { isFirehookError } from '../errors.ts';
import { loadNative } from '../native/load-native.ts';
import type { ListRule } from '../prefix/list-reader.ts';
import { readList } from '../prefix/read-list.ts';

/** What is to be read. */
export interface TableRequest {
  /** Absolute. */
  readonly path: string;
  readonly rule: ListRule;
}

/** Descriptor of standard output. */
const STDOUT = 1;
/** Words that are named in a warning. */
const MOST_WORDS = 16;
/** Octets that are written at a time. */
const PIECE = 1024 * 1024;

const { path, rule } = JSON.parse(await text(process.stdin)) as TableRequest;
loadNative().confine(new Int32Array(0), false, false);
try {
  const { table, entries, unused } = readList(path, rule);
  say(Buffer.from(`${JSON.stringify({ octets: table.byteLength, entries, unused: unused.slice(0, MOST_WORDS) })}\n`));
  say(new Uint8Array(table));
} catch (error) {
  if (!isFirehookError(error)) throw error;
  say(Buffer.from(`${JSON.stringify({ error: { code: error.code, message: error.message } })}\n`));
}

/** All of it, waiting for the reader: nothing else is to be done. */
function say(octets: Uint8Array): void {
  for (let at = 0; at < octets.length; ) at += writeSync(STDOUT, octets, at, Math.min(PIECE, octets.length - at));
}
