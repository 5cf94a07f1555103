/**
 * Turns the events of one test file into counts and text, for `test/support/run-files.ts`.
 *
 * Rule: only leaves count. A suite, or a test with subtests, stands for its children; it counts itself only where no
 * child can say what happened: it is skipped as a whole, or fails for a reason of its own. A file that reports no test
 * has failed, whether it crashed at import or left early with exit code 0: a green line must stand for something.
 *
 * Source: the events of `TestsStream` in the documentation of `node:test`.
 *
 * @module
 */

import path from 'node:path';
import { inspect } from 'node:util';

const STRAY_ERROR = 'generated asynchronous activity after the test ended';

/** What this reporter reads of an event of the runner; the fields that an event type does not have are absent. */
export interface RunnerEvent {
  readonly type: string;
  readonly data: {
    readonly name?: string;
    readonly nesting?: number;
    readonly skip?: string | boolean;
    readonly todo?: string | boolean;
    readonly message?: string;
    readonly details?: {
      readonly type?: string | undefined;
      readonly duration_ms?: number;
      readonly error?: unknown;
    };
  };
}

/** A test that did not run, and why not. */
export interface Skip {
  /** Names from the outermost suite to the test, joined by ` > `. */
  readonly title: string;
  readonly reason: string;
}

/** What became of one test file. */
export interface FileReport {
  /** Path as it was handed in. */
  readonly file: string;
  readonly passed: number;
  readonly failed: number;
  readonly skips: readonly Skip[];
  /** The failures in full, ready to print; empty where there are none. */
  readonly failures: readonly string[];
}

/**
 * Reads the events of one file to their end.
 *
 * @param file - path of the test file, as the runner was given it
 * @param events - the events of this file alone, in the order of the runner
 */
export async function readFileReport(file: string, events: AsyncIterable<RunnerEvent>): Promise<FileReport> {
  const skips: Skip[] = [];
  const failures: string[] = [];
  const output: string[] = [];
  const names: string[] = [];
  // hasChildren[n]: a test of nesting n has been reported whose parent, of nesting n - 1, has not.
  const hasChildren: boolean[] = [];
  let passed = 0;
  let failed = 0;

  for await (const { type, data } of events) {
    const nesting = data.nesting ?? 0;
    if (type === 'test:stdout' || type === 'test:stderr') output.push(data.message ?? '');
    // The runner only remarks on an error thrown outside every test; for us it is a failure like any other.
    if (type === 'test:diagnostic' && data.message?.includes(STRAY_ERROR) === true) {
      failed += 1;
      failures.push(data.message);
    }
    if (type === 'test:start') {
      names.length = nesting;
      names[nesting] = data.name ?? '';
    }
    if (type !== 'test:pass' && type !== 'test:fail') continue;

    const title = [...names.slice(0, nesting), data.name ?? ''].join(' > ');
    const isParent = hasChildren[nesting + 1] === true;
    const isFile = nesting === 0 && data.name !== undefined && path.resolve(data.name) === path.resolve(file);
    hasChildren.length = nesting;
    hasChildren[nesting] = true;

    const skipped = isMarked(data.skip) ? data.skip : isMarked(data.todo) ? 'todo' : undefined;
    if (skipped !== undefined) {
      if (!isParent) skips.push({ title, reason: skipped === true ? 'no reason given' : String(skipped) });
    } else if (type === 'test:fail') {
      if (isParent && failureType(data.details?.error) === 'subtestsFailed') continue;
      failed += 1;
      failures.push(isFile ? describeFile(data.details?.error) : `${title}\n${describe(data.details?.error)}`);
    } else if (isFile) {
      failed += 1;
      failures.push('the file reports no test');
    } else if (!isParent && data.details?.type !== 'suite') {
      passed += 1;
    }
  }
  if (passed + failed + skips.length === 0) {
    failed = 1;
    failures.push('the file reports no test');
  }
  if (failed > 0 && output.length > 0) failures.push(`output of the file\n${indent(output.join('').trimEnd())}`);
  return { file, passed, failed, skips, failures };
}

/** Puts a report into lines: one for the file, one a skip, then the failures. */
export function formatFileReport(report: FileReport, durationMs: number): string {
  const { file, passed, failed, skips, failures } = report;
  const counts = [`${passed} passed`];
  if (failed > 0) counts.push(`${failed} failed`);
  if (skips.length > 0) counts.push(`${skips.length} skipped`);
  const lines = [`${failed > 0 ? 'FAIL' : 'ok  '} ${file} (${counts.join(', ')}, ${(durationMs / 1000).toFixed(1)} s)`];
  for (const skip of skips) lines.push(`     skipped: ${skip.title}: ${skip.reason}`);
  for (const failure of failures) lines.push('', indent(failure), '');
  return `${lines.join('\n')}\n`;
}

/** `skip` and `todo` are absent, a boolean, or the reason; an empty reason still skips. */
function isMarked(mark: string | boolean | undefined): mark is string | true {
  return mark !== undefined && mark !== false;
}

/** Why the runner says a test failed, for example `testCodeFailure`; the runner wraps the error that was thrown. */
function failureType(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'failureType' in error ? error.failureType : undefined;
}

function describe(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  return typeof cause === 'string' ? indent(cause) : indent(inspect(cause, { depth: 8, maxStringLength: 20_000 }));
}

/** A file fails by itself when its process ends badly: at import, by a timeout, or by an exit code in between. */
function describeFile(error: unknown): string {
  if (failureType(error) === 'testTimeoutFailure') return 'the file ran out of time';
  const { exitCode, signal } = (error ?? {}) as { exitCode?: unknown; signal?: unknown };
  if (exitCode === undefined) return `the file was stopped\n${describe(error)}`;
  return `the process of the file ended badly (exit code ${String(exitCode)}, signal ${String(signal)})`;
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '     ');
}
