/**
 * The supervisor's loop in thousands of worlds: whatever comes in whatever order, its promises hold at every step, and when
 * it becomes quiet what is wanted is there.
 *
 * A world that breaks a promise is named by its seed: `SEED=123 node --import tsx --test <this file>` shows it alone.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AttachConfig } from '../../../src/config/schema.ts';
import type { Attachment } from '../../../src/plumbing/attach/attachment.ts';
import type { LanePlan } from '../../../src/supervisor/lane-set.ts';
import { Reconciler } from '../../../src/supervisor/reconcile.ts';
import { createLogger } from '../../../src/telemetry/logger.ts';
import { type LaneManners, SimulatedClock, SimulatedLane, SimulatedPlumbing } from './simulated-world.ts';

/** Some twenty seconds; `WORLDS=5000` looks further. */
const WORLDS = Number(process.env['WORLDS'] ?? 200);
const EVENTS = 25;
/** By then every delay has run out: 30 s between lanes, 5 s between calls, 60 s for a lane that does not get ready. */
const QUIET_MS = 200_000;
const QUICK: LaneManners = { openMs: 20, readyMs: 300, stopMs: 20, isStuck: false, isRefused: false };

/** A small generator of numbers from 0 to 1 (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface WorldOptions {
  readonly attach?: readonly AttachConfig[];
  readonly lanes?: number;
  readonly onDown?: 'drop' | 'forward';
}

/** Ports that are not there and have tables. */
const GONE = 900;
const WAITED_FOR = 901;

/** A reconciler in a model world, and the promises that are looked at after everything that happens. */
class World {
  readonly clock = new SimulatedClock();
  readonly plumbing = new SimulatedPlumbing(this.clock);
  readonly lanes: SimulatedLane[] = [];
  readonly lines: string[] = [];
  readonly wanted: number;
  readonly reconciler: Reconciler;
  manners: LaneManners = QUICK;
  /** Ports that ever had tables. */
  readonly #attached = new Set<number>();
  /** What a stranger did to tables: until the loop has had its chance they may be gone. */
  robbedMs = Number.NEGATIVE_INFINITY;
  #pids = 100;

  constructor({ attach = [{ host: 'eth0' }], lanes = 2, onDown = 'drop' }: WorldOptions = {}) {
    this.wanted = lanes;
    this.plumbing.addLink(2, 'eth0');
    this.plumbing.addLink(3, 'eth1');
    this.plumbing.addLink(4, 'eth2');
    // What killed runs left: one of nobody, and one of a run that waits for its port.
    for (const port of [GONE, WAITED_FOR])
      this.plumbing.tables.set(port, { name: 'eth0', isWhole: true, untilMs: Number.NEGATIVE_INFINITY });
    this.plumbing.foreign.add(WAITED_FOR);
    const log = createLogger({ human: false, write: (line) => void this.lines.push(line) });
    this.reconciler = new Reconciler({
      config: { attach: [...attach], driver: 'afpacket', lanes, policy: { onDown } },
      clock: this.clock,
      log,
      plumbing: this.plumbing,
      planLanes: async (attachments) => this.#plan(attachments),
      startLane: (plan, _place, _isFirst, events) => {
        if (this.manners.isRefused) throw new Error('EMFILE: too many open files');
        this.#pids += 1;
        const lane = new SimulatedLane(this.clock, this.#pids, plan, this.manners, events);
        this.lanes.push(lane);
        return lane;
      },
      laneEnded: () => undefined,
    });
  }

  get alive(): readonly SimulatedLane[] {
    return this.lanes.filter(({ isAlive }) => isAlive);
  }

  async start(): Promise<void> {
    const started = this.reconciler.start();
    // Heard of below, when the world has had its time.
    started.catch(() => undefined);
    await this.advance(3_000);
    await started;
  }

  advance(ms: number): Promise<void> {
    return this.clock.advance(ms, () => this.check());
  }

  /** The promises that hold at every moment. */
  check(): void {
    const { plumbing, reconciler } = this;
    assert.ok(this.alive.length <= this.wanted, `${this.alive.length} lanes of ${this.wanted}`);
    for (const [port, table] of plumbing.tables) if (table.isWhole) this.#attached.add(port);
    if (plumbing.lease.isAllowed) {
      const ready = this.alive.filter(({ isReady }) => isReady);
      const current = this.#planNow();
      for (const lane of ready) {
        // The loop hears of a change when it looks; from then on, and not before, it is to blame.
        assert.equal(lane.plan.fingerprint, reconciler.lanes.plan?.fingerprint, 'a lane of another plan while allowed');
      }
      assert.ok(reconciler.lanes.ready.length > 0, 'allowed without a lane');
      assert.ok(current.length > 0 || this.#isNews, 'allowed without anything attached');
      for (const keeper of reconciler.keepers) {
        if (!keeper.ifindexes.some((port) => plumbing.lease.ports.includes(port))) continue;
        assert.ok(keeper.isWhole, 'allowed while an attach is not whole');
      }
    }
    if (plumbing.noTables || plumbing.failing !== null || plumbing.slowMs > 0 || this.#isNews) return;
    for (const port of this.#attached) {
      if (!plumbing.links.has(port)) continue;
      assert.ok(plumbing.tables.get(port)?.isWhole === true, `port ${port} was attached and has no tables`);
    }
  }

  /** Something happened that the loop cannot have dealt with yet. */
  news(graceMs = 400): void {
    this.robbedMs = Math.max(this.robbedMs, this.clock.now() + graceMs);
  }

  get #isNews(): boolean {
    return this.clock.now() <= this.robbedMs;
  }

  #plan(attachments: readonly Attachment[]): LanePlan {
    const { detours } = this.plumbing;
    return {
      fingerprint: JSON.stringify(
        attachments.map(({ links }) =>
          links.map(({ ifindex, mtu, mac, name }) => [ifindex, mtu, mac, name, detours.get(ifindex)?.serial]),
        ),
      ),
      ways: [],
      isFenced: false,
    };
  }

  /** Attachments that are there as the model sees it. */
  #planNow(): readonly unknown[] {
    return this.reconciler.keepers.filter(({ attachment }) => attachment !== null);
  }
}

