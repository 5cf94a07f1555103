/**
 * `firehook apply FILE --confirm-within SECONDS`, `firehook confirm`, `firehook apply --cancel`: a configuration for a while.
 *
 * Rule: the daemon counts the time. Nothing here has to live, or to be reached, for the former configuration to come back.
 *
 * @module
 */

import path from 'node:path';
import { isSeconds } from '../control/apply-request.ts';
import { FirehookError } from '../errors.ts';
import { TRIAL_SECONDS } from '../supervisor/trials.ts';
import { type ChangeOptions, change, showReloaded } from './reload.ts';

/** Options of `firehook apply`. */
export interface ApplyOptions extends ChangeOptions {
  readonly confirmWithin: string;
  readonly cancel?: boolean;
}

/** @throws {@link FirehookError} FIREHOOK_USAGE; why the daemon has not done it */
export async function apply(file: string | undefined, options: ApplyOptions): Promise<void> {
  if ((file === undefined) !== (options.cancel === true))
    throw new FirehookError('FIREHOOK_USAGE', 'firehook apply takes a file, or --cancel');
  if (file === undefined) {
    await change(options, '/cancel', '', showReloaded);
    return;
  }
  const seconds = Number(options.confirmWithin);
  if (!isSeconds(seconds))
    throw new FirehookError(
      'FIREHOOK_USAGE',
      `--confirm-within ${options.confirmWithin}: expected seconds, ${TRIAL_SECONDS.least} to ${TRIAL_SECONDS.most}`,
    );
  const request = JSON.stringify({ file: path.resolve(file), seconds });
  await change(options, '/apply', request, (reloaded) =>
    [
      showReloaded(reloaded),
      `In ${seconds} s the former configuration comes back, unless you say: firehook confirm`,
    ].join('\n'),
  );
}

/** @throws {@link FirehookError} why it does not stay */
export async function confirm(options: ChangeOptions): Promise<void> {
  await change(
    options,
    '/confirm',
    '',
    ({ generation, hooks }) =>
      `Generation ${generation} stays: ${hooks.length === 0 ? 'no hooks' : hooks.join(', ')}. The daemon's configuration file has it now.`,
  );
}
