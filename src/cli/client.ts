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

/** What is asked beside method and path. */
export interface TextRequest {
  readonly body?: string;
  /** The Accept header; none where nobody says. */
  readonly accept?: string;
  readonly timeoutMs?: number;
}

/** An answer as it came. */
export interface TextAnswer {
  readonly status: number;
  readonly text: string;
}

/**
 * Sends a request and reads the answer, which is JSON.
 *
 * @param socket - path of the control socket
 * @param body - of the request
 * @param timeoutMs - how long the answer may take
 * @throws {@link FirehookError} FIREHOOK_CONTROL_UNREACHABLE when nobody answers there,
 * FIREHOOK_PERMISSION when the socket may not be used
 */
export async function ask(
  socket: string,
  method: 'GET' | 'POST',
  path: string,
  body = '',
  timeoutMs = TIMEOUT_MS,
): Promise<Answer> {
  const { status, text } = await askText(socket, method, path, { body, timeoutMs });
  try {
    return { status, body: JSON.parse(text) as unknown };
  } catch (cause) {
    const detail = `${socket}: what answers there is not firehookd`;
    throw new FirehookError('FIREHOOK_CONTROL_UNREACHABLE', detail, { cause });
  }
}

/** The same, and the answer may be any text. */
export function askText(
  socket: string,
  method: 'GET' | 'POST',
  path: string,
  { body = '', accept, timeoutMs = TIMEOUT_MS }: TextRequest = {},
): Promise<TextAnswer> {
  return new Promise((resolve, reject) => {
    const unreachable = (why: string, cause?: unknown): void =>
      reject(new FirehookError('FIREHOOK_CONTROL_UNREACHABLE', `${socket}: ${why}`, { cause }));
    const headers = accept === undefined ? {} : { accept };
    const query = request({ socketPath: socket, method, path, headers, timeout: timeoutMs }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        text += part;
        if (text.length > MAX_ANSWER) response.destroy();
      });
      response.on('error', (error) => unreachable(error.message, error));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
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
