/**
 * Network namespaces for tests that need root: hosts on one machine, joined by veth pairs.
 *
 * ```
 *   createLab ─> ip netns add ─> ip link add (veth) ─> addresses, sysctls, up ─> test ─> everything removed
 * ```
 * Rule: a lab only touches namespaces it made itself, under names that hold the pid of the test process and a number.
 * It is removed at the end of the test that owns it, passed or failed, and when the test process ends by SIGINT,
 * SIGTERM or by itself. After a `kill -9` namespaces stay; `ip netns list | grep fht-` shows them.
 *
 * @see ip-netns(8), veth(4)
 * @module
 */

import { spawnSync } from 'node:child_process';
import type { Result, RunningProcess, StartOptions } from './processes.ts';
import { finish, startProcess } from './processes.ts';
import { waitFor } from './wait-for.ts';

/** One end of a cable. */
export interface EndSpec<Name extends string> {
  /** Namespace of this end. */
  readonly in: Name;
  /** Name of the interface, at most 15 characters. */
  readonly name: string;
  /** With prefix length, IPv4 or IPv6. Without any, IPv6 is off on the interface, so that it says nothing by itself. */
  readonly addresses?: readonly string[];
  /** @defaultValue 02:00:00:00:LL:EE, number of the link and of the end (1 or 2) */
  readonly mac?: string;
}

/** What a lab consists of. */
export interface Topology<Name extends string> {
  readonly namespaces: Readonly<Record<Name, NamespaceSpec>>;
  readonly links: readonly (readonly [EndSpec<Name>, EndSpec<Name>])[];
}

/** A host of the lab. */
export interface NamespaceSpec {
  /** Written before the interfaces come up, for example `net.ipv4.ip_forward`. A slash for a dot inside a name. */
  readonly sysctls?: Readonly<Record<string, string | number>>;
  /** What follows `ip route add`, for example `default via 10.79.1.1`. */
  readonly routes?: readonly string[];
}

/** How a lab is built. */
export interface LabOptions {
  /** MTU of every interface. @defaultValue 1500 */
  readonly mtu?: number;
  /** False turns checksum and segmentation offloads off on every interface. @defaultValue true, as real cards have it */
  readonly offloads?: boolean;
}

/** Whoever can run something at the end of a test: a `TestContext`, or the `after` of `node:test` for a whole file. */
export interface LabOwner {
  after(remove: () => Promise<void>): void;
}

/** Options of {@link Namespace.run}. */
export interface RunOptions extends StartOptions {
  /** @defaultValue 30000 */
  readonly timeoutMs?: number;
}

const RUN_TIMEOUT_MS = 30_000;

/** Labs that are to be removed when the process ends. */
const labs = new Set<Lab<string>>();
let labsTotal = 0;

/** A network namespace of a lab. */
export class Namespace {
  /** The name that `ip netns` knows it by. */
  readonly name: string;
  readonly #processes = new Set<RunningProcess>();
  readonly #deferred: (() => Promise<void>)[] = [];

  /** @internal */
  constructor(name: string) {
    this.name = name;
  }

  /**
   * Runs a command to its end. Any exit code is a result.
   *
   * @throws Error when it takes too long or cannot be started
   */
  async run(command: string, args: readonly string[] = [], options: RunOptions = {}): Promise<Result> {
    const running = this.spawn(command, args, options);
    try {
      return await finish(running, options.timeoutMs ?? RUN_TIMEOUT_MS);
    } finally {
      this.#processes.delete(running);
    }
  }

  /**
   * Runs a command that has to succeed, and returns its standard output.
   *
   * @throws Error with its output when the exit code is not 0
   */
  async output(command: string, args: readonly string[] = [], options: RunOptions = {}): Promise<string> {
    const { code, signal, stdout, stderr } = await this.run(command, args, options);
    if (code === 0) return stdout;
    throw new Error(`${this.name}: ${[command, ...args].join(' ')}: exit code ${code ?? signal}\n${stdout}${stderr}`);
  }

  /** Starts a command that goes on until it is stopped, at the latest with the lab. The pid is that of the command. */
  spawn(command: string, args: readonly string[] = [], options: StartOptions = {}): RunningProcess {
    const running = startProcess('ip', ['netns', 'exec', this.name, command, ...args], options);
    this.#processes.add(running);
    return running;
  }

  /** Starts this very Node with a script and its arguments; TypeScript goes through tsx. */
  node(args: readonly string[], options: StartOptions = {}): RunningProcess {
    const loader = args[0]?.endsWith('.ts') === true ? ['--import', 'tsx'] : [];
    return this.spawn(process.execPath, [...loader, ...args], options);
  }

  /** Has `action` run when the lab is removed, before the processes of this namespace are stopped; last in, first out. */
  defer(action: () => Promise<void>): void {
    this.#deferred.unshift(action);
  }

