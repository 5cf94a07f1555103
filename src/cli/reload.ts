/**
 * `firehook reload`: has the daemon load its configuration anew, and says what came of it.
 *
 * @module
 */

import { type ErrorCode, FirehookError } from '../errors.ts';
import type { Reloaded } from '../supervisor/supervisor.ts';
import { printableJson } from '../telemetry/printable.ts';
import { ask } from './client.ts';
import { printableLines } from './output.ts';

/** Hooks may take a minute to set up, once for the trial and once for the lanes. */
const TIMEOUT_MS = 180_000;

/** @throws {@link FirehookError} why the daemon has not reloaded */
export async function reload({ socket, json }: { readonly socket: string; readonly json?: boolean }): Promise<void> {
  const { status, body } = await ask(socket, 'POST', '/reload', '', TIMEOUT_MS);
  if (status !== 200) throw refusalOf(socket, status, body);
  const reloaded = body as Reloaded;
  process.stdout.write(
    json === true ? `${printableJson(JSON.stringify(reloaded, null, 2))}\n` : `${printableLines(show(reloaded))}\n`,
  );
}

function show({ generation, hooks, notes, pauseMs }: Reloaded): string {
  const how =
    pauseMs === null
      ? 'Lanes were started anew; policy.onDown held meanwhile.'
      : `No packet was lost; packets waited for ${pauseMs.toFixed(1)} ms.`;
  return [
    `Generation ${generation} is in force: ${hooks.join(', ')}.`,
    how,
    ...notes.map((note) => `Note: ${note}.`),
  ].join('\n');
}

/** The daemon's own error, as it is. */
function refusalOf(socket: string, status: number, body: unknown): FirehookError {
  const { error, code } = body as { error?: unknown; code?: ErrorCode };
  if (status !== 409 || typeof error !== 'string' || code === undefined)
    return new FirehookError('FIREHOOK_CONTROL_UNREACHABLE', `${socket}: answered ${status}: ${JSON.stringify(body)}`);
  const known = new FirehookError(code, '');
  known.message = error;
  return known;
}
