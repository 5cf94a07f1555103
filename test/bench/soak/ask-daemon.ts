/**
 * Questions to a daemon over its control socket, without a program started for each.
 *
 * @module
 */

import { request } from 'node:http';

/**
 * The text of an answer.
 *
 * @param path - `/status`, `/metrics` and others
 * @throws Error where there is none within five seconds, or another status than 200
 */
export function askDaemon(socket: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const query = request({ socketPath: socket, path, agent: false, timeout: 5000 }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        text += part;
      });
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(`${path}: ${response.statusCode} ${text}`));
      });
    });
    query.on('timeout', () => query.destroy(new Error(`${path}: no answer in time`)));
    query.on('error', reject);
    query.end();
  });
}
