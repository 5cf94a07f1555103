/**
 * What `firehook doctor` looks at on any machine: rights, Node.js, tools, native packages, user, folders.
 *
 * @module
 */

import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, statfsSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { version as esbuildVersion, transformSync } from 'esbuild';
import { liveDriver } from '../../config/live-drivers.ts';
import { libpcapVersion } from '../../drivers/pcap.ts';
import { RawSender } from '../../drivers/raw-sender.ts';
import { isFirehookError } from '../../errors.ts';
import { canNodeChange } from '../../native/identity.ts';
import { loadNative } from '../../native/load-native.ts';
import { noAnswerIn, TIMEOUT_MS, TRY_AGAIN } from '../../plumbing/run-tool.ts';
import { cgroupMounts } from '../../supervisor/lane-cgroups.ts';
import { findUser } from '../../supervisor/lane-user.ts';
import { type Check, type CheckResult, fail, failure, ok, type Subject, warn } from './check.ts';

/** Index of `lo`, the first device of every network namespace. */
const LOOPBACK = 1;
const DEFAULT_USER = 'firehook';
const DEFAULT_SOCKET = '/run/firehook/firehook.sock';
/** `f_type` of tmpfs, of statfs(2). */
const TMPFS_MAGIC = 0x0102_1994;
/** Where tools lie that the path of an unprivileged login does not name. */
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** Bit of a capability in CapEff (linux/capability.h), and what firehookd needs it for. */
const CAPABILITIES: readonly (readonly [name: string, bit: number, use: string])[] = [
  ['CAP_NET_ADMIN', 12, 'nftables, links, offloads'],
  ['CAP_NET_RAW', 13, 'capture and injection'],
  ['CAP_SETUID', 7, 'lanes give up root'],
  ['CAP_SETGID', 6, 'lanes give up root'],
  ['CAP_KILL', 5, 'a lane that hangs is killed'],
];

/** A program that firehookd calls. */
export interface Tool {
  readonly name: string;
  /** Debian package that brings it. */
  readonly package: string;
  /** Arguments that make it print its version. */
  readonly version: readonly string[];
  /** Oldest version that will do, where that matters. */
  readonly least?: readonly [major: number, minor: number, patch: number];
}

const TOOLS: readonly Tool[] = [
  { name: 'nft', package: 'nftables', version: ['--version'], least: [1, 0, 1] },
  { name: 'ip', package: 'iproute2', version: ['-V'] },
  { name: 'tc', package: 'iproute2', version: ['-V'] },
  { name: 'ethtool', package: 'ethtool', version: ['--version'] },
  { name: 'getent', package: 'libc-bin', version: ['--version'] },
];

/** The checks of this file, in the order they are shown. */
export const machineChecks: readonly Check[] = [
  { name: 'root', run: checkRoot },
  { name: 'capabilities', run: checkCapabilities },
  { name: 'Node.js', run: () => [checkNode(process.versions.node)] },
  ...TOOLS.map((tool): Check => ({ name: tool.name, run: (subject) => [checkTool(tool, subject)] })),
  { name: 'npm pcap', run: checkPcap },
  { name: 'npm raw-socket', run: checkRawSocket },
  { name: 'native addon', run: checkAddon },
  { name: 'esbuild', run: checkEsbuild },
  { name: 'lane user', run: checkUser },
  { name: 'cgroups', run: () => [checkCgroups()] },
  { name: 'shared memory', run: checkSharedMemory },
  { name: 'control socket', run: checkControlSocket },
];

function checkRoot({ isRoot }: Subject): CheckResult[] {
  if (isRoot) return [ok('root', 'yes')];
  const untried = 'capabilities, raw sockets, kernel features and what a killed run left were not examined';
  return [warn('root', `no: ${untried}`, 'run it as root: sudo firehook doctor')];
}

function checkCapabilities({ isRoot }: Subject): CheckResult[] {
  if (!isRoot) return [];
  const held = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'}`);
  return CAPABILITIES.map(([name, bit, use]) =>
    (held & (1n << BigInt(bit))) !== 0n
      ? ok(name, use)
      : fail(
          name,
          `root does not have it here; needed: ${use}`,
          `give it to the container (--cap-add ${name.slice(4)}) or to the unit (CapabilityBoundingSet)`,
        ),
  );
}

/**
 * Judges a version of Node.js.
 *
 * @internal
 */
