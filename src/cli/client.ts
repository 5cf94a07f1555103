/**
 * Asks the daemon: one HTTP request over its control socket.
 *
 * @module
 */

import { request } from 'node:http';
import { FirehookError } from '../errors.ts';

/** The daemon answers from memory and two system calls; under flood it may have to wait for the processor. */
const TIMEOUT_MS = 10_000;
/** An answer larger than this is none of ours, in octets. */
const MAX_ANSWER = 64 * 1024 * 1024;

/** An answer of the daemon. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/**
 * Sends a request and reads the answer.
 *
 * @param socket - path of the control socket
 * @param body - of the request
 * @param timeoutMs - how long the answer may take
 * @throws {@link FirehookError} FIREHOOK_CONTROL_UNREACHABLE when nobody answers there,
 * FIREHOOK_PERMISSION when the socket may not be used
 */
export function ask(
  socket: string,
  method: 'GET' | 'POST',
  path: string,
  body = '',
  timeoutMs = TIMEOUT_MS,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const unreachable = (why: string, cause?: unknown): void =>
      reject(new FirehookError('FIREHOOK_CONTROL_UNREACHABLE', `${socket}: ${why}`, { cause }));
    const query = request({ socketPath: socket, method, path, timeout: timeoutMs }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        text += part;
        if (text.length > MAX_ANSWER) response.destroy();
      });
      response.on('error', (error) => unreachable(error.message, error));
      response.on('end', () => {
        try {
          resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as unknown });
        } catch (error) {
          unreachable('what answers there is not firehookd', error);
        }
      });
    });
    query.on('timeout', () => query.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)));
    query.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EACCES' || error.code === 'EPERM') {
        reject(new FirehookError('FIREHOOK_PERMISSION', `${socket} (control.mode says who may ask)`, { cause: error }));
      } else unreachable(error.code === 'ENOENT' ? 'there is no such socket' : error.message, error);
    });
    query.end(body);
  });
}