/** Once nothing happens any more: what is wanted is there, and nothing else. */
function assertSettled(world: World): void {
  const { plumbing, reconciler } = world;
  assert.equal(reconciler.state, 'running', reconciler.warnings.join(' '));
  assert.equal(world.alive.length, world.wanted, 'lanes');
  const { plan } = reconciler.lanes;
  for (const lane of world.alive) {
    assert.ok(lane.isReady, 'every lane is ready');
    assert.equal(lane.plan.fingerprint, plan?.fingerprint, 'every lane is on the plan');
  }
  for (const keeper of reconciler.keepers) {
    assert.ok(keeper.isWhole, 'every attach is whole');
    if (keeper.kind === 'tap') continue;
    for (const { ifindex, name } of keeper.attachment?.links ?? []) {
      assert.equal(plumbing.links.get(ifindex)?.name, name);
      assert.equal(plumbing.tables.get(ifindex)?.isWhole, true);
      assert.equal(plumbing.detours.get(ifindex)?.isWhole, true);
      assert.ok(plumbing.locks.has(ifindex), 'every port is locked');
      assert.equal(
        keeper.attachment?.links.some(({ mtu }) => mtu === plumbing.links.get(ifindex)?.mtu),
        true,
      );
    }
  }
  assert.ok(plumbing.lease.state.held, 'the lease is held');
  const known = new Set([...plumbing.links.keys(), ...reconciler.heldIfindexes, WAITED_FOR]);
  for (const port of plumbing.tables.keys()) assert.ok(known.has(port), `tables of port ${port}, which is gone`);
  assert.deepEqual([...plumbing.lease.ports].sort(), reconciler.keepers.flatMap(({ ifindexes }) => ifindexes).sort());
  assert.deepEqual(reconciler.warnings, []);
}

function isSettled(world: World): boolean {
  try {
    assertSettled(world);
    return true;
  } catch {
    return false;
  }
}

