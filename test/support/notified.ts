/**
 * A service manager for tests: a real datagram socket, and every message that came to it, in order.
 *
 * @module
 */

import { fileURLToPath } from 'node:url';
import { type RunningProcess, startProcess } from './processes.ts';
import { waitFor } from './wait-for.ts';

const PROGRAM = fileURLToPath(new URL('./notified.py', import.meta.url));

/** What was said, and how to end it. */
export interface Manager {
  readonly process: RunningProcess;
  /** Every message up to now. */
  readonly messages: readonly string[];
}

/** Binds the socket; an address after `@` is an abstract name. */
export async function manage(address: string): Promise<Manager> {
  const process = startProcess('python3', [PROGRAM, address]);
  const lines = (): string[] =>
    process.stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as string);
  await waitFor(() => lines()[0] === 'bound', { what: `a socket at ${address}` });
  return {
    process,
    get messages() {
      return lines().slice(1);
    },
  };
}
