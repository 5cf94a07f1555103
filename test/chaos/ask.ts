/**
 * Asks a daemon over its control socket without starting a program for it, and does not wait long.
 *
 * @module
 */

import { request } from 'node:http';

/** What the chaos test reads of `firehook status`. */
export interface Status {
  readonly state?: string;
  readonly lease?: string;
  readonly attaches?: readonly { readonly inForce?: string }[];
  readonly lane?: { readonly pids?: readonly number[] };
}

/**
 * The answer to `firehook status` or another command; null when there is none in time or it is none of ours.
 *
 * @param socket - path of the control socket
 */
export function ask(socket: string, command: string, timeoutMs: number): Promise<unknown> {
  return new Promise((resolve) => {
    const query = request({ socketPath: socket, path: `/${command}`, timeout: timeoutMs }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        text += part;
      });
      response.on('error', () => resolve(null));
      response.on('end', () => {
        try {
          resolve(JSON.parse(text) as unknown);
        } catch {
          resolve(null);
        }
      });
    });
    const deadline = setTimeout(() => query.destroy(new Error('no answer in time')), timeoutMs);
    query.on('error', () => resolve(null));
    query.on('close', () => {
      clearTimeout(deadline);
      resolve(null);
    });
    query.end();
  });
}

/** Whether the daemon says that the hooks are in force on every attach. */
export function saysHooks(status: Status | null): boolean {
  if (status?.state !== 'running' || (status.lane?.pids ?? []).length === 0) return false;
  const attaches = status.attaches ?? [];
  // Until the report names the state in force, the lease stands for it.
  return attaches.every(({ inForce }) => (inForce === undefined ? status.lease === 'held' : inForce === 'hooks'));
}
