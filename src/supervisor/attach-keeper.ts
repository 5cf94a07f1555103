/**
 * Keeps one attach of the configuration: what it stands on, its tables, its equipment, and what was once its own.
 *
 * ```
 *   interfaces found ─> locked ─> protected (tables, onDown in force) ─> equipped ─> whole: the lease may be held
 *        │ another ifindex, name, MTU or MAC                  ▲   damages ┘
 *        └─ what it had is guarded: its tables stay ──────────┘
 * ```
 * Rule: a port that was ever protected keeps its tables until the orderly stop: renamed, it is protected under its new name;
 * gone, its tables wait for whoever takes its name, and go when that one is protected. Before anything is changed the gate is
 * told, which closes the fence.
 *
 * @module
 */

import { liveDriver } from '../config/live-drivers.ts';
import { type AttachConfig, attachInterfaces, attachTolerates, type Config } from '../config/schema.ts';
import { isFirehookError } from '../errors.ts';
import type { Attachment } from '../plumbing/attach/attachment.ts';
import { detoursOf } from '../plumbing/attach/detours.ts';
import { hostAttachment, toAttachment } from '../plumbing/attach-entry.ts';
import type { Damage, EarlierTaker, Plumbing } from '../plumbing/contract.ts';
import type { Link } from '../plumbing/link.ts';
import { Attempt, type AttemptWorld } from './attempt.ts';

/** What all keepers have in common. */
export interface KeeperWorld extends AttemptWorld {
  readonly plumbing: Plumbing;
  readonly driver: Config['driver'];
  readonly onDown: 'drop' | 'forward';
  /** Something is no longer as it has to be for the lease: takes it away before the call returns. */
  gate(): void;
}

/** Damages that frames do not pass by unhooked, nor get lost: the lease goes on while they are repaired. */
const HARMLESS: readonly Damage['what'][] = ['promiscuity', 'offload'];
/** What sees a frame before the ingress chain of its port, so that a bridge has no second wall against it. */
const BEFORE_INGRESS: readonly EarlierTaker['kind'][] = ['tc', 'tcx', 'xdp'];

/** What was shown of an attach by a frame of firehook's own. */
export interface AttachProof {
  /** On the clock of the loop. */
  readonly atMs: number;
  readonly shown: string;
  /** What nobody can show without sending on the wire. */
  readonly unshown: string;
}

const SHOWN_BY_DETOURS = {
  shown: 'a frame of its own came through every detour, and the lanes captured it once',
  unshown:
    'that frames off the wire take this way, and that checksums and super-frames survive: firehook selftest shows it',
};
const SHOWN_AT_PORT = {
  shown: 'the kernel has confirmed that it withholds what the rings capture, and every lane is in that epoch',
  unshown: 'that nothing is captured again, and that checksums and super-frames survive: firehook selftest shows it',
};

/** The same damage again is logged no sooner. */
const SAY_AGAIN_MS = 10_000;

/** Keeps one attach. */
export class AttachKeeper {
  readonly config: AttachConfig;
  readonly kind: Attachment['kind'];
  readonly tolerated: readonly string[];
  readonly #world: KeeperWorld;
  readonly #look: Attempt;
  readonly #lock: Attempt;
  readonly #protect: Attempt;
  readonly #equip: Attempt;
  readonly #guard: Attempt;
  /** Ports that had tables, by ifindex, with the attachment that they were protected in. */
  readonly #guarded = new Map<number, Attachment>();
  #attachment: Attachment | null = null;
  #key = '';
  #why: string | null = null;
  #isLocked = false;
  #needsProtection = false;
  #isProtected = false;
  #needsEquipment = false;
  #isEquipped = false;
  #isMended = false;
  /** Counts repairs: what was made before one may be on something that is no more. */
  #repairs = 0;
  #damages: readonly Damage[] = [];
  /** The damage that was logged last, and when. */
  #said = '';
  #saidMs = 0;
  #takers: readonly EarlierTaker[] = [];
  #probeDamages: readonly Damage[] = [];
  #provenMs: number | null = null;

  constructor(config: AttachConfig, world: KeeperWorld) {
    const name = attachInterfaces(config).join(' and ');
    this.config = config;
    this.kind = 'bridge' in config ? 'bridge' : 'host' in config ? 'host' : 'tap';
    this.tolerated = attachTolerates(config);
    this.#world = world;
    this.#look = new Attempt(world, `Cannot look at ${name}`);
    this.#lock = new Attempt(world, `Cannot lock ${name}`);
    this.#protect = new Attempt(world, `Cannot make the tables of ${name}`);
    this.#equip = new Attempt(world, `Cannot make the detours of ${name}`);
    this.#guard = new Attempt(world, `Cannot keep the tables that ${name} had`);
  }