export function checkNode(version: string): CheckResult {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const advice = 'install Node.js 24 or newer';
  if (major < 20 || (major === 20 && minor < 19)) return fail('Node.js', `${version} is too old`, advice);
  // Odd versions are maintained for half a year only.
  if (major < 22 || major % 2 === 1) return warn('Node.js', `${version} gets no security fixes any more`, advice);
  return ok('Node.js', version);
}

/**
 * Looks for a tool in PATH and judges its version.
 *
 * @internal
 */
export function checkTool(tool: Tool, { isRoot }: Subject, timeoutMs = TIMEOUT_MS): CheckResult {
  const install = `apt-get install ${tool.package}`;
  let found = spawnTool(tool.name, tool.version, timeoutMs);
  if (isMissing(found.error)) {
    const elsewhere = SYSTEM_FOLDERS.map((folder) => path.join(folder, tool.name)).find((file) => existsSync(file));
    if (elsewhere === undefined) return fail(tool.name, `not installed (package ${tool.package})`, install);
    // firehookd runs as root, and root's path is another one.
    if (isRoot) {
      const detail = `not in PATH, although it is ${elsewhere} (package ${tool.package})`;
      return fail(tool.name, detail, `add ${path.dirname(elsewhere)} to PATH`);
    }
    found = spawnTool(elsewhere, tool.version, timeoutMs);
  }
  if (codeOf(found.error) === 'ETIMEDOUT') {
    return warn(tool.name, `${[tool.name, ...tool.version].join(' ')}: ${noAnswerIn(timeoutMs)}`, TRY_AGAIN);
  }
  if (found.error !== undefined) {
    return fail(tool.name, `cannot be run: ${found.error.message}`, `look why: ${tool.name}`);
  }
  const said = `${found.stdout}${found.stderr}`.trim().split('\n')[0] ?? '';
  if (tool.least !== undefined && isOlder(said, tool.least)) {
    return fail(tool.name, `${said}: older than ${tool.least.join('.')}`, `upgrade the package ${tool.package}`);
  }
  return ok(tool.name, said);
}

function spawnTool(name: string, args: readonly string[], timeoutMs: number): SpawnSyncReturns<string> {
  return spawnSync(name, args, { encoding: 'utf8', timeout: timeoutMs, killSignal: 'SIGKILL' });
}

function codeOf(error: NodeJS.ErrnoException | undefined): string | undefined {
  return error?.code;
}

function isMissing(error: NodeJS.ErrnoException | undefined): boolean {
  return ['ENOENT', 'EACCES'].includes(codeOf(error) ?? '');
}

/** True when the first version number in a text is below `least`; a text without one is not judged. */
function isOlder(text: string, least: readonly [number, number, number]): boolean {
  const found = /(\d+)\.(\d+)(?:\.(\d+))?/.exec(text);
  if (found === null) return false;
  for (const [index, wanted] of least.entries()) {
    const part = Number(found[index + 1] ?? 0);
    if (part !== wanted) return part < wanted;
  }
  return false;
}

function packageVersion(name: string): string {
  const { version } = createRequire(import.meta.url)(`${name}/package.json`) as { version: string };
  return version;
}

function checkPcap(subject: Subject): CheckResult[] {
  return checkPackage('pcap', libpcapVersion, subject);
}

function checkRawSocket(subject: Subject): CheckResult[] {
  const look = (): string => {
    // Opening is the real proof, and root's alone.
    if (subject.isRoot) new RawSender().close();
    else createRequire(import.meta.url)('raw-socket');
    return 'raw IP sockets';
  };
  return checkPackage('raw-socket', look, subject);
}

/** Only `driver: pcap` wants it: without a configuration that says so its lack does no harm. */
function checkPackage(packageName: string, look: () => string, { loaded }: Subject): CheckResult[] {
  const name = `npm ${packageName}`;
  try {
    const seen = look();
    return [ok(name, `${packageVersion(packageName)}, ${seen}; needed by driver: pcap`)];
  } catch (error) {
    const { detail, advice } = failure(name, error);
    const said = `${detail}; needed by driver: pcap`;
    return [
      loaded !== null && liveDriver(loaded.config.driver).packages.includes(packageName)
        ? fail(name, said, advice)
        : warn(name, said, 'nothing to do for driver: afpacket, the default'),
    ];
  }
}

