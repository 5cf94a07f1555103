/**
 * The network interfaces of this namespace, as `ip link` tells them, and word of their changes.
 *
 * Rule: an interface is its ifindex. A name may come to mean another interface; chains and `fwd` targets do not follow.
 *
 * @module
 */

import { type ChildProcess, spawn } from 'node:child_process';
import type { Link } from './link.ts';
import { runTool } from './run-tool.ts';

export type { Link } from './link.ts';

interface IpLink {
  ifindex: number;
  ifname: string;
  mtu: number;
  link_type: string;
  address?: string;
  flags: string[];
  master?: string;
  link_index?: number;
  linkinfo?: { info_kind?: string; info_slave_kind?: string };
  xdp?: { mode: number };
}

/** Every interface, by name. */
export function readLinks(): Map<string, Link> {
  const links = JSON.parse(runTool('ip', ['-j', '-d', 'link', 'show'])) as IpLink[];
  return new Map(
    links.map((link) => [
      link.ifname,
      {
        ifindex: link.ifindex,
        name: link.ifname,
        mtu: link.mtu,
        type: link.link_type,
        mac: link.address ?? '',
        isUp: link.flags.includes('UP'),
        isPromiscuous: link.flags.includes('PROMISC'),
        master: link.master ?? '',
        kind: link.linkinfo?.info_kind ?? '',
        parent: link.link_index ?? 0,
        masterKind: link.linkinfo?.info_slave_kind ?? '',
        xdp: link.xdp?.mode ?? 0,
      },
    ]),
  );
}

/** Several changes come together: they are looked at once, after this long. */
const SETTLE_MS = 50;
/** `ip monitor` does not end by itself; if it does, it is started again after this long. */
const RETRY_MS = 1000;

/** Says when any interface changed. */
export class LinkMonitor {
  readonly #onChange: () => void;
  #child: ChildProcess | null = null;
  #timer: NodeJS.Timeout | null = null;
  #stopped = false;

  /** @param onChange - called a moment after one or more changes */
  constructor(onChange: () => void) {
    this.#onChange = onChange;
    this.#start();
  }

  /** Stops listening. Idempotent. */
  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#child?.kill('SIGKILL');
  }

  #start(): void {
    if (this.#stopped) return;
    const child = spawn('ip', ['monitor', 'link'], { stdio: ['ignore', 'pipe', 'ignore'] });
    this.#child = child;
    child.stdout.on('data', () => this.#schedule(SETTLE_MS));
    child.on('error', () => undefined);
    child.on('close', () => {
      if (this.#stopped) return;
      setTimeout(() => this.#start(), RETRY_MS).unref();
      // What happened meanwhile was not heard.
      this.#schedule(RETRY_MS);
    });
  }

  #schedule(delayMs: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#onChange();
    }, delayMs);
  }
}
