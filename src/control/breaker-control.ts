/**
 * The breaker of a hook by command: closed, so that the hook gets packets again, or opened, so that it gets none.
 *
 * ```
 *   POST /breaker {"hook", "isOpen"} ─> every lane, and the next ones ─> {"hook", "isOpen", "lanes"}
 * ```
 * Rule: what an open breaker means is declared in the configuration (`faults.breakerOpen`); where breakers are off there is nothing to say.
 *
 * @module
 */

import * as z from 'zod';
import type { DaemonView } from './daemon-view.ts';

/** Octets of a request's body. */
export const MAX_BREAKER_OCTETS = 1024;

const request = z.strictObject({ hook: z.string().min(1).max(256), isOpen: z.boolean() });

/** What was told to the lanes. */
export interface BreakerReport {
  readonly hook: string;
  readonly isOpen: boolean;
  /** Lanes that were told. */
  readonly lanes: number;
}

/** Answers a request. @returns HTTP status and body */
export function setBreaker(daemon: DaemonView, body: string): [number, object] {
  const parsed = request.safeParse(parse(body));
  if (!parsed.success) return [400, { error: 'expected {"hook": NAME, "isOpen": true or false}' }];
  const { hook, isOpen } = parsed.data;
  if (daemon.config.faults.breaker.faults === 0)
    return [409, { error: 'no hook has a breaker: faults.breaker.faults is 0 in the configuration' }];
  if (!daemon.hooks.some(({ name }) => name === hook))
    return [404, { error: `no hook is called ${hook}; there are ${daemon.hooks.map(({ name }) => name).join(', ')}` }];
  const report: BreakerReport = { hook, isOpen, lanes: daemon.setBreaker(hook, isOpen) };
  return [200, report];
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}
