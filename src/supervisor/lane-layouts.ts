/**
 * What lanes are told of this machine: ports, ways, rings and addresses, for the attaches that stand.
 *
 * ```
 *   attaches, links ─> ports and ways, a port for each interface that hooks send out of, rings by the speed of their ports ─> layout
 * ```
 * Rule: nothing is opened and nothing in the kernel is changed. The same machine and configuration give the same layout, also in another process.
 *
 * @module
 */

import { readFile } from 'node:fs/promises';
import { liveDriver } from '../config/live-drivers.ts';
import { type Config, isEnforced, outletNames } from '../config/schema.ts';
import type { LivePortOptions } from '../drivers/live-port.ts';
import { FirehookError } from '../errors.ts';
import type { LocalRoute } from '../lane/local-table.ts';
import type { LaneSpec, Outlet } from '../lane/messages.ts';
import { sortWays } from '../lane/pass-through.ts';
import type { Way } from '../lane/way.ts';
import type { Attachment } from '../plumbing/attach/attachment.ts';
import { layOut, layOutOutlet } from '../plumbing/attach/lay-out.ts';
import type { Plumbing } from '../plumbing/contract.ts';
import type { Link } from '../plumbing/link.ts';
import type { Logger } from '../telemetry/logger.ts';
import { planRings, type RingPlan } from './ring-plan.ts';

/** What lanes are told of this machine; neither a reload nor an upgrade changes it. */
export type LaneLayout = Pick<LaneSpec, 'driver' | 'ports' | 'ways' | 'outlets' | 'rings' | 'trackChanges'>;

/** What {@link LaneLayouts} takes. */
export interface LaneLayoutOptions {
  readonly plumbing: Pick<Plumbing, 'readLocals'>;
  readonly log: Logger;
  readonly sleep: (ms: number) => Promise<void>;
  /** The host's own addresses are others. */
  readonly onLocals: (locals: readonly LocalRoute[]) => void;
}

/** sysfs waits for a lock of the kernel: a port whose speed is not told by then has none. */
const SPEED_TIMEOUT_MS = 1_000;

/** Lays lanes out, and remembers what is asked for once. */
export class LaneLayouts {
  /** The host's own addresses and broadcasts, as they were read last. Lanes tell by them whether a packet is for this host. */
  locals: readonly LocalRoute[] = [];
  readonly #options: LaneLayoutOptions;
  /** In Mbit/s, by ifindex; asked for once, because the kernel may be slow to say. */
  readonly #speeds = new Map<number, number>();
  /** Of those that hooks send frames out of. */
  #missingOutlets: ReadonlySet<string> = new Set();
  /** Why the addresses could not be read last; '' when they were. */
  #localsFailure = '';

  constructor(options: LaneLayoutOptions) {
    this.#options = options;
  }

  /** @throws FirehookError FIREHOOK_ATTACH_INTERFACE where an end of a detour is not there yet */
  async layOut(
    { driver, attach, hooks, ring }: Pick<Config, 'driver' | 'attach' | 'hooks' | 'ring'>,
    attachments: readonly Attachment[],
    links: ReadonlyMap<string, Link>,
  ): Promise<LaneLayout & { readonly rings: readonly RingPlan[] }> {
    const ports: LivePortOptions[] = [];
    const laid: Way[] = [];
    for (const attachment of attachments) {
      const laidOut = layOut(attachment, ports.length, links);
      ports.push(...laidOut.ports);
      laid.push(...laidOut.ways);
    }
    const ways = sortWays(laid);
    const outlets = this.#layOutOutlets(outletNames(hooks), ports, links);
    const nameless = ports.flatMap(({ capture, send }) => [capture, send]).find((device) => device?.ifindex === 0);
    if (nameless) throw new FirehookError('FIREHOOK_ATTACH_INTERFACE', `"${nameless.name}": it is not there yet`);
    await this.#readSpeeds(attachments);
    await this.#readLocals();
    const speedOf = (name: string): number => this.#speeds.get(links.get(name)?.ifindex ?? 0) ?? Number.NaN;
    const hasRings = liveDriver(driver).rings === true;
    const rings = hasRings ? planRings(ring, ways, [], links.values(), this.#options.log, speedOf) : [];
    return { driver, ports, ways, outlets, rings, trackChanges: !attach.some(isEnforced) };
  }

  /** A port that only sends for each interface that hooks may send out of; it sends nothing where there is none of that name. */
  #layOutOutlets(names: readonly string[], ports: LivePortOptions[], links: ReadonlyMap<string, Link>): Outlet[] {
    const outlets = names.map((name, index) => ({ name, port: ports.length + index }));
    const missing: string[] = [];
    for (const { name, port } of outlets) {
      const laidOut = layOutOutlet(name, port, links);
      ports.push(laidOut);
      if (laidOut.send === null) missing.push(name);
    }
    for (const name of missing) {
      if (this.#missingOutlets.has(name)) continue;
      this.#options.log.warn(
        `Interface ${name} of allow.interfaces is not there, or not of Ethernet: what hooks send out of it goes nowhere.`,
      );
    }
    this.#missingOutlets = new Set(missing);
    return outlets;
  }

  async #readLocals(): Promise<void> {
    const { plumbing, log, onLocals } = this.#options;
    let locals: readonly LocalRoute[];
    try {
      locals = await plumbing.readLocals();
      this.#localsFailure = '';
    } catch (error) {
      // Nobody's packets depend on it: what was known last goes on, and the next turn asks again.
      const reason = (error as Error).message;
      if (reason !== this.#localsFailure) log.warn(`Cannot read the addresses of this host: ${reason}.`);
      this.#localsFailure = reason;
      return;
    }
    if (JSON.stringify(locals) === JSON.stringify(this.locals)) return;
    this.locals = locals;
    onLocals(locals);
  }

  async #readSpeeds(attachments: readonly Attachment[]): Promise<void> {
    const missing = attachments.flatMap(({ links }) => [...links]).filter(({ ifindex }) => !this.#speeds.has(ifindex));
    await Promise.all(
      missing.map(async ({ ifindex, name }) => {
        const speed = readFile(`/sys/class/net/${name}/speed`, 'utf8').then(Number, () => Number.NaN);
        const late = this.#options.sleep(SPEED_TIMEOUT_MS).then(() => Number.NaN);
        this.#speeds.set(ifindex, await Promise.race([speed, late]));
      }),
    );
  }
}
