/**
 * Runs test files, each in a process of its own, and prints the totals: the second half of `test/run`.
 *
 * `node --import tsx test/support/run-files.ts FILE...`. Files under `test/integration/` change the network of the
 * machine's namespaces and measure what they see: they run one at a time, after all others. Rule: the last line is
 * `N passed, N failed, N skipped`, and the exit code is 0 only when something ran and nothing failed; for root with
 * CI=true or FIREHOOK_NO_SKIP=1 a skip counts as a failure, because there nothing is missing that a test may need.
 *
 * The runner is called file by file and not once for all: it attributes a test to the file that calls `test()`, which
 * for a conformance suite is not the file that was run.
 *
 * @module
 */

import os from 'node:os';
import { run } from 'node:test';
import type { FileReport } from './reporter.ts';
import { formatFileReport, readFileReport } from './reporter.ts';

const FILE_TIMEOUT_MS = 300_000;
const SERIAL = 'test/integration/';

const files = process.argv.slice(2);
const interrupt = new AbortController();
const reports: FileReport[] = [];
let interruptedBy: NodeJS.Signals | undefined;

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    interruptedBy = signal;
    interrupt.abort();
  });
}

const inParallel = files.filter((file) => !file.startsWith(SERIAL));
await Promise.all(Array.from({ length: os.availableParallelism() }, () => drain(inParallel)));
await drain(files.filter((file) => file.startsWith(SERIAL)));
process.exit(conclude());

/** Takes files off the list until it is empty; several of these at a time share one list. */
async function drain(list: string[]): Promise<void> {
  for (let file = list.shift(); file !== undefined && !interrupt.signal.aborted; file = list.shift()) {
    const startedMs = performance.now();
    const events = run({ files: [file], timeout: FILE_TIMEOUT_MS, signal: interrupt.signal });
    const report = await readFileReport(file, events);
    reports.push(report);
    process.stdout.write(formatFileReport(report, performance.now() - startedMs));
  }
}

/** Prints what must not be missed and the totals; returns the exit code. */
function conclude(): number {
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  for (const report of reports) {
    passed += report.passed;
    failed += report.failed;
    skipped += report.skips.length;
  }
  const { CI, FIREHOOK_NO_SKIP } = process.env;
  const mustNotSkip = process.getuid?.() === 0 && (CI === 'true' || FIREHOOK_NO_SKIP === '1');
  const problems: string[] = [];
  for (const report of reports) {
    if (report.failed > 0) problems.push(`failed: ${report.file} (${report.failed})`);
    if (!mustNotSkip) continue;
    for (const skip of report.skips) problems.push(`must not skip: ${report.file}: ${skip.title}: ${skip.reason}`);
  }
  if (passed + failed === 0) problems.push('no test was executed');
  if (interruptedBy !== undefined) problems.push(`interrupted by ${interruptedBy}`);
  const lines = [...(problems.length > 0 ? [''] : []), ...problems, '', totals(passed, failed, skipped)];
  process.stdout.write(`${lines.join('\n')}\n`);
  if (interruptedBy !== undefined) return 128 + os.constants.signals[interruptedBy];
  return problems.length > 0 ? 1 : 0;
}

function totals(passed: number, failed: number, skipped: number): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}
