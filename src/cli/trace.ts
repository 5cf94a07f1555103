/**
 * `firehook trace`: live packets, hook by hook, as they go through the lanes.
 *
 * ```
 *   POST /trace on the control socket ─> lines of JSON ─> lines for people, or of EVE
 * ```
 * Rule: it ends when it is ended (`-n`, Ctrl-C, a reader that leaves), and the lanes stop with it. What it could not show it counts.
 *
 * @module
 */

import { request } from 'node:http';
import { createInterface } from 'node:readline';
import type { TraceLine } from '../control/trace-control.ts';
import { FirehookError } from '../errors.ts';
import { printable } from '../telemetry/printable.ts';
import { traceJson, traceText } from './show-trace.ts';

/** What the command line says. */
export interface TraceOptions {
  readonly socket: string;
  readonly count?: string;
  readonly hook?: string;
  readonly json?: boolean;
}

/** Characters of an answer that is no trace. */
const MOST_ERROR = 16_384;

/**
 * Prints packets until it is ended.
 *
 * @param words - the filter, of pcap-filter(7); none for every packet
 * @throws {@link FirehookError} FIREHOOK_USAGE where the daemon refuses the request, FIREHOOK_CONTROL_UNREACHABLE where it does not answer, or ends
 */
export async function trace(words: readonly string[], options: TraceOptions): Promise<void> {
  const body = JSON.stringify({
    expression: words.join(' '),
    most: countOf(options.count),
    hook: options.hook ?? null,
  });
  const end = await follow(options.socket, body, (line) => {
    const { lane, packet } = line;
    const context = { lane, placeOf: () => undefined, faults: [] };
    process.stdout.write(`${options.json === true ? traceJson(packet, context) : traceText(packet, context)}\n`);
  });
  const more = [
    ...(end.lost === 0 ? [] : [`${end.lost} matched and were not told`]),
    ...(end.invalid === 0 ? [] : [`${end.invalid} records were none`]),
  ];
  process.stderr.write(`firehook: ${end.told} packets${more.length === 0 ? '' : `, ${more.join(', ')}`}\n`);
  process.exit();
}

function countOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new FirehookError('FIREHOOK_USAGE', `-n: ${text} is no number of packets`);
  return Number(text);
}

type Packet = Extract<TraceLine, { packet: unknown }>;
type End = Extract<TraceLine, { end: unknown }>;

function follow(socket: string, body: string, onPacket: (line: Packet) => void): Promise<End> {
  return new Promise((resolve, reject) => {
    const unreachable = (why: string, cause?: unknown): void =>
      reject(new FirehookError('FIREHOOK_CONTROL_UNREACHABLE', `${socket}: ${why}`, { cause }));
    let told = 0;
    const query = request({ socketPath: socket, method: 'POST', path: '/trace' }, (response) => {
      const leave = (): void => {
        response.destroy();
        resolve({ end: 'interrupted', told, lost: 0, invalid: 0 });
      };
      process.once('SIGINT', leave);
      process.once('SIGTERM', leave);
      // There is nobody left to tell.
      process.stdout.once('error', leave);
      if (response.statusCode !== 200) {
        refuse(response, reject, unreachable);
        return;
      }
      const lines = createInterface({ input: response });
      lines.on('line', (text) => {
        const line = JSON.parse(text) as TraceLine;
        if ('end' in line) resolve(line);
        else {
          told += 1;
          onPacket(line);
        }
      });
      response.on('error', () => unreachable('the daemon has ended'));
      response.on('close', () => unreachable('the daemon has ended'));
    });
    query.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EACCES' || error.code === 'EPERM')
        reject(new FirehookError('FIREHOOK_PERMISSION', `${socket} (control.mode says who may ask)`, { cause: error }));
      else unreachable(error.code === 'ENOENT' ? 'there is no such socket' : error.message, error);
    });
    query.end(body);
  });
}

/** An answer that is no trace: why, in the words of the daemon. */
function refuse(
  response: NodeJS.ReadableStream,
  reject: (error: FirehookError) => void,
  unreachable: (why: string) => void,
): void {
  let text = '';
  response.on('data', (part: Buffer) => {
    text = (text + part.toString()).slice(0, MOST_ERROR);
  });
  response.on('end', () => {
    try {
      const { error } = JSON.parse(text) as { error: string };
      reject(new FirehookError('FIREHOOK_USAGE', printable(String(error))));
    } catch {
      unreachable('what answers there is not firehookd');
    }
  });
}