/** Its lack is always a failure; that the kernel gives no ring is one where `driver: afpacket` wants it. */
function checkAddon({ isRoot, loaded }: Subject): CheckResult[] {
  const name = 'native addon';
  try {
    const native = loadNative();
    // Opening is the real proof, and root's alone.
    if (isRoot) {
      native.closeRing(native.openRing(LOOPBACK, 2048, 128, 0, -1, true, new Uint8Array(0)));
      native.closeDatagramSender(native.openDatagramSender());
    }
    const seen = isRoot ? 'loads, and the kernel gives it a ring with offload state and raw IP sockets' : 'loads';
    const users = canNodeChange()
      ? 'firehookd'
      : 'firehookd, also to change the user of lanes, which this Node.js refuses';
    return [ok(name, `${seen}; needed by ${users}`)];
  } catch (error) {
    if (isFirehookError(error)) return [failure(name, error)];
    const { detail } = failure(name, error);
    const report = loaded === null || liveDriver(loaded.config.driver).rings === true ? fail : warn;
    const refused = `the kernel refuses a packet ring with offload state (PACKET_VNET_HDR) or a raw IP socket: ${detail}`;
    return [report(name, refused, 'needs CONFIG_PACKET; or use driver: pcap')];
  }
}

/** Its JavaScript may be there without the program for this machine. */
function checkEsbuild(): CheckResult[] {
  try {
    transformSync('const loads: boolean = true;', { loader: 'ts' });
    return [ok('esbuild', esbuildVersion)];
  } catch (error) {
    return [fail('esbuild', error instanceof Error ? error.message : String(error), 'install it again: npm ci')];
  }
}

function checkUser({ loaded }: Subject): CheckResult[] {
  try {
    const { name, uid, gid } = findUser(loaded?.config.lane.user ?? DEFAULT_USER);
    return [ok('lane user', `${name}, uid ${uid}, gid ${gid}`)];
  } catch (error) {
    return [failure('lane user', error)];
  }
}

/**
 * What lanes could have: whether they get it depends on where firehookd is started, and `firehook status` tells.
 *
 * @internal
 */
export function checkCgroups(mounts: string = readFileSync('/proc/self/mountinfo', 'utf8')): CheckResult {
  const name = 'cgroups';
  const lack = 'lanes have the limits of setrlimit(2) and seccomp only';
  const folder = cgroupMounts(mounts)[0]?.point;
  if (folder === undefined) return warn(name, `no cgroup v2 is mounted: ${lack}`, 'nothing to do, or mount cgroup v2');
  const there = readFileSync(path.join(folder, 'cgroup.controllers'), 'utf8').trim().split(' ');
  const missing = ['pids', 'memory'].filter((controller) => !there.includes(controller));
  if (missing.length === 0)
    return ok(name, 'cgroup v2 with pids and memory; a lane gets one with Delegate=pids memory');
  const detail = `cgroup v2 without ${missing.join(' and ')}: ${lack}`;
  return warn(name, detail, 'nothing to do, or boot with systemd.unified_cgroup_hierarchy=1');
}

/** Lanes write their progress many times a second: to memory, not to a disk. */
function checkSharedMemory(): CheckResult[] {
  const name = 'shared memory';
  const folder = ['/dev/shm', '/run'].find(isWritable);
  if (folder === undefined) {
    return [
      warn(
        name,
        'neither /dev/shm nor /run can be written to: lanes report their progress through a disk',
        'mount a tmpfs on /dev/shm',
      ),
    ];
  }
  if (statfsSync(folder).type === TMPFS_MAGIC) return [ok(name, `${folder} is a tmpfs`)];
  return [
    warn(name, `${folder} is no tmpfs: lanes report their progress through a disk`, `mount a tmpfs on ${folder}`),
  ];
}

function checkControlSocket({ loaded, isRoot }: Subject): CheckResult[] {
  const name = 'control socket';
  const { socket, mode } = loaded?.config.control ?? { socket: DEFAULT_SOCKET, mode: '0600' };
  const folder = path.dirname(socket);
  // What is missing is made by firehookd.
  let existing = folder;
  while (!existsSync(existing)) existing = path.dirname(existing);
  if (!statSync(existing).isDirectory()) return [fail(name, `${existing} is no folder`, 'change control.socket')];
  if (isRoot && !isWritable(existing)) {
    return [fail(name, `${existing} cannot be written to`, 'change control.socket, or make the folder writable')];
  }
  const isOpen = (Number.parseInt(mode, 8) & 0o006) !== 0;
  if (isOpen)
    return [
      warn(name, `${socket}: mode ${mode} lets every user ask the daemon`, 'set control.mode to "0600" or "0660"'),
    ];
  return [ok(name, `${socket}${existing === folder ? '' : ', whose folder firehookd will make'}`)];
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
