/**
 * What a check of `firehook doctor` is: a name, and a function that looks and says what it saw.
 *
 * Rule: a check changes nothing that outlives it, and what is not ok comes with advice.
 *
 * @module
 */

import type { LoadedConfig } from '../../config/load-config.ts';
import { type ErrorCode, isFirehookError } from '../../errors.ts';
import { isTimeout } from '../../plumbing/run-tool.ts';

/** `warn` may surprise or could not be examined; `fail` keeps firehookd from doing its work. */
export type CheckStatus = 'ok' | 'warn' | 'fail';

/** One line of the answer. */
export interface CheckResult {
  readonly name: string;
  readonly status: CheckStatus;
  readonly detail: string;
  /** What to do; '' when there is nothing to do. */
  readonly advice: string;
  /** Code of the error, one of `docs/errors.md`; null where the check has words of its own. */
  readonly code: ErrorCode | null;
}

/** What the checks are about. */
export interface Subject {
  readonly isRoot: boolean;
  /** Path of the configuration as it was given; null without one. */
  readonly configFile: string | null;
  /** Null without a configuration, and when it was refused. */
  readonly loaded: LoadedConfig | null;
}

/** A check. */
export interface Check {
  readonly name: string;
  run(subject: Subject): readonly CheckResult[] | Promise<readonly CheckResult[]>;
}

/** A result without complaint. */
export function ok(name: string, detail: string): CheckResult {
  return { name, status: 'ok', detail, advice: '', code: null };
}

/** A result that may surprise. */
export function warn(name: string, detail: string, advice: string): CheckResult {
  return { name, status: 'warn', detail, advice, code: null };
}

/** A result that has to be dealt with first. */
export function fail(name: string, detail: string, advice: string, code: ErrorCode | null = null): CheckResult {
  return { name, status: 'fail', detail, advice, code };
}

/**
 * An error as a result. The advice of a {@link FirehookError} is what follows the last semicolon of its message. A tool that did
 * not answer in time is a warning: it says nothing about what is there.
 */
export function failure(name: string, error: unknown): CheckResult {
  if (isTimeout(error)) return { ...failed(name, error), status: 'warn' };
  return failed(name, error);
}

function failed(name: string, error: unknown): CheckResult {
  if (!isFirehookError(error)) return fail(name, error instanceof Error ? error.message : String(error), '');
  const at = error.message.lastIndexOf('; ');
  if (at === -1) return fail(name, error.message, '', error.code);
  return fail(name, error.message.slice(0, at), error.message.slice(at + 2), error.code);
}

/** True when the configuration has an attach of this kind; without a configuration every kind may be wanted. */
export function mayAttach(kind: 'bridge' | 'host', { loaded }: Subject): boolean {
  return loaded === null || loaded.config.attach.some((attach) => kind in attach);
}