  /** What it stands on; null while an interface is not there, or another daemon has it. */
  get attachment(): Attachment | null {
    return this.#isLocked ? this.#attachment : null;
  }

  /** Why it stands on nothing; null when it does. */
  get why(): string | null {
    return this.attachment === null ? (this.#lock.failure ?? this.#why) : null;
  }

  /** The ports that have a lease; a tap has none. */
  get ifindexes(): readonly number[] {
    return this.kind === 'tap' ? [] : (this.attachment?.links.map(({ ifindex }) => ifindex) ?? []);
  }

  /** Every port that has tables, or may have: of now and of before. */
  get heldIfindexes(): readonly number[] {
    const now = this.kind === 'tap' || !this.#isLocked ? [] : (this.#attachment?.links ?? []);
    return [...new Set([...now.map(({ ifindex }) => ifindex), ...this.#guarded.keys()])];
  }

  /** True while lanes may have its frames. */
  get isWhole(): boolean {
    if (this.attachment === null) return false;
    return this.kind === 'tap' || (this.#isProtected && !this.#needsProtection && this.#isEquipped);
  }

  /** False when frames may pass a port of it that no table decides about. */
  get isProtected(): boolean {
    if (this.kind === 'tap') return true;
    // What another daemon has locked is that one's to protect.
    const isOthers = isFirehookError(this.#lock.error) && this.#lock.error.code === 'FIREHOOK_ATTACH_BUSY';
    if (this.#attachment !== null && !this.#isProtected && !isOthers) return false;
    if (this.#guard.failure !== null) return false;
    return this.#world.onDown === 'forward' || !this.takers.some((taker) => this.#walksBy(taker));
  }

  /** Another one when it stands on something else, and after a repair. */
  get identity(): string {
    return `${this.#key} ${this.#repairs}`;
  }

  /** What is wrong with it now. */
  get damages(): readonly Damage[] {
    return [...this.#damages, ...this.#probeDamages];
  }

  /** What takes frames before firehook. */
  get takers(): readonly EarlierTaker[] {
    return this.attachment === null ? [] : this.#takers;
  }

  /** What is being tried and fails, one sentence each. */
  get failures(): readonly string[] {
    return [this.#look, this.#lock, this.#protect, this.#equip, this.#guard].flatMap(({ failure }) => failure ?? []);
  }

  /** When it has to be looked at next, on the clock; infinity where nothing waits. */
  get dueMs(): number {
    const waiting = [this.#look, this.#lock, this.#protect, this.#equip, this.#guard].filter(
      ({ failure }) => failure !== null,
    );
    return Math.min(Number.POSITIVE_INFINITY, ...waiting.map(({ dueMs }) => dueMs));
  }

  /** True once after each repair: the time for a probe. */
  takeMended(): boolean {
    const isMended = this.#isMended;
    this.#isMended = false;
    return isMended;
  }

  /** What has been shown of it since it stands on what it stands on; null while nothing has. */
  get proof(): AttachProof | null {
    const { attachment } = this;
    if (attachment === null || attachment.kind === 'tap' || this.#provenMs === null) return null;
    const { shown, unshown } = detoursOf(attachment).length > 0 ? SHOWN_BY_DETOURS : SHOWN_AT_PORT;
    return { atMs: this.#provenMs, shown, unshown };
  }

  /** True when nothing stands in the way of saying that the hooks have its traffic. A tap promises nothing. */
  get isProven(): boolean {
    return this.kind === 'tap' || this.#provenMs !== null;
  }

  /** Notes what a probe found: what did not come through is made again, and stays a damage until a probe passes. */
  probed(damages: readonly Damage[]): void {
    const text = damages.map((damage) => damage.text).join('; ');
    if (text !== '' && text !== this.#probeDamages.map((damage) => damage.text).join('; ')) {
      this.#world.log.warn(`A probe frame was lost: ${text}. The detours are looked at again.`);
    }
    if (text !== '') this.#needsEquipment = true;
    this.#provenMs = text === '' ? this.#world.clock.now() : null;
    this.#probeDamages = damages;
  }

  /**
   * Does what there is to do now.
   *
   * @param links - as they are
   * @returns true when it has changed something in the kernel
   */
  async step(links: ReadonlyMap<string, Link>): Promise<boolean> {
    this.#findAttachment(links);
    await this.#takeLock();
    let isChanged = false;
    const { attachment } = this;
    if (attachment !== null && attachment.kind !== 'tap') {
      isChanged = await this.#mend(attachment, links);
      await this.#lookForTakers(attachment, links);
    }
    return (await this.#keepGuarded(links)) || isChanged;
  }

  #findAttachment(links: ReadonlyMap<string, Link>): void {
    let found: Attachment | null = null;
    let why: string | null = null;
    try {
      found = toAttachment(this.config, this.#world.driver, links);
    } catch (error) {
      if (!isFirehookError(error)) throw error;
      why = error.message;
    }
    const key = found === null ? '' : keyOf(found);
    if (key === this.#key) {
      // What is no part of the key, such as up and down, is taken over.
      if (found !== null) this.#attachment = found;
      this.#why = why;
      return;
    }
    this.#replace(found, key, why);
  }

  /** It stands on something else from now on. */
  #replace(found: Attachment | null, key: string, why: string | null): void {
    const before = this.#isLocked ? this.#attachment : null;
    const isSamePorts = before !== null && found !== null && indexes(before) === indexes(found);
    if (before !== null && before.kind !== 'tap' && !isSamePorts) {
      for (const { ifindex } of before.links) this.#guarded.set(ifindex, before);
    }
    this.#attachment = found;
    this.#key = key;
    this.#why = why;
    this.#isLocked = isSamePorts;
    this.#isProtected = isSamePorts && this.#isProtected;
    this.#needsProtection = true;
    this.#needsEquipment = true;
    this.#isEquipped = false;
    this.#damages = [];
    this.#probeDamages = [];
    this.#provenMs = null;
    for (const attempt of [this.#lock, this.#protect, this.#equip]) attempt.reset();
    if (before !== null) {
      this.#world.gate();
      this.#world.log.warn(
        found === null
          ? `${why ?? 'An interface is gone'}. Its tables stay until it is back.`
          : `${describe(found)}: an interface changed; it is attached anew.`,
      );
    }
  }

  async #takeLock(): Promise<void> {
    const attachment = this.#attachment;
    if (this.#isLocked || attachment === null || !this.#lock.isDue) return;
    const held = new Set(this.heldIfindexes);
    const taken = await this.#lock.run(() => {
      if (attachment.kind === 'tap') return;
      try {
        for (const link of attachment.links) this.#world.plumbing.lock(link);
      } catch (error) {
        // All or none: half a bridge would keep another daemon from it for nothing.
        for (const { ifindex } of attachment.links) if (!held.has(ifindex)) this.#world.plumbing.unlock(ifindex);
        throw error;
      }
    });
    this.#isLocked = taken !== undefined;
  }

  /** Tables first, then the rest; what was repaired is looked at again before it counts. */
  async #mend(attachment: Attachment, links: ReadonlyMap<string, Link>): Promise<boolean> {
    const { plumbing, onDown, driver } = this.#world;
    if (!this.#needsProtection && this.#look.isDue) await this.#inspect(attachment, links);
    let isTried = false;
    if (this.#needsProtection && this.#protect.isDue) {
      this.#world.gate();
      isTried = true;
      if ((await this.#protect.run(() => plumbing.protect(attachment, onDown, this.tolerated), false)) !== undefined) {
        this.#needsProtection = false;
        this.#isProtected = true;
        this.#needsEquipment = true;
      }
    }
    if (this.#needsEquipment && this.#isProtected && this.#equip.isDue) {
      isTried = true;
      const { superFrames } = liveDriver(driver);
      if ((await this.#equip.run(() => plumbing.equip(attachment, superFrames), false)) !== undefined) {
        this.#needsEquipment = false;
        this.#isEquipped = true;
      }
    }
    if (!isTried) return false;
    this.#provenMs = null;
    this.#repairs += 1;
    const fresh = await this.#look.run(() => plumbing.readLinks());
    if (fresh !== undefined) await this.#inspect(attachment, fresh.value, true);
    this.#isMended = true;
    return true;
  }

  /** @param isRepaired - what is still wrong then could not be repaired */
  async #inspect(attachment: Attachment, links: ReadonlyMap<string, Link>, isRepaired = false): Promise<void> {
    const seen = await this.#look.run(() => this.#world.plumbing.inspect(attachment, links));
    if (seen === undefined) return;
    const damages = seen.value;
    const text = textOf(damages);
    const nowMs = this.#world.clock.now();
    if (text !== '' && (text !== this.#said || nowMs - this.#saidMs > SAY_AGAIN_MS)) {
      this.#world.log.warn(`${describe(attachment)}: ${text}. It is repaired.`);
      this.#said = text;
      this.#saidMs = nowMs;
    }
    this.#damages = damages;
    // What the kernel refused has been noted; what it took and did not help has not.
    const isProtectionDone = !this.#needsProtection;
    const isEquipmentDone = !this.#needsEquipment;
    const tables = damages.filter(({ what }) => what === 'table');
    const others = damages.filter(({ what }) => what !== 'table');
    if (tables.length > 0) {
      this.#isProtected = false;
      this.#needsProtection = true;
      if (isRepaired && isProtectionDone) this.#protect.fail(textOf(tables));
    } else if (!this.#needsProtection) this.#protect.succeed();
    if (others.length > 0) {
      this.#needsEquipment = true;
      if (others.some(({ what }) => !HARMLESS.includes(what))) this.#isEquipped = false;
      if (isRepaired && isEquipmentDone) this.#equip.fail(textOf(others));
    } else if (!this.#needsEquipment) this.#equip.succeed();
    if (!this.isWhole) this.#world.gate();
  }

  async #lookForTakers(attachment: Attachment, links: ReadonlyMap<string, Link>): Promise<void> {
    if (!this.#look.isDue) return;
    const seen = await this.#look.run(() => this.#world.plumbing.earlierTakers(attachment, links, this.tolerated));
    if (seen === undefined) return;
    const known = new Set(this.#takers.map(({ text }) => text));
    for (const { text, isTolerated } of seen.value) {
      if (!known.has(text)) this.#world.log[isTolerated ? 'warn' : 'error'](text);
    }
    this.#takers = seen.value;
  }

  /** Ports that are ours no longer by name keep their tables. */
  async #keepGuarded(links: ReadonlyMap<string, Link>): Promise<boolean> {
    const { plumbing } = this.#world;
    if (this.#guarded.size === 0 || !this.#guard.isDue) return false;
    const byIndex = new Map(Array.from(links.values(), (link) => [link.ifindex, link]));
    const current = new Map((this.attachment?.links ?? []).map((link) => [link.ifindex, link.name]));
    const names = new Set(current.values());
    let isChanged = false;
    const done = await this.#guard.run(async () => {
      for (const [ifindex, before] of this.#guarded) {
        if (current.has(ifindex)) {
          if (this.#isProtected) this.#guarded.delete(ifindex);
          continue;
        }
        const name = before.links.find((link) => link.ifindex === ifindex)?.name ?? '';
        if (!byIndex.has(ifindex)) {
          // Another device has the name, and tables of its own: the old ones would now be in its way.
          if (!this.#isProtected || !names.has(name)) continue;
          await plumbing.undo(ifindex);
          plumbing.unlock(ifindex);
          this.#guarded.delete(ifindex);
          isChanged = true;
          continue;
        }
        isChanged = (await this.#guardPort(ifindex, before, byIndex, links, current)) || isChanged;
      }
    });
    return done !== undefined && isChanged;
  }

  /** Sees to it that a port of an earlier attachment is protected under the name it has now. */
  async #guardPort(
    ifindex: number,
    before: Attachment,
    byIndex: ReadonlyMap<number, Link>,
    links: ReadonlyMap<string, Link>,
    current: ReadonlyMap<number, string>,
  ): Promise<boolean> {
    const { plumbing } = this.#world;
    const port = byIndex.get(ifindex);
    if (port === undefined) return false;
    const fresh = before.links.map((link) => byIndex.get(link.ifindex));
    // The other port of a bridge is gone, or has tables of another attachment: nothing comes through this one any more.
    const isHalf = fresh.some((link) => link === undefined || current.has(link.ifindex));
    const now = isHalf
      ? hostAttachment(port, this.#world.driver)
      : ({ ...before, links: fresh } as unknown as Attachment);
    const isRenamed = keyOf(now) !== keyOf(before);
    if (!isRenamed && !(await plumbing.inspect(now, links)).some(({ what }) => what === 'table')) return false;
    await plumbing.protect(now, isHalf ? 'drop' : this.#world.onDown, this.tolerated);
    for (const link of now.links) this.#guarded.set(link.ifindex, now);
    return true;
  }

  /** A host has a second wall in its IP stack; in a bridge, what sees frames before the ingress chain may send them on. */
  #walksBy({ kind, isTolerated }: EarlierTaker): boolean {
    return !isTolerated && this.kind === 'bridge' && BEFORE_INGRESS.includes(kind);
  }
}

/** `host eth0`, `bridge lan0 and wan0`. */
export function describe({ kind, links }: Attachment): string {
  return `${kind} ${links.map(({ name }) => name).join(' and ')}`;
}

/** What lanes and tables are built on: where it differs, they are built again. */
function keyOf({ kind, links }: Attachment): string {
  return JSON.stringify([kind, links.map(({ ifindex, name, mtu, mac }) => [ifindex, name, mtu, mac])]);
}

function indexes({ links }: Attachment): string {
  return links.map(({ ifindex }) => ifindex).join(' ');
}

function textOf(damages: readonly Damage[]): string {
  return damages.map(({ text }) => text).join('; ');
}
