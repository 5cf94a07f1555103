/**
 * `firehook doctor`: names what this machine lacks to run firehookd, and what to do about it.
 *
 * ```
 *   machine ─> kernel ─> configuration, where one is given       one line a result: ok, warn or fail
 * ```
 * Rule: it looks, and leaves everything as it was. Exit code 1 only when something fails; a warning is no failure.
 *
 * @module
 */

import { setImmediate } from 'node:timers/promises';
import { ConfigError, type LoadedConfig, loadConfig } from '../config/load-config.ts';
import { printable } from '../telemetry/printable.ts';
import { type Check, type CheckResult, type CheckStatus, fail, failure, type Subject } from './doctor/check.ts';
import { configChecks } from './doctor/config-checks.ts';
import { kernelChecks } from './doctor/kernel-checks.ts';
import { machineChecks } from './doctor/machine-checks.ts';
import { paint } from './fail.ts';
import { fold, widthOf } from './table.ts';

/** What `--json` prints. */
export interface DoctorReport {
  readonly checks: readonly CheckResult[];
  /** Nothing fails. */
  readonly ok: boolean;
}

const LABEL_WIDTH = 6;
const NAME_WIDTH = 16;
/** From this width of the terminal on there is room beside the names, in characters. */
const WIDE = 72;
const COLOURS = { ok: 'green', warn: 'yellow', fail: 'red' } as const satisfies Record<CheckStatus, string>;

/** Examines the machine and prints what was seen. */
export async function doctor(options: { readonly config?: string; readonly json?: boolean }): Promise<void> {
  const checks: CheckResult[] = [];
  for await (const result of examine(options.config ?? null)) {
    checks.push(result);
    if (options.json !== true) process.stdout.write(`${line(result)}\n`);
  }
  const report: DoctorReport = { checks, ok: checks.every(({ status }) => status !== 'fail') };
  process.stdout.write(options.json === true ? `${JSON.stringify(report, null, 2)}\n` : `\n${summary(checks)}\n`);
  process.exitCode = report.ok ? 0 : 1;
}

async function* examine(configFile: string | null): AsyncGenerator<CheckResult> {
  let loaded: LoadedConfig | null = null;
  let refusals: CheckResult[] = [];
  try {
    if (configFile !== null) loaded = loadConfig(configFile);
  } catch (error) {
    refusals = refusalsOf(error, configFile ?? '');
  }
  const subject: Subject = { isRoot: process.getuid?.() === 0, configFile, loaded };
  const ofConfig: Check[] =
    loaded === null || configFile === null
      ? []
      : configChecks.map(({ name, run }) => ({
          name,
          run: () => run({ ...loaded, file: configFile, isRoot: subject.isRoot }),
        }));
  for (const check of [...machineChecks, ...kernelChecks]) yield* await resultsOf(check, subject);
  yield* refusals;
  for (const check of ofConfig) yield* await resultsOf(check, subject);
}

/** A check that throws has failed; the others go on. */
async function resultsOf({ name, run }: Check, subject: Subject): Promise<readonly CheckResult[]> {
  // Checks call tools synchronously: this is when a Ctrl-C is heard.
  await setImmediate();
  try {
    return await run(subject);
  } catch (error) {
    return [failure(name, error)];
  }
}

function refusalsOf(error: unknown, file: string): CheckResult[] {
  if (!(error instanceof ConfigError)) return [failure('config', error)];
  return error.problems.map((problem) =>
    fail('config', `${file}: ${problem}`, 'docs/configuration.md has every key', error.code),
  );
}

/** What is longer than the terminal goes on below: under the detail, or on a narrow terminal under the name. */
function line({ name, status, detail, advice, code }: CheckResult): string {
  const said = `${detail}${advice === '' ? '' : `; ${advice}`}${code === null ? '' : ` [${code}]`}`;
  const width = widthOf(process.stdout);
  const margin = ' '.repeat(width < WIDE ? LABEL_WIDTH : LABEL_WIDTH + NAME_WIDTH + 2);
  const text = fold(
    `${' '.repeat(LABEL_WIDTH)}${name.padEnd(NAME_WIDTH)}  ${printable(said)}`,
    width,
    margin.slice(LABEL_WIDTH),
  );
  const label = paint(COLOURS[status], status, process.stdout);
  return `${label}${text.slice(status.length)}`;
}

function summary(checks: readonly CheckResult[]): string {
  const count = (wanted: CheckStatus): number => checks.filter(({ status }) => status === wanted).length;
  return `${count('ok')} ok, ${count('warn')} to look at, ${count('fail')} failed`;
}
