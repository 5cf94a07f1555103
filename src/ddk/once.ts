/**
 * Says a thing once for each driver: what a packet could make a driver repeat a million times must not fill the log.
 *
 * @module
 */

import type { DriverHost } from './host.ts';

/** Warns, unless it has warned of `subject` before. */
export type WarnOnce = (subject: string, message: string) => void;

/** Makes the function for one driver. */
export function createWarnOnce(host: DriverHost): WarnOnce {
  const said = new Set<string>();
  return (subject, message) => {
    if (said.has(subject)) return;
    said.add(subject);
    host.log('warn', message);
  };
}
