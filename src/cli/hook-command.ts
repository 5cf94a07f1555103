/**
 * `firehook hook NAME --close-breaker`: has a hook that was taken out get packets again; `--open-breaker` takes it out.
 *
 * @module
 */

import type { BreakerReport } from '../control/breaker-control.ts';
import { FirehookError } from '../errors.ts';
import { ask } from './client.ts';

/** What the command line says. */
export interface HookOptions {
  readonly socket: string;
  readonly json?: boolean;
  readonly closeBreaker?: boolean;
  readonly openBreaker?: boolean;
}

/** Asks, and says what was done. */
export async function hookCommand(
  hook: string,
  { socket, json, closeBreaker, openBreaker }: HookOptions,
): Promise<void> {
  if ((closeBreaker === true) === (openBreaker === true))
    throw new FirehookError('FIREHOOK_USAGE', 'hook: expected one of --close-breaker and --open-breaker');
  const { status, body } = await ask(
    socket,
    'POST',
    '/breaker',
    JSON.stringify({ hook, isOpen: openBreaker === true }),
  );
  if (status !== 200) {
    const { error = '' } = body as { error?: string };
    throw new FirehookError('FIREHOOK_USAGE', `hook: ${error}`);
  }
  const { isOpen, lanes } = body as BreakerReport;
  const text = `hook ${hook}: breaker ${isOpen ? 'opened' : 'closed'} in ${lanes} ${lanes === 1 ? 'lane' : 'lanes'}`;
  process.stdout.write(`${json === true ? JSON.stringify(body) : text}\n`);
}
