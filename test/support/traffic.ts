/**
 * A counter of traffic: numbered datagrams both ways through whatever is under test, and what became of each.
 *
 * ```
 *   startTraffic(flows) ─> one traffic.py a namespace ─> lines "sent", "received" ─> Flow: lost, received twice, when
 * ```
 * Rule: it notes and does not judge. All times are milliseconds of CLOCK_MONOTONIC ({@link monotonicMs}), taken where a
 * datagram is sent or received: a busy test process delays the news, not the figures.
 *
 * @see clock_gettime(2)
 * @module
 */

import { fileURLToPath } from 'node:url';
import type { Namespace } from './lab.ts';
import type { RunningProcess } from './processes.ts';
import { waitFor } from './wait-for.ts';

const SCRIPT = fileURLToPath(new URL('traffic.py', import.meta.url));
const READY_MS = 20_000;

/** One stream of datagrams. */
export interface FlowSpec {
  /** For reports: `peer to host`. */
  readonly name: string;
  readonly from: Namespace;
  readonly to: Namespace;
  /** UDP port that it goes to. */
  readonly port: number;
  /** Where it goes, in turn: the addresses of `to`. */
  readonly addresses: readonly string[];
}

/** A datagram that arrived: its number, and when. */
export interface Arrival {
  readonly number: number;
  readonly atMs: number;
}

/** What {@link startTraffic} takes besides the flows. */
export interface TrafficOptions {
  /** Each flow sends one datagram in this time. @defaultValue 10 */
  readonly intervalMs?: number;
}

/** Time of CLOCK_MONOTONIC now, in milliseconds. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** One stream, and what is known of its datagrams up to now. */
export class Flow {
  readonly spec: FlowSpec;
  /** By number: when it was sent. */
  readonly sentAtMs: number[] = [];
  /** By number: when it arrived first. There is a hole where it has not. */
  readonly receivedAtMs: number[] = [];
  /** In order of arrival, first copies only. */
  readonly arrivals: Arrival[] = [];
  /** Second and further copies, in order of arrival. */
  readonly duplicates: Arrival[] = [];

  /** @internal */
  constructor(spec: FlowSpec) {
    this.spec = spec;
  }

  /** @internal */
  note(kind: string, number: number, atMs: number): void {
    if (kind === 's') {
      this.sentAtMs[number] = atMs;
      return;
    }
    if (this.receivedAtMs[number] === undefined) {
      this.receivedAtMs[number] = atMs;
      this.arrivals.push({ number, atMs });
    } else this.duplicates.push({ number, atMs });
  }

  /** Whether one with that number has arrived. */
  hasArrived(number: number): boolean {
    return this.receivedAtMs[number] !== undefined;
  }
}

/** Running flows. Ends with the namespaces it runs in. */
export class Traffic {
  readonly flows: readonly Flow[];
  readonly #processes: readonly RunningProcess[];

  /** @internal */
  constructor(flows: readonly Flow[], processes: readonly RunningProcess[]) {
    this.flows = flows;
    this.#processes = processes;
  }

  /** Ends the flows; what was noted stays. */
  async stop(): Promise<void> {
    await Promise.all(this.#processes.map((running) => running.stop()));
  }
}

/**
 * Starts to send and to listen.
 *
 * @throws Error when a process cannot be started
 */
export async function startTraffic(specs: readonly FlowSpec[], options: TrafficOptions = {}): Promise<Traffic> {
  const { intervalMs = 10 } = options;
  const flows = specs.map((spec) => new Flow(spec));
  const namespaces = new Set(specs.flatMap(({ from, to }) => [from, to]));
  const processes = [...namespaces].map((ns) => {
    const own = specs.flatMap(({ from, port, addresses }, id) => (from === ns ? [{ id, port, to: addresses }] : []));
    const ports = [...new Set(specs.filter(({ to }) => to === ns).map(({ port }) => port))];
    const running = ns.spawn('python3', [SCRIPT, JSON.stringify({ intervalMs, flows: own, ports })]);
    follow(running, flows);
    return running;
  });
  const traffic = new Traffic(flows, processes);
  const begin = async (): Promise<void> => {
    await waitFor(() => processes.every(({ stdout }) => stdout.startsWith('ready\n')), {
      what: 'listeners',
      timeoutMs: READY_MS,
    });
    // Only now: what is sent before somebody listens at the other end is lost.
    for (const running of processes) running.kill('SIGUSR1');
    await waitFor(() => flows.every(({ sentAtMs }) => sentAtMs.length > 0), {
      what: 'traffic to begin',
      timeoutMs: READY_MS,
    });
  };
  await begin().catch(async (error: unknown) => {
    await traffic.stop();
    throw new Error(processes.map(({ stderr }) => stderr).join(''), { cause: error });
  });
  return traffic;
}

/** Notes every line that the process prints, in whatever parts they come. */
function follow(running: RunningProcess, flows: readonly Flow[]): void {
  let rest = '';
  running.child.stdout.on('data', (part: string) => {
    const lines = (rest + part).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const [kind = '', flow, number, atMs] = line.split(' ');
      if (kind !== 'ready') flows[Number(flow)]?.note(kind, Number(number), Number(atMs));
    }
  });
}
