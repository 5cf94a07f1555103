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

/** How the daemon is asked, and how its answer is printed. */
export interface ChangeOptions {
  readonly socket: string;
  readonly json?: boolean;
}

/** @throws {@link FirehookError} why the daemon has not reloaded */
export async function reload(options: ChangeOptions): Promise<void> {
  await change(options, '/reload', '', (reloaded) => showReloaded(reloaded));
}

/**
 * Asks for another generation, and prints what came of it.
 *
 * @param show - what a person reads
 * @throws {@link FirehookError} why it was refused
 */
export async function change(
  { socket, json }: ChangeOptions,
  path: string,
  request: string,
  show: (reloaded: Reloaded) => string,
): Promise<void> {
  const { status, body } = await ask(socket, 'POST', path, request, TIMEOUT_MS);
  if (status !== 200) throw refusalOf(socket, status, body);
  const reloaded = body as Reloaded;
  process.stdout.write(
    json === true ? `${printableJson(JSON.stringify(reloaded, null, 2))}\n` : `${printableLines(show(reloaded))}\n`,
  );
}

/** The generation in force, how it came there, and what was left behind. */
export function showReloaded({ generation, hooks, notes, pauseMs }: Reloaded): string {
  const how =
    pauseMs === null
      ? 'Lanes were started anew; policy.onDown held meanwhile.'
      : `No packet was lost; packets waited for ${pauseMs.toFixed(1)} ms.`;
  return [
    `Generation ${generation} is in force: ${hooks.length === 0 ? 'no hooks' : hooks.join(', ')}.`,
    how,
    ...notes.map((note) => `Note: ${note}.`),
  ].join('\n');
}

/** The daemon's own error, as it is. */
export function refusalOf(socket: string, status: number, body: unknown): FirehookError {
  const { error, code } = body as { error?: unknown; code?: ErrorCode };
  if (status !== 409 || typeof error !== 'string' || code === undefined)
    return new FirehookError('FIREHOOK_CONTROL_UNREACHABLE', `${socket}: answered ${status}: ${JSON.stringify(body)}`);
  const known = new FirehookError(code, '');
  known.message = error;
  return known;
}
