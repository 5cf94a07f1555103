/**
 * The conformance suite for a live driver, over two veth pairs of the namespace this process runs in.
 *
 * ```
 *   frames.py send ─> q0 ═ p0 <─ capture, send ─> driver <─ capture, send ─> p1 ═ q1 <─ frames.py capture
 * ```
 * Not a test file: `<driver>.live.ts` calls it, and a test makes the namespace with `p0`, `q0`, `p1` and `q1` in it and
 * runs that there (`live-run.ts`). Rule: what goes in and comes out is told by `frames.py`, not by the driver's library.
 *
 * @module
 */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Driver, FrameSink } from '../../src/drivers/contract.ts';
import type { LivePortOptions } from '../../src/drivers/live-port.ts';
import { finish, type RunningProcess, startProcess } from '../support/processes.ts';
import { waitFor } from '../support/wait-for.ts';
import { type DriverUnderTest, driverConformance } from './driver.suite.ts';

const SCRIPT = fileURLToPath(new URL('../support/frames.py', import.meta.url));
const PORTS = [0, 1] as const;
const MTU = 1500;
const ETHERNET_HEADER = 14;
/** What the suite sends, and a neighbour of it that the suite takes for somebody else's. */
const ETHERTYPE_EXPERIMENTAL = 0x88b5;
const ETHERTYPE_MARKER = 0x88b6;
const TIMEOUT_MS = 60_000;

/** Registers the suite for a driver that `open` opens on the ports it is given. */
export function liveConformance(name: string, open: (ports: readonly LivePortOptions[]) => Driver): void {
  driverConformance(name, () => setUp(open));
}

async function setUp(open: (ports: readonly LivePortOptions[]) => Driver): Promise<DriverUnderTest> {
  const watched = new WatchedDriver(open(PORTS.map(portOptions)));
  const captures = await Promise.all(PORTS.map((id) => startCapture(`q${id}`)));
  const held: { readonly port: number; readonly frames: readonly Buffer[] }[] = [];
  return {
    driver: watched,
    send(port, frames) {
      held.push({ port, frames: frames.map((frame) => Buffer.from(frame)) });
    },
    async idle() {
      const sent = held.reduce((sum, { frames }) => sum + frames.length, 0);
      for (const { port, frames } of held.splice(0)) await sendFrames(`q${port}`, frames);
      await waitFor(() => watched.hasEnded || watched.handedOut >= sent, {
        what: `${sent} frames to be handed out`,
        timeoutMs: TIMEOUT_MS,
      });
    },
    async received(port) {
      const capture = captures[port];
      if (capture === undefined) throw new Error(`no capture at port ${port}`);
      // What the driver sent is ahead of the marker: once that is seen, nothing of it is still on its way.
      await sendFrames(`p${port}`, [markerFrame()]);
      const seen = () => framesOf(capture);
      await waitFor(() => seen().some(isMarker), { what: `the marker at q${port}`, timeoutMs: TIMEOUT_MS });
      return seen().filter((frame) => !isMarker(frame));
    },
    async close() {
      await Promise.all(captures.map((capture) => capture.stop()));
    },
  };
}

function portOptions(id: number): LivePortOptions {
  const name = `p${id}`;
  const device = { name, ifindex: Number(readFileSync(`/sys/class/net/${name}/ifindex`, 'utf8')) };
  const longest = MTU + ETHERNET_HEADER;
  return { id, capture: device, direction: 'any', send: device, maxFrameLength: longest, captureLength: longest };
}

/** The driver itself, and how many of the suite's frames it has handed out. */
class WatchedDriver implements Driver {
  readonly name;
  readonly capabilities;
  readonly ports;
  handedOut = 0;
  /** True once it will hand out no more: it was stopped, or its sink threw. */
  hasEnded = false;
  readonly #driver: Driver;

  constructor(driver: Driver) {
    this.#driver = driver;
    this.name = driver.name;
    this.capabilities = driver.capabilities;
    this.ports = driver.ports;
  }

  async start(sink: FrameSink): Promise<void> {
    try {
      await this.#driver.start({
        onFrame: (frame) => {
          if (frame.octets.readUInt16BE(12) === ETHERTYPE_EXPERIMENTAL) this.handedOut += 1;
          sink.onFrame(frame);
        },
        onBatchEnd: () => sink.onBatchEnd(),
      });
    } finally {
      this.hasEnded = true;
    }
  }

  transmit(port: number, frame: Buffer, length: number): boolean {
    return this.#driver.transmit(port, frame, length);
  }

  resume(...kept: Parameters<NonNullable<Driver['resume']>>): void {
    this.#driver.resume?.(...kept);
  }

  endResumed(): void {
    this.#driver.endResumed?.();
  }

  stats(): ReturnType<Driver['stats']> {
    return this.#driver.stats();
  }

  stop(): void {
    this.#driver.stop();
  }
}

async function startCapture(device: string): Promise<RunningProcess> {
  const args = ['capture', device, '--count', '1000000', '--timeout', `${TIMEOUT_MS / 1000}`];
  const capture = startProcess('python3', [SCRIPT, ...args]);
  await waitFor(() => capture.stderr.startsWith('ready') || !capture.isRunning, { what: `a capture on ${device}` });
  if (!capture.isRunning) throw new Error(capture.stderr);
  return capture;
}

function framesOf(capture: RunningProcess): Buffer[] {
  // What follows the last newline is a frame that has not been read to its end.
  const lines = capture.stdout.split('\n').slice(0, -1);
  return lines.map((line) => Buffer.from(line, 'hex'));
}

async function sendFrames(device: string, frames: readonly Buffer[]): Promise<void> {
  const input = frames.map((frame) => frame.toString('hex')).join('\n');
  const { code, stderr } = await finish(startProcess('python3', [SCRIPT, 'send', device], { input }), TIMEOUT_MS);
  if (code !== 0) throw new Error(`cannot send on ${device}: ${stderr}`);
}

function markerFrame(): Buffer {
  const frame = Buffer.alloc(60);
  frame.set([0x02, 0, 0, 0, 0, 0x02, 0x02, 0, 0, 0, 0, 0x01]);
  frame.writeUInt16BE(ETHERTYPE_MARKER, 12);
  return frame;
}

function isMarker(frame: Buffer): boolean {
  return frame.readUInt16BE(12) === ETHERTYPE_MARKER;
}
