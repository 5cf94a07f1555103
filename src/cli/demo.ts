/**
 * `firehook demo`: the main job on live traffic, watched from both ends, before and after. Without root, the same hooks over a capture.
 *
 * Rule: exit code 0 only when every scene was observed and the ledger adds up. What was made is taken away in any case.
 *
 * @module
 */

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { StatsReport } from '../control/reports.ts';
import { isFirehookError } from '../errors.ts';
import { type Observation, type Scene, scenes, scenesBefore } from './demo/scenes.ts';
import { type Stage, setStage } from './demo/stage.ts';
import { paint } from './fail.ts';
import type { ReplayReport } from './replay-report.ts';
import { showStats } from './show.ts';
import { fold, widthOf } from './table.ts';

const FIREHOOK = fileURLToPath(new URL('../../bin/firehook', import.meta.url));
const CAPTURE = fileURLToPath(new URL('../../config/demo.pcap', import.meta.url));
const CONFIG = fileURLToPath(new URL('../../config/demo.yaml', import.meta.url));
/** The path of a root shell may be that of the user it came from. */
const SYSTEM_FOLDERS = ':/usr/local/sbin:/usr/sbin:/sbin';
const CABLE = 'client 192.0.2.10 ── server 192.0.2.80';
const BRIDGE = 'client ── lan0 [firehookd] wan0 ── server';
const MAX_REPORT = 16 * 1024 * 1024;

/** One thing that was looked at. */
export interface DemoStep {
  readonly name: string;
  readonly ok: boolean;
  readonly observed: string;
}

/** What `--json` prints. */
export type DemoReport =
  | {
      readonly mode: 'live';
      /** What the same client and server do without firehook. */
      readonly before: readonly DemoStep[];
      /** What they do with firehook between them. */
      readonly steps: readonly DemoStep[];
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
  const width = widthOf(process.stdout);
  const say = (text: string): void => {
    if (!isJson) process.stdout.write(`${text}\n`);
  };
  const play = async (scene: Scene): Promise<DemoStep> => {
    progress(`${scene.name} ...`);
    const { isSeen, observed } = await watch(scene, stage);
    progress('');
    // The mark is coloured, and takes one column.
    say(`${mark(isSeen)}${fold(`  ${scene.name}: ${observed}`, width, '').slice(1)}`);
    return { name: scene.name, ok: isSeen, observed };
  };
  progress('Making three network namespaces ...');
  const stage = await setStage().finally(() => progress(''));
  say(fold(`Without firehook. ${CABLE}`, width));
  const before: DemoStep[] = [];
  for (const scene of scenesBefore) before.push(await play(scene));
  progress('Starting firehookd ...');
  await stage.insertFirewall().finally(() => progress(''));
  say(fold(`\nWith firehook and config/demo.yaml. ${BRIDGE}`, width));
  const steps: DemoStep[] = [];
  for (const scene of scenes) steps.push(await play(scene));
  const ledger = await stage.stats();
  say(`\n${fold(showStats(ledger, width), width)}\n`);
  progress('Taking everything away ...');
  const code = await stage.strike();
  progress('');
  if (code !== 0) say(`${mark(false)} firehookd ended with exit code ${code}`);
  const isShown = [...before, ...steps].every(({ ok }) => ok) && code === 0;
  say(isShown ? 'Everything was observed.' : 'NOT everything was observed.');
  return { mode: 'live', before, steps, ledger, ok: isShown };
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
