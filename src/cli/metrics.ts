/**
 * `firehook metrics`: prints the numbers of the daemon as Prometheus reads them.
 *
 * Rule: what the daemon says is printed as it is, but for characters that a terminal would obey.
 *
 * @module
 */

import { FirehookError } from '../errors.ts';
import { CONTENT_TYPES } from '../telemetry/exposition.ts';
import { askText } from './client.ts';
import { printableLines } from './output.ts';

/** Options of the command. */
export interface MetricsOptions {
  readonly socket: string;
  readonly openmetrics?: boolean;
}

/**
 * Asks and prints.
 *
 * @throws {@link FirehookError} FIREHOOK_CONTROL_UNREACHABLE when the daemon does not answer with numbers
 */
export async function printMetrics({ socket, openmetrics }: MetricsOptions): Promise<void> {
  const accept = CONTENT_TYPES[openmetrics === true ? 'openmetrics' : 'text'];
  const { status, text } = await askText(socket, 'GET', '/metrics', { accept });
  if (status !== 200)
    throw new FirehookError('FIREHOOK_CONTROL_UNREACHABLE', `${socket}: answered ${status}: ${text.trim()}`);
  process.stdout.write(printableLines(text));
}
