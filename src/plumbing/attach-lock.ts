/**
 * One attach a port: an abstract unix socket (unix(7)) that carries the port's ifindex.
 *
 * An abstract socket belongs to a network namespace, as the ifindex does, and goes with the process that holds it, however
 * that process ends. Nothing has to be cleaned up.
 *
 * @module
 */

import { createServer, type Server } from 'node:net';
import { FirehookError } from '../errors.ts';

/** A held lock. */
export interface AttachLock {
  readonly ifindex: number;
  release(): void;
}

/**
 * Takes the lock of a port.
 *
 * @throws {@link FirehookError} FIREHOOK_ATTACH_BUSY when another daemon holds it
 */
export async function lockPort(ifindex: number, name: string): Promise<AttachLock> {
  const server = createServer((connection) => connection.destroy());
  try {
    await listen(server, `\0firehook/${ifindex}`);
  } catch (cause) {
    throw new FirehookError('FIREHOOK_ATTACH_BUSY', `"${name}": another firehookd is attached to it`, {
      cause,
      interfaceName: name,
    });
  }
  return { ifindex, release: () => server.close() };
}

/** Holds an address, or rejects when somebody has it. It does not keep the process. */
export function listen(server: Server, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(address, resolve);
    server.unref();
  });
}
