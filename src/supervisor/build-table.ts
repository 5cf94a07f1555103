/**
 * Builds the table of a list with the rights of the lanes' user.
 *
 * Rule: root opens no list and parses none. What comes back is looked at whole before anybody gets it.
 *
 * @see table-process.ts, table-answer.ts
 * @module
 */

import type { TableConfig } from '../config/schema.ts';
import { FirehookError } from '../errors.ts';
import type { LaneUser } from '../lane/messages.ts';
import type { ListRule } from '../prefix/list-reader.ts';
import { readList } from '../prefix/read-list.ts';
import { runAsUser } from './run-as-user.ts';
import { type BuiltTable, buildError, TableAnswer } from './table-answer.ts';
import type { TableRequest } from './table-process.ts';

/** How long it may take: four million prefixes take some seconds, on a machine that has time. */
const LIMIT_MS = 300_000;
/** Memory that it may write to: what four million prefixes take while they are sorted, several times over. */
const DATA_MIB = 2_048;

/** What {@link buildTable} takes. */
export interface BuildTableOptions {
  /** Null: with the rights of this process, which is not root, and in it. */
  readonly user: LaneUser | null;
  /** True: an error where the kernel cannot confine the process. */
  readonly isRequired: boolean;
  /** Priority of the process (setpriority(2)). @defaultValue as this process */
  readonly nice?: number;
  /** @defaultValue 300000 */
  readonly limitMs?: number;
  /** Ends it before its time. */
  readonly signal?: AbortSignal;
}

/**
 * Builds a table.
 *
 * @param config - `file` is absolute
 * @throws {@link FirehookError} FIREHOOK_TABLE_UNREADABLE, FIREHOOK_TABLE_INVALID with file and line, FIREHOOK_TABLE_BUILD
 */
export async function buildTable(config: TableConfig, options: BuildTableOptions): Promise<BuiltTable> {
  const { file } = config;
  const { user, isRequired, limitMs = LIMIT_MS, ...rest } = options;
  const rule: ListRule = { file, values: config.values ?? null };
  if (user === null) {
    const { table, entries, unused } = readList(file, rule);
    return { memory: table, entries, unused };
  }
  const answer = new TableAnswer();
  const request: TableRequest = { path: file, rule };
  const failure = await runAsUser({
    ...rest,
    user,
    program: './table-process',
    reads: [file],
    dataMiB: DATA_MIB,
    isRequired,
    limitMs,
    request,
    onOutput: (piece) => answer.take(piece),
  });
  if (failure !== null) throw buildError(file, failure);
  try {
    return answer.end(file);
  } catch (error) {
    throw withAdvice(error, file, user);
  }
}

/** A list that the user may not read is the usual mistake. */
function withAdvice(error: unknown, file: string, user: LaneUser): unknown {
  if (!(error instanceof FirehookError) || !error.message.includes('EACCES')) return error;
  return new FirehookError('FIREHOOK_TABLE_UNREADABLE', `${file}: the user ${user.name} may not read it`, {
    cause: error,
    advice: `chmod o+r ${file}`,
  });
}