  /** @internal */
  async stopAll(): Promise<void> {
    const errors: unknown[] = [];
    for (const action of this.#deferred.splice(0)) await action().catch((error: unknown) => errors.push(error));
    await Promise.allSettled([...this.#processes].map((running) => running.stop()));
    if (errors.length > 0) throw errors[0];
  }

  /** Kills everything inside and removes the namespace. At once, also from an exit handler. @internal */
  remove(): void {
    for (const running of this.#processes) running.killGroup();
    // A daemon's child in a group of its own would keep the namespace, and with it the interfaces, alive.
    for (const pid of spawnSync('ip', ['netns', 'pids', this.name], { encoding: 'utf8' }).stdout.split('\n')) {
      if (pid === '') continue;
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch {
        // It ended in the meantime.
      }
    }
    spawnSync('ip', ['netns', 'del', this.name]);
  }
}

/** A set of namespaces and cables. Made by {@link createLab}. */
export class Lab<Name extends string> {
  readonly ns: Readonly<Record<Name, Namespace>>;

  /** @internal */
  constructor(ns: Readonly<Record<Name, Namespace>>) {
    this.ns = ns;
  }

  /** Stops what runs inside and removes every namespace. Idempotent. */
  async remove(): Promise<void> {
    if (!labs.has(this)) return;
    try {
      const results = await Promise.allSettled(this.#all().map((namespace) => namespace.stopAll()));
      for (const result of results) if (result.status === 'rejected') throw result.reason;
    } finally {
      this.removeNow();
    }
  }

  /** @internal */
  removeNow(): void {
    for (const namespace of this.#all()) namespace.remove();
    labs.delete(this);
  }

  /** For `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.remove();
  }

  #all(): Namespace[] {
    return Object.values<Namespace>(this.ns);
  }
}

/**
 * Builds a lab.
 *
 * @param owner - its end removes the lab; undefined when the caller has it in an `await using`
 * @throws Error with the output of `ip` when the kernel refuses something; nothing is left behind then
 */
export async function createLab<const Name extends string>(
  owner: LabOwner | undefined,
  topology: Topology<Name>,
  options: LabOptions = {},
): Promise<Lab<Name>> {
  removeLabsAtExit();
  const prefix = nextPrefix();
  const names = Object.keys(topology.namespaces) as Name[];
  const ns = Object.fromEntries(names.map((name) => [name, new Namespace(`${prefix}${name}`)]));
  const lab = new Lab(ns as Record<Name, Namespace>);
  labs.add(lab);
  owner?.after(() => lab.remove());
  try {
    await configure(lab, topology, options);
  } catch (error) {
    lab.removeNow();
    throw error;
  }
  return lab;
}

async function configure<Name extends string>(
  lab: Lab<Name>,
  topology: Topology<Name>,
  { mtu = 1500, offloads = true }: LabOptions,
): Promise<void> {
  const names = Object.keys(topology.namespaces) as Name[];
  const commands: string[] = names.map((name) => `netns add ${lab.ns[name].name}`);
  for (const [index, [a, b]] of topology.links.entries()) {
    const left = `${a.name} netns ${lab.ns[a.in].name} mtu ${mtu} address ${a.mac ?? macOf(index, 1)}`;
    const right = `${b.name} netns ${lab.ns[b.in].name} mtu ${mtu} address ${b.mac ?? macOf(index, 2)}`;
    commands.push(`link add name ${left} type veth peer name ${right}`);
  }
  const made = await finish(startProcess('ip', ['-batch', '-'], { input: commands.join('\n') }), RUN_TIMEOUT_MS);
  if (made.code !== 0) throw new Error(`cannot make the namespaces: ${made.stderr}`);

  const ends = topology.links.flat();
  await Promise.all(
    names.map(async (name) => {
      const own = ends.filter((end) => end.in === name);
      const spec: NamespaceSpec = topology.namespaces[name];
      await lab.ns[name].output('sh', ['-ec', namespaceScript(own, offloads, spec)]);
    }),
  );
  // The kernel tells of a carrier up to a second after it is there: a snapshot taken before would differ from one after.
  for (const name of names) {
    await waitFor(async () => !(await lab.ns[name].output('ip', ['link'])).includes('NO-CARRIER'), {
      what: `the carriers of ${lab.ns[name].name}`,
    });
  }
}

/** Everything inside one namespace in one process: a lab takes a few milliseconds a host. */
function namespaceScript(ends: readonly EndSpec<string>[], offloads: boolean, spec: NamespaceSpec): string {
  const lines: string[] = [];
  const write = (key: string, value: string | number) => {
    lines.push(`echo ${value} >/proc/sys/${key.includes('/') ? key : key.replaceAll('.', '/')}`);
  };
  // Duplicate address detection holds link-local addresses back for a second, and its packets disturb counters.
  for (const name of ['all', 'default', ...ends.map((end) => end.name)]) {
    write(`net/ipv6/conf/${name}/accept_dad`, 0);
    write(`net/ipv6/conf/${name}/router_solicitations`, 0);
  }
  for (const end of ends) if (end.addresses === undefined) write(`net/ipv6/conf/${end.name}/disable_ipv6`, 1);
  for (const [key, value] of Object.entries(spec.sysctls ?? {})) write(key, value);
  if (!offloads) for (const end of ends) lines.push(`ethtool -K ${end.name} tx off tso off gso off gro off >/dev/null`);

  lines.push("ip -batch - <<'END'", 'link set lo up');
  for (const end of ends) {
    for (const address of end.addresses ?? []) {
      lines.push(`address add ${address} dev ${end.name}${address.includes(':') ? ' nodad' : ''}`);
    }
    lines.push(`link set dev ${end.name} up`);
  }
  for (const route of spec.routes ?? []) lines.push(`route add ${route}`);
  lines.push('END');
  return lines.join('\n');
}

function macOf(link: number, end: 1 | 2): string {
  return `02:00:00:00:${(link + 1).toString(16).padStart(2, '0')}:0${end}`;
}

/** A prefix nobody uses: a killed run may have left namespaces, and pids come round. */
function nextPrefix(): string {
  const taken = spawnSync('ip', ['netns', 'list'], { encoding: 'utf8' }).stdout;
  for (;;) {
    labsTotal += 1;
    const prefix = `fht-${process.pid}-${labsTotal}-`;
    if (!taken.includes(prefix)) return prefix;
  }
}

let isRegistered = false;

function removeLabsAtExit(): void {
  if (isRegistered) return;
  isRegistered = true;
  const removeAll = () => {
    for (const lab of labs) lab.removeNow();
  };
  process.on('exit', removeAll);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      removeAll();
      process.kill(process.pid, signal);
    });
  }
}
