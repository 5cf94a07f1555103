/**
 * One daemon of a soak with all that is asked of it: hooks of every kind, flows, a table, events into a file that is rotated, metrics read each second, and
 * traffic.
 *
 * ```
 *   client ── lan0 [ firehookd: nine hooks ] wan0 ── server
 *     flood.c: 1,024 flows of datagrams, one in a hundred to a port that is dropped     ping     numbered datagrams     short TCP and DNS talks
 * ```
 * Rule: what is sent here is counted here; the daemon is known by its control socket, its log and /proc alone.
 *
 * @module
 */

import { rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { clientHello, records } from '../../support/client-hello.ts';
import { type Daemon, startDaemon } from '../../support/daemon.ts';
import { pingsAgain, stockHook } from '../../support/live.ts';
import { bridgeLab, type Lab, type RunningProcess, waitFor } from '../../support/netns.ts';
import type { DriverName } from '../contenders.ts';
import type { Programs } from '../programs.ts';
import { askDaemon } from './ask-daemon.ts';

/** Whether a cell is disturbed. */
export type Temper = 'steady' | 'restless';

/** How a cell is made. */
export interface CellOptions {
  readonly temper: Temper;
  readonly driver: DriverName;
  /** Packets a second, all kinds together, about. */
  readonly rate: number;
  readonly programs: Programs;
}

/** What arrived of the numbered datagrams. */
export interface Numbered {
  readonly sent: number;
  readonly received: number;
  readonly twice: number;
}

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const STAMPED = here('../../support/stamped.py');
const TALKS = here('./short-talks.py');
const TELL_HEAP = pathToFileURL(here('./tell-heap.mjs')).href;
const CLIENT = '10.77.0.1';
const SERVER = '10.77.0.2';
/** A MAC address that nobody has: the frame crosses the bridge, and the server's kernel drops it first thing. */
const NOBODY = '02:00:00:00:00:99';
const NO_END = '4000000000';
const DROPPED_PORT = '23';
const NUMBERED_PORT = '7000';
const FAULT_PORT = '6666';
const FAULTS = '64';
const SCRAPE_EVERY_MS = 1000;
/** Of the rate: numbered datagrams, and datagrams that are dropped. The talks are 20 a second. */
const NUMBERED_SHARE = 0.2;
const DROPPED_SHARE = 0.01;
const TALKS_A_SECOND = '20';

/** Lines of the table; another `version` has one more. */
export function blockedList(version: number): string {
  return `192.0.2.0/24\n198.51.100.0/24\n203.0.113.${version % 256}\n`;
}

/** The configuration; another `version` differs in a number that no packet feels. */
export function soakConfig(driver: DriverName, version: number): Record<string, unknown> {
  return {
    attach: [{ bridge: ['lan0', 'wan0'] }],
    driver,
    ...(driver === 'afpacket' ? { ring: { mib: 8 } } : {}),
    tables: { blocked: { file: 'blocked.txt', every: 2 } },
    hooks: [
      stockHook('block-list', { table: 'blocked' }),
      stockHook('drop-port', { protocol: 'udp', ports: [Number(DROPPED_PORT)] }),
      stockHook('packet-filter', { rules: ['drop udp from any to any port 7 count echo', 'default pass'] }),
      stockHook('rate-limit', { packetsPerSecond: 900_000 + version }),
      stockHook('dns-filter', { names: ['ads.example'] }),
      stockHook('clamp-mss', { mss: 1400 }),
      stockHook('tls-name-filter', { names: ['blocked.example'] }),
      stockHook('nat', { oneToOne: { '192.0.2.0/24': '203.0.113.0/24' } }),
      { module: here('./soak-hook.ts') },
    ],
    // A datagram that is not answered is a flow of five seconds: they begin and end all the time.
    flows: { most: 16_384, timeouts: { udpNew: 5, udpEstablished: 10, tcpClosed: 2, icmp: 5 } },
    faults: { hookThrows: 'forward', breaker: { faults: 1000, windowSeconds: 10, retrySeconds: 5 } },
    events: {
      file: 'events.json',
      rotate: { mib: 1, keep: 3 },
      types: ['drop', 'flow', 'stats', 'engine'],
      sample: { oneIn: 2, perSecond: 50 },
    },
  };
}

/** A running cell. */
export class SoakCell {
  readonly name: string;
  readonly temper: Temper;
  readonly driver: DriverName;
  readonly daemon: Daemon;
  /** Answers to `GET /metrics`, and how many there were none to. */
  scrapes = 0;
  missedScrapes = 0;
  version = 1;
  readonly #lab: Lab<'client' | 'fw' | 'server'>;
  readonly #programs: Programs;
  readonly #talks: RunningProcess;
  readonly #numbered: readonly [sender: RunningProcess, receiver: RunningProcess];
  readonly #ping: RunningProcess;
  readonly #floods: readonly RunningProcess[];
  readonly #scraper: NodeJS.Timeout;
  #isScraping = false;

  private constructor(
    { temper, driver, programs }: CellOptions,
    lab: Lab<'client' | 'fw' | 'server'>,
    daemon: Daemon,
    traffic: {
      readonly talks: RunningProcess;
      readonly numbered: readonly [RunningProcess, RunningProcess];
      readonly ping: RunningProcess;
      readonly floods: readonly RunningProcess[];
    },
  ) {
    this.name = `${temper} ${driver}`;
    this.temper = temper;
    this.driver = driver;
    this.daemon = daemon;
    this.#lab = lab;
    this.#programs = programs;
    this.#talks = traffic.talks;
    this.#numbered = traffic.numbered;
    this.#ping = traffic.ping;
    this.#floods = traffic.floods;
    this.#scraper = setInterval(() => void this.#scrape(), SCRAPE_EVERY_MS);
  }

  /** Builds the namespaces, starts the daemon and the traffic. */
  static async start(options: CellOptions): Promise<SoakCell> {
    const lab = await bridgeLab();
    try {
      const { fw, client } = lab.ns;
      const heapFile = heapFileOf(lab);
      fw.defer(() => rm(heapFile, { force: true }));
      const daemon = await startDaemon(fw, soakConfig(options.driver, 1), {
        files: { 'blocked.txt': blockedList(1) },
        env: { NODE_OPTIONS: `--import=${TELL_HEAP}`, FIREHOOK_SOAK_HEAP: heapFile },
        timeoutMs: 60_000,
      });
      await pingsAgain(client, SERVER);
      return new SoakCell(options, lab, daemon, await startTraffic(options, lab));
    } catch (error) {
      await lab.remove();
      throw error;
    }
  }

  /** Where the supervisor says how large its heap is. */
  get heapFile(): string {
    return heapFileOf(this.#lab);
  }

  /** A hook throws with 64 datagrams, which go on. */
  async fault(): Promise<void> {
    const args = ['eth0', FAULTS, '60', '0', NOBODY, CLIENT, SERVER, FAULT_PORT];
    await this.#lab.ns.client.run(this.#programs.flood, args);
  }

  /** Replaces the list of the table. */
  async exchangeTable(): Promise<void> {
    this.version += 1;
    await writeFile(path.join(this.daemon.folder, 'blocked.txt'), blockedList(this.version));
  }

  /** Ends the traffic, waits until nothing is on its way, and says what became of what is numbered. */
  async endTraffic(): Promise<{ readonly numbered: Numbered; readonly ping: string; readonly talks: string }> {
    clearInterval(this.#scraper);
    for (const flood of this.#floods) await flood.stop();
    const [sender, receiver] = this.#numbered;
    await sender.stop();
    await receiver.stop();
    this.#ping.kill('SIGINT');
    await this.#ping.exited;
    await this.#talks.stop();
    const arrived = JSON.parse(receiver.stdout.split('\n')[1] ?? '{}') as { received?: number; twice?: number };
    return {
      numbered: { sent: Number(sender.stdout), received: arrived.received ?? 0, twice: arrived.twice ?? 0 },
      ping: /\d+ packets transmitted.*/.exec(this.#ping.stdout)?.[0] ?? '',
      talks: this.#talks.stdout.trim(),
    };
  }

  /** Ends everything. */
  async remove(): Promise<void> {
    clearInterval(this.#scraper);
    await this.#lab.remove();
  }

  async #scrape(): Promise<void> {
    if (this.#isScraping) return;
    this.#isScraping = true;
    try {
      await askDaemon(this.daemon.socket, '/metrics');
      this.scrapes += 1;
    } catch {
      this.missedScrapes += 1;
    } finally {
      this.#isScraping = false;
    }
  }
}

function heapFileOf({ ns }: Lab<'client' | 'fw' | 'server'>): string {
  return path.join(os.tmpdir(), `firehook-soak-${ns.fw.name}.json`);
}

async function startTraffic({ rate, programs }: CellOptions, { ns }: Lab<'client' | 'fw' | 'server'>) {
  const { client, server } = ns;
  const answers = server.spawn('python3', [TALKS, 'serve', SERVER]);
  const receiver = server.spawn('python3', [STAMPED, 'receive', SERVER, NUMBERED_PORT]);
  const isReady = (running: RunningProcess): boolean => running.stdout.startsWith('ready');
  await waitFor(() => isReady(answers) && isReady(receiver), { what: 'the receivers', timeoutMs: 30_000 });
  const hello = records(clientHello({ name: 'www.example.org' })).toString('hex');
  const flood = (share: number, port: readonly string[]): RunningProcess => {
    const perSecond = String(Math.max(1, Math.round(rate * share)));
    return client.spawn(programs.flood, ['eth0', NO_END, '124', perSecond, NOBODY, CLIENT, SERVER, ...port]);
  };
  const sender = client.spawn('python3', [
    STAMPED,
    'send',
    SERVER,
    NUMBERED_PORT,
    `${Math.round(rate * NUMBERED_SHARE)}`,
  ]);
  return {
    talks: client.spawn('python3', [TALKS, 'call', SERVER, TALKS_A_SECOND, hello]),
    numbered: [sender, receiver] as const,
    ping: client.spawn('ping', ['-q', '-n', '-i', '0.2', SERVER]),
    floods: [flood(1 - NUMBERED_SHARE - DROPPED_SHARE, []), flood(DROPPED_SHARE, [DROPPED_PORT])],
  };
}
