/**
 * Which of the frames of `frame-generator.ts` arrive, as sockets see it or as they come in on the wire.
 *
 * ```
 *   watchArrivals ─> sendAll: the frames, then a marker that every attach lets pass ─> marked() ─> stop(): number -> receivers
 * ```
 * Rule: what is reported has been delivered by the stack, or has left the other port; the work is done by `arrivals.py`,
 * because Node has neither raw nor packet sockets.
 *
 * @see raw(7), packet(7)
 * @module
 */

import { fileURLToPath } from 'node:url';
import type { GeneratedFrame } from './frame-generator.ts';
import { ALLOWED_PORT, JOINED4, JOINED6, MAGIC, REFUSED_PORT } from './frame-generator.ts';
import { sendFrames } from './frames.ts';
import type { Namespace } from './lab.ts';
import { waitFor } from './wait-for.ts';

const SCRIPT = fileURLToPath(new URL('arrivals.py', import.meta.url));
const PATIENCE_MS = 45_000;
/** Number of the frame that says that all others have been sent. */
const MARKER = 0xffffffff;

/** The receivers that saw each number, sorted; one that saw it twice is there twice. */
export type Arrivals = ReadonlyMap<number, readonly string[]>;

/** Receivers that are open. */
export interface Watch {
  /** What arrived up to now. */
  arrivals(): Arrivals;
  /** Resolves when a marker has arrived. */
  marked(): Promise<void>;
  /** Reads what still waits, closes, and says what arrived. */
  stop(): Promise<Arrivals>;
}

/**
 * Opens receivers in a namespace; nothing is missed from now on.
 *
 * @param kind - `sockets`: what the IP stack delivers, and ARP; `wire`: every frame that comes in at the interface
 */
export async function watchArrivals(ns: Namespace, kind: 'sockets' | 'wire', interfaceName: string): Promise<Watch> {
  const more = kind === 'sockets' ? [JOINED4, JOINED6, `${ALLOWED_PORT}`, `${REFUSED_PORT}`] : [];
  const running = ns.spawn('python3', [SCRIPT, kind, interfaceName, ...more]);
  await waitFor(() => running.stderr.includes('ready') || !running.isRunning, { what: 'the receivers' });
  if (!running.isRunning) throw new Error(`no receivers: ${running.stderr}`);
  const marker = new RegExp(`^\\w+ ${MARKER}$`, 'm');
  return {
    arrivals: () => read(running.stdout),
    async marked() {
      const isThere = () => marker.test(running.stdout);
      await waitFor(isThere, { what: 'the marker behind the frames', timeoutMs: PATIENCE_MS });
    },
    async stop() {
      const { code } = await running.stop(PATIENCE_MS);
      if (code !== 0) throw new Error(`the receivers ended with ${code}: ${running.stderr}`);
      return read(running.stdout);
    },
  };
}

/** Sends frames out of an interface, and behind them the marker, an ARP frame to everybody. */
export async function sendAll(ns: Namespace, interfaceName: string, frames: readonly GeneratedFrame[]): Promise<void> {
  const marker = Buffer.alloc(60);
  marker.write('ffffffffffff020000007777080600010800060400020000', 'hex');
  MAGIC.copy(marker, 28);
  marker.writeUInt32BE(MARKER, 28 + MAGIC.length);
  await sendFrames(ns, interfaceName, [...frames.flatMap((frame) => frame.frames), marker]);
}

function read(output: string): Arrivals {
  const arrivals = new Map<number, string[]>();
  for (const line of output.split('\n')) {
    const [receiver = '', text] = line.split(' ');
    const number = Number(text);
    if (text === undefined || number === MARKER) continue;
    const seen = arrivals.get(number);
    if (seen === undefined) arrivals.set(number, [receiver]);
    else seen.push(receiver);
  }
  for (const seen of arrivals.values()) seen.sort();
  return arrivals;
}
