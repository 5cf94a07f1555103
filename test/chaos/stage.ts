/**
 * Everything that a disturbance may touch: ports, daemon, traffic; and whether all of it is well again.
 *
 * Rule: what passes is seen by sockets, never read from a counter of firehook; what firehook says of itself is compared with
 * that. Everything that a stage has made goes when it is closed.
 *
 * @module
 */

import type { Namespace } from '../support/lab.ts';
import { finish, type Result, startProcess } from '../support/processes.ts';
import { type Flow, monotonicMs, startTraffic, type Traffic } from '../support/traffic.ts';
import { ask, saysHooks } from './ask.ts';
import { Cell } from './cell.ts';
import { Guarded } from './guarded.ts';
import { findLeftovers } from './leftovers.ts';
import { countLost } from './outages.ts';
import { OwnFolder } from './own-folder.ts';
import { type AttachKind, type Cables, layCables, type Port, restorePorts } from './ports.ts';
import { DROPPED_PORT, FORWARDED_PORT, flowsOf, HOOK } from './streams.ts';

/** How firehook is set up. */
export interface StageOptions {
  readonly attach: AttachKind;
  readonly driver: 'afpacket' | 'pcap';
  readonly onDown: 'drop' | 'forward';
}

/** Of what a command of a disturbance may take. */
const COMMAND_MS = 15_000;
/** All is well when everything sent in this time, up to a moment ago, has arrived. */
const WELL_MS = 400;
const ON_THE_WAY_MS = 100;
const STATS_MS = 5_000;
const LEAST_SENT = 10;

/** A running firehookd under traffic. */
export class Stage {
  readonly options: StageOptions;
  readonly cables: Cables;
  readonly cell: Cell;
  readonly daemon: Guarded;
  readonly traffic: Traffic;
  readonly #folder: OwnFolder;

  private constructor(
    options: StageOptions,
    cables: Cables,
    cell: Cell,
    daemon: Guarded,
    traffic: Traffic,
    folder: OwnFolder,
  ) {
    this.options = options;
    this.cables = cables;
    this.cell = cell;
    this.daemon = daemon;
    this.traffic = traffic;
    this.#folder = folder;
  }

  /**
   * Makes the namespaces, and starts traffic and daemon.
   *
   * @throws Error when one of them does not get to run; nothing is left then
   */
  static async open(options: StageOptions): Promise<Stage> {
    const cables = await layCables(options.attach);
    const folder = new OwnFolder();
    let daemon: Guarded | undefined;
    try {
      const cell = await Cell.make(cables.fw);
      daemon = new Guarded({
        folder: folder.path,
        cell,
        config: configOf(options, cables),
        files: { 'hook.ts': HOOK },
      });
      const traffic = await startTraffic(flowsOf(cables));
      daemon.start();
      await daemon.untilRunning();
      return new Stage(options, cables, cell, daemon, traffic, folder);
    } catch (error) {
      await daemon?.close();
      await cables.lab.remove();
      folder.remove();
      throw error;
    }
  }

  /** The namespace that firehook runs in. */
  get fw(): Namespace {
    return this.cables.fw;
  }

  get ports(): readonly Port[] {
    return this.cables.ports;
  }

  /** Streams that the hook lets through. */
  get forwarded(): readonly Flow[] {
    return this.traffic.flows.filter(({ spec }) => spec.port === FORWARDED_PORT);
  }

  /** Streams of which nothing arrives as long as hooks see it. */
  get dropped(): readonly Flow[] {
    return this.traffic.flows.filter(({ spec }) => spec.port === DROPPED_PORT);
  }

  /** Runs a command where firehook runs. Any end of it is a result: to be refused is fine for a disturbance. */
  async command(command: string, args: readonly string[], input?: string): Promise<Result> {
    const given = input === undefined ? {} : { input };
    const running = startProcess('ip', ['netns', 'exec', this.fw.name, command, ...args], given);
    try {
      return await finish(running, COMMAND_MS);
    } catch (error) {
      return { code: null, signal: 'SIGKILL', stdout: running.stdout, stderr: String(error) };
    }
  }

  /** Names of the devices that are there, in the namespace of firehook. */
  async devices(): Promise<string[]> {
    return (await this.command('ls', ['/sys/class/net'])).stdout.split('\n').filter(Boolean);
  }

  /** Ends of the detours that are there. */
  async detourEnds(): Promise<string[]> {
    return (await this.devices()).filter((name) => /^fh\d+[io][01]$/.test(name));
  }

