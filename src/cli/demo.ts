/**
 * `firehook demo`: the main job on live traffic, watched from both ends. Without root, the same hooks over a capture.
 *
 * Rule: exit code 0 only when every scene was observed and the ledger adds up. What was made is taken away in any case.
 *
 * @module
 */

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { StatsReport } from '../control/reports.ts';
import { isFirehookError } from '../errors.ts';
import { type Observation, type Scene, scenes } from './demo/scenes.ts';
import { type Stage, setStage } from './demo/stage.ts';
import { paint } from './fail.ts';
import type { ReplayReport } from './replay-report.ts';
import { showStats } from './show.ts';

const FIREHOOK = fileURLToPath(new URL('../../bin/firehook', import.meta.url));
const CAPTURE = fileURLToPath(new URL('../../config/demo.pcap', import.meta.url));
const CONFIG = fileURLToPath(new URL('../../config/demo.yaml', import.meta.url));
/** The path of a root shell may be that of the user it came from. */
const SYSTEM_FOLDERS = ':/usr/local/sbin:/usr/sbin:/sbin';
const MAX_REPORT = 16 * 1024 * 1024;

/** What `--json` prints. */
export type DemoReport =
  | {
      readonly mode: 'live';
      readonly steps: readonly { readonly name: string; readonly ok: boolean; readonly observed: string }[];
      readonly ledger: StatsReport;
      readonly ok: boolean;
    }
  | { readonly mode: 'replay'; readonly replay: ReplayReport | null; readonly ok: boolean };

/**
 * Runs the demo and prints what was observed.
 *
 * @throws {@link FirehookError} when the stage cannot be set
 */
export async function demo(options: { readonly json?: boolean }): Promise<void> {
  const isJson = options.json === true;
  const report = process.getuid?.() === 0 ? await live(isJson) : replayCapture(isJson);
  if (isJson) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  process.exitCode = report.ok ? 0 : 1;
}

async function live(isJson: boolean): Promise<DemoReport> {
  process.env['PATH'] = `${process.env['PATH'] ?? ''}${SYSTEM_FOLDERS}`;
  const say = (text: string): void => {
    if (!isJson) process.stdout.write(`${text}\n`);
  };
  say('client 192.0.2.10 ── lan0 [firehookd: config/demo.yaml] wan0 ── server 192.0.2.80\n');
  progress('Making three network namespaces and starting firehookd ...');
  const stage = await setStage().finally(() => progress(''));
  const steps: { name: string; ok: boolean; observed: string }[] = [];
  for (const scene of scenes) {
    progress(`${scene.name} ...`);
    const { isSeen, observed } = await watch(scene, stage);
    steps.push({ name: scene.name, ok: isSeen, observed });
    progress('');
    say(`${mark(isSeen)} ${scene.name}: ${observed}`);
  }
  const ledger = await stage.stats();
  say(`\n${showStats(ledger)}\n`);
  progress('Taking everything away ...');
  const code = await stage.strike();
  progress('');
  if (code !== 0) say(`${mark(false)} firehookd ended with exit code ${code}`);
  const isShown = steps.every(({ ok }) => ok) && code === 0;
  say(isShown ? 'Everything was observed.' : 'NOT everything was observed.');
  return { mode: 'live', steps, ledger, ok: isShown };
}

async function watch(scene: Scene, stage: Stage): Promise<Observation> {
  try {
    return await scene.observe(stage);
  } catch (error) {
    return { isSeen: false, observed: isFirehookError(error) ? error.message : String(error) };
  }
}

/** `firehook replay` as anybody would call it. */
function replayCapture(isJson: boolean): DemoReport {
  const why = 'Not root, so no live traffic: the shipped capture goes through the same hooks instead.';
  process.stderr.write(`${paint('yellow', why)}\n`);
  const { status, stdout } = spawnSync(
    process.execPath,
    [FIREHOOK, 'replay', CAPTURE, '-c', CONFIG, ...(isJson ? ['--json'] : [])],
    { stdio: ['ignore', isJson ? 'pipe' : 'inherit', 'inherit'], encoding: 'utf8', maxBuffer: MAX_REPORT },
  );
  const replay = isJson && stdout !== '' ? (JSON.parse(stdout) as ReplayReport) : null;
  return { mode: 'replay', replay, ok: status === 0 };
}

function mark(isSeen: boolean): string {
  return isSeen ? paint('green', '✓', process.stdout) : paint('red', '✗', process.stdout);
}

/** One line that is written over, on a terminal only; '' takes it away. */
function progress(text: string): void {
  if (process.stderr.isTTY === true) process.stderr.write(`\r\u001b[K${paint('dim', text)}`);
}
