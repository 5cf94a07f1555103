/**
 * Finds the SSH connection that this process was started over.
 *
 * ```
 *   SSH_CONNECTION of the environment ── established? ─> that one
 *        └ not there (sudo takes it out), or over
 *   firehookd <─ sudo <─ bash <─ sshd: user <─ sshd <─ ...     the farthest sshd with an established connection of its own ─> that one
 * ```
 * Rule: what is found is a connection that the kernel lists as established in this network namespace, and only one: where there are several, none is taken.
 * A guess would be a hole in the firewall. Of the processes nothing but their parents, names and sockets is read.
 *
 * @see proc(5): /proc/net/tcp, /proc/pid/stat, /proc/pid/fd; ssh(1): SSH_CONNECTION
 * @module
 */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { isIP } from 'node:net';
import { parseAddress } from '../wire/address.ts';
import type { KeptSession, SessionEnd } from './kept-session.ts';

/** States in /proc/net/tcp: include/net/tcp_states.h. */
const ESTABLISHED = '01';
const LISTEN = '0A';
/** Names of the processes that hold a connection; Linux cuts them at 15 octets. */
const SSH_SERVERS = new Set(['sshd', 'sshd-session', 'sshd-auth', 'dropbear']);
/** An IPv4 address in an IPv6 socket. */
const MAPPED = '00000000000000000000ffff';
/** More ancestors than anybody has. */
const MOST_ANCESTORS = 100;

interface Socket extends KeptSession {
  readonly state: string;
  readonly inode: string;
}

/**
 * @param environment - of this process
 * @param pid - whose ancestors are looked at
 * @returns the connection, or why there is none: words that follow a colon
 */
export function findSshSession(environment: NodeJS.ProcessEnv, pid: number): KeptSession | string {
  const sockets = readSockets();
  const named = fromEnvironment(environment['SSH_CONNECTION'] ?? '');
  if (named !== null && sockets.some((socket) => socket.state === ESTABLISHED && isSame(socket, named))) return named;
  const own = new Map(sockets.filter(({ state }) => state === ESTABLISHED).map((socket) => [socket.inode, socket]));
  let found: Socket[] = [];
  for (const ancestor of ancestorsOf(pid)) {
    if (!SSH_SERVERS.has(ancestor.name)) continue;
    const its = socketsOf(ancestor.pid).flatMap((inode) => own.get(inode) ?? []);
    if (its.length > 0) found = its;
  }
  // What it forwards for its user has ports that nobody listens at.
  const listening = new Set(sockets.filter(({ state }) => state === LISTEN).map(({ server }) => server.port));
  if (found.length > 1) found = found.filter(({ server }) => listening.has(server.port));
  const [session] = found;
  if (session !== undefined && found.length === 1) return { client: session.client, server: session.server };
  if (found.length > 1) return 'the sshd that firehookd was started from has several connections';
  return named === null
    ? 'firehookd was not started from an SSH session'
    : 'the connection in SSH_CONNECTION is not established here';
}

/** True where the connection is from this host to itself: what carries it from outside is another one. */
export function isLoopback({ client }: KeptSession): boolean {
  return client.address.length === 8 ? client.address.startsWith('7f') : client.address === `${'0'.repeat(31)}1`;
}

/** An end for people: `192.0.2.7:22`, `[2001:db8::7]:22`. */
export function endText({ address, port }: SessionEnd): string {
  const octets = Buffer.from(address, 'hex');
  if (octets.length === 4) return `${[...octets].join('.')}:${port}`;
  const groups = Array.from({ length: 8 }, (_, index) => octets.readUInt16BE(index * 2).toString(16)).join(':');
  return `[${new URL(`http://[${groups}]`).hostname.slice(1, -1)}]:${port}`;
}

/** `client port server port`; null for anything else. */
function fromEnvironment(text: string): KeptSession | null {
  const [clientAddress = '', clientPort = '', serverAddress = '', serverPort = ''] = text.split(' ');
  const client = endOf(clientAddress, clientPort);
  const server = endOf(serverAddress, serverPort);
  return client === null || server === null || client.address.length !== server.address.length
    ? null
    : { client, server };
}

function endOf(address: string, port: string): SessionEnd | null {
  const [plain = ''] = address.split('%');
  const octets = isIP(plain) === 0 ? null : parseAddress(plain);
  if (octets === null || !/^\d{1,5}$/.test(port)) return null;
  return { address: unmapped(Buffer.from(octets).toString('hex')), port: Number(port) };
}

/** TCP sockets of this network namespace. */
function readSockets(): Socket[] {
  return ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((file) => {
    let text: string;
    try {
      text = readFileSync(file, 'latin1');
    } catch {
      // A kernel without IPv6.
      return [];
    }
    return text.split('\n').slice(1).flatMap(readSocket);
  });
}

/** A line: `sl local:port remote:port state ...`, the inode in the tenth column. */
function readSocket(line: string): Socket[] {
  const fields = line.trim().split(/\s+/);
  const [, local = '', remote = '', state = ''] = fields;
  const inode = fields[9];
  if (inode === undefined) return [];
  return [{ server: kernelEnd(local), client: kernelEnd(remote), state, inode }];
}

/** Each 32 bits of the address are a number of this machine, in hexadecimal. */
function kernelEnd(text: string): SessionEnd {
  const [words = '', port = ''] = text.split(':');
  const octets = Buffer.from(words, 'hex');
  if (new Uint8Array(Uint32Array.of(1).buffer)[0] === 1) octets.swap32();
  return { address: unmapped(octets.toString('hex')), port: Number.parseInt(port, 16) };
}

function unmapped(address: string): string {
  return address.length === 32 && address.startsWith(MAPPED) ? address.slice(MAPPED.length) : address;
}

function isSame(a: KeptSession, b: KeptSession): boolean {
  return (['client', 'server'] as const).every(
    (end) => a[end].address === b[end].address && a[end].port === b[end].port,
  );
}

/** From the parent on. */
function ancestorsOf(pid: number): { readonly pid: number; readonly name: string }[] {
  const ancestors: { readonly pid: number; readonly name: string }[] = [];
  for (let one = parentOf(pid); one > 1 && ancestors.length < MOST_ANCESTORS; one = parentOf(one)) {
    ancestors.push({ pid: one, name: nameOf(one) });
  }
  return ancestors;
}

/** 0 where it is gone. A name may have brackets in it: the last one ends it. */
function parentOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] ?? 0);
  } catch {
    return 0;
  }
}

function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'latin1').trimEnd();
  } catch {
    return '';
  }
}

/** Inodes of the sockets of a process; none where it may not be looked at. */
function socketsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        // Closed meanwhile.
        return [];
      }
    });
  } catch {
    return [];
  }
}
