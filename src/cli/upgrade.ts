/**
 * `firehook upgrade`: has another firehookd, of the version that is installed now, take over from the one that runs, and says what came of it.
 *
 * @module
 */

import type { Upgraded } from '../supervisor/upgrade/hand-on.ts';
import { printableJson } from '../telemetry/printable.ts';
import { ask } from './client.ts';
import { printableLines } from './output.ts';
import { type ChangeOptions, refusalOf } from './reload.ts';

/** Hooks may take a minute to set up, once for the trial and once for the lanes; the proof of interception takes ten seconds at most. */
const TIMEOUT_MS = 240_000;

/** @throws FirehookError why the daemon goes on as it was */
export async function upgrade({ socket, json }: ChangeOptions): Promise<void> {
  const { status, body } = await ask(socket, 'POST', '/upgrade', '', TIMEOUT_MS);
  if (status !== 200) throw refusalOf(socket, status, body);
  const upgraded = body as Upgraded;
  const text =
    json === true ? printableJson(JSON.stringify(upgraded, null, 2)) : printableLines(showUpgraded(upgraded));
  process.stdout.write(`${text}\n`);
}

function showUpgraded({ version, pid, hooks, notes, pauseMs }: Upgraded): string {
  return [
    `firehookd ${version} (pid ${pid}) has taken over: ${hooks.length === 0 ? 'no hooks' : hooks.join(', ')}.`,
    `No packet was lost; packets waited for ${pauseMs.toFixed(1)} ms.`,
    ...notes.map((note) => `Note: ${note}.`),
  ].join('\n');
}
