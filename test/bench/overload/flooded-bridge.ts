/**
 * A bridge whose one hook takes its time, so that a lane can be given more than it carries, and the books of every frame that was sent into it.
 *
 * ```
 *   client ── lan0 [ lane: one hook, N microseconds a packet ] wan0 ── server
 *     sent     = stolen + met while no lane answered                    nft, against the interface of the sender
 *     handed   = received + fenced + dropped by the kernel               the rings, against nft; handed: what was stolen, at a port also what was met
 *     received = arrived + dropped, rejected, lost                       the ledger, against the interface of the receiver
 * ```
 * Rule: frames are counted by the interfaces of the two ends, in both directions; everything else is what the daemon says. So whatever is not in its
 * books is seen. A frame by which the supervisor tries a detour, every ten seconds, may find the ring full too: the kernel counts it among those dropped, and
 * nobody sent it.
 *
 * @module
 */

import { readFileSync } from 'node:fs';
import type { StatsReport, StatusReport } from '../../../src/control/reports.ts';
import { type Daemon, startDaemon } from '../../support/daemon.ts';
import type { LabOwner } from '../../support/lab.ts';
import { pingsAgain } from '../../support/live.ts';
import { bridgeLab, type Lab, type RunningProcess, waitFor } from '../../support/netns.ts';
import type { DriverName } from '../contenders.ts';
import { askDaemon } from '../soak/ask-daemon.ts';

/** What became of all frames since the labs were built. */
export interface Books {
  /** By both ends. */
  readonly sent: number;
  readonly arrived: number;
  /** Frames that an end could not even send: its own kernel was behind. They are not among those sent. */
  readonly unsent: number;
  readonly stolen: number;
  readonly whileDown: number;
  readonly received: number;
  readonly kernelDropped: number;
  readonly fenced: number;
  /** Dropped, rejected and lost, by the ledger. */
  readonly stopped: number;
  /** Sent, and neither stolen nor met: 0. */
  readonly unseen: number;
  /** Handed to a ring, and nowhere: 0 where nothing is on its way; below 0 where frames of the supervisor found the ring full. */
  readonly unread: number;
  /** Received, and neither arrived nor stopped: 0 where nothing is on its way. */
  readonly unsentOn: number;
  /** What the daemon says that does not add up. */
  readonly problems: readonly string[];
}

/** How to build one. */
export interface BridgeOptions {
  readonly driver: DriverName;
  /** What the hook takes for a packet. */
  readonly microseconds: number;
  /** Path of the compiled flood.c. */
  readonly flood: string;
  readonly owner?: LabOwner;
  /** MiB of each ring of `afpacket`. @defaultValue that of the configuration */
  readonly ring?: number | undefined;
}

const CLIENT = '10.77.0.1';
const SERVER = '10.77.0.2';
/** A MAC address that nobody has: the frame crosses the bridge, and the server's kernel drops it first thing. */
const NOBODY = '02:00:00:00:00:99';
const NO_END = 4_000_000_000;
const FRAME_OCTETS = 60;
const STILL_MS = 100;
const DRAINED_MS = 60_000;
/** Frames of the supervisor that find a full ring: one in ten seconds, in each of two detours. */
const MOST_PROBES = 40;
const PAGE_IN_MIB = 4096 / (1 << 20);

/** Busy for the time that it is told, with datagrams of UDP: what a ping takes is then the queue, not the hook. */
const SLOW_HOOK = `
  import { defineHook, FORWARD } from 'firehook';
  export default defineHook({
    name: 'slow',
    setup({ microseconds }) {
      return {
        onPacket(packet) {
          if (packet.udp === null) return FORWARD;
          const until = performance.now() + microseconds / 1000;
          while (performance.now() < until);
          return FORWARD;
        },
      };
    },
  });`;

/** A running one. */
export class FloodedBridge {
  readonly daemon: Daemon;
  readonly #lab: Lab<'client' | 'fw' | 'server'>;
  readonly #driver: DriverName;
  readonly #flood: string;
  readonly #probes: readonly [client: number, server: number];

  private constructor(
    lab: Lab<'client' | 'fw' | 'server'>,
    daemon: Daemon,
    { driver, flood }: BridgeOptions,
    probes: readonly [number, number],
  ) {
    this.#lab = lab;
    this.daemon = daemon;
    this.#driver = driver;
    this.#flood = flood;
    this.#probes = probes;
  }

  /** Builds the namespaces and starts the daemon. */
  static async start(options: BridgeOptions): Promise<FloodedBridge> {
    const { driver, microseconds, owner, ring } = options;
    const lab = await bridgeLab(owner);
    try {
      const { client, fw, server } = lab.ns;
      const config = {
        attach: [{ bridge: ['lan0', 'wan0'] }],
        driver,
        ...(ring === undefined ? {} : { ring: { mib: ring } }),
        hooks: [{ module: './slow.ts', options: { microseconds } }],
      };
      const daemon = await startDaemon(fw, config, { files: { 'slow.ts': SLOW_HOOK }, timeoutMs: 60_000 });
      await pingsAgain(client, SERVER);
      const probe = ({ pid }: RunningProcess): number => pid;
      const probes = [probe(client.spawn('sleep', ['infinity'])), probe(server.spawn('sleep', ['infinity']))] as const;
      return new FloodedBridge(lab, daemon, options, probes);
    } catch (error) {
      await lab.remove();
      throw error;
    }
  }