  /** The kernel's number of each port that is there. */
  async ifindexes(): Promise<number[]> {
    const files = this.ports.map(({ own }) => `/sys/class/net/${own.name}/ifindex`);
    return (await this.command('cat', files)).stdout.split('\n').filter(Boolean).map(Number);
  }

  /** Puts the ports and what is plugged in right again. */
  async restore(): Promise<void> {
    await restorePorts(this.ports);
  }

  /**
   * What is not well at this moment; null when traffic flows, hooks see it, and the status says so.
   *
   * @param sinceMs - what was sent before that does not count
   */
  /** How everything stands, for whoever looks into why it is not well. */
  async describe(): Promise<string> {
    const commands = [
      ['ip', '-d', '-s', 'link'],
      ['ip', 'address'],
      ['ip', 'neighbour'],
      ['nft', 'list', 'ruleset'],
    ] as const;
    const outputs = await Promise.all(
      commands.map(async ([tool, ...args]) => {
        const { stdout, stderr } = await this.command(tool, [...args]);
        return `$ ${tool} ${args.join(' ')}\n${stdout}${stderr}`;
      }),
    );
    const status = JSON.stringify(await this.daemon.status(), null, 2);
    const stats = await ask(this.daemon.socket, 'stats', STATS_MS).catch(String);
    return [status, JSON.stringify(stats), ...outputs, this.daemon.log.text.slice(-4000)].join('\n\n');
  }

  async ailment(sinceMs: number): Promise<string | null> {
    const untilMs = monotonicMs() - ON_THE_WAY_MS;
    const fromMs = untilMs - WELL_MS;
    if (fromMs < sinceMs) return 'it is too soon to say';
    for (const flow of this.forwarded) {
      const { name } = flow.spec;
      if (sentIn(flow, fromMs, untilMs) < LEAST_SENT) return `${name}: nothing is sent`;
      if (countLost(flow, fromMs, untilMs) > 0) return `${name}: packets do not arrive`;
    }
    const unhooked = this.#unhookedSince(fromMs);
    if (unhooked !== undefined) return `${unhooked.spec.name}: packets pass unhooked`;
    const status = await this.daemon.status();
    return saysHooks(status) ? null : `status: ${JSON.stringify(status)?.slice(0, 200)}`;
  }

  /** Whether packets pass unhooked at this moment while the status says that the hooks are in force. */
  async contradicts(): Promise<boolean> {
    if (this.#unhookedSince(monotonicMs() - WELL_MS) === undefined) return false;
    return saysHooks(await this.daemon.status());
  }

  /** Starts over: nothing that firehook made is left, and a new daemon takes the ports. Not part of any promise. */
  async repair(): Promise<void> {
    this.daemon.tools.set('working');
    this.daemon.log.read();
    await this.daemon.kill9();
    await this.daemon.undo();
    await this.restore();
    this.daemon.start();
    await this.daemon.untilRunning();
  }

  /**
   * The orderly stop, after which nothing of firehook may be there.
   *
   * @returns what is wrong, one sentence each
   */
  async finish(): Promise<string[]> {
    const code = await this.daemon.stop();
    const wrong = code === 0 ? [] : [`the orderly stop ended with exit code ${code}`];
    wrong.push(...(await findLeftovers(this)));
    return wrong;
  }

  /** Ends and removes everything. */
  async close(): Promise<void> {
    try {
      await this.daemon.close();
    } finally {
      await this.cables.lab.remove();
      this.#folder.remove();
    }
  }

  #unhookedSince(fromMs: number): Flow | undefined {
    return this.dropped.find(({ arrivals }) => (arrivals.at(-1)?.atMs ?? 0) >= fromMs);
  }
}

function configOf({ attach, driver, onDown }: StageOptions, { ports }: Cables): Record<string, unknown> {
  const names = ports.map(({ own }) => own.name);
  return {
    attach: [attach === 'bridge' ? { bridge: names } : { host: names[0] }],
    driver,
    hooks: [{ module: './hook.ts' }],
    policy: { onDown },
  };
}

function sentIn(flow: Flow, fromMs: number, untilMs: number): number {
  const { sentAtMs } = flow;
  let count = 0;
  for (let i = sentAtMs.length - 1; i >= 0 && (sentAtMs[i] ?? 0) >= fromMs; i--) {
    if ((sentAtMs[i] ?? 0) < untilMs) count += 1;
  }
  return count;
}
