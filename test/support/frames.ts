/**
 * Raw Ethernet frames into and out of the interfaces of a lab, for what no ordinary program sends.
 *
 * Rule: a capture is armed when `startCapture` returns; what is sent afterwards is not missed. The work is done by
 * `frames.py`, because Node has no packet socket and the tests must not use the one they test.
 *
 * @see packet(7)
 * @module
 */

import { fileURLToPath } from 'node:url';
import type { Namespace } from './lab.ts';
import { finish } from './processes.ts';
import { waitFor } from './wait-for.ts';

const SCRIPT = fileURLToPath(new URL('frames.py', import.meta.url));

/** What to capture. */
export interface CaptureOptions {
  /** The capture ends with this many frames. */
  readonly count: number;
  /** The capture also ends after this time. @defaultValue 5000 */
  readonly timeoutMs?: number;
  /** Only frames with one of these values in octets 12 and 13; a tagged frame has 0x8100 or 0x88a8 there. */
  readonly etherTypes?: readonly number[];
  /** Frames that arrive at the interface, that leave by it, or both. @defaultValue in */
  readonly direction?: 'both' | 'in' | 'out';
  /** Each frame comes behind its virtio-net header, ten octets in network byte order. @defaultValue false */
  readonly vnet?: boolean;
}

/** An armed capture. */
export interface Capture {
  /** Waits for the end of the capture; the frames in order of arrival, VLAN tags in place. May be fewer than asked. */
  frames(): Promise<Buffer[]>;
}

/**
 * Sends frames out of an interface, one after the other, as they are.
 *
 * @param frames - from the destination address on, without the checksum at the end; at least 14 octets each
 * @param options - `vnet`: a virtio-net header stands before each frame, ten octets in network byte order; `mark`: of each
 * frame in the kernel (SO_MARK)
 */
export async function sendFrames(
  ns: Namespace,
  interfaceName: string,
  frames: readonly Uint8Array[],
  options: { readonly vnet?: boolean; readonly mark?: number } = {},
): Promise<void> {
  const input = hex(frames).join('\n');
  const vnet = options.vnet === true ? ['--vnet'] : [];
  const mark = ['--mark', `${options.mark ?? 0}`];
  await ns.output('python3', [SCRIPT, 'send', interfaceName, ...vnet, ...mark], { input });
}

/** Frames as text that a failing comparison shows well. */
export function hex(frames: readonly Uint8Array[]): string[] {
  return frames.map((frame) => Buffer.from(frame).toString('hex'));
}

/** Starts to capture on an interface; returns when nothing can be missed any more. */
export async function startCapture(ns: Namespace, interfaceName: string, options: CaptureOptions): Promise<Capture> {
  const { count, timeoutMs = 5000, etherTypes = [], direction = 'in', vnet = false } = options;
  const args = [SCRIPT, 'capture', interfaceName, '--count', `${count}`, '--timeout', `${timeoutMs / 1000}`];
  const filter = etherTypes.flatMap((etherType) => ['--filter-ethertype', `${etherType}`]);
  const header = vnet ? ['--vnet'] : [];
  const running = ns.spawn('python3', [...args, '--direction', direction, ...filter, ...header]);
  await waitFor(
    () => {
      if (running.stderr.startsWith('ready')) return true;
      return !running.isRunning;
    },
    { what: `a capture on ${interfaceName}` },
  );
  if (!running.stderr.startsWith('ready')) throw new Error(`cannot capture on ${interfaceName}: ${running.stderr}`);
  return {
    async frames() {
      const { stdout } = await finish(running, timeoutMs + 10_000);
      const lines = stdout.split('\n').filter((line) => line !== '');
      return lines.map((line) => Buffer.from(line, 'hex'));
    },
  };
}

/**
 * Sends one UDP super-datagram that the kernel, or the interface, cuts into datagrams.
 *
 * @param size - octets of payload in all, at most 65507
 * @param segment - octets of payload of each datagram
 */
export async function sendUdpSuperDatagram(
  ns: Namespace,
  host: string,
  port: number,
  size: number,
  segment: number,
): Promise<void> {
  await ns.output('python3', [SCRIPT, 'udp-gso', host, `${port}`, `${size}`, `${segment}`]);
}
