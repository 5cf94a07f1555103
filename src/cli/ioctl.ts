/**
 * `firehook ioctl`: asks a device of a driver, as `DeviceIoControl` does on Windows.
 *
 * @see https://learn.microsoft.com/en-us/windows/win32/api/ioapiset/nf-ioapiset-deviceiocontrol
 * @module
 */

import { readFileSync, writeFileSync } from 'node:fs';
import type { DeviceReport } from '../control/device-control.ts';
import { NT_SUCCESS } from '../ddk/status.ts';
import { FirehookError } from '../errors.ts';
import { MAX_DEVICE_OCTETS } from '../lane/messages.ts';
import { ask } from './client.ts';

/** What the command line says. */
export interface IoctlOptions {
  readonly socket: string;
  readonly json?: boolean;
  /** A file with the input; - is standard input. */
  readonly in?: string;
  /** Where the output goes; - is standard output. */
  readonly out?: string;
  /** Octets of output that there is room for. */
  readonly length: string;
}

/** Asks, and prints what came back. Exit code 1 when the driver answered with an error. */
export async function ioctl(device: string, code: string, options: IoctlOptions): Promise<void> {
  const input = options.in === undefined ? Buffer.alloc(0) : read(options.in);
  const request = {
    device,
    code: numberOf('the control code', code, 0xffff_ffff),
    input: input.toString('base64'),
    outputLength: numberOf('--length', options.length, MAX_DEVICE_OCTETS),
  };
  if (input.length > MAX_DEVICE_OCTETS) refuse(`--in ${options.in}: more than ${MAX_DEVICE_OCTETS} octets`);
  const { status, body } = await ask(options.socket, 'POST', '/devices', JSON.stringify(request));
  if (status !== 200) {
    const { error = '', answers } = body as { error?: string; answers?: unknown };
    const more = answers === undefined ? '' : `: ${JSON.stringify(answers)}`;
    throw new FirehookError('FIREHOOK_DEVICE', `${device}: ${error}${more}`);
  }
  const report = body as DeviceReport;
  const output = Buffer.from(report.output, 'base64');
  if (options.out === '-') process.stdout.write(output);
  else if (options.out !== undefined) write(options.out, output);
  if (options.json === true) process.stdout.write(`${JSON.stringify(report)}\n`);
  else if (options.out !== '-') {
    const shown = `0x${report.status.toString(16).padStart(8, '0')}`;
    process.stdout.write(
      `status ${shown}, ${output.length} octets${output.length === 0 ? '' : `: ${output.toString('hex')}`}\n`,
    );
  }
  process.exitCode = NT_SUCCESS(report.status) ? 0 : 1;
}

function read(file: string): Buffer {
  try {
    return readFileSync(file === '-' ? 0 : file);
  } catch (error) {
    return refuse(`--in ${file}: ${(error as Error).message}`);
  }
}

function write(file: string, output: Buffer): void {
  try {
    writeFileSync(file, output);
  } catch (error) {
    refuse(`--out ${file}: ${(error as Error).message}`);
  }
}

function numberOf(what: string, text: string, most: number): number {
  const number = Number(text);
  if (/^(0x[0-9a-fA-F]+|\d+)$/.test(text) && number <= most) return number;
  return refuse(`${what}: ${JSON.stringify(text)} is no whole number from 0 to ${most}, decimal or with 0x`);
}

function refuse(reason: string): never {
  throw new FirehookError('FIREHOOK_USAGE', reason);
}
