/**
 * The user-mode side of drivers: one request goes to every lane, and their answers have to agree.
 *
 * ```
 *   POST /devices {"device", "code", "input", "outputLength"} ─> every lane ─> the same status and octets ─> {"status", "output"}
 * ```
 * Rule: off unless `control.devices` is true, because a request may change what a driver lets pass. A driver's device is there
 * once a lane; where lanes answer differently nothing is made up: all answers are shown.
 *
 * @module
 */

import * as z from 'zod';
import { MAX_DEVICE_OCTETS, MAX_DEVICE_TEXT } from '../lane/messages.ts';
import type { DaemonView } from './daemon-view.ts';

/** Octets of a request's body: a device's input in base64, and what names it. */
export const MAX_REQUEST_OCTETS = 64 * 1024;

const NAME_OCTETS = 256;

const request = z.strictObject({
  device: z.string().min(1).max(NAME_OCTETS),
  code: z.int().min(0).max(0xffff_ffff),
  input: z.base64().max(MAX_DEVICE_TEXT),
  outputLength: z.int().min(0).max(MAX_DEVICE_OCTETS),
});

/** What a driver answered, and how many lanes said so. */
export interface DeviceReport {
  /** NTSTATUS. */
  readonly status: number;
  /** Base64. */
  readonly output: string;
  readonly lanes: number;
}

/** Answers a request. @returns HTTP status and body */
export async function askDevices(daemon: DaemonView, body: string): Promise<[number, object]> {
  if (!daemon.config.control.devices) {
    return [403, { error: 'control.devices is false in the configuration: no device can be asked' }];
  }
  const parsed = request.safeParse(parse(body));
  if (!parsed.success) {
    return [400, { error: `not a request to a device: at most ${MAX_DEVICE_OCTETS} octets in each direction` }];
  }
  const lanes = daemon.lanes.filter(({ isReady }) => isReady);
  if (lanes.length === 0) return [503, { error: 'no lane runs' }];
  const answers = await Promise.allSettled(lanes.map((lane) => lane.ask(parsed.data)));
  const told = answers.map((answer, index) => {
    const pid = lanes[index]?.pid;
    if (answer.status === 'rejected') return { pid, error: (answer.reason as Error).message };
    const { status, output, error } = answer.value;
    return error === null ? { pid, status, output } : { pid, status, output, error };
  });
  const [first] = told;
  if (first === undefined || told.some(({ error }) => error !== undefined)) {
    return [502, { error: 'a driver did not answer', answers: told }];
  }
  if (told.some(({ status, output }) => status !== first.status || output !== first.output)) {
    return [409, { error: 'the lanes answered differently', answers: told }];
  }
  return [200, { status: first.status, output: first.output, lanes: told.length }];
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}