  /** Small frames from client to server at a rate; `count` of them, or until it is stopped. */
  startFlood(perSecond: number, count = NO_END): RunningProcess {
    const args = ['eth0', `${count}`, `${FRAME_OCTETS}`, `${Math.round(perSecond)}`, NOBODY, CLIENT, SERVER];
    return this.#lab.ns.client.spawn(this.#flood, args);
  }

  /** Pings the server through the bridge a hundred times a second, and says when each was sent. */
  startPing(): RunningProcess {
    return this.#lab.ns.client.spawn('ping', ['-D', '-n', '-i', '0.01', SERVER]);
  }

  /** Waits for an answer. */
  pingsAgain(): Promise<void> {
    return pingsAgain(this.#lab.ns.client, SERVER);
  }

  /** What the daemon says of itself. */
  async status(): Promise<StatusReport> {
    return JSON.parse(await askDaemon(this.daemon.socket, '/status')) as StatusReport;
  }

  /** MiB in RAM of the supervisor and of the lanes. */
  memory(lanes: readonly number[]): { readonly supervisor: number; readonly lanes: number } {
    return {
      supervisor: residentMiB(this.daemon.pid),
      lanes: lanes.reduce((sum, pid) => sum + residentMiB(pid), 0),
    };
  }

  /** The books at this moment; what is on its way is unaccounted for. */
  async books(): Promise<Books> {
    const [client, server] = this.#probes.map(framesOf) as [Frames, Frames];
    const stats = JSON.parse(await askDaemon(this.daemon.socket, '/stats')) as StatsReport;
    const { total, kernelDropped, fenced, problems } = stats;
    const sumOf = (name: 'stolen' | 'whileDown'): number =>
      stats.ways.reduce((sum, { port }) => sum + (port?.[name] ?? 0), 0);
    const [stolen, whileDown] = [sumOf('stolen'), sumOf('whileDown')];
    const handed = this.#driver === 'afpacket' ? stolen + whileDown : stolen;
    const stopped = total.dropped + total.rejected + total.lost + total.replied + total.reset + total.held;
    const sent = client.sent + server.sent;
    const arrived = client.received + server.received;
    return {
      sent,
      arrived,
      unsent: client.unsent + server.unsent,
      stolen,
      whileDown,
      received: total.received,
      kernelDropped,
      fenced,
      stopped,
      unseen: sent - stolen - whileDown,
      unread: handed - total.received - fenced - kernelDropped,
      unsentOn: total.received - arrived - stopped,
      problems,
    };
  }

  /** Waits until nothing is on its way any more, and returns the books then; they may be open. */
  async booksAtRest(): Promise<Books> {
    let last = '';
    return waitFor(
      async () => {
        const books = await this.books();
        const text = JSON.stringify(books);
        const isStill = text === last;
        last = text;
        return isStill && books;
      },
      { what: 'the end of the traffic', intervalMs: STILL_MS, timeoutMs: DRAINED_MS },
    );
  }

  /** Ends everything. */
  remove(): Promise<void> {
    return this.#lab.remove();
  }
}

/** Whether every frame is accounted for; nothing may be on its way. */
export function isClosed({ unseen, unread, unsentOn, problems }: Books): boolean {
  return unseen === 0 && unsentOn === 0 && unread <= 0 && unread >= -MOST_PROBES && problems.length === 0;
}

/** What the books say of the time between two looks. */
export function between(before: Books, after: Books): Books {
  const of = (name: Exclude<keyof Books, 'problems'>): number => after[name] - before[name];
  return {
    sent: of('sent'),
    arrived: of('arrived'),
    unsent: of('unsent'),
    stolen: of('stolen'),
    whileDown: of('whileDown'),
    received: of('received'),
    kernelDropped: of('kernelDropped'),
    fenced: of('fenced'),
    stopped: of('stopped'),
    unseen: of('unseen'),
    unread: of('unread'),
    unsentOn: of('unsentOn'),
    problems: after.problems,
  };
}

interface Frames {
  readonly received: number;
  readonly sent: number;
  readonly unsent: number;
}

/** Counters of `eth0` in the namespace of a process. */
function framesOf(pid: number): Frames {
  const line = /eth0:\s*(.*)/.exec(readFileSync(`/proc/${pid}/net/dev`, 'utf8'))?.[1] ?? '';
  const numbers = line.split(/\s+/).map(Number);
  const at = (place: number): number => numbers[place] ?? Number.NaN;
  return { received: at(1), sent: at(9), unsent: at(11) };
}

function residentMiB(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * PAGE_IN_MIB;
  } catch {
    return 0;
  }
}
