/**
 * What `firehook apply` asks for: `{ "file": "/etc/firehook/new.yaml", "seconds": 60 }`.
 *
 * Rule: what a client sends is read and checked here; where the file may lie is the supervisor's to say.
 *
 * @module
 */

import path from 'node:path';
import { FirehookError } from '../errors.ts';
import { TRIAL_SECONDS } from '../supervisor/trials.ts';

/** A path of the longest kind, escaped. */
export const MAX_APPLY_OCTETS = 32 * 1024;

/** @throws {@link FirehookError} FIREHOOK_APPLY_FILE what is wrong with it */
export function readApplyRequest(body: string): { readonly file: string; readonly seconds: number } {
  let request: unknown;
  try {
    request = JSON.parse(body);
  } catch (cause) {
    throw new FirehookError('FIREHOOK_APPLY_FILE', 'the request is no JSON', { cause });
  }
  const { file, seconds } = (request ?? {}) as { file?: unknown; seconds?: unknown };
  if (typeof file !== 'string' || !path.isAbsolute(file) || file.includes('\0'))
    throw new FirehookError('FIREHOOK_APPLY_FILE', 'file: not an absolute path');
  if (!isSeconds(seconds))
    throw new FirehookError('FIREHOOK_APPLY_FILE', `seconds: not from ${TRIAL_SECONDS.least} to ${TRIAL_SECONDS.most}`);
  return { file, seconds };
}

/** True for a time that a trial can have. */
export function isSeconds(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= TRIAL_SECONDS.least && (value as number) <= TRIAL_SECONDS.most;
}
