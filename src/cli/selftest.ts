/**
 * `firehook selftest`: what firehook promises, tried on this machine's kernel, in network namespaces of its own.
 *
 * Rule: exit code 0 only when everything was seen. What was made is taken away in any case; the network of the machine is not touched.
 *
 * @module
 */

import { FirehookError, isFirehookError } from '../errors.ts';
import { version } from '../supervisor/version.ts';
import { paint } from './fail.ts';
import { type Seen, TRIALS } from './selftest/trials.ts';
import { type SetUp, type Wired, wire } from './selftest/wired.ts';
import { fold, widthOf } from './table.ts';

/** The path of a root shell may be that of the user it came from. */
const SYSTEM_FOLDERS = ':/usr/local/sbin:/usr/sbin:/sbin';
const SET_UPS: readonly SetUp[] = (['bridge', 'host'] as const).flatMap((attach) =>
  (['pcap', 'afpacket'] as const).map((driver): SetUp => ({ attach, driver })),
);

/** One row of the table. */
export interface SelftestRow extends SetUp, Seen {
  readonly name: string;
}

/** What `--json` prints. */
export interface SelftestReport {
  readonly ok: boolean;
  readonly version: string;
  readonly kernel: string;
  readonly rows: readonly SelftestRow[];
}

/**
 * Runs every trial in every set-up, and prints what was seen.
 *
 * @throws {@link FirehookError} FIREHOOK_PERMISSION
 */
export async function selftest(options: { readonly json?: boolean }): Promise<void> {
  if (process.getuid?.() !== 0) throw new FirehookError('FIREHOOK_PERMISSION', 'selftest makes network namespaces');
  process.env['PATH'] = `${process.env['PATH'] ?? ''}${SYSTEM_FOLDERS}`;
  const width = widthOf(process.stdout);
  const say = (text: string): void => {
    if (options.json !== true) process.stdout.write(`${text}\n`);
  };
  const rows: SelftestRow[] = [];
  for (const setUp of SET_UPS) {
    say(`${rows.length === 0 ? '' : '\n'}${setUp.attach}, ${setUp.driver}`);
    for await (const row of trySetUp(setUp)) {
      rows.push(row);
      const mark = row.ok ? paint('green', '✓', process.stdout) : paint('red', '✗', process.stdout);
      // The mark is coloured, and takes one column.
      say(`${mark}${fold(`  ${row.name}: ${row.observed}`, width, '').slice(1)}`);
    }
  }
  const ok = rows.every((row) => row.ok);
  const { release } = await import('node:os');
  const report: SelftestReport = { ok, version, kernel: release(), rows };
  if (options.json === true) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  const seen = rows.filter((row) => row.ok).length;
  say(`\n${seen} of ${rows.length} were seen on Linux ${report.kernel}.${ok ? '' : ' firehook doctor may say why.'}`);
  process.exitCode = ok ? 0 : 1;
}

async function* trySetUp(setUp: SetUp): AsyncGenerator<SelftestRow> {
  let wired: Wired;
  progress(`${setUp.attach}, ${setUp.driver}: starting firehookd ...`);
  try {
    wired = await wire(setUp);
  } catch (error) {
    progress('');
    yield { ...setUp, name: 'firehookd starts, and has proven its interception', ok: false, observed: textOf(error) };
    return;
  }
  const shown = (await wired.status()).attaches[0]?.proven?.shown ?? null;
  progress('');
  yield {
    ...setUp,
    name: 'firehookd starts, and has proven its interception',
    ok: shown !== null,
    observed: shown ?? 'it has not',
  };
  try {
    for (const { name, look } of TRIALS) {
      progress(`${name} ...`);
      const seen = await look(wired, setUp).catch((error: unknown) => ({ ok: false, observed: textOf(error) }));
      progress('');
      yield { ...setUp, name, ...seen };
    }
  } finally {
    await wired.strike();
  }
}

function textOf(error: unknown): string {
  return isFirehookError(error) || error instanceof Error ? error.message : String(error);
}

/** One line that is written over, on a terminal only; '' takes it away. */
function progress(text: string): void {
  if (process.stderr.isTTY === true) process.stderr.write(`\r\u001b[K${paint('dim', text)}`);
}