/** One thing that happens in the world. */
function happen(world: World, random: () => number): string {
  const { plumbing, clock } = world;
  const pick = <One>(list: readonly One[]): One | undefined => list[Math.floor(random() * list.length)];
  const link = pick([...plumbing.links.values()]);
  const lane = pick(world.alive);
  const for_ = (ms: number, undo: () => void): void => void clock.setTimer(undo, ms);
  const kind = Math.floor(random() * 16);
  switch (kind) {
    case 0:
      if (link !== undefined) plumbing.links.set(link.ifindex, { ...link, mtu: 1400 + Math.floor(random() * 100) });
      plumbing.tell();
      return 'mtu';
    case 1:
      if (link !== undefined) plumbing.links.set(link.ifindex, { ...link, mac: `02:${Math.floor(random() * 100)}` });
      plumbing.tell();
      return 'mac';
    case 2: {
      if (link === undefined) return 'nothing';
      // Renamed away, and back again after a while.
      const { ifindex, name } = link;
      plumbing.links.set(ifindex, { ...link, name: `other${ifindex}` });
      world.news();
      plumbing.tell();
      for_(random() * 3_000, () => {
        const now = plumbing.links.get(ifindex);
        if (now === undefined || [...plumbing.links.values()].some((other) => other.name === name)) return;
        plumbing.links.set(ifindex, { ...now, name });
        world.news();
        plumbing.tell();
      });
      return `rename ${name}`;
    }
    case 3:
    case 4: {
      if (link === undefined) return 'nothing';
      plumbing.deleteLink(link.ifindex);
      plumbing.tell();
      for_(random() * 3_000, () => makeAgain(world, link.name));
      return `delete ${link.name}`;
    }
    case 5:
      for (const table of plumbing.tables.values()) table.isWhole = false;
      world.news();
      plumbing.tell();
      return 'chains deleted';
    case 6:
      plumbing.tables.clear();
      world.news();
      plumbing.tell();
      return 'flush ruleset';
    case 7:
      for (const detour of plumbing.detours.values()) detour.isWhole = random() < 0.5;
      if (random() < 0.5) plumbing.tell();
      return 'detours damaged';
    case 8:
    case 9:
      lane?.die('it was killed by SIGKILL');
      return 'lane dies';
    case 10:
      if (lane !== undefined) plumbing.lease.hangsSince.set(lane.progressFd, clock.now());
      return 'lane hangs';
    case 11:
      world.manners = {
        openMs: random() * 500,
        readyMs: random() * 3_000,
        stopMs: random() < 0.2 ? 100_000 : random() * 500,
        isStuck: random() < 0.2,
        isRefused: random() < 0.2,
      };
      return 'lanes change their manners';
    case 12:
      plumbing.failing = 'No buffer space available';
      for_(random() * 8_000, () => {
        plumbing.failing = null;
        world.news(6_000);
      });
      return 'calls fail';
    case 13:
      plumbing.slowMs = random() * 4_000;
      for_(random() * 8_000, () => {
        plumbing.slowMs = 0;
        world.news(12_000);
      });
      return 'calls are slow';
    case 14:
      plumbing.lease.refuses = true;
      for_(random() * 2_000, () => {
        plumbing.lease.refuses = false;
      });
      return 'the kernel refuses renewals';
    default:
      plumbing.tell();
      return 'an event of others';
  }
}

let nextIndex = 100;
function makeAgain(world: World, name: string): void {
  if ([...world.plumbing.links.values()].some((link) => link.name === name)) return;
  nextIndex += 1;
  world.plumbing.addLink(nextIndex, name);
  world.plumbing.tell();
}

/** Puts an end to everything that is wrong with the world, but not to what was done to the daemon's things. */
function calm(world: World): void {
  const { plumbing } = world;
  plumbing.failing = null;
  plumbing.slowMs = 0;
  plumbing.noTables = false;
  plumbing.lease.refuses = false;
  world.manners = QUICK;
  for (const { ifindex, name } of plumbing.links.values()) {
    // A name that somebody else has by now is left.
    const own = /^other(\d)$/.exec(name);
    const wanted = own === null ? null : `eth${Number(own[1]) - 2}`;
    const link = plumbing.links.get(ifindex);
    if (wanted === null || link === undefined) continue;
    if ([...plumbing.links.values()].some((other) => other.name === wanted)) plumbing.links.delete(ifindex);
    else plumbing.links.set(ifindex, { ...link, name: wanted });
  }
  for (const name of ['eth0', 'eth1', 'eth2']) makeAgain(world, name);
  world.news(12_000);
  plumbing.tell();
}

async function live(seed: number): Promise<void> {
  const random = randomOf(seed);
  const shapes: readonly (readonly AttachConfig[])[] = [
    [{ host: 'eth0' }],
    [{ bridge: ['eth0', 'eth1'] }],
    [{ bridge: ['eth0', 'eth1'] }, { host: 'eth2' }],
    [{ tap: 'eth1' }, { host: 'eth0' }],
  ];
  const world = new World({
    attach: shapes[seed % shapes.length] ?? [],
    lanes: 1 + Math.floor(random() * 3),
    onDown: random() < 0.5 ? 'drop' : 'forward',
  });
  const history: string[] = [];
  try {
    await world.start();
    for (let event = 0; event < EVENTS; event++) {
      history.push(`${Math.round(world.clock.now())} ms: ${happen(world, random)}`);
      world.check();
      // Most come close together: it is the overlap that is looked for.
      await world.advance(random() < 0.7 ? random() * 400 : random() * 6_000);
    }
    // Whoever is to come back from a rename or a deletion has come back by then.
    await world.advance(15_000);
    calm(world);
    const endMs = world.clock.now() + QUIET_MS;
    // Before that some wait for a delay to run out; what has settled stays so.
    while (!isSettled(world) && world.clock.now() < endMs) await world.advance(2_000);
    await world.advance(5_000);
    assertSettled(world);
  } catch (error) {
    const told = `${history.join('\n')}\nthen, at ${Math.round(world.clock.now())} ms: ${(error as Error).message}`;
    throw new Error(`SEED=${seed}\n${told}\n${world.lines.slice(-12).join('')}`, { cause: error });
  }
}

const { SEED } = process.env;

test('whatever happens in whatever order, the promises hold, and the world settles as it is wanted', async () => {
  if (SEED !== undefined) return live(Number(SEED));
  for (let seed = 1; seed <= WORLDS; seed++) await live(seed);
});

test('a link change while a lane is being replaced ends with as many lanes as are wanted, on what the link is now', async () => {
  const world = new World({ lanes: 2 });
  world.manners = { ...QUICK, readyMs: 1_500 };
  await world.start();
  await world.advance(5_000);
  world.alive[0]?.die('it was killed by SIGKILL');
  await world.advance(700);
  assert.equal(world.alive.length, 2, 'another one is starting');
  const link = world.plumbing.links.get(2);
  assert.ok(link !== undefined, 'eth0 is there');
  world.plumbing.links.set(2, { ...link, mtu: 1400 });
  world.plumbing.tell();
  await world.advance(20_000);
  assertSettled(world);
  assert.equal(world.reconciler.keepers[0]?.attachment?.links[0].mtu, 1400);
});

test('while no table can be had the state is unprotected, and the port is protected as soon as one can', async () => {
  const world = new World();
  await world.start();
  world.plumbing.noTables = true;
  world.plumbing.tables.clear();
  world.plumbing.tell();
  await world.advance(2_000);
  assert.equal(world.reconciler.state, 'unprotected');
  assert.equal(world.reconciler.keepers.map((keeper) => world.reconciler.inForce(keeper)).join(), 'none');
  assert.equal(world.plumbing.lease.isAllowed, false);
  assert.match(world.lines.join(''), /"level":"error".*UNPROTECTED: frames may pass eth0 without the hooks/);
  assert.equal(
    world.lines.filter((line) => /"level":"warn".*Cannot make the tables/.test(line)).length,
    1,
    'one warning',
  );
  world.news(6_000);
  world.plumbing.noTables = false;
  await world.advance(10_000);
  assertSettled(world);
});

test('a filter that takes frames of a bridge before its tables makes it unprotected, of a host it does not', async () => {
  for (const [attach, state] of [
    [{ bridge: ['eth0', 'eth1'] }, 'unprotected'],
    [{ host: 'eth0' }, 'running'],
  ] as const) {
    const world = new World({ attach: [attach as AttachConfig] });
    await world.start();
    const text = 'eth0: a tc filter redirects what arrives.';
    world.plumbing.takers = [{ kind: 'tc', interfaceName: 'eth0', text, isTolerated: false }];
    world.plumbing.tell();
    await world.advance(100);
    assert.equal(world.reconciler.state, state);
    assert.deepEqual(world.reconciler.warnings, [text]);
    world.plumbing.takers = [];
    await world.advance(2_000);
    assertSettled(world);
  }
});

test('a start ends with a reason where no probe frame comes through, and not where a port is down', async () => {
  const world = new World();
  world.plumbing.losesProbes = true;
  const started = world.reconciler.start();
  started.catch(() => undefined);
  await world.advance(30_000);
  await assert.rejects(started, /^FirehookError: interception could not be proven: probe of 2; /);
  const other = new World();
  other.plumbing.losesProbes = true;
  const link = other.plumbing.links.get(2);
  assert.ok(link !== undefined);
  other.plumbing.links.set(2, { ...link, isUp: false });
  await other.start();
  const proof = (): string | null => other.reconciler.keepers[0]?.proof?.shown ?? null;
  assert.equal(proof(), null);
  other.plumbing.losesProbes = false;
  other.plumbing.links.set(2, link);
  await other.advance(15_000);
  assert.match(proof() ?? '', /came through every detour/);
});

test('a start ends with the first failure', async () => {
  const world = new World();
  world.plumbing.noTables = true;
  await assert.rejects(world.start(), /nf_tables: Cannot allocate memory/);
  assert.equal(world.lanes.length, 0, 'no lane was started');
  const refused = new World();
  refused.manners = { ...QUICK, isRefused: true };
  await assert.rejects(refused.start(), /EMFILE/);
});

test('an orderly stop leaves no lane and no lease, also where a lane does not end by itself', async () => {
  const world = new World({ lanes: 3 });
  world.manners = { ...QUICK, stopMs: 100_000 };
  await world.start();
  const stopped = world.reconciler.stop(async () => assert.equal(world.plumbing.lease.isAllowed, false, 'no lease'));
  await world.advance(6_000);
  await stopped;
  assert.deepEqual([world.alive.length, world.plumbing.lease.isAllowed], [0, false]);
});
